package auth0test

import (
	"net/http"
	"strconv"
	"time"
)

// Limits are the tenant's rate limits. Its zero value has none. Limiters have
// a state: two tenants must not share them, and [Limiter.Change] changes them
// while the tenant runs. [Preset] has those that Auth0
// publishes.
type Limits struct {
	// Global is asked first, for every request to the Management API. A token
	// that it gave stays spent when the endpoint's limiter refuses.
	Global *Limiter

	// Endpoints have a limiter of their own. That of Other is for all classes
	// that have none.
	Endpoints map[Class]*Limiter

	// SkipGlobal leaves endpoints with a limiter of their own out of Global.
	// Auth0's documentation says both.
	SkipGlobal bool

	// Show is which of the two the X-RateLimit headers describe.
	Show Show

	// ShowRefuser has a 429 describe the limit that refused, whatever Show
	// says.
	ShowRefuser bool

	// RetryAfter sends Retry-After with a 429: the seconds until Reset, and
	// at least one. Not known of the Management API.
	RetryAfter bool
}

// Show is which limit the X-RateLimit headers describe.
type Show int

const (
	ShowLowest   Show = iota // the one with the fewest requests left
	ShowGlobal               // the global one, if it applies
	ShowEndpoint             // the endpoint's, if it has one
	ShowNone                 // no headers
)

// turn is what the limiters say about one request.
type turn struct {
	refused    bool
	by         string // the name of the limit that refused
	shown      *Verdict
	retryAfter string
}

func (l Limits) take(class Class, now time.Time) turn {
	endpoint, listed := l.Endpoints[class]
	if !listed && class.limited() {
		endpoint = l.Endpoints[Other]
	}
	var global, own *Verdict
	if l.Global != nil && class.limited() && (endpoint == nil || !l.SkipGlobal) {
		v := l.Global.Take(now)
		global = &v
	}
	if endpoint != nil && (global == nil || global.OK) {
		v := endpoint.Take(now)
		own = &v
	}
	turn := turn{shown: l.Show.choose(global, own)}
	for _, v := range []*Verdict{global, own} {
		if v == nil || v.OK {
			continue
		}
		turn.refused, turn.by = true, v.Name
		if l.ShowRefuser {
			turn.shown = v
		}
		if l.RetryAfter {
			turn.retryAfter = seconds(max(v.Reset.Sub(now), time.Second))
		}
	}
	return turn
}

func (s Show) choose(global, own *Verdict) *Verdict {
	switch {
	case s == ShowNone:
		return nil
	case global == nil:
		return own
	case own == nil, s == ShowGlobal:
		return global
	case s == ShowEndpoint, own.Remaining <= global.Remaining:
		return own
	}
	return global
}

// mark puts the headers on an answer.
func (t turn) mark(rep reply, show bool) reply {
	if show && t.shown != nil {
		rep.header.Set("X-RateLimit-Limit", strconv.Itoa(t.shown.Limit))
		rep.header.Set("X-RateLimit-Remaining", strconv.Itoa(t.shown.Remaining))
		rep.header.Set("X-RateLimit-Reset", strconv.FormatInt(unixCeil(t.shown.Reset), 10))
	}
	if t.retryAfter != "" {
		rep.header.Set("Retry-After", t.retryAfter)
	}
	return rep
}

// limitReached is the 429 as recorded of the Management API, and as documented
// of the Authentication API.
func limitReached(class Class, name string) reply {
	if class == Tokens {
		return oauthError(http.StatusTooManyRequests, "too_many_requests", name+" rate limit exceeded")
	}
	return refuse(http.StatusTooManyRequests, "too_many_requests", name+" limit has been reached")
}

// unixCeil rounds up, so that nobody comes back too early.
func unixCeil(t time.Time) int64 {
	if t.Nanosecond() > 0 {
		return t.Unix() + 1
	}
	return t.Unix()
}

func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
