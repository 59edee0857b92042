package ratelimit

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Reserve is how much of a limit is left to everyone else: a number of
// requests, or a share of the limit. The zero value leaves nothing.
type Reserve struct {
	share float64 // of the limit, 0 to 1
	count int     // requests; in effect if share is 0
}

// String returns what UnmarshalText reads.
func (r Reserve) String() string {
	if r.share > 0 {
		return strconv.FormatFloat(math.Round(r.share*1e8)/1e6, 'f', -1, 64) + "%"
	}
	return strconv.Itoa(r.count)
}

// UnmarshalText reads "10%", "5" or "0". A share is at most 90 %, for with more
// there would be nothing to work with.
func (r *Reserve) UnmarshalText(text []byte) error {
	s := string(text)
	if percent, found := strings.CutSuffix(s, "%"); found {
		p, err := strconv.ParseFloat(strings.TrimSpace(percent), 64)
		if err != nil || !(p >= 0 && p <= 90) {
			return fmt.Errorf("reserve %q: want a share from 0%% to 90%%", s)
		}
		*r = Reserve{share: p / 100}
		return nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return fmt.Errorf("reserve %q: want a number of requests such as 5, or a share such as 10%%", s)
	}
	*r = Reserve{count: n}
	return nil
}

// MarshalText is what flag.TextVar prints as the default.
func (r Reserve) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// of returns the requests to leave of a limit. At least one is never left, or
// nothing could ever be sent.
func (r Reserve) of(limit int) int {
	keep := r.count
	if r.share > 0 {
		keep = int(r.share*float64(limit) + 1e-9)
	}
	return max(0, min(keep, limit-1))
}

func (r Reserve) isZero() bool { return r == Reserve{} }
