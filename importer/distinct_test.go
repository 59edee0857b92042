package importer_test

import (
	"errors"
	"slices"
	"testing"

	"orgimport/importer"
)

func TestDistinctMarksLaterRowsOfAPair(t *testing.T) {
	in := []importer.Row{
		{OrgID: "org_a", UserID: "u1", Line: 2},
		{OrgID: "org_b", UserID: "u1", Line: 3},
		{OrgID: "org_a", UserID: "u2", Line: 4, Err: errBad},
		{OrgID: "org_a", UserID: "u1", Line: 5},
		{OrgID: "org_a", UserID: "u2", Line: 6},
		{OrgID: "org_a", UserID: "u1", Line: 7},
		{OrgID: "org_a", UserID: "u1", Line: 8, Err: &importer.Settled{Status: importer.AlreadyMember, Message: "m"}},
	}
	want := []string{
		"2 org_a u1",
		"3 org_b u1",
		"4 org_a u2: bad",
		"5 org_a u1 duplicate: same pair as line 2",
		"6 org_a u2",
		"7 org_a u1 duplicate: same pair as line 2",
		"8 org_a u1 already_member: m",
	}
	if got := shown(importer.Distinct(rowsOf(in...))); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestDistinctPassesErrorsOn(t *testing.T) {
	got := shown(importer.Distinct(broken(errBad, importer.Row{OrgID: "org_a", UserID: "u1", Line: 2})))
	if want := []string{"2 org_a u1", "error: bad"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDistinctCanBeRangedOverAgain(t *testing.T) {
	rows := importer.Distinct(rowsOf(importer.Row{OrgID: "org_a", UserID: "u1", Line: 2}))
	if first, second := shown(rows), shown(rows); !slices.Equal(first, second) {
		t.Errorf("first %q, then %q", first, second)
	}
}

var errBad = errors.New("bad")
