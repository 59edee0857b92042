package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"orgimport/importer"
	"orgimport/report"
)

// plan is what orgimport plan prints. Scripts rely on its JSON: fields may be
// added, but not renamed or removed.
type plan struct {
	Input   string  `json:"input"`
	Dialect string  `json:"dialect"`
	Columns columns `json:"columns"`

	importer.Plan
	BatchSize int `json:"batch_size"`
	Requests  int `json:"requests"` // if none fails and none is repeated

	Estimates []estimate `json:"estimates"`
	AtRate    *atRate    `json:"at_rate,omitempty"`
	Notes     []string   `json:"notes,omitempty"`
	Rejects   []reject   `json:"rejects"`
	Check     *finding   `json:"check,omitempty"`

	failures string // path of the file with all rejects; empty: none
}

// columns are the names of the columns in the header.
type columns struct {
	OrgID  string   `json:"org_id"` // empty: every row has the organization of --org
	UserID string   `json:"user_id"`
	Kept   []string `json:"kept"`
}

// estimate is the least time that a run takes at the limits of an Auth0 plan.
type estimate struct {
	Plan    string `json:"plan"`
	Limit   string `json:"limit"` // the rate in the long run
	Seconds int    `json:"seconds"`
}

// atRate is the least time that a run takes at --rate.
type atRate struct {
	Rate    float64 `json:"rate"`
	Seconds int     `json:"seconds"`
}

// reject is a row that would be rejected.
type reject struct {
	Line   int    `json:"line"`
	OrgID  string `json:"org_id"`
	UserID string `json:"user_id"`
	Reason string `json:"reason"`
}

// newPlan makes a plan from what a survey of the input found. limits returns the
// limits of a plan that the operation draws on, or nil if none is published.
func newPlan(j *job, found importer.Plan, limits func(publishedPlan) []bucket) *plan {
	doc := &plan{
		Input: j.in.Name(), Dialect: j.table.String(), Columns: columns{Kept: append([]string{}, j.table.Kept...)},
		Plan: found, BatchSize: j.batchSize(), Requests: found.Batches,
		Rejects: []reject{}, failures: j.Failures,
	}
	doc.Columns.OrgID, doc.Columns.UserID = j.table.Columns()
	for _, plan := range publishedPlans() {
		if limits := limits(plan); limits != nil {
			doc.Estimates = append(doc.Estimates, estimate{plan.name, sustained(limits), int(duration(doc.Requests, limits).Seconds())})
		}
	}
	if j.Rate > 0 {
		doc.AtRate = &atRate{j.Rate, int(durationAt(doc.Requests, j.Rate).Seconds())}
	}
	for _, note := range j.table.Notes() {
		doc.Notes = append(doc.Notes, note.Text)
	}
	for _, row := range found.Rejects {
		doc.Rejects = append(doc.Rejects, reject{row.Line, row.OrgID, row.UserID, row.Err.Error()})
	}
	return doc
}

func (p *plan) printJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(p)
}

// print prints the plan for people.
func (p *plan) print(w io.Writer) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "%s: %s\n", p.Input, p.Dialect)
	if len(p.Columns.Kept) > 0 {
		fmt.Fprintf(out, "copied to the results: %s\n", strings.Join(p.Columns.Kept, ", "))
	}
	fmt.Fprintln(out, p.totals())
	fmt.Fprintf(out, "%s, %s of up to %s: at least %s\n", report.Plural(p.Organizations, "organization"),
		report.Number(p.Batches)+" "+report.Verb(p.Batches, "batch", "batches"), report.Plural(p.BatchSize, "user"), report.Plural(p.Requests, "request"))
	p.printTimes(out)
	p.printLargest(out)
	p.printNotes(out)
	p.printRejects(out)
	if p.Check != nil {
		p.Check.print(out)
	}
	return out.Flush()
}

