package ratelimit_test

import (
	"math"
	"time"

	"orgimport/importer/auth0/auth0test"
	"orgimport/ratelimit"
)

// optimum returns how long n requests take somebody who knows the future and is
// polite: a permission is taken the moment there is one above the reserve,
// unless that would have a later request of the rival refused. It does its own
// arithmetic, in steps of 10 ms, so that it is a check of the limiter as well.
func (w world) optimum(n float64, start time.Time, rivals []time.Duration, share float64) time.Duration {
	const step = 10 * time.Millisecond
	var (
		all     [][]auth0test.Limit
		levels  [][]float64
		needs   = w.needs(start, rivals, step)
		changed int
		came    int
		done    float64
	)
	for _, limits := range w.limits {
		all = append(all, limits)
		var full []float64
		for _, l := range limits {
			level := float64(l.Size)
			if l.StartEmpty {
				level = 0
			}
			full = append(full, level)
		}
		levels = append(levels, full)
	}
	for i := 0; ; i++ {
		at := time.Duration(i) * step
		if changed < len(w.changes) && at >= w.changes[changed].after {
			all[w.shown] = w.changes[changed].limits
			changed++
		}
		for p, limits := range all {
			for q, l := range limits {
				levels[p][q] = min(float64(l.Size), levels[p][q]+comes(l, start.Add(at+w.skew), step))
			}
		}
		for ; came < len(rivals) && rivals[came] <= at; came++ {
			for q := range levels[w.rivalOn] {
				levels[w.rivalOn][q] = max(0, levels[w.rivalOn][q]-1)
			}
		}
		for w.mayTake(all, levels, needs, i, share) {
			for p := range levels {
				for q := range levels[p] {
					levels[p][q]--
				}
			}
			if done++; done >= n {
				return at + w.trip.mean
			}
		}
	}
}

func (w world) mayTake(all [][]auth0test.Limit, levels [][]float64, needs []float64, i int, share float64) bool {
	const slack = 1 + 1e-9
	for p, limits := range all {
		for q, l := range limits {
			least := 0.0
			if p == w.shown && !w.silent {
				least = math.Floor(share*float64(l.Size) + 1e-9)
			}
			if p == w.rivalOn && i < len(needs) {
				least = max(least, needs[i])
			}
			if levels[p][q]-least < 2-slack {
				return false
			}
		}
	}
	return true
}

// needs returns what has to be in the rival's bucket at each step so that none
// of its requests from then on is refused, by going backwards through them.
func (w world) needs(start time.Time, rivals []time.Duration, step time.Duration) []float64 {
	if len(rivals) == 0 {
		return nil
	}
	var (
		l     = w.limits[w.rivalOn][0]
		needs = make([]float64, rivals[len(rivals)-1]/step+2)
		next  = len(rivals) - 1
		need  float64
	)
	for i := len(needs) - 1; i >= 0; i-- {
		at := time.Duration(i) * step
		needs[i] = need
		for ; next >= 0 && rivals[next] > at-step; next-- {
			need++
		}
		need = min(float64(l.Size), max(0, need-comes(l, start.Add(at+w.skew), step)))
	}
	return needs
}

// comes returns what comes back to a bucket in the step before now.
func comes(l auth0test.Limit, now time.Time, step time.Duration) float64 {
	edges := func(every time.Duration) float64 {
		return float64(now.Truncate(every).Sub(now.Add(-step).Truncate(every)) / every)
	}
	switch l.Mode {
	case auth0test.FixedWindow:
		return edges(l.Interval) * float64(l.Per)
	case auth0test.Step:
		return edges(time.Second) * perSecond(l)
	}
	return perSecond(l) * step.Seconds()
}

func mustReserve(s string) ratelimit.Reserve {
	var r ratelimit.Reserve
	if err := r.UnmarshalText([]byte(s)); err != nil {
		panic(err)
	}
	return r
}
