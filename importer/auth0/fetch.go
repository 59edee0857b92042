package auth0

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
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

// fetch gets one token. Its errors are a *CredentialsError, a *ConfigError, or an
// *Error for what may pass.
func (f *fetcher) fetch(ctx context.Context) (*heldToken, error) {
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
			return nil, &ConfigError{Err: fmt.Errorf("signing the client assertion: %w", err), Hint: "check the private key"}
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
		return nil, notATokenEndpoint("its token holds characters that no token has")
	}
	held := &heldToken{value: token.AccessToken, scopes: scopesOf(token.AccessToken)}
	if !token.Expiry.IsZero() {
		held.end = usableUntil(began, time.Until(token.Expiry))
	}
	return held, nil
}

// usableUntil leaves a margin before the end of a token, so that none runs out on
// its way: a minute, and of a short life a tenth.
func usableUntil(began time.Time, lifetime time.Duration) time.Time {
	return began.Add(lifetime - min(time.Minute, lifetime/10))
}

// explain makes of what oauth2 returns an error of ours. Nothing of the original
// is kept that could hold the request or the body of the answer.
func (f *fetcher) explain(err error, assertion string) error {
	if lost, ok := errors.AsType[*url.Error](err); ok {
		return noAnswer(&call{method: http.MethodPost, path: tokenPath}, lost.Err)
	}
	refused, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok { // not JSON, or without an access_token
		return notATokenEndpoint("its answer holds no token")
	}
	status := refused.Response.StatusCode
	e := &Error{
		Status:     status,
		Method:     http.MethodPost,
		Path:       tokenPath,
		Code:       oneLine(redact(refused.ErrorCode, f.secret, assertion), maxCode),
		Message:    oneLine(redact(refused.ErrorDescription, f.secret, assertion), maxMessage),
		RetryAfter: retryAfter(refused.Response.Header, time.Now()),
	}
	if e.Message == "" {
		a := &answer{status: status, header: refused.Response.Header, body: refused.Body}
		e.Message = fmt.Sprintf("%d with %s", status, a.contents())
	}
	switch {
	case temporary(status):
		return e
	case status/100 == 3:
		return notATokenEndpoint("it answers with a redirect")
	}
	return &CredentialsError{
		Status: status, Code: e.Code, Message: e.Message, Endpoint: tokenPath,
		Hint: "check the client id and its secret or key, that the application is authorized for the Auth0 Management API, and the audience " + f.audience,
	}
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
	defer drain(resp.Body)
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}
