package ratelimit_test

import (
	"cmp"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"orgimport/importer/auth0/auth0test"
)

// world is what a scenario runs against: a server that limits requests, on the
// other side of a network, and somebody else who uses the same limits.
type world struct {
	limits  [][]auth0test.Limit // a limiter each, tried in order
	changes []change
	shown   int    // which limiter the headers describe
	silent  bool   // no limit headers at all
	always  string // what the headers of a success say is left; if it is empty, what is
	stale   int    // headers are made for every stale-th request only
	skew    time.Duration
	noDate  bool
	advised bool // a refusal carries Retry-After

	trip    trip
	broken  float64       // share of requests that are answered 503, and charged
	noise   float64       // share of requests that are refused for nothing, without headers, uncharged
	storm   time.Duration // how long every 20 seconds all are refused so; 0: never
	outage  time.Duration // when everything is 503 for 20 seconds, without headers, uncharged; 0: never
	rival   rival
	rivalOn int // which limiter the rival uses
}

// change is new limits for the limiter that is shown.
type change struct {
	after  time.Duration
	limits []auth0test.Limit
}

// trip draws the time of a round trip, and which share of it passes before the
// server decides.
type trip struct {
	draw func(*rand.Rand) (total time.Duration, decided float64)
	mean time.Duration
}

func between(low, high time.Duration) trip {
	return trip{func(r *rand.Rand) (time.Duration, float64) {
		return low + time.Duration(r.Float64()*float64(high-low)), 0.1 + 0.3*r.Float64()
	}, (low + high) / 2}
}

// heavyTail is a lognormal time with a median of 200 ms; one in a hundred takes
// 2 to 8 s more.
func heavyTail() trip {
	return trip{func(r *rand.Rand) (time.Duration, float64) {
		s, decided := 0.2*math.Exp(0.8*r.NormFloat64()), 0.1+0.3*r.Float64()
		if r.Float64() < 0.01 {
			s, decided = s+2+6*r.Float64(), 0.02+0.9*r.Float64()
		}
		return time.Duration(min(s, 30) * 1e9), decided
	}, 325 * time.Millisecond}
}

// rival yields the times at which somebody else sends requests.
type rival func(r *rand.Rand, until time.Duration) []time.Duration

// poisson sends at a rate that varies with time.
func poisson(rate func(s float64) float64) rival {
	return func(r *rand.Rand, until time.Duration) []time.Duration {
		const most = 50.0 // thinned from a rate above all others
		var times []time.Duration
		for s := 0.0; s < until.Seconds(); s += r.ExpFloat64() / most {
			if s > 0 && r.Float64() < rate(s)/most {
				times = append(times, time.Duration(s*1e9))
			}
		}
		return times
	}
}

func steady(rate float64) rival { return poisson(func(float64) float64 { return rate }) }

// onOff sends for 10 s and rests for 20.
func onOff(rate float64) rival {
	return poisson(func(s float64) float64 {
		if math.Mod(s, 30) < 10 {
			return rate
		}
		return 0
	})
}

// ramp rises over 200 s.
func ramp(rate float64) rival {
	return poisson(func(s float64) float64 { return rate * min(1, s/200) })
}

// spikes sends n requests within 0.2 s, every 30 s.
func spikes(n int) rival {
	return func(r *rand.Rand, until time.Duration) []time.Duration {
		var times []time.Duration
		for at := 30 * time.Second; at < until; at += 30 * time.Second {
			for range n {
				times = append(times, at+time.Duration(r.Float64()*2e8))
			}
		}
		slices.Sort(times)
		return times
	}
}

// server is a world with one seed, running. It is the base of the Transport.
type server struct {
	world
	start time.Time

	mu       sync.Mutex
	rand     *rand.Rand
	limiters []*auth0test.Limiter
	current  []auth0test.Limit // those shown
	changed  int
	verdict  auth0test.Verdict // that the headers describe
	uses     int               // of that verdict

	inFlight      int
	mostInFlight  int
	sent, refused int
	least         float64 // share of the limit that a request of ours left
	rivals        int
	rivalsRefused int
}

func newServer(w world, seed uint64) *server {
	s := &server{world: w, start: time.Now(), rand: rand.New(rand.NewPCG(seed, 1)), least: 1, current: w.limits[w.shown]}
	for _, limits := range w.limits {
		s.limiters = append(s.limiters, auth0test.NewLimiter(limits...))
	}
	return s
}

// now is the server's clock.
func (s *server) now() time.Time { return time.Now().Add(s.skew) }

