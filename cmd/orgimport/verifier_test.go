package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"orgimport/importer"
)

var errRun = errors.New("nothing can succeed")

// reached is an error with a reach.
type reached struct{ reach importer.Reach }

func (e reached) Error() string         { return fmt.Sprint("reach ", int(e.reach)) }
func (e reached) Reach() importer.Reach { return e.reach }

func claimed(orgID string, users ...string) *rolls {
	rs := &rolls{}
	for i, user := range users {
		rs.add(importer.Outcome{Status: importer.Added, Row: importer.Row{OrgID: orgID, UserID: user, Line: i + 2}})
	}
	return rs
}

// listing yields ids, and then err if it is not nil.
func listing(err error, ids ...string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, id := range ids {
			if !yield(id, nil) {
				return
			}
		}
		if err != nil {
			yield("", err)
		}
	}
}

func newVerifier(rs *rolls, settle time.Duration, members func(ctx context.Context, orgID string) iter.Seq2[string, error]) *verifier {
	return &verifier{observer: observer{log: slog.New(slog.DiscardHandler)}, settle: settle, workers: 3, rolls: rs, members: members}
}

func TestVerifierAsksAgainUntilTheListHasCaughtUp(t *testing.T) {
	for _, tt := range []struct {
		lag, settle time.Duration
		asked       []time.Duration // since the start
		missing     int
	}{
		{0, time.Minute, []time.Duration{0}, 0},
		{5 * time.Second, time.Minute, []time.Duration{0, 1, 3, 7}, 0},
		{45 * time.Second, time.Minute, []time.Duration{0, 1, 3, 7, 15, 31, 60}, 0},
		{time.Hour, time.Minute, []time.Duration{0, 1, 3, 7, 15, 31, 60}, 1},
		{time.Hour, 2 * time.Second, []time.Duration{0, 1, 2}, 1},
		{time.Hour, 0, []time.Duration{0}, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			var asked []time.Duration
			v := newVerifier(claimed("org_a", "u1", "u2"), tt.settle, func(context.Context, string) iter.Seq2[string, error] {
				asked = append(asked, time.Since(start)/time.Second)
				if time.Since(start) < tt.lag {
					return listing(nil, "u1")
				}
				return listing(nil, "u1", "u2")
			})
			if err := v.run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(asked, tt.asked) {
				t.Errorf("lag %s: asked after %v seconds, want %v", tt.lag, asked, tt.asked)
			}
			if sum := v.reckon(); sum.missing != tt.missing || sum.unchecked != 0 {
				t.Errorf("lag %s: %s", tt.lag, sum)
			}
		})
	}
}

// A look that takes longer than the time to settle is not repeated for the sake
// of more pauses.
func TestVerifierCountsTheLooksIntoTheTimeToSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		v := newVerifier(claimed("org_a", "u1"), time.Minute, func(context.Context, string) iter.Seq2[string, error] {
			looks++
			time.Sleep(40 * time.Second)
			return listing(nil)
		})
		if err := v.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if looks != 3 {
			t.Errorf("%d looks, want the first and those after 1 and 43 seconds", looks)
		}
	})
}

func TestVerifierTellsErrorsByTheirReach(t *testing.T) {
	for _, tt := range []struct {
		name  string
		err   error
		looks int
		want  string
		fails bool
	}{
		{"no such organization", reached{importer.ReachOrg}, 1, "2 lines = 0 there + 2 missing", false},
		{"no answer", reached{importer.ReachBatch}, 3, "2 lines = 1 there + 1 not checked", false},
		{"refused", errRun, 1, "2 lines = 1 there + 1 not checked", true},
		{"bad request", reached{importer.ReachRow}, 1, "2 lines = 1 there + 1 not checked", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				looks := 0
				v := newVerifier(claimed("org_a", "u1", "u2"), 2*time.Second, func(context.Context, string) iter.Seq2[string, error] {
					looks++
					if tt.name == "no such organization" {
						return listing(tt.err)
					}
					return listing(tt.err, "u1")
				})
				if err := v.run(t.Context()); (err != nil) != tt.fails {
					t.Fatal(err)
				}
				if sum := v.reckon(); sum.String() != tt.want || (sum.unread != nil) != (tt.looks > 1) {
					t.Errorf("%s (%v), want %s", sum, sum.unread, tt.want)
				}
				if looks != tt.looks {
					t.Errorf("%d looks, want %d", looks, tt.looks)
				}
			})
		})
	}
}

func TestVerifierStopsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ctx, stop := context.WithCancelCause(t.Context())
		time.AfterFunc(20*time.Second, func() { stop(errRun) })
		v := newVerifier(claimed("org_a", "u1"), time.Minute, func(context.Context, string) iter.Seq2[string, error] { return listing(nil) })
		if err := v.run(ctx); !errors.Is(err, errRun) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took != 20*time.Second {
			t.Errorf("stopped after %s", took)
		}
	})
}

func TestVerifierAsksForSeveralOrganizationsAtATimeAndForEachOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		rs := &rolls{}
		for i := range 30 {
			rs.add(importer.Outcome{Status: importer.Added, Row: importer.Row{OrgID: fmt.Sprint("org_", i), UserID: "u1", Line: i + 2}})
		}
		v := newVerifier(rs, 0, func(_ context.Context, orgID string) iter.Seq2[string, error] {
			time.Sleep(time.Second)
			if orgID == "org_7" {
				return listing(nil)
			}
			return listing(nil, "u1")
		})
		if err := v.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("it took %s, want 10 times the time of one answer", took)
		}
		if got, want := v.reckon().String(), "30 lines = 29 there + 1 missing"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if v.asked.Load() != 30 || v.there.Load() != 29 {
			t.Errorf("the progress has %d organizations and %d lines", v.asked.Load(), v.there.Load())
		}
	})
}

func TestVerifierAsksNobodyElseOnceItIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rs := &rolls{}
		for i := range 30 {
			rs.add(importer.Outcome{Status: importer.Added, Row: importer.Row{OrgID: fmt.Sprint("org_", i), UserID: "u1"}})
		}
		var asked atomic.Int64
		v := newVerifier(rs, time.Minute, func(context.Context, string) iter.Seq2[string, error] {
			asked.Add(1)
			time.Sleep(time.Second)
			return listing(errRun)
		})
		if err := v.run(t.Context()); !errors.Is(err, errRun) {
			t.Errorf("got %v", err)
		}
		if n := asked.Load(); n > 3 {
			t.Errorf("asked %d times, which is more than there are askers", n)
		}
		if got, want := v.reckon().String(), "30 lines = 0 there + 30 not checked"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

// A roll that is called loses exactly those whom the listing has, in however
// many looks, and keeps the order of the file.
func TestRollKeepsThoseWhoAreMissing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringMatching(`[ab]{0,3}`)
		users := rapid.SliceOfN(id, 1, 30).Draw(t, "users")
		r := claimed("org_a", users...).all[0]
		here := map[string]bool{}
		for range rapid.IntRange(1, 3).Draw(t, "looks") {
			ids := rapid.SliceOf(id).Draw(t, "members")
			if err := r.call(listing(nil, ids...)); err != nil {
				t.Fatal(err)
			}
			for _, id := range ids {
				here[id] = true
			}
		}
		var got, want []string
		for _, place := range r.missing {
			got = append(got, fmt.Sprint(r.lines[place], r.user(place)))
		}
		for i, user := range users {
			if !here[user] {
				want = append(want, fmt.Sprint(i+2, user))
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("missing %q, want %q", got, want)
		}
	})
}

func TestRollReadsNoFurtherThanItMust(t *testing.T) {
	r := claimed("org_a", "u1", "u2").all[0]
	read := 0
	err := r.call(func(yield func(string, error) bool) {
		for _, id := range []string{"u2", "u1", "u3"} {
			read++
			if !yield(id, nil) {
				return
			}
		}
	})
	if err != nil || read != 2 {
		t.Errorf("read %d members, then %v", read, err)
	}
}
