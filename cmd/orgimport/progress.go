package main

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/schollz/progressbar/v3"

	"orgimport/ratelimit"
	"orgimport/report"
)

// progress says how far a run is.
type progress struct {
	done, total int64 // rows, or bytes if their number is not known; total 0: not known
	bytes       bool
	members     int64  // rows that this run did with a request
	did         string // what was done with them, such as added
	failed      int64
	elapsed     time.Duration
	waiting     waiting
	answered    float64         // batches
	batches     int64           // all of them; 0: not known
	pace        ratelimit.State // of the requests; the zero value: not known
	left        time.Duration   // 0: not known
	words       string          // shown instead of the numbers, unless it is empty
}

// sight returns what the time left follows from.
func (p progress) sight() sight {
	s := sight{
		at: time.Now(), done: float64(p.done), total: float64(p.total), sent: float64(p.done),
		pace: p.pace, halted: p.waiting.halted,
	}
	if p.pace.Sent > 0 {
		s.sent = float64(p.pace.Sent - p.pace.Refused - p.pace.InFlight)
	}
	if p.batches > 0 {
		s.done, s.total = min(p.answered, s.sent), float64(p.batches) // each takes a request at least
	}
	return s
}

// waiting describes what a run waits for. The zero value means that it does not
// wait.
type waiting struct {
	text   string // "waiting 38s", which are to come
	why    string // " for the tenant's limit"
	detail string // " (0 of 20 left, more at 14:03:05)"
	halted bool   // nothing is sent until it is over
}

func (w waiting) String() string { return w.text + w.why + w.detail }

func (p progress) perSecond() float64 {
	if p.elapsed < time.Second {
		return 0
	}
	return float64(p.members) / p.elapsed.Seconds()
}

// minBar is the width of the shortest bar worth drawing, in columns.
const minBar = 12

// line returns the progress in one line that fits into the given columns. If there
// is not enough room, it omits parts, the details first; the percentage, the wait
// and the time left stay. A bar fills the remaining room. If the total is not
// known, the line begins with the spinner instead of the percentage.
func (p progress) line(columns int, spinner string) string {
	start := spinner + " "
	if p.total > 0 {
		start = fmt.Sprintf("%3d%% ", 100*min(p.done, p.total)/p.total)
	}
	for _, try := range []struct {
		omit omission
		bar  bool
	}{
		{0, true}, {noDetail, true}, {noWhy, true}, {noRate, true},
		{noRate, false}, {noCounts, false}, {noFailed, false},
	} {
		text := p.text(try.omit)
		room := columns - utf8.RuneCountInString(start+text)
		if p.total == 0 && room >= 0 {
			return start + text
		}
		if try.bar && room > minBar {
			return start + p.bar(room-1) + " " + text
		}
		if !try.bar && room >= 0 {
			return start + text
		}
	}
	return cut(start+p.text(noFailed), columns)
}

// An omission says how much of the text is omitted. Each one omits one more part
// than the one before it.
type omission int

const (
	noDetail omission = iota + 1
	noWhy
	noRate
	noCounts
	noFailed
)

// text returns the text beside the bar.
func (p progress) text(omit omission) string {
	var parts []string
	add := func(omittedFrom omission, part string) {
		if omit < omittedFrom && part != "" {
			parts = append(parts, part)
		}
	}
	add(noCounts, p.counts())
	if rate := p.perSecond(); rate > 0 {
		add(noRate, fmt.Sprintf("%.1f/s", rate))
	}
	if p.failed > 0 {
		add(noFailed, report.Number(int(p.failed))+" failed")
	}
	wait := p.waiting
	if omit >= noDetail {
		wait.detail = ""
	}
	if omit >= noWhy {
		wait.why = ""
	}
	add(noFailed+1, wait.String())
	if left := p.left; left > 0 {
		add(noFailed+1, brief(left)+" left")
	}
	return strings.Join(parts, " · ")
}

func (p progress) counts() string {
	switch {
	case p.words != "":
		return p.words
	case p.bytes || p.total == 0:
		return report.Number(int(p.members)) + " " + p.did
	}
	return report.Number(int(p.done)) + "/" + report.Number(int(p.total))
}

// bar returns a bar of the given number of columns.
func (p progress) bar(columns int) string {
	var drawn strings.Builder
	bar := progressbar.NewOptions64(p.total+1, // + 1, because a full bar can't be redrawn
		progressbar.OptionSetWriter(&drawn),
		progressbar.OptionSetWidth(columns-2),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionUseANSICodes(true), // so that it does not clear the line
	)
	_ = bar.Set64(min(p.done, p.total)) // writing to a strings.Builder can't fail
	drawn.Reset()
	bar.Describe("")
	_, rest, _ := strings.Cut(drawn.String(), "|")
	cells, _, _ := strings.Cut(rest, "|")
	return "|" + cells + "|"
}

// String returns the progress as a line of a log.
func (p progress) String() string {
	s := fmt.Sprintf("%s %s, %.1f a second, %s failed", report.Number(int(p.members)), p.did, p.perSecond(), report.Number(int(p.failed)))
	if p.words != "" {
		s = p.words
	} else if p.total > 0 && !p.bytes {
		s = fmt.Sprintf("%s of %s, ", report.Number(int(p.done)), report.Plural(int(p.total), "row")) + s
	}
	if wait := p.waiting.String(); wait != "" {
		s += ", " + wait
	}
	if left := p.left; left > 0 {
		s += ", about " + brief(left) + " left"
	}
	return s
}

// fields returns the progress as the fields of a JSON log line.
func (p progress) fields() []any {
	fields := []any{"done", p.done, "total", p.total, "members", p.members, "failed", p.failed, "elapsed_seconds", p.elapsed.Seconds()}
	if p.bytes {
		fields = append(fields, "unit", "bytes")
	}
	if wait := p.waiting.String(); wait != "" {
		fields = append(fields, "waiting", wait)
	}
	if left := p.left; left > 0 {
		fields = append(fields, "left_seconds", left.Seconds())
	}
	return fields
}

// brief formats a duration for people: 45s, 12m30s, 9m, 1h05m.
func brief(d time.Duration) string {
	if d < time.Hour {
		if whole, found := strings.CutSuffix(d.Round(time.Second).String(), "m0s"); found {
			return whole + "m"
		}
		return d.Round(time.Second).String()
	}
	d = d.Round(time.Minute)
	return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
}

// cut shortens a text to the given number of columns.
func cut(s string, columns int) string {
	if utf8.RuneCountInString(s) <= columns {
		return s
	}
	runes := []rune(s)
	for len(runes) > 0 && len(runes) >= columns {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + "…"
}
