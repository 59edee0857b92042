package page

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"orgimport/report"
)

// chart is a drawing for the page: a line over time in a box. The words are beside
// the drawing, not in it, so that it can be stretched.
type chart struct {
	Title   string
	Summary string   // what a reader without the picture needs to know
	X       []string // labels from left to right
	Y       []string // labels from top to bottom
	Area    string   // path data, filled
	Line    string   // path data
	Bands   []band   // spans of time that are marked
	Legend  []legend
}

// band is a marked span of a chart.
type band struct{ X, Width string }

// legend says what a mark of a chart means.
type legend struct{ Class, Name string }

// The box a chart is drawn in. The page stretches it to its width.
const (
	chartWidth  = 720
	chartHeight = 200
)

// point is a place in a chart: at which second, how much. A point with a gap is
// not joined to the one before.
type point struct {
	second float64
	value  float64
	gap    bool
}

// scale maps points into the box.
type scale struct {
	from, to float64 // seconds
	top      float64 // value at the upper edge
}

func (s scale) x(second float64) float64 {
	return chartWidth * (second - s.from) / max(s.to-s.from, 1)
}

func (s scale) y(value float64) float64 { return chartHeight * (1 - value/s.top) }

// path returns the points as path data.
func (s scale) path(points []point) string {
	var b strings.Builder
	for i, p := range points {
		command := "L"
		if i == 0 || p.gap {
			command = "M"
		}
		b.WriteString(command + coordinate(s.x(p.second)) + " " + coordinate(s.y(p.value)))
	}
	return b.String()
}

// area returns the surface below points without gaps as path data.
func (s scale) area(points []point) string {
	if len(points) == 0 {
		return ""
	}
	return s.path(points) + "V" + coordinate(chartHeight) + "H" + coordinate(s.x(points[0].second)) + "Z"
}

// coordinate returns v in tenths of a unit, to keep the page small.
func coordinate(v float64) string {
	return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
}

// niceTop returns a round number not below v, for the upper edge of a chart.
func niceTop(v float64) float64 {
	if v <= 0 {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, step := range []float64{1, 2, 4, 5, 8} {
		if v <= step*unit {
			return step * unit
		}
	}
	return 10 * unit
}

// yLabels returns the labels of the upper edge, the middle and the lower edge.
func yLabels(top float64) []string {
	return []string{number(top), number(top / 2), "0"}
}

// xLabels returns five times from left to right, as short as tells them apart.
func xLabels(from, to float64) []string {
	layout := "15:04"
	switch {
	case to-from >= 2*24*3600:
		layout = "2 Jan"
	case to-from >= 24*3600:
		layout = "2 Jan 15:04"
	case to-from < 10*60:
		layout = "15:04:05"
	}
	var labels []string
	for i := range 5 {
		second := from + (to-from)*float64(i)/4
		labels = append(labels, time.Unix(int64(second), 0).UTC().Format(layout))
	}
	return labels
}

// number returns v as people read it: with its thousands apart, its decimals if it
// has some, and as a power of ten if it is huge.
func number(v float64) string {
	if v == math.Trunc(v) && v < 1e15 {
		return report.Number(int(v))
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// span returns a length of time as people say it.
func span(d time.Duration) string {
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

// stamp returns a time in full, as the page writes it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// minChartSeconds is the shortest run worth a chart.
const minChartSeconds = 5

// axis returns the time that the charts share: from the first to the last known
// moment of the runs.
func axis(t *timeline, h *history) (s scale) {
	if t.width != 0 {
		s.from, s.to = float64(t.first), float64(t.last)
	}
	if h == nil {
		return s
	}
	from, to := seconds(h.from), seconds(h.to)
	if t.width == 0 {
		return scale{from: from, to: to}
	}
	return scale{from: min(s.from, from), to: max(s.to, to)}
}

// settledChart draws the rows that requests settled over time. It returns nil if
// there is too little to see.
func settledChart(t *timeline, axis scale) *chart {
	if t.width == 0 || axis.to-axis.from < minChartSeconds {
		return nil
	}
	seconds, sums := t.sums()
	points := []point{{second: axis.from}, {second: float64(t.first)}}
	for i := range seconds {
		points = append(points, point{second: float64(seconds[i]), value: float64(sums[i])})
	}
	total := sums[len(sums)-1]
	points = append(points, point{second: axis.to, value: float64(total)})
	s := axis
	s.top = niceTop(float64(total))
	return &chart{
		Title: "Rows done over time",
		Summary: fmt.Sprintf("%s by requests, the first and the last %s apart.",
			report.Plural(total, "row"), span(time.Duration(t.last-t.first)*time.Second)),
		X: xLabels(s.from, s.to), Y: yLabels(s.top),
		Area: s.area(points), Line: s.path(points),
	}
}

// rateChart draws the rate of requests. It returns nil if there is too little to
// see.
func (h *history) rateChart(axis scale) *chart {
	if len(h.samples) < 2 || axis.to-axis.from < minChartSeconds {
		return nil
	}
	s := axis
	var rates []point
	for i, sample := range h.samples {
		rate := float64(sample.requests) / sample.length().Seconds()
		gap := i == 0 || sample.restart
		from, to := seconds(sample.from), seconds(sample.to)
		if gap {
			rates = append(rates, point{second: from, value: rate, gap: true})
		}
		rates = append(rates, point{second: (from + to) / 2, value: rate})
		s.top = max(s.top, rate)
	}
	s.top = niceTop(s.top)
	drawn := &chart{
		Title: "Requests a second", Summary: h.Traffic(),
		X: xLabels(s.from, s.to), Y: yLabels(s.top),
		Line: s.path(rates), Bands: h.bands(s),
		Legend: []legend{{"line", "requests a second"}},
	}
	if len(drawn.Bands) > 0 {
		drawn.Legend = append(drawn.Legend, legend{"band", "waits and outages"})
	}
	return drawn
}

// bands returns the spans as they show in the drawing: those columns of it of which
// they fill at least half. In a run of a day, a wait of a few seconds is not seen.
func (h *history) bands(s scale) []band {
	var filled [chartWidth]float64
	for _, span := range h.spans {
		from := max(0, s.x(seconds(span.from)))
		to := min(chartWidth, s.x(seconds(span.to)))
		for x := int(from); float64(x) < to; x++ {
			filled[x] += min(to, float64(x+1)) - max(from, float64(x))
		}
	}
	var bands []band
	for x := 0; x < chartWidth; x++ {
		from := x
		for x < chartWidth && filled[x] >= 0.5 {
			x++
		}
		if x > from {
			bands = append(bands, band{X: coordinate(float64(from)), Width: coordinate(float64(x - from))})
		}
	}
	return bands
}

// seconds returns t as a place on the axis.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
