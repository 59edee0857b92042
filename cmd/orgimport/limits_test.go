package main

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDurationIsTheBurstAndThenTheSustainedRate(t *testing.T) {
	usual := endpointLimit(20, 200)
	for _, tt := range []struct {
		requests int
		buckets  []limit
		want     time.Duration
	}{
		{0, usual, 0},
		{20, usual, 0},
		{21, usual, time.Second},      // 50 ms, rounded up
		{200, usual, 9 * time.Second}, // 180 at 20 a second
		{1000, usual, 4 * time.Minute},
		{100_000, usual, 499 * time.Minute},
		{10, []limit{{10, 2, time.Second}}, 0},
		{1000, []limit{{10, 2, time.Second}}, 495 * time.Second},
		{1000, append([]limit{{2, 2, time.Second}}, usual...), 499 * time.Second}, // whichever is tighter
		{1000, nil, 0},
	} {
		if got := duration(tt.requests, tt.buckets); got != tt.want {
			t.Errorf("%d requests through %v take %s, want %s", tt.requests, tt.buckets, got, tt.want)
		}
	}
}

// TestDurationIsThatOfBucketsThatDrip compares the formula with the buckets
// themselves, drained a request at a time.
func TestDurationIsThatOfBucketsThatDrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		buckets := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) limit {
			return limit{
				rapid.IntRange(1, 50).Draw(t, "size"), rapid.IntRange(1, 500).Draw(t, "per"),
				rapid.SampledFrom([]time.Duration{time.Second, time.Minute}).Draw(t, "interval"),
			}
		}), 1, 3).Draw(t, "buckets")
		requests := rapid.IntRange(1, 500).Draw(t, "requests")
		now := 0.0
		held := make([]float64, len(buckets))
		for i, b := range buckets {
			held[i] = float64(b.size)
		}
		for range requests {
			wait := 0.0
			for i, b := range buckets {
				wait = max(wait, (1-held[i])*b.interval.Seconds()/float64(b.per))
			}
			now += wait
			for i, b := range buckets {
				held[i] = min(held[i]+wait*float64(b.per)/b.interval.Seconds(), float64(b.size)) - 1
			}
		}
		if got := duration(requests, buckets).Seconds(); math.Abs(got-now) > 1.001 {
			t.Fatalf("%d requests through %v take %g s by the formula and %g s in truth", requests, buckets, got, now)
		}
	})
}

func TestDurationAtARate(t *testing.T) {
	for _, tt := range []struct {
		requests int
		rate     float64
		want     time.Duration
	}{
		{0, 1, 0}, {1, 1, 0}, {2, 1, time.Second}, {11, 4, 3 * time.Second}, {1000, 1e-300, math.MaxInt64 / time.Second * time.Second},
	} {
		if got := durationAt(tt.requests, tt.rate); got != tt.want {
			t.Errorf("%d requests at %g a second take %s, want %s", tt.requests, tt.rate, got, tt.want)
		}
	}
}

func TestSustainedIsTheSlowestOfTheBuckets(t *testing.T) {
	want := map[string]string{
		"public cloud, paid": "200 a minute", "private cloud, 15x": "3000 a minute", "private cloud, 60x": "12000 a minute", "private cloud, 100x": "24000 a minute",
	}
	for _, p := range publishedPlans() {
		if p.adding() == nil {
			continue
		}
		if got := sustained(p.adding()); got != want[p.name] {
			t.Errorf("%s: %s, want %s", p.name, got, want[p.name])
		}
		delete(want, p.name)
	}
	if len(want) > 0 {
		t.Error("no such plans: " + fmt.Sprint(want))
	}
}
