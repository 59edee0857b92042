package auth0

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"

	"orgimport/importer"
)

const (
	// The first pause after a failure and the longest, around which the real
	// ones are drawn, so that callers who failed together do not return together.
	firstPause   = 250 * time.Millisecond
	longestPause = 30 * time.Second

	// After a 429 the transport below knows better when there is room; these
	// only keep a transport without limits from spinning. X-RateLimit-Reset can
	// be the very second that the 429 came in, so it is a second at least.
	firstLimitPause   = 1500 * time.Millisecond
	longestLimitPause = 10 * time.Second
	leastLimitPause   = time.Second
)

// do sends a call until it is answered in a way that settles it. It returns the
// answer if its status is one of want, and else an error.
func (c *Client) do(ctx context.Context, call *call, want ...int) (*answer, error) {
	call.answersBefore = c.health.usable()
	pauses := newPauses(firstPause, longestPause)
	limitPauses := newPauses(firstLimitPause, longestLimitPause)
	for tokenRefused := false; ; {
		p, err := c.health.admit(ctx)
		if err != nil {
			return nil, err
		}
		a, err := c.attempt(ctx, call)
		if err != nil {
			passing, err := c.unanswered(ctx, call, err)
			if err != nil {
				p.giveBack()
				return nil, err
			}
			if err := c.retry(ctx, call, p, pauses, passing); err != nil {
				return nil, err
			}
			continue
		}
		call.sent++
		call.lastStatus = a.status
		if a.status < 400 {
			c.tell(c.health.answered(p)...)
			if !slices.Contains(want, a.status) {
				return nil, a.notTheAPI(call)
			}
			return a, nil
		}
		e := a.refusal(call)
		switch {
		case e.Status == http.StatusTooManyRequests && call.limitIsFinal:
			c.tell(c.health.answered(p)...)
			err = e
		case e.Status == http.StatusTooManyRequests:
			err = c.limited(ctx, p, limitPauses, e)
		case temporary(e.Status):
			tokenRefused = false
			err = c.retry(ctx, call, p, pauses, e)
		default:
			c.tell(c.health.answered(p)...)
			call.answersBefore = c.health.usable() // this one is none to others
			err = c.refused(a.used, e, tokenRefused)
			tokenRefused = true
		}
		if err != nil {
			return nil, err
		}
	}
}

// refused decides over a refusal that does not pass by itself. If it is the token
// that was refused, that is dropped and nil returned, for the call may succeed
// with a fresh one; but not if again, when the fresh one was refused too.
func (c *Client) refused(used usage, e *Error, again bool) error {
	switch {
	case e.Status == http.StatusForbidden:
		return e.credentialsError()
	case e.Status != http.StatusUnauthorized && !e.badHeader():
		return e
	case again || used.source == nil || !used.source.Renew(used.token):
		return e.credentialsError()
	}
	c.tell(Event{Kind: TokenRefused, Err: e})
	return nil
}

// unanswered looks at why an attempt brought no answer. It returns what may pass
// as an *Error, and anything else as the error that ends the call.
func (c *Client) unanswered(ctx context.Context, call *call, err error) (passing *Error, _ error) {
	if ctx.Err() != nil {
		return nil, stopped(ctx)
	}
	if token, ok := errors.AsType[*Error](err); ok { // no token for the time being
		call.lastStatus = 0
		return token, nil
	}
	if final(err) {
		return nil, err
	}
	call.sent++
	call.lastStatus = 0
	if !c.health.everHeard() {
		if err := asConfigError(err); final(err) {
			return nil, err
		}
	}
	return noAnswer(call, err), nil
}

// final reports whether err says of itself that trying again is of no use: it is
// permanent, such as a wait for the rate limit that is longer than allowed, or
// it knows how far it reaches.
func final(err error) bool {
	var permanent interface{ Permanent() bool }
	if errors.As(err, &permanent) && permanent.Permanent() {
		return true
	}
	var reach interface{ Reach() importer.Reach }
	return errors.As(err, &reach)
}

// retry notes a passing failure and waits until the call may be sent again. An
// error ends the call.
func (c *Client) retry(ctx context.Context, call *call, p probe, pauses *backoff.ExponentialBackOff, e *Error) error {
	most := c.maxAttempts()
	if call.once {
		most = math.MaxInt // that it is not sent again says nothing of the tenant
	}
	v := c.health.failed(call, p, e, time.Now(), most, c.maxWait())
	c.tell(v.events...)
	if v.err == nil && call.once && e.Path == call.path { // and not that no token was to be had
		return e
	}
	if v.err == nil && !v.held {
		sleep(ctx, max(min(pauses.NextBackOff(), longestPause), e.RetryAfter), c.health.givenUp())
	}
	return v.err // what cut the sleep, admit finds out
}

// limited notes a 429 and waits for a moment. An error ends the call.
func (c *Client) limited(ctx context.Context, p probe, pauses *backoff.ExponentialBackOff, e *Error) error {
	v := c.health.limited(p, e, time.Now(), c.maxWait())
	c.tell(v.events...)
	if v.err == nil {
		pause := e.RetryAfter
		if pause == 0 {
			pause = pauses.NextBackOff()
		}
		sleep(ctx, max(pause, leastLimitPause), c.health.givenUp())
	}
	return v.err
}

func newPauses(first, longest time.Duration) *backoff.ExponentialBackOff {
	return &backoff.ExponentialBackOff{
		InitialInterval:     first,
		RandomizationFactor: 0.5,
		Multiplier:          2,
		MaxInterval:         longest,
	}
}

// stopped returns the error of a call whose context is done: errors.Is finds
// both ctx.Err and the cause in it.
func stopped(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return fmt.Errorf("stopped: %w", cause)
	}
	return fmt.Errorf("stopped: %w: %w", err, cause)
}
