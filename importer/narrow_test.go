package importer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// refusing is a server that refuses batches: the op of these tests. Each test
// chooses its errors.
type refusing struct {
	mu       sync.Mutex
	requests int
	members  map[string]bool // "org user"
	answer   func(orgID string, ids []string) error
	partly   bool // a refused batch is added except for the bad rows
	bad      func(orgID, id string) bool
}

func (s *refusing) op() Op {
	return Op{Prefix: "oi", Done: Added, Already: AlreadyMember, Send: s.send}
}

func (s *refusing) send(_ context.Context, b Batch) (Receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	receipt := Receipt{HTTPStatus: 204, Attempts: 1, CorrelationID: fmt.Sprint("c-", s.requests)}
	err := s.answer(b.OrgID, b.UserIDs())
	for _, id := range b.UserIDs() {
		if err == nil || s.partly && !s.bad(b.OrgID, id) {
			s.members[b.OrgID+" "+id] = true
		}
	}
	if err != nil {
		receipt.HTTPStatus, receipt.Message = 400, err.Error()
	}
	return receipt, err
}

// refusalErr is an error with all methods that the importer looks for.
type refusalErr struct {
	text  string
	reach Reach
	names []string
	is    error
}

func (e *refusalErr) Error() string           { return e.text }
func (e *refusalErr) Reach() Reach            { return e.reach }
func (e *refusalErr) Blame([]string) []string { return e.names }
func (e *refusalErr) Is(target error) bool {
	return target == e.is || target == ErrConflict && e.is == ErrMember
}

func batchOf(orgID string, n int) Batch {
	b := Batch{OrgID: orgID}
	for i := range n {
		b.Rows = append(b.Rows, Row{OrgID: orgID, UserID: fmt.Sprintf("auth0|%d", i), Line: i + 2})
	}
	return b
}

// sets yields every choice of k out of 0…n-1.
func sets(n, k int) func(yield func([]int) bool) {
	return func(yield func([]int) bool) {
		var pick func(from int, chosen []int) bool
		pick = func(from int, chosen []int) bool {
			if len(chosen) == k {
				return yield(chosen)
			}
			for i := from; i < n; i++ {
				if !pick(i+1, append(slices.Clone(chosen), i)) {
					return false
				}
			}
			return true
		}
		pick(0, nil)
	}
}

func badIDs(chosen []int) []string {
	var ids []string
	for _, i := range chosen {
		ids = append(ids, fmt.Sprintf("auth0|%d", i))
	}
	return ids
}

func TestCostOfBadRows(t *testing.T) {
	type naming func(bad []string) []string
	nobody := func([]string) []string { return nil }
	all := func(bad []string) []string { return bad }
	first := func(bad []string) []string { return bad[:1] }
	// The cost of one batch of ten, including its first refusal: the average over
	// all places of the bad rows, and the worst.
	for _, test := range []struct {
		names string
		naming
		bad   int
		mean  float64
		worst int
	}{
		{"nobody", nobody, 0, 1, 1},
		{"nobody", nobody, 1, 6.3, 7},
		{"nobody", nobody, 2, 9.6, 11},
		{"nobody", nobody, 3, 13.1, 15},
		{"nobody", nobody, 10, 14, 14},
		{"all bad ids", all, 1, 2, 2},
		{"all bad ids", all, 2, 4, 4},
		{"all bad ids", all, 3, 5, 5},
		{"all bad ids", all, 10, 14, 14}, // to name everyone is to name nobody
		{"the first bad id", first, 1, 2, 2},
		{"the first bad id", first, 2, 4, 4},
		{"the first bad id", first, 3, 6, 6},
		{"the first bad id", first, 10, 19, 19}, // each named row is sent again
	} {
		t.Run(fmt.Sprintf("%d bad, the refusal names %s", test.bad, test.names), func(t *testing.T) {
			var total, worst, runs int
			for chosen := range sets(10, test.bad) {
				bad := badIDs(chosen)
				srv := &refusing{members: map[string]bool{}}
				srv.answer = func(_ string, ids []string) error {
					var here []string
					for _, id := range ids {
						if slices.Contains(bad, id) {
							here = append(here, id)
						}
					}
					if here == nil {
						return nil
					}
					return &refusalErr{text: "no", reach: ReachRow, names: test.naming(here)}
				}
				outcomes, err := newRun(t.Context(), srv.op(), 1).sendBatch(batchOf("org_a", 10))
				if err != nil {
					t.Fatal(err)
				}
				for _, o := range outcomes {
					want := Added
					if slices.Contains(bad, o.Row.UserID) {
						want = Failed
					}
					if o.Status != want {
						t.Fatalf("bad %v: %s is %s, want %s", bad, o.Row.UserID, o.Status, want)
					}
				}
				runs++
				total += srv.requests
				worst = max(worst, srv.requests)
			}
			mean := float64(total) / float64(runs)
			t.Logf("mean %.2f, worst %d", mean, worst)
			if mean > test.mean+0.05 || worst > test.worst {
				t.Errorf("cost is %.2f requests on average, %d at worst; want at most %.1f and %d", mean, worst, test.mean, test.worst)
			}
		})
	}
}

