package ratelimit

import "time"

// law holds the numbers of the gate. Beside each stands what it is for; the
// benchmark shows what happens without it.
type law struct {
	// The slope of the level is smoothed over the time in which smoothCount
	// requests come back, within these bounds. Less, and the rounding of
	// Remaining looks like refill; more, and others are seen too late.
	smoothCount          float64
	smoothMin, smoothMax time.Duration

	// Credit is used within settle, up to the refill, and faster where more than
	// settleCount requests come back in that time, or a small bucket overflows.
	settle      time.Duration
	settleCount float64

	spreadMin, spreadMax time.Duration // surplus is spread over the time to the reset, within these
	tail                 float64       // of the limit: the least surplus to spread, so that it comes to an end

	dripShare float64       // of the limit: the most that is kept where keeping is free
	dripTime  time.Duration // of refill: the same
	flight    time.Duration // of refill: the same where nothing is reserved; the age of an answer

	unseen  float64 // a limit that is not shown has so many times the refill that was learnt
	wrongBy float64 // permissions: if it has so many more than it was believed to have, it is forgotten
	rim     float64 // of a smaller limit: what is kept of a larger one has to be less, or is never shown

	answerTime time.Duration // answers are waited for so long, then the next request goes

	lookMin, lookMax time.Duration // pauses between requests that are sent to see, doubling
	lookFar          time.Duration // before a reset that is further off, one is tried
	edgeFar          time.Duration // a reset further off may be the end of a window
	edgeSlack        time.Duration // which may come so much early
	farthest         time.Duration // a reset further off is not believed

	trustCut, trustGrowth float64 // trust in the refill: times, on a refusal; plus, on any other answer

	blindStart, blindGrowth float64 // requests a second before a limit is shown; times, each second

	hitPause    time.Duration // everybody waits after a refusal that no header announced
	hitSame     time.Duration // refusals so close together are one
	hitMemory   time.Duration // they are remembered so long
	hitSlack    float64       // share of the pace measured between them that is used at first
	hitProbe    float64       // share that has been added when a refusal is due again
	hitRequests float64       // requests after which it is, if the pace is slow
}

func defaultLaw() law {
	return law{
		smoothCount: 8,
		smoothMin:   1500 * time.Millisecond, smoothMax: 3 * time.Second,

		settle:      800 * time.Millisecond,
		settleCount: 8,

		spreadMin: time.Second, spreadMax: 10 * time.Second,
		tail: 0.1,

		dripShare: 0.4,
		dripTime:  3 * time.Second,
		flight:    250 * time.Millisecond,

		unseen:  1.05,
		wrongBy: 2,
		rim:     0.7,

		answerTime: 3 * time.Second,

		lookMin: 200 * time.Millisecond, lookMax: 10 * time.Second,
		lookFar:   3 * time.Second,
		edgeFar:   3 * time.Second,
		edgeSlack: 500 * time.Millisecond,
		farthest:  time.Minute,

		trustCut: 0.5, trustGrowth: 0.002,

		blindStart: 4, blindGrowth: 1.15,

		hitPause:    time.Second,
		hitSame:     1500 * time.Millisecond,
		hitMemory:   3 * time.Minute,
		hitSlack:    0.97,
		hitProbe:    0.06,
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

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
