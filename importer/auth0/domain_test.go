package auth0_test

import (
	"strings"
	"testing"

	"orgimport/importer/auth0"
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
