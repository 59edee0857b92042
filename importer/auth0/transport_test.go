package auth0_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"orgimport/importer/auth0"
)

// tlsServer answers 204 and notes the protocol of the last request.
func tlsServer(t *testing.T, config *tls.Config) (server *httptest.Server, proto *string) {
	proto = new(string)
	server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*proto = r.Proto
		w.WriteHeader(204)
	}))
	server.TLS = config
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains of the handshakes that fail
	server.StartTLS()
	t.Cleanup(server.Close)
	return server, proto
}

func clientOf(t *testing.T, rt *http.Transport, url string) *auth0.Client {
	t.Cleanup(rt.CloseIdleConnections)
	c := newClient(t, rt)
	var err error
	if c.BaseURL, err = auth0.ParseDomain(url); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTransportSpeaksHTTP2(t *testing.T) {
	server, proto := tlsServer(t, nil)
	rt := auth0.NewTransport(1)
	rt.TLSClientConfig.RootCAs = x509.NewCertPool()
	rt.TLSClientConfig.RootCAs.AddCert(server.Certificate())
	if _, err := clientOf(t, rt, server.URL).Import().Send(t.Context(), batch("org_1", "auth0|a")); err != nil {
		t.Fatal(err)
	}
	if *proto != "HTTP/2.0" {
		t.Errorf("sent with %s, want HTTP/2.0", *proto)
	}
}

func TestTransportTrustsNoStranger(t *testing.T) {
	server, proto := tlsServer(t, nil)
	_, err := clientOf(t, auth0.NewTransport(1), server.URL).Import().Send(t.Context(), batch("org_1", "auth0|a"))
	if e, ok := errors.AsType[*auth0.ConfigError](err); !ok || !strings.Contains(e.Hint, "root certificate") || *proto != "" {
		t.Errorf("error %v, want a ConfigError", err)
	}
}

func TestTransportSpeaksNoOldTLS(t *testing.T) {
	server, proto := tlsServer(t, &tls.Config{MaxVersion: tls.VersionTLS11})
	rt := auth0.NewTransport(1)
	rt.TLSClientConfig.RootCAs = x509.NewCertPool()
	rt.TLSClientConfig.RootCAs.AddCert(server.Certificate())
	req, _ := http.NewRequest("GET", server.URL, nil)
	if _, err := rt.RoundTrip(req); err == nil || *proto != "" {
		t.Errorf("error %v, the request got through: %v", err, *proto != "")
	}
}

func TestServerWithoutTLSIsAConfigurationError(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	url := strings.Replace(server.URL, "http://", "https://", 1)
	_, err := clientOf(t, auth0.NewTransport(1), url).Import().Send(t.Context(), batch("org_1", "auth0|a"))
	if e, ok := errors.AsType[*auth0.ConfigError](err); !ok || !strings.Contains(e.Hint, "does not speak TLS") {
		t.Errorf("error %v, want a ConfigError", err)
	}
}

func TestTransportKeepsAConnectionForEachWorker(t *testing.T) {
	if rt := auth0.NewTransport(32); rt.MaxIdleConnsPerHost != 32 || rt.MaxIdleConns < 32 || rt.Proxy == nil {
		t.Errorf("%d a host, %d in all", rt.MaxIdleConnsPerHost, rt.MaxIdleConns)
	}
}
