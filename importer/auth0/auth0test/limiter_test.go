package auth0test_test

import (
	"fmt"
	"testing"
	"time"

	"orgimport/importer/auth0/auth0test"
)

// edge is a full minute of the tenant's clock.
var edge = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// take is n requests at a number of milliseconds after edge. The last verdict
// is written as "ok limit remaining reset", with the reset in milliseconds.
type take struct {
	at, n int
	want  string
}

func show(v auth0test.Verdict) string {
	word := "ok"
	if !v.OK {
		word = "refused"
	}
	return fmt.Sprintf("%s %d %d %d", word, v.Limit, v.Remaining, v.Reset.Sub(edge).Milliseconds())
}

func TestLimiterGrantsAndReportsByMode(t *testing.T) {
	const second, minute = time.Second, time.Minute
	tests := []struct {
		name   string
		limits []auth0test.Limit
		takes  []take
	}{
		{
			"drip: reset is when the bucket is full, and remaining hides fractions",
			[]auth0test.Limit{{Size: 10, Per: 2, Interval: second}},
			[]take{{0, 1, "ok 10 9 500"}, {0, 3, "ok 10 6 2000"}, {250, 1, "ok 10 5 2500"}, {60_000, 1, "ok 10 9 60500"}},
		},
		{
			"drip: a refused request takes nothing",
			[]auth0test.Limit{{Size: 2, Per: 2, Interval: second}},
			[]take{{0, 2, "ok 2 0 1000"}, {400, 5, "refused 2 0 1000"}, {500, 1, "ok 2 0 1500"}},
		},
		{
			"drip: a charged refusal takes the fraction that is there",
			[]auth0test.Limit{{Size: 2, Per: 2, Interval: second, Charged: true}},
			[]take{{0, 2, "ok 2 0 1000"}, {400, 1, "refused 2 0 1400"}, {500, 1, "refused 2 0 1500"}, {1000, 1, "ok 2 0 2000"}},
		},
		{
			"drip: reset next is the next whole permission",
			[]auth0test.Limit{{Size: 10, Per: 2, Interval: second, Reset: auth0test.ResetNext}},
			[]take{{0, 4, "ok 10 6 500"}, {250, 1, "ok 10 5 500"}},
		},
		{
			"drip: may start empty",
			[]auth0test.Limit{{Size: 20, Per: 200, Interval: minute, StartEmpty: true}},
			[]take{{0, 1, "refused 20 0 6000"}, {299, 1, "refused 20 0 6000"}, {300, 1, "ok 20 0 6300"}},
		},
		{
			"step: what dripped comes at the whole second",
			[]auth0test.Limit{{Size: 20, Per: 200, Interval: minute, Mode: auth0test.Step}},
			[]take{{500, 20, "ok 20 0 6000"}, {999, 1, "refused 20 0 6000"}, {1000, 3, "ok 20 0 7000"}, {1001, 1, "refused 20 0 7000"}},
		},
		{
			"step: reset next is the second that completes a permission",
			[]auth0test.Limit{{Size: 4, Per: 1, Interval: 2 * second, Mode: auth0test.Step, Reset: auth0test.ResetNext}},
			[]take{{100, 4, "ok 4 0 2000"}, {1000, 1, "refused 4 0 2000"}, {2000, 1, "ok 4 0 4000"}},
		},
		{
			"window: all comes back at the edge, and that is the reset",
			[]auth0test.Limit{{Size: 200, Per: 200, Interval: minute, Mode: auth0test.FixedWindow}},
			[]take{{30_000, 200, "ok 200 0 60000"}, {59_999, 1, "refused 200 0 60000"}, {60_000, 1, "ok 200 199 120000"}},
		},
		{
			"window: no more than the size is kept of what comes back",
			[]auth0test.Limit{{Size: 20, Per: 200, Interval: minute, Mode: auth0test.FixedWindow}},
			[]take{{0, 21, "refused 20 0 60000"}, {60_000, 20, "ok 20 0 120000"}, {60_000, 1, "refused 20 0 120000"}},
		},
		{
			"window: less than the size comes back",
			[]auth0test.Limit{{Size: 10, Per: 4, Interval: second, Mode: auth0test.FixedWindow, StartEmpty: true}},
			[]take{{0, 1, "refused 10 0 1000"}, {1000, 4, "ok 10 0 2000"}, {4000, 1, "ok 10 9 5000"}},
		},
		{
			"log: a permission returns an interval after it was taken",
			[]auth0test.Limit{{Size: 2, Interval: minute, Mode: auth0test.SlidingLog, Reset: auth0test.ResetNext}},
			[]take{{0, 1, "ok 2 1 60000"}, {20_000, 1, "ok 2 0 60000"}, {59_999, 1, "refused 2 0 60000"}, {60_000, 1, "ok 2 0 80000"}},
		},
		{
			"log: reset full is when nothing of it is left",
			[]auth0test.Limit{{Size: 2, Interval: minute, Mode: auth0test.SlidingLog}},
			[]take{{0, 1, "ok 2 1 60000"}, {20_000, 1, "ok 2 0 80000"}},
		},
		{
			"log: a charged refusal replaces the oldest entry",
			[]auth0test.Limit{{Size: 2, Interval: minute, Mode: auth0test.SlidingLog, Charged: true}},
			[]take{{0, 1, "ok 2 1 60000"}, {20_000, 1, "ok 2 0 80000"}, {30_000, 1, "refused 2 0 90000"}, {60_000, 1, "refused 2 0 120000"}, {90_000, 1, "ok 2 0 150000"}},
		},
		{
			"two limits: the emptier one is reported",
			[]auth0test.Limit{{Size: 2, Per: 2, Interval: second}, {Size: 3, Per: 3, Interval: minute}},
			[]take{{0, 1, "ok 2 1 500"}, {0, 1, "ok 2 0 1000"}, {1000, 1, "ok 3 0 60000"}, {1000, 1, "refused 3 0 60000"}},
		},
		{
			"two limits: an earlier one stays charged when a later one refuses",
			[]auth0test.Limit{{Size: 10, Per: 1, Interval: minute}, {Size: 1, Per: 1, Interval: minute}},
			[]take{{0, 1, "ok 1 0 60000"}, {0, 8, "refused 1 0 60000"}, {60_000, 1, "ok 1 0 120000"}, {60_000, 2, "refused 10 0 660000"}},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			limiter := auth0test.NewLimiter(test.limits...)
			for i, take := range test.takes {
				var v auth0test.Verdict
				for range take.n {
					v = limiter.Take(edge.Add(time.Duration(take.at) * time.Millisecond))
				}
				if got := show(v); got != take.want {
					t.Errorf("take %d at %d ms: %q, want %q", i, take.at, got, take.want)
				}
			}
		})
	}
}

func TestLimiterKeepsWhatItHoldsWhenLimitsChange(t *testing.T) {
	fast := auth0test.Limit{Size: 50, Per: 16, Interval: time.Second}
	slow := auth0test.Limit{Size: 20, Per: 200, Interval: time.Minute}
	limiter := auth0test.NewLimiter(fast)
	for range 40 {
		limiter.Take(edge)
	}
	limiter.Change(edge, slow)
	if got, want := show(limiter.Take(edge)), "ok 20 9 3300"; got != want {
		t.Errorf("after the change: %q, want %q", got, want)
	}
	limiter.Change(edge.Add(6*time.Second), fast)
	if got, want := show(limiter.Take(edge.Add(6*time.Second))), "ok 50 19 7937"; got != want {
		t.Errorf("after the change back: %q, want %q", got, want)
	}
}
