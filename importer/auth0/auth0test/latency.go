package auth0test

import (
	"math"
	"math/rand/v2"
	"time"
)

// Fixed returns a latency that is always d.
func Fixed(d time.Duration) func(*rand.Rand) time.Duration {
	return func(*rand.Rand) time.Duration { return d }
}

// Uniform returns latencies spread evenly from low to high.
func Uniform(low, high time.Duration) func(*rand.Rand) time.Duration {
	return func(r *rand.Rand) time.Duration {
		return low + time.Duration(r.Float64()*float64(high-low))
	}
}

// Recorded returns latencies as recordings of POST members by a client close to
// the tenant show them: half within 110 ms, nine of ten within 140 ms, and one
// in a thousand that takes a second more.
func Recorded() func(*rand.Rand) time.Duration {
	const sigma = 0.188 // ln(140/110) over the normal distribution's 90th percentile
	return func(r *rand.Rand) time.Duration {
		d := time.Duration(float64(110*time.Millisecond) * math.Exp(sigma*r.NormFloat64()))
		if r.Float64() < 0.001 {
			d += time.Second
		}
		return d
	}
}

// afterDate is the share of the way back that follows the stamping of Date.
const afterDate = 0.1

// trip draws the times before and after the tenant's decision. The decision
// falls in the first half of a request's time, so that answers overtake each
// other and their headers are stale when they arrive.
func (t *Tenant) trip() (there, back time.Duration) {
	if t.cfg.Latency == nil {
		return 0, 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	d := max(t.cfg.Latency(t.rng), 0)
	there = time.Duration(float64(d) * (0.1 + 0.3*t.rng.Float64()))
	return there, d - there
}
