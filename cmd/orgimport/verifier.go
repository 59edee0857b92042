package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/retry"
	"orgimport/report"
)

// firstPause is the pause before the first repeated look. Each further pause is
// twice as long as the one before.
const firstPause = time.Second

// verifier compares the lines of a results file with the tenant.
type verifier struct {
	*observer
	members func(ctx context.Context, orgID string) iter.Seq2[auth0.Member, error]
	settle  time.Duration // how long the list of members may lag
	workers int           // most organizations read at a time
	expectations
	damaged int // lines that could not be read

	// For the progress: organizations that were read, lines that are true.
	asked, found atomic.Int64
}

// minRepeats is how many requests the repeated looks may make even if the first
// look made fewer.
const minRepeats = 100

// verify reads the members of each organization. Where a line is not true yet, it
// reads them again, until all lines are true or the time to settle is over. An
// error means that it was stopped.
//
// All repeated looks together make no more requests than the first look: if the
// lists are long, the looks are few and far apart, and the last one is at the end
// of the time to settle.
func (v *verifier) verify(ctx context.Context) error {
	pending, err := v.look(ctx, v.all)
	if err != nil {
		return err
	}
	budget := max(minRepeats, countPages(v.all))
	end := time.Now().Add(v.settle)
	for pause := firstPause; len(pending) > 0; pause *= 2 {
		left := time.Until(end)
		looks := budget / max(1, countPages(pending))
		if left <= 0 || looks == 0 {
			return nil
		}
		if needed := bits.Len64(uint64(left / pause)); looks < needed {
			pause = max(pause, left/time.Duration(looks))
		}
		pause = min(pause, left)
		v.log.Info(fmt.Sprintf("%s %s %s, in %s: checking again in %s", report.Plural(countOpen(pending), "line"), report.Verb(countOpen(pending), "is", "are"), v.yet, report.Plural(len(pending), "organization"), pause.Round(100*time.Millisecond)))
		if !retry.Sleep(ctx, pause, nil) {
			return context.Cause(ctx)
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

// look reads the members of all organizations, several at a time, and returns the
// organizations that are worth another look.
func (v *verifier) look(ctx context.Context, all []*expected) (again []*expected, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan *expected)
	var workers sync.WaitGroup
	for range min(v.workers, len(all)) {
		workers.Go(func() {
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
	workers.Wait()
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

// ask reads the members of one organization. An error means that no other
// organization can be read either.
func (v *verifier) ask(ctx context.Context, e *expected) error {
	before := len(e.open)
	err := e.look(v.members(ctx, e.orgID))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	first := e.state == unasked
	list, ok := errors.AsType[*auth0.ListError](err)
	switch {
	case err == nil:
		e.state, e.why = read, nil
	case !ok:
		return err
	case list.Extent == auth0.Absent:
		e.absent(err)
	case list.Reach() == importer.ReachBatch: // try again later
		e.state, e.why = unread, err
	default:
		e.state, e.why = unlisted, err
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

// progress returns how far the verifier is. The ui calls it from its own
// goroutine.
func (v *verifier) progress() progress {
	asked, all := v.asked.Load(), int64(len(v.all))
	return progress{
		done: asked, total: all,
		words: fmt.Sprintf("%s of %s, %s of %s %s", report.Number(int(asked)), report.Plural(int(all), "organization"), report.Number(int(v.found.Load())), report.Plural(v.lines, "line"), v.holds),
	}
}
