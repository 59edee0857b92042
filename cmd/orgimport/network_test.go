package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"orgimport/importer/auth0/auth0test"
)

// networkInScript sets AUTH0_DOMAIN to a broken server for the rest of a script:
// one with an untrusted certificate, one without TLS, a gateway that answers with a
// page, one that answers 204 with a body, or a proxy that refuses with a status.
func networkInScript(ts *testscript.TestScript, neg bool, args []string) {
	serve := func(handler http.HandlerFunc) *httptest.Server {
		server := httptest.NewUnstartedServer(handler)
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		ts.Defer(server.Close)
		return server
	}
	tenant := auth0test.New(auth0test.Config{})
	switch args[0] {
	case "untrusted":
		server := serve(tenant.ServeHTTP)
		server.StartTLS()
		ts.Setenv("AUTH0_DOMAIN", server.URL)
	case "plain":
		server := serve(tenant.ServeHTTP)
		server.Start()
		ts.Setenv("AUTH0_DOMAIN", strings.Replace(server.URL, "http:", "https:", 1))
	case "page":
		server := serve(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Server", "cloudflare")
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, "<html>Attention Required!")
		})
		server.Start()
		ts.Setenv("AUTH0_DOMAIN", server.URL)
	case "body":
		ts.Setenv("AUTH0_DOMAIN", "http://"+bodyBehind204(ts, tenant))
	case "proxy":
		server := serve(func(w http.ResponseWriter, r *http.Request) {
			var status int
			_, err := fmt.Sscan(args[1], &status)
			if err != nil {
				status = http.StatusBadGateway
			}
			w.WriteHeader(status)
		})
		server.Start()
		ts.Setenv("AUTH0_DOMAIN", "acme.eu.auth0.com")
		ts.Setenv("HTTPS_PROXY", strings.Replace(server.URL, "http://", "http://user:pr0xy-s3cret@", 1))
	default:
		ts.Fatalf("unknown network %q", args[0])
	}
}

// bodyBehind204 serves a tenant that sends a body after a 204, as in
// golang/go#19895, and returns its address.
func bodyBehind204(ts *testscript.TestScript, tenant http.Handler) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { listener.Close() })
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		tenant.ServeHTTP(answer, r)
		if answer.Code != http.StatusNoContent {
			for name, values := range answer.Header() {
				w.Header()[name] = values
			}
			w.WriteHeader(answer.Code)
			_, _ = answer.Body.WriteTo(w)
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		fmt.Fprint(conn, "HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n{\"a\":1}")
		go func() { // the client closes it
			_, _ = io.Copy(io.Discard, conn)
			conn.Close()
		}()
	})}
	go func() { _ = server.Serve(listener) }()
	ts.Defer(func() { server.Close() })
	return listener.Addr().String()
}

// TestEveryRequestSaysWhoSendsIt looks at all requests of a run: the token, the
// look-ups, the writes and the ping.
func TestEveryRequestSaysWhoSendsIt(t *testing.T) {
	tenant := auth0test.New(auth0test.Config{Applications: []auth0test.Application{{ClientID: "client", Secret: "s3cret"}}})
	var mu sync.Mutex
	agents := make(map[string]string) // by path
	base := roundTripper(func(r *http.Request) (*http.Response, error) {
		mu.Lock()
		agents[r.URL.Path] = r.UserAgent()
		mu.Unlock()
		if strings.HasPrefix(r.URL.Path, "/t0ken") {
			return &http.Response{StatusCode: 200, Body: http.NoBody, Header: http.Header{}}, nil
		}
		return tenant.RoundTrip(r)
	})
	env := map[string]string{"AUTH0_DOMAIN": "acme.eu.auth0.com", "AUTH0_CLIENT_ID": "client", "AUTH0_CLIENT_SECRET": "s3cret"}
	var stderr bytes.Buffer
	code := run(surroundings{
		args:   []string{"import", "-", "--results", filepath.Join(t.TempDir(), "results.csv"), "--skip-members", "--ping", "https://ping.test/t0ken"},
		getenv: func(name string) string { return env[name] },
		stdin:  strings.NewReader("org_id,user_id\norg_a,auth0|1\n"), stdout: io.Discard, stderr: &stderr,
		transport: func(int) http.RoundTripper { return base },
		signals:   stopSignals,
	})
	if code != exitDone {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	for _, path := range []string{"/oauth/token", "/api/v2/organizations/org_a/members", "/t0ken/start", "/t0ken/0"} {
		if agents[path] == "" {
			t.Errorf("nothing was sent to %s", path)
		}
	}
	for path, agent := range agents {
		if agent != "orgimport/"+version() {
			t.Errorf("%s was asked for by %q", path, agent)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestProxiesThatAreNone tests values that net/http ignores silently.
func TestProxiesThatAreNone(t *testing.T) {
	for value, ok := range map[string]bool{
		"": true, "proxy:3128": true, "proxy.example.com": true, "http://proxy:3128": true, "https://user:pr0xy@proxy:3128/": true,
		"socks5://127.0.0.1:1080": true, "10.0.0.1:3128": true, "http://[::1]:3128": true,
		"http://user:pr0xy@proxy:port": false, "http://user:pr0xy@pro xy": false, "htp://user:pr0xy@proxy:3128": false, "http://user:pr%zz0xy@proxy": false,
		"http://": false, "://pr0xy": false, "ftp://pr0xy": false,
	} {
		for _, name := range []string{"HTTPS_PROXY", "http_proxy"} {
			err := checkProxy(func(n string) string {
				if n == name {
					return value
				}
				return ""
			})
			exit, _ := errors.AsType[*exitError](err)
			if ok != (err == nil) || !ok && (exit == nil || exit.code != exitUsage || !strings.Contains(err.Error(), name) || strings.Contains(err.Error()+exit.hint, "pr0xy")) {
				t.Errorf("%s=%s: %v", name, value, err)
			}
		}
	}
}