func TestUnknownOrganizationCostsOneRefusal(t *testing.T) {
	srv := &refusing{members: map[string]bool{}}
	srv.answer = func(string, []string) error { return &refusalErr{text: "no organization", reach: ReachOrg} }
	s := newRun(t.Context(), srv.op(), 1)
	for range 100 {
		outcomes, err := s.sendBatch(batchOf("org_gone", 10))
		if err != nil || len(outcomes) != 10 {
			t.Fatalf("%d outcomes, %v", len(outcomes), err)
		}
		for _, o := range outcomes {
			if o.Status != Failed || !strings.HasPrefix(o.Message, "no organization") {
				t.Fatalf("outcome %+v", o)
			}
		}
	}
	if srv.requests != 1 {
		t.Errorf("1,000 rows of an unknown organization took %d requests, want 1", srv.requests)
	}
}

func TestUnknownUserIsNotTriedInOtherOrganizations(t *testing.T) {
	srv := &refusing{members: map[string]bool{}}
	srv.answer = func(_ string, ids []string) error {
		if slices.Contains(ids, "auth0|3") {
			return &refusalErr{text: "no such user", reach: ReachRow, is: ErrUnknownUser}
		}
		return nil
	}
	s := newRun(t.Context(), srv.op(), 1)
	first, err := s.sendBatch(batchOf("org_a", 10))
	if err != nil {
		t.Fatal(err)
	}
	refused := first[slices.IndexFunc(first, func(o Outcome) bool { return o.Status == Failed })].CorrelationID
	srv.requests = 0
	outcomes, err := s.sendBatch(batchOf("org_b", 10))
	if err != nil {
		t.Fatal(err)
	}
	if srv.requests != 1 {
		t.Errorf("the second organization took %d requests, want 1", srv.requests)
	}
	for _, o := range outcomes {
		if bad := o.Row.UserID == "auth0|3"; bad != (o.Status == Failed) {
			t.Errorf("outcome %+v", o)
		} else if bad && (o.Attempts != 0 || o.CorrelationID != refused || o.Message == "") {
			t.Errorf("the row that was not sent says %+v", o.Receipt)
		}
	}
}

// TestHalfOfARefusedBatchMayBeIn: an organization becomes full in the middle of a
// batch, of which all rows but one are added. Rows that were sent before are sent
// again to find out.
func TestHalfOfARefusedBatchMayBeIn(t *testing.T) {
	srv := &refusing{members: map[string]bool{}, partly: true}
	srv.bad = func(_, id string) bool { return id == "auth0|2" }
	srv.answer = func(org string, ids []string) error {
		for _, id := range ids {
			if !srv.members[org+" "+id] {
				return &refusalErr{text: "quota exceeded", reach: ReachRow, is: ErrOrgFull}
			}
		}
		return nil
	}
	outcomes, err := newRun(t.Context(), srv.op(), 1).sendBatch(batchOf("org_a", 4))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range outcomes {
		if want := map[bool]Status{true: Added, false: Failed}[o.Row.UserID != "auth0|2"]; o.Status != want {
			t.Errorf("%s: %s, want %s", o.Row.UserID, o.Status, want)
		}
	}
}

func TestFullOrganizationTakesThoseWhoFitAndNoFurtherRequests(t *testing.T) {
	srv := &refusing{members: map[string]bool{}}
	srv.answer = func(org string, ids []string) error {
		if len(srv.members)+len(ids) > 13 {
			return &refusalErr{text: "quota exceeded", reach: ReachRow, is: ErrOrgFull}
		}
		return nil
	}
	s := newRun(t.Context(), srv.op(), 1)
	added, failed := 0, 0
	for i := range 5 {
		b := batchOf("org_a", 10)
		for k := range b.Rows {
			b.Rows[k].UserID += fmt.Sprint("-", i)
		}
		before := srv.requests
		outcomes, err := s.sendBatch(b)
		if err != nil || len(outcomes) != 10 {
			t.Fatalf("%d outcomes, %v", len(outcomes), err)
		}
		if i > 1 && srv.requests != before {
			t.Errorf("batch %d of a full organization took %d requests", i, srv.requests-before)
		}
		for _, o := range outcomes {
			switch o.Status {
			case Added:
				added++
			case Failed:
				failed++
			}
		}
	}
	if added != 13 || failed != 37 {
		t.Errorf("%d added, %d failed; want 13 and 37", added, failed)
	}
}

