package importer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"
)

// Run sends the batches with op, at most n at a time, and yields the outcomes of
// their rows: all outcomes of one batch at once, in the order in which the
// answers arrive. It reads a batch only when that can be sent; see Op.Ready.
//
// A refused batch is narrowed until each bad row is found, so every row gets an
// answer of its own; see narrow.go. A row with Err comes out without a request.
//
// An organization that does not answer holds no other: at most five batches of one
// are under way without an answer to any of them. Its next ones are put aside, up to
// a bound, until it answers. If none of five was answered and other organizations
// are, its other rows fail.
//
// When ctx is cancelled, or nothing further can succeed ([ReachRun]), or the
// input fails, Run reads no more batches. Requests on the wire are finished and
// their outcomes yielded, and the error comes last: the cause of ctx, or what
// went wrong first. Rows without an outcome were not attempted, or their answer
// was lost. Run does not wait for a read of batches that hangs: that goroutine
// ends when the read returns, so the caller must not touch what batches reads
// from.
func Run(ctx context.Context, batches iter.Seq2[Batch, error], op Op, n int) iter.Seq2[[]Outcome, error] {
	return func(yield func([]Outcome, error) bool) {
		if !IsPrefix(op.Prefix) || !op.Done.Settled() {
			yield(nil, fmt.Errorf("the operation %q has the prefix %q and the status %q: its results could not be resumed", op.Name, op.Prefix, op.Done))
			return
		}
		r := newRun(ctx, op, n)
		defer r.stop(nil)
		go func() {
			defer close(r.work)
			if err := r.read(batches); err != nil {
				r.stop(err)
			}
		}()
		go func() {
			r.begin()
			r.sending.Wait()
			close(r.out)
		}()
		listening := true
		for outcomes := range r.out { // drained even after break, so that nobody blocks
			if listening && !yield(outcomes, nil) {
				listening = false
				r.stop(errors.New("the caller stopped reading outcomes"))
			}
		}
		if listening && r.ctx.Err() != nil {
			yield(nil, context.Cause(r.ctx))
		}
	}
}

const (
	// mostUnanswered is how many batches of an organization are under way without an
	// answer to one of them, and how many in a row get none before its other rows fail.
	mostUnanswered = 5
	// patience is how long an answer is waited for before batches are put aside.
	patience = 3 * time.Second
	// mostAside bounds the memory that they take. Auth0 allows 100,000 members in an
	// organization, which are so many batches.
	mostAside = 10_000
)

// run is the state of a Run, and what it remembers of answers that make further
// requests pointless.
type run struct {
	op      Op
	ctx     context.Context
	stop    context.CancelCauseFunc
	most    int // batches at a time
	work    chan Batch
	out     chan []Outcome
	sending sync.WaitGroup

	mu            sync.Mutex
	changed       sync.Cond // what follows; not a mutex per organization: synctest's clock advances while a Cond waits
	organizations map[string]*organization
	users         map[string]Receipt // refusals of users that do not exist
	answers       int                // of all organizations
	underWay      int                // batches
	aside         int                // batches that were put aside
}

// organization is what is known of an organization while it has batches, and for
// longer if it takes no rows.
type organization struct {
	underWay   int
	unanswered int     // of those, the ones begun since it answered last
	aside      []Batch // that wait until it answers

	requests  int  // under way
	exclusive bool // they are of the one batch that has the organization to itself
	claims    int  // batches that wait for that; they go before further requests

	failed  int     // requests in a row that got no usable answer
	failure Receipt // of the last of them
	answers int     // of all organizations when it answered last

	refusal *Receipt // of all its rows
	full    *Receipt // of rows that it has no room for
}

func newRun(ctx context.Context, op Op, n int) *run {
	r := &run{
		op: op, most: n, work: make(chan Batch), out: make(chan []Outcome),
		organizations: make(map[string]*organization), users: make(map[string]Receipt),
	}
	r.ctx, r.stop = context.WithCancelCause(ctx)
	r.changed.L = &r.mu
	return r
}

