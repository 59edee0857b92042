package retry_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"orgimport/importer/retry"
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
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it logs handshakes that fail
	server.StartTLS()
	t.Cleanup(server.Close)
	return server, proto
}

func clientOf(t *testing.T, rt *http.Transport, url string) *client {
	t.Cleanup(rt.CloseIdleConnections)
	c := newClient(t, rt)
	c.url = url
	return c
}

func TestTransportSpeaksHTTP2(t *testing.T) {
	server, proto := tlsServer(t, nil)
	rt := retry.NewTransport(1)
	rt.TLSClientConfig.RootCAs = x509.NewCertPool()
	rt.TLSClientConfig.RootCAs.AddCert(server.Certificate())
	if _, err := clientOf(t, rt, server.URL).send(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if *proto != "HTTP/2.0" {
		t.Errorf("sent with %s, want HTTP/2.0", *proto)
	}
}

func TestTransportTrustsNoStranger(t *testing.T) {
	server, proto := tlsServer(t, nil)
	_, err := clientOf(t, retry.NewTransport(1), server.URL).send(t.Context(), "a")
	if e, ok := errors.AsType[*retry.UnreachableError](err); !ok || e.Obstacle != retry.Untrusted || *proto != "" {
		t.Errorf("error %v, want an UnreachableError", err)
	}
}

func TestTransportSpeaksNoOldTLS(t *testing.T) {
	server, proto := tlsServer(t, &tls.Config{MaxVersion: tls.VersionTLS11})
	rt := retry.NewTransport(1)
	rt.TLSClientConfig.RootCAs = x509.NewCertPool()
	rt.TLSClientConfig.RootCAs.AddCert(server.Certificate())
	_, err := clientOf(t, rt, server.URL).send(t.Context(), "a")
	if e, ok := errors.AsType[*retry.UnreachableError](err); !ok || e.Obstacle != retry.Handshake || *proto != "" {
		t.Errorf("error %v, want an UnreachableError; the request got through: %v", err, *proto != "")
	}
}

func TestServerWithoutTLSIsUnreachable(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	url := strings.Replace(server.URL, "http://", "https://", 1)
	_, err := clientOf(t, retry.NewTransport(1), url).send(t.Context(), "a")
	if e, ok := errors.AsType[*retry.UnreachableError](err); !ok || e.Obstacle != retry.NoTLS {
		t.Errorf("error %v, want an UnreachableError", err)
	}
}

func TestTransportKeepsAConnectionForEachWorker(t *testing.T) {
	if rt := retry.NewTransport(32); rt.MaxIdleConnsPerHost != 32 || rt.MaxIdleConns < 32 || rt.Proxy == nil {
		t.Errorf("%d a host, %d in all", rt.MaxIdleConnsPerHost, rt.MaxIdleConns)
	}
}

// TestProxyThatRefusesIsNamed: a proxy refuses CONNECT.
func TestProxyThatRefusesIsNamed(t *testing.T) {
	for status, want := range map[int]retry.Obstacle{403: retry.ProxyRefusal, 407: retry.ProxyLogin} {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) }))
		defer proxy.Close()
		rt := retry.NewTransport(1)
		address, err := url.Parse("http://user:s3cret@" + proxy.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		rt.Proxy = http.ProxyURL(address)
		_, err = clientOf(t, rt, "https://server.example/").send(t.Context(), "a")
		e, ok := errors.AsType[*retry.UnreachableError](err)
		if !ok || e.Obstacle != want || !strings.Contains(err.Error(), address.Host) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%d: error %v, want the obstacle %d", status, err, want)
		}
	}
}
