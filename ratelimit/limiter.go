package ratelimit

import (
	"math"
	"net/http"
	"slices"
	"time"

	"golang.org/x/time/rate"
)

// limiter decides when the next request may leave. It has no clock, lock or
// connection of its own: the caller hands it the time. The package documentation
// says how it reasons.
type limiter struct {
	tuning
	reserve Reserve
	ceiling float64 // requests a second at most; 0: none
	most    int     // requests in flight at most; 0: as many as the pace needs

	first   time.Time // when the first request left
	last    time.Time // when the last one did
	sent    int       // requests that left; a request's number is its ticket
	untaken int       // of those, the ones that took no permission
	served  int       // of those, the ones that were not refused
	refused int       // of those, the ones that got a 429
	pace    float64   // requests a second that may leave now
	steady  float64   // the same, in the long run
	spacing *rate.Limiter

	inFlight       []departure   // in the order in which they left
	newestAnswered time.Time     // when the newest request left that has been answered
	lastAnswer     time.Time     // when the last answer came
	latency        time.Duration // of answers, smoothed; 0 before the first
	saturated      bool          // as many as may be were in flight when the last request asked
	minInFlight    int           // requests that may always be in flight; grows while the bucket stays full

	hold   time.Time // until when everybody waits
	heldBy cause

	unmoved    int       // requests in a row that were served without what is left having changed
	unmovedAt  time.Time // when the last of them was answered
	unmovedMax int       // so many of them, and what is shown is ignored until it changes

	newest   int     // ticket of the newest answer that showed a limit
	shown    *bucket // that limit; nil before one was shown
	smallest int     // limit that was shown
	trust    float64 // in the refill that was learnt, 0 to 1
	probing  bool    // the last request left without credit, to see
	between  time.Duration

	clock  clock
	hidden hidden
}

// departure is a request in flight.
type departure struct {
	ticket int
	at     time.Time
}

func newLimiter(t tuning, reserve Reserve, ceiling float64) *limiter {
	return &limiter{
		tuning: t, reserve: reserve, ceiling: ceiling,
		spacing:     rate.NewLimiter(1, 2),
		between:     t.probeMin,
		unmovedMax:  t.unmovedFirst,
		minInFlight: t.inFlightMin,
		trust:       1,
		smallest:    math.MaxInt,
	}
}

// cause is why a request has to wait.
type cause int

const (
	none       cause = iota
	byRefusal        // the Retry-After of a 429
	byTrouble        // the Retry-After of a 503
	byHit            // a refusal that no header announced
	byLimit          // nothing left above the reserve
	byFirst          // nothing is known before the first answer
	byPace           // its turn has not come
	byBlind          // the same, while no limit is known
	byCeiling        // the same, by the ceiling
	byInFlight       // as many as may be are in flight
	causes
)

// blocks reports whether nothing at all may leave, so that MaxWait counts.
func (c cause) blocks() bool {
	return c == byRefusal || c == byTrouble || c == byHit || c == byLimit
}

// decision says whether a request may leave, and if not, when to ask again at
// the latest. An answer is a reason to ask again, too.
type decision struct {
	wait  time.Duration // 0: it may leave, and has to
	cause cause
	known bool // that it has to wait so long, whatever the answers say that are under way
}

// next decides over the request at the head of the queue.
func (l *limiter) next(now time.Time) decision {
	if d := l.hold.Sub(now); d > 0 {
		return decision{wait: d, cause: l.heldBy, known: true}
	}
	if l.blind() {
		if due := l.last.Add(l.answerTime); l.sent > 0 && len(l.inFlight) == l.sent && now.Before(due) {
			return decision{wait: due.Sub(now), cause: byFirst}
		}
		start, since := l.blindStart, l.start(now)
		if l.shown != nil {
			start, since = max(l.ignoredStart, l.shown.refill), l.unmovedAt
		}
		pace := min(start*math.Pow(l.blindGrowth, now.Sub(since).Seconds()), fastest)
		return l.turn(now, pace, pace)
	}
	credit := l.credit(now)
	if wait := l.dry(now, credit); wait > 0 {
		l.pace = l.flow()
		return decision{wait: wait, cause: byLimit, known: len(l.inFlight) == 0}
	}
	d := l.turn(now, l.shown.pace(l.tuning, now, credit), l.shown.steady(l.tuning, now, credit))
	if d.wait <= 0 {
		l.probing = credit < 1
	}
	return d
}

