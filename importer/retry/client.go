// Package retry sends an HTTP request until an answer ends it: repeats,
// pauses, outages and time limits, for any server. The caller says what an answer
// means; the transport decides when a request may leave.
//
//	client := &retry.Client{MaxAttempts: 8, MaxWait: 5 * time.Minute}
//	err := client.Do(ctx, &retry.Call{Try: func(ctx context.Context) retry.Result {
//		answer, err := retry.Send(httpClient, request(ctx))
//		switch {
//		case err != nil:
//			return retry.Result{Meaning: retry.Lost, Err: err}
//		case answer.Status == http.StatusTooManyRequests:
//			return retry.Result{Meaning: retry.Again, Status: answer.Status}
//		…
//		}
//	}})
package retry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	defaultMaxAttempts = 8
	defaultMaxWait     = 5 * time.Minute

	// The first pause after a failure and the longest. Actual pauses are drawn
	// around them, so that callers that failed together do not return together.
	firstPause   = 250 * time.Millisecond
	longestPause = 30 * time.Second
)

// Client sends requests to one server. Its methods may be called concurrently; it
// must not be copied after the first call.
//
// All callers share what is known about the server's health. Once three requests in
// a row have had a transient failure, the callers hold, and one request at a time is
// sent to see whether the server is back. If all three were for one part of it (see
// [Call.Part]) and others are answered, only the calls of that part pause.
type Client struct {
	// MaxAttempts is how often one request is sent before its call fails; 0
	// means 8. Requests sent during an outage, to see whether it is over, do not
	// count.
	MaxAttempts int

	// MaxWait is how long an outage may last before the client gives up; 0 means
	// 5 minutes. After that every call fails.
	MaxWait time.Duration

	// OnEvent, if set, is called with what is worth a line in a log. It may be called
	// concurrently and must return quickly.
	OnEvent func(Event)

	// Answered is set once the server has answered anything. An obstacle after that
	// may pass; see [UnreachableError]. The clients of one server may share it;
	// nil means that the client has its own.
	Answered *atomic.Bool

	answered atomic.Bool
	health   health
}

func (c *Client) hasAnswered() *atomic.Bool { return cmp.Or(c.Answered, &c.answered) }

// Call is one request with its repeats.
type Call struct {
	Try  func(ctx context.Context) Result // sends the request once
	Lost func(error) error                // wraps the error of a request that got no answer; may be nil

	// Part is the part of the server that the request is for, if it has parts that
	// can fail on their own. It is empty if the request is for a part of its own.
	Part string

	// MaxAttempts is how often the request may fail before the call does; 0 leaves
	// it to the client. It is 1 for a request that must not do its work twice.
	MaxAttempts int

	Sent   int // requests that went out
	Status int // of the last request; 0 if it got no answer

	failures      int // transient ones
	counted       int // of the failures, those outside of outages
	answersBefore int // usable answers to others when the call began
}

// part returns what tells the part of the server from others.
func (c *Call) part() any {
	if c.Part != "" {
		return c.Part
	}
	return c
}

// Result is what came of one attempt.
type Result struct {
	Meaning Meaning
	Status  int   // as answered; 0 if no answer came
	Err     error // what went wrong; nil if nothing did
}

// Meaning is what an attempt means for the call.
type Meaning int

const (
	// Done: nothing is left to send. The call ends with Err.
	Done Meaning = iota
	// Transient: the server has trouble that may pass.
	Transient
	// Again: the server is well and has not looked at the request, as with a
	// 429. The request is sent again at once and as often as it takes; the
	// transport knows when there is room.
	Again
	// Lost: no answer came. Err says why.
	Lost
)

// Do sends a call until an answer ends it. The errors are those of the call's
// results, an [*UnreachableError], a [*GaveUpError], or one that wraps the cause of ctx.
func (c *Client) Do(ctx context.Context, call *Call) error {
	call.answersBefore = c.health.usable()
	pauses := newPauses()
	for {
		p, err := c.health.enter(ctx, call)
		if err != nil {
			return err
		}
		r := call.Try(ctx)
		if r.Meaning == Lost {
			if r.Err, err = c.lost(ctx, call, r.Err); err != nil {
				c.health.giveBack(p)
				return err
			}
		}
		call.Sent++
		call.Status = r.Status
		if r.Status != 0 {
			c.hasAnswered().Store(true)
		}
		switch r.Meaning {
		case Done:
			c.report(c.health.answered(call, p, true)...)
			return r.Err
		case Again:
			c.report(c.health.answered(call, p, false)...)
		default:
			if err := c.failed(ctx, call, p, pauses, r); err != nil {
				return err
			}
		}
	}
}

// lost sorts the error of an attempt that got no answer. It returns one that may
// pass as transient, wrapped by the call, and any other as final: it ends the call.
func (c *Client) lost(ctx context.Context, call *Call, err error) (transient, final error) {
	if ctx.Err() != nil {
		return nil, Stopped(ctx)
	}
	var permanent interface{ Permanent() bool }
	if errors.As(err, &permanent) && permanent.Permanent() {
		return nil, err
	}
	if !c.hasAnswered().Load() {
		if obstacle, found := obstacleIn(err); found {
			return nil, &UnreachableError{obstacle, err}
		}
	}
	if call.Lost != nil {
		err = call.Lost(err)
	}
	return err, nil
}

// failed notes a transient failure and waits until the call may be sent again. Its
// error ends the call.
func (c *Client) failed(ctx context.Context, call *Call, p *outage, pauses *backoff.ExponentialBackOff, r Result) error {
	most := cmp.Or(c.MaxAttempts, defaultMaxAttempts)
	if call.MaxAttempts > 0 {
		most = math.MaxInt // that it is not sent again says nothing about the server
	}
	v := c.health.failed(call, p, r, time.Now(), most, cmp.Or(c.MaxWait, defaultMaxWait))
	c.report(v.events...)
	if v.err == nil && call.MaxAttempts > 0 && call.failures >= call.MaxAttempts {
		return r.Err
	}
	if v.err == nil && !v.held {
		Sleep(ctx, min(pauses.NextBackOff(), longestPause), c.health.givenUp())
	}
	return v.err // enter finds out what cut the sleep
}

func newPauses() *backoff.ExponentialBackOff {
	return &backoff.ExponentialBackOff{
		InitialInterval:     firstPause,
		RandomizationFactor: 0.5,
		Multiplier:          2,
		MaxInterval:         longestPause,
	}
}

// Sleep waits for d, or until ctx is done or cut is closed. It reports whether it
// waited in full.
func Sleep(ctx context.Context, d time.Duration, cut <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-cut:
	}
	return false
}

// Stopped returns the error of a call whose context is done. It wraps both ctx.Err
// and the cause.
func Stopped(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return fmt.Errorf("stopped: %w", cause)
	}
	return fmt.Errorf("stopped: %w: %w", err, cause)
}
