package auth0

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"orgimport/importer/retry"
)

// ParseDomain returns the base URL of a tenant from what people write:
// acme.eu.auth0.com, or https://acme.eu.auth0.com. A port is allowed. http is
// allowed for loopback addresses only, because each request carries a token.
func ParseDomain(s string) (*url.URL, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return nil, errors.New("the domain is empty; it looks like acme.eu.auth0.com")
	}
	if !strings.Contains(s, "://") {
		s = "https://" + s
	}
	u, err := url.Parse(s)
	if err != nil {
		// Without the URL itself: somebody may have put a password into it.
		return nil, fmt.Errorf("the domain is not valid: %w; it looks like acme.eu.auth0.com", retry.WithoutURL(err))
	}
	switch {
	case u.User != nil:
		return nil, errors.New("the domain holds a user name or a password; give the host alone")
	case u.Hostname() == "":
		return nil, errors.New("the domain has no host name; it looks like acme.eu.auth0.com")
	case strings.Trim(u.Path, "/") != "":
		return nil, fmt.Errorf("the domain has a path (%s); give the host alone", u.Path)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("the domain has a query or a fragment; give the host alone")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, fmt.Errorf("http is for loopback addresses only, because the token would not be encrypted; use https://%s", u.Host)
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("the scheme of the domain is %s; it can only be https", u.Scheme)
	}
	if i := strings.IndexFunc(u.Hostname(), func(r rune) bool { return r < 0x80 && !hostRune(r) }); i >= 0 {
		return nil, fmt.Errorf("the domain holds the character %q; give the host alone, such as acme.eu.auth0.com", u.Hostname()[i])
	}
	host, err := canonicalHost(u)
	if err != nil {
		return nil, err
	}
	return &url.URL{Scheme: u.Scheme, Host: host}, nil
}

// hostRune reports whether r may be part of the name or address of a host.
func hostRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(".-_:%", r)
}

// canonicalHost returns the host in lower case and without the default port: it
// becomes part of the audience, which is compared as text.
func canonicalHost(u *url.URL) (string, error) {
	host, port := strings.ToLower(u.Host), u.Port()
	if port == "" {
		return strings.TrimSuffix(host, ":"), nil
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", fmt.Errorf("the domain has the port %s; a port is a number from 1 to 65535", port)
	}
	if u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		return strings.TrimSuffix(host, ":"+port), nil
	}
	return host, nil
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
