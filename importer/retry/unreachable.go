package retry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
)

// Obstacle is what keeps a server from being reached.
type Obstacle int

// The obstacles that do not pass by themselves. A refused connection is none: a
// server that restarts refuses too.
const (
	NoSuchHost   Obstacle = iota // the name of the server does not exist
	NoSuchProxy                  // nor that of the proxy
	ProxyLogin                   // the proxy wants a user name and a password, or others
	ProxyRefusal                 // the proxy lets nobody through to the server
	Untrusted                    // the certificate is signed by nobody who is trusted
	OtherName                    // the certificate is that of another server
	NotValid                     // the certificate has run out, or is not valid yet
	NoTLS                        // what answers does not speak TLS
	Handshake                    // client and server have no version or cipher of TLS in common, or the server wants a certificate
)

// UnreachableError says that a server can't be reached the way it is looked for.
// It is only given before the server has answered for the first time, for after
// that the way has proved good.
type UnreachableError struct {
	Obstacle Obstacle
	Err      error
}

func (e *UnreachableError) Error() string { return "can't connect: " + e.Err.Error() }

// Unwrap returns what went wrong.
func (e *UnreachableError) Unwrap() error { return e.Err }

// Permanent reports that to try again is of no use.
func (e *UnreachableError) Permanent() bool { return true }

// unreachable returns what err says of the way to the server, or nil if that may
// pass by itself.
func unreachable(err error) error {
	obstacle, found := obstacleIn(err)
	if !found {
		return nil
	}
	return &UnreachableError{obstacle, err}
}

func obstacleIn(err error) (o Obstacle, found bool) {
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "proxyconnect" {
			return NoSuchProxy, true
		}
		return NoSuchHost, true
	}
	if proxy, ok := errors.AsType[*ProxyError](err); ok {
		switch {
		case proxy.Status == http.StatusProxyAuthRequired:
			return ProxyLogin, true
		case proxy.Status < 500 && proxy.Status != http.StatusTooManyRequests && proxy.Status != http.StatusRequestTimeout:
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
		return final.Error() == alert.Err.Error() // crypto/tls has a type of its own for it
	})
}

// finalAlerts are those alerts of TLS (RFC 8446, section 6.2) that a server sends
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

// ProxyError says that a proxy did not connect to the server.
type ProxyError struct {
	Proxy  string // host and port
	Status int
}

func (e *ProxyError) Error() string {
	return fmt.Sprintf("the proxy %s answered %d %s", e.Proxy, e.Status, http.StatusText(e.Status))
}
