package main

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/schollz/progressbar/v3"

	"orgimport/report"
)

// progress is where a run stands.
type progress struct {
	done, total int64 // rows, or bytes if the rows are not known beforehand; total 0: not known
	bytes       bool
	before      int64   // of done: what was done before this run
	learnt      float64 // rows a second that the tenant's limit allows; 0: not known
	members     int64   // done by this run, with a request
	did         string  // what was done with them, such as added
	failed      int64
	elapsed     time.Duration
	waiting     waiting
	words       string // what is said in the place of the numbers; empty: those
}

// waiting is what a run waits for; the zero value: for nothing.
type waiting struct {
	text   string // "waiting 38s"
	why    string // " for the tenant's limit"
	detail string // " (0 of 20 left, more at 14:03:05)"
}

func (w waiting) String() string { return w.text + w.why + w.detail }

func (p progress) perSecond() float64 {
	if p.elapsed < time.Second {
		return 0
	}
	return float64(p.members) / p.elapsed.Seconds()
}

// left is the time that the rest takes: at the rate that was learnt of the
// tenant, which a burst at the start says nothing about, or else if it goes on
// as it went; 0: not known.
func (p progress) left() time.Duration {
	if p.done <= p.before || p.total <= p.done || p.elapsed < 3*time.Second {
		return 0
	}
	perSecond := float64(p.done-p.before) / p.elapsed.Seconds()
	if p.learnt > 0 {
		perSecond = min(perSecond, p.learnt)
	}
	return time.Duration(float64(p.total-p.done) / perSecond * float64(time.Second)).Round(time.Second)
}

// leastBar is the shortest bar worth drawing, in columns.
const leastBar = 12

// line returns the progress in one line of so many columns at most. What there
// is no room for is left out, the details first; the percentage, the wait and the
// time left stay. A bar takes the room that is left. The spinner stands in the
// place of the percentage where nothing is known of the end.
func (p progress) line(columns int, spinner string) string {
	start := spinner + " "
	if p.total > 0 {
		start = fmt.Sprintf("%3d%% ", 100*min(p.done, p.total)/p.total)
	}
	for _, left := range []struct {
		out levels
		bar bool
	}{
		{0, true}, {noDetail, true}, {noWhy, true}, {noRate, true},
		{noRate, false}, {noCounts, false}, {noFailed, false},
	} {
		text := p.text(left.out)
		room := columns - utf8.RuneCountInString(start+text)
		if p.total == 0 && room >= 0 {
			return start + text
		}
		if left.bar && room > leastBar {
			return start + p.bar(room-1) + " " + text
		}
		if !left.bar && room >= 0 {
			return start + text
		}
	}
	return cut(start+p.text(noFailed), columns)
}

// levels are how much of the text is left out: each leaves out what the ones
// before it do, too.
type levels int

const (
	noDetail levels = iota + 1
	noWhy
	noRate
	noCounts
	noFailed
)

// text is what stands beside the bar.
func (p progress) text(out levels) string {
	var parts []string
	add := func(least levels, part string) {
		if out < least && part != "" {
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
	if out >= noDetail {
		wait.detail = ""
	}
	if out >= noWhy {
		wait.why = ""
	}
	add(noFailed+1, wait.String())
	if left := p.left(); left > 0 {
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

// bar draws a bar of so many columns.
func (p progress) bar(columns int) string {
	var drawn strings.Builder
	bar := progressbar.NewOptions64(p.total+1, // one that is full is finished for good
		progressbar.OptionSetWriter(&drawn),
		progressbar.OptionSetWidth(columns-2),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionUseANSICodes(true), // so that it does not clear the line
	)
	_ = bar.Set64(min(p.done, p.total)) // a strings.Builder takes it
	drawn.Reset()
	bar.Describe("")
	_, rest, _ := strings.Cut(drawn.String(), "|")
	cells, _, _ := strings.Cut(rest, "|")
	return "|" + cells + "|"
}

// String is the line in a log.
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
	if left := p.left(); left > 0 {
		s += ", about " + brief(left) + " left"
	}
	return s
}

// fields are those of a line in a log for machines.
func (p progress) fields() []any {
	fields := []any{"done", p.done, "total", p.total, "members", p.members, "failed", p.failed, "elapsed_seconds", p.elapsed.Seconds()}
	if p.bytes {
		fields = append(fields, "unit", "bytes")
	}
	if wait := p.waiting.String(); wait != "" {
		fields = append(fields, "waiting", wait)
	}
	if left := p.left(); left > 0 {
		fields = append(fields, "left_seconds", left.Seconds())
	}
	return fields
}

// brief is a time as people want to read it: 45s, 12m30s, 9m, 1h05m.
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

// cut cuts a text to so many columns.
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
