package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// publishedPlan holds the rate limits that Auth0 publishes for a plan, for the
// requests that orgimport sends. A limit applies to the whole tenant: all other
// callers of the API draw on it too.
type publishedPlan struct {
	name string

	// overall is the limit of the Management API as a whole. The documentation
	// contradicts itself on whether endpoints with a limit of their own draw on
	// it too. The estimates assume that they do, so that none is too short.
	overall []bucket

	// writeMembers is the limit of POST and DELETE /organizations/{id}/members.
	// Assigning roles to a member has a separate limit with the same numbers.
	writeMembers []bucket

	// writeInvitations is the limit of POST /organizations/{id}/invitations; nil
	// if none is published. For Essentials and Professional it is the limit of
	// all endpoints that have none of their own.
	writeInvitations []bucket
}

// publishedPlans returns Auth0's plans. The numbers are from the rows "Management
// API" and "Write Organization Members" of "Rate Limit Configurations"
// (auth0.com/docs, troubleshoot, customer support, operational policies, rate
// limit policy), as of August 2026. They are for estimates only: a run learns the
// limit from the tenant's answers.
//
// A row "20 burst, 200 a minute" is read as two buckets, 20 a second and 200 a
// minute, as in older editions of the documentation.
func publishedPlans() []publishedPlan {
	small := endpointLimit(20, 200)
	return []publishedPlan{
		{"Free", perSecondLimit(2, 2), nil, nil},
		{"Essentials, Professional", nil, small, endpointLimit(10, 150)},
		{"Enterprise, production", perSecondLimit(50, 16), small, small},
		{"Enterprise, non-production", perSecondLimit(10, 2), small, small},
		{"Private Cloud, 20 RPS", perSecondLimit(20, 20), small, nil},
		{"Private Cloud, 100 RPS", perSecondLimit(50, 50), small, nil},
		{"Private Cloud, 500 RPS", perSecondLimit(250, 250), endpointLimit(100, 1000), nil},
		{"Private Cloud, 1500 RPS", perSecondLimit(750, 750), endpointLimit(300, 3000), nil},
		{"Private Cloud, 3000 RPS", perSecondLimit(1500, 1500), endpointLimit(600, 6000), nil},
		{"Private Cloud, 6000 RPS", perSecondLimit(3000, 3000), endpointLimit(1200, 12000), nil},
		{"Private Cloud, 10000 RPS", perSecondLimit(5000, 5000), endpointLimit(2400, 24000), nil},
	}
}

func perSecondLimit(burst, perSecond int) []bucket {
	return []bucket{{burst, perSecond, time.Second}}
}

func endpointLimit(burst, perMinute int) []bucket {
	return []bucket{{burst, burst, time.Second}, {perMinute, perMinute, time.Minute}}
}

// adding returns the limits that adding members draws on.
func (p publishedPlan) adding() []bucket { return slices.Concat(p.overall, p.writeMembers) }

// inviting returns the limits that invitations draw on, or nil if they are not
// published.
func (p publishedPlan) inviting() []bucket {
	if p.writeInvitations == nil && p.name != "Free" {
		return nil
	}
	return slices.Concat(p.overall, p.writeInvitations)
}

// duration returns the shortest time in which n requests can be sent within all
// of the buckets, which are full at the start: the burst is sent at once, the
// rest as the buckets refill.
func duration(n int, buckets []bucket) time.Duration {
	var longest time.Duration
	for _, b := range buckets {
		longest = max(longest, seconds(float64(n-b.size)*b.interval.Seconds()/float64(b.per)))
	}
	return longest
}

// durationAt returns how long n requests take at a steady rate, in requests a
// second.
func durationAt(n int, rate float64) time.Duration { return seconds(float64(n-1) / rate) }

// seconds returns s seconds, rounded up to whole seconds. A negative s becomes 0,
// and an s that is too large for a Duration becomes the longest one.
func seconds(s float64) time.Duration {
	const longest = float64(math.MaxInt64 / int64(time.Second))
	return time.Duration(math.Ceil(min(max(s, 0), longest))) * time.Second
}

// sustained returns the rate that the buckets allow in the long run, as text.
func sustained(buckets []bucket) string {
	slowest := slices.MinFunc(buckets, func(a, b bucket) int {
		return int(int64(a.per)*int64(b.interval) - int64(b.per)*int64(a.interval))
	})
	unit := map[time.Duration]string{time.Second: "second", time.Minute: "minute"}[slowest.interval]
	return fmt.Sprintf("%d a %s", slowest.per, unit)
}
