package auth0test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

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
