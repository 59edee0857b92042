package ratelimit

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(s float64) time.Time { return noon.Add(seconds(s)) }

// shows is an answer with the headers of a limit.
func shows(limit, remaining int, reset float64) answer {
	return answer{status: 204, shows: true, limit: limit, remaining: remaining, reset: at(reset)}
}

func refused(a answer) answer { a.status = 429; return a }

func dated(a answer, s float64) answer { a.date = at(s); return a }

var plain = answer{status: 204}

// play is a limiter under test: requests leave it, and are answered.
type play struct {
	*limiter
	now   time.Time
	wrong string // what was not as it has to be
}

// asks lets n requests ask, a millisecond apart. So many have to be let out.
func (p *play) asks(s float64, n, leave int) {
	p.now = at(s)
	left := 0
	for range n {
		if p.next(p.now).wait <= 0 {
			p.depart(p.now)
			left++
		}
		p.now = p.now.Add(time.Millisecond)
	}
	if left != leave {
		p.wrong = fmt.Sprintf("%d of %d requests left at %g s, want %d", left, n, s, leave)
	}
}

// sends lets a request leave without asking.
func (p *play) sends(s float64) {
	p.now = at(s)
	p.depart(p.now)
}

func (p *play) answers(s float64, ticket int, a answer) {
	p.now = at(s)
	p.arrive(p.now, ticket, a)
}

// sendMany lets n requests leave without asking.
func (p *play) sendMany(s float64, n int) {
	for range n {
		p.sends(s)
	}
}

// serves has n requests served, with headers that always say that so many are left.
func (p *play) serves(n, remaining int) {
	for range n {
		p.sendsAndAnswers(p.now.Sub(noon).Seconds()+10, shows(50, remaining, 0))
	}
}

// sendsAndAnswers is a request that is answered after a tenth of a second.
func (p *play) sendsAndAnswers(s float64, a answer) {
	p.sends(s)
	p.answers(s+0.1, p.sent, a)
}

// refills has the limiter learn what comes back in a second, at 1.1 s, with so
// much left.
func (p *play) refills(limit, remaining int, refill float64, reset float64) {
	p.sendsAndAnswers(-2, shows(limit, remaining+1-int(3*refill), reset))
	p.sendsAndAnswers(1, shows(limit, remaining, reset))
}

