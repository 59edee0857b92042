package ratelimit_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"orgimport/importer/auth0/auth0test"
	"orgimport/ratelimit"
)

// published are limits that Auth0 publishes: of adding members, and of the Management API
// as a whole. The largest takes long to simulate; TestInFlightFollowsThePace has it.
var published = []auth0test.Limit{
	drip(20, 200, minute), drip(300, 3000, minute), drip(1200, 12000, minute),
	drip(2, 2, sec), drip(10, 2, sec), drip(50, 16, sec), drip(20, 20, sec), drip(50, 50, sec),
}

// anyPlan draws a job under a published limit, whatever its words mean: one of a minute,
// or of five windows.
func anyPlan(random *rand.Rand) scenario {
	limit := published[random.IntN(len(published))]
	limit.Mode = []auth0test.Mode{auth0test.Drip, auth0test.Step, auth0test.FixedWindow}[random.IntN(3)]
	limit.Reset = []auth0test.ResetMode{auth0test.ResetFull, auth0test.ResetNext}[random.IntN(2)]
	n := int(60 * perSecond(limit))
	if limit.Mode == auth0test.FixedWindow && limit.Interval == minute {
		n = 5 * limit.Size
	}
	w := one(limit)
	switch random.IntN(5) {
	case 0: // the burst is a limit of its own, and the headers show the one with less left
		if limit.Size == 20 && limit.Interval == minute {
			n = 5 * limit.Per
			second := with(limit, func(l *auth0test.Limit) { l.Per, l.Interval = l.Size, sec })
			w = one(second, with(limit, func(l *auth0test.Limit) { l.Size = l.Per }))
		}
	case 1: // behind a larger one that others use
		w.limits, w.shown = [][]auth0test.Limit{{drip(4*limit.Size, 4*limit.Per, limit.Interval)}, {limit}}, 1
		w.rival = steady(min(20, perSecond(limit)))
	case 2:
		w.skew = time.Duration(random.IntN(120)-60) * time.Second
	case 3:
		w.noDate = true
	}
	w.trip = between(60*time.Millisecond, time.Duration(100+random.IntN(250))*time.Millisecond)
	return scenario{
		name: fmt.Sprintf("%+v, %d of them, clock %v ahead", w.limits, n, w.skew), n: n, jobs: 1, workers: ratelimit.MostInFlight, reserve: "10%", world: w,
		ratio: 0.9, refused: 0.005, refusals: 5, others: 0.01,
	}
}

// TestAnyPublishedPlan plays jobs that were drawn at random. The draws are the same each
// time.
func TestAnyPublishedPlan(t *testing.T) {
	n := uint64(12)
	if *full {
		n = 300
	}
	for seed := range n {
		s := anyPlan(rand.New(rand.NewPCG(seed, 3)))
		r := s.play(t, seed, oursWithout(""))
		t.Logf("%.3f of the possible pace, %d of %d refused: %s", r.ratio(), r.refused, r.sent, s.name)
		if missed := s.misses(r); missed != "" {
			t.Errorf("seed %d: %s: %s", seed, s.name, missed)
		}
	}
}
