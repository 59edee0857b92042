package retry

import "testing"

func TestBlameOfAFailure(t *testing.T) {
	for _, test := range []struct {
		name string
		situation
		want culprit
	}{
		{"the first failure", situation{failures: 1, counted: 1, max: 8, streak: 1, alone: true}, nobodyYet},
		{"the last attempt, others are answered", situation{failures: 8, counted: 8, max: 8, streak: 1, alone: true, othersAnswered: true}, theRequest},
		{"the last attempt, others are answered and fail", situation{failures: 8, counted: 8, max: 8, streak: 2, othersAnswered: true}, theRequest},
		{"the last attempt, nobody is answered", situation{failures: 2, counted: 2, max: 2, streak: 2, alone: true}, theServer},
		{"an outage for all", situation{failures: 9, counted: 1, max: 8, streak: 20, othersAnswered: true}, nobodyYet},
		{"an outage for all, no answer ever", situation{failures: 9, counted: 1, max: 8, streak: 20}, nobodyYet},
		{"an outage of its own", situation{failures: 8, counted: 3, max: 8, streak: 8, alone: true, othersAnswered: true}, theRequest},
		{"an outage, and nobody else calls", situation{failures: 99, counted: 3, max: 8, streak: 99, alone: true}, nobodyYet},
		{"an outage for all, no attempt left outside of it", situation{failures: 3, counted: 3, max: 3, streak: 9}, theServer},
	} {
		if got := blame(test.situation); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}
