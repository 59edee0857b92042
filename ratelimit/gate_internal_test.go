package ratelimit

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(s float64) time.Time { return noon.Add(seconds(s)) }

// shows is an answer with the headers of a limit.
func shows(limit, remaining int, reset float64) answer {
	return answer{status: 204, shows: true, limit: limit, remaining: remaining, reset: at(reset)}
}

// step is something that happens at a time: n requests ask to leave, or the
// request with a ticket is answered.
type step struct {
	at     float64
	ask    int // requests that ask, a millisecond apart
	leave  int // how many of them have to be let out
	ticket int
	answer answer
}

func TestGateDecides(t *testing.T) {
	share := func(s string) Reserve {
		r, err := ParseReserve(s)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	plain := answer{status: 204}
	first := []step{{at: 0, ask: 1, leave: 1}}
	tests := []struct {
		name  string
		gate  *gate
		steps []step
		wait  float64 // at the end, in seconds
		cause cause
	}{
		{"one request goes first, alone", newGate(defaultLaw(), Reserve{}, 0),
			[]step{{at: 0, ask: 5, leave: 1}}, 2.995, byFirst},
		{"those under way count as taken", newGate(defaultLaw(), Reserve{}, 0),
			append(first, step{at: 0.1, ticket: 1, answer: shows(20, 3, 1)}, step{at: 9, ask: 1, leave: 1}, step{at: 10, ask: 1, leave: 1}, step{at: 11, ask: 1, leave: 1}, step{at: 12, ask: 1, leave: 0}), 1.999, byLimit},
		{"the reserve stays", newGate(defaultLaw(), share("10%"), 0),
			append(first, step{at: 0.1, ticket: 1, answer: shows(20, 2, 2)}), 1.9, byLimit},
		{"a reserve above the limit leaves one", newGate(defaultLaw(), share("1000"), 0),
			append(first, step{at: 0.1, ticket: 1, answer: shows(20, 20, 5)}), 0, none},
		{"nothing left: wait for the reset", newGate(defaultLaw(), Reserve{}, 0),
			append(first, step{at: 0.1, ticket: 1, answer: shows(20, 0, 40)}), 39.9, byLimit},
		{"a reset a day off is not believed", newGate(defaultLaw(), Reserve{}, 0),
			append(first, step{at: 0.1, ticket: 1, answer: shows(20, 0, 86400)}), 60, byLimit},
		{"a reset that is past: wait a little", newGate(defaultLaw(), Reserve{}, 0),
			append(first, step{at: 0.1, ticket: 1, answer: shows(20, 0, -5)}), 0.2, byLimit},
		{"no reset: wait a little", newGate(defaultLaw(), Reserve{}, 0),
			append(first, step{at: 0.1, ticket: 1, answer: answer{status: 204, shows: true, limit: 20}}), 0.2, byLimit},
		{"the reset is by the server's clock", newGate(defaultLaw(), Reserve{}, 0),
			append(first, step{at: 0.1, ticket: 1, answer: func() answer { a := shows(20, 0, 130); a.date = at(100); return a }()}), 30, byLimit},
		{"a far reset is tried once before", newGate(defaultLaw(), share("50%"), 0),
			append(first, step{at: 0.1, ticket: 1, answer: shows(200, 100, 30.1)}), 0.3, byLimit},
		{"an answer that was overtaken says nothing", newGate(defaultLaw(), Reserve{}, 0),
			append(first, step{at: 0.1, ticket: 1, answer: shows(20, 19, 1)}, step{at: 1, ask: 1, leave: 1}, step{at: 2, ask: 1, leave: 1},
				step{at: 2.1, ticket: 3, answer: shows(20, 0, 30)}, step{at: 2.2, ticket: 2, answer: shows(20, 18, 30)}), 27.8, byLimit},
		{"an answer without headers says nothing", newGate(defaultLaw(), Reserve{}, 0),
			append(first, step{at: 0.1, ticket: 1, answer: shows(20, 1, 30)}, step{at: 1, ask: 1, leave: 1},
				step{at: 1.1, ticket: 2, answer: plain}), 0.574, byLimit},
		{"without headers the pace starts low", newGate(defaultLaw(), Reserve{}, 0),
			append(first, step{at: 0.1, ticket: 1, answer: plain}, step{at: 0.1, ask: 5, leave: 1}), 0.143, byPace},
		{"Retry-After holds", newGate(defaultLaw(), Reserve{}, 0),
			append(first, step{at: 0.1, ticket: 1, answer: answer{status: 503, retryAfter: time.Minute}}), 60, byServer},
		{"Retry-After of an answer that is no refusal doesn't", newGate(defaultLaw(), Reserve{}, 0),
			append(first, step{at: 0.1, ticket: 1, answer: answer{status: 204, retryAfter: time.Minute}}), 0, none},
		{"a refusal that no header announced holds for a second", newGate(defaultLaw(), Reserve{}, 0),
			append(first, step{at: 0.1, ticket: 1, answer: answer{status: 429, shows: true, limit: 50, remaining: 40, reset: at(1)}}), 1, byHit},
		{"the ceiling is one", newGate(defaultLaw(), Reserve{}, 2),
			append(first, step{at: 0.1, ticket: 1, answer: shows(1000, 900, 1)}, step{at: 10, ask: 3, leave: 2}), 0.497, byCeiling},
		{"all limits must have some", newGate(defaultLaw(), Reserve{}, 0),
			append(first, step{at: 0.1, ticket: 1, answer: shows(20, 5, 1)}, step{at: 1, ask: 1, leave: 1}, step{at: 2, ask: 1, leave: 1},
				step{at: 2.1, ticket: 2, answer: shows(200, 0, 60)}, step{at: 2.2, ticket: 3, answer: shows(20, 0, 3)}, step{at: 4, ask: 1, leave: 0}), 0.956, byLimit},
		{"a limit that must have more than we believed is forgotten", newGate(defaultLaw(), Reserve{}, 0),
			append(first, step{at: 0.1, ticket: 1, answer: shows(200, 1, 60)}, step{at: 0.2, ask: 1, leave: 1},
				step{at: 0.3, ticket: 2, answer: shows(20, 19, 1)}), 0, none},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			now, sentAt := noon, map[int]time.Time{}
			for i, s := range test.steps {
				now = at(s.at)
				if s.ticket > 0 {
					test.gate.arrive(now, s.ticket, sentAt[s.ticket], s.answer)
					continue
				}
				left := 0
				for range s.ask {
					if test.gate.next(now).wait <= 0 {
						sentAt[test.gate.depart(now)] = now
						left++
					}
					now = now.Add(time.Millisecond)
				}
				if left != s.leave {
					t.Fatalf("step %d: %d of %d requests left, want %d", i, left, s.ask, s.leave)
				}
			}
			got := test.gate.next(now)
			if math.Abs(got.wait.Seconds()-test.wait) > 0.001 || got.cause != test.cause {
				t.Errorf("waits %v because of %d, want %v s because of %d", got.wait, got.cause, test.wait, test.cause)
			}
		})
	}
}

