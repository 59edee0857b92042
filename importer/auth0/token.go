package auth0

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"orgimport/importer/retry"
)

// TokenSource holds the token of a run and fetches the next one before it expires. A
// tenant has a monthly quota of tokens, so callers share them: those that find none
// wait for the fetch that the first of them began. Its methods may be called
// concurrently.
type TokenSource struct {
	// Retry is how often the tenant is asked for a token, and how long an outage
	// of its token endpoint may last.
	Retry retry.Client

	// OnRefused, if set, is called once for each token that the tenant refused
	// and that is then replaced. It may be called concurrently and must be quick.
	OnRefused func(why error)

	base  *url.URL
	fetch func(context.Context, *retry.Client) (*heldToken, error) // nil for a ready token

	mu       sync.Mutex
	current  *heldToken
	pending  *fetching
	rejected int               // tokens in a row that were refused and never accepted
	refused  *CredentialsError // set once no other token can be had
}

// heldToken is a token in use.
type heldToken struct {
	value  string
	end    time.Time // of its use; zero if it is not known to expire
	scopes []string
	taken  bool // the API has accepted it
}

// fetching is a fetch under way. Its results are there once done is closed.
type fetching struct {
	done  chan struct{}
	token *heldToken
	err   error
	// calledOff: the fetching caller was cancelled, which does not concern the others.
	calledOff bool
}

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

// Token returns a token that has not expired. The error is a [*CredentialsError]
// or a [*ConfigError] if there can be none, or one of [retry.Client.Do].
func (s *TokenSource) Token(ctx context.Context) (string, error) {
	for {
		s.mu.Lock()
		if s.refused != nil {
			s.mu.Unlock()
			return "", s.refused
		}
		if t := s.current; t != nil && (t.end.IsZero() || time.Now().Before(t.end)) {
			s.mu.Unlock()
			return t.value, nil
		}
		f := s.pending
		lead := f == nil
		if lead {
			f = &fetching{done: make(chan struct{})}
			s.pending = f
		}
		s.mu.Unlock()

		if lead {
			s.run(ctx, f)
		} else {
			select {
			case <-f.done:
			case <-ctx.Done():
				return "", retry.Stopped(ctx)
			}
			if f.calledOff {
				continue
			}
		}
		if f.err != nil {
			return "", f.err
		}
		return f.token.value, nil
	}
}

// run fetches a token for all callers that wait for f.
func (s *TokenSource) run(ctx context.Context, f *fetching) {
	f.token, f.err = s.fetch(ctx, &s.Retry)
	if f.err != nil && ctx.Err() != nil {
		f.err, f.calledOff = retry.Stopped(ctx), true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.err == nil {
		s.current = f.token
	}
	s.pending = nil
	close(f.done)
}

// mostRejected is after how many refused tokens in a row, none of which the API ever
// accepted, no other is fetched: one may have been revoked, but another would fare no
// better than two.
const mostRejected = 2

// refuse notes that the API has refused a token, so that the next call of Token
// fetches another. It does nothing if the token was replaced already. Token fails
// from then on if the token is a ready one, or after mostRejected fetched ones.
func (s *TokenSource) refuse(token string, why *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil || s.current.value != token || s.refused != nil {
		return
	}
	s.rejected++
	if s.current.taken {
		s.rejected = 0
	}
	if s.fetch == nil || s.rejected == mostRejected {
		s.refused = why.credentialsError()
		return
	}
	s.current = nil
	if s.OnRefused != nil {
		s.OnRefused(why)
	}
}

// took notes that the API has accepted a token.
func (s *TokenSource) took(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil && s.current.value == token {
		s.current.taken = true
	}
}

// Scopes returns the scopes of the current token from its claims, or else from the
// answer it came in. It returns false if they are not known: before the first call of
// Token, or if neither names them.
func (s *TokenSource) Scopes() ([]string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil || len(s.current.scopes) == 0 {
		return nil, false
	}
	return s.current.scopes, true
}

// Format prints the source without the token, whatever the verb.
func (s *TokenSource) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "token source of "+s.base.Host)
}

// Bearer is a transport that adds the token of a source to each request, and has
// the source replace a refused token. It passes the refusal on: whether the request
// is sent again is decided elsewhere.
type Bearer struct {
	Source *TokenSource
	Base   http.RoundTripper // nil means http.DefaultTransport
}

// RoundTrip sends a clone of req with a token; the clone is the Request of the
// response. The token is sent to its tenant only.
func (b *Bearer) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host != b.Source.base.Host || req.URL.Scheme != b.Source.base.Scheme {
		retry.CloseBody(req)
		return nil, fmt.Errorf("the token is for %s and is not sent to %s://%s", b.Source.base, req.URL.Scheme, req.URL.Host)
	}
	token, err := b.Source.Token(req.Context())
	if err != nil {
		retry.CloseBody(req)
		return nil, err
	}
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", bearerPrefix+token)
	resp, err := cmp.Or(b.Base, http.DefaultTransport).RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Request = req
	switch {
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusBadRequest:
		if err := b.note(resp, token); err != nil {
			return nil, err
		}
	case resp.StatusCode < 400, resp.StatusCode == http.StatusNotFound:
		b.Source.took(token)
	}
	return resp, nil
}

// note tells the source whether a response refuses or accepts the token.
func (b *Bearer) note(resp *http.Response, token string) error {
	a, err := retry.ReadAnswer(resp)
	if err != nil {
		return err
	}
	resp.Body = io.NopCloser(bytes.NewReader(a.Body))
	e := refusal(a, Error{Method: resp.Request.Method, Path: resp.Request.URL.EscapedPath()})
	if e.refusesToken() {
		b.Source.refuse(token, e)
	} else {
		b.Source.took(token)
	}
	return nil
}

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
		Lost: func(err error) error { return noAnswer(Error{Method: http.MethodPost, Path: tokenPath}, err) },
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
