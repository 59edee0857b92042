package retry

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestBlameOfAFailure(t *testing.T) {
	for _, test := range []struct {
		name string
		situation
		want culprit
	}{
		{"the first failure", situation{failures: 1, counted: 1, max: 8, streak: 1, local: true}, nobodyYet},
		{"the last attempt, others are answered", situation{failures: 8, counted: 8, max: 8, streak: 1, local: true, othersAnswered: true}, theRequest},
		{"the last attempt, others are answered and fail", situation{failures: 8, counted: 8, max: 8, streak: 2, othersAnswered: true}, theRequest},
		{"the last attempt, nobody is answered", situation{failures: 2, counted: 2, max: 2, streak: 2, local: true}, theServer},
		{"an outage for all", situation{failures: 9, counted: 1, max: 8, streak: 20, othersAnswered: true}, nobodyYet},
		{"an outage for all, no answer ever", situation{failures: 9, counted: 1, max: 8, streak: 20}, nobodyYet},
		{"an outage of its own", situation{failures: 8, counted: 3, max: 8, streak: 8, local: true, othersAnswered: true}, theRequest},
		{"an outage, and nobody else calls", situation{failures: 99, counted: 3, max: 8, streak: 99, local: true}, nobodyYet},
		{"an outage for all, after others were answered", situation{failures: 3, counted: 3, max: 3, streak: 9, othersAnswered: true}, nobodyYet},
		{"an outage for all, no attempt left outside of it", situation{failures: 3, counted: 3, max: 3, streak: 9}, theServer},
	} {
		if got := blame(test.situation); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}

// TestFailureOfOneRequestLeavesTheStreakOfOthers blames one request while another
// fails too: the streak of the other is kept.
func TestFailureOfOneRequestLeavesTheStreakOfOthers(t *testing.T) {
	var h health
	choking, other := &Call{}, &Call{}
	failure := Result{Meaning: Transient, Status: 503, Err: errors.New("503")}
	h.answered(&Call{}, nil, true) // since both began
	h.failed(other, nil, failure, time.Now(), 8, time.Hour)
	if v := h.failed(choking, nil, failure, time.Now(), 1, time.Hour); !errors.Is(v.err, failure.Err) || h.streak != 2 {
		t.Errorf("error %v, a streak of %d, want the failure and 2", v.err, h.streak)
	}
}

// TestLateFailureHandsTheProbeOn: a request that was in flight when the outage
// began fails, so its call no longer sends the probe, and another call does.
func TestLateFailureHandsTheProbeOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h health
		failure := Result{Meaning: Transient, Status: 503, Err: errors.New("503")}
		for _, part := range []string{"a", "b", "a"} {
			h.failed(&Call{Part: part}, nil, failure, time.Now(), 8, time.Hour)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		entered := make(chan string)
		for _, part := range []string{"c", "a"} {
			go func() {
				if _, err := h.enter(ctx, &Call{Part: part}); err == nil {
					entered <- part
				}
			}()
			synctest.Wait()
		}
		h.failed(&Call{Part: "c"}, nil, failure, time.Now(), 8, time.Hour)
		select {
		case part := <-entered:
			if part != "a" {
				t.Errorf("the probe is for %s", part)
			}
		case <-ctx.Done():
			t.Error("nobody is asked")
		}
	})
}

// TestLateFailuresDoNotPostponeTheProbe: requests that were in flight when the
// outage began fail.
func TestLateFailuresDoNotPostponeTheProbe(t *testing.T) {
	var h health
	failure := Result{Meaning: Transient, Status: 503, Err: errors.New("503")}
	now := time.Now()
	for range outageFrom {
		h.failed(&Call{}, nil, failure, now, 8, time.Hour)
	}
	next := h.outage.next
	for range 20 {
		h.failed(&Call{}, nil, failure, now, 8, time.Hour)
	}
	if !h.outage.next.Equal(next) {
		t.Errorf("the next request may go %s later", h.outage.next.Sub(next))
	}
	h.failed(&Call{}, h.outage, failure, now.Add(time.Minute), 8, time.Hour)
	if !h.outage.next.After(now.Add(time.Minute)) {
		t.Error("the probe that failed did not postpone the next")
	}
}
