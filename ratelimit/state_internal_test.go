package ratelimit

import (
	"testing"
	"time"
)

func TestWaitsCountByWhatIsWaitedFor(t *testing.T) {
	var rt Transport
	rt.State()
	for cause := range causes {
		rt.head.waited[cause] = 1 << cause * time.Second
	}
	s := rt.State()
	if want := (1<<byRefusal + 1<<byHit + 1<<byLimit + 1<<byPace) * time.Second; s.Waited != want {
		t.Errorf("waited %v for the limit, want %v", s.Waited, want)
	}
	if want := 1 << byCeiling * time.Second; s.Held != want {
		t.Errorf("held for %v, want %v", s.Held, want)
	}
}

func TestWhyInWords(t *testing.T) {
	var ten Reserve
	if err := ten.UnmarshalText([]byte("10%")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		remaining int
		decision
		why, detail string
	}{
		{0, decision{cause: byLimit}, "the tenant's limit", "0 of 40 left"},
		{1, decision{cause: byLimit}, "the tenant's limit", "1 of 40 left, 1 of them kept for others"},
		{9, decision{cause: byLimit}, "the tenant's limit", "9 of 40 left, 4 of them kept for others"},
		{0, decision{cause: byLimit, known: true}, "the tenant's limit", "0 of 40 left, more at 12:00:05"},
		{0, decision{cause: byRefusal}, "the server", "which asks to wait until 12:00:05 by Retry-After"},
		{0, decision{cause: byTrouble}, "the server", "which asks to wait until 12:00:05 by Retry-After"},
		{0, decision{cause: byRefusal, wait: 24 * time.Hour}, "the server", "which asks to wait until 2026-03-01 12:00:05 by Retry-After"},
		{0, decision{cause: byInFlight}, "an answer", "of 1 in flight"},
		{0, decision{cause: byHit}, "a limit that the server does not show", ""},
		{0, decision{cause: byFirst}, "the first answer", ""},
		{0, decision{cause: byPace}, "the tenant's limit", "3.33 requests a second"},
		{0, decision{cause: byBlind}, "a limit that is not known yet", "3.33 requests a second"},
		{0, decision{cause: byCeiling}, "the rate that was set", "2 requests a second"},
	} {
		l := newLimiter(defaultTuning(), ten, 2)
		l.depart(noon)
		l.shown, l.pace = &bucket{limit: 40, remaining: tt.remaining}, 10./3
		if why, detail := l.why(at(5), tt.decision); why != tt.why || detail != tt.detail {
			t.Errorf("%d left, because of %d: %q, %q; want %q, %q", tt.remaining, tt.cause, why, detail, tt.why, tt.detail)
		}
	}
}
