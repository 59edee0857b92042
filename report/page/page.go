// Package page makes an HTML file of a results file and an event log, for people.
package page

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"math"
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

	// Advise returns what an answer of the server most likely means, and what to
	// do about it. The status is 0 if there was no answer. Advise may be nil.
	Advise func(status int, code, message string) (title, do string)
}

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

//go:embed page.js
var pageJS string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"count": report.Number, "plural": report.Plural, "span": span, "stamp": stamp,
}).Parse(pageHTML))

// Write reads a results file, which open opens, and events unless they are nil, and
// writes an HTML file about them that needs nothing else: it opens from a mail,
// prints, and searches its table without a network. Its size is bounded, and so is
// the memory that Write needs, but for some 40 bytes for each row that is not done.
//
// Write opens the results twice: a run that was resumed and killed leaves two lines
// of a row, of which the second counts. It returns a *[report.WrongFileError] if
// they are not a results file.
func Write(w io.Writer, open func() (io.Reader, error), events io.Reader, p Page) error {
	d, err := readTally(open)
	if err != nil {
		return err
	}
	h, err := readHistory(events)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	if err := cmp.Or(pageTemplate.Execute(out, newView(d, h, p)), out.Flush()); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}

// view is what the template shows.
type view struct {
	Page
	CSS    template.CSS
	JS     template.JS
	Policy string // Content-Security-Policy: this style, this script, nothing else

	Tenant   string // empty if not known
	Title    string
	Lead     string // what the reader should know first
	Rows     int
	Terms    []term
	Notes    []string
	Facts    []fact
	Charts   []*chart
	History  *history
	Causes   []causeView
	OtherRow int // rows of causes that are not shown

	Organizations     int
	MoreOrganizations bool
	Failing           int
	Largest           []*organization
	Worst             []*organization

	Table       *table
	FailureRows int
}

// term is one status in the totals.
type term struct {
	Class, Name, Meaning string
	Rows                 int
	Share                string
	X, Width             string // of its part of the bar
}

type fact struct {
	Name, Value string
	Long        bool // it has a line of its own
}

// classOf returns the class of a status in the style sheet.
func classOf(s importer.StatusInfo) string {
	switch {
	case !s.Settled:
		return string(s.Status)
	case strings.HasPrefix(string(s.Status), "already"):
		return "already"
	}
	return "done"
}

func newView(d *tally, h *history, p Page) *view {
	v := &view{
		Page: p, CSS: template.CSS(pageCSS), JS: template.JS(pageJS),
		Policy: fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; base-uri 'none'; form-action 'none'",
			digestOf(pageCSS), digestOf(pageJS)),
		Organizations:     len(d.organizations),
		MoreOrganizations: d.more,
		Failing:           d.failing,
		Largest:           d.top(func(o *organization) int { return o.Rows }),
		Worst:             d.top(func(o *organization) int { return o.NotDone }),
		Table:             d.failures.table(),
		FailureRows:       d.counts.Failures(),
	}
	notAttempted := 0
	if h != nil {
		v.Tenant = h.tenant
		notAttempted = h.notAttempted(d.counts.Sum())
	}
	v.setTerms(d, notAttempted)
	v.setTitle(notAttempted, h)
	v.setNotes(d, h)
	v.setRun(d, h)
	v.setCauses(d)
	return v
}

// barWidth is the width of the bar in its own units.
const barWidth = 1000

// setTerms sets the totals.
func (v *view) setTerms(d *tally, notAttempted int) {
	v.Rows = d.counts.Sum() + notAttempted
	x := 0.0
	add := func(t term) {
		width := barWidth * float64(t.Rows) / float64(v.Rows)
		t.X, t.Width = coordinate(x), coordinate(width)
		x += width
		v.Terms = append(v.Terms, t)
	}
	for status, n := range d.counts.All() {
		add(term{Class: classOf(status), Name: strings.ReplaceAll(string(status.Status), "_", " "), Meaning: status.Meaning, Rows: n})
	}
	if notAttempted > 0 {
		add(term{Class: "waiting", Name: "not attempted", Meaning: "the run ended before them", Rows: notAttempted})
	}
	var numbers []int
	for _, t := range v.Terms {
		numbers = append(numbers, t.Rows)
	}
	for i, share := range shares(numbers) {
		v.Terms[i].Share = share
	}
}

