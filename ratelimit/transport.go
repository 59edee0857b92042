package ratelimit

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// MostInFlight is the most requests in flight where the pace decides. 400
// a second, the largest limit that Auth0 publishes, need 112 at a latency of 280 ms.
const MostInFlight = 256

// Transport is an http.RoundTripper that lets each request wait for its turn,
// sends it, and heeds the headers of the answer. It never retries and never
// edits a request. Give each class of endpoints that has a limit of its own a
// Transport of its own: headers of different limits must not mix.
//
// Set the fields before the first request. Its methods may be called
// concurrently.
type Transport struct {
	Base    http.RoundTripper // nil: http.DefaultTransport
	Rate    float64           // requests a second at most; 0: no ceiling
	Reserve Reserve           // what is left to everyone else; zero value: nothing
	// MaxInFlight is the most requests that may be in flight, not counting those that
	// hang; 0: as many as the pace needs at the latency of the answers, but no more
	// than MostInFlight.
	MaxInFlight int
	MaxWait     time.Duration // a longer wait ends with a *WaitError before the request is sent; 0: unbounded
	OnWait      func(Wait)    // called when a wait of a second or more begins and when it ends; must be cheap; may be nil

	once  sync.Once
	empty chan struct{} // closed when no request waits
	turn  chan struct{} // held by the request at the head of the queue
	news  chan struct{} // wakes it when an answer is booked

	mu      sync.Mutex
	limiter *limiter
	queued  int // requests that wait, the head among them
	head    head
}

// RoundTrip sends the request when its turn has come. The wait ends with the
// request's context.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	t.once.Do(t.init)
	ticket, err := t.await(req.Context())
	if err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	base := t.Base
	if base == nil {
		base = http.DefaultTransport
	}
	resp, err := base.RoundTrip(req)
	t.heed(ticket, resp)
	return resp, err
}

func (t *Transport) init() {
	t.turn = make(chan struct{}, 1)
	t.news = make(chan struct{}, 1)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.limiter = newLimiter(defaultTuning(), t.Reserve, t.Rate)
	t.limiter.most = t.MaxInFlight
}

// await waits, first come first served, for the head of the queue, and there
// for the limiter. Only the head asks it, so that no request holds a place that
// was given before the last answer came.
func (t *Transport) await(ctx context.Context) (ticket int, err error) {
	t.queue(1)
	defer t.queue(-1)
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	since := time.Now()
	var reported Wait
	defer func() { t.leaveHead(reported) }()
	for {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		ticket, wait, err := t.ask(time.Now(), since)
		if wait <= 0 || err != nil {
			return ticket, err
		}
		reported = t.report(reported, since, wait)
		t.sleep(ctx, wait)
	}
}

func (t *Transport) sleep(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.news:
	case <-ctx.Done():
	}
}

func (t *Transport) queue(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.queued == 0 {
		t.empty = make(chan struct{})
	}
	t.queued += n
	if t.queued > 0 {
		return
	}
	close(t.empty)
	if len(t.limiter.inFlight) == 0 {
		t.head.blocked = time.Time{} // nobody is left who has waited
	}
}

// Ready returns when no request waits for its turn, or when ctx is done. A request
// that is made only then stands at the head of the queue: its caller decides as late
// as possible what to send.
func (t *Transport) Ready(ctx context.Context) {
	t.once.Do(t.init)
	t.mu.Lock()
	waits, empty := t.queued > 0, t.empty
	t.mu.Unlock()
	if waits {
		select {
		case <-empty:
		case <-ctx.Done():
		}
	}
}

// leaveHead notes that the request at the head waits no longer. reported is its wait,
// if that was reported.
func (t *Transport) leaveHead(reported Wait) {
	if !reported.Since.IsZero() {
		reported.Ended = true
		t.OnWait(reported)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.head.leave(time.Now())
}

// ask asks the limiter for the request at the head. It returns a pass, or how
// long to wait before it is asked again.
func (t *Transport) ask(now, since time.Time) (ticket int, wait time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.limiter.next(now)
	if d.wait <= 0 {
		return t.limiter.depart(now), 0, nil
	}
	t.head.wait(now, since, d)
	if t.MaxWait == 0 || !d.cause.blocks() {
		return 0, d.wait, nil
	}
	rest := t.head.blocked.Add(t.MaxWait).Sub(now)
	if rest <= 0 || rest < d.wait && d.known {
		why, detail := t.limiter.why(t.head.until(), d)
		if detail != "" {
			why += " (" + detail + ")"
		}
		return 0, 0, &WaitError{Wait: now.Sub(t.head.blocked) + d.wait, MaxWait: t.MaxWait, Why: why}
	}
	return 0, min(d.wait, rest), nil
}

// noteworthy is the shortest wait that is reported.
const noteworthy = time.Second

// report reports a wait that is long enough, once.
func (t *Transport) report(reported Wait, since time.Time, wait time.Duration) Wait {
	if t.OnWait == nil || !reported.Since.IsZero() || time.Now().Add(wait).Sub(since) < noteworthy {
		return reported
	}
	w := t.State().Waiting
	t.OnWait(w)
	return w
}

// heed notes the answer to a request and wakes the head of the queue.
func (t *Transport) heed(ticket int, resp *http.Response) {
	now := time.Now()
	var a answer
	if resp != nil {
		a = readAnswer(resp, now)
	}
	t.mu.Lock()
	t.limiter.arrive(now, ticket, a)
	if a.status != http.StatusTooManyRequests { // whatever went wrong, it was not the limit
		t.head.blocked = time.Time{}
	}
	t.mu.Unlock()
	select {
	case t.news <- struct{}{}:
	default: // it has not looked at the last one yet
	}
}

// Reserve is how much of a limit is left to everyone else: a number of
// requests, or a share of the limit. The zero value leaves nothing.
type Reserve struct {
	share float64 // of the limit, 0 to 1
	count int     // requests; in effect if share is 0
}

// String returns what UnmarshalText reads.
func (r Reserve) String() string {
	if r.share > 0 {
		return strconv.FormatFloat(math.Round(r.share*1e8)/1e6, 'f', -1, 64) + "%"
	}
	return strconv.Itoa(r.count)
}

// UnmarshalText reads "10%", "5" or "0". A share is at most 90 %: more would
// leave too little to work with.
func (r *Reserve) UnmarshalText(text []byte) error {
	s := string(text)
	if percent, found := strings.CutSuffix(s, "%"); found {
		p, err := strconv.ParseFloat(strings.TrimSpace(percent), 64)
		if err != nil || !(p >= 0 && p <= 90) {
			return fmt.Errorf("%q is not a percentage between 0 and 90", s)
		}
		*r = Reserve{share: p / 100}
		return nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return fmt.Errorf("%q is neither a number of requests, 0 or more, nor a percentage", s)
	}
	*r = Reserve{count: n}
	return nil
}

// of returns the requests to leave of a limit. At least one is never left, or
// nothing could ever be sent.
func (r Reserve) of(limit int) int {
	keep := r.count
	if r.share > 0 {
		keep = int(r.share*float64(limit) + 1e-9)
	}
	return max(0, min(keep, limit-1))
}

func (r Reserve) isZero() bool { return r == Reserve{} }

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
