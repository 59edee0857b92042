package importer_test

import (
	"errors"
	"fmt"
	"iter"
	"testing"

	"pgregory.net/rapid"

	"orgimport/importer"
)

// rowsOf yields rows as a file would.
func rowsOf(rows ...importer.Row) iter.Seq2[importer.Row, error] {
	return broken(nil, rows...)
}

// broken yields rows, and then err unless it is nil.
func broken(err error, rows ...importer.Row) iter.Seq2[importer.Row, error] {
	return func(yield func(importer.Row, error) bool) {
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
		if err != nil {
			yield(importer.Row{}, err)
		}
	}
}

// shown ranges over rows and returns them as text.
func shown(rows iter.Seq2[importer.Row, error]) (all []string) {
	for row, err := range rows {
		if err != nil {
			all = append(all, "error: "+err.Error())
			continue
		}
		all = append(all, show(row))
	}
	return all
}

func show(row importer.Row) string {
	s := fmt.Sprintf("%d %s %s", row.Line, row.OrgID, row.UserID)
	if row.Kept != nil {
		s += fmt.Sprintf(" %q", row.Kept)
	}
	var settled *importer.Decided
	if errors.As(row.Err, &settled) {
		s += fmt.Sprintf(" %s", settled.Status)
	}
	if row.Err != nil {
		s += ": " + row.Err.Error()
	}
	return s
}

func TestPairKeyTellsIDsFromTheirBorder(t *testing.T) {
	key := func(orgID, userID string) string { return importer.PairKey(importer.Row{OrgID: orgID, UserID: userID}) }
	for _, pair := range [][2]string{{"a", "bc"}, {"abc", ""}, {"", "abc"}, {"\x02ab", "c"}} {
		if key(pair[0], pair[1]) == key("ab", "c") {
			t.Errorf("%q is taken for (ab, c)", pair)
		}
	}
}

func TestSetKeepsTheFirstLineOfEachKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.StringMatching(`[ab|]{0,3}`)
		want := map[string]int{}
		var s importer.Set
		for line := range rapid.IntRange(0, 50).Draw(t, "lines") {
			key := keys.Draw(t, "key")
			first, in := want[key]
			if s.Has(key) != in {
				t.Fatalf("Has(%q) = %t", key, !in)
			}
			earlier, found := s.Add(key, line)
			if earlier != first || found != in {
				t.Fatalf("Add(%q) = %d, %t; want %d, %t", key, earlier, found, first, in)
			}
			if !in {
				want[key] = line
			}
			if s.Len() != len(want) {
				t.Fatalf("Len = %d, want %d", s.Len(), len(want))
			}
		}
	})
}
