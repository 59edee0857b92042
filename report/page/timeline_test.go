package page

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestTimelineCountsEveryEventInOrderOfTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seconds := rapid.SliceOfN(rapid.OneOf(
			rapid.Int64Range(1_700_000_000, 1_700_001_000),
			rapid.Int64Range(-62_135_596_800, 253_402_300_799), // years 1 to 9999
		), 1, 200).Draw(t, "seconds")
		var line timeline
		for _, s := range seconds {
			line.add(s)
		}
		ends, sums := line.sums()
		if !slices.IsSorted(ends) || !slices.IsSorted(sums) || len(ends) != len(sums) || len(ends) > timelineBins {
			t.Fatalf("%d ends %v, %d sums %v", len(ends), ends, len(sums), sums)
		}
		if last := ends[len(ends)-1]; sums[len(sums)-1] != len(seconds) || last != slices.Max(seconds) {
			t.Fatalf("%d of %d events until %d of %d", sums[len(sums)-1], len(seconds), last, slices.Max(seconds))
		}
		for i, end := range ends[:len(ends)-1] {
			n := 0
			for _, s := range seconds {
				if s < end {
					n++
				}
			}
			if n != sums[i] {
				t.Fatalf("%d events before %d, want %d", sums[i], end, n)
			}
		}
	})
}
