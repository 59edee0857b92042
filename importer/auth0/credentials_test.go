package auth0_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"orgimport/importer/auth0"
	"orgimport/importer/retry"
)

func TestParseDomain(t *testing.T) {
	for in, want := range map[string]string{
		"acme.eu.auth0.com":           "https://acme.eu.auth0.com",
		" acme.eu.auth0.com\n":        "https://acme.eu.auth0.com",
		"ACME.eu.Auth0.com":           "https://acme.eu.auth0.com",
		"https://acme.eu.auth0.com":   "https://acme.eu.auth0.com",
		"https://acme.eu.auth0.com/":  "https://acme.eu.auth0.com",
		"HTTPS://acme.eu.auth0.com":   "https://acme.eu.auth0.com",
		"acme.eu.auth0.com:8443":      "https://acme.eu.auth0.com:8443",
		"acme.eu.auth0.com:443":       "https://acme.eu.auth0.com",
		"acme.eu.auth0.com:":          "https://acme.eu.auth0.com",
		"http://localhost:8080":       "http://localhost:8080",
		"http://LOCALHOST":            "http://localhost",
		"http://127.0.0.1:80/":        "http://127.0.0.1",
		"http://127.8.9.10:81":        "http://127.8.9.10:81",
		"http://[::1]:8080":           "http://[::1]:8080",
		"https://[2001:db8::1]":       "https://[2001:db8::1]",
		"https://login.example.co.uk": "https://login.example.co.uk",
	} {
		u, err := auth0.ParseDomain(in)
		if err != nil {
			t.Errorf("%q: %v", in, err)
		} else if u.String() != want {
			t.Errorf("%q: %s, want %s", in, u, want)
		}
	}
	for in, want := range map[string]string{
		"":                              "empty",
		" ":                             "empty",
		"https://":                      "no host name",
		":8080":                         "no host name",
		"acme.eu.auth0.com/api/v2":      "has a path (/api/v2)",
		"https://acme.auth0.com/?a=b":   "query",
		"https://acme.auth0.com?":       "query",
		"https://acme.auth0.com#x":      "fragment",
		"http://acme.eu.auth0.com":      "use https://acme.eu.auth0.com",
		"http://127.0.0.1.example.com":  "loopback",
		"http://localhost.example.com":  "loopback",
		"http://0.0.0.0:80":             "loopback",
		"ftp://acme.eu.auth0.com":       "scheme",
		"acme.eu.auth0.com:0":           "port",
		"acme.eu.auth0.com:99999":       "port",
		"acme.eu.auth0.com:x":           "port",
		"acme .auth0.com":               "not valid",
		"https://u:hunter2@acme.co":     "password",
		"https://u:hun%zzter2@acme.co":  "not valid",
		"https://u:hunter2 x@acme.co/a": "not valid",
	} {
		u, err := auth0.ParseDomain(in)
		if err == nil {
			t.Errorf("%q: %s, want an error", in, u)
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: the password is in %v", in, err)
		}
	}
}

const (
	secretSecret = "s3cret/of+the&client%"
	secretToken  = "t0ken-of-the-tenant"
)

// shown returns all forms in which v could be printed, logged or marshalled.
func shown(v any) string {
	var b strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&b, verb+"\n", v)
	}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
	b.Write(out.Bytes())
	if text, err := json.Marshal(v); err == nil {
		b.Write(text)
	}
	var wrapped error
	if err, ok := v.(error); ok {
		wrapped = errors.Unwrap(err)
	}
	if wrapped != nil {
		b.WriteString(shown(wrapped))
	}
	return b.String()
}

func mustNotShow(t *testing.T, what string, v any, secrets ...string) {
	t.Helper()
	text := shown(v)
	for _, s := range secrets {
		for _, form := range []string{s, url.QueryEscape(s), fmt.Sprintf("%x", s), fmt.Sprintf("%v", []byte(s))} {
			if strings.Contains(text, form) {
				t.Errorf("%s shows a secret: %s", what, text)
			}
		}
	}
}

