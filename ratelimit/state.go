package ratelimit

import "time"

// State is what a Transport knows at a moment, for progress and reports.
type State struct {
	Limit     int     // of the newest answer that showed one; 0 if none did
	Remaining int     // of that answer
	Refill    float64 // requests a second that come back, as learnt
	Allowed   float64 // requests a second that may leave now
	InFlight  int
	Sent      int
	Refused   int           // answers with status 429
	Waited    time.Duration // by the requests at the head of the queue
	Waiting   Waiting
}

// Waiting is the wait of the request at the head of the queue. Its zero value
// says that none waits.
type Waiting struct {
	Since time.Time
	Until time.Time // when it ends at the latest; zero if that is not known
	Why   string    // a phrase such as "the tenant's limit (0 of 20 left, more at 14:03:05)"
}

// State returns what the Transport knows now.
func (t *Transport) State() State {
	t.once.Do(t.init)
	t.mu.Lock()
	defer t.mu.Unlock()
	g, now := t.gate, time.Now()
	s := State{
		Allowed: g.pace, InFlight: g.inFlight,
		Sent: g.sent, Refused: g.refused, Waited: t.waited,
	}
	if g.shown != nil {
		s.Limit, s.Remaining, s.Refill = g.shown.limit, g.shown.remaining, g.shown.refill
	}
	if h := t.head; !h.since.IsZero() {
		s.Waited += now.Sub(h.since)
		s.Waiting = Waiting{Since: h.since, Why: g.why(h.until, h.why)}
		if h.why.known {
			s.Waiting.Until = h.until
		}
	}
	return s
}
