package importer

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"
)

// Run sends the batches with op, at most n at a time, and yields what became
// of their rows: all that one batch decided at once, in the order in which the
// answers came. It reads no further ahead than there are workers free to send.
//
// A refused batch is narrowed where it stands until the rows to blame are
// alone, so every row gets an answer of its own; see narrow.go. Rows that carry
// an Err come out as they went in, without a request.
//
// When ctx is cancelled, or nothing further can succeed ([ReachRun]), or the
// input breaks, the intake stops at once. What is on the wire is finished and
// yielded, and the last thing yielded is the error: the cause of ctx, or what
// went wrong first. Rows without an outcome have not been attempted, or their
// answer was lost. A reader that hangs is not waited for; it ends when its
// input does, so the caller leaves alone what the batches are made from.
func Run(ctx context.Context, batches iter.Seq2[Batch, error], op Op, n int) iter.Seq2[[]Outcome, error] {
	return func(yield func([]Outcome, error) bool) {
		ctx, stop := context.WithCancelCause(ctx)
		defer stop(nil)

		work := make(chan Batch)
		go func() {
			defer close(work)
			for b, err := range batches {
				if err != nil {
					stop(err)
					return
				}
				select {
				case work <- b:
				case <-ctx.Done():
					return
				}
			}
		}()

		var (
			workers sync.WaitGroup
			out     = make(chan []Outcome)
			gone    = make(chan struct{}) // closed when nobody listens any more
			s       = newSender(op)
		)
		for range n {
			workers.Go(func() {
				for {
					select {
					case b, ok := <-work:
						if !ok {
							return
						}
						outcomes, err := s.settle(ctx, b)
						if len(outcomes) > 0 {
							// Not given up for ctx: an answer that came
							// must reach the results.
							select {
							case out <- outcomes:
							case <-gone:
							}
						}
						if err != nil {
							stop(err)
							return
						}
					case <-ctx.Done():
						return
					}
				}
			})
		}
		go func() {
			workers.Wait()
			close(out)
		}()

		for outcomes := range out {
			if !yield(outcomes, nil) {
				stop(errors.New("nobody reads the outcomes"))
				close(gone)
				workers.Wait()
				return
			}
		}
		if ctx.Err() != nil {
			yield(nil, context.Cause(ctx))
		}
	}
}

// unsent returns the outcome of a row that needs no request.
func unsent(r Row) Outcome {
	o := Outcome{Row: r, Status: Rejected, Receipt: Receipt{Message: r.Err.Error(), Time: time.Now()}}
	var settled *Settled
	if errors.As(r.Err, &settled) {
		o.Status = settled.Status
	}
	return o
}
