package main

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestLatency(t *testing.T) {
	for value, want := range map[string]time.Duration{"0s": 0, "100ms": 100 * time.Millisecond} {
		s := new(spread)
		if err := s.UnmarshalText([]byte(value)); err != nil {
			t.Fatal(err)
		}
		if got := s.draw()(rand.New(rand.NewPCG(1, 1))); got != want {
			t.Errorf("--latency %s takes %s", value, got)
		}
	}
	if (*spread)(nil).draw()(rand.New(rand.NewPCG(1, 1))) == 0 {
		t.Error("without --latency, no time is taken")
	}
}
