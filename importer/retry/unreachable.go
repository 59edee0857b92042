package retry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
)

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

// unreachable returns the [UnreachableError] for err, or nil if the obstacle may pass
// by itself.
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
