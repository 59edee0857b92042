package auth0test

import (
	"cmp"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Limits are the tenant's rate limits. The zero value has no limits. [Preset] returns
// those that Auth0 publishes.
type Limits struct {
	// Global apply first, to every request to the Management API. Their
	// permissions stay taken if the endpoint's limits refuse.
	Global []Limit

	// Endpoints are the limits of classes. Those of Other are for all classes
	// that are not listed; an empty list means no limit.
	Endpoints map[Class][]Limit

	// SkipGlobal exempts classes with limits of their own from Global.
	// Auth0's documentation says both.
	SkipGlobal bool

	// Show is which limits the X-RateLimit headers describe.
	Show Show

	// ShowRefuser makes a 429 describe the limits that refused, whatever Show
	// says.
	ShowRefuser bool

	// RetryAfter sends Retry-After with a 429: the seconds until Reset, at least
	// one. It is not known whether the Management API does so.
	RetryAfter bool
}

// Show is which limits the X-RateLimit headers describe.
type Show int

const (
	ShowLowest Show = iota // those with the fewest requests left
	ShowGlobal             // the global ones, if they apply
	ShowNone               // no headers
	ShowZero               // as ShowLowest, but always with no request left
)

// take asks the limiters whether a request of a class may pass. It returns the headers
// that describe them, and a refusal or nil.
func (t *Tenant) take(class Class) (header http.Header, refused *reply) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l, now := &t.cfg.Limits, t.now()
	key := class
	if _, listed := l.Endpoints[class]; !listed && class.limited() {
		key = Other
	}
	own := len(l.Endpoints[key]) > 0
	var verdicts []Verdict // that of the endpoint first
	if len(l.Global) > 0 && class.limited() && !(own && l.SkipGlobal) {
		v := t.global.Take(now)
		verdicts = append(verdicts, v)
		if !v.OK {
			refused = limitReached(class, "Global")
		}
	}
	if own && refused == nil {
		v := t.endpoints[key].Take(now)
		verdicts = slices.Insert(verdicts, 0, v)
		if !v.OK {
			refused = limitReached(class, "Endpoint")
		}
	}
	header = make(http.Header)
	if len(verdicts) == 0 {
		return header, nil
	}
	shown := slices.MinFunc(verdicts, func(a, b Verdict) int { return cmp.Compare(a.Remaining, b.Remaining) })
	switch {
	case refused != nil && l.ShowRefuser:
		shown = verdicts[0] // if the global limiter refuses, the other is not asked
	case l.Show == ShowGlobal:
		shown = verdicts[len(verdicts)-1]
	case l.Show == ShowZero:
		shown.Remaining = 0
	}
	if l.Show != ShowNone {
		header.Set("X-RateLimit-Limit", strconv.Itoa(shown.Limit))
		header.Set("X-RateLimit-Remaining", strconv.Itoa(shown.Remaining))
		// Rounded up, so that a client does not retry too early.
		header.Set("X-RateLimit-Reset", strconv.FormatInt(shown.Reset.Add(time.Second-1).Unix(), 10))
	}
	if refused != nil && l.RetryAfter {
		header.Set("Retry-After", strconv.Itoa(wholeSeconds(max(verdicts[0].Reset.Sub(now), time.Second))))
	}
	return header, refused
}

// limitReached is the 429 as recorded for the Management API, and as documented for
// the Authentication API.
func limitReached(class Class, name string) *reply {
	if class == Tokens {
		return oauthError(http.StatusTooManyRequests, "too_many_requests", "Global rate limit exceeded")
	}
	return refuse(http.StatusTooManyRequests, "too_many_requests", name+" limit has been reached")
}

// wholeSeconds returns d in seconds, rounded up.
func wholeSeconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// Preset returns limits by name, if it is known: those of a plan, from Auth0's rate
// limit configurations as published in August 2026, or "none". A row "20 burst,
// 200 a minute" is read as two buckets, as in older documents; the single-bucket
// presets read it as one.
func Preset(name string) (limits Limits, known bool) {
	limits, known = presets()[name]
	return limits, known
}

func presets() map[string]Limits {
	row := func(burst, minute int) []Limit { return []Limit{perSecond(burst), perMinute(minute)} }
	// Users, roles of the tenant, connections and jobs have the global limit only.
	enterprise := map[Class][]Limit{
		Tokens:       {perSecond(100)},
		WriteMembers: row(20, 200), ReadMembers: row(40, 500), WriteRoles: row(20, 200), ReadRoles: row(20, 200),
		WriteInvitations: row(20, 200), ReadInvitations: row(20, 200),
		ReadOrganizations: row(10, 100), OrganizationNames: row(20, 200), ListOrganizations: row(10, 100), WriteOrganizations: row(5, 150),
	}
	// The rows of the Private Cloud plans that matter most to an import. A minute
	// gives ten writes, or 12.5 reads, for each of a burst.
	private := func(global, writes, reads int) Limits {
		return Limits{Global: []Limit{perSecond(global)}, Endpoints: map[Class][]Limit{
			Tokens:       {perSecond(100)},
			WriteMembers: row(writes, 10*writes), ReadMembers: row(reads, reads*25/2),
			WriteRoles: row(writes, 10*writes), ReadRoles: row(writes, 10*writes),
		}}
	}
	single := func(mode Mode) Limits {
		return Limits{Endpoints: map[Class][]Limit{WriteMembers: {{Size: 20, Per: 200, Interval: time.Minute, Mode: mode}}}}
	}
	return map[string]Limits{
		"none": {},
		"free": {Global: []Limit{perSecond(2)}, Endpoints: map[Class][]Limit{Tokens: {perSecond(30)}}},
		// There is no global limit: what has no row of its own is in Other.
		"essentials": {Endpoints: map[Class][]Limit{
			Tokens:       {perSecond(25)},
			WriteMembers: row(20, 200), ReadMembers: row(40, 500), WriteRoles: row(20, 200), ReadRoles: row(20, 200),
			ReadOrganizations: row(20, 200), OrganizationNames: row(10, 100), ListOrganizations: row(5, 50), WriteOrganizations: row(5, 25),
			ReadUsers: row(40, 500), ReadConnections: row(5, 50), Other: row(10, 150),
		}},
		"enterprise-prod":     {Global: row(50, 1000), Endpoints: enterprise},
		"enterprise-nonprod":  {Global: []Limit{{Size: 10, Per: 2, Interval: time.Second}}, Endpoints: enterprise},
		"private-15x":         private(750, 300, 600),
		"private-60x":         private(3000, 1200, 2400),
		"private-100x":        private(5000, 2400, 4800),
		"single-bucket-drip":  single(Drip),
		"single-bucket-fixed": single(FixedWindow),
	}
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
}

// Limiter decides about the requests of a class, with the arithmetic of Auth0's
// published limiter (limitd-redis): a request needs one whole permission of
// each limit, and a refused one takes nothing from the limit that refuses it.
// It is not safe for concurrent use.
type Limiter struct{ buckets []bucket }

// NewLimiter returns a limiter with the given limits, which are tried in order.
func NewLimiter(limits ...Limit) *Limiter {
	l := new(Limiter)
	l.Change(time.Time{}, limits...)
	return l
}

// Take asks for one permission at a time of the tenant's clock. What an earlier
// limit has granted stays taken when a later one refuses; the limits after that
// are not touched.
func (l *Limiter) Take(now time.Time) Verdict {
	v := Verdict{OK: true, Remaining: math.MaxInt}
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
