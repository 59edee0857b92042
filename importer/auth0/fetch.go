package auth0

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"orgimport/importer/retry"
)

const tokenPath = "/oauth/token"

// assertionType is what RFC 7523 calls a JWT in the place of a client secret.
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// fetcher gets access tokens from the tenant.
type fetcher struct {
	clientID string
	secret   string
	tokenURL string
	audience string
	assert   func() (string, error) // nil for a client secret
	client   *http.Client
}

// fetch gets a token, asking again for as long as what goes wrong may pass.
func (f *fetcher) fetch(ctx context.Context, client *retry.Client) (*heldToken, error) {
	var held *heldToken
	err := client.Do(ctx, &retry.Call{
		Lost: func(err error) error { return noAnswer(&call{method: http.MethodPost, path: tokenPath}, err) },
		Try: func(ctx context.Context) (r retry.Result) {
			held, r = f.try(ctx)
			return r
		},
	})
	return held, err
}

// try asks for a token once.
func (f *fetcher) try(ctx context.Context) (*heldToken, retry.Result) {
	config := &clientcredentials.Config{
		ClientID:       f.clientID,
		ClientSecret:   f.secret,
		TokenURL:       f.tokenURL,
		EndpointParams: url.Values{"audience": {f.audience}},
		AuthStyle:      oauth2.AuthStyleInParams,
	}
	var assertion string
	if f.assert != nil {
		var err error
		if assertion, err = f.assert(); err != nil {
			return nil, retry.Result{Err: &ConfigError{Err: fmt.Errorf("signing the client assertion: %w", err), Hint: "check the private key"}}
		}
		config.EndpointParams.Set("client_assertion_type", assertionType)
		config.EndpointParams.Set("client_assertion", assertion)
	}
	began := time.Now()
	token, err := config.Token(context.WithValue(ctx, oauth2.HTTPClient, f.client))
	if err != nil {
		return nil, f.explain(err, assertion)
	}
	if validToken(token.AccessToken) != nil {
		return nil, retry.Result{Status: http.StatusOK, Err: notATokenEndpoint("its token holds characters that no token has")}
	}
	held := &heldToken{value: token.AccessToken, scopes: scopesOf(token.AccessToken)}
	if !token.Expiry.IsZero() {
		held.end = usableUntil(began, time.Until(token.Expiry))
	}
	return held, retry.Result{Status: http.StatusOK}
}

// usableUntil leaves a margin before the end of a token, so that none runs out on
// its way: a minute, and of a short life a tenth.
func usableUntil(began time.Time, lifetime time.Duration) time.Time {
	return began.Add(lifetime - min(time.Minute, lifetime/10))
}

// explain says what an error of oauth2 means. Nothing of the original is kept that
// could hold the request or the body of the answer.
func (f *fetcher) explain(err error, assertion string) retry.Result {
	if lost, ok := errors.AsType[*url.Error](err); ok {
		return retry.Result{Meaning: retry.Lost, Err: lost.Err}
	}
	refused, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok { // not JSON, or without an access_token
		return retry.Result{Status: http.StatusOK, Err: notATokenEndpoint("its answer holds no token")}
	}
	r := retry.Result{Status: refused.Response.StatusCode}
	e := &Error{
		Status:  r.Status,
		Method:  http.MethodPost,
		Path:    tokenPath,
		Code:    oneLine(redact(refused.ErrorCode, f.secret, assertion), maxCode),
		Message: oneLine(redact(refused.ErrorDescription, f.secret, assertion), maxMessage),
	}
	if e.Message == "" {
		e.Message = fmt.Sprintf("%d with %s", r.Status, contents(&retry.Answer{Header: refused.Response.Header, Body: refused.Body}))
	}
	switch {
	case r.Status == http.StatusTooManyRequests:
		r.Meaning, r.Err = retry.Again, e
	case temporary(r.Status):
		r.Meaning, r.Err = retry.Passing, e
	case r.Status/100 == 3:
		r.Err = notATokenEndpoint("it answers with a redirect")
	default:
		r.Err = &CredentialsError{
			Status: r.Status, Code: e.Code, Message: e.Message, Endpoint: tokenPath,
			Hint: "check the client id and its secret or key, that the application is authorized for the Auth0 Management API, and the audience " + f.audience,
		}
	}
	return r
}

func notATokenEndpoint(why string) *ConfigError {
	return &ConfigError{
		Err:  errors.New("the address " + tokenPath + " is not that of an Auth0 tenant: " + why),
		Hint: "check the domain, and whether a proxy or a login page stands in between",
	}
}

// wholeAnswers reads an answer to its end before it passes it on, so that a
// connection that breaks in the middle is told from an answer that makes no sense.
type wholeAnswers struct{ base http.RoundTripper }

func (t wholeAnswers) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	a, err := retry.ReadAnswer(resp)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(a.Body))
	return resp, nil
}

// assertionLifetime is what Auth0 recommends at most; it refuses more than 5
// minutes.
const assertionLifetime = time.Minute

// minKeyBits is the smallest RSA key that Auth0 takes.
const minKeyBits = 2048

// asserter signs the assertions of private key JWT.
type asserter struct {
	method   jwt.SigningMethod
	key      *rsa.PrivateKey
	keyID    string
	clientID string
	audience string // https://DOMAIN/, with the slash
}

// newAsserter reads the private key. No error has any of the key in it.
func newAsserter(cr Credentials, audience string) (*asserter, error) {
	a := &asserter{keyID: cr.KeyID, clientID: cr.ClientID, audience: audience}
	switch alg := cmp.Or(cr.SigningAlg, "RS256"); alg {
	case "RS256", "RS384", "PS256":
		a.method = jwt.GetSigningMethod(alg)
	default:
		return nil, fmt.Errorf("the signing algorithm is %q; Auth0 takes RS256, RS384 and PS256", alg)
	}
	var err error
	a.key, err = jwt.ParseRSAPrivateKeyFromPEM(cr.PrivateKeyPEM)
	if err != nil {
		return nil, errors.New("the private key is not an RSA key in PEM form (PKCS #1 or PKCS #8, without a password)")
	}
	if bits := a.key.N.BitLen(); bits < minKeyBits {
		return nil, fmt.Errorf("the private key has %d bits; Auth0 takes RSA keys of %d bits or more", bits, minKeyBits)
	}
	return a, nil
}

// assertion returns a fresh assertion: each can be used once.
func (a *asserter) assertion() (string, error) {
	now := time.Now()
	token := jwt.NewWithClaims(a.method, jwt.RegisteredClaims{
		Issuer:    a.clientID,
		Subject:   a.clientID,
		Audience:  jwt.ClaimStrings{a.audience},
		IssuedAt:  jwt.NewNumericDate(now),
		ExpiresAt: jwt.NewNumericDate(now.Add(assertionLifetime)),
		ID:        rand.Text(),
	})
	if a.keyID != "" {
		token.Header["kid"] = a.keyID
	}
	return token.SignedString(a.key)
}
