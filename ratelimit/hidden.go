package ratelimit

import (
	"math"
	"time"
)

// hidden learns a limit that no header shows. Its only sensor is a refusal that
// the headers did not announce: at such a moment that limit is empty. Between
// two such moments exactly its refill was used.
type hidden struct {
	hits []hit // the surprises of the last minutes, oldest first
	pace float64
	at   time.Time     // of the last surprise
	over time.Duration // the time over which the pace rises again
}

// hit is one surprise: when, and how many requests had been served by then.
type hit struct {
	at     time.Time
	served int
}

func (h *hidden) hit(l law, now time.Time, served int, first time.Time) {
	if n := len(h.hits); n > 0 && now.Sub(h.hits[n-1].at) < l.hitSame {
		h.hits = h.hits[:n-1]
	}
	h.hits = append(h.hits, hit{now, served})
	for len(h.hits) > 2 && now.Sub(h.hits[0].at) > l.hitMemory {
		h.hits = h.hits[1:]
	}
	h.at = now
	oldest := h.hits[0]
	if n := served - oldest.served; n >= 4 {
		span := now.Sub(oldest.at)
		h.pace = float64(n) / span.Seconds()
		longest := max(30*time.Second, seconds(l.hitRequests/h.pace))
		h.over = clamp(2*span, 10*time.Second, longest)
		return
	}
	h.pace = float64(max(1, served)) / max(1, now.Sub(first).Seconds()) / 2
	h.over = 10 * time.Second
}

// slow lowers a pace to what the hidden limit is known to bear: a little less
// than was measured, then slowly and at last faster towards more, to see
// whether it bears that now.
func (h *hidden) slow(l law, pace float64, now time.Time) float64 {
	if h.pace == 0 {
		return pace
	}
	x := now.Sub(h.at).Seconds() / h.over.Seconds()
	return min(pace, h.pace*(l.hitSlack+l.hitProbe*math.Pow(x, 3)))
}