// read passes the batches on until they end or ctx does. It returns the error of
// the input.
func (r *run) read(batches iter.Seq2[Batch, error]) error {
	for b, err := range batches {
		if err != nil {
			return err
		}
		select {
		case r.work <- b:
		case <-r.ctx.Done():
			return nil
		}
	}
	return nil
}

// begin begins batches until there are no more, or ctx ends.
func (r *run) begin() {
	for r.wait(r.ctx, func() bool { return r.underWay < r.most && r.aside < mostAside }) {
		if r.op.Ready != nil {
			r.op.Ready(r.ctx)
		}
		select {
		case b, ok := <-r.work:
			switch {
			case !ok:
				return
			case !slices.ContainsFunc(b.Rows, func(row Row) bool { return row.Err == nil }):
				outcomes, _ := r.sendBatch(b) // sends nothing
				r.out <- outcomes
			case r.takes(b):
				r.sending.Go(func() { r.send(b) })
			}
		case <-r.ctx.Done():
			return
		}
	}
}

// wait waits until ok, which is called with mu held, or until ctx is done. It reports
// whether ctx goes on.
func (r *run) wait(ctx context.Context, ok func() bool) bool {
	defer context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.changed.Broadcast()
	})()
	r.mu.Lock()
	defer r.mu.Unlock()
	for !ok() && ctx.Err() == nil {
		r.changed.Wait()
	}
	return ctx.Err() == nil
}

// takes reports whether a batch may be sent now. Otherwise it is put aside for those
// of its organization that are under way.
func (r *run) takes(b Batch) bool {
	ctx, cancel := context.WithTimeout(r.ctx, patience)
	defer cancel()
	r.wait(ctx, func() bool {
		o := r.organization(b.OrgID)
		return r.open(o) || len(o.aside) > 0
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.organization(b.OrgID)
	if !r.open(o) {
		o.aside = append(o.aside, b)
		r.aside++
		return false
	}
	r.count(o, 1)
	return true
}

// send sends a batch, and after it those of its organization that were put aside. Of
// a run that is over, it passes on the outcomes that are known.
func (r *run) send(b Batch) {
	for ok := true; ok && r.ctx.Err() == nil; b, ok = r.next(b.OrgID) {
		outcomes, err := r.sendBatch(b)
		if len(outcomes) > 0 {
			r.out <- outcomes
		}
		if err != nil {
			r.stop(err)
		}
	}
}

// next notes that a batch has ended, and returns the next of its organization that
// was put aside.
func (r *run) next(orgID string) (b Batch, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.organization(orgID)
	r.count(o, -1)
	if len(o.aside) > 0 && r.open(o) {
		b, o.aside = o.aside[0], o.aside[1:]
		r.aside--
		r.count(o, 1)
		return b, true
	}
	if o.underWay == 0 && o.failed == 0 && o.refusal == nil && o.full == nil {
		delete(r.organizations, orgID)
	}
	return Batch{}, false
}

// organization returns what is known of an organization. This method and those below
// are called with mu held.
func (r *run) organization(id string) *organization {
	o := r.organizations[id]
	if o == nil {
		o = &organization{answers: r.answers}
		r.organizations[id] = o
	}
	return o
}

// silent reports whether an organization is taken not to answer.
func (r *run) silent(o *organization) bool {
	return o.failed >= mostUnanswered && r.answers > o.answers
}

// open reports whether a batch of an organization may begin, if only to fail.
func (r *run) open(o *organization) bool {
	return o.unanswered+o.failed < mostUnanswered || o.underWay == 0 || r.silent(o)
}

// count notes that a batch has begun (1) or ended (-1).
func (r *run) count(o *organization, n int) {
	r.underWay += n
	o.underWay += n
	o.unanswered = max(0, o.unanswered+n)
	r.changed.Broadcast()
}
