package doctor

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// reading is what the answer to a request showed of a limit. The server took a
// permission for the request between sent and received.
type reading struct {
	sent, received   time.Time
	limit, remaining int
	reset            int64 // Unix seconds of the server's clock; 0 if it is not told
	date             int64 // the same, whole seconds; 0 if it is not told

	writes, others int // requests so far that took a permission, this one included
}

// A limit can be told from readings because each request takes one permission: what
// Remaining does not fall by has come back. Between two readings that is known to
// less than one permission either way, as Remaining is a whole number, and the time
// between them to their latencies. Others who use the limit make it look smaller.

// gained returns how many permissions came back between two readings, to less than
// one: of what the writes since took, and, if shared, what others took.
func gained(a, b reading, shared bool) int {
	n := b.remaining - a.remaining + b.writes - a.writes
	if shared {
		n += b.others - a.others
	}
	return n
}

// between returns the shortest and the longest time that may lie between the
// server's decisions about two requests, in seconds.
func between(a, b reading) (shortest, longest float64) {
	return max(0, b.sent.Sub(a.received).Seconds()), b.received.Sub(a.sent).Seconds()
}

// span is a range of numbers a second.
type span struct{ low, high float64 }

// dripping returns what comes back in a second if it comes back continuously. Low
// is not less than high if it does not. Where the bucket may have been full in
// between, some may have been lost, so that only low is known. What comes back may
// come at grains of time, in seconds.
func dripping(series []reading, shared bool, grain float64) span {
	rate := span{0, math.Inf(1)}
	for i, a := range series {
		full := false
		for j := i + 1; j < len(series); j++ {
			b := series[j]
			full = full || b.remaining >= b.limit-2 // the other of two requests may have found it full
			n := float64(gained(a, b, shared))
			shortest, longest := between(a, b)
			rate.low = max(rate.low, (n-1)/(longest+grain))
			if !full && shortest > grain {
				rate.high = min(rate.high, max(0, n+1)/(shortest-grain))
			}
		}
	}
	return rate
}

// window is a limit that comes back all at once, at the reset.
type window struct {
	interval time.Duration
	per      int  // permissions that come back; at least so many if they filled the bucket
	filled   bool // they did
}

// windowed returns the window that the readings show, if they show one: nothing
// comes back before a reset, the resets are an interval apart, and several
// permissions come back at one of them. possible is false if they are no window's.
func windowed(series []reading) (w window, shown, possible bool) {
	step := int64(math.MaxInt64)
	shortest := 0.0 // that the interval can be, in seconds
	for i, b := range series {
		if b.date != 0 {
			shortest = max(shortest, float64(b.reset-b.date-1))
		}
		if i == 0 {
			continue
		}
		a := series[i-1]
		least, most := between(a, b)
		switch d := b.reset - a.reset; {
		case d == 0:
			shortest = max(shortest, least)
		case d > 0:
			step = min(step, d)
			if most < float64(d)/2 { // one edge lies between
				shortest = max(shortest, float64(d))
			}
		}
	}
	for i := 1; i < len(series); i++ {
		a, b := series[i-1], series[i]
		back, passed := gained(a, b, false), b.reset-a.reset
		switch {
		case a.reset == 0 || passed < 0, passed == 0 && back != 0:
			return w, false, false
		case passed == 0:
			continue
		}
		_, longest := between(a, b)
		if float64(passed) > longest+float64(step)+1 { // the reset may be rounded
			return w, false, false
		}
		edges := int((passed + step/2) / step)
		full := b.remaining >= b.limit-(b.writes-a.writes)
		per := back / edges
		switch {
		case per < 1 && !full, !full && !w.filled && w.per > 0 && per != w.per:
			return w, false, false
		case !full:
			w.per, w.filled = per, false
		case w.per == 0 || w.filled:
			w.per, w.filled = max(w.per, per), true
		}
		shown = shown || back > 1
	}
	if step < math.MaxInt64 {
		w.interval = time.Duration(step) * time.Second
	}
	return w, shown && w.per > 1 && 2*shortest > float64(step), true
}

// kind is how permissions come back.
type kind string

const (
	unknown kind = ""
	drip    kind = "drip"
	fixed   kind = "window"
)

// limit is what is told of a limit.
type limit struct {
	kind   kind
	size   int
	rate   span // permissions a second, on average
	window window
	reset  string // full, next or end; empty: not told
}

// limitOf tells a limit from readings.
func limitOf(series []reading) limit {
	l := limit{rate: span{0, math.Inf(1)}}
	if len(series) == 0 {
		return l
	}
	l.size = series[0].limit
	rate := dripping(series, false, grainOf(series))
	w, isWindow, mayBeWindow := windowed(series)
	drips := rate.low > 0 && rate.low < rate.high
	switch {
	case isWindow && rate.low >= rate.high:
		l.kind, l.window, l.reset = fixed, w, "end"
		perSecond := float64(min(w.per, l.size)) / w.interval.Seconds()
		l.rate = span{perSecond, perSecond}
		if w.filled {
			l.rate.high = math.Inf(1)
		}
	case drips && (!mayBeWindow || !isWindow && w.per == 1 && !w.filled):
		l.kind, l.rate = drip, rate
		l.reset = resetOf(series, rate)
	default:
		l.rate = span{max(0, rate.low), math.Inf(1)}
	}
	return l
}

