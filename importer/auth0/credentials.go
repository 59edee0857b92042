package auth0

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
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
		return &MalformedError{"token", "begins with the word Bearer; give it without the word Bearer"}
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
	return &MalformedError{what, why}
}

// MalformedError says that a client id, a secret, a token or an audience is damaged.
// It does not show the value.
type MalformedError struct{ What, Why string }

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
