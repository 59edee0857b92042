package importer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
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
	all, err := collect(Run(t.Context(), in, Op{Prefix: "oi", Done: Added, Send: op}, 1))
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
	all, err := collect(Run(t.Context(), batches(1000, nil), Op{Prefix: "oi", Done: Added, Send: op}, 4))
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

// TestBreakWaitsForWhatIsOnTheWire: the caller may close the transport after a
// break.
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

// mixed yields batches of one row, of these organizations in turn.
func mixed(orgs ...string) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		for i, org := range orgs {
			row := Row{OrgID: org, UserID: fmt.Sprint("u", i), Line: i + 2}
			if !yield(Batch{OrgID: org, Rows: []Row{row}}, nil) {
				return
			}
		}
	}
}

// hanging answers in 100 ms, except for organizations with names that begin with
// bad: their requests fail after a minute without an answer, until the
// organizations are back.
func hanging(back time.Time, requests *sync.Map) Op {
	return Op{Prefix: "oi", Done: Added, Send: func(_ context.Context, b Batch) (Receipt, error) {
		n, _ := requests.LoadOrStore(b.OrgID, new(atomic.Int32))
		n.(*atomic.Int32).Add(1)
		if strings.HasPrefix(b.OrgID, "bad") && time.Now().Before(back) {
			time.Sleep(time.Minute)
			return Receipt{Attempts: 8, Message: "no answer"}, &refusalErr{text: "no answer", reach: ReachBatch}
		}
		time.Sleep(100 * time.Millisecond)
		return Receipt{HTTPStatus: 204, Attempts: 1}, nil
	}}
}

// TestOrganizationThatHangsHoldsNoOther: organizations that do not answer are
// anywhere among others.
func TestOrganizationThatHangsHoldsNoOther(t *testing.T) {
	good := func(n int) (orgs []string) {
		for i := range n {
			orgs = append(orgs, fmt.Sprint("org_", i%50))
		}
		return orgs
	}
	for name, orgs := range map[string][]string{
		"first":         slices.Concat(slices.Repeat([]string{"bad"}, 300), good(2000)),
		"in the middle": slices.Concat(good(1000), slices.Repeat([]string{"bad"}, 300), good(1000)),
		"last":          slices.Concat(good(2000), slices.Repeat([]string{"bad"}, 300)),
		"two":           slices.Concat(slices.Repeat([]string{"bad", "bad 2"}, 300), good(2000)),
		"many":          slices.Concat(slices.Repeat([]string{"bad", "bad 2", "bad 3", "bad 4", "bad 5", "bad 6"}, 100), good(2000)),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var requests sync.Map
				start := time.Now()
				told := map[Status]int{}
				var lastAdded time.Duration
				for answered, err := range Run(t.Context(), mixed(orgs...), hanging(start.Add(time.Hour), &requests), 256) {
					if err != nil {
						t.Fatal(err)
					}
					for _, o := range answered {
						told[o.Status]++
						switch {
						case o.Status == Added:
							lastAdded = time.Since(start)
						case !o.Transient || o.Message != "no answer":
							t.Fatalf("outcome %+v", o)
						}
					}
				}
				if told[Added] != 2000 || told[Added]+told[Failed] != len(orgs) {
					t.Errorf("%v of %d rows", told, len(orgs))
				}
				if took := time.Since(start); lastAdded > 25*time.Second || took > 90*time.Second {
					t.Errorf("the others were done after %s, all after %s", lastAdded, took)
				}
				requests.Range(func(org, n any) bool {
					if got := n.(*atomic.Int32).Load(); strings.HasPrefix(org.(string), "bad") && got != mostUnanswered {
						t.Errorf("%d requests for %s, want 5", got, org)
					}
					return true
				})
			})
		})
	}
}

