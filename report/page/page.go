// Package page makes one HTML file of a results file and an event log, for
// people.
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
	"slices"
	"strconv"
	"strings"
	"time"

	"orgimport/importer"
	"orgimport/report"
)

// Page is what [Write] is told beside the files.
type Page struct {
	Results string    // name of the results file, for the reader
	Tenant  string    // empty: as the events say, if they do
	Version string    // of the program that makes the page
	Made    time.Time // when it is made

	// Advise says what an answer of the server most likely means, and what to do
	// about it. The status is 0 if there was none. It may be nil.
	Advise func(status int, code, message string) (title, do string)
}

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

//go:embed page.js
var pageJS string

// Write reads a results file, which open opens, and events if they are not nil,
// and writes one HTML file about them that needs nothing else: it opens from a
// mail, prints, and searches its table without the network. Its size is bounded.
// The memory that Write takes is, too, but for some 40 bytes for each row that is
// not done.
//
// The file is opened twice: a run that went on and was killed leaves a second line
// of a row, which is the one that counts.
//
// It returns a *[report.WrongFileError] if it is not a results file.
func Write(w io.Writer, open func() (io.Reader, error), events io.Reader, p Page) error {
	d, err := readTally(open)
	if err != nil {
		return err
	}
	c, err := readHistory(events)
	if err != nil {
		return err
	}
	page, err := template.New("page").Funcs(template.FuncMap{
		"count": report.Number, "span": span, "stamp": stamp, "plural": report.Plural,
	}).Parse(pageHTML)
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	out := bufio.NewWriter(w)
	if err := page.Execute(out, newView(d, c, p)); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	if err := out.Flush(); err != nil {
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

	Title    string
	Lead     string // what the reader should know first
	Rows     int
	Terms    []term
	Notes    []string
	Facts    []fact
	Charts   []*chart
	History  *historyView
	Causes   []causeView
	OtherRow int // rows of causes beyond those listed

	Organizations     int
	MoreOrganizations bool
	Failing           int
	Largest           []organization
	Worst             []organization

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

type historyView struct {
	Requests, Refused int
	Waits             []wait
	Waited            time.Duration // for the tenant's limit
	Outages           int
	OutageFor         time.Duration
}

type causeView struct {
	report.Cause
	advice
	Said string // the message: as it was if there is only one
	More int    // rows beside the examples
}

const (
	maxPageCauses        = 40
	maxPageOrganizations = 10
	barWidth             = 1000
)

func newView(d *tally, c *history, p Page) *view {
	v := &view{
		Page: p, CSS: template.CSS(pageCSS), JS: template.JS(pageJS),
		Policy: fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; base-uri 'none'; form-action 'none'",
			digestOf(pageCSS), digestOf(pageJS)),
		Organizations:     len(d.organizations),
		MoreOrganizations: d.unnamed > 0,
		Failing:           d.withFailures(),
		Largest:           d.largest(maxPageOrganizations),
		Worst:             d.failing(maxPageOrganizations),
		FailureRows:       d.counts.Failures(),
	}
	notAttempted := 0
	if c != nil {
		v.Tenant = cmp.Or(p.Tenant, c.tenant)
		notAttempted = c.notAttempted(d.counts.Sum())
	}
	v.addUp(d, notAttempted)
	v.headline(d.counts.Failures(), notAttempted, c)
	v.note(d, c)
	v.tell(d, c)
	v.explain(d)
	v.Table = d.failures.table()
	return v
}

// addUp sets the headline and the terms that add up.
func (v *view) addUp(d *tally, notAttempted int) {
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

// headline sets what the reader should know first. That nothing is left to do
// is said only of a run that is known to have come to the end of its input.
func (v *view) headline(notDone, notAttempted int, c *history) {
	v.Lead = "Below is why, and what to do about each cause."
	if notAttempted > 0 && notDone > 0 {
		v.Lead = report.Number(notAttempted) + " more were not attempted: go on with --resume. " + v.Lead
	}
	switch {
	case v.Rows == 0:
		v.Title, v.Lead = "No rows", "The results file has no lines yet."
	case notDone == v.Rows && notDone > 1:
		v.Title = "None of " + report.Plural(v.Rows, "row") + " is done"
	case notDone > 0:
		v.Title = report.Number(notDone) + " of " + report.Plural(v.Rows, "row") + " " + report.Verb(notDone, "is", "are") + " not done"
	case notAttempted > 0:
		v.Title = report.Number(notAttempted) + " of " + report.Plural(v.Rows, "row") + " still to be attempted"
		v.Lead = "All the others are done. Go on with --resume."
	case c != nil && c.finished():
		v.Title = "Every row is done"
		v.Lead = report.Plural(v.Rows, "row") + ", and nothing is left to do."
	case c != nil:
		v.Title = report.Plural(v.Rows, "row") + " done so far"
		v.Lead = "The run is not known to have come to the end of its input: go on with --resume."
	default:
		v.Title = report.Plural(v.Rows, "row") + " done"
		v.Lead = "No row of the results failed."
	}
}

// note sets what limits the truth of the page.
func (v *view) note(d *tally, c *history) {
	switch {
	case c == nil:
		v.Notes = append(v.Notes, "Rows that were not attempted have no line in the results, and so do not count here. The event log tells of them: write one with --events, and give it to orgimport report.")
	case c.rows == 0 && !c.finished():
		v.Notes = append(v.Notes, "Rows that were not attempted have no line in the results, and so do not count here.")
	}
	if c != nil && !c.finished() {
		v.Notes = append(v.Notes, c.ending())
	}
	if d.damaged > 0 {
		v.Notes = append(v.Notes, fmt.Sprintf("%s of the results could not be read and %s not counted; --resume attempts their rows again.",
			report.Plural(d.damaged, "line"), report.Verb(d.damaged, "is", "are")))
	}
	if d.torn {
		v.Notes = append(v.Notes, "The last line has no end and is not counted: the run was cut off, or is still going on.")
	}
}

// tell sets the history of the run: numbers and pictures.
func (v *view) tell(d *tally, c *history) {
	if !d.first.IsZero() {
		length := d.last.Sub(d.first)
		v.Facts = append(v.Facts, fact{Name: "First answer", Value: stamp(d.first)}, fact{Name: "Last answer", Value: stamp(d.last)}, fact{Name: "Between them", Value: span(length)})
		if members := d.members.total(); length >= minChartSeconds*time.Second && members > 0 {
			v.Facts = append(v.Facts, fact{Name: "Rows a second", Value: number(rounded(float64(members) / length.Seconds()))})
		}
	}
	axis := axis(&d.members, c)
	if chart := membersChart(&d.members, axis); chart != nil {
		v.Charts = append(v.Charts, chart)
	}
	if c == nil {
		return
	}
	v.Facts = append(c.facts(), v.Facts...)
	if chart := c.rateChart(axis); chart != nil {
		v.Charts = append(v.Charts, chart)
	}
	v.Facts = append(v.Facts, fact{Name: "The tenant's limit", Value: limitOf(c)})
	if c.reads > 0 {
		saved := report.Plural(c.reads, "request")
		if c.saved > 0 {
			saved += ", which saved " + report.Number(c.saved) + " others"
		}
		v.Facts = append(v.Facts, fact{Name: "Look-ups", Value: saved})
	}
	if c.starts > 1 {
		v.Facts = append(v.Facts, fact{Name: "Runs", Value: report.Number(c.starts)})
	}
	v.History = &historyView{
		Requests: c.requests, Refused: c.refused, Waits: c.reasons(), Waited: c.waited,
		Outages: c.outages, OutageFor: c.outageFor,
	}
}

// ending says how a run ended that did not come to the end of its input.
func (c *history) ending() string {
	if c.end == nil {
		return "The last run was killed, or is still going on: its event log has no end."
	}
	text := fmt.Sprintf("The last run was stopped with exit code %d", c.end.ExitCode)
	if c.end.Message != "" {
		text += ": " + report.Shorten(c.end.Message)
	}
	return text + "."
}

// facts says which run it was.
func (c *history) facts() []fact {
	code := "none: killed, or still going on"
	if c.end != nil {
		code = strconv.Itoa(c.end.ExitCode)
	}
	facts := []fact{
		{Name: "Command", Value: report.Shorten(c.first.Command), Long: true},
		{Name: "Input", Value: report.Shorten(c.first.Input)},
		{Name: "Version", Value: report.Shorten(c.first.Version)},
		{Name: "Exit code", Value: code},
	}
	return slices.DeleteFunc(facts, func(f fact) bool { return f.Value == "" })
}

// limitOf says whether the tenant's limit was felt. How many requests a second it
// allows no answer says, so nothing is said of that.
func limitOf(c *history) string {
	switch {
	case !c.bound:
		return "not reached"
	case c.bucket == 0:
		return "reached"
	}
	return "reached; " + report.Plural(c.bucket, "request") + " at once"
}

// explain sets the causes with what to do about them.
func (v *view) explain(d *tally) {
	v.OtherRow = v.FailureRows
	for _, c := range d.causes.Sorted() {
		if len(v.Causes) == maxPageCauses {
			break
		}
		said := c.Message
		if c.Rows == 1 {
			said = c.Examples[0].Message
		}
		v.Causes = append(v.Causes, causeView{Cause: c, advice: v.advise(c), Said: said, More: c.Rows - len(c.Examples)})
		v.OtherRow -= c.Rows
	}
}

// digestOf returns the hash by which a Content-Security-Policy allows a text.
func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// shares returns what share of all each number is. The decimals are rounded so
// that they add up to 100, and nothing is called 0 % or 100 % unless it is.
func shares(numbers []int) []string {
	if len(numbers) == 0 {
		return nil
	}
	all := 0
	for _, n := range numbers {
		all += n
	}
	tenths, byRest := make([]int, len(numbers)), make([]int, len(numbers))
	left := 1000
	for i, n := range numbers {
		tenths[i], byRest[i] = int(1000*int64(n)/int64(all)), i
		left -= tenths[i]
	}
	slices.SortStableFunc(byRest, func(a, b int) int {
		return cmp.Compare(1000*int64(numbers[b])%int64(all), 1000*int64(numbers[a])%int64(all))
	})
	for _, i := range byRest[:left] {
		tenths[i]++
	}
	texts := make([]string, len(numbers))
	for i, n := range numbers {
		switch {
		case n == all:
			texts[i] = "100 %"
		case tenths[i] == 1000:
			texts[i] = "> 99.9 %"
		case tenths[i] == 0:
			texts[i] = "< 0.1 %"
		default:
			texts[i] = fmt.Sprintf("%d.%d %%", tenths[i]/10, tenths[i]%10)
		}
	}
	return texts
}

// rounded returns v with a decimal where that is of use.
func rounded(v float64) float64 {
	if v >= 100 {
		return math.Round(v)
	}
	return math.Round(v*10) / 10
}