// resetOf tells what the reset of a limit that drips is: when it is full again, or
// when the next permission comes. Clocks are compared by the Date headers.
func resetOf(series []reading, rate span) string {
	// A reset may be rounded by a second, and what comes back may come at whole
	// seconds only.
	const slack = 2.1
	ahead, told := aheadOf(series)
	if !told {
		return ""
	}
	full, next := true, true
	for _, r := range series {
		if r.reset == 0 {
			return ""
		}
		in := span{float64(r.reset) - seconds(r.received) - ahead.high - slack, float64(r.reset) - seconds(r.sent) - ahead.low + slack}
		lacking := float64(r.limit - r.remaining)
		full = full && in.low <= lacking/rate.low && in.high >= (lacking-1)/rate.high
		next = next && in.low <= 1/rate.low && in.high >= 0
	}
	switch {
	case full && !next:
		return "full"
	case next && !full:
		return "next"
	}
	return ""
}

// aheadOf returns how far the server's clock is ahead, in seconds, by the Date
// headers.
func aheadOf(series []reading) (ahead span, told bool) {
	ahead = span{math.Inf(-1), math.Inf(1)}
	for _, r := range series {
		if r.date == 0 {
			return ahead, false
		}
		ahead.low = max(ahead.low, float64(r.date)-seconds(r.received))
		ahead.high = min(ahead.high, float64(r.date+1)-seconds(r.sent))
	}
	return ahead, ahead.low <= ahead.high
}

// grainOf returns 0 if some of the limit came back within a second of the server's
// clock, and otherwise 1: Auth0 documents that limits by the minute come back "on a
// second basis".
func grainOf(series []reading) float64 {
	ahead, told := aheadOf(series)
	for i := 1; told && i < len(series); i++ {
		a, b := series[i-1], series[i]
		if gained(a, b, false) > 0 && math.Floor(seconds(a.sent)+ahead.low) == math.Floor(seconds(b.received)+ahead.high) {
			return 0
		}
	}
	return 1
}

func seconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }

// shares tells whether other requests, one after each of the readings, draw on the
// same limit.
func (l limit) shares(series []reading) (shared, told bool) {
	alone, both := l.fits(series, false), l.fits(series, true)
	return both, alone != both
}

// fits reports whether the limit can give the readings.
func (l limit) fits(series []reading, shared bool) bool {
	if len(series) < 3 {
		return true
	}
	if l.kind == fixed {
		for i := 1; i < len(series); i++ {
			if series[i].reset == series[i-1].reset && gained(series[i-1], series[i], shared) != 0 {
				return false
			}
		}
		return true
	}
	rate := dripping(series, shared, grainOf(series))
	return max(rate.low, l.rate.low) < min(rate.high, l.rate.high)
}

// round returns the roundest number of permissions a minute that the span allows, as
// that of a second if it is a whole one.
func (s span) round() (n int, interval time.Duration) {
	if math.IsInf(s.high, 1) {
		return max(1, int(math.Ceil(s.low))), time.Second
	}
	for _, step := range []int{1000, 500, 100, 50, 10, 5, 1} {
		n := step * int(math.Ceil(s.low*60/float64(step)))
		if n > 0 && float64(n) <= s.high*60 {
			if n%60 == 0 {
				return n / 60, time.Second
			}
			return n, time.Minute
		}
	}
	return max(1, int(math.Round((s.low+s.high)/2*3600))), time.Hour
}

// change is an addition or a removal of a user, which the server made between sent
// and received.
type change struct {
	user           string
	sent, received time.Time
	undone         time.Time // when it was undone; zero if it was not
}

// listing is a list of members as it was read.
type listing struct {
	sent, received time.Time
	users          map[string]bool
}

// hasAll reports whether all added users are listed.
func (l listing) hasAll(additions []change) bool {
	return !slices.ContainsFunc(additions, func(c change) bool { return !l.users[c.user] })
}

// listed reports whether any of the lists shows a user.
func listed(listings []listing, user string) bool {
	return slices.ContainsFunc(listings, func(l listing) bool { return l.users[user] })
}

// lag is how long a list takes to show changes: longer than low, and at most high.
// Low is 0 if it never showed anything late, high is negative if it never showed a
// change.
type lag struct{ low, high time.Duration }

// lagOf tells the lag of additions, for which a user is listed in the end, or of
// removals, for which he is not.
func lagOf(changes []change, listings []listing, added bool) lag {
	l := lag{high: math.MaxInt64}
	for _, c := range changes {
		for _, s := range listings {
			if !c.undone.IsZero() && s.received.After(c.undone) {
				continue
			}
			if s.users[c.user] == added {
				if s.received.After(c.sent) {
					l.high = min(l.high, s.received.Sub(c.sent))
				}
			} else {
				l.low = max(l.low, s.sent.Sub(c.received))
			}
		}
	}
	if l.high == math.MaxInt64 {
		l.high = -1
	}
	return l
}

// lagPrecision is how closely a lag must be known to be told.
const lagPrecision = 1300 * time.Millisecond

// value returns the lag in whole seconds if one is possible, and what is known.
func (l lag) value() (d time.Duration, says string, err error) {
	switch {
	case l.high < 0:
		return 0, "", fmt.Errorf("it did not show within %s", l.low.Round(time.Second))
	case l.low > 0 && l.low >= l.high:
		return 0, "", fmt.Errorf("it varies from %s to %s", tenths(l.high), tenths(l.low))
	case l.high-l.low > lagPrecision:
		return 0, "", fmt.Errorf("it is from %s to %s", tenths(l.low), tenths(l.high))
	case l.low <= 0:
		return 0, fmt.Sprintf("none (shown within %s)", tenths(l.high)), nil
	}
	d = (l.low + time.Second).Truncate(time.Second)
	if d > l.high {
		d = tenths(l.high)
	}
	return d, fmt.Sprintf("%s (from %s to %s)", d, tenths(l.low), tenths(l.high)), nil
}

// tenths rounds up to tenths of a second.
func tenths(d time.Duration) time.Duration {
	const tenth = 100 * time.Millisecond
	return (d + tenth - 1).Truncate(tenth)
}
