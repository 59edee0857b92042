package auth0test

import (
	"math"
	"slices"
	"sync"
	"time"
)

// Mode is how the permissions of a [Limit] come back. Auth0's documents
// contradict each other, so a client has to cope with all modes.
type Mode int

const (
	// Drip brings permissions back continuously, as Auth0's published limiter
	// does by default.
	Drip Mode = iota
	// Step brings back at each whole second of the tenant's clock what has
	// dripped since the second before: 200 a minute are 3⅓ every second.
	Step
	// FixedWindow brings Per permissions back at once, at each edge of
	// Interval on the tenant's clock.
	FixedWindow
	// SlidingLog grants Size requests in any Interval: a permission comes back
	// one Interval after it was taken. Per is not used.
	SlidingLog
)

// ResetMode is what a [Limit] gives as its reset. For FixedWindow, both are the
// end of the window.
type ResetMode int

const (
	// ResetFull: when the bucket will be full again, as recorded from Auth0.
	ResetFull ResetMode = iota
	// ResetNext: when the next permission will be there, as documented.
	ResetNext
)

// Limit is one rate limit: a bucket that holds Size permissions when it is
// full, and to which Per come back in each Interval. All three are positive.
type Limit struct {
	Size, Per  int
	Interval   time.Duration
	Mode       Mode
	Reset      ResetMode
	StartEmpty bool // there is no permission at first
	Charged    bool // a refused request takes what there is, too
}

// Verdict is a [Limiter]'s decision about one request. Limit, Remaining and
// Reset are those of the limit with the fewest permissions left.
type Verdict struct {
	OK        bool
	Limit     int       // permissions when full
	Remaining int       // whole permissions left after this request
	Reset     time.Time // exact; a header has it rounded up to whole seconds
	Name      string    // of the limiter, as in "<Name> limit has been reached"
}

// Limiter decides about the requests of a class, with the arithmetic of Auth0's
// published limiter (limitd-redis): a request needs one whole permission of
// each limit, and a refused one takes nothing from the limit that refuses it.
type Limiter struct {
	name string

	mu      sync.Mutex
	buckets []bucket
}

// NewLimiter returns a limiter with the given limits, which are tried in order.
// The name, such as "Global" or "Endpoint", is for the message of a refusal.
func NewLimiter(name string, limits ...Limit) *Limiter {
	l := &Limiter{name: name}
	for _, limit := range limits {
		l.buckets = append(l.buckets, bucket{Limit: limit})
	}
	return l
}

// Take asks for one permission at a time of the tenant's clock. What an earlier
// limit has granted stays taken when a later one refuses; the limits after that
// are not touched.
func (l *Limiter) Take(now time.Time) Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := Verdict{OK: true, Remaining: math.MaxInt, Name: l.name}
	for i := range l.buckets {
		b := &l.buckets[i]
		b.refill(now)
		refused := v.OK && !b.take(now)
		v.OK = v.OK && !refused
		if left := b.remaining(); left < v.Remaining || refused {
			v.Limit, v.Remaining, v.Reset = b.Size, left, b.reset(now)
		}
	}
	return v
}

// Change replaces the limits, the first by the first and so on. A bucket keeps
// what it holds, up to its new size.
func (l *Limiter) Change(now time.Time, limits ...Limit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	changed := make([]bucket, len(limits))
	for i, limit := range limits {
		if i < len(l.buckets) {
			changed[i] = l.buckets[i]
			changed[i].refill(now)
		}
		changed[i].Limit = limit
	}
	l.buckets = changed
}

// bucket is a Limit and what it holds.
type bucket struct {
	Limit
	at      time.Time   // when level was right; zero before the first request
	level   float64     // permissions held, with their fraction
	granted []time.Time // SlidingLog: when those of the last Interval were taken
}

// whole forgives rounding errors: a permission may lack a billionth.
const whole = 1 - 1e-9

func (b *bucket) refill(now time.Time) {
	at := b.lastRefill(now)
	switch {
	case b.at.IsZero():
		b.start(at)
	case at.After(b.at):
		b.level += at.Sub(b.at).Seconds() * b.rate()
		b.at = at
	}
	if b.Mode == SlidingLog {
		for len(b.granted) > 0 && !b.granted[0].Add(b.Interval).After(now) {
			b.granted = b.granted[1:]
		}
		b.level = float64(b.Size - len(b.granted))
	}
	b.level = min(b.level, float64(b.Size))
}

// lastRefill returns when permissions last came back.
func (b *bucket) lastRefill(now time.Time) time.Time {
	switch b.Mode {
	case Step:
		return now.Truncate(time.Second)
	case FixedWindow:
		return now.Truncate(b.Interval)
	}
	return now
}

func (b *bucket) start(at time.Time) {
	b.at = at
	if !b.StartEmpty {
		b.level = float64(b.Size)
	} else if b.Mode == SlidingLog {
		b.granted = slices.Repeat([]time.Time{at}, b.Size)
	}
}

// rate returns the permissions that come back in a second.
func (b *bucket) rate() float64 { return float64(b.Per) / b.Interval.Seconds() }

func (b *bucket) take(now time.Time) bool {
	ok := b.level >= whole
	if !ok && !b.Charged {
		return false
	}
	if b.Mode == SlidingLog {
		if !ok {
			b.granted = b.granted[1:]
		}
		b.granted = append(b.granted, now)
		b.level = float64(b.Size - len(b.granted))
		return ok
	}
	b.level = max(0, b.level-1)
	return ok
}

func (b *bucket) remaining() int { return int(b.level + 1 - whole) }

func (b *bucket) reset(now time.Time) time.Time {
	switch {
	case b.Mode == FixedWindow:
		return b.at.Add(b.Interval)
	case b.Mode == SlidingLog && len(b.granted) == 0:
		return now
	case b.Mode == SlidingLog && b.Reset == ResetNext:
		return b.granted[0].Add(b.Interval)
	case b.Mode == SlidingLog:
		return b.granted[len(b.granted)-1].Add(b.Interval)
	}
	lacking := float64(b.Size) - b.level
	if b.Reset == ResetNext {
		lacking = min(lacking, math.Floor(b.level+1-whole)+1-b.level)
	}
	wait := time.Duration(math.Ceil(lacking / b.rate() * float64(time.Second)))
	if b.Mode == Step && lacking > 0 {
		return b.at.Add((wait + time.Second - 1).Truncate(time.Second))
	}
	return now.Add(wait)
}
