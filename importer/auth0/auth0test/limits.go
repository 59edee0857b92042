package auth0test

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Limits are the tenant's rate limits. The zero value has no limits. Limiters have
// state: two tenants must not share them, and [Limiter.Change] changes them while
// the tenant runs. [Preset] returns those that Auth0 publishes.
type Limits struct {
	// Global is asked first, for every request to the Management API. Its
	// permission stays taken if the endpoint's limiter refuses.
	Global *Limiter

	// Endpoints are the limiters of classes. That of Other is for all classes
	// that are not listed; nil is no limit.
	Endpoints map[Class]*Limiter

	// SkipGlobal exempts classes with a limiter of their own from Global.
	// Auth0's documentation says both.
	SkipGlobal bool

	// Show is which limiter the X-RateLimit headers describe.
	Show Show

	// ShowRefuser makes a 429 describe the limiter that refused, whatever Show
	// says.
	ShowRefuser bool

	// RetryAfter sends Retry-After with a 429: the seconds until Reset, at least
	// one. It is not known whether the Management API does so.
	RetryAfter bool
}

// Show is which limiter the X-RateLimit headers describe.
type Show int

const (
	ShowLowest Show = iota // the one with the fewest requests left
	ShowGlobal             // the global one, if it applies
	ShowNone               // no headers
	ShowZero               // as ShowLowest, but always with no request left
)

// turn is what the limiters decide about one request.
type turn struct {
	refusal    *Verdict // nil if there is none
	shown      *Verdict // in the headers; nil if there are none
	how        Show
	retryAfter string
}

func (l Limits) take(class Class, now time.Time) turn {
	endpoint, listed := l.Endpoints[class]
	if !listed && class.limited() {
		endpoint = l.Endpoints[Other]
	}
	var global, own *Verdict
	if l.Global != nil && class.limited() && (endpoint == nil || !l.SkipGlobal) {
		v := l.Global.Take(now)
		global = &v
	}
	if endpoint != nil && (global == nil || global.OK) {
		v := endpoint.Take(now)
		own = &v
	}
	turn := turn{shown: l.Show.choose(global, own), how: l.Show}
	for _, v := range []*Verdict{global, own} {
		if v == nil || v.OK {
			continue
		}
		turn.refusal = v
		if l.ShowRefuser {
			turn.shown = v
		}
		if l.RetryAfter {
			turn.retryAfter = wholeSeconds(max(v.Reset.Sub(now), time.Second))
		}
	}
	return turn
}

func (s Show) choose(global, own *Verdict) *Verdict {
	switch {
	case s == ShowNone:
		return nil
	case global == nil:
		return own
	case own == nil, s == ShowGlobal:
		return global
	case own.Remaining <= global.Remaining:
		return own
	}
	return global
}

// mark puts the headers on an answer.
func (t turn) mark(rep *reply) *reply {
	if t.shown != nil {
		left := t.shown.Remaining
		if t.how == ShowZero {
			left = 0
		}
		rep.header.Set("X-RateLimit-Limit", strconv.Itoa(t.shown.Limit))
		rep.header.Set("X-RateLimit-Remaining", strconv.Itoa(left))
		rep.header.Set("X-RateLimit-Reset", strconv.FormatInt(unixCeil(t.shown.Reset), 10))
	}
	if t.retryAfter != "" {
		rep.header.Set("Retry-After", t.retryAfter)
	}
	return rep
}

// limitReached is the 429 as recorded for the Management API, and as documented for
// the Authentication API.
func limitReached(class Class, name string) *reply {
	if class == Tokens {
		return oauthError(http.StatusTooManyRequests, "too_many_requests", name+" rate limit exceeded")
	}
	return refuse(http.StatusTooManyRequests, "too_many_requests", name+" limit has been reached")
}

// unixCeil rounds up, so that a client does not retry too early.
func unixCeil(t time.Time) int64 {
	if t.Nanosecond() > 0 {
		return t.Unix() + 1
	}
	return t.Unix()
}

func wholeSeconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