func TestNothingIsNarrowedWhenNoRowIsToBlame(t *testing.T) {
	for _, test := range []struct {
		reach    Reach
		outcomes int
		broken   bool
	}{{ReachBatch, 10, false}, {ReachRun, 0, true}} {
		srv := &refusing{members: map[string]bool{}}
		srv.answer = func(string, []string) error { return &refusalErr{text: "no", reach: test.reach} }
		outcomes, err := newRun(t.Context(), srv.op(), 1).sendBatch(batchOf("org_a", 10))
		for _, o := range outcomes {
			if !o.Transient {
				t.Errorf("reach %d: %+v is not said to be passing", test.reach, o)
			}
		}
		if srv.requests != 1 || len(outcomes) != test.outcomes || (err != nil) != test.broken {
			t.Errorf("reach %d: %d requests, %d outcomes, error %v", test.reach, srv.requests, len(outcomes), err)
		}
	}
}

func TestServerWithASmallerCapTakesEveryRow(t *testing.T) {
	srv := &refusing{members: map[string]bool{}}
	srv.answer = func(_ string, ids []string) error {
		if len(ids) > 3 {
			return &refusalErr{text: "array is too long", reach: ReachRow}
		}
		return nil
	}
	outcomes, err := newRun(t.Context(), srv.op(), 1).sendBatch(batchOf("org_a", 10))
	if err != nil || len(outcomes) != 10 || len(srv.members) != 10 {
		t.Errorf("%d outcomes, %d members, %v; want 10, 10, nil", len(outcomes), len(srv.members), err)
	}
}

func TestRowsDecidedBeforeTheRunBreaksAreTold(t *testing.T) {
	srv := &refusing{members: map[string]bool{}}
	srv.answer = func(_ string, ids []string) error {
		switch srv.requests {
		case 1:
			return &refusalErr{text: "no", reach: ReachRow}
		case 2:
			return nil
		}
		return &refusalErr{text: "token refused", reach: ReachRun}
	}
	outcomes, err := newRun(t.Context(), srv.op(), 1).sendBatch(batchOf("org_a", 10))
	if err == nil || len(outcomes) != 5 {
		t.Errorf("%d outcomes, error %v; want the 5 rows of the first half and an error", len(outcomes), err)
	}
}

// TestGoodRowsGetIn checks what must hold whatever a refusal means and whichever
// users it names: the users of good rows are members, and bad rows fail.
func TestGoodRowsGetIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		orgs := rapid.IntRange(1, 4).Draw(t, "orgs")
		badShare := rapid.IntRange(0, 10).Draw(t, "badTenths")
		isBad := map[string]bool{}
		bad := func(orgID, id string) bool { return isBad[orgID+" "+id] }
		member := map[string]bool{}
		var batches []Batch
		for o := range orgs {
			for range rapid.IntRange(1, 3).Draw(t, "batches") {
				b := Batch{OrgID: fmt.Sprint("org_", o)}
				for i := range rapid.IntRange(1, 10).Draw(t, "rows") {
					r := Row{OrgID: b.OrgID, UserID: fmt.Sprintf("auth0|%d-%d", len(batches), i), Line: i + 2}
					switch draw := rapid.IntRange(0, 19).Draw(t, "kind"); {
					case draw < badShare:
						isBad[b.OrgID+" "+r.UserID] = true
					case draw == 19:
						member[b.OrgID+" "+r.UserID] = true
					}
					b.Rows = append(b.Rows, r)
				}
				batches = append(batches, b)
			}
		}
		naming := rapid.SampledFrom([]string{"none", "all", "first", "innocent", "echo"}).Draw(t, "naming")
		conflicts := rapid.Bool().Draw(t, "conflicts")
		batchCap := rapid.IntRange(1, 10).Draw(t, "cap")
		srv := &refusing{members: map[string]bool{}, bad: bad, partly: rapid.Bool().Draw(t, "partly")}
		srv.answer = func(orgID string, ids []string) error {
			e := &refusalErr{text: "no", reach: ReachRow}
			if len(ids) > batchCap {
				return e
			}
			var guilty []string
			for _, id := range ids {
				if bad(orgID, id) {
					guilty = append(guilty, id)
				}
			}
			if guilty == nil {
				for _, id := range ids {
					if conflicts && (member[orgID+" "+id] || srv.members[orgID+" "+id]) {
						return &refusalErr{text: "conflict", reach: ReachRow, is: ErrMember}
					}
				}
				return nil
			}
			switch naming {
			case "all":
				e.names = guilty
			case "first":
				e.names = guilty[:1]
			case "innocent": // may name good users
				e.names = ids[:rapid.IntRange(0, len(ids)).Draw(t, "named")]
			case "echo":
				e.names = ids
			}
			return e
		}
		s := newRun(context.Background(), srv.op(), 1)
		for _, b := range batches {
			outcomes, err := s.sendBatch(b)
			if err != nil || len(outcomes) != len(b.Rows) {
				t.Fatalf("%d outcomes for %d rows, %v", len(outcomes), len(b.Rows), err)
			}
			for _, o := range outcomes {
				pair := o.Row.OrgID + " " + o.Row.UserID
				if isBad[pair] != (o.Status == Failed) {
					t.Fatalf("%s: bad %v, but %s", pair, isBad[pair], o.Status)
				}
				if !isBad[pair] && !srv.members[pair] && !member[pair] {
					t.Fatalf("%s is good and not in", pair)
				}
			}
		}
	})
}

