package importer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"
)

// Run sends the batches with op, at most n at a time, and yields the outcomes of
// their rows: all outcomes of one batch at once, in the order in which the
// answers arrive. It reads a batch only when a worker is free to send it.
//
// A worker narrows a refused batch until each bad row is found, so every row gets
// an answer of its own; see narrow.go. A row with Err comes out without a
// request.
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
		if op.Prefix == "" {
			yield(nil, fmt.Errorf("the operation %q has no prefix: its results could not be resumed", op.Name))
			return
		}
		ctx, stop := context.WithCancelCause(ctx)
		defer stop(nil)
		work := make(chan Batch)
		go func() {
			defer close(work)
			if err := feed(ctx, work, batches); err != nil {
				stop(err)
			}
		}()
		out := make(chan []Outcome)
		var workers sync.WaitGroup
		s := newSender(op)
		for range n {
			workers.Go(func() {
				if err := s.work(ctx, work, out); err != nil {
					stop(err)
				}
			})
		}
		go func() {
			workers.Wait()
			close(out)
		}()
		listening := true
		for outcomes := range out { // drained even after break, so that no worker blocks
			if listening && !yield(outcomes, nil) {
				listening = false
				stop(errors.New("the caller stopped reading outcomes"))
			}
		}
		if listening && ctx.Err() != nil {
			yield(nil, context.Cause(ctx))
		}
	}
}

// feed sends the batches to work until they end or ctx does. It returns the
// error of the input.
func feed(ctx context.Context, work chan<- Batch, batches iter.Seq2[Batch, error]) error {
	for b, err := range batches {
		if err != nil {
			return err
		}
		select {
		case work <- b:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// work sends batches until there are no more, or ctx ends, or a batch ends the
// run. Even then, it passes on the outcomes that are known.
func (s *sender) work(ctx context.Context, work <-chan Batch, out chan<- []Outcome) error {
	for {
		select {
		case b, ok := <-work:
			if !ok {
				return nil
			}
			outcomes, err := s.sendBatch(ctx, b)
			if len(outcomes) > 0 {
				out <- outcomes
			}
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// Unsent returns the outcome of a row with Err, which no request carries.
func Unsent(r Row) Outcome {
	o := Outcome{Row: r, Status: Rejected, Receipt: Receipt{Message: r.Err.Error(), Time: time.Now()}}
	if d, ok := errors.AsType[*Decided](r.Err); ok {
		o.Status, o.Code, o.Transient, o.CorrelationID = d.Status, d.Code, d.Transient, d.CorrelationID
	}
	if e, ok := errors.AsType[*Rejection](r.Err); ok {
		o.Code = e.Code
	}
	return o
}
