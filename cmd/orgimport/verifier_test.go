package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"orgimport/importer"
	"orgimport/importer/auth0"
)

var errRun = errors.New("nothing can succeed")

func claimed(orgID string, users ...string) *expectations {
	rs := &expectations{}
	for i, user := range users {
		_ = rs.add(importer.Outcome{Status: importer.Added, Row: importer.Row{OrgID: orgID, UserID: user, Line: i + 2}})
	}
	return rs
}

// listing yields ids, and then err if it is not nil.
func listing(err error, ids ...string) iter.Seq2[auth0.Member, error] {
	return func(yield func(auth0.Member, error) bool) {
		for _, id := range ids {
			if !yield(auth0.Member{UserID: id}, nil) {
				return
			}
		}
		if err != nil {
			yield(auth0.Member{}, err)
		}
	}
}

func newVerifier(rs *expectations, settle time.Duration, members func(ctx context.Context, orgID string) iter.Seq2[auth0.Member, error]) *verifier {
	return &verifier{observer: &observer{log: slog.New(slog.DiscardHandler)}, settle: settle, workers: 3, expectations: *rs, members: members}
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
			v := newVerifier(claimed("org_a", "u1", "u2"), tt.settle, func(context.Context, string) iter.Seq2[auth0.Member, error] {
				asked = append(asked, time.Since(start)/time.Second)
				if time.Since(start) < tt.lag {
					return listing(nil, "u1")
				}
				return listing(nil, "u1", "u2")
			})
			if err := v.verify(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(asked, tt.asked) {
				t.Errorf("lag %s: asked after %v seconds, want %v", tt.lag, asked, tt.asked)
			}
			if sum := v.totals(); sum.missing != tt.missing || sum.unchecked != 0 {
				t.Errorf("lag %s: %s", tt.lag, sum)
			}
		})
	}
}

// A check that takes longer than the time to settle is not repeated.
func TestVerifierCountsTheLooksIntoTheTimeToSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		v := newVerifier(claimed("org_a", "u1"), time.Minute, func(context.Context, string) iter.Seq2[auth0.Member, error] {
			looks++
			time.Sleep(40 * time.Second)
			return listing(nil)
		})
		if err := v.verify(t.Context()); err != nil {
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
		{"no such organization", &auth0.ListError{Extent: auth0.Absent, Err: errRun}, 1, "2 lines = 0 there + 2 missing", false},
		{"no answer", &auth0.ListError{Extent: auth0.Cut, Err: errRun}, 3, "2 lines = 1 there + 1 not checked", false},
		{"refused", &auth0.ListError{Extent: auth0.Refused, Err: errRun}, 1, "2 lines = 1 there + 1 not checked", false},
		{"not all listed", &auth0.ListError{Extent: auth0.Capped, Err: errRun}, 1, "2 lines = 1 there + 1 not checked", false},
		{"nothing can succeed", errRun, 1, "2 lines = 1 there + 1 not checked", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				looks := 0
				v := newVerifier(claimed("org_a", "u1", "u2"), 2*time.Second, func(context.Context, string) iter.Seq2[auth0.Member, error] {
					looks++
					if tt.name == "no such organization" {
						return listing(tt.err)
					}
					return listing(tt.err, "u1")
				})
				if err := v.verify(t.Context()); (err != nil) != tt.fails {
					t.Fatal(err)
				}
				if sum := v.totals(); sum.String() != tt.want || (sum.unread != nil) != (strings.Contains(tt.want, "not checked") && !tt.fails) {
					t.Errorf("%s (%v), want %s", sum, sum.unread, tt.want)
				}
				if looks != tt.looks {
					t.Errorf("%d looks, want %d", looks, tt.looks)
				}
			})
		})
	}
}

