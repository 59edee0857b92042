package retry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
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

// Obstacle is what keeps a server from being reached.
type Obstacle int

// The obstacles that do not pass by themselves. A refused connection is not among
// them: a server that restarts refuses too.
const (
	NoSuchHost   Obstacle = iota // the name of the server does not exist
	NoSuchProxy                  // the name of the proxy does not exist
	ProxyLogin                   // the proxy wants a user name and a password, or other ones
	ProxyRefusal                 // the proxy does not connect to the server
	Untrusted                    // the certificate is signed by no trusted authority
	OtherName                    // the certificate is for another server
	NotValid                     // the certificate has expired, or is not valid yet
	NoTLS                        // what answers does not speak TLS
	Handshake                    // client and server share no version or cipher of TLS, or the server wants a certificate
)

// UnreachableError says that a server can't be reached in the way that is configured.
// It is returned only before the server's first answer, which proves the way good.
type UnreachableError struct {
	Obstacle Obstacle
	Err      error
}

func (e *UnreachableError) Error() string { return "can't connect: " + e.Err.Error() }

// Unwrap returns what went wrong.
func (e *UnreachableError) Unwrap() error { return e.Err }

// Permanent reports that trying again is of no use.
func (e *UnreachableError) Permanent() bool { return true }

// obstacleIn returns the obstacle that err is of, unless it may pass by itself.
func obstacleIn(err error) (o Obstacle, found bool) {
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "proxyconnect" {
			return NoSuchProxy, true
		}
		return NoSuchHost, true
	}
	if proxy, ok := errors.AsType[*proxyError](err); ok {
		switch {
		case proxy.status == http.StatusProxyAuthRequired:
			return ProxyLogin, true
		case proxy.status < 500 && proxy.status != http.StatusTooManyRequests && proxy.status != http.StatusRequestTimeout:
			return ProxyRefusal, true
		}
		return 0, false
	}
	if socks, ok := errors.AsType[*net.OpError](err); ok && strings.HasPrefix(socks.Op, "socks") {
		switch text := socks.Err.Error(); {
		case strings.Contains(text, "authentication"):
			return ProxyLogin, true
		case strings.Contains(text, "not allowed by ruleset"):
			return ProxyRefusal, true
		}
		return 0, false
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return NotValid, true
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return OtherName, true
	}
	_, untrusted := errors.AsType[x509.UnknownAuthorityError](err)
	_, unverified := errors.AsType[*tls.CertificateVerificationError](err)
	if untrusted || unverified {
		return Untrusted, true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return NoTLS, true
	}
	if strings.Contains(err.Error(), "tls: server selected unsupported protocol version") {
		return Handshake, true
	}
	alert, ok := errors.AsType[*net.OpError](err)
	return Handshake, ok && alert.Op == "remote error" && slices.ContainsFunc(finalAlerts(), func(final tls.AlertError) bool {
		return final.Error() == alert.Err.Error() // crypto/tls has an unexported type for it
	})
}

// finalAlerts returns the alerts of TLS (RFC 8446, section 6.2) that a server sends
// every time.
func finalAlerts() []tls.AlertError {
	return []tls.AlertError{
		40,  // handshake_failure
		42,  // bad_certificate
		49,  // access_denied
		70,  // protocol_version
		71,  // insufficient_security
		112, // unrecognized_name
		116, // certificate_required
		120, // no_application_protocol
	}
}
