package ratelimit

import "time"

// tuning holds the numbers of the limiter. Beside each stands what it is for.
// TestEveryNumberIsHeld fails for a number that no test depends on, and TestAblation shows
// what happens without the rules that they stand for.
type tuning struct {
	smooth time.Duration // the slope of the level is smoothed over so long

	// Credit is used within settle, up to the refill, and faster by what comes back while
	// settleCount requests, or half of a smaller bucket, are used.
	settle      time.Duration
	settleCount float64

	spreadMin, spreadMax time.Duration // surplus is spread over the time to the reset, within these
	tail                 float64       // of the limit: the least surplus to spread, so that it comes to an end

	dripShare float64       // of the limit: the most that is kept where keeping is free
	dripTime  time.Duration // of refill: the same
	roomShare float64       // of the limit: the most that is kept, less
	roomTime  time.Duration // of refill, or a bucket that soon fills up overflows
	rim       float64       // of the smallest limit: what is kept of a larger one is less, or that is never shown
	rimMost   int           // times the smallest limit: unless more than this is to be kept

	answerTime time.Duration // answers are waited for so long, then the next request goes

	latencyOver   float64       // answers, that the latency is smoothed over
	patienceTimes float64       // latencies, that an answer may take
	patienceMin   time.Duration // or so long
	fillTime      time.Duration // in which a bucket is taken to fill up, until it is known; those of Auth0's endpoints do
	inFlightTimes float64       // of what the pace needs, that may be in flight
	inFlightMin   int           // or so many
	inFlightStep  int           // more, each time a full bucket is not used up
	doubt         int           // answers in a row that refute their headers before these are ignored

	probeMin, probeMax time.Duration // pauses between requests that are sent to see, doubling
	probeFar           time.Duration // before a reset that is further off, one is tried
	farthest           time.Duration // a reset further off is not believed

	trustCut, trustGrowth float64 // trust in the refill: times, on a refusal; plus, on any other answer

	blindStart, blindGrowth float64 // requests a second before a limit is shown; times, each second

	clockDrift time.Duration // that is allowed for from one answer to the next

	hitPause  time.Duration // everybody waits after a refusal that no header announced
	hitSame   time.Duration // refusals so close together are one
	hitMemory time.Duration // they are remembered so long
	hitLeast  int           // requests between two of them, for a pace to be made of them
	hitGuess  float64       // share of the pace so far that is used before there is one
	hitSlack  float64       // share of the pace between them that is used at first
	hitProbe  float64       // share that has been added when the pace is back

	// The pace is back after twice the time that it was measured in, within
	// these. The longest is that of hitRequests at a slow pace.
	hitBackMin, hitBackMax time.Duration
	hitRequests            float64
}

func defaultTuning() tuning {
	return tuning{
		smooth: 3 * time.Second,

		settle:      1400 * time.Millisecond,
		settleCount: 8,

		spreadMin: time.Second, spreadMax: 10 * time.Second,
		tail: 0.1,

		dripShare: 0.4,
		dripTime:  3 * time.Second,
		roomShare: 0.5,
		roomTime:  300 * time.Millisecond,
		rim:       0.7,
		rimMost:   2,

		answerTime: 3 * time.Second,

		latencyOver:   20,
		patienceTimes: 8,
		patienceMin:   time.Second,
		fillTime:      6 * time.Second,
		inFlightTimes: 2,
		inFlightMin:   2,
		inFlightStep:  4,
		doubt:         5,

		probeMin: 200 * time.Millisecond, probeMax: 10 * time.Second,
		probeFar: 3 * time.Second,
		farthest: time.Minute,

		trustCut: 0.5, trustGrowth: 0.002,

		blindStart: 4, blindGrowth: 1.15,

		clockDrift: time.Millisecond,

		hitPause:  time.Second,
		hitSame:   1500 * time.Millisecond,
		hitMemory: 3 * time.Minute,
		hitLeast:  4,
		hitGuess:  0.5,
		hitSlack:  0.97,
		hitProbe:  0.06,

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

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
