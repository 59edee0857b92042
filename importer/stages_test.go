package importer_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"orgimport/importer"
)

var errBad = errors.New("bad")

func TestDistinctMarksLaterRowsOfAPair(t *testing.T) {
	in := []importer.Row{
		{OrgID: "org_a", UserID: "u1", Line: 2},
		{OrgID: "org_b", UserID: "u1", Line: 3},
		{OrgID: "org_a", UserID: "u2", Line: 4, Err: errBad},
		{OrgID: "org_a", UserID: "u1", Line: 5},
		{OrgID: "org_a", UserID: "u2", Line: 6},
		{OrgID: "org_a", UserID: "u1", Line: 7},
		{OrgID: "org_a", UserID: "u1", Line: 8, Err: &importer.Decided{Status: importer.AlreadyMember, Message: "m"}},
		{OrgID: "org_c", UserID: "u1", Line: 9, Err: &importer.Decided{Status: importer.AlreadyMember, Message: "m"}},
		{OrgID: "org_c", UserID: "u1", Line: 10},
		{OrgID: "org_d", UserID: "u1", Line: 11, Err: &importer.Decided{Status: importer.Duplicate, Message: "d"}},
		{OrgID: "org_d", UserID: "u1", Line: 12},
		{OrgID: "org_e", UserID: "u1", Line: 13, Err: &importer.Decided{Status: importer.Failed, Message: "f"}},
		{OrgID: "org_e", UserID: "u1", Line: 14, Err: &importer.Decided{Status: importer.Failed, Message: "f"}},
		{OrgID: "org_e", Line: 15, Err: &importer.Decided{Status: importer.Failed, Message: "f"}},
		{OrgID: "org_e", Line: 16, Err: &importer.Decided{Status: importer.Failed, Message: "f"}},
	}
	want := []string{
		"2 org_a u1",
		"3 org_b u1",
		"4 org_a u2: bad",
		"5 org_a u1 duplicate: same pair as line 2",
		"6 org_a u2",
		"7 org_a u1 duplicate: same pair as line 2",
		"8 org_a u1 duplicate: same pair as line 2",
		"9 org_c u1 already_member: m",
		"10 org_c u1 duplicate: same pair as line 9",
		"11 org_d u1 duplicate: d",
		"12 org_d u1",
		"13 org_e u1 failed: f",
		"14 org_e u1 duplicate: same pair as line 13",
		"15 org_e  failed: f",
		"16 org_e  failed: f",
	}
	if got := shown(importer.Distinct(rowsOf(in...), importer.PairKey)); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestDistinctAsksTheOperationWhatIsTheSame(t *testing.T) {
	op := importer.Op{Key: func(r importer.Row) string { return importer.PairKey(r) + r.Args[0] }}
	rows := rowsOf(
		importer.Row{OrgID: "org_a", UserID: "u1", Line: 2, Args: []string{"admin"}},
		importer.Row{OrgID: "org_a", UserID: "u1", Line: 3, Args: []string{"viewer"}},
		importer.Row{OrgID: "org_a", UserID: "u1", Line: 4, Args: []string{"admin"}},
	)
	want := []string{"2 org_a u1", "3 org_a u1", "4 org_a u1 duplicate: same pair as line 2"}
	if got := shown(importer.Distinct(rows, op.KeyOf)); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestDistinctPassesErrorsOn(t *testing.T) {
	got := shown(importer.Distinct(broken(errBad, importer.Row{OrgID: "org_a", UserID: "u1", Line: 2}), importer.PairKey))
	if want := []string{"2 org_a u1", "error: bad"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDistinctCanBeRangedOverAgain(t *testing.T) {
	rows := importer.Distinct(rowsOf(importer.Row{OrgID: "org_a", UserID: "u1", Line: 2}), importer.PairKey)
	if first, second := shown(rows), shown(rows); !slices.Equal(first, second) {
		t.Errorf("first %q, then %q", first, second)
	}
}

// rowsToPass are two rows of one pair with and without Err, another pair, and an
// error at the end.
func rowsToPass() (all func(func(importer.Row, error) bool), firstPair func(importer.Row) bool) {
	return broken(errBad,
		importer.Row{OrgID: "org_a", UserID: "u1", Line: 2},
		importer.Row{OrgID: "org_a", UserID: "u1", Line: 3, Err: errBad},
		importer.Row{OrgID: "org_a", UserID: "u2", Line: 4},
		importer.Row{OrgID: "org_b", UserID: "u1", Line: 5},
	), func(r importer.Row) bool { return r.OrgID == "org_a" && r.UserID == "u1" }
}

func TestSkipDropsOnlySendableRowsThatAreDone(t *testing.T) {
	rows, firstPair := rowsToPass()
	want := []string{"3 org_a u1: bad", "4 org_a u2", "5 org_b u1", "error: bad"}
	if got := shown(importer.Skip(rows, firstPair)); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A row that a look-up settles may have a line from an earlier run. A repeated row
// has a line of its own.
func TestSkipDropsRowsThatAreSettledTwice(t *testing.T) {
	rows := rowsOf(
		importer.Row{OrgID: "org_a", UserID: "u1", Line: 2, Err: &importer.Decided{Status: importer.AlreadyMember, Message: "m"}},
		importer.Row{OrgID: "org_a", UserID: "u1", Line: 3, Err: &importer.Decided{Status: importer.Duplicate, Message: "d"}},
	)
	if got := shown(importer.Skip(rows, func(importer.Row) bool { return true })); !slices.Equal(got, []string{"3 org_a u1 duplicate: d"}) {
		t.Errorf("got %q", got)
	}
}

func TestGroupPacksRowsThatFailedBehindAllOthers(t *testing.T) {
	rows, firstPair := rowsToPass()
	got := batches(importer.Group(rows, 2, func(r importer.Row) int { return map[bool]int{true: 1}[firstPair(r)] }))
	if want := []string{"org_a [3:u1]", "error: bad"}; !slices.Equal(got, want) {
		t.Errorf("a broken input: got %q, want %q", got, want)
	}
	var whole []importer.Row
	for i := range 6 { // of org_a, the first three are late
		whole = append(whole,
			importer.Row{OrgID: "org_a", UserID: fmt.Sprint("u", i/3), Line: 2 * i},
			importer.Row{OrgID: "org_b", UserID: "u", Line: 2*i + 1})
	}
	late := func(r importer.Row) int { return map[string]int{"u0": 1, "u": 2}[r.UserID] }
	got = batches(importer.Group(rowsOf(whole...), 4, late))
	want := []string{"org_a [6:u1 8:u1 10:u1]", "org_a [0:u0 2:u0 4:u0]", "org_b [1:u 3:u 5:u 7:u]", "org_b [9:u 11:u]"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	for range importer.Group(rowsOf(whole...), 4, late) {
		break
	}
}

// Every field of a row, including any new ones, passes each stage, and is in its
// outcome.
func TestStagesPassRowsWhole(t *testing.T) {
	fields := reflect.TypeFor[importer.Row]()
	for i := range fields.NumField() {
		row := importer.Row{OrgID: "org_a", UserID: "u1", Line: 7}
		switch f := reflect.ValueOf(&row).Elem().Field(i); f.Kind() {
		case reflect.String:
			f.SetString("org_b")
		case reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
		case reflect.Pointer:
			f.Set(reflect.New(f.Type().Elem()))
		case reflect.Int:
			f.SetInt(8)
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Interface:
			row.Err = errBad
		default:
			t.Fatalf("Row.%s is of a kind that this test does not fill", fields.Field(i).Name)
		}
		want := row
		want.Keys = nil // Resolve answers them
		never := func(importer.Row) bool { return false }
		rows := importer.Distinct(importer.Resolve(rowsOf(row), &importer.Directory{}), importer.PairKey)
		batches := importer.Group(importer.Skip(rows, never), 10, nil)
		for _, refusal := range []error{nil, refusal{importer.ReachBatch}, refusal{importer.ReachOrg}, refusal{importer.ReachRow}} {
			op := importer.Op{Prefix: "oi", Done: importer.Added, Send: func(context.Context, importer.Batch) (importer.Receipt, error) {
				return importer.Receipt{}, refusal
			}}
			n := 0
			for answered, err := range importer.Run(t.Context(), batches, op, 1) {
				if err != nil {
					t.Fatal(err)
				}
				n += len(answered)
				if got := answered[0].Row; !reflect.DeepEqual(got, want) {
					t.Errorf("with %s, %v: got %+v\nwant %+v", fields.Field(i).Name, refusal, got, want)
				}
			}
			if n != 1 {
				t.Errorf("with %s: %d outcomes", fields.Field(i).Name, n)
			}
		}
	}
}

// refusal is an error with a reach.
type refusal struct{ reach importer.Reach }

func (r refusal) Error() string         { return fmt.Sprint("refused, reach ", int(r.reach)) }
func (r refusal) Reach() importer.Reach { return r.reach }

func TestStatusesAreKnownOnceEach(t *testing.T) {
	seen := map[importer.Status]bool{}
	for _, s := range importer.Statuses() {
		if seen[s.Status] || s.Meaning == "" || s.Settled && s.Failure || s.Settled != (s.Claim != 0) {
			t.Errorf("status %+v", s)
		}
		seen[s.Status] = true
		if !s.Status.Known() || s.Status.Settled() != s.Settled || s.Status.Failure() != s.Failure {
			t.Errorf("%s: the methods say something else than the table", s.Status)
		}
	}
	if s := importer.Status("gone"); s.Known() || s.Settled() || s.Failure() {
		t.Error("a status that is not in the table counts as known")
	}
}