// decisions are what the limiter makes of a situation: how long the next request
// waits, why, and the pace, in requests a second.
var decisions = []struct {
	name    string
	reserve string
	ceiling float64
	play    func(p *play)
	wait    float64
	cause   cause
	pace    float64
	open    bool // an answer under way may end the wait sooner
}{
	// The first answer.
	{name: "one request goes first, alone",
		play: func(p *play) { p.asks(0, 5, 1) }, wait: 2.995, cause: byFirst, pace: 4, open: true},
	{name: "without headers the pace starts low",
		play: func(p *play) { p.asks(0, 1, 1); p.answers(0.1, 1, plain); p.asks(0.1, 5, 1) }, wait: 0.143, cause: byBlind, pace: 4.059, open: true},
	{name: "and grows",
		play: func(p *play) { p.sendsAndAnswers(0, plain); p.now = at(10) }, pace: 16.182},

	// Credit.
	{name: "those under way count as taken",
		play: func(p *play) {
			p.sendsAndAnswers(0, shows(20, 3, 1))
			p.asks(9, 1, 1)
			p.asks(10, 1, 1)
			p.asks(11, 1, 1)
			p.asks(12, 1, 0)
		}, wait: 1.999, cause: byLimit, open: true},
	{name: "an answer that was overtaken says nothing",
		play: func(p *play) {
			p.sendsAndAnswers(0, shows(20, 19, 1))
			p.sends(1)
			p.sends(2)
			p.answers(2.1, 3, shows(20, 0, 30))
			p.answers(2.2, 2, shows(20, 18, 30))
		}, wait: 27.8, cause: byLimit},
	{name: "an answer without headers says nothing",
		play: func(p *play) { p.sendsAndAnswers(0, shows(20, 5, 30)); p.sendsAndAnswers(1, plain) }, pace: 0.4},
	{name: "what comes back is credit",
		reserve: "4", play: func(p *play) { p.refills(20, 1, 1, 30) }, wait: 3.95, cause: byLimit, pace: 1},
	{name: "the slope is smoothed",
		reserve: "4", play: func(p *play) {
			p.sendsAndAnswers(0, shows(20, 0, 300))
			p.sendsAndAnswers(6, shows(20, 2, 300)) // 3 came back in 6 s
		}, wait: 5.95, cause: byLimit, pace: 0.5},
	{name: "what others use is none",
		play: func(p *play) {
			p.refills(20, 9, 3, 30)
			p.sendsAndAnswers(2, shows(20, 0, 30)) // 8 were used
		}, wait: 27.9, cause: byLimit},
	{name: "there is no more credit than the limit",
		play: func(p *play) { p.refills(20, 19, 1, 30); p.now = at(20) }, pace: 3},
	{name: "another limit starts afresh",
		play: func(p *play) { p.refills(20, 9, 3, 30); p.sendsAndAnswers(2, shows(50, 0, 10)) }, wait: 7.9, cause: byLimit},

	// Pace.
	{name: "the last credit is used within a while",
		reserve: "8", play: func(p *play) { p.refills(20, 9, 3, 30) }, wait: 0, pace: 1.15*(1/1.4+3./8) + 0.115},
	{name: "or within a few requests",
		reserve: "19", play: func(p *play) { p.refills(100, 40, 12, 30); p.now = at(1.05) }, pace: 4*(1/1.4+12./8) + 0.4},
	{name: "a surplus is spread over the time to the reset",
		play: func(p *play) { p.sendsAndAnswers(0, shows(20, 10, 5.1)) }, pace: 2},
	{name: "over a second at least",
		play: func(p *play) { p.sendsAndAnswers(0, shows(20, 5, 0.2)) }, pace: 5},
	{name: "over ten at most",
		play: func(p *play) { p.sendsAndAnswers(0, shows(20, 5, 30)) }, pace: 0.5},
	{name: "the spreading comes to an end",
		play: func(p *play) { p.sendsAndAnswers(0, shows(200, 2, 30)) }, pace: 2},
	{name: "the ceiling is one",
		ceiling: 2, play: func(p *play) { p.sendsAndAnswers(0, shows(1000, 900, 1)); p.asks(10, 3, 2); p.answers(10, 2, plain) }, wait: 0.499, cause: byCeiling, pace: 2, open: true},

	// Reserve.
	{name: "the reserve stays",
		reserve: "10%", play: func(p *play) { p.sendsAndAnswers(0, shows(20, 2, 2)) }, wait: 1.9, cause: byLimit},
	{name: "a reserve above the limit leaves one",
		reserve: "1000", play: func(p *play) { p.sendsAndAnswers(0, shows(20, 20, 5.1)) }, pace: 0.4},
	{name: "what comes back in a while is kept",
		reserve: "10%", play: func(p *play) { p.refills(50, 16, 5, 30) }, pace: 1.25*(1/1.4+5./8) + 0.125},
	{name: "but no more than a share",
		reserve: "10%", play: func(p *play) { p.refills(50, 38, 8, 30) }, pace: 8 + 1.84},
	{name: "and not where that overflows",
		reserve: "10%", play: func(p *play) { p.refills(20, 10, 11, 30) }, pace: 11 + 0.555},
	{name: "what is kept of a larger limit is within sight of a smaller",
		reserve: "20%", play: func(p *play) { p.sendsAndAnswers(0, shows(20, 19, 1)); p.sendsAndAnswers(1, shows(200, 60, 31)) }, pace: 4.6},
	{name: "unless much is to be kept",
		reserve: "25%", play: func(p *play) { p.sendsAndAnswers(0, shows(20, 19, 1)); p.sendsAndAnswers(1, shows(200, 50, 31)) }, wait: 0.2, cause: byLimit},

	// Probes.
	{name: "nothing left: wait for the reset",
		play: func(p *play) { p.sendsAndAnswers(0, shows(20, 0, 40)) }, wait: 39.9, cause: byLimit},
	{name: "a reset a day off is not believed",
		play: func(p *play) { p.sendsAndAnswers(0, shows(20, 0, 86400)) }, wait: 60, cause: byLimit},
	{name: "a reset that is past: wait a little",
		play: func(p *play) { p.sendsAndAnswers(0, shows(20, 0, -5)) }, wait: 0.2, cause: byLimit},
	{name: "no reset: wait a little",
		play: func(p *play) { p.sendsAndAnswers(0, answer{status: 204, shows: true, limit: 20}) }, wait: 0.2, cause: byLimit},
	{name: "a probe in vain: twice as long",
		play: func(p *play) {
			p.sendsAndAnswers(0, shows(20, 0, -5))
			p.asks(0.4, 1, 1)
			p.answers(0.5, 2, shows(20, 0, -5))
		}, wait: 0.4, cause: byLimit, pace: 0.667},
	{name: "after one that is not: from the beginning",
		play: func(p *play) {
			p.sendsAndAnswers(0, shows(20, 0, -5))
			p.asks(0.4, 1, 1)
			p.answers(0.5, 2, shows(20, 0, -5))
			p.asks(1, 1, 1)
			p.answers(1.1, 3, shows(20, 1, -5))
			p.asks(2, 1, 1)
			p.answers(2.1, 4, shows(20, 0, -5))
		}, wait: 0.2, cause: byLimit, pace: 0.867},
	{name: "many in vain: no longer than this",
		play: func(p *play) {
			for i := range 9 {
				p.asks(float64(20*i), 1, 1)
				p.answers(float64(20*i)+0.1, i+1, shows(20, 0, -5))
			}
		}, wait: 10, cause: byLimit, pace: 0.05},
	{name: "a far reset is tried once before",
		reserve: "50%", play: func(p *play) { p.sendsAndAnswers(0, shows(200, 100, 30.1)) }, wait: 0.3, cause: byLimit},
	{name: "and not again",
		reserve: "50%", play: func(p *play) {
			p.sendsAndAnswers(0, shows(200, 100, 30.1))
			p.asks(0.5, 1, 1)
			p.answers(0.6, 2, shows(200, 99, 30.1))
		}, wait: 29.5, cause: byLimit},
	{name: "a reset that is just far",
		reserve: "50%", play: func(p *play) { p.sendsAndAnswers(0, shows(20, 10, 3.25)) }, wait: 0.315, cause: byLimit},
	{name: "and of another limit, too, while a request waits for its turn",
		reserve: "4", ceiling: 0.1, play: func(p *play) {
			p.refills(20, 6, 0, 1.2)
			p.asks(1.1, 3, 2)
			p.now = at(4.2)
			p.next(p.now)
			p.answers(4.2, p.sent, shows(200, 3, 64.2))
		}, wait: 0.609, cause: byLimit, open: true},
	{name: "one that is not",
		reserve: "50%", play: func(p *play) { p.sendsAndAnswers(0, shows(20, 10, 2.9)) }, wait: 2.8, cause: byLimit},
	{name: "an answer under way is waited for",
		play: func(p *play) { p.sendsAndAnswers(0, shows(20, 1, 1)); p.sends(2) }, wait: 3, cause: byLimit, open: true},

	{name: "a broken answer without headers has taken nothing",
		reserve: "4", play: func(p *play) {
			p.refills(20, 1, 1, 60)
			p.sendsAndAnswers(2, answer{status: 500})
			p.sendsAndAnswers(3, shows(20, 1, 60))
		}, wait: 5.95, cause: byLimit, pace: 2. / 3},
	{name: "one with headers has",
		reserve: "4", play: func(p *play) {
			p.refills(20, 1, 1, 60)
			a := shows(20, 1, 60)
			a.status = 500
			p.sendsAndAnswers(2, a)
			p.sendsAndAnswers(3, shows(20, 1, 60))
		}, wait: 3.95, cause: byLimit, pace: 1},

	// Places.
	{name: "one is in flight at a slow pace: one more goes",
		play: func(p *play) { p.sendsAndAnswers(0, shows(20, 10, 5.1)); p.sendMany(1, 1) }, pace: 2.195},
	{name: "two are: an answer is waited for",
		play: func(p *play) { p.sendsAndAnswers(0, shows(20, 10, 5.1)); p.sendMany(1, 2) }, wait: 1, cause: byInFlight, pace: 1.951, open: true},
	{name: "but not for ever",
		play: func(p *play) { p.sendsAndAnswers(0, shows(20, 10, 5.1)); p.sendMany(1, 2); p.now = at(2) }, pace: 2.581},
	{name: "those that hang use no place",
		play: func(p *play) {
			p.sendsAndAnswers(0, shows(20, 19, 5.1))
			p.sendMany(1, 2)
			p.sendsAndAnswers(3, plain)
		}, pace: 8},
	{name: "a fast pace has more places",
		play: func(p *play) { p.sendsAndAnswers(0, shows(1000, 980, 1)); p.sendMany(1, 31) }, pace: 949},
	{name: "but no more than twice what it needs",
		play: func(p *play) { p.sendsAndAnswers(0, shows(1000, 980, 1)); p.sendMany(1, 32) }, wait: 1, cause: byInFlight, pace: 948, open: true},
	{name: "unless it is a window that ends soon",
		play: func(p *play) { p.sendsAndAnswers(0, shows(1000, 980, 3.1)); p.sendMany(0.1, 61) }, pace: 919. / 3},
	{name: "as many as it needs to be used up",
		play: func(p *play) { p.sendsAndAnswers(0, shows(1000, 980, 3.1)); p.sendMany(0.1, 62) }, wait: 1, cause: byInFlight, pace: 918. / 3, open: true},
	{name: "more, if the bucket stays full",
		play: func(p *play) {
			p.sendsAndAnswers(0, shows(20, 19, 1))
			p.sendMany(1, 2)
			p.asks(1, 1, 0)
			p.answers(1.1, 2, shows(20, 19, 2))
			p.sendMany(1.1, 4)
		}, pace: 14.7},
	{name: "but not many more",
		play: func(p *play) {
			p.sendsAndAnswers(0, shows(20, 19, 1))
			p.sendMany(1, 2)
			p.asks(1, 1, 0)
			p.answers(1.1, 2, shows(20, 19, 2))
			p.sendMany(1.1, 5)
		}, wait: 1, cause: byInFlight, pace: 13.7, open: true},
	{name: "a slow answer is waited for longer",
		play: func(p *play) { p.sends(0); p.answers(1, 1, shows(20, 10, 5.1)); p.sendMany(1, 3) }, wait: 8, cause: byInFlight, pace: 1.707, open: true},
	{name: "one slow answer among others counts little",
		play: func(p *play) {
			for i := range 25 {
				p.sendsAndAnswers(float64(i), shows(20, 11, 5.1))
			}
			p.sends(30)
			p.answers(31.9, 26, shows(20, 11, 5.1))
			p.sendMany(32, 2)
		}, wait: 1.52, cause: byInFlight, pace: 9.342, open: true},
	{name: "at the ceiling, as many as that needs",
		ceiling: 2, play: func(p *play) { p.sendsAndAnswers(0, shows(1000, 900, 1)); p.sendMany(1, 2) }, wait: 1, cause: byInFlight, pace: 2, open: true},

	// Headers that are not true.
	{name: "what is left is believed for a while",
		reserve: "10%", play: func(p *play) { p.serves(5, 0) }, wait: 0.2, cause: byLimit, pace: 0.099},
	{name: "but not if it never changes",
		reserve: "10%", play: func(p *play) { p.serves(6, 0) }, pace: 1},
	{name: "whatever it is",
		reserve: "10%", play: func(p *play) { p.serves(6, 25) }, pace: 1},
	{name: "unless it is the rest of a bucket that may be full",
		reserve: "10%", play: func(p *play) { p.serves(6, 26) }, pace: 21.104},
	{name: "or all may be used",
		play: func(p *play) { p.serves(6, 0) }, wait: 0.2, cause: byLimit, pace: 0.099},
	{name: "when it changes it is believed again, for longer",
		reserve: "10%", play: func(p *play) {
			p.serves(6, 0)
			p.sendsAndAnswers(100, shows(50, 1, 30))
			p.serves(10, 0)
		}, wait: 0.2, cause: byLimit, pace: 0.099},

	// Clocks.
	{name: "the reset is by the server's clock",
		play: func(p *play) { p.sendsAndAnswers(0, dated(shows(20, 0, 130), 100)) }, wait: 30, cause: byLimit},
	{name: "the least difference is nearest, and drifts",
		play: func(p *play) {
			p.sendsAndAnswers(0, dated(shows(20, 9, 130), 99))
			p.sendsAndAnswers(1, dated(shows(20, 9, 130), 101)) // 99.9 s ahead
			for i := range 100 {
				p.sendsAndAnswers(2+float64(i)/100, refused(dated(shows(20, 0, 130), 101)))
			}
		}, wait: 27.11, cause: byLimit},

	// Refusals.
	{name: "a refusal costs trust",
		reserve: "4", play: func(p *play) { p.refills(20, 1, 1, 60); p.sendsAndAnswers(2, refused(shows(20, 0, 60))) }, wait: 29.95, cause: byLimit, pace: 0.5 * 0.333},
	{name: "which grows back",
		reserve: "4", play: func(p *play) {
			p.refills(20, 1, 1, 60)
			p.sendsAndAnswers(2, refused(shows(20, 0, 60)))
			for range 100 {
				p.sends(2.1)
			}
			for i := range 100 {
				p.answers(2.1, 4+i, plain)
			}
		}, wait: 57.9, cause: byLimit, pace: 0.7 * 0.333},
	{name: "one that no header announced holds for a second",
		play: func(p *play) { p.sendsAndAnswers(0, refused(shows(50, 40, 1))) }, wait: 1, cause: byHit},
	{name: "Retry-After holds",
		play: func(p *play) { p.sendsAndAnswers(0, answer{status: 429, retryAfter: time.Minute}) }, wait: 60, cause: byRefusal},
	{name: "of a 503 too",
		play: func(p *play) { p.sendsAndAnswers(0, answer{status: 503, retryAfter: time.Minute}) }, wait: 60, cause: byTrouble},
	{name: "of an answer that is no refusal it doesn't",
		play: func(p *play) { p.sendsAndAnswers(0, answer{status: 204, retryAfter: time.Minute}) }, pace: 4.056},
	{name: "of two the later holds",
		play: func(p *play) {
			p.sends(0)
			p.sendsAndAnswers(1, answer{status: 429, retryAfter: time.Minute})
			p.answers(2, 1, answer{status: 503, retryAfter: time.Second})
		}, wait: 59.1, cause: byRefusal},
	{name: "with a limit that is used up, the pace goes on behind it",
		play: func(p *play) {
			p.sendsAndAnswers(0, func() answer { a := refused(shows(20, 0, 5)); a.retryAfter = time.Second; return a }())
			p.now = at(1.1)
		}, wait: 3.9, cause: byLimit},

	// A limit that is not shown.
	{name: "after the first hit, half of the pace so far",
		play: func(p *play) { served(p, 0, 19); p.sendsAndAnswers(9.9, refused(plain)); p.now = at(11) }, pace: 0.922},
	{name: "unless too little was served to tell",
		play: func(p *play) { served(p, 0, 3); p.sendsAndAnswers(9.9, refused(plain)); p.now = at(11) }, pace: 18.61},
	{name: "which is back after a while",
		play: func(p *play) { served(p, 0, 19); p.sendsAndAnswers(9.9, refused(plain)); p.now = at(20) }, pace: 0.979},
	{name: "after the second, a little less than was used between",
		play: func(p *play) { hits(p, 4, 10, 20); p.now = at(21) }, pace: 0.4 * 0.97},
	{name: "unless it was too little to tell",
		play: func(p *play) { hits(p, 3, 10, 20); p.now = at(21) }, pace: 0.288},
	{name: "hits close together are one",
		play: func(p *play) { hits(p, 4, 10, 11.4); p.now = at(12.5) }, pace: 2.587},
	{name: "hits apart are two",
		play: func(p *play) { hits(p, 4, 10, 11.6); p.now = at(13) }, pace: 2.5 * 0.97},
	{name: "they are remembered for some minutes",
		play: func(p *play) { hits(p, 40, 10, 100, 185); p.now = at(187) }, pace: 80. / 175 * 0.97},
	{name: "and no longer",
		play: func(p *play) { hits(p, 40, 10, 100, 195); p.now = at(197) }, pace: 40. / 95 * 0.97},
	{name: "a slow pace is back after many requests",
		play: func(p *play) { hits(p, 200, 10, 100); p.now = at(235) }, pace: 200. / 90 * 1.03},
	{name: "a fast pace after a while",
		play: func(p *play) { hits(p, 600, 10, 40); p.now = at(70) }, pace: 20 * 1.03},
	{name: "no later than it was measured in, twice",
		play: func(p *play) { hits(p, 16, 10, 18); p.now = at(34) }, pace: 2 * 1.03},
}

