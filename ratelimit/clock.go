package ratelimit

import "time"

// clock relates the server's clock to ours by the Date of its answers. Date is
// cut to whole seconds and has been under way, so that ours minus it is too
// large by up to a second and more: the least that was seen is nearest.
type clock struct {
	offset time.Duration
	known  bool
}

func (c *clock) set(now, date time.Time) {
	if date.IsZero() {
		return
	}
	d := now.Sub(date)
	if !c.known || d < c.offset {
		c.offset, c.known = d, true
		return
	}
	c.offset += time.Millisecond // lets it follow a clock that is set, or runs slow
}

// local returns a time of the server's clock by ours.
func (c *clock) local(t time.Time) time.Time { return t.Add(c.offset) }
