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

// TokenSource holds the one token of a run and fetches the next one before it
// ends. A tenant has a monthly allotment of tokens, so nobody gets one alone:
// callers that find none wait for the fetch of the first of them. Its methods
// may be called concurrently.
type TokenSource struct {
	// Retry is how often the tenant is asked for a token, and how long an outage
	// of its token endpoint may last.
	Retry retry.Client

	// OnRefused, if set, is told that the tenant refused the token, which is
	// then replaced. It is told once for each token. It may be called
	// concurrently and must be quick.
	OnRefused func(why error)

	base  *url.URL
	fetch func(context.Context, *retry.Client) (*heldToken, error) // nil for a ready token

	mu      sync.Mutex
	current *heldToken
	pending *fetching
	inVain  int               // tokens in a row that were refused and never taken
	refused *CredentialsError // nil unless there is no other token to be had
}

// heldToken is a token in use.
type heldToken struct {
	value  string
	end    time.Time // not to be used from then on; zero if it is not known to end
	scopes []string
	taken  bool // the API has answered a request with it
}

// fetching is a fetch under way. Its results are there once done is closed.
type fetching struct {
	done  chan struct{}
	token *heldToken
	err   error
	// calledOff: the caller that fetched was, which says nothing to the others.
	calledOff bool
}

// Token returns a token that has not run out. The error is a [*CredentialsError]
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

// run fetches a token for all who wait for f.
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

// mostInVain is how many tokens in a row may be refused that the API has never
// taken: of one, something may have become of it; two say that no other will do.
const mostInVain = 2

// refuse notes that the API has refused a token, so that the next call of Token
// fetches another. If that was done already nothing happens. Token fails from
// then on if there is no other to be had: a ready token is the only one, and of
// fetched ones so many were refused that the next would be.
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

// took notes that the API has answered a request with a token.
func (s *TokenSource) took(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil && s.current.value == token {
		s.current.taken = true
	}
}

// Scopes returns the scopes of the token held now, as its claims tell, or else the
// answer that it came in. It returns false if they are not known: before the first
// call of Token, or if neither names them.
func (s *TokenSource) Scopes() ([]string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil || len(s.current.scopes) == 0 {
		return nil, false
	}
	return s.current.scopes, true
}

// Format keeps the token out of whatever a source is printed into.
func (s *TokenSource) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "token source of "+s.base.Host)
}

// bearerPrefix is what stands before the token in the Authorization header.
const bearerPrefix = "Bearer "

// Bearer is a transport that adds the token of a source to each request, and has
// the source replace a token that is refused. The refusal is passed on: whether
// the request is sent again is for others to decide.
type Bearer struct {
	Source *TokenSource
	Base   http.RoundTripper // nil means http.DefaultTransport
}

// RoundTrip takes a token and sends a clone of req with it, which the Request of
// the response is. The token goes to the tenant it is for and nowhere else.
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

// judge tells the source if a response refuses the token.
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
