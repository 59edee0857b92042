package auth0test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits are the tenant's rate limits. The zero value has none. Limiters have
// state: two tenants must not share them, and [Limiter.Change] changes them
// while the tenant runs. [Preset] returns those that Auth0 publishes.
type Limits struct {
	// Global is asked first, for every request to the Management API. A
	// permission of it stays taken when the endpoint's limiter refuses.
	Global *Limiter

	// Endpoints are the limiters of classes. That of Other is for all classes
	// that are not listed; nil is no limit.
	Endpoints map[Class]*Limiter

	// SkipGlobal exempts classes with a limiter of their own from Global.
	// Auth0's documentation says both.
	SkipGlobal bool

	// Show is which limiter the X-RateLimit headers describe.
	Show Show

	// ShowRefuser makes a 429 describe the limiter that refused, whatever Show
	// says.
	ShowRefuser bool

	// RetryAfter sends Retry-After with a 429: the seconds until Reset, at
	// least one. The Management API is not known to.
	RetryAfter bool
}

// Show is which limiter the X-RateLimit headers describe.
type Show int

const (
	ShowLowest   Show = iota // the one with the fewest requests left
	ShowGlobal               // the global one, if it applies
	ShowEndpoint             // the endpoint's, if it has one
	ShowNone                 // no headers
)

// turn is what the limiters decide about one request.
type turn struct {
	refusal    *Verdict // nil if there is none
	shown      *Verdict // in the headers; nil if there are none
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
		turn.refusal = v
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
func (t turn) mark(rep *reply) *reply {
	if t.shown != nil {
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
// for the Authentication API.
func limitReached(class Class, name string) *reply {
	if class == Tokens {
		return oauthError(http.StatusTooManyRequests, "too_many_requests", name+" rate limit exceeded")
	}
	return refuse(http.StatusTooManyRequests, "too_many_requests", name+" limit has been reached")
}

// unixCeil rounds up, so that a client does not come back too early.
func unixCeil(t time.Time) int64 {
	if t.Nanosecond() > 0 {
		return t.Unix() + 1
	}
	return t.Unix()
}

func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

// Preset returns new limits by name, see [PresetNames]: those of a plan, from
// Auth0's rate limit configurations as published in August 2026, or "none". A
// row "20 burst, 200 a minute" is read as two buckets, as in older documents;
// the single-bucket presets read it as one.
func Preset(name string) (Limits, error) {
	fresh, known := presets()[name]
	if !known {
		return Limits{}, fmt.Errorf("no limits called %q, only %s", name, strings.Join(PresetNames(), ", "))
	}
	return fresh(), nil
}

// PresetNames returns the names that [Preset] knows, in ascending order.
func PresetNames() []string { return slices.Sorted(maps.Keys(presets())) }

func presets() map[string]func() Limits {
	return map[string]func() Limits{
		"none":                func() Limits { return Limits{} },
		"free":                func() Limits { return plan(NewLimiter("Global", perSecond(2)), 30, nil) },
		"essentials":          essentials,
		"enterprise-prod":     func() Limits { return enterprise(perSecond(50), perMinute(1000)) },
		"enterprise-nonprod":  func() Limits { return enterprise(Limit{Size: 10, Per: 2, Interval: time.Second}) },
		"single-bucket-drip":  func() Limits { return singleBucket(Drip) },
		"single-bucket-fixed": func() Limits { return singleBucket(FixedWindow) },
	}
}

// essentials has no global limit: what has no row of its own is in Other.
func essentials() Limits {
	return plan(nil, 25, map[Class][2]int{
		WriteMembers: {20, 200}, ReadMembers: {40, 500}, WriteRoles: {20, 200}, ReadRoles: {20, 200},
		ReadOrganizations: {20, 200}, OrganizationNames: {10, 100}, ListOrganizations: {5, 50},
		ReadUsers: {40, 500}, ReadConnections: {5, 50}, Other: {10, 150},
	})
}

// enterprise has no rows for users, roles of the tenant, connections and jobs:
// they have the global limit only.
func enterprise(global ...Limit) Limits {
	return plan(NewLimiter("Global", global...), 100, map[Class][2]int{
		WriteMembers: {20, 200}, ReadMembers: {40, 500}, WriteRoles: {20, 200}, ReadRoles: {20, 200},
		WriteInvitations: {20, 200}, ReadInvitations: {20, 200},
		ReadOrganizations: {10, 100}, OrganizationNames: {20, 200}, ListOrganizations: {10, 100},
	})
}

// plan returns the limits of a plan: the tokens a second that the Authentication
// API gives, and rows of a burst and a number of requests a minute.
func plan(global *Limiter, tokens int, rows map[Class][2]int) Limits {
	l := Limits{Global: global, Endpoints: map[Class]*Limiter{Tokens: NewLimiter("Global", perSecond(tokens))}}
	for class, row := range rows {
		l.Endpoints[class] = NewLimiter("Endpoint", perSecond(row[0]), perMinute(row[1]))
	}
	return l
}

func singleBucket(mode Mode) Limits {
	limit := Limit{Size: 20, Per: 200, Interval: time.Minute, Mode: mode}
	return Limits{Endpoints: map[Class]*Limiter{WriteMembers: NewLimiter("Endpoint", limit)}}
}

func perSecond(n int) Limit { return Limit{Size: n, Per: n, Interval: time.Second} }
func perMinute(n int) Limit { return Limit{Size: n, Per: n, Interval: time.Minute} }