// Preset returns new limits by name, see [PresetNames]: those of a plan, from
// Auth0's rate limit configurations as published in August 2026, or "none". A
// row "20 burst, 200 a minute" is read as two buckets, as in older documents;
// the single-bucket presets read it as one.
func Preset(name string) (Limits, error) {
	fresh, known := presets()[name]
	if !known {
		return Limits{}, fmt.Errorf("no limits called %q, only %s", name, strings.Join(PresetNames(), ", "))
	}
	return fresh(), nil
}

// PresetNames returns the names that [Preset] knows, in ascending order.
func PresetNames() []string { return slices.Sorted(maps.Keys(presets())) }

func presets() map[string]func() Limits {
	return map[string]func() Limits{
		"none":                func() Limits { return Limits{} },
		"free":                func() Limits { return plan(NewLimiter("Global", perSecond(2)), 30, nil) },
		"essentials":          essentials,
		"enterprise-prod":     func() Limits { return enterprise(perSecond(50), perMinute(1000)) },
		"enterprise-nonprod":  func() Limits { return enterprise(Limit{Size: 10, Per: 2, Interval: time.Second}) },
		"private-15x":         func() Limits { return private(750, 300, 600) },
		"private-60x":         func() Limits { return private(3000, 1200, 2400) },
		"private-100x":        func() Limits { return private(5000, 2400, 4800) },
		"single-bucket-drip":  func() Limits { return singleBucket(Drip) },
		"single-bucket-fixed": func() Limits { return singleBucket(FixedWindow) },
	}
}

// essentials has no global limit: what has no row of its own is in Other.
func essentials() Limits {
	return plan(nil, 25, map[Class][2]int{
		WriteMembers: {20, 200}, ReadMembers: {40, 500}, WriteRoles: {20, 200}, ReadRoles: {20, 200},
		ReadOrganizations: {20, 200}, OrganizationNames: {10, 100}, ListOrganizations: {5, 50}, WriteOrganizations: {5, 25},
		ReadUsers: {40, 500}, ReadConnections: {5, 50}, Other: {10, 150},
	})
}

// enterprise has no rows for users, roles of the tenant, connections and jobs:
// they have the global limit only.
func enterprise(global ...Limit) Limits {
	return plan(NewLimiter("Global", global...), 100, map[Class][2]int{
		WriteMembers: {20, 200}, ReadMembers: {40, 500}, WriteRoles: {20, 200}, ReadRoles: {20, 200},
		WriteInvitations: {20, 200}, ReadInvitations: {20, 200},
		ReadOrganizations: {10, 100}, OrganizationNames: {20, 200}, ListOrganizations: {10, 100}, WriteOrganizations: {5, 150},
	})
}

// private has the rows of the Private Cloud plans that matter most to an import:
// the requests a second of the whole API, and the bursts of writing and reading
// members and their roles. A minute gives ten writes, or 12.5 reads, for each of
// a burst.
func private(global, writes, reads int) Limits {
	return plan(NewLimiter("Global", perSecond(global)), 100, map[Class][2]int{
		WriteMembers: {writes, 10 * writes}, ReadMembers: {reads, reads * 25 / 2},
		WriteRoles: {writes, 10 * writes}, ReadRoles: {writes, 10 * writes},
	})
}

// plan returns the limits of a plan: the tokens a second that the Authentication
// API gives, and rows of a burst and a number of requests a minute.
func plan(global *Limiter, tokens int, rows map[Class][2]int) Limits {
	l := Limits{Global: global, Endpoints: map[Class]*Limiter{Tokens: NewLimiter("Global", perSecond(tokens))}}
	for class, row := range rows {
		l.Endpoints[class] = NewLimiter("Endpoint", perSecond(row[0]), perMinute(row[1]))
	}
	return l
}

func singleBucket(mode Mode) Limits {
	limit := Limit{Size: 20, Per: 200, Interval: time.Minute, Mode: mode}
	return Limits{Endpoints: map[Class]*Limiter{WriteMembers: NewLimiter("Endpoint", limit)}}
}

func perSecond(n int) Limit { return Limit{Size: n, Per: n, Interval: time.Second} }
func perMinute(n int) Limit { return Limit{Size: n, Per: n, Interval: time.Minute} }

// Mode is how the permissions of a [Limit] come back. Auth0's documentation
// contradicts itself, so a client has to cope with all modes.
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
	Charged    bool // a refused request takes what is left, too
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
