// Package page makes an HTML file of a results file and the summary of its last
// run, for people.
package page

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"strings"
	"time"

	"orgimport/importer"
	"orgimport/report"
)

// Page is what [Write] has to know beside the files.
type Page struct {
	Results string    // name of the results file, for the reader
	Version string    // of the program that makes the page
	Made    time.Time // when it is made

	// Summary is that of the last run that wrote the results; nil if it is not
	// known. ToSummarize says how to have one.
	Summary     *report.SummaryFile
	ToSummarize string

	Resume string // the flag that continues a run

	// Advise returns what the cause most likely is, in a few words, and what to do
	// about it.
	Advise func(report.Cause) (title, do string)
}

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

//go:embed page.js
var pageJS string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"count": report.Number, "show": report.Printable, "excerpt": report.Excerpt, "plural": report.Plural, "inWords": inWords, "stamp": stamp,
	"css": func() template.CSS { return template.CSS(pageCSS) },
	"js":  func() template.JS { return template.JS(pageJS) },
	// The Content-Security-Policy: this style, this script, nothing else.
	"policy": func() string {
		return fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; base-uri 'none'; form-action 'none'",
			digestOf(pageCSS), digestOf(pageJS))
	},
}).Parse(pageHTML))

// ErrOtherResults says that Page.Summary is not that of the last run that wrote the
// results.
var ErrOtherResults = errors.New("this is the summary of other results, or of an earlier run")

// Write reads a results file and writes an HTML file about it that needs nothing
// else: it opens from a mail, prints, and searches its table without a network. Its
// size is bounded, and so is the memory that Write needs, but for some 30 bytes for
// each line.
//
// Write reads the results twice: a run that was resumed and killed leaves two lines
// of a row, of which one counts. It returns a *[report.WrongFileError] if they are
// not a results file.
func Write(w io.Writer, results io.ReadSeeker, p Page) error {
	t, err := readTally(results, p.Summary)
	if err != nil {
		return err
	}
	if s := p.Summary; s != nil && (t.lines < s.Lines || s.Run != "" && !t.ofRun) {
		return ErrOtherResults
	}
	out := bufio.NewWriter(w)
	if err := cmp.Or(pageTemplate.Execute(out, newView(t, p)), out.Flush()); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}

// view is what the template shows.
type view struct {
	Page

	Title string
	Lead  string // what the reader should know first
	Rows  int
	Terms []term
	Notes []string

	Finished   bool // the last run is known to have come to the end of its input
	LinesAfter int  // lines of the results that the summary does not know

	Facts    []fact
	Chart    *chart
	LastRun  []fact
	Causes   []causeView
	OtherRow int // rows of causes that are not shown

	Organizations *organizations
	Table         *table
	FailureRows   int
}

// term is one status in the totals.
type term struct {
	Class, Name, Meaning string
	Rows                 int
	Share                string
	X, Width             int // of its part of the bar, in tenths of a percent
}

type fact struct{ Name, Value string }

// causeView is a cause as the page shows it.
type causeView struct {
	report.Cause
	Title, Do string // see Page.Advise
	Others    int    // rows beside the examples
}

// maxPageCauses is how many causes the page shows.
const maxPageCauses = 40

// classOf returns the class of a status in the style sheet.
func classOf(s importer.StatusInfo) string {
	switch {
	case !s.Settled:
		return string(s.Status)
	case s.Before:
		return "already"
	}
	return "done"
}

func newView(t *tally, p Page) *view {
	v := &view{Page: p, Organizations: &t.organizations, Table: t.failures.table(), FailureRows: t.counts.Failures()}
	notAttempted := 0
	if s := p.Summary; s != nil {
		v.LinesAfter = max(t.after, t.lines-s.Lines)
		notAttempted = s.NotAttempted
		if v.LinesAfter > 0 {
			notAttempted = max(0, s.Rows+s.GoneLines-t.counts.Sum())
		}
		v.Finished = v.LinesAfter == 0 && (s.ExitCode == 0 || s.ExitCode == 1)
	}
	v.setTerms(t, notAttempted)
	v.setTitle(notAttempted)
	v.setNotes(t)
	v.setRun(t)
	v.setCauses(t)
	return v
}

// setTerms sets the totals.
func (v *view) setTerms(t *tally, notAttempted int) {
	v.Rows = t.counts.Sum() + notAttempted
	for status, n := range t.counts.All() {
		v.Terms = append(v.Terms, term{Class: classOf(status), Name: strings.ReplaceAll(string(status.Status), "_", " "), Meaning: status.Meaning, Rows: n})
	}
	if notAttempted > 0 {
		v.Terms = append(v.Terms, term{Class: "waiting", Name: "not attempted", Meaning: "the run ended before them", Rows: notAttempted})
	}
	setShares(v.Terms, v.Rows)
}

// setShares sets the share of each term in all rows. What is rounded is where a
// share ends, so that they add up to 100 %. None is called 0 % or 100 % that is not.
func setShares(terms []term, all int) {
	sum, end := 0, 0
	for i := range terms {
		t := &terms[i]
		sum += t.Rows
		t.X, end = end, (1000*sum+all/2)/all
		t.Width = end - t.X
		switch {
		case t.Rows == all:
			t.Share = "100 %"
		case t.Width == 1000:
			t.Share = "> 99.9 %"
		case t.Width == 0:
			t.Share = "< 0.1 %"
		default:
			t.Share = fmt.Sprintf("%d.%d %%", t.Width/10, t.Width%10)
		}
	}
}

