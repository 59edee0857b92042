package page

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"orgimport/report"
)

// history is what the event log says of the runs, in bounded memory.
type history struct {
	Requests, Refused int
	Waited            time.Duration // for the tenant's limit
	Outages           int
	OutageFor         time.Duration

	starts int
	start  report.Event // of the last run
	tenant string
	rows   int           // of the input of the last run; 0 if not known
	end    *report.Event // of the last run; nil if it is not known how it ended

	bound  bool // the tenant's limit kept a request back, or refused one
	bucket int  // requests that the tenant takes at once, by its newest answer; 0 if not known

	reads, saved int          // by look-ups
	before       report.Event // the sample, start or stop before this one
	samples      []sample
	perSample    int           // how many samples of the file make one of ours
	merging      int           // how many the last one has so far
	usual        time.Duration // from one sample of the file to the next

	waits    map[string]*wait
	down     time.Time // when the present outage began; zero if there is none
	spans    []timeSpan
	from, to time.Time
}

// timeSpan is the time between two moments.
type timeSpan struct{ from, to time.Time }

func (s timeSpan) length() time.Duration { return s.to.Sub(s.from) }

// sample is how many requests were sent in a span of time.
type sample struct {
	timeSpan
	requests int
	restart  bool // another run began before it
}

// wait is all pauses for one reason.
type wait struct {
	Reason string
	Times  int
	Total  time.Duration
}

const (
	maxSamples = 400  // about one for two pixels of a chart
	maxSpans   = 2000 // pauses kept for the drawing; all of them are counted
	maxWaits   = 50   // reasons kept
	maxReasons = 5    // reasons shown
)

// readHistory reads all events. It returns nil if there are none.
func readHistory(events io.Reader) (*history, error) {
	if events == nil {
		return nil, nil
	}
	h := &history{perSample: 1, waits: make(map[string]*wait)}
	for e, err := range report.ReadEvents(events) {
		if err != nil {
			return nil, err
		}
		h.add(e)
	}
	if h.from.IsZero() {
		return nil, nil
	}
	h.endOutage(h.to)
	return h, nil
}

func (h *history) add(e report.Event) {
	if e.Kind == report.EventStart {
		h.endOutage(h.to) // the run before was killed in it
	}
	if h.from.IsZero() || e.Time.Before(h.from) {
		h.from = e.Time
	}
	if e.Time.After(h.to) {
		h.to = e.Time
	}
	if e.Limit > 0 {
		h.bucket = e.Limit
	}
	length := time.Duration(min(max(e.Seconds, 0), maxSeconds) * float64(time.Second))
	switch e.Kind {
	case report.EventStart:
		h.starts++
		h.tenant = cmp.Or(report.Shorten(e.Tenant), h.tenant)
		h.start, h.rows, h.end = e, e.Rows, nil
		h.before = e
	case report.EventRows:
		h.rows = e.Rows
	case report.EventLookup:
		h.reads += max(0, e.Reads)
		h.saved += max(0, e.WritesSaved)
	case report.EventStop:
		h.endOutage(e.Time)
		h.rows = cmp.Or(e.Rows, h.rows)
		h.end = &e
		h.sample(e)
	case report.EventSample:
		h.sample(e)
	case report.EventRefused:
		h.Refused++
		h.bound = true
	case report.EventPause:
		h.pause(e, length)
	case report.EventOutageBegin:
		h.down = e.Time
	case report.EventOutageEnd:
		if h.down.IsZero() {
			h.down = e.Time.Add(-length)
		}
		h.endOutage(e.Time)
	}
}

// endOutage counts the outage that has not ended, if there is one.
func (h *history) endOutage(at time.Time) {
	if h.down.IsZero() {
		return
	}
	h.Outages++
	h.OutageFor += max(0, at.Sub(h.down))
	h.mark(timeSpan{h.down, at})
	h.down = time.Time{}
}

// maxSeconds is the longest time that an event is believed to take: a year.
const maxSeconds = 365 * 24 * 3600

