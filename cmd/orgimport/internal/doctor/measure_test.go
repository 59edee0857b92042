package doctor

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orgimport/importer/auth0/auth0test"
)

// TestLimitIsNeverToldWrong: what doctor says about a limit is true, whatever the
// limit, the latencies and the pauses are.
func TestLimitIsNeverToldWrong(t *testing.T) {
	told := make(map[kind]int)
	rapid.Check(t, func(rt *rapid.T) {
		set := auth0test.Limit{
			Size:     rapid.IntRange(2, 120).Draw(rt, "size"),
			Per:      rapid.IntRange(1, 300).Draw(rt, "per"),
			Interval: rapid.SampledFrom([]time.Duration{time.Second, 7 * time.Second, 10 * time.Second, time.Minute}).Draw(rt, "interval"),
			Mode:     rapid.SampledFrom([]auth0test.Mode{auth0test.Drip, auth0test.Step, auth0test.FixedWindow}).Draw(rt, "mode"),
			Reset:    rapid.SampledFrom([]auth0test.ResetMode{auth0test.ResetFull, auth0test.ResetNext}).Draw(rt, "reset"),
		}
		limiter := auth0test.NewLimiter(set)
		now := time.UnixMilli(1_700_000_000_000 + rapid.Int64Range(0, 60_000).Draw(rt, "start"))
		skew := time.Duration(rapid.IntRange(-5000, 5000).Draw(rt, "skew")) * time.Millisecond
		ms := func(most int, what string) time.Duration {
			return time.Duration(rapid.IntRange(1, most).Draw(rt, what)) * time.Millisecond
		}
		var series []reading
		for range rapid.IntRange(2, 40).Draw(rt, "requests") {
			sent := now
			now = now.Add(ms(200, "there"))
			v := limiter.Take(now)
			now = now.Add(ms(200, "back"))
			if !v.OK {
				now = now.Add(time.Second)
				continue
			}
			series = append(series, reading{
				sent: sent.Add(skew), received: now.Add(skew), limit: v.Limit, remaining: v.Remaining,
				reset: int64(math.Ceil(seconds(v.Reset))), date: now.Unix(), writes: len(series) + 1,
			})
			now = now.Add(ms(rapid.SampledFrom([]int{1, 100, 2000, 6000}).Draw(rt, "scale"), "pause"))
		}
		got := limitOf(series)
		told[got.kind]++
		rate := float64(set.Per) / set.Interval.Seconds()
		switch got.kind {
		case drip:
			if set.Mode == auth0test.FixedWindow && set.Per == 1 { // one at a time is a drip
				return
			}
			if set.Mode == auth0test.FixedWindow || rate < got.rate.low || rate > got.rate.high {
				rt.Fatalf("%+v of %+v", got, set)
			}
			if got.reset == "full" && set.Reset != auth0test.ResetFull || got.reset == "next" && set.Reset != auth0test.ResetNext {
				rt.Fatalf("reset %s of %+v", got.reset, set)
			}
		case fixed:
			if set.Mode == auth0test.Step { // what comes at each second is a window of a second, to a fraction
				if got.window.interval != time.Second || math.Abs(float64(got.window.per)-rate) >= 1 && !got.window.filled {
					rt.Fatalf("%+v of %+v", got, set)
				}
				return
			}
			if set.Mode != auth0test.FixedWindow || got.window.interval != set.Interval || got.window.per > set.Per && !(got.window.filled && set.Per >= set.Size) ||
				!got.window.filled && got.window.per != set.Per {
				rt.Fatalf("%+v of %+v", got, set)
			}
		}
	})
	t.Logf("%v", told)
}
