package ratelimit

import "time"

// book is what is known of one limit.
type book struct {
	limit     int
	remaining int       // what was left of it
	ticket    int       // after this request
	at        time.Time // then
	shownAt   time.Time // when that answer was here
	reset     time.Time // as it was told

	vain   bool      // a look before the reset found nothing
	refill float64   // requests a second that come back, less what others use
	level  float64   // permissions left plus those we took, which only others change
	sentAt time.Time // when the request left that showed it
	edge   time.Time // a far reset: a jump there is a new window, not refill
}

// left is what is left after the request with this ticket, if all requests
// since the last answer have been counted, which is not known.
func (b *book) left(now time.Time, ticket int, flow float64) float64 {
	return min(float64(b.remaining-(ticket-b.ticket))+flow*now.Sub(b.at).Seconds(), float64(b.limit))
}

// pace is how fast credit is used: as fast as it comes back, but for the last of
// it, which all who share the limit see alike; and what is beyond that by the
// reset, where there may be a new window.
func (b *book) pace(l law, now time.Time, credit float64) float64 {
	credit = max(1, credit)
	spread := clamp(b.reset.Sub(now), l.spreadMin, l.spreadMax).Seconds()
	flow := min(b.refill, credit*max(1/l.settle.Seconds(), b.refill/l.settleCount))
	return max(flow+credit/spread, l.tail*float64(b.limit)/spread-b.refill)
}

// learn follows the level: its slope is what comes back.
func (b *book) learn(l law, sentAt time.Time, level float64, reset time.Time, in time.Duration) {
	edge := !b.edge.IsZero() && !sentAt.Before(b.edge.Add(-l.edgeSlack))
	if dt := sentAt.Sub(b.sentAt); !b.sentAt.IsZero() && !edge && dt > 0 {
		over := clamp(seconds(l.smoothCount/max(b.refill, 0.001)), l.smoothMin, l.smoothMax)
		b.refill += (level - b.level - b.refill*dt.Seconds()) / max(dt, over).Seconds()
		b.refill = max(0, b.refill)
	}
	b.level, b.sentAt = level, sentAt
	if edge {
		b.edge = time.Time{}
	}
	if in > l.edgeFar {
		b.edge = reset
	}
}
