package ratelimit

import "time"

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