// fastest is a pace above all others.
const fastest = 1e9

// turn spaces the requests out at a pace. In the long run it is steady, and so many
// are in flight as that needs: more would be for a moment, as long as a full bucket
// is used up.
func (l *limiter) turn(now time.Time, pace, steady float64) decision {
	pace, l.steady = l.hidden.slow(l.tuning, pace, now), l.hidden.slow(l.tuning, steady, now)
	why := byPace
	if l.blind() && l.hidden.pace == 0 {
		why = byBlind
	}
	if l.ceiling > 0 && l.ceiling < pace {
		pace, why = l.ceiling, byCeiling
		l.steady = min(l.steady, pace)
	}
	l.pace = pace
	if due := later(l.last, l.lastAnswer).Add(l.patience()); l.busy() >= l.maxInFlight() && now.Before(due) {
		l.saturated = true
		return decision{wait: due.Sub(now), cause: byInFlight}
	}
	l.saturated = false
	l.spacing.SetLimitAt(now, rate.Limit(pace))
	if l.spacing.AllowN(now, 1) {
		return decision{}
	}
	lacking := 1 - l.spacing.TokensAt(now)
	return decision{wait: max(time.Microsecond, seconds(lacking/pace)), cause: why, known: len(l.inFlight) == 0}
}

// maxInFlight returns how many requests may be in flight, not counting those that
// hang. On average, pace times latency are.
func (l *limiter) maxInFlight() int {
	if l.most > 0 {
		return l.most
	}
	return max(l.minInFlight, int(min(math.Ceil(l.inFlightTimes*l.steady*l.latency.Seconds()), MostInFlight)))
}

// busy returns how many requests are in flight and don't hang. A request hangs if
// one that left much later has been answered.
func (l *limiter) busy() int {
	since := l.newestAnswered.Add(-l.patience())
	hang, _ := slices.BinarySearchFunc(l.inFlight, since, func(d departure, t time.Time) int { return d.at.Compare(t) })
	return len(l.inFlight) - hang
}

// patience is how long an answer may take. If none comes for so long, one more
// request leaves, for all that are in flight may be for a part of the server that
// does not answer.
func (l *limiter) patience() time.Duration {
	if l.latency == 0 {
		return l.answerTime
	}
	return max(l.patienceMin, time.Duration(l.patienceTimes*float64(l.latency)))
}

// credit is how many requests the limit that is shown still allows.
func (l *limiter) credit(now time.Time) float64 {
	return l.shown.left(now, l.sent, l.flow()) - float64(l.keep())
}

// flow is what comes back in a second, as far as that is trusted.
func (l *limiter) flow() float64 { return l.trust * l.shown.refill }

// keep is how much of the limit is left to others.
func (l *limiter) keep() int {
	b, keep := l.shown, l.reserve.of(l.shown.limit)
	if !l.reserve.isZero() {
		limit := float64(b.limit)
		room := (1-l.dripShare)*limit - b.refill*l.roomTime.Seconds() // a bucket that soon overflows has none
		keep = max(keep, int(min(l.dripShare*limit, b.refill*l.dripTime.Seconds(), room)))
	}
	if l.smallest < b.limit && keep <= l.rimMost*l.smallest {
		keep = min(keep, int(l.rim*float64(l.smallest)))
	}
	return keep
}

// dry returns how long to wait for credit. It is not waited for if it is time to
// send one request to see.
func (l *limiter) dry(now time.Time, credit float64) time.Duration {
	if credit >= 1 {
		return 0
	}
	probe := later(l.probeAt(), l.shown.shownAt.Add(l.between))
	if due := l.last.Add(l.answerTime); len(l.inFlight) > 0 && now.Before(due) {
		probe = later(probe, due)
	}
	return min(probe.Sub(now), seconds((1-credit)/l.flow()))
}

// probeAt returns when one request is sent to see although nothing is known to
// come back: at the reset. If that is far and means "full", there will be credit
// before; this is tried once.
func (l *limiter) probeAt() time.Time {
	b := l.shown
	in := b.reset.Sub(b.shownAt)
	if !b.probed && b.remaining > 0 && in > l.probeFar {
		lacking := float64(1 + l.keep() + l.sent - b.ticket - b.remaining)
		in = min(in, time.Duration(lacking/float64(b.limit-b.remaining)*float64(in)))
	}
	return b.shownAt.Add(in)
}