// totals returns the line that adds up the rows.
func (p *plan) totals() string {
	var terms []string
	for _, t := range []struct {
		n    int
		name string
	}{
		{p.Sendable, "to send"}, {p.Settled, "done already"}, {p.Duplicates, "duplicate"}, {p.Rejected, "rejected"},
	} {
		if t.n > 0 {
			terms = append(terms, report.Number(t.n)+" "+t.name)
		}
	}
	if len(terms) == 0 {
		return "0 rows"
	}
	return report.Plural(p.Rows, "row") + " = " + strings.Join(terms, " + ")
}

func (p *plan) printTimes(w io.Writer) {
	if p.Requests == 0 {
		return
	}
	fmt.Fprintln(w, "\nshortest time, by the limits that Auth0 publishes for its plans:")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, e := range byTime(p.Estimates) {
		fmt.Fprintf(t, "  %s\t%s\t%s\n", e.Plan, atLeast(wholeSeconds(e.Seconds)), e.Limit)
	}
	if p.AtRate != nil {
		fmt.Fprintf(t, "  --rate %g\t%s\t\n", p.AtRate.Rate, atLeast(wholeSeconds(p.AtRate.Seconds)))
	}
	_ = t.Flush() // w is buffered; its error is checked at the end
}

// byTime merges plans that take the same time, and sorts them, the slowest first.
func byTime(estimates []estimate) (different []estimate) {
	others := make(map[int]int)
	for _, e := range slices.SortedStableFunc(slices.Values(estimates), func(a, b estimate) int { return b.Seconds - a.Seconds }) {
		if n := len(different); n == 0 || different[n-1].Seconds != e.Seconds {
			different = append(different, e)
			continue
		}
		others[e.Seconds]++
		if last := &different[len(different)-1]; last.Limit != e.Limit {
			last.Limit = ""
		}
	}
	for i := range different {
		e := &different[i]
		switch n := others[e.Seconds]; {
		case n > 0 && n+1 == len(estimates):
			e.Plan = "every plan"
		case n > 0:
			e.Plan = fmt.Sprintf("%s; %s", e.Plan, report.Plural(n, "other plan"))
		}
	}
	return different
}

// atLeast formats the least time that a run takes.
func atLeast(d time.Duration) string {
	if d < time.Second {
		return "under 1s"
	}
	return brief(d)
}

func wholeSeconds(n int) time.Duration { return time.Duration(n) * time.Second }

func (p *plan) printLargest(w io.Writer) {
	if len(p.Largest) == 0 {
		return
	}
	fmt.Fprintln(w, "\nlargest organizations:")
	printOrgs(w, p.Largest)
}

func printOrgs(w io.Writer, orgs []importer.OrgRows) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, o := range orgs {
		fmt.Fprintf(t, "  %s\t%s\n", printable(o.OrgID), report.Plural(o.Rows, "row"))
	}
	_ = t.Flush()
}

// printable quotes text with control characters, which could manipulate the
// terminal.
func printable(id string) string {
	if strings.ContainsFunc(id, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(id)
	}
	return id
}

func (p *plan) printNotes(w io.Writer) {
	if len(p.Notes) == 0 {
		return
	}
	fmt.Fprintln(w, "\nnotes on the file:")
	for _, note := range p.Notes {
		fmt.Fprintf(w, "  %s\n", printable(note))
	}
}

func (p *plan) printRejects(w io.Writer) {
	if p.Rejected == 0 {
		return
	}
	fmt.Fprintln(w, "\nrows that would be rejected:")
	for _, r := range p.Rejects {
		fmt.Fprintf(w, "  line %d: %s\n", r.Line, printable(r.Reason))
	}
	switch more := p.Rejected - len(p.Rejects); {
	case p.failures != "":
		fmt.Fprintf(w, "all of them are in %s\n", p.failures)
	case more > 0:
		fmt.Fprintf(w, "  and %s more: --failures FILE writes all of them\n", report.Number(more))
	}
}