// TestOrganizationThatComesBackIsSent: an organization answers again before five of
// its batches have failed, and before others are answered. It has more batches than are
// put aside at a time.
func TestOrganizationThatComesBackIsSent(t *testing.T) {
	const batches = mostAside + 300
	synctest.Test(t, func(t *testing.T) {
		var requests sync.Map
		op := hanging(time.Now().Add(20*time.Second), &requests)
		send := op.Send
		op.Send = func(ctx context.Context, b Batch) (Receipt, error) {
			if b.Rows[0].Line == 2 { // sent again by its worker when the organization is back
				time.Sleep(30 * time.Second)
			}
			return send(ctx, b)
		}
		all, err := collect(Run(t.Context(), mixed(slices.Concat(slices.Repeat([]string{"bad"}, batches), []string{"org_a"})...), op, 256))
		added := 0
		for _, o := range all {
			if o.Status == Added {
				added++
			}
		}
		if err != nil || added != batches+1-4 {
			t.Errorf("%d rows are in, error %v, want all but the four whose requests got no answer", added, err)
		}
	})
}

// TestOnlyOrganizationIsSentOn: no other organization is answered, so it is not
// known whether the fault is the organization's own, and its rows are sent.
func TestOnlyOrganizationIsSentOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var requests sync.Map
		all, err := collect(Run(t.Context(), mixed(slices.Repeat([]string{"bad"}, 30)...), hanging(time.Now().Add(time.Hour), &requests), 256))
		n, _ := requests.Load("bad")
		if got := n.(*atomic.Int32).Load(); err != nil || len(all) != 30 || got != 30 {
			t.Errorf("%d outcomes of 30 rows after %d requests, error %v", len(all), got, err)
		}
	})
}

// TestWhatIsPutAsideIsBounded: an organization that hangs has more batches than are
// put aside. Then reading waits for it, and a stop ends that wait.
func TestWhatIsPutAsideIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var requests sync.Map
		var read atomic.Int32
		in := func(yield func(Batch, error) bool) {
			for b := range mixed(slices.Repeat([]string{"bad"}, 3*mostAside)...) {
				read.Add(1)
				if !yield(b, nil) {
					return
				}
			}
		}
		why := errors.New("SIGTERM")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(30*time.Second, func() { cancel(why) })
		start := time.Now()
		_, err := collect(Run(ctx, in, hanging(start.Add(time.Hour), &requests), 256))
		if !errors.Is(err, why) || time.Since(start) != time.Minute || read.Load() > mostAside+10 {
			t.Errorf("error %v after %s, %d batches read", err, time.Since(start), read.Load())
		}
	})
}

// TestReadsOnlyWhenARequestCouldLeave: a server accepts one request a second, and
// only a few batches are read ahead.
func TestReadsOnlyWhenARequestCouldLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turn := make(chan struct{}, 1)
		var waiting, sent, read atomic.Int32
		op := Op{
			Prefix: "oi", Done: Added,
			Send: func(context.Context, Batch) (Receipt, error) {
				waiting.Add(1)
				turn <- struct{}{}
				time.Sleep(time.Second)
				<-turn
				waiting.Add(-1)
				if ahead := read.Load() - sent.Add(1); ahead > 4 {
					t.Errorf("%d batches were read ahead", ahead)
				}
				return Receipt{HTTPStatus: 204, Attempts: 1}, nil
			},
			Ready: func(context.Context) {
				for waiting.Load() > 1 {
					time.Sleep(time.Millisecond)
				}
				synctest.Wait()
			},
		}
		in := func(yield func(Batch, error) bool) {
			for b := range batches(50, nil) {
				read.Add(1)
				if !yield(b, nil) {
					return
				}
			}
		}
		if all, err := collect(Run(t.Context(), in, op, 256)); err != nil || len(all) != 100 {
			t.Errorf("%d outcomes, error %v", len(all), err)
		}
	})
}

// TestOperationThatCannotBeResumedIsAnError: its lines would be dropped or refused.
func TestOperationThatCannotBeResumedIsAnError(t *testing.T) {
	for _, op := range []Op{{Done: Added}, {Prefix: "add", Done: Added}, {Prefix: "oi"}, {Prefix: "oi", Done: "blocked"}} {
		op.Send = slowly(0).Send
		if all, err := collect(Run(t.Context(), batches(3, nil), op, 1)); err == nil || len(all) != 0 {
			t.Errorf("%q, %q: %d outcomes, error %v", op.Prefix, op.Done, len(all), err)
		}
	}
}
