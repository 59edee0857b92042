package auth0

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"orgimport/importer/retry"
)

// Credentials are how a program proves itself to the tenant: a client secret, a
// private key, or a ready token. Printed or logged they show their kind and no
// secret.
type Credentials struct {
	ClientID      string
	ClientSecret  string `json:"-"`
	PrivateKeyPEM []byte `json:"-"` // RSA, PKCS #1 or PKCS #8, for private key JWT
	SigningAlg    string // RS256, RS384 or PS256; empty means RS256
	KeyID         string // optional: kid of the assertions
	Token         string `json:"-"` // a ready access token, which can't be renewed
	Audience      string // empty means https://DOMAIN/api/v2/
}

// Validate reports what is missing or does not go together.
func (cr Credentials) Validate() error {
	switch {
	case cr.Token != "" && (cr.ClientSecret != "" || len(cr.PrivateKeyPEM) > 0):
		return errors.New("there is a token and there are client credentials; give one of them")
	case cr.Token != "":
		return validToken(cr.Token)
	case cr.ClientID == "" && cr.ClientSecret == "" && len(cr.PrivateKeyPEM) == 0:
		return errors.New("there are no credentials; give a client id with a secret or a private key, or a token")
	case cr.ClientID == "":
		return errors.New("there is a secret or a private key but no client id")
	case cr.ClientSecret != "" && len(cr.PrivateKeyPEM) > 0:
		return errors.New("there is a client secret and a private key; give one of them")
	case cr.ClientSecret == "" && len(cr.PrivateKeyPEM) == 0:
		return errors.New("there is a client id but neither a secret nor a private key")
	}
	if err := errors.Join(wellFormed("client id", cr.ClientID), wellFormed("audience", cr.Audience)); err != nil {
		return err
	}
	if cr.ClientSecret != "" {
		return wellFormed("client secret", cr.ClientSecret)
	}
	_, err := newAsserter(cr, "")
	return err
}

func validToken(token string) error {
	if _, found := strings.CutPrefix(token, "Bearer "); found {
		return &MalformedError{What: "token", Why: "begins with the word Bearer; give it without the word Bearer"}
	}
	return wellFormed("token", token)
}

// wellFormed returns a *MalformedError if s has a form that no value has.
func wellFormed(what, s string) error {
	var why string
	switch {
	case isUTF16([]byte(s)):
		why = "is in UTF-16; save it as UTF-8"
	case strings.HasPrefix(s, string(utf8BOM)):
		why = "begins with a byte order mark; save it without"
	case len(s) > 1 && s[0] == s[len(s)-1] && strings.ContainsRune("\"'`", rune(s[0])):
		why = "is in quotes; give it without"
	case strings.ContainsAny(s, "\r\n"):
		why = "holds a line break that does not belong to it"
	case strings.TrimSpace(s) != s:
		why = "begins or ends with a space"
	case strings.Contains(s, "-----BEGIN"):
		why = "is a key in PEM form"
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }):
		why = "holds a space or another character that none has"
	default:
		return nil
	}
	return &MalformedError{What: what, Why: why}
}

// MalformedError says why a client id, a secret, a token, an audience or a private key
// can't be used. It does not show the value.
type MalformedError struct {
	What, Why string
	IsPath    bool // the name of a file was given
}

func (e *MalformedError) Error() string { return "the " + e.What + " " + e.Why }

// Source returns the source of tokens for the tenant at base. It fetches them
// through rt, which must not be a [Bearer] but may wait for a limit of its own. A
// token that nobody waits for any more is worth nothing, so rt needs no Grace.
// Redirects are not followed.
func (cr Credentials) Source(base *url.URL, rt http.RoundTripper) (*TokenSource, error) {
	if err := cr.Validate(); err != nil {
		return nil, err
	}
	if cr.Token != "" {
		return &TokenSource{base: base, current: &heldToken{value: cr.Token, scopes: scopesOf(cr.Token)}}, nil
	}
	f := &fetcher{
		host: base.Hostname(),
		config: clientcredentials.Config{
			ClientID: cr.ClientID, ClientSecret: cr.ClientSecret,
			TokenURL: base.String() + tokenPath, AuthStyle: oauth2.AuthStyleInParams,
		},
		audience: cmp.Or(cr.Audience, "https://"+base.Host+"/api/v2/"),
		client:   retry.NewHTTPClient(wholeAnswers{rt}),
	}
	if len(cr.PrivateKeyPEM) > 0 {
		a, err := newAsserter(cr, "https://"+base.Host+"/")
		if err != nil {
			return nil, err
		}
		f.assert = a.assertion
	}
	return &TokenSource{base: base, fetch: f.fetch}, nil
}

// String returns the kind of the credentials and the client, and no secret.
func (cr Credentials) String() string {
	kind := "no credentials"
	switch {
	case cr.Token != "":
		kind = "a ready token"
	case len(cr.PrivateKeyPEM) > 0:
		kind = "private key JWT"
	case cr.ClientSecret != "":
		kind = "client secret"
	}
	if cr.ClientID != "" {
		kind += " of " + cr.ClientID
	}
	return kind
}

// Format writes String, whatever the verb.
func (cr Credentials) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, cr.String()) }

// LogValue returns String.
func (cr Credentials) LogValue() slog.Value { return slog.StringValue(cr.String()) }

// scopesOf returns the scopes in the claims of an access token. It does not verify
// the signature; the tenant does. It returns nil if the token is not a JWT or has no
// such claim.
func scopesOf(token string) []string {
	var claims struct {
		jwt.RegisteredClaims
		Scope string `json:"scope"`
	}
	if _, _, err := jwt.NewParser().ParseUnverified(token, &claims); err != nil {
		return nil
	}
	return strings.Fields(claims.Scope)
}

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
	case notATenant.MatchString(u.Hostname()):
		return nil, fmt.Errorf("%s is a site of Auth0's, not a tenant, whose domain looks like acme.eu.auth0.com; the dashboard shows it in the settings of the application", strings.ToLower(u.Hostname()))
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

// notATenant matches hosts of Auth0's own that people take for their tenant's: that of
// the dashboard, of its other sites, and of regions without a tenant's name. Other names
// before auth0.com may be those of tenants.
var notATenant = regexp.MustCompile(`(?i)^((manage|www|accounts|community|support|status|docs|marketplace|cdn|login|(us|eu|au|jp|uk|ca)(-\d+)?)\.)?auth0\.com\.?$`)

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
