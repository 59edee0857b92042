package retry

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Event is something that happened to a client, not to a single call.
type Event struct {
	Kind  EventKind
	Time  time.Time
	Since time.Time // of an outage: when its first request failed
	Err   error     // the failure; nil for OutageEnded
	Once  bool      // of FirstFailure: the request is not sent again
}

// EventKind says what happened.
type EventKind int

// The events of a client.
const (
	// FirstFailure: a request had a transient failure. Unless Once, it is sent again.
	// It is reported once for each status (0: no answer), so that an unreliable
	// server does not fill the log.
	FirstFailure EventKind = iota
	// OutageBegan: only one request at a time is sent, to see whether the server
	// is back.
	OutageBegan
	// OutageEnded: the server answers again and all requests continue.
	OutageEnded
)

func (c *Client) report(events ...Event) {
	if c.OnEvent == nil {
		return
	}
	for _, e := range events {
		e.Time = time.Now()
		c.OnEvent(e)
	}
}

// GaveUpError says that a transient failure has not passed within the client's time
// or attempts. Trying again later may help.
//
// It does not unwrap: the last failure is about one request, the error about all.
type GaveUpError struct {
	What  string    // for example, "no answer in 5m0s"
	Since time.Time // when it began
	Err   error     // the last failure
}

func (e *GaveUpError) Error() string {
	return fmt.Sprintf("gave up: %s (since %s): %v", e.What, e.Since.UTC().Format(time.RFC3339), e.Err)
}

// Permanent reports that no later call succeeds.
func (e *GaveUpError) Permanent() bool { return true }

// outageFrom is how many failures in a row are blamed on the server rather than on
// a request.
const outageFrom = 3

// health is what the callers of a client know together about the server.
//
// A streak is a series of transient failures without a usable answer in between. From
// the third failure on it is an outage, unless others were answered since the parts of
// the server that fail began to: then only these parts have trouble.
type health struct {
	mu      sync.Mutex
	answers int // usable answers so far: all but transient failures and refusals like 429

	streak int
	since  time.Time    // first failure of the streak
	parts  map[any]bool // of the calls that failed in the streak
	last   any          // of the last one
	outage *outage      // nil while there is none

	failing map[any]int // parts that have not answered since they failed: the answers by then

	reported map[int]bool // statuses whose first failure was reported

	failedAlone bool // a call has failed alone since the last usable answer

	gaveUp *GaveUpError  // nil until the client gives up, and then for good
	gone   chan struct{} // closed then
}

// verdict is what follows from a failure.
type verdict struct {
	err    error // ends the call
	held   bool  // enter holds the call back, so it need not pause
	events []Event
}

// usable returns the number of usable answers so far.
func (h *health) usable() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.answers
}

// givenUp returns a channel that is closed when the client gives up.
func (h *health) givenUp() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.goneLocked()
}

func (h *health) goneLocked() chan struct{} {
	if h.gone == nil {
		h.gone = make(chan struct{})
	}
	return h.gone
}

// answered notes an answer that is no transient failure, which ends a streak. A
// usable one is more than a refusal that says to come again, such as a 429. It
// returns the events to report.
func (h *health) answered(call *Call, p *outage, usable bool) []Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	p.giveBack()
	if usable {
		h.answers++
		h.failedAlone = false
		delete(h.failing, call.part())
	}
	return h.recover()
}

// failed notes a transient failure of a call and returns what follows from it.
func (h *health) failed(call *Call, p *outage, r Result, now time.Time, maxAttempts int, maxWait time.Duration) verdict {
	h.mu.Lock()
	defer h.mu.Unlock()
	p.giveBack()
	if h.gaveUp != nil {
		return verdict{err: h.gaveUp}
	}
	call.failures++
	if p == nil {
		call.counted++
	}
	if h.streak == 0 {
		h.since, h.parts = now, make(map[any]bool)
	}
	h.streak++
	h.last = call.part()
	h.parts[h.last] = true
	if h.outage != nil {
		h.outage.wake() // it may be another's turn now
	}
	if _, known := h.failing[h.last]; !known {
		if h.failing == nil {
			h.failing = make(map[any]int)
		}
		h.failing[h.last] = h.answers
	}

	v := verdict{events: h.firstOfItsKind(call, r)}
	s := situation{
		failures:       call.failures,
		counted:        call.counted,
		max:            maxAttempts,
		streak:         h.streak,
		local:          len(h.parts) == 1 || h.othersAnswered(),
		othersAnswered: h.answers > call.answersBefore,
		expired:        now.Sub(h.since) >= maxWait,
	}
	switch blame(s) {
	case theRequest:
		if len(h.parts) == 1 {
			v.events = append(v.events, h.recover()...)
		}
		v.err = r.Err
		return v
	case theServer:
		if h.alone() {
			h.failedAlone = true
			v.err = r.Err
			return v
		}
		what := fmt.Sprintf("nothing was answered in %d attempts", call.failures)
		if s.expired {
			what = fmt.Sprintf("the server does not answer, and waiting longer than %s is not allowed", maxWait)
		}
		v.err = h.giveUp(what, r.Err)
		return v
	}
	switch {
	case h.outage == nil && !s.outage():
		return v
	case h.outage == nil:
		h.outage = &outage{changed: make(chan struct{}), pauses: newPauses()}
		h.outage.postpone(now, h.since.Add(maxWait))
		v.events = append(v.events, Event{Kind: OutageBegan, Since: h.since, Err: r.Err})
	case p != nil:
		h.outage.postpone(now, h.since.Add(maxWait))
	}
	v.held = true
	return v
}