// take asks the limiters in order. An earlier one stays charged when a later
// one refuses. It is called with mu held.
func (s *server) take(first, last int) (ok bool) {
	for s.changed < len(s.changes) && time.Since(s.start) >= s.changes[s.changed].after {
		s.current = s.changes[s.changed].limits
		s.limiters[s.shown].Change(s.now(), s.current...)
		s.changed++
	}
	for i := first; i <= last; i++ {
		v := s.limiters[i].Take(s.now())
		if i == s.shown {
			s.verdict = v
		}
		if !v.OK {
			return false
		}
	}
	return true
}

// compete sends the rival's requests until stopped.
func (s *server) compete(times []time.Duration, stopped <-chan struct{}) {
	for _, at := range times {
		select {
		case <-time.After(time.Until(s.start.Add(at))):
		case <-stopped:
			return
		}
		s.mu.Lock()
		before := s.verdict
		s.rivals++
		if !s.take(s.rivalOn, s.rivalOn) {
			s.rivalsRefused++
		}
		s.verdict = before
		s.mu.Unlock()
	}
}

// draw decides what the network and the server's luck will be.
func (s *server) draw() (total time.Duration, decided float64, broken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight++
	s.mostInFlight = max(s.mostInFlight, s.inFlight)
	total, decided = s.trip.draw(s.rand)
	return total, decided, s.broken > 0 && s.rand.Float64() < s.broken
}

func (s *server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight--
}

// RoundTrip lets the server decide after a part of the round trip's time. A
// refusal is back sooner than an answer.
func (s *server) RoundTrip(req *http.Request) (*http.Response, error) {
	total, decided, broken := s.draw()
	defer s.leave()
	there := time.Duration(decided * float64(total))
	time.Sleep(there)
	resp := s.decide(broken)
	if resp.StatusCode == http.StatusTooManyRequests {
		time.Sleep(there)
		s.stamp(resp)
		return resp, nil
	}
	time.Sleep(total*9/10 - there)
	s.stamp(resp)
	time.Sleep(total / 10)
	return resp, nil
}

func (s *server) stamp(resp *http.Response) {
	if !s.noDate {
		resp.Header.Set("Date", s.now().UTC().Format(http.TimeFormat))
	}
}

func (s *server) decide(broken bool) *http.Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent++
	resp := &http.Response{StatusCode: http.StatusNoContent, Header: http.Header{}, Body: http.NoBody}
	if d := time.Since(s.start); s.outage > 0 && d >= s.outage && d < s.outage+20*time.Second {
		resp.StatusCode = http.StatusServiceUnavailable
		return resp
	}
	if time.Since(s.start)%(20*time.Second) < s.storm || s.noise > 0 && s.rand.Float64() < s.noise {
		s.refused++
		resp.StatusCode = http.StatusTooManyRequests
		return resp
	}
	shown := s.verdict
	ok := s.take(0, len(s.limiters)-1)
	fresh := s.verdict
	if s.stale > 0 && ok {
		if s.uses++; s.uses%s.stale != 1 {
			s.verdict = shown
		}
	}
	switch {
	case !ok:
		s.refused++
		resp.StatusCode = http.StatusTooManyRequests
		if s.advised {
			resp.Header.Set("Retry-After", "1")
		}
	case broken:
		resp.StatusCode = http.StatusServiceUnavailable
	}
	if ok {
		s.least = min(s.least, s.share(fresh))
	}
	if !s.silent {
		v := s.verdict
		resp.Header.Set("X-Ratelimit-Limit", strconv.Itoa(v.Limit))
		remaining := strconv.Itoa(v.Remaining)
		if ok {
			remaining = cmp.Or(s.always, remaining)
		}
		resp.Header.Set("X-Ratelimit-Remaining", remaining)
		resp.Header.Set("X-Ratelimit-Reset", strconv.FormatInt(v.Reset.Add(time.Second-1).Unix(), 10))
	}
	return resp
}

// share returns how full the bucket is, with the fraction that Remaining hides
// where the reset gives it away.
func (s *server) share(v auth0test.Verdict) float64 {
	left := float64(v.Remaining)
	for _, l := range s.current {
		if l.Size == v.Limit && l.Mode == auth0test.Drip && l.Reset == auth0test.ResetFull {
			left = float64(l.Size) - v.Reset.Sub(s.now()).Seconds()*perSecond(l)
		}
	}
	return left / float64(v.Limit)
}

func perSecond(l auth0test.Limit) float64 { return float64(l.Per) / l.Interval.Seconds() }

func discard(resp *http.Response) {
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
}
