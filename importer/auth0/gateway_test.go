package auth0_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/retry"
)

// gatewayPages are answers of gateways in front of an API.
var gatewayPages = map[string]func() *http.Response{
	// hivecommons/hive#2776: a CDN blocks the address with a page of its own.
	"CDN": func() *http.Response {
		return reply(403, "<!DOCTYPE html><title>Attention Required! | Cloudflare</title>", "Content-Type", "text/html; charset=UTF-8", "Server", "cloudflare")
	},
	// coder/coder#8297: a proxy has no route.
	"proxy without a route": func() *http.Response {
		return reply(404, "<html><h1>404 Not Found</h1></html>", "Server", "nginx")
	},
	"API gateway":    func() *http.Response { return reply(403, `{"message":"Forbidden"}`, "Server", "awselb/2.0") },
	"firewall":       func() *http.Response { return reply(400, "Request blocked. Your support ID is: 77", "Server", "BigIP") },
	"login page":     func() *http.Response { return reply(302, "", "Location", "https://login.example.com/", "Server", "F5") },
	"captive portal": func() *http.Response { return reply(200, "<html>Welcome to the hotel", "Server", "hotel") },
	"basic login":    func() *http.Response { return reply(401, "<html>who are you?", "Server", "squid") },
	"nothing said":   func() *http.Response { return reply(404, "", "Server", "envoy") },
}

// TestGatewayAtTheStart: a gateway answers before the API ever did, so the API is
// not at this address.
func TestGatewayAtTheStart(t *testing.T) {
	for name, page := range gatewayPages {
		t.Run(name, func(t *testing.T) {
			s := &sender{Answer: func(int, *http.Request, string) (*http.Response, error) { return page(), nil }}
			c := newClient(t, &auth0.Bearer{Source: newSource(t, secretCredentials, &sender{Answer: tokens(time.Hour)}), Base: s})
			_, err := c.Import().Send(t.Context(), batch("org_1", "auth0|a"))
			server := "(server: " + page().Header.Get("Server") + ")"
			if e, ok := errors.AsType[*auth0.ConfigError](err); !ok || !strings.Contains(err.Error(), "a gateway answered, not Auth0 "+server) ||
				!strings.Contains(e.Hint, "firewall") || importer.ReachOf(err) != importer.ReachRun || s.Count() != 1 {
				t.Errorf("error %v after %d requests, want a ConfigError after 1", err, s.Count())
			}
		})
	}
}

// TestGatewayInMidRun: a gateway answers some requests of a run, which is temporary
// and does not fail a row.
func TestGatewayInMidRun(t *testing.T) {
	for name, page := range gatewayPages {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &sender{Answer: func(n int, _ *http.Request, _ string) (*http.Response, error) {
					if n > 1 && n%3 != 0 {
						return page(), nil
					}
					return reply(204, ""), nil
				}}
				c := newClient(t, s)
				for range 3 {
					if _, err := c.Import().Send(t.Context(), batch("org_1", "auth0|a")); err != nil {
						t.Errorf("error %v", err)
					}
				}
				s.Answer = func(int, *http.Request, string) (*http.Response, error) { return page(), nil }
				_, _ = c.Import().Send(t.Context(), batch("org_1", "auth0|a")) // may fail by itself
				_, err := c.Import().Send(t.Context(), batch("org_1", "auth0|a"))
				if _, ok := errors.AsType[*retry.GaveUpError](err); !ok || !strings.Contains(err.Error(), "a gateway answered") {
					t.Errorf("error %v, want a GaveUpError", err)
				}
			})
		})
	}
}

// TestGatewayAtTheTokenEndpoint: the answer of a gateway says nothing about the
// credentials.
func TestGatewayAtTheTokenEndpoint(t *testing.T) {
	for name, page := range gatewayPages {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &sender{Answer: func(int, *http.Request, string) (*http.Response, error) { return page(), nil }}
				source := newSource(t, secretCredentials, s)
				_, err := source.Token(t.Context())
				if e, ok := errors.AsType[*auth0.ConfigError](err); !ok || !strings.Contains(err.Error(), "a gateway answered, not Auth0") ||
					!strings.Contains(e.Hint, "firewall") || strings.Contains(e.Hint, "secret") || s.Count() != 1 {
					t.Errorf("error %v after %d requests, want a ConfigError after 1", err, s.Count())
				}
				s.Answer = func(n int, r *http.Request, body string) (*http.Response, error) {
					if n == 2 || n > 4 {
						return tokens(4*time.Second)(n, r, body)
					}
					return page(), nil
				}
				for range 2 {
					if _, err := source.Token(t.Context()); err != nil {
						t.Errorf("after it was answered once: %v", err)
					}
					time.Sleep(10 * time.Second)
				}
			})
		})
	}
}
