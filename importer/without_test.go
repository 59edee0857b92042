package importer_test

import (
	"slices"
	"testing"

	"orgimport/importer"
)

func TestWithoutDropsOnlySendableRowsThatAreIn(t *testing.T) {
	var in importer.Pairs
	in.Add("org_a", "u1", 2)
	rows := broken(errBad,
		importer.Row{OrgID: "org_a", UserID: "u1", Line: 2},
		importer.Row{OrgID: "org_a", UserID: "u1", Line: 3, Err: errBad},
		importer.Row{OrgID: "org_a", UserID: "u2", Line: 4},
		importer.Row{OrgID: "org_b", UserID: "u1", Line: 5},
	)
	got := shown(importer.Without(rows, in.Has))
	want := []string{"3 org_a u1: bad", "4 org_a u2", "5 org_b u1", "error: bad"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
