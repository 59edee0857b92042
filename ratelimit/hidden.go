package ratelimit

import (
	"math"
	"time"
)

// hidden learns a limit that no header shows. Its only sensor is a refusal that
// the headers did not announce: at such a moment that limit is empty. Between
// two such moments exactly its refill was used.
//
// Not every such refusal is of a limit: a gateway may refuse for reasons of its
// own. It then comes however slowly we go, and what is measured between two of
// them falls with the pace that was made of it. So when that has halved, refusals
// are taken for such noise for a while, each time longer, unless nearly nothing is
// served between them.
type hidden struct {
	hits  []hit   // the refusals of the last minutes, oldest first
	pace  float64 // requests a second that it is known to bear; 0: there was none
	over  time.Duration
	best  float64   // the highest pace that was measured
	noise time.Time // until when refusals are taken for noise
	lasts time.Duration
	dense int // of these in a row, those with nearly nothing served before them
}

// hit is one such refusal: when, and how many requests had been served by then.
type hit struct {
	at     time.Time
	served int
}

func (h *hidden) hit(t tuning, now time.Time, served int, first time.Time) {
	last, same := hit{}, false
	if n := len(h.hits); n > 0 {
		last = h.hits[n-1]
		if same = now.Sub(last.at) < t.hitSame; same {
			h.hits = h.hits[:n-1]
		}
	}
	h.hits = append(h.hits, hit{now, served})
	if now.Before(h.noise) {
		h.hits = h.hits[len(h.hits)-1:]
		switch {
		case served-last.served >= t.hitLeast:
			h.dense = 0
		case !same:
			h.dense++
		}
		if h.dense < t.hitLeast {
			return
		}
		*h = hidden{hits: h.hits}
	}
	for len(h.hits) > 2 && now.Sub(h.hits[0].at) > t.hitMemory {
		h.hits = h.hits[1:]
	}
	oldest := h.hits[0]
	n, span := served-oldest.served, now.Sub(oldest.at)
	switch {
	case served < t.hitLeast: // nothing can be said
		return
	case n < t.hitLeast:
		h.pace = t.hitGuess * float64(served) / max(1, now.Sub(first).Seconds())
		h.over = t.hitBackMin
		return
	}
	h.pace = float64(n) / span.Seconds()
	h.over = clamp(2*span, t.hitBackMin, max(t.hitBackMax, seconds(t.hitRequests/h.pace)))
	h.best = max(h.best, h.pace)
	if h.pace < t.hitGuess*h.best {
		lasts := max(t.hitMemory, 2*h.lasts)
		*h = hidden{hits: h.hits[len(h.hits)-1:], noise: now.Add(lasts), lasts: lasts}
	}
}

// slow lowers a pace to what the hidden limit is known to bear: a little less
// than was measured, then slowly and at last faster towards more, to see
// whether it bears that now.
func (h *hidden) slow(t tuning, pace float64, now time.Time) float64 {
	if h.pace == 0 {
		return pace
	}
	x := now.Sub(h.hits[len(h.hits)-1].at).Seconds() / h.over.Seconds()
	return min(pace, h.pace*(t.hitSlack+t.hitProbe*math.Pow(x, 3)))
}
