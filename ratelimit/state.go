package ratelimit

import (
	"fmt"
	"time"
)

// State is what a Transport knows at a moment, for progress and reports.
type State struct {
	Limit       int     // of the newest answer that showed one; 0 if none did
	Remaining   int     // of that answer
	Refill      float64 // requests a second that come back, as learnt
	Credit      float64 // requests that may leave beyond that, the reserve aside
	Allowed     float64 // requests a second that may leave now
	InFlight    int
	MaxInFlight int // requests that may be in flight now, not counting those that hang
	Sent        int
	Refused     int           // answers with status 429
	Waited      time.Duration // for the server's limit, by the requests at the head of the queue
	Held        time.Duration // the same, for Rate
	Waiting     Wait          // of the request at the head of the queue; the zero value: none waits
}

// Wait is a wait at the head of the queue.
type Wait struct {
	Since  time.Time
	Until  time.Time // when it ends at the latest for all that is known; may be put off; zero: with an answer
	Why    string    // what is waited for, such as "the tenant's limit"
	Detail string    // such as "0 of 20 left, more at 14:03:05"; may be empty
	Ended  bool      // it is over: the request was sent, or given up
}

// WaitError says that a request was not sent because the wait for it was, or
// would have become, longer than MaxWait.
type WaitError struct {
	Wait    time.Duration // how long it was, or would have been at least
	MaxWait time.Duration
	Why     string // what was waited for, a phrase
}

func (e *WaitError) Error() string {
	return fmt.Sprintf("the wait for %s would be %v or more, and %v is the longest allowed",
		e.Why, e.Wait.Round(time.Second), e.MaxWait)
}

// Permanent reports that nothing is gained by sending the request again.
func (e *WaitError) Permanent() bool { return true }

// State returns what the Transport knows now.
func (t *Transport) State() State {
	t.once.Do(t.init)
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	l, waited := t.limiter, t.head.waitedUntil(now)
	s := State{
		Allowed: l.pace, InFlight: len(l.inFlight), MaxInFlight: l.maxInFlight(), Sent: l.sent, Refused: l.refused,
		Waited:  waited[byRefusal] + waited[byHit] + waited[byLimit] + waited[byPace],
		Held:    waited[byCeiling],
		Waiting: t.waiting(),
	}
	if l.shown != nil {
		s.Limit, s.Remaining, s.Refill, s.Credit = l.shown.limit, l.shown.remaining, l.shown.refill, max(0, l.credit(now))
	}
	return s
}

// head is the wait of the request at the head of the queue.
type head struct {
	since   time.Time // when this request came to the head; zero if none waits
	asked   time.Time // when it asked last
	why     decision  // the answer
	blocked time.Time // since when nothing could leave; zero if the last answer was no 429

	waited [causes]time.Duration // by all heads so far, for what
}

func (h *head) until() time.Time { return h.asked.Add(h.why.wait) }

// wait notes that the request has to wait, as decided now.
func (h *head) wait(now, since time.Time, d decision) {
	h.waited = h.waitedUntil(now)
	if h.blocked.IsZero() && d.cause.blocks() {
		h.blocked = now
	}
	h.since, h.asked, h.why = since, now, d
}

// leave notes that the request waits no longer.
func (h *head) leave(now time.Time) {
	h.waited = h.waitedUntil(now)
	h.since = time.Time{}
}

func (h *head) waitedUntil(now time.Time) [causes]time.Duration {
	waited := h.waited
	if !h.since.IsZero() {
		waited[h.why.cause] += now.Sub(h.asked)
	}
	return waited
}

// waiting puts the wait of the head into words.
func (t *Transport) waiting() Wait {
	h := &t.head
	if h.since.IsZero() {
		return Wait{}
	}
	w := Wait{Since: h.since, Until: h.until()}
	if c := h.why.cause; c == byFirst || c == byInFlight {
		w.Until = time.Time{}
	}
	w.Why, w.Detail = t.limiter.why(h.until(), h.why)
	return w
}

// why puts a decision into words.
func (l *limiter) why(until time.Time, d decision) (why, detail string) {
	at := clockTime(until, until.Add(-d.wait))
	switch d.cause {
	case byRefusal, byTrouble:
		return "the server", fmt.Sprintf("which asks to wait until %s by Retry-After", at)
	case byHit:
		return "a limit that the server does not show", ""
	case byFirst:
		return "the first answer", ""
	case byCeiling:
		return "the rate that was set", fmt.Sprintf("%.3g requests a second", l.ceiling)
	case byInFlight:
		return "an answer", fmt.Sprintf("of %d in flight", len(l.inFlight))
	case byPace:
		return "the tenant's limit", fmt.Sprintf("%.3g requests a second", l.pace)
	case byBlind:
		return "a limit that is not known yet", fmt.Sprintf("%.3g requests a second", l.pace)
	}
	b := l.shown
	detail = fmt.Sprintf("%d of %d left", b.remaining, b.limit)
	if keep := min(l.keep(), b.remaining); keep > 0 {
		detail += fmt.Sprintf(", %d of them kept for others", keep)
	}
	if d.known {
		detail += ", more at " + at
	}
	return "the tenant's limit", detail
}

// clockTime returns the time of day, and the date unless it is that of now.
func clockTime(t, now time.Time) string {
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format(time.TimeOnly)
	}
	return t.Format(time.DateTime)
}
