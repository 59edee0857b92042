package ratelimit

import "time"

// bucket is the limit that the newest answer showed.
type bucket struct {
	limit     int
	remaining int       // what was left of it
	ticket    int       // after this request
	sentAt    time.Time // when that left
	first     time.Time // when the first request left that showed it
	at        time.Time // when it was decided, as far as can be said
	shownAt   time.Time // when its answer was here
	reset     time.Time // by our clock

	window bool    // the reset is not the time when it is full: what is left then is lost
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
	flow := min(b.refill, credit*(1/t.settle.Seconds()+b.refill/last))
	return max(flow+credit/spread, t.tail*float64(b.limit)/spread-b.refill)
}

// steady is the pace in the long run. What is left of a window has to be used before
// its end. That of a bucket has no hurry: until its refill is known, it is taken to
// fill up in fillTime.
func (b *bucket) steady(t tuning, now time.Time, credit float64) float64 {
	in := t.fillTime
	if b.window {
		in = clamp(b.reset.Sub(now), t.spreadMin, t.fillTime)
	}
	return max(b.refill, credit/in.Seconds())
}

// learn follows the level: its slope is what comes back. At first it is that since
// the first answer.
func (b *bucket) learn(t tuning, sentAt time.Time, level float64) {
	if b.first.IsZero() {
		b.first = sentAt
	} else if dt := sentAt.Sub(b.sentAt); dt > 0 {
		over := max(dt, clamp(sentAt.Sub(b.first), t.smooth/2, t.smooth))
		b.refill = max(0, b.refill+(level-b.level-b.refill*dt.Seconds())/over.Seconds())
	}
	b.level, b.sentAt = level, sentAt
}

// resets notes when the limit will be reset. A bucket that fills up in twice the usual
// time would be full before a window ends.
func (b *bucket) resets(t tuning, now, reset time.Time) {
	b.shownAt, b.reset = now, now.Add(clamp(reset.Sub(now), 0, t.farthest))
	lacking := float64(b.limit-b.remaining) / float64(b.limit)
	b.window = b.window || b.reset.Sub(now) > t.spreadMin+seconds(2*lacking*t.fillTime.Seconds())
}