// served has n requests answered from then on, at once, without headers.
func served(p *play, s float64, n int) {
	p.sendMany(s, n)
	for i := range n {
		p.answers(s, p.sent-i, plain)
	}
}

// hits has a request refused at these times, and n served before each.
func hits(p *play, n int, times ...float64) {
	for _, s := range times {
		served(p, s-0.1, n)
		p.sends(s - 0.1)
		p.answers(s, p.sent, refused(plain))
	}
}

// decide plays a decision with a tuning and returns what is not as it has to be.
func decide(i int, t tuning) string {
	d := decisions[i]
	var reserve Reserve
	if d.reserve != "" {
		if err := reserve.UnmarshalText([]byte(d.reserve)); err != nil {
			return err.Error()
		}
	}
	p := &play{limiter: newLimiter(t, reserve, d.ceiling), now: noon}
	d.play(p)
	if p.wrong != "" {
		return p.wrong
	}
	got := p.next(p.now)
	if got.wait > 0 && got.known == d.open {
		return fmt.Sprintf("that it has to wait so long is known: %v", got.known)
	}
	if math.Abs(got.wait.Seconds()-d.wait) > 0.001 || got.cause != d.cause || math.Abs(p.pace-d.pace) > 0.001 {
		return fmt.Sprintf("waits %.3f s because of %d, at %.3f a second; want %.3f s because of %d, at %.3f", got.wait.Seconds(), got.cause, p.pace, d.wait, d.cause, d.pace)
	}
	return ""
}