// setTitle sets what the reader should know first. It says that nothing is left to
// do only of a run that is known to have come to the end of its input.
func (v *view) setTitle(notAttempted int, h *history) {
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
			v.Lead = "Continue with --resume for those. Below is why the others are not done, and what to do about each cause."
		}
	case notAttempted == v.Rows:
		v.Title = "None of " + report.Plural(v.Rows, "row") + " was attempted"
		v.Lead = "Continue with --resume."
	case notAttempted > 0:
		v.Title = report.Number(notAttempted) + " of " + report.Plural(v.Rows, "row") + " still to be attempted"
		v.Lead = "All the others are done. Continue with --resume."
	case h != nil && h.finished():
		v.Title = "Every row is done"
		v.Lead = report.Plural(v.Rows, "row") + ", and nothing is left to do."
	case h != nil:
		v.Title = report.Plural(v.Rows, "row") + " done so far"
		v.Lead = "It is not known whether the run came to the end of its input: continue with --resume."
	default:
		v.Title = report.Plural(v.Rows, "row") + " done"
		v.Lead = "No row in the results failed."
	}
}

// setNotes sets what the page can't know.
func (v *view) setNotes(d *tally, h *history) {
	const uncounted = "Rows that were not attempted have no line in the results and are not counted here."
	switch {
	case h == nil:
		v.Notes = append(v.Notes, uncounted+" An event log says how many there are: run with --events FILE, and give that file to orgimport report.")
	case h.rows == 0 && !h.finished():
		v.Notes = append(v.Notes, uncounted)
	}
	if h != nil && !h.finished() {
		v.Notes = append(v.Notes, h.ending())
	}
	if d.damaged > 0 {
		v.Notes = append(v.Notes, fmt.Sprintf("%s of the results could not be read and %s not counted; --resume attempts such rows again.",
			report.Plural(d.damaged, "line"), report.Verb(d.damaged, "is", "are")))
	}
	if d.torn {
		v.Notes = append(v.Notes, "The last line of the results is cut short and not counted: the run was killed, or it is still going on.")
	}
}

// setRun sets how the run went, in facts and charts.
func (v *view) setRun(d *tally, h *history) {
	if h != nil {
		v.History = h
		v.Facts = h.facts()
	}
	add := func(name, value string) { v.Facts = append(v.Facts, fact{Name: name, Value: value}) }
	if !d.first.IsZero() {
		length := d.last.Sub(d.first)
		add("First answer", stamp(d.first))
		add("Last answer", stamp(d.last))
		add("Between them", span(length))
		if settled := d.settled.total(); length >= minChartSeconds*time.Second && settled > 0 {
			add("Rows a second", number(rounded(float64(settled)/length.Seconds())))
		}
	}
	axis := axis(&d.settled, h)
	if chart := settledChart(&d.settled, axis); chart != nil {
		v.Charts = append(v.Charts, chart)
	}
	if h == nil {
		return
	}
	if chart := h.rateChart(axis); chart != nil {
		v.Charts = append(v.Charts, chart)
	}
	add("The tenant's limit", h.limit())
	if h.reads > 0 {
		saved := report.Plural(h.reads, "request")
		if h.saved > 0 {
			saved += ", which saved " + report.Number(h.saved) + " others"
		}
		add("Look-ups", saved)
	}
	if h.starts > 1 {
		add("Runs", report.Number(h.starts))
	}
}

// digestOf returns the hash that allows text in a Content-Security-Policy.
func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// shares returns the share of each number in their sum. What is rounded is where a
// share ends, so that they add up to 100 %. None is called 0 % or 100 % that is not.
func shares(numbers []int) []string {
	all := 0
	for _, n := range numbers {
		all += n
	}
	var texts []string
	sum, from := 0, 0
	for _, n := range numbers {
		sum += n
		to := (1000*sum + all/2) / all
		tenths := to - from
		from = to
		switch {
		case n == all:
			texts = append(texts, "100 %")
		case tenths == 1000:
			texts = append(texts, "> 99.9 %")
		case tenths == 0:
			texts = append(texts, "< 0.1 %")
		default:
			texts = append(texts, fmt.Sprintf("%d.%d %%", tenths/10, tenths%10))
		}
	}
	return texts
}

// rounded returns v rounded to a tenth, or to a whole number from 100 on.
func rounded(v float64) float64 {
	if v >= 100 {
		return math.Round(v)
	}
	return math.Round(v*10) / 10
}
