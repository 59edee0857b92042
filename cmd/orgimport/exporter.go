package main

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"orgimport/importer"
	"orgimport/importer/auth0"
)

// exporter reads the members of several organizations at a time, and passes the
// organizations on in order. It holds the members of the organization whose turn
// it is, and some members of those after it.
type exporter struct {
	members  func(ctx context.Context, orgID string) iter.Seq2[auth0.Member, error]
	workers  int // organizations read at a time, at most
	maxAhead int // members held of organizations whose turn has not come, at most

	mu      sync.Mutex
	changed sync.Cond // ahead has shrunk, head has changed, or the run is over
	ahead   int       // members held of organizations whose turn has not come
	head    *roster   // the organization whose turn it is; it never waits for room
	closed  bool

	// Counts for the progress.
	organizations atomic.Int64 // written
	read          atomic.Int64 // members read
}

// roster holds the members of one organization.
type roster struct {
	org     auth0.Organization
	members []auth0.Member
	err     error
	done    chan struct{} // closed when all members are read, or err is set
	ahead   int           // members of it that count in exporter.ahead
}

// run calls write for each organization in turn, with its members sorted by id and
// without duplicates. For an organization that no longer exists, the roster has an
// err whose reach is the organization. Any other error, including one from write,
// ends the run.
func (e *exporter) run(ctx context.Context, orgs []auth0.Organization, write func(*roster) error) error {
	ctx, cancel := context.WithCancel(ctx)
	e.changed.L = &e.mu
	rosters := make(chan *roster, e.workers-1)
	var readers sync.WaitGroup
	defer readers.Wait()
	defer e.close()
	defer cancel()
	readers.Go(func() {
		defer close(rosters)
		for _, org := range orgs {
			r := &roster{org: org, done: make(chan struct{})}
			select {
			case rosters <- r:
				readers.Go(func() { e.fill(ctx, r) })
			case <-ctx.Done():
				return
			}
		}
	})
	for r := range rosters {
		e.advance(r)
		<-r.done
		if r.err != nil && (ctx.Err() != nil || importer.ReachOf(r.err) != importer.ReachOrg) {
			return cmp.Or(context.Cause(ctx), r.err)
		}
		if err := write(r); err != nil {
			return err
		}
		e.organizations.Add(1)
	}
	return context.Cause(ctx)
}

// fill reads the members of an organization.
func (e *exporter) fill(ctx context.Context, r *roster) {
	defer close(r.done)
	for m, err := range e.members(ctx, r.org.ID) {
		if err != nil {
			r.err = err
			return
		}
		if !e.hold(r) {
			r.err = context.Canceled
			return
		}
		r.members = append(r.members, m)
		e.read.Add(1)
	}
	slices.SortStableFunc(r.members, func(a, b auth0.Member) int { return strings.Compare(a.UserID, b.UserID) })
	r.members = slices.CompactFunc(r.members, func(a, b auth0.Member) bool { return a.UserID == b.UserID })
}

// hold waits until there is room for one more member of r, and reports whether
// the run continues.
func (e *exporter) hold(r *roster) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for !e.closed && e.head != r && e.ahead >= e.maxAhead {
		e.changed.Wait()
	}
	if e.head != r {
		e.ahead++
		r.ahead++
	}
	return !e.closed
}

// advance makes r the organization whose turn it is.
func (e *exporter) advance(r *roster) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ahead -= r.ahead
	e.head = r
	e.changed.Broadcast()
}

func (e *exporter) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	e.changed.Broadcast()
}
