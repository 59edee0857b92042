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
// of the Authentication API.
func limitReached(class Class, name string) *reply {
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

// Preset returns new limits by name, see [PresetNames]: those of a plan, from
// Auth0's rate limit configurations as published in August 2026, or "none". A
// row "20 burst, 200 a minute" is read as two buckets, as older documents have
// it; the single-bucket presets read it as one.
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
		"free":                free,
		"essentials":          essentials,
		"enterprise-prod":     func() Limits { return enterprise(perSecond(50), perMinute(1000)) },
		"enterprise-nonprod":  func() Limits { return enterprise(Limit{Size: 10, Per: 2, Interval: time.Second}) },
		"single-bucket-drip":  func() Limits { return singleBucket(Drip) },
		"single-bucket-fixed": func() Limits { return singleBucket(FixedWindow) },
	}
}

func free() Limits {
	return Limits{Global: NewLimiter("Global", perSecond(2)), Endpoints: tokens(30)}
}

// essentials has no global limit: what has no row of its own is in Other.
func essentials() Limits {
	l := Limits{Endpoints: tokens(25)}
	for class, limit := range map[Class][2]int{
		WriteMembers: {20, 200}, ReadMembers: {40, 500}, WriteRoles: {20, 200}, ReadRoles: {20, 200},
		ReadOrganizations: {20, 200}, OrganizationNames: {10, 100}, ListOrganizations: {5, 50},
		ReadUsers: {40, 500}, ReadConnections: {5, 50}, Other: {10, 150},
	} {
		l.Endpoints[class] = endpointLimit(limit[0], limit[1])
	}
	return l
}

// enterprise has no rows for users, roles of the tenant, connections and jobs,
// which are left to the global limit.
func enterprise(global ...Limit) Limits {
	l := Limits{Global: NewLimiter("Global", global...), Endpoints: tokens(100)}
	for class, limit := range map[Class][2]int{
		WriteMembers: {20, 200}, ReadMembers: {40, 500}, WriteRoles: {20, 200}, ReadRoles: {20, 200},
		WriteInvitations: {20, 200}, ReadInvitations: {20, 200},
		ReadOrganizations: {10, 100}, OrganizationNames: {20, 200}, ListOrganizations: {10, 100},
	} {
		l.Endpoints[class] = endpointLimit(limit[0], limit[1])
	}
	return l
}

func singleBucket(mode Mode) Limits {
	limit := Limit{Size: 20, Per: 200, Interval: time.Minute, Mode: mode}
	return Limits{Endpoints: map[Class]*Limiter{WriteMembers: NewLimiter("Endpoint", limit)}}
}

func perSecond(n int) Limit { return Limit{Size: n, Per: n, Interval: time.Second} }
func perMinute(n int) Limit { return Limit{Size: n, Per: n, Interval: time.Minute} }

func endpointLimit(burst, aMinute int) *Limiter {
	return NewLimiter("Endpoint", perSecond(burst), perMinute(aMinute))
}

// tokens is the limit of the Authentication API, which has /oauth/token.
func tokens(aSecond int) map[Class]*Limiter {
	return map[Class]*Limiter{Tokens: NewLimiter("Global", perSecond(aSecond))}
}
