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
	"strings"
	"sync"
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
	// known. ToSummarize says how to get one.
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

// pageTemplate is parsed when it is first used: most commands make no page.
var pageTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page").Funcs(template.FuncMap{
		"count": report.Number, "plural": report.Plural, "verb": report.Verb, "show": report.Printable, "excerpt": report.Excerpt,
		"decimal": decimal, "inWords": inWords, "stamp": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
		"seconds": func(s float64) string { return inWords(time.Duration(min(s, maxSeconds) * float64(time.Second))) },

		"css": func() template.CSS { return template.CSS(pageCSS) },
		"js":  func() template.JS { return template.JS(pageJS) },
		// The Content-Security-Policy: this style, this script, nothing else.
		"policy": func() string {
			return fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; base-uri 'none'; form-action 'none'",
				digestOf(pageCSS), digestOf(pageJS))
		},
	}).Parse(pageHTML))
})

// maxSeconds is the longest wait that the page believes of a summary: a year.
const maxSeconds = 365 * 24 * 3600

// digestOf returns the hash that allows text in a Content-Security-Policy.
func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

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
	if err := cmp.Or(pageTemplate().Execute(out, newView(t, p)), out.Flush()); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}

// view is what the template shows.
type view struct {
	Page
	*tally

	Title string
	Lead  string // what the reader should know first
	Rows  int
	Terms []term

	Finished   bool // the last run is known to have come to the end of its input
	LinesAfter int  // lines of the results that the summary does not know

	Chart    *chart
	Causes   []causeView
	OtherRow int // rows of causes that are not shown
	Table    *table
}

// term is one status in the totals.
type term struct {
	Class, Name, Meaning string
	Rows                 int
	Share                string
	X, Width             int // of its part of the bar, in tenths of a percent
}

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
	v := &view{Page: p, tally: t, Chart: settledChart(&t.settled), Table: t.failures.table()}
	notAttempted := 0
	if s := p.Summary; s != nil {
		v.LinesAfter = max(t.after, t.lines-s.Lines)
		notAttempted = s.NotAttempted
		if v.LinesAfter > 0 {
			notAttempted = max(0, s.Rows+s.GoneLines-t.counts.Sum())
		}
		v.Finished = v.LinesAfter == 0 && (s.ExitCode == 0 || s.ExitCode == 1)
	}
	v.setTerms(notAttempted)
	v.setTitle(notAttempted)
	v.setCauses()
	return v
}

// setTerms sets the totals.
func (v *view) setTerms(notAttempted int) {
	v.Rows = v.counts.Sum() + notAttempted
	for status, n := range v.counts.All() {
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
	notDone := v.counts.Failures()
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

// setCauses sets the causes, with what to do about them.
func (v *view) setCauses() {
	v.OtherRow = v.counts.Failures()
	all := v.causes.Sorted()
	for _, c := range all[:min(len(all), maxPageCauses)] {
		title, do := v.Advise(c)
		v.Causes = append(v.Causes, causeView{c, title, do, c.Rows - 1 - len(c.More)})
		v.OtherRow -= c.Rows
	}
}
