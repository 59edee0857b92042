package ratelimit

import (
	"math"
	"slices"
	"time"

	"golang.org/x/time/rate"
)

// gate decides when the next request may leave. It is a pure decision over
// plain numbers: no clock, no lock, no HTTP. The package documentation says how
// it reasons.
type gate struct {
	law
	reserve Reserve
	ceiling float64 // requests a second at most; 0: none

	first    time.Time // when the first request left
	left     time.Time // when the last one did
	sent     int       // requests that left; a request's number is its ticket
	untaken  int       // of those, the ones that took no permission
	served   int       // of those, the ones that were not refused
	refused  int       // of those, the ones that got a 429
	inFlight int
	pace     float64 // requests a second that may leave now
	spacing  *rate.Limiter

	hold   time.Time // until when everybody waits
	heldBy cause     // byServer or byHit

	newest   int           // ticket of the newest answer that showed a limit
	shown    *book         // that limit; nil before one was shown
	smallest int           // limit that was shown
	books    []*book       // what is known of each limit that was shown
	trust    float64       // in the inflow that was learnt, 0 to 1
	looking  bool          // the last request left without credit, to see
	between  time.Duration // two such looks

	clock  clock
	hidden hidden
}

func newGate(l law, reserve Reserve, ceiling float64) *gate {
	return &gate{
		law: l, reserve: reserve, ceiling: ceiling,
		spacing:  rate.NewLimiter(1, 2),
		between:  l.lookMin,
		trust:    1,
		smallest: math.MaxInt32,
	}
}

// cause is why a request has to wait.
type cause int

const (
	none     cause = iota
	byServer       // a Retry-After
	byHit          // a refusal that no header announced
	byLimit        // nothing left above the reserve
	byFirst        // nothing is known before the first answer
	byPace         // its turn has not come
	byCeiling
)

// isLimit reports whether it is a limit that is waited for, and not only a turn.
func (c cause) isLimit() bool { return c == byServer || c == byHit || c == byLimit }

// decision says whether a request may leave, and if not, when to ask again at
// the latest. An answer is a reason to ask again, too.
type decision struct {
	wait  time.Duration // 0: it may leave, and has to
	cause cause
	known bool  // that it has to wait so long, whatever the answers say that are under way
	limit *book // which limit it waits for, if that is the cause
}

// next decides over the request at the head of the queue.
func (g *gate) next(now time.Time) decision {
	if d := g.hold.Sub(now); d > 0 {
		return decision{wait: d, cause: g.heldBy, known: true}
	}
	if g.shown == nil {
		if due := g.left.Add(g.answerTime); g.sent > 0 && g.inFlight == g.sent && now.Before(due) {
			return decision{wait: due.Sub(now), cause: byFirst}
		}
		blind := g.blindStart * math.Pow(g.blindGrowth, now.Sub(g.start(now)).Seconds())
		return g.turn(now, min(blind, fastest))
	}
	if d := g.dry(now); d.wait > 0 {
		g.pace = g.flow(d.limit)
		return d
	}
	g.looking = false
	pace := fastest
	for _, b := range g.books {
		credit := g.credit(now, b)
		g.looking = g.looking || credit < 1
		pace = min(pace, b.pace(g.law, now, credit))
	}
	return g.turn(now, pace)
}

// fastest is a pace above all others.
const fastest = 1e9

// turn spaces the requests out at a pace.
func (g *gate) turn(now time.Time, pace float64) decision {
	pace = g.hidden.slow(g.law, pace, now)
	why := byPace
	if g.ceiling > 0 && g.ceiling < pace {
		pace, why = g.ceiling, byCeiling
	}
	g.pace = pace
	g.spacing.SetLimitAt(now, rate.Limit(pace))
	if g.spacing.AllowN(now, 1) {
		return decision{}
	}
	lacking := 1 - g.spacing.TokensAt(now)
	return decision{wait: max(time.Microsecond, seconds(lacking/pace)), cause: why, known: g.inFlight == 0}
}

// credit is how many requests a limit still allows.
func (g *gate) credit(now time.Time, b *book) float64 {
	return b.left(now, g.sent, g.flow(b)) - float64(g.keep(b))
}

// flow is what comes back to a limit in a second, as far as that is trusted. A
// limit that is not shown at present is given a little more than was learnt:
// if that is too much it will be shown, and so be corrected.
func (g *gate) flow(b *book) float64 {
	if b != g.shown {
		return g.trust * b.refill * g.unseen
	}
	return g.trust * b.refill
}

// keep is how much of a limit is left to others.
func (g *gate) keep(b *book) int {
	level := g.dripTime
	if g.reserve.isZero() {
		level = g.flight
	}
	keep := g.reserve.of(b.limit)
	if b.limit >= 10 {
		keep = max(keep, int(min(g.dripShare*float64(b.limit), b.refill*level.Seconds())))
	}
	if g.smallest < b.limit && keep <= 2*g.smallest {
		keep = min(keep, int(g.rim*float64(g.smallest)))
	}
	return keep
}

