package page

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestNiceTopIsARoundNumberNotBelow(t *testing.T) {
	for v, want := range map[float64]float64{
		0: 1, 1: 1, 1.1: 2, 3: 4, 3.34: 4, 4.5: 5, 6: 8, 9: 10, 9795: 10_000, 979_981: 1_000_000,
	} {
		if got := niceTop(v); got != want {
			t.Errorf("niceTop(%v) = %v, want %v", v, got, want)
		}
	}
}

func TestDecimalsAreWrittenForPeople(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 7: "7", 999: "999", 1000: "1,000", 12_345_678: "12,345,678", 2.5: "2.5", 0.83: "0.8", 99.96: "100", 1e300: "1,000,000,000,000,000",
	} {
		if got := decimal(v); got != want {
			t.Errorf("decimal(%v) = %q, want %q", v, got, want)
		}
	}
}

func TestLengthsOfTimeAreWrittenForPeople(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                                 "less than a second",
		time.Second:                       "1 second",
		59 * time.Second:                  "59 seconds",
		99 * time.Second:                  "1 min 39 s",
		3*time.Hour + 5*time.Minute:       "3 h 5 min",
		72 * time.Hour:                    "3 days",
		59*time.Second + time.Second*9/10: "1 min 0 s",
	} {
		if got := inWords(d); got != want {
			t.Errorf("inWords(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestTicksAreWhereClocksHaveThem(t *testing.T) {
	at := func(clock string) int64 {
		when, err := time.Parse(time.DateTime, "2026-03-0"+clock)
		if err != nil {
			t.Fatal(err)
		}
		return when.Unix()
	}
	for _, tt := range [][3]string{
		{"1 10:00:24", "1 10:00:31", "10:00:24 10:00:26 10:00:28 10:00:30 10:00:32"},
		{"1 10:00:24", "1 10:01:13", "10:00:20 10:00:30 10:00:40 10:00:50 10:01:00 10:01:10 10:01:20"},
		{"1 10:00:24", "1 10:05:01", "10:00 10:01 10:02 10:03 10:04 10:05 10:06"},
		{"1 12:00:00", "1 16:00:00", "12:00 13:00 14:00 15:00 16:00"},
		{"1 23:59:59", "2 00:00:31", "23:59:50 00:00:00 00:00:10 00:00:20 00:00:30 00:00:40"},
		{"1 22:10:00", "3 09:30:00", "1 Mar 12:00 2 Mar 00:00 2 Mar 12:00 3 Mar 00:00 3 Mar 12:00"},
		{"1 22:10:00", "6 09:30:00", "1 Mar 2026 2 Mar 2026 3 Mar 2026 4 Mar 2026 5 Mar 2026 6 Mar 2026 7 Mar 2026"},
	} {
		var line timeline
		line.add(at(tt[0]))
		line.add(at(tt[1]))
		if got := strings.Join(settledChart(&line).X, " "); got != tt[2] {
			t.Errorf("from %s to %s: %s, want %s", tt[0], tt[1], got, tt[2])
		}
	}
}

func TestAxisHoldsAllTimesInFewParts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		years := rapid.Int64Range(-62_135_596_800, 253_402_300_799) // 1 to 9999
		a, b := years.Draw(rt, "a"), years.Draw(rt, "b")
		first, last := min(a, b), max(a, b)+1
		from, to, step := axis(first, last)
		if from > first || to < last || (to-from)%step != 0 || (to-from)/step > 6 || to-from > 3*(last-first)+1 {
			rt.Errorf("from %d to %d by %d", from, to, step)
		}
	})
}

func TestTimelineCountsEveryEventInOrderOfTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seconds := rapid.SliceOfN(rapid.OneOf(
			rapid.Int64Range(1_700_000_000, 1_700_001_000),
			rapid.SampledFrom([]int64{0, timelineBins, 2 * timelineBins, -1}),
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

func TestSharesAddUp(t *testing.T) {
	shares := func(numbers []int) (texts []string, wide int) {
		var terms []term
		all := 0
		for _, n := range numbers {
			terms = append(terms, term{Rows: n})
			all += n
		}
		setShares(terms, all)
		for _, term := range terms {
			texts, wide = append(texts, term.Share), wide+term.Width
		}
		return texts, wide
	}
	for _, tt := range []struct {
		numbers []int
		want    string
	}{
		{nil, ""},
		{[]int{7}, "100 %"},
		{[]int{1, 1, 1}, "33.3 %, 33.4 %, 33.3 %"},
		{[]int{500_000, 499_999, 1}, "50.0 %, 50.0 %, < 0.1 %"},
		{[]int{999_999, 1}, "> 99.9 %, < 0.1 %"},
		{[]int{9_940, 12, 18, 30}, "99.4 %, 0.1 %, 0.2 %, 0.3 %"},
	} {
		texts, _ := shares(tt.numbers)
		if got := strings.Join(texts, ", "); got != tt.want {
			t.Errorf("the shares of %v are %s, want %s", tt.numbers, got, tt.want)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		texts, wide := shares(rapid.SliceOfN(rapid.IntRange(1, 1_000_000), 2, 8).Draw(rt, "numbers"))
		sum := 0
		for _, share := range texts {
			tenths, err := strconv.Atoi(strings.NewReplacer(".", "", " %", "", "< 0.1 %", "0", "> 99.9 %", "1000").Replace(share))
			if err != nil {
				rt.Fatal(err)
			}
			sum += tenths
		}
		if sum != 1000 || wide != 1000 {
			rt.Errorf("they make %d tenths, and the parts of the bar %d", sum, wide)
		}
	})
}
