package retry

import (
	"context"
	"fmt"
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
	// FirstFailure: a request failed with a transient failure and, unless Once, is sent again. It is
	// reported once for each status, 0 being no answer, so that a limping server
	// does not fill the log.
	FirstFailure EventKind = iota
	// OutageBegan: only one request at a time is sent, to see whether the server
	// is back.
	OutageBegan
	// OutageEnded: the server answers again and all requests continue.
	OutageEnded
)

func (c *Client) tell(events ...Event) {
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
// the third failure on it is an outage; see outage.go.
type health struct {
	mu      sync.Mutex
	answers int // usable answers so far: all but transient failures and refusals like 429

	streak int
	since  time.Time // first failure of the streak
	alone  *Call     // the only call that failed in the streak; nil if there are several
	outage *outage   // nil while there is none

	told map[int]bool // statuses whose first failure was reported

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

// answered notes a usable answer, which ends a streak. It returns the events to
// report.
func (h *health) answered(p probe) []Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer p.giveBack()
	h.answers++
	return h.recover()
}

// refused notes an answer that says to come again, such as a 429. The server is
// there, so it ends a streak, but nothing was answered.
func (h *health) refused(p probe) []Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer p.giveBack()
	return h.recover()
}

// failed notes a transient failure of a call and returns what follows from it.
func (h *health) failed(call *Call, p probe, r Result, now time.Time, maxAttempts int, maxWait time.Duration) verdict {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer p.giveBack()
	if h.gaveUp != nil {
		return verdict{err: h.gaveUp}
	}
	call.failures++
	if p == nil {
		call.counted++
	}
	if h.streak == 0 {
		h.since, h.alone = now, call
	} else if h.alone != call {
		h.alone = nil
	}
	h.streak++

	v := verdict{events: h.firstOfItsKind(call, r)}
	switch blame(situation{
		failures:       call.failures,
		counted:        call.counted,
		max:            maxAttempts,
		streak:         h.streak,
		alone:          h.alone == call,
		othersAnswered: h.answers > call.answersBefore,
	}) {
	case theRequest:
		if h.alone == call {
			v.events = append(v.events, h.recover()...)
		}
		v.err = r.Err
		return v
	case theServer:
		v.err = h.giveUp(fmt.Sprintf("nothing was answered in %d attempts", call.failures), r.Err)
		return v
	}
	if now.Sub(h.since) >= maxWait {
		v.err = h.giveUp(fmt.Sprintf("the server does not answer, and waiting longer than %s is not allowed", maxWait), r.Err)
		return v
	}
	switch {
	case h.streak < outageFrom:
		return v
	case h.outage == nil:
		h.outage = newOutage()
		h.outage.postpone(now, h.since.Add(maxWait))
		v.events = append(v.events, Event{Kind: OutageBegan, Since: h.since, Err: r.Err})
	case p != nil:
		h.outage.postpone(now, h.since.Add(maxWait))
	}
	v.held = true
	return v
}

// recover ends the streak, and the outage if it was one.
func (h *health) recover() []Event {
	h.streak, h.alone = 0, nil
	if h.outage == nil {
		return nil
	}
	close(h.outage.ended)
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
	if h.told[r.Status] {
		return nil
	}
	if h.told == nil {
		h.told = make(map[int]bool)
	}
	h.told[r.Status] = true
	return []Event{{Kind: FirstFailure, Since: h.since, Err: r.Err, Once: call.Once}}
}

// situation is what is known when a call has failed again.
type situation struct {
	failures       int  // of the call
	counted        int  // those outside of outages
	max            int  // how many are allowed
	streak         int  // failures in a row, of any calls
	alone          bool // they are all of this call
	othersAnswered bool // others had usable answers since the call began
}

type culprit int

const (
	nobodyYet culprit = iota
	theRequest
	theServer
)

// blame decides who is to blame when a call has failed again: a request that the
// server chokes on, or the server.
func blame(s situation) culprit {
	switch {
	case s.streak >= outageFrom && !s.alone:
		// An outage for others too: time decides, not the number of attempts,
		// unless nothing has ever been answered.
		if s.counted >= s.max && !s.othersAnswered {
			return theServer
		}
	case s.othersAnswered && s.failures >= s.max:
		return theRequest
	case s.counted >= s.max:
		return theServer
	}
	return nobodyYet
}

// outage is the time in which callers hold. One caller at a time may send then, each
// in turn, so that a request that the server chokes on does not block the others.
type outage struct {
	ended  chan struct{} // closed when the server is back, or given up
	turn   probe         // holds the right to send while nobody has it
	next   time.Time     // when the next request may go
	pauses *backoff.ExponentialBackOff
}

// probe is the right to send during an outage; nil outside of one.
type probe chan struct{}

// giveBack passes the right to the caller that has waited longest, if any: the
// outage may be over.
func (p probe) giveBack() {
	if p != nil {
		p <- struct{}{}
	}
}

func newOutage() *outage {
	o := &outage{
		ended:  make(chan struct{}),
		turn:   make(probe, 1),
		pauses: newPauses(),
	}
	o.turn.giveBack()
	return o
}

// postpone sets when the next request may go: after a pause, which grows, but
// not after the deadline, so that the last moment before giving up is tried.
func (o *outage) postpone(now, deadline time.Time) {
	o.next = now.Add(min(o.pauses.NextBackOff(), longestPause, deadline.Sub(now)))
}

// enter lets a call pass at once while all is well. In an outage it waits for its
// end or for the right to send.
func (h *health) enter(ctx context.Context) (probe, error) {
	for ctx.Err() == nil {
		h.mu.Lock()
		o, gaveUp := h.outage, h.gaveUp
		h.mu.Unlock()
		if gaveUp != nil {
			return nil, gaveUp
		}
		if o == nil {
			return nil, nil
		}
		select {
		case <-o.ended:
			continue
		case <-ctx.Done():
			continue
		case <-o.turn:
		}
		if Sleep(ctx, h.untilNext(o), o.ended) {
			return o.turn, nil
		}
		o.turn.giveBack()
	}
	return nil, Stopped(ctx)
}

func (h *health) untilNext(o *outage) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Until(o.next)
}
