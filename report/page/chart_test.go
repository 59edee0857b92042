package page

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orgimport/report"
	"orgimport/report/internal/reporttest"
)

func TestNiceTopIsARoundNumberNotBelow(t *testing.T) {
	for v, want := range map[float64]float64{
		0: 1, -3: 1, 0.03: 0.04, 0.5: 0.5, 1: 1, 1.1: 2, 3: 4, 3.34: 4, 4.5: 5, 6: 8, 9: 10, 9795: 10_000, 979_981: 1_000_000,
	} {
		if got := niceTop(v); got != want {
			t.Errorf("niceTop(%v) = %v, want %v", v, got, want)
		}
	}
}

func TestNumbersAreWrittenForPeople(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 7: "7", 999: "999", 1000: "1,000", 12_345_678: "12,345,678", 2.5: "2.5", 0.02: "0.02", 1e300: "1e+300",
	} {
		if got := number(v); got != want {
			t.Errorf("number(%v) = %q, want %q", v, got, want)
		}
	}
}

func TestSpansAreWrittenForPeople(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                                 "less than a second",
		time.Second:                       "1 second",
		59 * time.Second:                  "59 seconds",
		99 * time.Second:                  "1 min 39 s",
		3*time.Hour + 5*time.Minute:       "3 h 5 min",
		72 * time.Hour:                    "3 days",
		59*time.Second + time.Second*9/10: "1 min 0 s",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestXLabelsAreAsShortAsTheyCanBe(t *testing.T) {
	const noon = 1_772_366_400 // 2026-03-01 12:00:00 UTC
	for length, want := range map[float64]string{
		60:        "12:00:00 12:00:15 12:00:30 12:00:45 12:01:00",
		4 * 3600:  "12:00 13:00 14:00 15:00 16:00",
		36 * 3600: "1 Mar 12:00 1 Mar 21:00 2 Mar 06:00 2 Mar 15:00 3 Mar 00:00",
		96 * 3600: "1 Mar 2 Mar 3 Mar 4 Mar 5 Mar",
	} {
		if got := strings.Join(xLabels(noon, noon+length), " "); got != want {
			t.Errorf("%v seconds: got %s, want %s", length, got, want)
		}
	}
}

func TestSharesAddUp(t *testing.T) {
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
		if got := strings.Join(shares(tt.numbers), ", "); got != tt.want {
			t.Errorf("shares(%v) = %s, want %s", tt.numbers, got, tt.want)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		numbers := rapid.SliceOfN(rapid.IntRange(1, 1_000_000), 2, 8).Draw(rt, "numbers")
		sum := 0
		for _, share := range shares(numbers) {
			tenths, err := strconv.Atoi(strings.NewReplacer(".", "", " %", "", "< 0.1 %", "0", "> 99.9 %", "1000").Replace(share))
			if err != nil {
				rt.Fatal(err)
			}
			sum += tenths
		}
		if sum != 1000 {
			rt.Errorf("they make %d tenths", sum)
		}
	})
}

// However many events there are, all requests and waits are counted, and what is
// kept for the drawing is bounded and in order.
func TestHistoryIsBoundedAndCountsEverything(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		c := &history{perSample: 1, waits: make(map[string]*wait)}
		var requests, refused int
		var waited time.Duration
		now := start
		for range rapid.IntRange(1, 3).Draw(rt, "runs") {
			c.add(report.Event{Time: now, Kind: report.EventStart})
			sent, waiting := 0, 0.0
			for range rapid.IntRange(0, 1500).Draw(rt, "samples") {
				now = now.Add(time.Duration(1+now.Unix()%29) * time.Second)
				sent += int(now.Unix() % 40)
				waiting += 2
				c.add(report.Event{Time: now, Kind: report.EventSample, Requests: sent, Rate: 3.3, Waited: waiting})
				c.add(report.Event{Time: now, Kind: report.EventPause, Seconds: 2})
				c.add(report.Event{Time: now, Kind: report.EventRefused})
				waited += 2 * time.Second
				refused++
			}
			requests += sent
		}
		if c.Requests != requests || c.Refused != refused || c.Waited != waited {
			rt.Fatalf("%d requests, %d refused, %v waited; want %d, %d, %v", c.Requests, c.Refused, c.Waited, requests, refused, waited)
		}
		kept := 0
		for _, s := range c.samples {
			kept += s.requests
		}
		if kept != requests || len(c.samples) > maxSamples || len(c.spans) > maxSpans {
			rt.Fatalf("%d samples of %d requests, %d spans", len(c.samples), kept, len(c.spans))
		}
		if !slices.IsSortedFunc(c.samples, func(a, b sample) int { return a.from.Compare(b.from) }) {
			rt.Fatal("the samples are not in order")
		}
	})
}

// The rate of a run of a day is drawn to its end, in parts of similar length.
func TestSamplesOfALongRunAreAlike(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := &history{perSample: 1, waits: make(map[string]*wait)}
	c.add(report.Event{Time: start, Kind: report.EventStart})
	const samples = 5000
	for i := 1; i <= samples; i++ {
		c.add(report.Event{Time: start.Add(time.Duration(i) * 15 * time.Second), Kind: report.EventSample, Requests: i})
	}
	for _, s := range c.samples {
		if most := 2 * samples * 15 * time.Second / (maxSamples / 2); s.length() > most {
			t.Errorf("one of %d samples lasts %v", len(c.samples), s.length())
		}
	}
}

func TestOutagesAreCountedHoweverTheyEnd(t *testing.T) {
	at := func(s int) time.Time { return time.Date(2026, 3, 1, 12, 0, s, 0, time.UTC) }
	tests := []struct {
		name   string
		events []report.Event
		want   time.Duration
	}{
		{"ended", []report.Event{{Time: at(0), Kind: report.EventOutageBegin}, {Time: at(9), Kind: report.EventOutageEnd}}, 9 * time.Second},
		{"its beginning was lost", []report.Event{{Time: at(9), Kind: report.EventOutageEnd, Seconds: 4}}, 4 * time.Second},
		{"the run gave up", []report.Event{{Time: at(0), Kind: report.EventOutageBegin}, {Time: at(9), Kind: report.EventStop}}, 9 * time.Second},
		{"the run was killed", []report.Event{{Time: at(0), Kind: report.EventOutageBegin}, {Time: at(5), Kind: report.EventRefused}, {Time: at(50), Kind: report.EventStart}}, 5 * time.Second},
		{"still going on", []report.Event{{Time: at(0), Kind: report.EventOutageBegin}, {Time: at(7), Kind: report.EventRefused}}, 7 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := readHistory(strings.NewReader(reporttest.EventLog(t, tt.events...)))
			if err != nil {
				t.Fatal(err)
			}
			if c.Outages != 1 || c.OutageFor != tt.want {
				t.Errorf("%d outages, %v in all; want 1, %v", c.Outages, c.OutageFor, tt.want)
			}
		})
	}
}

// A wait shows if it fills its place in the drawing, and does not if it is too short.
func TestBandsShowWaitsInProportion(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	c := &history{spans: []timeSpan{{at(0), at(72)}, {at(300), at(301)}, {at(500), at(504)}, {at(504), at(540)}}}
	s := scale{from: float64(start.Unix()), to: float64(start.Unix()) + 7200} // 10 seconds a place
	want := []band{{"0", "7"}, {"50", "4"}}
	if got := c.bands(s); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
