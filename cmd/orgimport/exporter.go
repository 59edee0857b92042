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

// exporter reads the members of several organizations at a time, and writes them
// in order. It holds the members of one organization, and some of the members of
// the organizations after it.
type exporter struct {
	members func(ctx context.Context, orgID string) iter.Seq2[auth0.Member, error]
	workers int // most organizations read at a time
	most    int // most members held of organizations after head

	mu     sync.Mutex
	moved  sync.Cond // ahead has shrunk, head has changed, or the run is over
	ahead  int       // members held of organizations after head
	head   *roster   // the organization to be written next; its members are not limited
	closed bool

	// For the progress.
	organizations, read atomic.Int64
}

// roster holds the members of one organization.
type roster struct {
	org     auth0.Organization
	members []auth0.Member
	err     error
	done    chan struct{} // closed when all of them are read
	ahead   int           // members read before it became head
}

// run calls write with each organization in turn. Its members are sorted by id,
// each once. An organization that does not exist any more has an err that reaches
// the organization. Any other error ends the run, including one of write.
func (e *exporter) run(ctx context.Context, orgs []auth0.Organization, write func(*roster) error) error {
	ctx, cancel := context.WithCancel(ctx)
	e.moved.L = &e.mu
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
		e.turnOf(r)
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
	for !e.closed && e.head != r && e.ahead >= e.most {
		e.moved.Wait()
	}
	if e.head != r {
		e.ahead++
		r.ahead++
	}
	return !e.closed
}

// turnOf makes r the organization to be written next.
func (e *exporter) turnOf(r *roster) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ahead -= r.ahead
	e.head = r
	e.moved.Broadcast()
}

func (e *exporter) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	e.moved.Broadcast()
}