// sample notes how many requests were sent since the event before.
func (h *history) sample(e report.Event) {
	before := h.before
	h.before = e
	sent := e.Requests - before.Requests
	if before.Kind == "" || sent < 0 || !e.Time.After(before.Time) {
		return
	}
	h.Requests += sent
	if waited := e.Waited - before.Waited; waited > 0 {
		h.Waited += time.Duration(min(waited, maxSeconds) * float64(time.Second))
		h.bound = true
	}
	s := sample{timeSpan{before.Time, e.Time}, sent, before.Kind == report.EventStart}
	if n := len(h.samples); n > 0 && !s.restart && s.length() < h.usual/2 {
		h.samples[n-1].merge(s) // the run ended in the middle of it
		return
	}
	h.usual = s.length()
	if h.merging > 0 && h.merging < h.perSample && !s.restart {
		h.samples[len(h.samples)-1].merge(s)
		h.merging++
		return
	}
	if len(h.samples) == maxSamples {
		h.halve()
	}
	h.samples, h.merging = append(h.samples, s), 1
}

// halve makes room by merging samples in pairs.
func (h *history) halve() {
	var half []sample
	for i, s := range h.samples {
		if i%2 == 0 || s.restart && len(half) < maxSamples/2 {
			half = append(half, s)
		} else {
			half[len(half)-1].merge(s)
		}
	}
	h.samples = half
	h.perSample *= 2
}

func (s *sample) merge(next sample) {
	s.to = next.to
	s.requests += next.requests
}

func (h *history) pause(e report.Event, length time.Duration) {
	h.mark(timeSpan{e.Time, e.Time.Add(length)})
	reason := cmp.Or(report.Shorten(e.Message), "no reason given")
	if len(h.waits) == maxWaits && h.waits[reason] == nil {
		reason = "other reasons"
	}
	w := h.waits[reason]
	if w == nil {
		w = &wait{Reason: reason}
		h.waits[reason] = w
	}
	w.Times++
	w.Total += length
}

// mark keeps a span in which nothing was sent, for the drawing. When there are too
// many, the shorter half of them goes: those would not show.
func (h *history) mark(s timeSpan) {
	if len(h.spans) == maxSpans {
		slices.SortFunc(h.spans, func(a, b timeSpan) int { return cmp.Compare(b.length(), a.length()) })
		h.spans = h.spans[:maxSpans/2]
	}
	h.spans = append(h.spans, s)
}

// finished reports whether the last run is known to have come to the end of its
// input.
func (h *history) finished() bool {
	return h.end != nil && (h.end.ExitCode == 0 || h.end.ExitCode == 1)
}

// notAttempted returns how many rows have no line in results with that many lines.
func (h *history) notAttempted(lines int) int {
	n := max(0, h.rows-lines)
	if h.end != nil {
		n = max(n, h.end.NotAttempted)
	}
	return n
}

// Reasons returns what was waited for, the longest first.
func (h *history) Reasons() []wait {
	var all []wait
	for _, w := range h.waits {
		all = append(all, *w)
	}
	slices.SortFunc(all, func(a, b wait) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Reason, b.Reason))
	})
	return all[:min(len(all), maxReasons)]
}

// Traffic says how many requests were sent and refused.
func (h *history) Traffic() string {
	refused := "none"
	if h.Refused > 0 {
		refused = report.Number(h.Refused)
	}
	return report.Plural(h.Requests, "request") + ", " + refused + " of them answered with 429."
}

// ending says how a run ended that did not come to the end of its input. A second
// Ctrl-C ends a run at once, as a kill does: neither writes an event.
func (h *history) ending() string {
	if h.end == nil {
		return "The event log does not say how the last run ended: it was killed or interrupted twice, or it is still going on."
	}
	text := fmt.Sprintf("The last run ended with exit code %d", h.end.ExitCode)
	if h.end.Message != "" {
		text += ": " + report.Shorten(h.end.Message)
	}
	return text + "."
}

// facts says which run it was.
func (h *history) facts() []fact {
	code := "not known"
	if h.end != nil {
		code = strconv.Itoa(h.end.ExitCode)
	}
	facts := []fact{
		{Name: "Command", Value: report.Shorten(h.start.Command), Long: true},
		{Name: "Input", Value: report.Shorten(h.start.Input)},
		{Name: "Version", Value: report.Shorten(h.start.Version)},
		{Name: "Exit code", Value: code},
	}
	return slices.DeleteFunc(facts, func(f fact) bool { return f.Value == "" })
}

// limit says whether the run reached the tenant's limit. No answer says how many
// requests a second that allows.
func (h *history) limit() string {
	switch {
	case !h.bound:
		return "not reached"
	case h.bucket == 0:
		return "reached"
	}
	return "reached; " + report.Plural(h.bucket, "request") + " at once"
}
