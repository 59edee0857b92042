package importer_test

import (
	"testing"

	"pgregory.net/rapid"

	"orgimport/importer"
)

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
