package ratelimit

import (
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