// othersAnswered reports whether others were answered after each part of the streak
// had failed for the first time.
func (h *health) othersAnswered() bool {
	for part := range h.parts {
		if h.failing[part] == h.answers {
			return false
		}
	}
	return true
}

// alone reports whether a call fails after all others have ended, so that nothing
// shows whether the server is well. Such a call fails by itself. If the next one
// fails too, the client gives up.
func (h *health) alone() bool {
	return h.answers > 0 && !h.failedAlone && len(h.parts) == 1 && (h.outage == nil || len(h.outage.waiting) == 0)
}

// recover ends the streak, and the outage if it was one.
func (h *health) recover() []Event {
	h.streak = 0
	if h.outage == nil {
		return nil
	}
	close(h.outage.changed)
	h.outage = nil
	return []Event{{Kind: OutageEnded, Since: h.since}}
}

// giveUp ends all calls, the waiting ones and later ones.
func (h *health) giveUp(what string, err error) error {
	h.gaveUp = &GaveUpError{What: what, Since: h.since, Err: err}
	close(h.goneLocked())
	h.recover()
	return h.gaveUp
}

func (h *health) firstOfItsKind(call *Call, r Result) []Event {
	if h.reported[r.Status] {
		return nil
	}
	if h.reported == nil {
		h.reported = make(map[int]bool)
	}
	h.reported[r.Status] = true
	return []Event{{Kind: FirstFailure, Since: h.since, Err: r.Err, Once: call.MaxAttempts == 1}}
}

// situation is what is known when a call has failed again.
type situation struct {
	failures       int  // of the call
	counted        int  // those outside of outages
	max            int  // how many are allowed
	streak         int  // failures in a row, of any calls
	local          bool // they are of one part of the server, or of parts beside which others are answered
	othersAnswered bool // others had usable answers since the call began
	expired        bool // the streak is as old as an outage may become
}

// outage reports whether all calls have trouble, as far as is known.
func (s situation) outage() bool { return s.streak >= outageFrom && !(s.local && s.othersAnswered) }

type culprit int

const (
	nobodyYet culprit = iota
	theRequest
	theServer
)

// blame decides what is to blame when a call has failed again: a request that the
// server can't handle, or the server. In an outage, time decides and not the number of
// attempts, unless nothing has ever been answered.
func blame(s situation) culprit {
	switch {
	case s.othersAnswered && !s.outage():
		if s.failures >= s.max || s.expired {
			return theRequest
		}
	case s.counted >= s.max && !s.othersAnswered, s.expired:
		return theServer
	}
	return nobodyYet
}

// outage is the time in which callers hold. One at a time may send then.
type outage struct {
	waiting []*Call       // in the order in which they came
	probing bool          // one of them is being sent
	next    time.Time     // when the next may be
	changed chan struct{} // closed when it is another's turn, or the outage is over
	pauses  *backoff.ExponentialBackOff
}

// giveBack gives back the right to send that enter gave; nil is none.
func (o *outage) giveBack() {
	if o != nil {
		o.probing = false
		o.wake()
	}
}

// giveBack gives back a right to send that was not used.
func (h *health) giveBack(o *outage) {
	h.mu.Lock()
	defer h.mu.Unlock()
	o.giveBack()
}

func (o *outage) wake() {
	select {
	case <-o.changed: // the outage is over
	default:
		close(o.changed)
		o.changed = make(chan struct{})
	}
}

func (o *outage) leave(call *Call) {
	o.waiting = slices.DeleteFunc(o.waiting, func(c *Call) bool { return c == call })
}

// postpone sets when the next request may go: after a pause, which grows, but
// not after the deadline, so that the last moment before giving up is tried.
func (o *outage) postpone(now, deadline time.Time) {
	o.next = now.Add(min(o.pauses.NextBackOff(), longestPause, deadline.Sub(now)))
}

// enter lets a call pass at once while all is well. In an outage it waits for its
// end, or for the right to send, which it returns.
func (h *health) enter(ctx context.Context, call *Call) (*outage, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for ctx.Err() == nil {
		if h.gaveUp != nil {
			return nil, h.gaveUp
		}
		o := h.outage
		if o == nil {
			return nil, nil
		}
		if !slices.Contains(o.waiting, call) {
			o.waiting = append(o.waiting, call)
		}
		wait := time.Duration(math.MaxInt64)
		if !o.probing && h.probe() == call {
			if wait = time.Until(o.next); wait <= 0 {
				o.probing = true
				o.leave(call)
				return o, nil
			}
		}
		changed := o.changed
		h.mu.Unlock()
		Sleep(ctx, wait, changed)
		h.mu.Lock()
	}
	if h.outage != nil {
		h.outage.leave(call)
		h.outage.wake()
	}
	return nil, Stopped(ctx)
}

// probe returns which of the calls that wait is sent next: the first of a part that
// has not failed, so that one that does not answer holds no other, and otherwise of
// another part than the last one.
func (h *health) probe() *Call {
	rank := func(c *Call) int {
		switch part := c.part(); {
		case !h.parts[part]:
			return 0
		case part != h.last:
			return 1
		}
		return 2
	}
	return slices.MinFunc(h.outage.waiting, func(a, b *Call) int { return cmp.Compare(rank(a), rank(b)) })
}