// TestNobodyIsGoneByAListThatWasNotRead to its end.
func TestNobodyIsGoneByAListThatWasNotRead(t *testing.T) {
	es := &expectations{}
	for _, user := range []string{"u1", "u2"} {
		if err := es.add(importer.Outcome{Status: importer.Removed, Row: importer.Row{OrgID: "org_a", UserID: user}}); err != nil {
			t.Fatal(err)
		}
	}
	v := newVerifier(es, 0, func(context.Context, string) iter.Seq2[auth0.Member, error] {
		return listing(&auth0.ListError{Extent: auth0.Refused, Err: errRun}, "u1")
	})
	if err := v.verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := v.totals().String(); got != "2 lines = 0 gone + 2 not checked" {
		t.Errorf("%s", got)
	}
}

func TestVerifierStopsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ctx, stop := context.WithCancelCause(t.Context())
		time.AfterFunc(20*time.Second, func() { stop(errRun) })
		v := newVerifier(claimed("org_a", "u1"), time.Minute, func(context.Context, string) iter.Seq2[auth0.Member, error] { return listing(nil) })
		if err := v.verify(ctx); !errors.Is(err, errRun) {
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
		rs := &expectations{}
		for i := range 30 {
			_ = rs.add(importer.Outcome{Status: importer.Added, Row: importer.Row{OrgID: fmt.Sprint("org_", i), UserID: "u1", Line: i + 2}})
		}
		v := newVerifier(rs, 0, func(_ context.Context, orgID string) iter.Seq2[auth0.Member, error] {
			time.Sleep(time.Second)
			if orgID == "org_7" {
				return listing(nil)
			}
			return listing(nil, "u1")
		})
		if err := v.verify(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("it took %s, want 10 times the time of one answer", took)
		}
		if got, want := v.totals().String(), "30 lines = 29 there + 1 missing"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if v.asked.Load() != 30 || v.found.Load() != 29 {
			t.Errorf("the progress has %d organizations and %d lines", v.asked.Load(), v.found.Load())
		}
	})
}

func TestVerifierAsksNobodyElseOnceItIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rs := &expectations{}
		for i := range 30 {
			_ = rs.add(importer.Outcome{Status: importer.Added, Row: importer.Row{OrgID: fmt.Sprint("org_", i), UserID: "u1"}})
		}
		var asked atomic.Int64
		v := newVerifier(rs, time.Minute, func(context.Context, string) iter.Seq2[auth0.Member, error] {
			asked.Add(1)
			time.Sleep(time.Second)
			return listing(errRun)
		})
		if err := v.verify(t.Context()); !errors.Is(err, errRun) {
			t.Errorf("got %v", err)
		}
		if n := asked.Load(); n > 3 {
			t.Errorf("asked %d times, which is more than there are askers", n)
		}
		if got, want := v.totals().String(), "30 lines = 0 there + 30 not checked"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

// The expected users of an organization lose exactly those in the listing, in any
// number of checks, and keep the order of the file.
func TestExpectationsKeepThoseWhoAreMissing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringMatching(`[ab]{0,3}`)
		users := rapid.SliceOfN(id, 1, 30).Draw(t, "users")
		r := claimed("org_a", users...).all[0]
		here := map[string]bool{}
		for range rapid.IntRange(1, 3).Draw(t, "looks") {
			ids := rapid.SliceOf(id).Draw(t, "members")
			if err := r.look(listing(nil, ids...)); err != nil {
				t.Fatal(err)
			}
			for _, id := range ids {
				here[id] = true
			}
		}
		var got, want []string
		for _, l := range r.open {
			got = append(got, fmt.Sprint(l.line, l.user))
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

func TestExpectationsReadNoFurtherThanItMust(t *testing.T) {
	r := claimed("org_a", "u1", "u2").all[0]
	read := 0
	err := r.look(func(yield func(auth0.Member, error) bool) {
		for _, id := range []string{"u2", "u1", "u3"} {
			read++
			if !yield(auth0.Member{UserID: id}, nil) {
				return
			}
		}
	})
	if err != nil || read != 2 {
		t.Errorf("read %d members, then %v", read, err)
	}
}

// TestVerifierBoundsItsRequests: with long lists, which every check reads whole,
// repeated checks take no more requests than the first.
func TestVerifierBoundsItsRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := make([]string, 100_000)
		for i := range ids {
			ids[i] = fmt.Sprint("other", i)
		}
		start, pages := time.Now(), 0
		var asked []time.Duration
		v := newVerifier(claimed("org_a", "u1"), time.Minute, func(context.Context, string) iter.Seq2[auth0.Member, error] {
			asked = append(asked, time.Since(start)/time.Second)
			pages += len(ids)/pageSize + 1
			return listing(nil, ids...)
		})
		if err := v.verify(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := []time.Duration{0, 60}; !slices.Equal(asked, want) {
			t.Errorf("asked after %v seconds, want %v: %d requests", asked, want, pages)
		}
	})
}

