package page

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"orgimport/report"
)

// chart is a drawing for the page: a line over time in a box. The words are beside
// the drawing, not in it, so that it can be stretched.
type chart struct {
	Summary string   // what a reader without the picture needs to know
	X       []string // labels from left to right, at equal distances
	Y       []string // labels from top to bottom
	Grid    string   // path data: the times of X
	Line    string   // path data
}

// The box a chart is drawn in. The page stretches it to its width.
const (
	chartWidth  = 720
	chartHeight = 200
)

// minChartSeconds is the shortest run worth a chart.
const minChartSeconds = 5

// settledChart draws the rows that requests settled over time. It returns nil if
// there is too little to see.
func settledChart(t *timeline) *chart {
	if t.last-t.first < minChartSeconds {
		return nil
	}
	from, to, step := axis(t.first, t.last)
	seconds, sums := t.sums()
	total := sums[len(sums)-1]
	top := niceTop(float64(total))
	at := func(second int64, rows int) string {
		return coordinate(chartWidth*float64(second-from)/float64(to-from)) + " " + coordinate(chartHeight*(1-float64(rows)/top))
	}
	line := "M" + at(t.first, 0)
	for i := range seconds {
		line += "L" + at(seconds[i], sums[i])
	}
	c := &chart{
		Summary: fmt.Sprintf("%s by requests, the first and the last %s apart.",
			report.Plural(total, "row"), inWords(time.Duration(t.last-t.first)*time.Second)),
		Y: []string{decimal(top), decimal(top / 2), "0"}, Line: line,
	}
	layout := "15:04"
	switch {
	case step >= day:
		layout = "2 Jan 2006"
	case to-from > day:
		layout = "2 Jan 15:04"
	case step < 60:
		layout = "15:04:05"
	}
	for second := from; second <= to; second += step {
		c.X = append(c.X, time.Unix(second, 0).UTC().Format(layout))
		c.Grid += "M" + at(second, 0) + "V0"
	}
	return c
}

const day = 24 * 3600

// axis returns where a chart of that time begins and ends, and the seconds between
// its ticks: whole minutes, hours or days, where clocks have them, in at most six
// parts.
func axis(first, last int64) (from, to, step int64) {
	steps := []int64{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 3 * 3600, 6 * 3600, 12 * 3600, day}
	for i := 0; ; i++ {
		if i < len(steps) {
			step = steps[i]
		} else {
			step *= 2
		}
		from = first - mod(first, step)
		to = last + mod(-last, step)
		if to-from <= 6*step {
			return from, to, step
		}
	}
}

// mod returns what a is beyond a multiple of b.
func mod(a, b int64) int64 { return (a%b + b) % b }

// coordinate returns v in tenths of a unit, to keep the page small.
func coordinate(v float64) string {
	return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
}

// niceTop returns a round number not below v, for the upper edge of a chart.
func niceTop(v float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(max(v, 1))))
	for _, step := range []float64{1, 2, 4, 5, 8} {
		if v <= step*unit {
			return step * unit
		}
	}
	return 10 * unit
}

// timeline counts events over time in a fixed number of bins, whatever their times
// and in whatever order they come: when one falls outside, the bins become twice as
// wide. The zero value is ready for use.
type timeline struct {
	start int64 // second at which the first bin begins; a multiple of width
	width int64 // seconds of a bin; 0: nothing was counted
	bins  [timelineBins]int
	first int64 // earliest second counted
	last  int64 // latest
}

// timelineBins is about one bin for each two pixels of a chart.
const timelineBins = 512

// add counts one event at the given second.
func (t *timeline) add(second int64) {
	if t.width == 0 {
		t.width, t.start, t.first, t.last = 1, second, second, second
	}
	t.first, t.last = min(t.first, second), max(t.last, second)
	for second < t.start || second >= t.start+t.width*timelineBins {
		t.widen(second < t.start)
	}
	t.bins[(second-t.start)/t.width]++
}

// widen makes each bin twice as wide. The new time is before the old if earlier is
// set, and after it otherwise.
func (t *timeline) widen(earlier bool) {
	old := t.bins
	shift := 0
	if earlier {
		t.start -= t.width * timelineBins
		shift = timelineBins / 2
	}
	t.width *= 2
	t.bins = [timelineBins]int{}
	for i, n := range old {
		t.bins[shift+i/2] += n
	}
}

// sums returns the second at which each bin from the first to the last event ends,
// and how many events there were until then. There must have been one.
func (t *timeline) sums() (seconds []int64, sums []int) {
	total := 0
	for i := (t.first - t.start) / t.width; i <= (t.last-t.start)/t.width; i++ {
		total += t.bins[i]
		seconds = append(seconds, min(t.start+(i+1)*t.width, t.last))
		sums = append(sums, total)
	}
	return seconds, sums
}

// decimal returns v as people read it: with its thousands apart, and a decimal if it
// is small.
func decimal(v float64) string {
	if v = math.Round(v*10) / 10; v == math.Trunc(v) || v >= 100 {
		return report.Number(int(min(math.Round(v), 1e15)))
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}

// inWords returns a length of time as people say it.
func inWords(d time.Duration) string {
	if d < time.Second {
		return "less than a second"
	}
	switch d = d.Round(time.Second); {
	case d < time.Minute:
		return report.Plural(int(d.Seconds()), "second")
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return report.Plural(int(d/(24*time.Hour)), "day")
}
