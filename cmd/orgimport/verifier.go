package main

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"orgimport/importer"
)

// firstSettle is the first pause before whoever is missing is asked for again;
// each is twice as long as the one before.
const firstSettle = time.Second

// verifier looks for users among the members of their organizations.
type verifier struct {
	observer
	members func(ctx context.Context, orgID string) iter.Seq2[string, error]
	settle  time.Duration // how long the list of members may lag behind
	workers int           // organizations asked for at a time, at most
	rolls   *rolls

	// For the progress: organizations that were asked for, lines that were found.
	asked, there atomic.Int64
}

// run looks into each organization, and again into those where someone is
// missing, until nobody is or the time to settle is over. An error means that it
// was stopped.
func (v *verifier) run(ctx context.Context) error {
	pending, err := v.look(ctx, v.rolls.all)
	if err != nil {
		return err
	}
	end := time.Now().Add(v.settle)
	for pause := firstSettle; len(pending) > 0; pause *= 2 {
		left := time.Until(end)
		if left <= 0 {
			return nil
		}
		pause = min(pause, left)
		v.log.Info(fmt.Sprintf("%d lines are not there yet, in %d organizations: asking again in %s", countMissing(pending), len(pending), pause.Round(100*time.Millisecond)))
		if err := rest(ctx, pause); err != nil {
			return err
		}
		if pending, err = v.look(ctx, pending); err != nil {
			return err
		}
	}
	return nil
}

// look asks for each organization, several at a time, and returns those that are
// worth another look.
func (v *verifier) look(ctx context.Context, all []*roll) (again []*roll, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan *roll)
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
func (v *verifier) ask(ctx context.Context, r *roll) error {
	before := len(r.missing)
	err := r.call(v.members(ctx, r.orgID))
	v.there.Add(int64(before - len(r.missing)))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if r.state == unasked {
		v.asked.Add(1)
	}
	switch reach := importer.ReachOf(err); {
	case err == nil:
		r.state, r.why = read, nil
	case reach == importer.ReachOrg:
		r.state, r.why = read, err
	case reach == importer.ReachBatch: // no answer for the time being
		r.state, r.why = unread, err
	default:
		return err
	}
	return nil
}

// pending reports whether another look may find more.
func (r *roll) pending() bool {
	return r.state == unread || r.state == read && r.why == nil && len(r.missing) > 0
}

func countMissing(all []*roll) (n int) {
	for _, r := range all {
		n += len(r.missing)
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
	asked, all := v.asked.Load(), int64(len(v.rolls.all))
	return progress{
		done: asked, total: all,
		words: fmt.Sprintf("%d of %d organizations, %d of %d lines there", asked, all, v.there.Load(), v.rolls.lines),
	}
}