// dry returns the longest wait for credit of any limit. There is none if all
// have some, or if it is time to send one request to see.
func (g *gate) dry(now time.Time) decision {
	d := decision{cause: byLimit, known: g.inFlight == 0}
	for _, b := range g.books {
		if wait := g.wait(now, b); wait > d.wait {
			d.wait, d.limit = wait, b
		}
	}
	return d
}

// wait returns how long to wait for credit of one limit.
func (g *gate) wait(now time.Time, b *book) time.Duration {
	credit := g.credit(now, b)
	if credit >= 1 {
		return 0
	}
	look := later(g.lookAt(b), b.shownAt.Add(g.between))
	if due := g.left.Add(g.answerTime); g.inFlight > 0 && now.Before(due) {
		look = later(look, due)
	}
	wait := look.Sub(now)
	if flow := g.flow(b); wait > 0 && flow > 0.01 {
		wait = min(wait, seconds((1-credit)/flow))
	}
	return wait
}

// lookAt returns when one request is sent to see although nothing is known to
// flow: at the reset. If that is far and means "full", there will be credit
// before; this is tried once.
func (g *gate) lookAt(b *book) time.Time {
	in := b.reset.Sub(b.shownAt)
	if b.vain || b.remaining == 0 || in <= g.lookFar {
		return b.reset
	}
	lacking := float64(1 + g.keep(b) + g.sent - b.ticket - b.remaining)
	return earlier(b.reset, b.shownAt.Add(time.Duration(lacking/float64(b.limit-b.remaining)*float64(in))))
}

// depart books a request that leaves now and returns its ticket.
func (g *gate) depart(now time.Time) int {
	g.first = g.start(now)
	g.left = now
	g.sent++
	g.inFlight++
	return g.sent
}

func (g *gate) start(now time.Time) time.Time {
	if g.sent == 0 {
		return now
	}
	return g.first
}

// arrive books the answer to the request with this ticket, which left at
// sentAt.
func (g *gate) arrive(now time.Time, ticket int, sentAt time.Time, a answer) {
	g.inFlight--
	if a.retryAfter > 0 && (a.status == 429 || a.status == 503) {
		g.holdFor(now, a.retryAfter, byServer)
	}
	switch {
	case a.status == 429:
		g.refused++
		g.untaken++
		if !a.shows || a.remaining > 0 {
			g.holdFor(now, g.hitPause, byHit)
			g.hidden.hit(g.law, now, g.served, g.first)
			return
		}
		g.trust *= g.trustCut
	case a.status >= 500 && !a.shows:
		g.untaken++
	case a.status != 0:
		g.served++
		g.trust = min(1, g.trust+g.trustGrowth)
	}
	if a.shows && ticket > g.newest {
		g.observe(now, ticket, sentAt, a)
	}
}

func (g *gate) holdFor(now time.Time, d time.Duration, by cause) {
	if until := now.Add(d); until.After(g.hold) {
		g.hold, g.heldBy = until, by
	}
}

// observe takes the headers of the newest answer as the state of the limit that
// they show.
func (g *gate) observe(now time.Time, ticket int, sentAt time.Time, a answer) {
	g.clock.set(now, a.date)
	reset := clamp(g.clock.local(a.reset).Sub(now), 0, g.farthest)
	at := sentAt.Add(now.Sub(sentAt) / 2)
	g.newest = ticket
	g.smallest = min(g.smallest, a.limit)
	g.shown = g.book(a.limit)
	g.shown.learn(g.law, sentAt, float64(a.remaining+ticket-g.untaken), now.Add(reset), reset)
	g.shown.remaining, g.shown.ticket, g.shown.at = a.remaining, ticket, at
	g.shown.shownAt, g.shown.reset = now, now.Add(reset)
	g.books = slices.DeleteFunc(g.books, func(b *book) bool {
		return b != g.shown && g.disproves(b, ticket, sentAt, at, a.remaining)
	})
	switch {
	case g.credit(now, g.shown) >= 1:
		g.between = g.lookMin
	case g.looking:
		g.shown.vain = true
		g.between = min(2*g.between, g.lookMax)
	}
	g.looking = false
}

// disproves reports whether a limit is not as we believed. The server shows the
// one with the least left, so the others have at least as much. If that is a
// little more than was believed, more came back; if it is a lot, a new window
// has begun, or the limit is gone.
func (g *gate) disproves(b *book, ticket int, sentAt, at time.Time, remaining int) bool {
	remaining = min(remaining, b.limit)
	gap := float64(remaining) - b.left(at, ticket, g.flow(b))
	if gap > 0 && gap <= g.wrongBy {
		b.learn(g.law, sentAt, float64(remaining+ticket-g.untaken), b.reset, 0)
		b.remaining, b.ticket, b.at = remaining, ticket, at
	}
	return gap > g.wrongBy
}

// book returns the book of a limit, a new one if need be.
func (g *gate) book(limit int) *book {
	for _, b := range g.books {
		if b.limit == limit {
			return b
		}
	}
	b := &book{limit: limit}
	g.books = append(g.books, b)
	return b
}