func TestCredentialsShowNoSecret(t *testing.T) {
	key := string(pemOf(testKey()))
	for want, cr := range map[string]auth0.Credentials{
		"client secret of client":   {ClientID: "client", ClientSecret: secretSecret},
		"private key JWT of client": {ClientID: "client", PrivateKeyPEM: []byte(key)},
		"a ready token":             {Token: secretToken},
		"no credentials":            {},
	} {
		if cr.String() != want {
			t.Errorf("%q, want %q", cr, want)
		}
		mustNotShow(t, want, cr, secretSecret, secretToken, key, strings.Split(key, "\n")[1])
		mustNotShow(t, want, &cr, secretSecret, secretToken, key, strings.Split(key, "\n")[1])
		mustNotShow(t, want, struct{ C auth0.Credentials }{cr}, secretSecret, secretToken, key)
		if cr.Validate() == nil {
			source := newSource(t, cr, nil)
			mustNotShow(t, "the source of "+want, source, secretSecret, secretToken, key)
			mustNotShow(t, "the transport with "+want, &auth0.Bearer{Source: source}, secretSecret, secretToken, key)
			mustNotShow(t, "the client with "+want, newClient(t, &auth0.Bearer{Source: source}), secretSecret, secretToken, key)
		}
	}
}

// TestErrorsShowNoSecret: a tenant fails in all ways and echoes the whole request:
// header, token and form.
func TestErrorsShowNoSecret(t *testing.T) {
	assertions := auth0.Credentials{ClientID: "client", PrivateKeyPEM: pemOf(testKey())}
	secrets := auth0.Credentials{ClientID: "client", ClientSecret: secretSecret}
	for _, cr := range []auth0.Credentials{secrets, assertions} {
		for _, status := range []int{200, 302, 400, 401, 403, 404, 429, 500} {
			for _, atTokenEndpoint := range []bool{false, true} {
				for _, shape := range []string{`{"error":%[1]q,"error_description":%[1]q,"message":%[1]q,"errorCode":%[1]q}`, `<html>%s`, `%s`, `{"x":%q`} {
					synctest.Test(t, func(t *testing.T) {
						var assertion string
						echo := func(r *http.Request, body string) *http.Response {
							return reply(status, fmt.Sprintf(shape, r.Header.Get("Authorization")+" "+body), "Content-Type", "application/json", "Location", "https://example.com/?"+body)
						}
						tokenEndpoint := &sender{Answer: func(_ int, r *http.Request, body string) (*http.Response, error) {
							form, _ := url.ParseQuery(body)
							assertion = form.Get("client_assertion")
							if atTokenEndpoint {
								return echo(r, body), nil
							}
							return token(secretToken, time.Hour), nil
						}}
						api := &sender{Answer: func(_ int, r *http.Request, body string) (*http.Response, error) { return echo(r, body), nil }}
						c := newClient(t, paced(&auth0.Bearer{Source: newSource(t, cr, paced(tokenEndpoint)), Base: api}))
						c.Retry.MaxAttempts, c.Retry.MaxWait = 2, time.Minute
						all := []string{secretSecret, secretToken}
						c.Retry.OnEvent = func(e retry.Event) { mustNotShow(t, "an event", e, all...) }
						receipt, err := c.Import().Send(t.Context(), batch("org_1", "auth0|a"))
						if err == nil {
							t.Fatal("no error")
						}
						if assertion != "" {
							all = append(all, assertion)
						}
						mustNotShow(t, "the error", err, all...)
						mustNotShow(t, "the receipt", receipt, all...)
					})
				}
			}
		}
	}
}

func TestLostConnectionsShowNoSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sender{Answer: func(int, *http.Request, string) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }}
		c := newClient(t, &auth0.Bearer{Source: newSource(t, auth0.Credentials{ClientID: "client", ClientSecret: secretSecret}, s), Base: s})
		_, err := c.Import().Send(t.Context(), batch("org_1", "auth0|a"))
		if err == nil || !strings.Contains(err.Error(), "POST /oauth/token: no answer: unexpected EOF") {
			t.Errorf("error %v", err)
		}
		mustNotShow(t, "the error", err, secretSecret)
	})
}