// setTitle sets what the reader should know first. It says that nothing is left to
// do only of a run that is known to have come to the end of its input.
func (v *view) setTitle(notAttempted int) {
	notDone := v.FailureRows
	v.Lead = "Below is why, and what to do about each cause."
	switch {
	case v.Rows == 0:
		v.Title, v.Lead = "No rows", "The results file has no lines yet."
	case notDone == v.Rows && notDone > 1:
		v.Title = "None of " + report.Plural(v.Rows, "row") + " is done"
	case notDone > 0:
		v.Title = report.Number(notDone) + " of " + report.Plural(v.Rows, "row") + " " + report.Verb(notDone, "is", "are") + " not done"
		if notAttempted > 0 {
			v.Title += ", and " + report.Number(notAttempted) + " " + report.Verb(notAttempted, "was", "were") + " not attempted"
			v.Lead = "Continue with " + v.Resume + " for those. Below is why the others are not done, and what to do about each cause."
		}
	case notAttempted == v.Rows:
		v.Title = "None of " + report.Plural(v.Rows, "row") + " was attempted"
		v.Lead = "Continue with " + v.Resume + "."
	case notAttempted > 0:
		v.Title = report.Number(notAttempted) + " of " + report.Plural(v.Rows, "row") + " still to be attempted"
		v.Lead = "All the others are done. Continue with " + v.Resume + "."
	case v.Finished:
		v.Title = "Every row is done"
		v.Lead = report.Plural(v.Rows, "row") + ", and nothing is left to do."
	case v.Summary != nil:
		v.Title = report.Plural(v.Rows, "row") + " done so far"
		v.Lead = "It is not known whether the run came to the end of its input: continue with " + v.Resume + "."
	default:
		v.Title = report.Plural(v.Rows, "row") + " done"
		v.Lead = "No row in the results failed."
	}
}

// setNotes sets what the page can't know.
func (v *view) setNotes(t *tally) {
	note := func(format string, args ...any) { v.Notes = append(v.Notes, fmt.Sprintf(format, args...)) }
	switch s := v.Summary; {
	case s == nil:
		note("Rows that were not attempted have no line in the results and are not counted here. The summary of the run says how many there are: %s.", v.ToSummarize)
	case v.LinesAfter > 0:
		note("%s of the results %s written after the summary, by a run that was killed or is still going on. What is said of the last run is said of the one before.",
			report.Plural(v.LinesAfter, "line"), report.Verb(v.LinesAfter, "was", "were"))
	case !v.Finished:
		text := fmt.Sprintf("The last run ended with exit code %d", s.ExitCode)
		if s.Stopped != "" {
			text += ": " + report.Excerpt(s.Stopped)
		}
		note("%s.", text)
	}
	if t.damaged > 0 {
		note("%s of the results could not be read and %s not counted; %s attempts such rows again.",
			report.Plural(t.damaged, "line"), report.Verb(t.damaged, "is", "are"), v.Resume)
	}
	if t.torn {
		note("The last line of the results is cut short and not counted: the run was killed, or it is still going on.")
	}
}

// setRun sets how the run went, in facts and a chart.
func (v *view) setRun(t *tally) {
	if !t.first.IsZero() {
		v.Facts = []fact{{"First answer", stamp(t.first)}, {"Last answer", stamp(t.last)}, {"Between them", inWords(t.last.Sub(t.first))}}
	}
	v.Chart = settledChart(&t.settled)
	s := v.Summary
	if s == nil {
		return
	}
	add := func(name, value string) { v.LastRun = append(v.LastRun, fact{name, value}) }
	wait := func(name string, seconds float64) {
		if seconds > 0 {
			add(name, inWords(time.Duration(min(seconds, maxSeconds)*float64(time.Second))))
		}
	}
	add("Started", stamp(s.Started))
	add("Took", inWords(s.Finished.Sub(s.Started)))
	add("Exit code", strconv.Itoa(s.ExitCode))
	add("Requests", report.Number(s.Requests))
	add("Answered with 429", report.Number(s.Refused))
	if s.Reads > 0 {
		add("Requests for look-ups", report.Number(s.Reads))
	}
	if s.WritesSaved > 0 {
		add("Requests that these saved", report.Number(s.WritesSaved))
	}
	wait("Waited for the tenant's limit", s.Waited)
	wait("Waited for the rate that was set", s.Held)
	wait("Waited for a tenant that did not answer", s.Outages)
	if s.MembersPerSecond > 0 {
		add("Rows a second, waits included", decimal(s.MembersPerSecond))
	}
}

// setCauses sets the causes, with what to do about them.
func (v *view) setCauses(t *tally) {
	v.OtherRow = v.FailureRows
	all := t.causes.Sorted()
	for _, c := range all[:min(len(all), maxPageCauses)] {
		title, do := v.Advise(c)
		v.Causes = append(v.Causes, causeView{c, title, do, c.Rows - 1 - len(c.More)})
		v.OtherRow -= c.Rows
	}
}

// maxSeconds is the longest time that a summary is believed to tell: a year.
const maxSeconds = 365 * 24 * 3600

// digestOf returns the hash that allows text in a Content-Security-Policy.
func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
