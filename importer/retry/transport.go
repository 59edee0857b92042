package retry

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// NewHTTPClient returns a client that sends through rt and does not follow
// redirects: a request, and the token in it, is for one server.
func NewHTTPClient(rt http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     rt,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// NewTransport returns a transport for below [Attempt]: with HTTP/2 where the server
// has it, the proxy of the environment, certificates always verified, and as many
// idle connections as there are workers.
func NewTransport(workers int) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		OnProxyConnectResponse: proxyAnswered,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		ExpectContinueTimeout:  time.Second,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           2 * workers, // a proxy or a change of address leaves some unused
		MaxIdleConnsPerHost:    workers,
		IdleConnTimeout:        90 * time.Second,
		// All requests share one HTTP/2 connection. Should it die without a
		// word, a ping finds out before each of them times out.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second},
	}
}

// proxyAnswered returns the error of a proxy that refuses, with its name and status.
// That of net/http has only the text of the status.
func proxyAnswered(_ context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return &proxyError{proxy.Host, resp.StatusCode}
}

// proxyError says that a proxy did not connect to the server.
type proxyError struct {
	proxy  string // host and port
	status int
}

func (e *proxyError) Error() string {
	return fmt.Sprintf("the proxy %s answered %d %s", e.proxy, e.status, http.StatusText(e.status))
}
