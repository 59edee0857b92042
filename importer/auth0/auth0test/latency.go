package auth0test

import (
	"math"
	"math/rand/v2"
	"time"
)

// Latency is how long answers take.
type Latency struct {
	// RoundTrip draws the time of one request. Nil means none. See [Fixed],
	// [Uniform], [LogNormal] and [Recorded].
	RoundTrip func(*rand.Rand) time.Duration

	// From and To are the share of it, between 0 and 1, that passes before the
	// tenant decides; it is drawn evenly between them. What passes after lets
	// answers overtake each other and makes their headers stale. Both 0 means
	// 0.1 to 0.4.
	From, To float64
}

// Fixed is always d.
func Fixed(d time.Duration) func(*rand.Rand) time.Duration {
	return func(*rand.Rand) time.Duration { return d }
}

// Uniform is spread evenly from low to high.
func Uniform(low, high time.Duration) func(*rand.Rand) time.Duration {
	return func(r *rand.Rand) time.Duration {
		return low + time.Duration(r.Float64()*float64(high-low))
	}
}

// LogNormal has a median and a tail to the right that grows with sigma.
func LogNormal(median time.Duration, sigma float64) func(*rand.Rand) time.Duration {
	return func(r *rand.Rand) time.Duration {
		return time.Duration(float64(median) * math.Exp(sigma*r.NormFloat64()))
	}
}

// Recorded is what recordings of POST members by a client close to the tenant
// show, half of them within 110 ms and nine of ten within 140 ms, and beyond
// them one of a thousand that takes a second more.
func Recorded() func(*rand.Rand) time.Duration {
	const sigma = 0.188 // ln(140/110) over the normal distribution's 90th percentile
	usual := LogNormal(110*time.Millisecond, sigma)
	return func(r *rand.Rand) time.Duration {
		d := usual(r)
		if r.Float64() < 0.001 {
			d += time.Second
		}
		return d
	}
}

// afterDate is the share of the way back that follows the stamping of Date.
const afterDate = 0.1

// trip draws the times before and after the tenant's decision.
func (t *Tenant) trip() (there, back time.Duration) {
	l := t.cfg.Latency
	if l.RoundTrip == nil {
		return 0, 0
	}
	if l.From == 0 && l.To == 0 {
		l.From, l.To = 0.1, 0.4
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	d := max(l.RoundTrip(t.rng), 0)
	there = time.Duration(float64(d) * (l.From + (l.To-l.From)*t.rng.Float64()))
	return there, d - there
}
