package ratelimit

import "time"

// Rules are the rules of the limiter by name, each with a change of its numbers
// that puts the rule out of force.
func Rules() []string {
	names := make([]string, 0, len(without))
	for _, w := range without {
		names = append(names, w.rule)
	}
	return names
}

// Without puts a rule of the limiter out of force.
func Without(t *Transport, rule string) {
	t.once.Do(t.init)
	for _, w := range without {
		if w.rule == rule {
			w.change(&t.limiter.tuning)
		}
	}
}

const long = 1000 * time.Hour

var without = []struct {
	rule   string
	change func(*tuning)
}{
	{"the refill is learnt", func(t *tuning) { t.smooth = long }},
	{"credit sets the pace, not the refill alone", func(t *tuning) { t.settle = time.Nanosecond }},
	{"and does so within fewer requests where it is fast", func(t *tuning) { t.settleCount = 1e9 }},
	{"a surplus is spread over the time to the reset", func(t *tuning) { t.spreadMax = t.spreadMin }},
	{"over a second at least", func(t *tuning) { t.spreadMin = time.Millisecond }},
	{"the spreading comes to an end", func(t *tuning) { t.tail = 0 }},
	{"a level is kept where it is free", func(t *tuning) { t.dripTime = 0 }},
	{"what is kept of a large limit can be seen", func(t *tuning) { t.rim = 1e9 }},
	{"answers under way are waited for", func(t *tuning) { t.answerTime = 0 }},
	{"a far reset is tried once before", func(t *tuning) { t.probeFar = long }},
	{"probes in vain become rarer", func(t *tuning) { t.probeMax = t.probeMin }},
	{"a refusal costs trust", func(t *tuning) { t.trustCut = 1 }},
	{"a hidden limit is learnt", func(t *tuning) { t.hitSlack = 1e9 }},
	{"a surprise stops everybody", func(t *tuning) { t.hitPause = 0 }},
}
