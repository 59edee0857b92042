package ratelimit

import "time"

// Rules are the rules of the gate by name, each with a change of its numbers
// that puts the rule out of force.
func Rules() []string {
	names := make([]string, 0, len(without))
	for _, w := range without {
		names = append(names, w.rule)
	}
	return names
}

// Without puts a rule of the gate out of force.
func Without(t *Transport, rule string) {
	t.once.Do(t.init)
	for _, w := range without {
		if w.rule == rule {
			w.change(&t.gate.law)
		}
	}
}

const long = 1000 * time.Hour

var without = []struct {
	rule   string
	change func(*law)
}{
	{"the refill is learnt", func(l *law) { l.smoothMin, l.smoothMax = long, long }},
	{"it is learnt faster where it is fast", func(l *law) { l.smoothMin = l.smoothMax }},
	{"credit sets the pace, not the refill alone", func(l *law) { l.settle = time.Nanosecond }},
	{"and does so within fewer requests where it is fast", func(l *law) { l.settleCount = 1e9 }},
	{"a surplus is spread over the time to the reset", func(l *law) { l.spreadMax = l.spreadMin }},
	{"over a second at least", func(l *law) { l.spreadMin = time.Millisecond }},
	{"the spreading comes to an end", func(l *law) { l.tail = 0 }},
	{"a level is kept where it is free", func(l *law) { l.dripTime = 0 }},
	{"the age of an answer is kept without a reserve", func(l *law) { l.flight = 0 }},
	{"a limit not shown is remembered", func(l *law) { l.wrongBy = -1e9 }},
	{"it drifts until it is shown", func(l *law) { l.unseen = 1 }},
	{"it is forgotten when disproved", func(l *law) { l.wrongBy = 1e9 }},
	{"what is kept of it can be seen", func(l *law) { l.rim = 1e9 }},
	{"answers under way are waited for", func(l *law) { l.answerTime = 0 }},
	{"a far reset is tried once before", func(l *law) { l.lookFar = long }},
	{"looks in vain become rarer", func(l *law) { l.lookMax = l.lookMin }},
	{"a new window is not refill", func(l *law) { l.edgeFar = long }},
	{"a refusal costs trust", func(l *law) { l.trustCut = 1 }},
	{"a hidden limit is learnt", func(l *law) { l.hitSlack = 1e9 }},
	{"a surprise stops everybody", func(l *law) { l.hitPause = 0 }},
}
