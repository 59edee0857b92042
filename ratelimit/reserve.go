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

// ParseReserve reads "10%", "5" or "0". A share is at most 90 %, for with more
// there would be nothing to work with.
func ParseReserve(s string) (Reserve, error) {
	if percent, found := strings.CutSuffix(s, "%"); found {
		p, err := strconv.ParseFloat(strings.TrimSpace(percent), 64)
		if err != nil || !(p >= 0 && p <= 90) {
			return Reserve{}, fmt.Errorf("reserve %q: want a share from 0%% to 90%%", s)
		}
		return Reserve{share: p / 100}, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return Reserve{}, fmt.Errorf("reserve %q: want a number of requests such as 5, or a share such as 10%%", s)
	}
	return Reserve{count: n}, nil
}

// String returns what ParseReserve reads.
func (r Reserve) String() string {
	if r.share > 0 {
		return strconv.FormatFloat(math.Round(r.share*1e8)/1e6, 'f', -1, 64) + "%"
	}
	return strconv.Itoa(r.count)
}

// UnmarshalText makes a Reserve a flag.
func (r *Reserve) UnmarshalText(text []byte) error {
	parsed, err := ParseReserve(string(text))
	if err != nil {
		return err
	}
	*r = parsed
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