func TestRefillIsTheSlopeOfWhatIsLeft(t *testing.T) {
	tests := []struct {
		name          string
		comes, others float64 // a second
	}{
		{"alone", 16, 0},
		{"others take some", 16, 10},
		{"others take all", 16, 16},
		{"a slow one", 10. / 3, 0},
		{"a window", 0, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l, b, level := defaultLaw(), &book{limit: 50}, 40.0
			for i := range 200 { // ours leave the level alone
				b.learn(l, at(float64(i)/10), math.Floor(level), at(100), 0)
				level += (test.comes - test.others) / 10
			}
			if want := test.comes - test.others; math.Abs(b.refill-want) > 0.5 {
				t.Errorf("learnt %.2f a second, want %.2f", b.refill, want)
			}
		})
	}
}

func TestNewWindowIsNotRefill(t *testing.T) {
	l, b := defaultLaw(), &book{limit: 200}
	b.learn(l, at(0), 200, at(10), 10*time.Second)
	b.learn(l, at(9), 200, at(10), time.Second)
	b.learn(l, at(10.1), 400, at(70), 60*time.Second)
	b.learn(l, at(11), 400, at(70), 59*time.Second)
	if b.refill != 0 {
		t.Errorf("learnt %.1f a second from a new window", b.refill)
	}
}

// TestGateNeverStops plays answers that make no sense: the gate may be slow,
// but it has to let the next request out some time.
func TestGateNeverStops(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		g, now := newGate(defaultLaw(), Reserve{count: random.IntN(30)}, 0), noon
		for range 50 {
			waited := time.Duration(0)
			for d := g.next(now); d.wait > 0; d = g.next(now) {
				now, waited = now.Add(d.wait), waited+d.wait
				if waited > 10*time.Minute {
					t.Fatalf("waited %v, because of %d", waited, d.cause)
				}
			}
			ticket, sentAt := g.depart(now), now
			now = now.Add(time.Duration(random.IntN(1000)) * time.Millisecond)
			a := shows(1+random.IntN(50), 0, now.Sub(noon).Seconds()+100*random.Float64()-50)
			a.remaining = random.IntN(a.limit + 1)
			a.status = []int{204, 204, 429, 500, 0}[random.IntN(5)]
			a.shows = random.IntN(4) > 0
			g.arrive(now, ticket, sentAt, a)
		}
	}
}
