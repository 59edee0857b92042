package main

import (
	"fmt"
	"strings"
	"time"
)

// progress is where a run stands.
type progress struct {
	done, total int64 // rows, or bytes if the rows are not known beforehand; total 0: not known
	bytes       bool
	before      int64   // of done: what was done before this run
	learnt      float64 // rows a second that the tenant's limit allows; 0: not known
	members     int64
	failed      int64
	elapsed     time.Duration
	waiting     string // for what, and for how long; empty: for nothing
	words       string // what is said in the place of members and failures; empty: those
}

func (p progress) perSecond() float64 {
	if p.elapsed < time.Second {
		return 0
	}
	return float64(p.members) / p.elapsed.Seconds()
}

// left is the time that the rest takes: at the rate that was learnt of the
// tenant, which a burst at the start says nothing about, or else if it goes on
// as it went; 0: not known.
func (p progress) left() time.Duration {
	if p.done <= p.before || p.total <= p.done || p.elapsed < 3*time.Second {
		return 0
	}
	perSecond := float64(p.done-p.before) / p.elapsed.Seconds()
	if p.learnt > 0 {
		perSecond = min(perSecond, p.learnt)
	}
	return time.Duration(float64(p.total-p.done) / perSecond * float64(time.Second)).Round(time.Second)
}

// short is what stands beside the bar.
func (p progress) short() string {
	parts := []string{fmt.Sprintf("%d members", p.members)}
	if !p.bytes && p.total > 0 {
		parts[0] = fmt.Sprintf("%d/%d", p.done, p.total)
	}
	if p.words != "" {
		parts[0] = p.words
	}
	if rate := p.perSecond(); rate > 0 {
		parts = append(parts, fmt.Sprintf("%.1f/s", rate))
	}
	if p.failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", p.failed))
	}
	if p.waiting != "" {
		parts = append(parts, p.waiting)
	}
	if left := p.left(); left > 0 {
		parts = append(parts, left.String()+" left")
	}
	return strings.Join(parts, " · ")
}

// String is the line in a log.
func (p progress) String() string {
	s := fmt.Sprintf("%d members, %.1f a second, %d failed", p.members, p.perSecond(), p.failed)
	if p.words != "" {
		s = p.words
	} else if p.total > 0 && !p.bytes {
		s = fmt.Sprintf("%d of %d rows, ", p.done, p.total) + s
	}
	if p.waiting != "" {
		s += ", " + p.waiting
	}
	if left := p.left(); left > 0 {
		s += ", about " + left.String() + " left"
	}
	return s
}
