package main

import (
	"context"
	"fmt"
	"iter"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/report"
)

// firstSettle is the first pause before whoever is missing is asked for again;
// each is twice as long as the one before.
const firstSettle = time.Second

// verifier holds the lines of a results file against the tenant.
type verifier struct {
	observer
	members func(ctx context.Context, orgID string) iter.Seq2[auth0.Member, error]
	settle  time.Duration // how long the list of members may lag behind
	workers int           // organizations asked for at a time, at most
	expectations

	// For the progress: organizations that were asked for, lines that were found.
	asked, found atomic.Int64
}

// leastAgain is up to how many requests asking again may take where the first
// look took less.
const leastAgain = 100

// run looks into each organization, and again into those where a line does not
// hold yet, until all do or the time to settle is over. An error means that it was
// stopped.
//
// Asking again takes no more requests altogether than the first look took: where
// lists are long, the looks are few and far between, the last of them at the end
// of the time to settle.
func (v *verifier) run(ctx context.Context) error {
	pending, err := v.look(ctx, v.all)
	if err != nil {
		return err
	}
	budget := max(leastAgain, countPages(v.all))
	end := time.Now().Add(v.settle)
	for pause := firstSettle; len(pending) > 0; pause *= 2 {
		left := time.Until(end)
		looks := budget / max(1, countPages(pending))
		if left <= 0 || looks == 0 {
			return nil
		}
		if needed := bits.Len64(uint64(left / pause)); looks < needed {
			pause = max(pause, left/time.Duration(looks))
		}
		pause = min(pause, left)
		v.log.Info(fmt.Sprintf("%s %s %s, in %s: asking again in %s", report.Plural(countOpen(pending), "line"), report.Verb(countOpen(pending), "is", "are"), v.yet, report.Plural(len(pending), "organization"), pause.Round(100*time.Millisecond)))
		if err := rest(ctx, pause); err != nil {
			return err
		}
		again, err := v.look(ctx, pending)
		if err != nil {
			return err
		}
		budget -= countPages(pending)
		pending = again
	}
	return nil
}

// look asks for each organization, several at a time, and returns those that are
// worth another look.
func (v *verifier) look(ctx context.Context, all []*expected) (again []*expected, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan *expected)
	var askers sync.WaitGroup
	for range min(v.workers, len(all)) {
		askers.Go(func() {
			for r := range work {
				if ctx.Err() != nil {
					continue
				}
				if err := v.ask(ctx, r); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, r := range all {
		select {
		case work <- r:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(work)
	askers.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	for _, r := range all {
		if r.pending() {
			again = append(again, r)
		}
	}
	return again, nil
}

// ask reads the members of one organization. An error means that nothing else
// can be read either.
func (v *verifier) ask(ctx context.Context, e *expected) error {
	before := len(e.open)
	err := e.look(v.members(ctx, e.orgID))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	first := e.state == unasked
	switch reach := importer.ReachOf(err); {
	case err == nil:
		e.state, e.why = read, nil
	case reach == importer.ReachOrg:
		e.absent(err)
	case reach == importer.ReachBatch: // no answer for the time being
		e.state, e.why = unread, err
	default:
		return err
	}
	v.found.Add(int64(before - len(e.open)))
	if first {
		v.asked.Add(1)
	}
	return nil
}

func countOpen(all []*expected) (n int) {
	for _, e := range all {
		n += len(e.open)
	}
	return n
}

func countPages(all []*expected) (n int) {
	for _, e := range all {
		n += e.pages
	}
	return n
}

// rest waits, or returns why ctx ended.
func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// progress is asked for by the ui, from its own goroutine.
func (v *verifier) progress() progress {
	asked, all := v.asked.Load(), int64(len(v.all))
	return progress{
		done: asked, total: all,
		words: fmt.Sprintf("%s of %s, %s of %s %s", report.Number(int(asked)), report.Plural(int(all), "organization"), report.Number(int(v.found.Load())), report.Plural(v.lines, "line"), v.holds),
	}
}
