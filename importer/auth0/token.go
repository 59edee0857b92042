package auth0

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

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

	mu      sync.Mutex
	current *heldToken
	pending *fetching
	inVain  int               // tokens in a row that were refused and never accepted
	refused *CredentialsError // set once no other token can be had
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

// mostInVain is after how many refused tokens in a row, none of which the API ever
// accepted, no other is fetched: one may have been revoked, but another would fare no
// better than two.
const mostInVain = 2

// refuse notes that the API has refused a token, so that the next call of Token
// fetches another. It does nothing if the token was replaced already. Token fails
// from then on if the token is a ready one, or after mostInVain fetched ones.
func (s *TokenSource) refuse(token string, why *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil || s.current.value != token || s.refused != nil {
		return
	}
	s.inVain++
	if s.current.taken {
		s.inVain = 0
	}
	if s.fetch == nil || s.inVain == mostInVain {
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

// bearerPrefix precedes the token in the Authorization header.
const bearerPrefix = "Bearer "

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
		if err := b.judge(resp, token); err != nil {
			return nil, err
		}
	case resp.StatusCode < 400, resp.StatusCode == http.StatusNotFound:
		b.Source.took(token)
	}
	return resp, nil
}

// judge tells the source whether a response refuses or accepts the token.
func (b *Bearer) judge(resp *http.Response, token string) error {
	a, err := retry.ReadAnswer(resp)
	if err != nil {
		return err
	}
	resp.Body = io.NopCloser(bytes.NewReader(a.Body))
	e := refusal(a, &call{method: resp.Request.Method, path: resp.Request.URL.EscapedPath()})
	if e.refusesToken() {
		b.Source.refuse(token, e)
	} else {
		b.Source.took(token)
	}
	return nil
}
