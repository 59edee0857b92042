package page

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"orgimport/report"
)

// history is how the runs went, as their events tell it, in bounded memory.
type history struct {
	starts int
	first  report.Event // start of the last run
	tenant string
	rows   int           // of the input of the last run; 0 if not known
	end    *report.Event // stop of the last run; nil if it was killed, or goes on

	bound  bool // the tenant's limit kept a request back, or refused one
	bucket int  // requests that the tenant takes at once, by its newest answer; 0 if not known

	requests, refused int
	reads, saved      int          // by look-ups
	before            report.Event // the sample, start or stop before this one
	samples           []sample
	perSample         int           // how many samples of the file make one of ours
	merging           int           // how many the last one has so far
	usual             time.Duration // from one sample of the file to the next

	waits     map[string]*wait
	waited    time.Duration // for the tenant's limit
	outages   int
	outageFor time.Duration
	down      time.Time // when the outage began that has not ended; zero if there is none
	spans     []timeSpan
	from, to  time.Time
}

// sample is how many requests were sent between two moments.
type sample struct {
	from, to time.Time
	requests int
	restart  bool // another run began before it
}

// wait is all pauses for one reason.
type wait struct {
	Reason string
	Times  int
	Total  time.Duration
}

// timeSpan is a time in which nothing was sent.
type timeSpan struct{ from, to time.Time }

const (
	maxSamples = 400  // about one for two pixels of a chart
	maxSpans   = 2000 // pauses kept for the drawing; all are counted
	maxWaits   = 50   // reasons told apart
)

// readHistory reads all events. It returns nil if there are none.
func readHistory(events io.Reader) (*history, error) {
	if events == nil {
		return nil, nil
	}
	c := &history{perSample: 1, waits: make(map[string]*wait)}
	for e, err := range report.ReadEvents(events) {
		if err != nil {
			return nil, err
		}
		c.add(e)
	}
	if c.from.IsZero() {
		return nil, nil
	}
	c.endOutage(c.to)
	return c, nil
}

func (c *history) add(e report.Event) {
	if e.Kind == report.EventStart {
		c.endOutage(c.to) // the run before was killed in it
	}
	if c.from.IsZero() || e.Time.Before(c.from) {
		c.from = e.Time
	}
	if e.Time.After(c.to) {
		c.to = e.Time
	}
	if e.Limit > 0 {
		c.bucket = e.Limit
	}
	length := time.Duration(min(max(e.Seconds, 0), maxSeconds) * float64(time.Second))
	switch e.Kind {
	case report.EventStart:
		c.starts++
		c.tenant = cmp.Or(report.Shorten(e.Tenant), c.tenant)
		c.first, c.rows, c.end = e, e.Rows, nil
		c.before = e
	case report.EventRows:
		c.rows = e.Rows
	case report.EventLookup:
		c.reads += max(0, e.Reads)
		c.saved += max(0, e.WritesSaved)
	case report.EventStop:
		c.endOutage(e.Time)
		c.rows = cmp.Or(e.Rows, c.rows)
		c.end = &e
		c.sample(e)
	case report.EventSample:
		c.sample(e)
	case report.EventRefused:
		c.refused++
		c.bound = true
	case report.EventPause:
		c.pause(e, length)
	case report.EventOutageBegin:
		c.down = e.Time
	case report.EventOutageEnd:
		if c.down.IsZero() {
			c.down = e.Time.Add(-length)
		}
		c.endOutage(e.Time)
	}
}

// endOutage counts the outage that is going on, if there is one.
func (c *history) endOutage(at time.Time) {
	if c.down.IsZero() {
		return
	}
	c.outages++
	c.outageFor += max(0, at.Sub(c.down))
	c.mark(timeSpan{c.down, at})
	c.down = time.Time{}
}

// maxSeconds is the longest time believed of an event: a year.
const maxSeconds = 365 * 24 * 3600