// TestVerifierJudgesAtTheEndOfTheTimeToSettle: a list that could not be read at first
// turns out to be long.
func TestVerifierJudgesAtTheEndOfTheTimeToSettle(t *testing.T) {
	for _, pages := range []int{60, 1000} { // two looks exceed minRepeats, or one
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			var asked []time.Duration
			v := newVerifier(claimed("org_a", "u1"), time.Minute, func(context.Context, string) iter.Seq2[auth0.Member, error] {
				asked = append(asked, time.Since(start)/time.Second)
				switch len(asked) {
				case 1, 2, 3:
					return listing(&auth0.ListError{Extent: auth0.Cut, Err: errRun})
				case 5:
					return listing(nil, "u1")
				}
				return listing(nil, slices.Repeat([]string{"other"}, pages*pageSize)...)
			})
			if err := v.verify(t.Context()); err != nil {
				t.Fatal(err)
			}
			if want := []time.Duration{0, 1, 3, 7, 60}; !slices.Equal(asked, want) || countOpen(v.all) > 0 {
				t.Errorf("asked after %v seconds, want %v; %d lines are open", asked, want, countOpen(v.all))
			}
		})
	}
}

// TestVerifierKnowsWhatEachOperationSays about the members.
func TestVerifierKnowsWhatEachOperationSays(t *testing.T) {
	line := func(status importer.Status, user, argument string) importer.Outcome {
		return importer.Outcome{Status: status, Row: importer.Row{OrgID: "org_a", UserID: user, Kept: []string{argument}, Line: 2}}
	}
	for _, tt := range []struct {
		lines []importer.Outcome
		want  string
	}{
		{[]importer.Outcome{line(importer.Removed, "u1", ""), line(importer.Removed, "u9", ""), line(importer.Failed, "u1", "")}, "2 lines = 1 gone + 1 still there"},
		{[]importer.Outcome{line(importer.Assigned, "u1", "rol_a"), line(importer.AlreadyAssigned, "u1", "rol_a|rol_b"), line(importer.Assigned, "u1", "rol_c"), line(importer.Assigned, "u9", "rol_a")}, "4 lines = 2 there + 2 missing"},
		{[]importer.Outcome{line(importer.Invited, "", "Ann@Acme.com"), line(importer.AlreadyInvited, "", "bob@acme.com")}, "2 lines = 1 invited or there + 1 missing"},
	} {
		es := &expectations{}
		for _, o := range tt.lines {
			if err := es.add(o); err != nil {
				t.Fatal(err)
			}
		}
		v := newVerifier(es, 0, func(context.Context, string) iter.Seq2[auth0.Member, error] {
			return func(yield func(auth0.Member, error) bool) {
				_ = yield(auth0.Member{UserID: "ann@acme.com"}, nil) && yield(auth0.Member{UserID: "u1", Roles: auth0.RoleIDs{"rol_a", "rol_b"}}, nil)
			}
		})
		if err := v.verify(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := v.totals().String(); got != tt.want {
			t.Errorf("%s, want %s", got, tt.want)
		}
	}
	es := &expectations{}
	if err := errors.Join(es.add(line(importer.Removed, "u1", "")), es.add(line(importer.Added, "u1", ""))); err == nil {
		t.Error("lines of two operations are taken")
	}
}

func TestEachSettledStatusHasAClaim(t *testing.T) {
	for _, s := range importer.Statuses() {
		if got := claims[s.Claim] != nil; got != s.Settled {
			t.Errorf("%s: a claim: %t; settled: %t", s.Status, got, s.Settled)
		}
	}
}
