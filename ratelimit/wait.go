package ratelimit

import (
	"fmt"
	"time"
)

// Pause is a wait of a second or more at the head of the queue.
type Pause struct {
	Since time.Time
	Until time.Time // when it ends at the latest for all that is known; may be put off
	Why   string    // what is waited for, a phrase
	Ended bool      // it is over: the request was sent, or given up
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

// noted is the shortest wait that people are told of.
const noted = time.Second

// head is the wait of the request at the head of the queue.
type head struct {
	since   time.Time // when this request came to the head; zero if none waits
	blocked time.Time // since when the heads have waited for a limit; zero if the last answer was no 429
	why     decision
	until   time.Time
}

func (h *head) wait(now, since time.Time, d decision) {
	if h.blocked.IsZero() && d.cause.isLimit() {
		h.blocked = now
	}
	h.since, h.why, h.until = since, d, now.Add(d.wait)
}

// beginPause tells of the wait if it is of note and was not told of before.
func (t *Transport) beginPause(p Pause, since time.Time, wait time.Duration) Pause {
	now := time.Now()
	until := now.Add(wait)
	if t.OnPause == nil || !p.Since.IsZero() || until.Sub(since) < noted {
		return p
	}
	p = Pause{Since: since, Until: until, Why: t.State().Waiting.Why}
	t.OnPause(p)
	return p
}

func (t *Transport) endPause(p Pause) {
	if !p.Since.IsZero() {
		p.Ended = true
		t.OnPause(p)
	}
}

// why puts a decision into words.
func (g *gate) why(until time.Time, d decision) string {
	at := until.Format(time.TimeOnly)
	switch d.cause {
	case byServer:
		return fmt.Sprintf("the server, which asks to wait until %s (Retry-After)", at)
	case byHit:
		return "a limit that the server does not show"
	case byFirst:
		return "the first answer"
	case byCeiling:
		return fmt.Sprintf("the ceiling of %.3g requests a second", g.ceiling)
	case byPace:
		return fmt.Sprintf("the next turn at %.3g requests a second", g.pace)
	}
	b := d.limit
	left := fmt.Sprintf("%d of %d left", b.remaining, b.limit)
	if keep := min(g.keep(b), b.remaining); keep > 0 {
		left += fmt.Sprintf(", %d of them kept for others", keep)
	}
	if d.known {
		left += ", more at " + at
	}
	return fmt.Sprintf("the tenant's limit (%s)", left)
}
