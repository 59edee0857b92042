package auth0test

import (
	"maps"
	"slices"
	"strings"
)

// Entry is one request in the log.
type Entry struct {
	Method, Path string
	OrgID        string // of the path
}

// Stats are the counts of a tenant.
type Stats struct {
	// Requests are counted by class and by status; 0 is the status of a
	// request that got no answer.
	Requests map[Class]map[int]int
	// InFlight is how many requests are under way, PeakInFlight how many were
	// at most.
	InFlight, PeakInFlight int
	// TokensIssued is how many tokens POST /oauth/token issued, whether or not
	// the answers reached the client.
	TokensIssued int
	// Leaks is how many requests for a download carried a token or a cookie.
	Leaks int
}

// Count returns how many requests of a class were answered with a status.
func (s Stats) Count(class Class, status int) int { return s.Requests[class][status] }

// Status returns how many requests of any class were answered with a status.
func (s Stats) Status(status int) int {
	n := 0
	for _, byStatus := range s.Requests {
		n += byStatus[status]
	}
	return n
}

// Total returns how many requests were answered or given up.
func (s Stats) Total() int {
	n := 0
	for _, byStatus := range s.Requests {
		for _, k := range byStatus {
			n += k
		}
	}
	return n
}

// Stats returns the counts so far.
func (t *Tenant) Stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.watch.stats
	s.Requests = make(map[Class]map[int]int, len(t.watch.stats.Requests))
	for class, byStatus := range t.watch.stats.Requests {
		s.Requests[class] = maps.Clone(byStatus)
	}
	return s
}

// Log returns the requests in the order of their arrival, if [Config.KeepLog] is
// set.
func (t *Tenant) Log() []Entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.watch.log)
}

// watch counts and remembers.
type watch struct {
	stats Stats
	came  map[Class]int
	log   []Entry
}

func newWatch() watch {
	return watch{
		stats: Stats{Requests: make(map[Class]map[int]int)},
		came:  make(map[Class]int),
	}
}

func (t *Tenant) arrive(c *call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := &t.watch
	w.came[c.class]++
	c.n = w.came[c.class]
	w.stats.InFlight++
	if c.class == Downloads && c.leaks() {
		w.stats.Leaks++
	}
	w.stats.PeakInFlight = max(w.stats.PeakInFlight, w.stats.InFlight)
	if t.cfg.KeepLog {
		w.log = append(w.log, Entry{c.Method, c.URL.Path, c.PathValue("org")})
	}
}

// leaks reports whether a request carries a secret that only the tenant may get.
// Two parts of a JSON Web Token begin with eyJ, the second of them after a dot; a
// link's signature may have these letters by chance, but no dot.
func (c *call) leaks() bool {
	for name, values := range c.Header {
		if name == "Authorization" || name == "Cookie" || strings.Contains(strings.Join(values, " "), ".eyJ") {
			return true
		}
	}
	return strings.Contains(c.URL.RawQuery, ".eyJ")
}

func (t *Tenant) leave(c *call, rep *reply) {
	status := 0
	if rep != nil {
		status = rep.status
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &t.watch.stats
	s.InFlight--
	if s.Requests[c.class] == nil {
		s.Requests[c.class] = make(map[int]int)
	}
	s.Requests[c.class][status]++
}
