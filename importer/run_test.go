package importer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// batches yields n batches of two rows, and then err if there is one.
func batches(n int, err error) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		for i := range n {
			if !yield(batchOf(fmt.Sprint("org_", i), 2), nil) {
				return
			}
		}
		if err != nil {
			yield(Batch{}, err)
		}
	}
}

func collect(outcomes iter.Seq2[[]Outcome, error]) (all []Outcome, last error) {
	for o, err := range outcomes {
		all = append(all, o...)
		last = err
	}
	return all, last
}

func slowly(d time.Duration) Op {
	return Op{Prefix: "oi", Done: Added, Send: func(ctx context.Context, b Batch) (Receipt, error) {
		time.Sleep(d)
		return Receipt{HTTPStatus: 204, Attempts: 1}, nil
	}}
}

func TestRunKeepsNWorkersBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		all, err := collect(Run(t.Context(), batches(12, nil), slowly(time.Second), 4))
		if err != nil || len(all) != 24 {
			t.Fatalf("%d outcomes, %v", len(all), err)
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("12 batches of a second with 4 workers took %v, want 3s", took)
		}
	})
}

func TestRunSaysWhatRowsThatAreNotSentCameTo(t *testing.T) {
	rows := []Row{
		{OrgID: "org_a", UserID: "u", Line: 2, Err: errors.New("organization is empty")},
		{OrgID: "org_a", UserID: "v", Line: 3, Err: &Decided{Status: Duplicate, Message: "same pair as line 1"}},
	}
	in := func(yield func(Batch, error) bool) {
		for _, r := range rows {
			if !yield(Batch{OrgID: r.OrgID, Rows: []Row{r}}, nil) {
				return
			}
		}
	}
	op := func(context.Context, Batch) (Receipt, error) {
		t.Error("a row that can't be sent was sent")
		return Receipt{}, nil
	}
	all, err := collect(Run(t.Context(), in, Op{Prefix: "oi", Send: op}, 1))
	if err != nil || len(all) != 2 {
		t.Fatalf("%v, %v", all, err)
	}
	for i, want := range []Status{Rejected, Duplicate} {
		if o := all[i]; o.Status != want || o.Message != rows[i].Err.Error() || o.Attempts != 0 || o.Time.IsZero() {
			t.Errorf("outcome %+v, want %s", o, want)
		}
	}
}

func TestBrokenInputEndsTheRunAfterWhatWasRead(t *testing.T) {
	broken := errors.New("line 9: the file is cut short")
	all, err := collect(Run(t.Context(), batches(3, broken), slowly(0), 2))
	if !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
	if len(all) > 6 {
		t.Errorf("%d outcomes of 6 rows", len(all))
	}
}

func TestRefusedCredentialsEndTheRunAtOnce(t *testing.T) {
	refused := errors.New("token refused")
	var requests atomic.Int32
	op := func(context.Context, Batch) (Receipt, error) {
		requests.Add(1)
		return Receipt{}, refused
	}
	all, err := collect(Run(t.Context(), batches(1000, nil), Op{Prefix: "oi", Send: op}, 4))
	if !errors.Is(err, refused) || len(all) != 0 {
		t.Errorf("%d outcomes, error %v", len(all), err)
	}
	if n := requests.Load(); n > 4 {
		t.Errorf("%d requests were made with credentials known to be refused, want at most one a worker", n)
	}
}

func TestCancelFinishesWhatIsOnTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("SIGTERM")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(1500*time.Millisecond, func() { cancel(why) })
		start := time.Now()
		all, err := collect(Run(ctx, batches(1000, nil), slowly(time.Second), 4))
		if !errors.Is(err, why) {
			t.Errorf("error %v, want %v", err, why)
		}
		if len(all) != 16 {
			t.Errorf("%d outcomes, want the 16 rows of the 8 batches that were sent", len(all))
		}
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("stopped after %v, want the 2s that the second round takes", took)
		}
	})
}

func TestReaderThatHangsIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		hanging := func(yield func(Batch, error) bool) {
			if yield(batchOf("org_a", 2), nil) {
				<-release // a pipe that nobody writes to
			}
		}
		why := errors.New("SIGINT")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(why) })
		all, err := collect(Run(ctx, hanging, slowly(time.Second), 4))
		if !errors.Is(err, why) || len(all) != 2 {
			t.Errorf("%d outcomes, error %v", len(all), err)
		}
		close(release)
	})
}

func TestBreakEndsEveryStage(t *testing.T) {
	var read atomic.Int32
	in := func(yield func(Batch, error) bool) {
		for b := range batches(1000, nil) {
			read.Add(1)
			if !yield(b, nil) {
				return
			}
		}
	}
	for range Run(t.Context(), in, slowly(0), 4) {
		break
	}
	if read.Load() == 1000 {
		t.Error("the input was read to its end although nobody wanted the outcomes")
	}
}

// TestBreakWaitsForWhatIsOnTheWire, for whoever breaks may close what requests
// are sent through.
func TestBreakWaitsForWhatIsOnTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent, ended atomic.Int32
		op := Op{Prefix: "oi", Done: Added, Send: func(context.Context, Batch) (Receipt, error) {
			time.Sleep(time.Duration(sent.Add(1)) * time.Second)
			ended.Add(1)
			return Receipt{HTTPStatus: 204, Attempts: 1}, nil
		}}
		for range Run(t.Context(), batches(1000, nil), op, 4) {
			break
		}
		if sent.Load() != ended.Load() || ended.Load() < 4 {
			t.Errorf("%d of %d requests have ended", ended.Load(), sent.Load())
		}
	})
}
