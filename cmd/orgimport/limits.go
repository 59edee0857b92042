package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// publishedPlan is what Auth0 publishes of a plan's limits, for the requests
// that orgimport sends. A limit is all of a tenant's: whatever else calls the
// API draws on it too.
type publishedPlan struct {
	name string

	// whole is the limit of the Management API altogether. The documents
	// contradict each other on whether endpoints with a row of their own draw on
	// it too. It is counted, so that no estimate is too short for that.
	whole []bucket

	// POST and DELETE /organizations/{id}/members. Those of a member's roles have
	// a row of their own, with the same numbers.
	writeMembers []bucket

	// POST /organizations/{id}/invitations; nil: not published. Essentials and
	// Professional have a row for all other endpoints together.
	writeInvitations []bucket
}

// publishedPlans are the plans of Auth0, from its documentation, "Rate Limit
// Configurations" (auth0.com/docs, troubleshoot, customer support, operational
// policies, rate limit policy), as of August 2026: the rows "Management API" and
// "Write Organization Members". They are for
// estimates only: a run learns the limit from the tenant's answers.
//
// A row "20 burst, 200 a minute" is read as two buckets, 20 a second and 200 a
// minute, as older editions of the documents have it.
func publishedPlans() []publishedPlan {
	small := endpoint(20, 200)
	return []publishedPlan{
		{"Free", aSecond(2, 2), nil, nil},
		{"Essentials, Professional", nil, small, endpoint(10, 150)},
		{"Enterprise, production", aSecond(50, 16), small, small},
		{"Enterprise, non-production", aSecond(10, 2), small, small},
		{"Private Cloud, 20 RPS", aSecond(20, 20), small, nil},
		{"Private Cloud, 100 RPS", aSecond(50, 50), small, nil},
		{"Private Cloud, 500 RPS", aSecond(250, 250), endpoint(100, 1000), nil},
		{"Private Cloud, 1500 RPS", aSecond(750, 750), endpoint(300, 3000), nil},
		{"Private Cloud, 3000 RPS", aSecond(1500, 1500), endpoint(600, 6000), nil},
		{"Private Cloud, 6000 RPS", aSecond(3000, 3000), endpoint(1200, 12000), nil},
		{"Private Cloud, 10000 RPS", aSecond(5000, 5000), endpoint(2400, 24000), nil},
	}
}

func aSecond(size, n int) []bucket { return []bucket{{size, n, time.Second}} }

func endpoint(burst, aMinute int) []bucket {
	return []bucket{{burst, burst, time.Second}, {aMinute, aMinute, time.Minute}}
}

// adding returns the limits that adding members draws on.
func (p publishedPlan) adding() []bucket { return slices.Concat(p.whole, p.writeMembers) }

// inviting returns the limits that invitations draw on; nil if they are not
// published.
func (p publishedPlan) inviting() []bucket {
	if p.writeInvitations == nil && p.name != "Free" {
		return nil
	}
	return slices.Concat(p.whole, p.writeInvitations)
}

// duration is how long it takes at least until the last of n requests may leave
// through all of the buckets, which are full at the start: the burst goes at
// once, the rest as it drips in.
func duration(n int, buckets []bucket) time.Duration {
	var longest time.Duration
	for _, b := range buckets {
		longest = max(longest, seconds(float64(n-b.size)*b.interval.Seconds()/float64(b.per)))
	}
	return longest
}

// durationAt is how long n requests take at a steady rate, in requests a second.
func durationAt(n int, rate float64) time.Duration { return seconds(float64(n-1) / rate) }

// seconds rounds up to whole seconds. What is less than none is none, and what
// no Duration can hold is the longest.
func seconds(s float64) time.Duration {
	const longest = float64(math.MaxInt64 / int64(time.Second))
	return time.Duration(math.Ceil(min(max(s, 0), longest))) * time.Second
}

// sustained says what of the buckets counts in the long run.
func sustained(buckets []bucket) string {
	slowest := slices.MinFunc(buckets, func(a, b bucket) int {
		return int(int64(a.per)*int64(b.interval) - int64(b.per)*int64(a.interval))
	})
	unit := map[time.Duration]string{time.Second: "second", time.Minute: "minute"}[slowest.interval]
	return fmt.Sprintf("%d a %s", slowest.per, unit)
}
