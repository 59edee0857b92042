package importer_test

import (
	"fmt"
	"iter"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"orgimport/importer"
)

func TestGroupSendsFullBatchesAtOnceAndTheRestInOrder(t *testing.T) {
	bad := importer.Row{OrgID: "org_b", Line: 6, Err: errBad}
	rows := rowsOf(
		importer.Row{OrgID: "org_a", UserID: "u1", Line: 2},
		importer.Row{OrgID: "org_b", UserID: "u2", Line: 3},
		importer.Row{OrgID: "org_c", UserID: "u3", Line: 4},
		importer.Row{OrgID: "org_b", UserID: "u4", Line: 5},
		bad,
		importer.Row{OrgID: "org_b", UserID: "u5", Line: 7},
		importer.Row{OrgID: "org_a", UserID: "u6", Line: 8, Kept: []string{"x"}},
		importer.Row{OrgID: "org_a", UserID: "u7", Line: 9},
	)
	want := []string{
		"org_b [3:u2 5:u4]",
		"org_b [6:]",
		"org_a [2:u1 8:u6]",
		"org_a [9:u7]",
		"org_b [7:u5]",
		"org_c [4:u3]",
	}
	if got := batches(importer.Group(rows, 2, nil)); !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

func TestGroupEndsWithAnError(t *testing.T) {
	got := batches(importer.Group(broken(errBad, importer.Row{OrgID: "org_a", UserID: "u1", Line: 2}), 10, nil))
	if want := []string{"error: bad"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func batches(all iter.Seq2[importer.Batch, error]) (got []string) {
	for b, err := range all {
		if err != nil {
			return append(got, "error: "+err.Error())
		}
		var rows []string
		for _, r := range b.Rows {
			rows = append(rows, fmt.Sprintf("%d:%s", r.Line, r.UserID))
		}
		got = append(got, fmt.Sprint(b.OrgID, " ", rows))
	}
	return got
}

// Whatever the rows are, each is in one batch, unchanged. A batch has rows of one
// organization, at most size of them, and no user twice. Rows of an organization
// keep their order, in as few batches as possible.
func TestGroupLosesNothingAndSendsAsLittleAsCanBe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 10).Draw(t, "size")
		rows := rapid.SliceOf(anyRow()).Draw(t, "rows")
		for i := range rows {
			rows[i].Line = i + 2
		}
		var distinct []importer.Row
		sendable := map[string]int{}
		for row := range importer.Distinct(rowsOf(rows...), importer.PairKey) {
			distinct = append(distinct, row)
			if row.Err == nil {
				sendable[row.OrgID]++
			}
		}
		floor := 0
		for _, n := range sendable {
			floor += (n + size - 1) / size
		}

		seen := map[int]importer.Row{}
		last := map[string]int{}
		requests := 0
		for b, err := range importer.Group(rowsOf(distinct...), size, nil) {
			if err != nil {
				t.Fatal(err)
			}
			if b.Rows[0].Err == nil {
				requests++
			} else if len(b.Rows) != 1 {
				t.Fatalf("row %v with %d others", b.Rows[0], len(b.Rows)-1)
			}
			if n := len(b.Rows); n == 0 || n > size {
				t.Fatalf("batch of %d rows", n)
			}
			users := b.UserIDs()
			slices.Sort(users)
			if len(slices.Compact(users)) != len(b.Rows) {
				t.Fatalf("a user twice in %v", b)
			}
			for _, r := range b.Rows {
				if r.OrgID != b.OrgID {
					t.Fatalf("row %v in a batch of %s", r, b.OrgID)
				}
				if _, twice := seen[r.Line]; twice {
					t.Fatalf("row %v twice", r)
				}
				seen[r.Line] = r
				if r.Err == nil {
					if r.Line < last[r.OrgID] {
						t.Fatalf("row %v after line %d", r, last[r.OrgID])
					}
					last[r.OrgID] = r.Line
				}
			}
		}
		if requests != floor {
			t.Fatalf("%d requests, want %d", requests, floor)
		}
		for _, row := range distinct {
			if got := show(seen[row.Line]); got != show(row) {
				t.Fatalf("got %s, want %s", got, show(row))
			}
		}
	})
}

func anyRow() *rapid.Generator[importer.Row] {
	return rapid.Custom(func(t *rapid.T) importer.Row {
		row := importer.Row{
			OrgID:  rapid.SampledFrom([]string{"org_a", "org_b", "org_c", "org_d"}).Draw(t, "org"),
			UserID: fmt.Sprint("u", rapid.IntRange(0, 30).Draw(t, "user")),
		}
		if rapid.IntRange(0, 9).Draw(t, "bad") == 0 {
			row.Err = errBad
		}
		if rapid.Bool().Draw(t, "kept") {
			row.Kept = []string{row.UserID}
		}
		return row
	})
}
