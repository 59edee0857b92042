package ratelimit

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answer is what the limiter sees of a response: plain values, no HTTP. Its
// zero value is a request that got none, such as after a timeout.
type answer struct {
	status int

	shows            bool // whether the limit headers are there
	limit, remaining int
	reset            time.Time // by the server's clock; zero if it is not known

	date       time.Time     // the server's clock, in whole seconds; zero if it is not known
	retryAfter time.Duration // 0 if there is none
}

// longestRetryAfter is the longest Retry-After that is believed; it keeps sums
// of times in range.
const longestRetryAfter = 24 * time.Hour

// readAnswer reads the headers of a response that arrived at now. Headers that
// make no sense count as missing.
func readAnswer(resp *http.Response, now time.Time) answer {
	a := answer{status: resp.StatusCode}
	h := resp.Header
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		a.date = date
	}
	a.retryAfter = retryAfter(h.Get("Retry-After"), a.date, now)

	limit, err1 := strconv.Atoi(strings.TrimSpace(h.Get("X-RateLimit-Limit")))
	remaining, err2 := strconv.Atoi(strings.TrimSpace(h.Get("X-RateLimit-Remaining")))
	if err1 != nil || err2 != nil || limit < 1 {
		return a
	}
	a.shows, a.limit, a.remaining = true, limit, max(0, min(remaining, limit))
	if unix, err := strconv.ParseInt(strings.TrimSpace(h.Get("X-RateLimit-Reset")), 10, 64); err == nil && unix > 0 {
		a.reset = time.Unix(unix, 0)
	}
	return a
}

// retryAfter reads both forms of RFC 9110, section 10.2.3: seconds, or a date,
// which is compared with the server's own clock where that is known.
func retryAfter(value string, date, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil {
		return time.Duration(min(seconds, uint64(longestRetryAfter/time.Second))) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if date.IsZero() {
		date = now
	}
	return max(0, min(at.Sub(date), longestRetryAfter))
}

// clock relates the server's clock to ours by the Date of its answers. Date is
// cut to whole seconds and has been under way, so that ours minus it is too
// large by up to a second and more: the least that was seen is nearest.
type clock struct {
	offset time.Duration
	known  bool
}

// set learns from a Date that arrived at now. The drift lets it follow a clock
// that is set, or runs slow.
func (c *clock) set(now, date time.Time, drift time.Duration) {
	if date.IsZero() {
		return
	}
	d := now.Sub(date)
	if !c.known || d < c.offset {
		c.offset, c.known = d, true
		return
	}
	c.offset += drift
}

// local returns a time of the server's clock by ours.
func (c *clock) local(t time.Time) time.Time { return t.Add(c.offset) }

// bucket is the limit that the newest answer showed.
type bucket struct {
	limit     int
	remaining int       // what was left of it
	ticket    int       // after this request
	sentAt    time.Time // when that left
	first     time.Time // when the first request left that showed it
	at        time.Time // when it was decided, as far as can be said
	shownAt   time.Time // when its answer was here
	reset     time.Time // by our clock

	window bool    // the reset is not the time when it is full: what is left then is lost
	probed bool    // a probe before the reset found nothing
	refill float64 // requests a second that come back, less what others use
	level  float64 // permissions left plus those we took, which only others change
}

// left is what is left after the request with this ticket, if all requests
// since the last answer have been counted, which is not known.
func (b *bucket) left(now time.Time, ticket int, flow float64) float64 {
	return min(float64(b.remaining-(ticket-b.ticket))+flow*now.Sub(b.at).Seconds(), float64(b.limit))
}

// pace is how fast credit is used. It is used as fast as it comes back, but more
// slowly when little is left, because all who share the limit see the same rest.
// What is beyond that is spread over the time to the reset, when a new window may
// begin.
func (b *bucket) pace(t tuning, now time.Time, credit float64) float64 {
	credit = max(1, credit)
	spread := clamp(b.reset.Sub(now), t.spreadMin, t.spreadMax).Seconds()
	last := min(t.settleCount, float64(b.limit)/2) // requests that the last credit is used within
	flow := min(b.refill, credit*(1/t.settle.Seconds()+b.refill/last))
	return max(flow+credit/spread, t.tail*float64(b.limit)/spread-b.refill)
}

// steady is the pace in the long run. What is left of a window has to be used before
// its end. That of a bucket has no hurry: until its refill is known, it is taken to
// fill up in fillTime.
func (b *bucket) steady(t tuning, now time.Time, credit float64) float64 {
	in := t.fillTime
	if b.window {
		in = clamp(b.reset.Sub(now), t.spreadMin, t.fillTime)
	}
	return max(b.refill, credit/in.Seconds())
}

// learn follows the level: its slope is what comes back. At first it is that since
// the first answer.
func (b *bucket) learn(t tuning, sentAt time.Time, level float64) {
	if b.first.IsZero() {
		b.first = sentAt
	} else if dt := sentAt.Sub(b.sentAt); dt > 0 {
		over := max(dt, clamp(sentAt.Sub(b.first), t.smooth/2, t.smooth))
		b.refill = max(0, b.refill+(level-b.level-b.refill*dt.Seconds())/over.Seconds())
	}
	b.level, b.sentAt = level, sentAt
}

// resets notes when the limit will be reset. A bucket that fills up in twice the usual
// time would be full before a window ends.
func (b *bucket) resets(t tuning, now, reset time.Time) {
	b.shownAt, b.reset = now, now.Add(clamp(reset.Sub(now), 0, t.farthest))
	lacking := float64(b.limit-b.remaining) / float64(b.limit)
	b.window = b.window || b.reset.Sub(now) > t.spreadMin+seconds(2*lacking*t.fillTime.Seconds())
}

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
