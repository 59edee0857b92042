package auth0

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"orgimport/importer/retry"
)

const tokenPath = "/oauth/token"

// assertionType is the name in RFC 7523 of a JWT used instead of a client secret.
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// fetcher gets access tokens from the tenant.
type fetcher struct {
	config   clientcredentials.Config // without EndpointParams
	audience string
	assert   func() (string, error) // nil for a client secret
	client   *http.Client
	host     string      // of the tenant
	known    atomic.Bool // the tenant has given a token
}

// fetch gets a token. It asks again as long as the failure may pass.
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
	config := f.config
	config.EndpointParams = url.Values{"audience": {f.audience}}
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
		return nil, f.foreign(http.StatusOK, "its token holds characters that no token has", nil)
	}
	f.known.Store(true)
	held := &heldToken{value: token.AccessToken, scopes: scopesOf(token.AccessToken)}
	if told, ok := token.Extra("scope").(string); ok && held.scopes == nil { // RFC 6749, 5.1
		held.scopes = strings.Fields(told)
	}
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
		return f.foreign(http.StatusOK, "its answer holds no token", nil)
	}
	r := retry.Result{Status: refused.Response.StatusCode}
	e := &Error{
		Status:  r.Status,
		Method:  http.MethodPost,
		Path:    tokenPath,
		Code:    oneLine(redact(refused.ErrorCode, f.config.ClientSecret, assertion), maxCode),
		Message: oneLine(redact(refused.ErrorDescription, f.config.ClientSecret, assertion), maxMessage),
	}
	if e.Message == "" {
		e.Message = fmt.Sprintf("%d with %s", r.Status, contents(&retry.Answer{Header: refused.Response.Header, Body: refused.Body}))
	}
	switch {
	case r.Status == http.StatusTooManyRequests:
		r.Meaning, r.Err = retry.Again, e
	case temporary(r.Status):
		r.Meaning, r.Err = retry.Transient, e
	case r.Status/100 == 3:
		return f.foreign(r.Status, "it answers with a redirect", refused.Response.Header)
	case e.Code == "":
		return f.foreign(r.Status, e.Message, refused.Response.Header)
	default:
		r.Err = &CredentialsError{Status: r.Status, Code: e.Code, Message: e.Message, Endpoint: tokenPath, Hint: f.hint(e, refused.Response.Header)}
	}
	return r
}

// foreign returns the result of a request that something other than Auth0 answered.
// That may pass if Auth0 has answered before.
func (f *fetcher) foreign(status int, why string, h http.Header) retry.Result {
	err := fmt.Errorf("the address %s is not that of an Auth0 tenant: %s%s", tokenPath, why, gatewayAnswered(h))
	if f.known.Load() {
		return retry.Result{Meaning: retry.Transient, Status: status, Err: err}
	}
	return retry.Result{Status: status, Err: notTheAPI(err)}
}

// clockSkew is how far the clocks may differ before an assertion is refused for it:
// Auth0 allows 10 seconds.
const clockSkew = 10 * time.Second

// hint returns what to do about a refusal of the credentials.
func (f *fetcher) hint(e *Error, h http.Header) string {
	words := strings.ToLower(e.Code + " " + e.Message)
	switch {
	case strings.Contains(words, "service not"), strings.Contains(words, "audience"):
		return f.audienceHint()
	case strings.Contains(words, "not authorized to access"):
		return "authorize the application for the Auth0 Management API, with the scopes that it needs; the audience is " + f.audience
	case strings.Contains(words, "grant type"), e.Code == "unauthorized_client":
		return "allow the application the grant type client_credentials: it must be a machine-to-machine application"
	case f.assert != nil:
		if date, err := http.ParseTime(h.Get("Date")); err == nil && time.Since(date).Abs() > clockSkew+time.Second {
			return fmt.Sprintf("set this machine's clock: it is %s off the tenant's, and the assertions that the private key signs are good for a minute", time.Since(date).Round(time.Second).Abs())
		}
		return "check the private key: its public key must be among the credentials of the application, for the same algorithm; and check the client id"
	}
	return "check the client id and its secret, and that both are of this tenant"
}

// audienceHint returns what to type if the audience is not that of the Management
// API: it ends with a slash, and a custom domain has none of its own.
func (f *fetcher) audienceHint() string {
	right := "https://TENANT.REGION.auth0.com/api/v2/"
	switch {
	case strings.HasSuffix(f.audience, "/api/v2"):
		right = f.audience + "/"
	case strings.HasSuffix(f.host, ".auth0.com"):
		right = "https://" + f.host + "/api/v2/"
	}
	return "name the tenant's own domain: AUTH0_AUDIENCE=" + right
}

// wholeAnswers reads an answer to its end before it passes it on, so that a
// connection that breaks in the middle is not taken for an answer without sense.
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
