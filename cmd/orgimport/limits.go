package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// publishedPlan holds the rate limits that Auth0 publishes for a plan, for the
// requests that orgimport sends. A limit applies to the whole tenant: all other
// callers of the API draw on it too.
type publishedPlan struct {
	name string

	// members is the limit of POST and DELETE /organizations/{id}/members.
	// Assigning roles to a member has a separate limit with the same numbers.
	members []limit

	// invitations is the limit of POST /organizations/{id}/invitations; nil if
	// none is published.
	invitations []limit

	// organizations is the limit of POST /organizations; nil if none is published.
	organizations []limit
}

// publishedPlans returns Auth0's plans. The numbers are from the rows "Write
// Organization Members", "Write Organization invitation" and "All other endpoints
// combined" of "Rate Limit Configurations" (auth0.com/docs, troubleshoot, customer support, operational
// policies, rate limit policy), as of August 2026. They are for estimates only: a run
// learns the limit from the tenant's answers. The limit of the whole API is higher
// on each of these plans, so it does not matter here.
//
// A row "20 burst, 200 a minute" is read as two buckets, 20 a second and 200 a
// minute, as in older editions of the documentation.
func publishedPlans() []publishedPlan {
	return []publishedPlan{
		{name: "public cloud, paid", members: endpointLimit(20, 200)},
		{name: "public cloud, Enterprise", invitations: endpointLimit(20, 200), organizations: endpointLimit(5, 150)},
		{name: "public cloud, self-service", invitations: endpointLimit(10, 150), organizations: endpointLimit(5, 25)},
		{name: "private cloud, 15x", members: endpointLimit(300, 3000)},
		{name: "private cloud, 60x", members: endpointLimit(1200, 12000)},
		{name: "private cloud, 100x", members: endpointLimit(2400, 24000)},
	}
}

// usualLimit returns the limits of the first plan that publishes some.
func usualLimit(of func(publishedPlan) []limit) []limit {
	for _, plan := range publishedPlans() {
		if limits := of(plan); limits != nil {
			return limits
		}
	}
	return nil
}

func endpointLimit(burst, perMinute float64) []limit {
	return []limit{{burst, burst, time.Second}, {perMinute, perMinute, time.Minute}}
}

// adding returns the limits that adding members draws on.
func (p publishedPlan) adding() []limit { return p.members }

// inviting returns the limits that invitations draw on, or nil if they are not
// published.
func (p publishedPlan) inviting() []limit { return p.invitations }

// creating returns the limits that creating organizations draws on, or nil if they are
// not published.
func (p publishedPlan) creating() []limit { return p.organizations }

// sustained returns the rate that the limits allow in the long run, as text.
func sustained(limits []limit) string {
	slowest := slices.MinFunc(limits, func(a, b limit) int {
		return cmp.Compare(a.perSecond(), b.perSecond())
	})
	unit := map[time.Duration]string{time.Second: "second", time.Minute: "minute"}[slowest.interval]
	return fmt.Sprintf("%g a %s", slowest.per, unit)
}