func TestLimiterDecides(t *testing.T) {
	for i, d := range decisions {
		t.Run(d.name, func(t *testing.T) {
			if wrong := decide(i, defaultTuning()); wrong != "" {
				t.Error(wrong)
			}
		})
	}
}

// TestEveryNumberIsHeld changes each number of the tuning a little, to either
// side, and demands that a decision comes out differently.
func TestEveryNumberIsHeld(t *testing.T) {
	numbers := reflect.TypeFor[tuning]()
	for i := range numbers.NumField() {
		for _, factor := range []float64{0.9, 1.1} {
			changed := defaultTuning()
			// The fields are not exported, so their memory is written.
			field := reflect.ValueOf(&changed).Elem().Field(i)
			field = reflect.NewAt(field.Type(), field.Addr().UnsafePointer()).Elem()
			switch {
			case field.CanFloat():
				field.SetFloat(field.Float() * factor)
			case field.Type() == reflect.TypeFor[int]():
				field.SetInt(field.Int() + int64(math.Copysign(1, factor-1)))
			default:
				field.SetInt(int64(float64(field.Int()) * factor))
			}
			held := false
			for i := range decisions {
				held = held || decide(i, changed) != ""
			}
			if !held {
				t.Errorf("no decision depends on %s: %v does as well", numbers.Field(i).Name, field)
			}
		}
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
			b, level := &bucket{limit: 50}, 40.0
			for i := range 200 { // ours leave the level alone
				b.learn(defaultTuning(), at(float64(i)/10), math.Floor(level))
				level += (test.comes - test.others) / 10
			}
			if want := test.comes - test.others; math.Abs(b.refill-want) > 0.5 {
				t.Errorf("learnt %.2f a second, want %.2f", b.refill, want)
			}
		})
	}
}

// TestLimiterNeverStops plays answers that make no sense: the limiter may be
// slow, but it has to let the next request out some time.
func TestLimiterNeverStops(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		l, now := newLimiter(defaultTuning(), Reserve{count: random.IntN(30)}, 0), noon
		for range 50 {
			waited := time.Duration(0)
			for d := l.next(now); d.wait > 0; d = l.next(now) {
				now, waited = now.Add(d.wait), waited+d.wait
				if waited > 10*time.Minute {
					t.Fatalf("waited %v, because of %d", waited, d.cause)
				}
			}
			ticket := l.depart(now)
			now = now.Add(time.Duration(random.IntN(1000)) * time.Millisecond)
			a := shows(1+random.IntN(50), 0, now.Sub(noon).Seconds()+100*random.Float64()-50)
			a.remaining = random.IntN(a.limit + 1)
			a.status = []int{204, 204, 429, 500, 0}[random.IntN(5)]
			a.shows = random.IntN(4) > 0
			l.arrive(now, ticket, a)
		}
	}
}
