package ratelimit

import "time"

// bucket is the limit that the newest answer showed.
type bucket struct {
	limit     int
	remaining int       // what was left of it
	ticket    int       // after this request
	sentAt    time.Time // when that left
	at        time.Time // when it was decided, as far as can be said
	shownAt   time.Time // when its answer was here
	reset     time.Time // by our clock

	probed bool    // a probe before the reset found nothing
	refill float64 // requests a second that come back, less what others use
	level  float64 // permissions left plus those we took, which only others change
}

// left is what is left after the request with this ticket, if all requests
// since the last answer have been counted, which is not known.
func (b *bucket) left(now time.Time, ticket int, flow float64) float64 {
	return min(float64(b.remaining-(ticket-b.ticket))+flow*now.Sub(b.at).Seconds(), float64(b.limit))
}

// pace is how fast credit is used. It is used as fast as it comes back, but more
// slowly when little is left, because all who share the limit see the same rest.
// What is beyond that is spread over the time to the reset, when a new window may
// begin.
func (b *bucket) pace(t tuning, now time.Time, credit float64) float64 {
	credit = max(1, credit)
	spread := clamp(b.reset.Sub(now), t.spreadMin, t.spreadMax).Seconds()
	last := min(t.settleCount, float64(b.limit)/2) // requests that the last credit is used within
	flow := min(b.refill, credit*max(1/t.settle.Seconds(), b.refill/last))
	return max(flow+credit/spread, t.tail*float64(b.limit)/spread-b.refill)
}

// learn follows the level: its slope is what comes back.
func (b *bucket) learn(t tuning, sentAt time.Time, level float64) {
	if dt := sentAt.Sub(b.sentAt); !b.sentAt.IsZero() && dt > 0 {
		b.refill += (level - b.level - b.refill*dt.Seconds()) / max(dt, t.smooth).Seconds()
		b.refill = max(0, b.refill)
	}
	b.level, b.sentAt = level, sentAt
}
