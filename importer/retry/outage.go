package retry

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"
)

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

// admit lets a call pass at once while all is well. In an outage it waits for its
// end or for the right to send.
func (h *health) admit(ctx context.Context) (probe, error) {
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