// depart notes a request that leaves now and returns its ticket.
func (l *limiter) depart(now time.Time) int {
	l.first = l.start(now)
	l.last = now
	l.sent++
	l.inFlight = append(l.inFlight, departure{l.sent, now})
	return l.sent
}

func (l *limiter) start(now time.Time) time.Time {
	if l.sent == 0 {
		return now
	}
	return l.first
}

// arrive notes the answer to the request with this ticket.
func (l *limiter) arrive(now time.Time, ticket int, a answer) {
	i, _ := slices.BinarySearchFunc(l.inFlight, ticket, func(d departure, ticket int) int { return d.ticket - ticket })
	sentAt := l.inFlight[i].at
	l.inFlight = slices.Delete(l.inFlight, i, i+1)
	l.lastAnswer = now
	a.shows = a.shows && l.believes(now, sentAt, a)
	if a.status != 0 {
		l.newestAnswered = later(l.newestAnswered, sentAt)
		l.latency += time.Duration(float64(now.Sub(sentAt)-l.latency) / min(float64(l.served+1), l.latencyOver))
	}
	if a.status == http.StatusServiceUnavailable {
		l.holdFor(now, a.retryAfter, byTrouble)
	}
	switch {
	case a.status == http.StatusTooManyRequests:
		l.holdFor(now, a.retryAfter, byRefusal)
		l.refused++
		l.untaken++
		if !a.shows || a.remaining > 0 {
			l.holdFor(now, l.hitPause, byHit)
			l.hidden.hit(l.tuning, now, l.served, l.first)
			return
		}
		l.trust *= l.trustCut
	case a.status >= 500 && !a.shows:
		l.untaken++
	case a.status != 0:
		l.served++
		l.trust = min(1, l.trust+l.trustGrowth)
	}
	if a.shows && ticket > l.newest {
		l.observe(now, ticket, sentAt, a)
	}
}

// blind reports whether nothing is known of a limit, or what is shown is not true.
func (l *limiter) blind() bool { return l.shown == nil || l.unmoved >= l.unmovedMax }

// believes reports whether the headers of an answer count. They don't once several
// requests in a row were served, each after the answer to the one before, and what is
// left never changed, until it does. The upper half of a bucket may fill up before it is used, and a
// Remaining of 0 is no surprise if there is no reserve.
func (l *limiter) believes(now, sentAt time.Time, a answer) bool {
	if l.shown == nil {
		return true
	}
	same := a.limit == l.shown.limit && a.remaining == l.shown.remaining
	refused := a.status == http.StatusTooManyRequests
	switch {
	case l.blind():
		if same || refused {
			return false
		}
		l.unmoved = 0
		l.unmovedMax *= 2 // it was true
	case !same || refused || 2*a.remaining > a.limit || a.remaining == 0 && l.keep() == 0:
		l.unmoved = 0
	case a.status < 500 && !sentAt.Before(l.unmovedAt):
		l.unmoved++
		l.unmovedAt = now
	}
	return !l.blind()
}

func (l *limiter) holdFor(now time.Time, d time.Duration, by cause) {
	if until := now.Add(d); until.After(l.hold) {
		l.hold, l.heldBy = until, by
	}
}

// observe takes the headers of the newest answer as the state of the limit that
// they show. If that is another one than before, what was learnt is forgotten.
func (l *limiter) observe(now time.Time, ticket int, sentAt time.Time, a answer) {
	l.clock.set(now, a.date, l.clockDrift)
	l.newest = ticket
	l.smallest = min(l.smallest, a.limit)
	if l.shown == nil || l.shown.limit != a.limit {
		l.shown = &bucket{limit: a.limit}
	}
	if l.saturated && a.remaining >= a.limit-1 {
		l.minInFlight = min(l.minInFlight+l.inFlightStep, MostInFlight) // what comes back is lost
	}
	b := l.shown
	b.learn(l.tuning, sentAt, float64(a.remaining+ticket-l.untaken))
	b.remaining, b.ticket = a.remaining, ticket
	b.at = sentAt.Add(now.Sub(sentAt) / 2)
	b.resets(l.tuning, now, l.clock.local(a.reset))
	switch {
	case l.credit(now) >= 1:
		l.between = l.probeMin
	case l.probing:
		b.probed = true
		l.between = min(2*l.between, l.probeMax)
	}
	l.probing = false
}

