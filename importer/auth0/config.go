package auth0

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
)

// asConfigError returns err as a *ConfigError if, met before anything was ever
// answered, it says that the tenant is not where it is looked for, and else err
// itself. A refused connection is none: a tenant that restarts refuses too.
func asConfigError(err error) error {
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return &ConfigError{Err: dns, Hint: "check the spelling of the domain; it looks like acme.eu.auth0.com"}
	}
	if expired, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return &ConfigError{Err: expired, Hint: "check this machine's clock and the server's certificate"}
	}
	if name, ok := errors.AsType[x509.HostnameError](err); ok {
		return &ConfigError{Err: name, Hint: "check the domain: the server's certificate is for another"}
	}
	_, untrusted := errors.AsType[x509.UnknownAuthorityError](err)
	_, unverified := errors.AsType[*tls.CertificateVerificationError](err)
	if untrusted || unverified {
		return &ConfigError{Err: err, Hint: "if a proxy of your network inspects TLS, add its root certificate to those this machine trusts (SSL_CERT_FILE)"}
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return &ConfigError{Err: err, Hint: "the server does not speak TLS at this port; check the domain and the port"}
	}
	return err
}