func TestConflictOfTwoBatchesIsNotTakenForMembership(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		underWay := map[string]bool{}
		members := map[string]bool{}
		op := func(_ context.Context, b Batch) (Receipt, error) {
			mu.Lock()
			busy := underWay[b.OrgID]
			underWay[b.OrgID] = true
			mu.Unlock()
			if busy {
				return Receipt{Attempts: 1}, &refusalErr{text: "conflict", reach: ReachRow, is: ErrMember}
			}
			time.Sleep(100 * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			delete(underWay, b.OrgID)
			for _, id := range b.UserIDs() {
				members[id] = true
			}
			return Receipt{Attempts: 1}, nil
		}
		in := func(yield func(Batch, error) bool) {
			for i := range 8 {
				b := batchOf("org_a", 1+i%3)
				for j := range b.Rows {
					b.Rows[j].UserID = fmt.Sprintf("auth0|%d-%d", i, j)
				}
				if !yield(b, nil) {
					return
				}
			}
		}
		all, err := collect(Run(t.Context(), in, Op{Prefix: "oi", Done: Added, Already: AlreadyMember, Send: op}, 4))
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range all {
			if o.Status != Added || !members[o.Row.UserID] {
				t.Errorf("%s is %s, a member: %v", o.Row.UserID, o.Status, members[o.Row.UserID])
			}
		}
	})
}

// TestExclusionIsNotStarved: requests for an organization follow each other without a
// gap, and a batch with a conflict still gets the organization to itself.
func TestExclusionIsNotStarved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conflicts := 1
		r := newRun(t.Context(), Op{Prefix: "oi", Done: Added, Send: func(_ context.Context, b Batch) (Receipt, error) {
			time.Sleep(time.Second)
			if len(b.Rows) == 1 && conflicts > 0 {
				conflicts--
				return Receipt{Attempts: 1}, &refusalErr{text: "conflict", reach: ReachRow, is: ErrConflict}
			}
			return Receipt{Attempts: 1}, nil
		}}, 3)
		end := time.Now().Add(time.Minute)
		var all sync.WaitGroup
		for i := range 2 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * time.Second / 2)
				for time.Now().Before(end) {
					_, _ = r.sendBatch(batchOf("org_a", 2))
				}
			})
		}
		time.Sleep(10 * time.Second)
		began := time.Now()
		outcomes, err := r.sendBatch(batchOf("org_a", 1))
		if took := time.Since(began); err != nil || outcomes[0].Status != Added || took > 3*time.Second {
			t.Errorf("%+v, %v after %s, want no more than its two requests and one of another that was under way", outcomes, err, took)
		}
		all.Wait()
	})
}

func TestReachOf(t *testing.T) {
	inner := &refusalErr{reach: ReachOrg}
	for _, test := range []struct {
		err  error
		want Reach
	}{
		{inner, ReachOrg},
		{fmt.Errorf("batch 7: %w", inner), ReachOrg},
		{errors.New("no idea"), ReachRun},
	} {
		if got := ReachOf(test.err); got != test.want {
			t.Errorf("ReachOf(%v) = %d, want %d", test.err, got, test.want)
		}
	}
}