// tuning holds the numbers of the limiter. TestEveryNumberIsHeld fails for one that no
// test depends on, and TestAblation shows what happens without the rules that they stand
// for. A number without another source was found by the benchmark, and is not critical.
type tuning struct {
	smooth, settle, spreadMin, spreadMax, dripTime, roomTime time.Duration
	answerTime, patienceMin, fillTime                        time.Duration
	probeMin, probeMax, probeFar, farthest, clockDrift       time.Duration
	hitPause, hitSame, hitMemory, hitBackMin, hitBackMax     time.Duration

	settleCount, tail, dripShare, rim                            float64
	latencyOver, patienceTimes, inFlightTimes                    float64
	trustCut, trustGrowth, blindStart, blindGrowth, ignoredStart float64
	hitGuess, hitSlack, hitProbe, hitRequests                    float64
	rimMost, inFlightMin, inFlightStep, unmovedFirst, hitLeast   int
}

func defaultTuning() tuning {
	return tuning{
		// The slope of the level is smoothed over twice the longest ordinary round trip:
		// soon enough to see others come.
		smooth: 3 * time.Second,

		// Credit is used within settle, up to the refill, and faster by what comes back
		// while settleCount requests, or half of a smaller bucket, are used.
		settle:      1400 * time.Millisecond,
		settleCount: 8,

		// Surplus is spread over the time to the reset: over ten seconds at most, or a rest
		// is left at the end of a window.
		spreadMin: time.Second, spreadMax: 10 * time.Second,
		tail: 0.1, // of the limit: the least surplus, so that the spreading comes to an end

		// What is kept where keeping is free: the refill of dripTime, or a share of the
		// limit. The rest of the limit and the refill of roomTime are left free, or a bucket that
		// fills up in a second overflows.
		dripShare: 0.4,
		dripTime:  3 * time.Second,
		roomTime:  600 * time.Millisecond,

		// Of a limit that is larger than the smallest, less than the smallest is kept, or it
		// is never shown; unless rimMost times as much is to be kept.
		rim:     0.7,
		rimMost: 2,

		answerTime: 3 * time.Second, // answers are waited for so long, then the next request goes

		latencyOver:   20,              // answers, that the latency is smoothed over
		patienceTimes: 8,               // latencies, that an answer may take
		patienceMin:   time.Second,     // or so long
		fillTime:      6 * time.Second, // of the buckets that Auth0 publishes: 20 of 200 a minute to 2,400 of 24,000
		inFlightTimes: 2,               // of what the pace needs: round trips vary
		inFlightMin:   2,               // or so many
		inFlightStep:  4,               // more, each time a full bucket is not used up

		unmovedFirst: 5, // answers in a row that refute their headers before these are first ignored

		// Pauses between requests that are sent to see, doubling; before a reset that is
		// further off than probeFar, one is tried. One that is further off than the longest
		// interval that Auth0 publishes, a minute, is not believed.
		probeMin: 200 * time.Millisecond, probeMax: 10 * time.Second,
		probeFar: 3 * time.Second,
		farthest: time.Minute,

		// Trust in the refill: times, on a refusal; plus, on any other answer.
		trustCut: 0.5, trustGrowth: 0.002,

		// Requests a second before a limit is shown, a little more than the smallest paid
		// plan allows; times, each second.
		blindStart: 4, blindGrowth: 1.15,
		ignoredStart: 1, // or the refill: the same, when headers that never change are ignored

		clockDrift: time.Millisecond, // that is allowed for from one answer to the next

		hitPause:  time.Second,             // everybody waits after a refusal that no header announced
		hitSame:   1500 * time.Millisecond, // refusals so close together are one: all that were in flight
		hitMemory: 3 * time.Minute,         // they are remembered so long
		hitLeast:  4,                       // requests between two of them, for a pace to be made of them
		hitGuess:  0.5,                     // share of the pace so far that is used before there is one
		hitSlack:  0.97,                    // share of the pace between them that is used at first
		hitProbe:  0.06,                    // share that has been added when the pace is back

		// The pace is back after twice the time that it was measured in, within
		// these. The longest is that of hitRequests at a slow pace.
		hitBackMin: 10 * time.Second, hitBackMax: 30 * time.Second,
		hitRequests: 300,
	}
}

// never is longer than any wait, and far from overflowing.
const never = 1e9

func seconds(s float64) time.Duration {
	return time.Duration(min(s, never) * float64(time.Second))
}

func clamp(d, low, high time.Duration) time.Duration { return max(low, min(d, high)) }

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
