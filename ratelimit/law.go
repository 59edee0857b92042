package ratelimit

import "time"

// law holds the numbers of the gate, so that the benchmark can show what each
// of them is good for.
type law struct {
	smoothOver float64
	smoothMin  time.Duration
	smoothing  time.Duration // the slope of the level is smoothed over it

	spreadMin, spreadMax time.Duration // a surplus is spread over the time to the reset, within these
	surplusShare         float64       // of the limit: the least surplus that is spread, so that it ends

	share   float64 // of the refill that is used without a surplus
	unseen  float64 // a limit that is not shown has this times the refill that was learnt
	rim     float64 // of the smaller limit: a level kept of a larger one that can be seen
	wrongBy float64 // permissions: such a limit was wrong if it had less than the one shown by more

	dripShare float64       // of the limit: the most that is kept where keeping is free
	dripTime  time.Duration // of refill: the most that is kept there
	dripRoom  time.Duration // of refill: room that is left above, or the bucket overflows
	flight    time.Duration // both of them where nothing is reserved: an answer's age

	answerTime time.Duration // an answer that takes longer is not waited for

	firstLook, lastLook time.Duration // pauses between requests that are sent to see
	farReset            time.Duration // a reset further off may be a window's end
	edgeSlack           time.Duration // a window may start so much early
	farthest            time.Duration // a reset further off is not believed

	trustCut, trustGrowth float64 // in the inflow: on a refusal, with each answer

	blindStart, blindGrowth float64 // requests a second before any header, growth a second

	surprisePause time.Duration // after a refusal that no header announced
	sameHit       time.Duration // within it, refusals are one surprise
	hitMemory     time.Duration // how long surprises are remembered
	hitSlack      float64       // share of the measured pace to start from
	hitProbe      float64       // share by which it has risen when it is tried out
	hitRequests   float64       // requests between two trials
}

func defaultLaw() law {
	return law{
		smoothing:  3 * time.Second,
		smoothOver: 8,
		smoothMin:  1500 * time.Millisecond,

		spreadMin: time.Second, spreadMax: 10 * time.Second,
		surplusShare: 0.05,
		share:        1,
		unseen:       1.05,
		wrongBy:      2,
		rim:          0.7,

		dripShare: 0.4,
		dripTime:  3 * time.Second,
		dripRoom:  1500 * time.Millisecond,
		flight:    250 * time.Millisecond,

		answerTime: 3 * time.Second,

		firstLook: 200 * time.Millisecond, lastLook: 10 * time.Second,
		farReset:  3 * time.Second,
		edgeSlack: 500 * time.Millisecond,
		farthest:  time.Minute,

		trustCut: 0.5, trustGrowth: 0.002,

		blindStart: 4, blindGrowth: 1.15,

		surprisePause: time.Second,
		sameHit:       1500 * time.Millisecond,
		hitMemory:     3 * time.Minute,
		hitSlack:      0.97,
		hitProbe:      0.06,
		hitRequests:   300,
	}
}

func seconds(s float64) time.Duration {
	return time.Duration(min(s, 1e9) * float64(time.Second))
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
