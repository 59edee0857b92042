package doctor

import (
	"fmt"
	"math"
	"time"
)

// change is an addition or a removal of a user, which the server made between sent
// and received.
type change struct {
	user           string
	sent, received time.Time
	undone         time.Time // when it was undone; zero if it was not
}

// sight is a list of members as it was read.
type sight struct {
	sent, received time.Time
	users          map[string]bool
}

// lag is how long a list takes to show changes: longer than low, and at most high.
// Low is 0 if it never showed anything late, high is negative if it never showed a
// change.
type lag struct{ low, high time.Duration }

// lagOf tells the lag of additions, for which a user is listed in the end, or of
// removals, for which he is not.
func lagOf(changes []change, sights []sight, listed bool) lag {
	l := lag{high: math.MaxInt64}
	for _, c := range changes {
		for _, s := range sights {
			if !c.undone.IsZero() && s.received.After(c.undone) {
				continue
			}
			if s.users[c.user] == listed {
				if s.received.After(c.sent) {
					l.high = min(l.high, s.received.Sub(c.sent))
				}
			} else {
				l.low = max(l.low, s.sent.Sub(c.received))
			}
		}
	}
	if l.high == math.MaxInt64 {
		l.high = -1
	}
	return l
}

// closely is how closely a lag must be known to be told.
const closely = 1300 * time.Millisecond

// told returns the lag in whole seconds if one is possible, and what is known.
func (l lag) told() (d time.Duration, says string, err error) {
	switch {
	case l.high < 0:
		return 0, "", fmt.Errorf("it did not show within %s", l.low.Round(time.Second))
	case l.low > 0 && l.low >= l.high:
		return 0, "", fmt.Errorf("it varies from %s to %s", tenths(l.high), tenths(l.low))
	case l.high-l.low > closely:
		return 0, "", fmt.Errorf("it is from %s to %s", tenths(l.low), tenths(l.high))
	case l.low <= 0:
		return 0, fmt.Sprintf("none (shown within %s)", tenths(l.high)), nil
	}
	d = (l.low + time.Second).Truncate(time.Second)
	if d > l.high {
		d = tenths(l.high)
	}
	return d, fmt.Sprintf("%s (from %s to %s)", d, tenths(l.low), tenths(l.high)), nil
}

// tenths rounds up to tenths of a second.
func tenths(d time.Duration) time.Duration {
	const tenth = 100 * time.Millisecond
	return (d + tenth - 1).Truncate(tenth)
}