// sample notes how many requests were sent since the event before.
func (c *history) sample(e report.Event) {
	before := c.before
	c.before = e
	sent := e.Requests - before.Requests
	if before.Kind == "" || sent < 0 || !e.Time.After(before.Time) {
		return
	}
	c.requests += sent
	if waited := e.Waited - before.Waited; waited > 0 {
		c.waited += time.Duration(min(waited, maxSeconds) * float64(time.Second))
		c.bound = true
	}
	s := sample{from: before.Time, to: e.Time, requests: sent, restart: before.Kind == report.EventStart}
	if n := len(c.samples); n > 0 && !s.restart && s.length() < c.usual/2 {
		c.samples[n-1].merge(s) // the run ended in the middle of it
		return
	}
	c.usual = s.length()
	if c.merging > 0 && c.merging < c.perSample && !s.restart {
		c.samples[len(c.samples)-1].merge(s)
		c.merging++
		return
	}
	if len(c.samples) == maxSamples {
		c.halve()
	}
	c.samples, c.merging = append(c.samples, s), 1
}

// halve makes room by merging samples in pairs.
func (c *history) halve() {
	var half []sample
	for i, s := range c.samples {
		if i%2 == 0 || s.restart && len(half) < maxSamples/2 {
			half = append(half, s)
		} else {
			half[len(half)-1].merge(s)
		}
	}
	c.samples = half
	c.perSample *= 2
}

func (s *sample) merge(next sample) {
	s.to = next.to
	s.requests += next.requests
}

func (s *sample) length() time.Duration { return s.to.Sub(s.from) }

func (c *history) pause(e report.Event, length time.Duration) {
	c.mark(timeSpan{e.Time, e.Time.Add(length)})
	reason := cmp.Or(report.Shorten(e.Message), "no reason given")
	if len(c.waits) == maxWaits && c.waits[reason] == nil {
		reason = "other reasons"
	}
	w := c.waits[reason]
	if w == nil {
		w = &wait{Reason: reason}
		c.waits[reason] = w
	}
	w.Times++
	w.Total += length
}

// mark keeps a span for the drawing. When there are too many, the shorter half
// of them goes: it is the one that would not show.
func (c *history) mark(s timeSpan) {
	if len(c.spans) == maxSpans {
		slices.SortFunc(c.spans, func(a, b timeSpan) int { return cmp.Compare(b.length(), a.length()) })
		c.spans = c.spans[:maxSpans/2]
	}
	c.spans = append(c.spans, s)
}

// finished reports whether the last run came to the end of its input.
func (c *history) finished() bool {
	return c.end != nil && (c.end.ExitCode == 0 || c.end.ExitCode == 1)
}

// notAttempted returns how many rows have no line, of which the results hold
// that many.
func (c *history) notAttempted(lines int) int {
	n := max(0, c.rows-lines)
	if c.end != nil {
		n = max(n, c.end.NotAttempted)
	}
	return n
}

func (s timeSpan) length() time.Duration { return s.to.Sub(s.from) }

// reasons returns what was waited for, the longest first.
func (c *history) reasons() []wait {
	var all []wait
	for _, w := range c.waits {
		all = append(all, *w)
	}
	slices.SortFunc(all, func(a, b wait) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Reason, b.Reason))
	})
	return all[:min(len(all), 5)]
}

// rateChart draws the rate of requests; nil if there is too little to see.
func (c *history) rateChart(axis scale) *chart {
	if len(c.samples) < 2 || axis.to-axis.from < minChartSeconds {
		return nil
	}
	s := axis
	var rates []point
	for i, sample := range c.samples {
		length := sample.to.Sub(sample.from).Seconds()
		rate := float64(sample.requests) / length
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
		Title:   "Requests a second",
		Summary: fmt.Sprintf("%s requests, %d of them answered with 429.", report.Number(c.requests), c.refused),
		X:       xLabels(s.from, s.to), Y: yLabels(s.top),
		Line: s.path(rates), Bands: c.bands(s),
		Legend: []legend{{"line", "requests a second"}},
	}
	if len(drawn.Bands) > 0 {
		drawn.Legend = append(drawn.Legend, legend{"band", "waits and outages"})
	}
	return drawn
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// bands returns the spans as they show in the drawing: the places of which they
// fill at least half. In a run of a day, a wait of a few seconds shows nowhere.
func (c *history) bands(s scale) []band {
	var filled [chartWidth]float64
	for _, span := range c.spans {
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
