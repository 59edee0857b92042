package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"orgimport/ratelimit"
)

// Whatever tells how long requests take (the plan, a run before its first request,
// and the progress while it runs) gets it from [duration]: a burst at once, and the
// rest at the rate that is sustained. Before a run the limits are those that Auth0
// publishes; an outlook measures them.

// limit is a bucket: size requests at once, and per more in each interval.
type limit struct {
	size, per float64
	interval  time.Duration
}

func (l limit) perSecond() float64 { return l.per / l.interval.Seconds() }

// steadily is a limit of so many requests a second, one at a time.
func steadily(rate float64) limit { return limit{1, rate, time.Second} }

// duration returns the shortest time in which n requests can be sent within all
// of the limits, whose buckets are full at the start: the burst is sent at once, the
// rest as the buckets refill.
func duration(n float64, limits ...limit) time.Duration {
	var longest time.Duration
	for _, l := range limits {
		longest = max(longest, seconds((n-l.size)/l.perSecond()))
	}
	return longest
}

// seconds returns s seconds, rounded up to whole seconds. A negative s becomes 0,
// and an s that is too large for a Duration becomes the longest one.
func seconds(s float64) time.Duration {
	const longest = float64(math.MaxInt64 / int64(time.Second))
	return time.Duration(math.Ceil(min(max(s, 0), longest))) * time.Second
}

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

const (
	// The pace is measured for outlookMin at least, and for outlookBlind where the
	// limit does not show itself. For outlookMax at most, so that a limit may refill
	// once a minute, and a pace that has changed is noticed within minutes.
	outlookMin   = 8 * time.Second
	outlookBlind = 30 * time.Second
	outlookMax   = 3 * time.Minute
	// outlookTurn is how long another limit may be shown without being a new one: two
	// limits of which as much is left are shown in turn.
	outlookTurn = 600 * time.Millisecond
	// leastLeft is the shortest time left that is told. What is in flight counts as not
	// done, so a shorter one would be too long by more than half.
	leastLeft = 8 * time.Second
	// outlookLeast is how many requests the pace is measured by at least.
	outlookLeast = 8
	// steadyWithin is how much the two halves of what is measured may differ.
	steadyWithin = 2

	// burstShare and burstTimes tell a burst from a pace that lasts. In each limit that
	// Auth0 publishes as a burst and a rate a minute, a minute allows at most burstTimes
	// as many requests as the burst, which is less than burstShare of it a second. A
	// faster pace lasts only if it has gone on for longer than such a minute allows.
	burstShare = 0.4
	burstTimes = 20
)

// sight is what is seen of a run at a moment.
type sight struct {
	at          time.Time
	done, total float64 // of what takes a request if all goes well
	sent        float64 // requests, the refused ones aside
	pace        ratelimit.State
	halted      bool // by an outage or a signal, so that its pace says nothing
}

// outlook estimates how long the rest of a run takes, from what was seen of it since
// its pace may have changed, the oldest first.
type outlook []sight

// left returns how long the rest takes, and 0 if nobody can know.
func (o *outlook) left(s sight) time.Duration {
	o.see(s)
	if len(*o) == 0 {
		return 0
	}
	now := s.at
	if last := (*o)[len(*o)-1]; last.pace.Limit != s.pace.Limit {
		s = last // two limits are shown in turn, and this is not the one that is measured
	}
	from := (*o)[0]
	half, _ := slices.BinarySearchFunc(*o, from.at.Add(s.at.Sub(from.at)/2), func(old sight, at time.Time) int { return old.at.Compare(at) })
	middle := (*o)[min(half, len(*o)-1)]
	speed, inflow := pace(from, s)
	_, before := pace(from, middle)
	_, since := pace(middle, s)
	if min(before, since) > 0 && max(before, since) > steadyWithin*min(before, since) && s.at.Sub(from.at) > outlookMin {
		*o = (*o)[half:]
		return 0
	}
	requests := (s.total - s.done) * s.sent / s.done // a refused batch takes more than one
	switch {
	case s.sent-from.sent < outlookLeast, s.done <= 0, s.done >= s.total, !(min(before, since) > 0),
		s.at.Sub(from.at) < outlookMin, s.unshown() && s.at.Sub(from.at) < outlookBlind,
		s.mayBeBurst(from, inflow),
		s.inWindows(inflow) && requests < 2*float64(s.pace.Limit), // it depends on when the next begins
		requests < s.pace.Credit && s.pace.Allowed > 2*speed:      // a burst is about to begin
		return 0
	}
	left := duration(requests, limit{0, speed, time.Second}, limit{s.pace.Credit, inflow, time.Second})
	if left = max(left, s.pace.Waiting.Until.Sub(s.at)) - now.Sub(s.at); left < leastLeft {
		return 0
	}
	return left
}

// see notes what is seen, and forgets what says nothing of the pace any more.
func (o *outlook) see(s sight) {
	if len(*o) > 0 && s.differs((*o)[len(*o)-1]) || s.halted || s.sent == 0 {
		*o = nil
	}
	*o = slices.DeleteFunc(*o, func(old sight) bool { return s.at.Sub(old.at) > outlookMax })
	n := len(*o)
	switch {
	case s.halted, s.sent == 0, n > 0 && s.pace.Limit != (*o)[n-1].pace.Limit:
	case n > 1 && s.at.Sub((*o)[n-2].at) < time.Second:
		(*o)[n-1] = s // one a second is enough, and the newest
	default:
		*o = append(*o, s)
	}
}

// differs reports whether s is of something else than old, or has been under another
// limit since.
func (s sight) differs(old sight) bool {
	return s.total != old.total || s.pace.Limit != old.pace.Limit && s.at.Sub(old.at) > outlookTurn || (s.pace.Refused > 0) != (old.pace.Refused > 0)
}

// pace returns how many requests a second were sent between two moments, and how many
// the limit would have allowed without a burst.
func pace(from, to sight) (speed, inflow float64) {
	took := to.at.Sub(from.at).Seconds()
	sent := to.sent - from.sent
	return sent / took, (sent + float64(to.pace.Remaining-from.pace.Remaining)) / took
}

// unshown reports whether there is, or may be, a limit that does not show itself.
func (s sight) unshown() bool { return s.pace.Limit == 0 || s.pace.Refused > 0 }

// mayBeBurst reports whether a limit a minute may soon slow the run down.
func (s sight) mayBeBurst(from sight, inflow float64) bool {
	burst := float64(s.pace.Limit)
	return !s.unshown() && inflow > burstShare*burst && s.sent-from.sent < burstTimes*burst*(1+s.at.Sub(from.at).Minutes())
}

// inWindows reports whether the limit does not come back little by little.
func (s sight) inWindows(inflow float64) bool { return !s.unshown() && inflow > 4*s.pace.Refill }
