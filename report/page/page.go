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
}

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

//go:embed page.js
var pageJS string

// Write reads a results file, and events if they are not nil, and writes one
// HTML file about them that needs nothing else: it opens from a mail, prints,
// and searches its table without the network. Its size is bounded, and so is
// the memory it takes, however long the files are.
//
// It returns a *[report.HeaderError] if results is not a results file.
func Write(w io.Writer, results, events io.Reader, p Page) error {
	d, err := readTally(results)
	if err != nil {
		return err
	}
	c, err := readHistory(events)
	if err != nil {
		return err
	}
	page, err := template.New("page").Funcs(template.FuncMap{
		"count": report.Number, "span": span, "stamp": stamp, "percent": percent, "plural": report.Plural,
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

	Failures    []failure
	FailureRows int
}

// term is one status in the totals.
type term struct {
	Class, Name, Meaning string
	Rows                 int
	X, Width             string // of its part of the bar
}

type fact struct{ Name, Value string }

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
	Waited, Longest   time.Duration
	Outages           int
	OutageFor         time.Duration
}

type causeView struct {
	report.Cause
	advice
	Said string // the message: as it was if there is only one
	More int    // rows beside the examples
}

// failure is a row of the table.
type failure struct {
	Line                   int
	OrgID, UserID          string
	Status                 importer.Status
	Answer, Message, LogID string
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
	for _, o := range d.failures {
		v.Failures = append(v.Failures, failureOf(o))
	}
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
		v.Facts = append(v.Facts, fact{"First answer", stamp(d.first)}, fact{"Last answer", stamp(d.last)}, fact{"Between them", span(length)})
		if members := d.members.total(); length >= minChartSeconds*time.Second && members > 0 {
			v.Facts = append(v.Facts, fact{"Members a second", number(rounded(float64(members) / length.Seconds()))})
		}
	}
	if chart := membersChart(&d.members); chart != nil {
		v.Charts = append(v.Charts, chart)
	}
	if c == nil {
		return
	}
	v.Facts = append(c.facts(), v.Facts...)
	if chart := c.rateChart(); chart != nil {
		v.Charts = append(v.Charts, chart)
	}
	if c.rate > 0 {
		v.Facts = append(v.Facts, fact{"The tenant's limit, as learnt", limitOf(c)})
	}
	if c.starts > 1 {
		v.Facts = append(v.Facts, fact{"Runs", report.Number(c.starts)})
	}
	v.History = &historyView{
		Requests: c.requests, Refused: c.refused, Waits: c.reasons(), Waited: c.waited, Longest: c.longest,
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
	var facts []fact
	add := func(name, value string) {
		if value != "" {
			facts = append(facts, fact{name, report.Shorten(value)})
		}
	}
	add("Command", c.first.Command)
	add("Input", c.first.Input)
	switch {
	case c.end == nil:
		add("Exit code", "none: killed, or still going on")
	default:
		add("Exit code", strconv.Itoa(c.end.ExitCode))
	}
	add("Version", c.first.Version)
	return facts
}

// limitOf returns the limit of the tenant in words.
func limitOf(c *history) string {
	long := number(rounded(c.rate)) + " a second"
	if c.rate < 1 {
		long = number(rounded(60*c.rate)) + " a minute"
	}
	if c.bucket == 0 {
		return long
	}
	return report.Number(c.bucket) + " at once, " + long
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
		v.Causes = append(v.Causes, causeView{Cause: c, advice: advise(c), Said: said, More: c.Rows - len(c.Examples)})
		v.OtherRow -= c.Rows
	}
}

func failureOf(o importer.Outcome) failure {
	f := failure{
		Line: o.Row.Line, OrgID: o.Row.OrgID, UserID: o.Row.UserID, Status: o.Status,
		Message: o.Message, LogID: o.CorrelationID, Answer: o.Code,
	}
	if o.HTTPStatus != 0 {
		f.Answer = strings.TrimSpace(fmt.Sprintf("%d %s", o.HTTPStatus, o.Code))
	}
	return f
}

// digestOf returns the hash by which a Content-Security-Policy allows a text.
func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// percent returns the share of n in all, never 0 % or 100 % unless it is.
func percent(n, all int) string {
	share := 100 * float64(n) / float64(all)
	switch {
	case n == all:
		return "100 %"
	case share >= 99.9:
		return "> 99.9 %"
	case share < 0.1:
		return "< 0.1 %"
	}
	return fmt.Sprintf("%.1f %%", share)
}

// rounded returns v with a decimal where that is of use.
func rounded(v float64) float64 {
	if v >= 100 {
		return math.Round(v)
	}
	return math.Round(v*10) / 10
}
