package auth0test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Limits by the name of a plan, from Auth0's rate limit configurations as
// published in August 2026. A row "20 burst, 200 a minute" is read as two
// buckets, as older documents have it; the single-bucket presets read it as
// one.
var presets = map[string]func() Limits{
	"none": func() Limits { return Limits{} },
	"free": func() Limits {
		return Limits{Global: NewLimiter("Global", perSecond(2)), Endpoints: tokens(30)}
	},
	"essentials": func() Limits {
		l := Limits{Endpoints: tokens(25)}
		l.Endpoints[WriteMembers] = endpointLimit(20, 200)
		l.Endpoints[ReadMembers] = endpointLimit(40, 500)
		l.Endpoints[ReadOrganizations] = endpointLimit(20, 200)
		l.Endpoints[ReadUsers] = endpointLimit(40, 500)
		l.Endpoints[Other] = endpointLimit(10, 150)
		return l
	},
	"enterprise-prod": func() Limits {
		return Limits{Global: NewLimiter("Global", perSecond(50), perMinute(1000)), Endpoints: enterprise()}
	},
	"enterprise-nonprod": func() Limits {
		slow := Limit{Size: 10, Per: 2, Interval: time.Second}
		return Limits{Global: NewLimiter("Global", slow), Endpoints: enterprise()}
	},
	"single-bucket-drip":  func() Limits { return singleBucket(Drip) },
	"single-bucket-fixed": func() Limits { return singleBucket(FixedWindow) },
}

// Preset returns new limits by name, see [PresetNames].
func Preset(name string) (Limits, error) {
	fresh, known := presets[name]
	if !known {
		return Limits{}, fmt.Errorf("no limits called %q, only %s", name, strings.Join(PresetNames(), ", "))
	}
	return fresh(), nil
}

// PresetNames returns the names that [Preset] knows, in ascending order.
func PresetNames() []string { return slices.Sorted(maps.Keys(presets)) }

func perSecond(n int) Limit { return Limit{Size: n, Per: n, Interval: time.Second} }
func perMinute(n int) Limit { return Limit{Size: n, Per: n, Interval: time.Minute} }

func endpointLimit(burst, aMinute int) *Limiter {
	return NewLimiter("Endpoint", perSecond(burst), perMinute(aMinute))
}

func enterprise() map[Class]*Limiter {
	endpoints := tokens(100)
	endpoints[WriteMembers] = endpointLimit(20, 200)
	endpoints[ReadMembers] = endpointLimit(40, 500)
	endpoints[ReadOrganizations] = endpointLimit(10, 100) // by id; by name they are 20 and 200
	return endpoints
}

// tokens is the limit of the Authentication API, which has /oauth/token.
func tokens(aSecond int) map[Class]*Limiter {
	return map[Class]*Limiter{Tokens: NewLimiter("Global", perSecond(aSecond))}
}

func singleBucket(mode Mode) Limits {
	limit := Limit{Size: 20, Per: 200, Interval: time.Minute, Mode: mode}
	return Limits{Endpoints: map[Class]*Limiter{WriteMembers: NewLimiter("Endpoint", limit)}}
}
