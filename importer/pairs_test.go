package importer_test

import (
	"testing"

	"pgregory.net/rapid"

	"orgimport/importer"
)

func TestPairsKeepTheFirstLine(t *testing.T) {
	var p importer.Pairs
	if p.Has("org_a", "u1") || p.Len() != 0 {
		t.Error("the zero value is not empty")
	}
	if _, found := p.Add("org_a", "u1", 2); found {
		t.Error("found in an empty set")
	}
	for _, line := range []int{3, 4} {
		if earlier, found := p.Add("org_a", "u1", line); earlier != 2 || !found {
			t.Errorf("Add on line %d = %d, %t; want 2, true", line, earlier, found)
		}
	}
	if !p.Has("org_a", "u1") || p.Has("u1", "org_a") || p.Len() != 1 {
		t.Errorf("after one pair: Has %t, Has the other way round %t, Len %d",
			p.Has("org_a", "u1"), p.Has("u1", "org_a"), p.Len())
	}
}

func TestPairsTellIDsFromTheirBorder(t *testing.T) {
	var p importer.Pairs
	p.Add("ab", "c", 2)
	for _, pair := range [][2]string{{"a", "bc"}, {"abc", ""}, {"", "abc"}, {"\x02ab", "c"}} {
		if p.Has(pair[0], pair[1]) {
			t.Errorf("%q is taken for (ab, c)", pair)
		}
	}
}

func TestPairsAreTheSetOfWhatWasAdded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.StringMatching(`[ab|]{0,3}`)
		want := map[[2]string]int{}
		var p importer.Pairs
		for line := range rapid.IntRange(0, 50).Draw(t, "lines") {
			pair := [2]string{ids.Draw(t, "org"), ids.Draw(t, "user")}
			first, in := want[pair]
			if p.Has(pair[0], pair[1]) != in {
				t.Fatalf("Has(%q) = %t", pair, !in)
			}
			earlier, found := p.Add(pair[0], pair[1], line)
			if earlier != first || found != in {
				t.Fatalf("Add(%q) = %d, %t; want %d, %t", pair, earlier, found, first, in)
			}
			if !in {
				want[pair] = line
			}
			if p.Len() != len(want) {
				t.Fatalf("Len = %d, want %d", p.Len(), len(want))
			}
		}
	})
}
