package auth0

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"sync"
	"time"
)

// TokenSource holds the one token of a run and fetches the next one before it
// ends. A tenant has a monthly allotment of tokens, so nobody gets one alone:
// callers that find none wait for the fetch of the first of them. Its methods
// may be called concurrently.
type TokenSource struct {
	base  *url.URL
	fetch func(context.Context) (*heldToken, error) // nil for a ready token

	mu      sync.Mutex
	current *heldToken
	pending *fetching
	fetched bool // at least once
}

// heldToken is a token in use.
type heldToken struct {
	value  string
	end    time.Time // not to be used from then on; zero if it is not known to end
	scopes []string
}

// fetching is a fetch under way. Its results are there once done is closed.
type fetching struct {
	done  chan struct{}
	token *heldToken
	err   error
	// calledOff: the caller that fetched was, which says nothing to the others.
	calledOff bool
}

// Token returns a token that has not run out. It returns a [*CredentialsError] or
// a [*ConfigError] if there can be none, an [*Error] if the fetch may succeed
// later, or the cause of ctx.
func (s *TokenSource) Token(ctx context.Context) (string, error) {
	for {
		s.mu.Lock()
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
				return "", stopped(ctx)
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
	f.token, f.err = s.fetch(ctx)
	if f.err != nil && ctx.Err() != nil {
		f.err, f.calledOff = stopped(ctx), true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.err == nil {
		s.current, s.fetched = f.token, true
	} else if !s.fetched {
		f.err = asConfigError(f.err)
	}
	s.pending = nil
	close(f.done)
}

// Renew drops the token old, which was refused, so that the next call of Token
// fetches another. Does another caller have it dropped already, nothing happens.
// It reports whether there is another to be had: a ready token is the only one.
func (s *TokenSource) Renew(old string) bool {
	if s.fetch == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil && s.current.value == old {
		s.current = nil
	}
	return true
}

// Scopes returns the scopes of the token held now, as its claims tell. It returns
// false if they are not known: before the first call of Token, or if the token
// is not a JWT that names them.
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
