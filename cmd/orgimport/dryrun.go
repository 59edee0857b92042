package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"orgimport/importer"
	"orgimport/report"
)

// forecast is what there is to know of an operation before it.
type forecast struct {
	verb, noun string                       // such as remove, membership
	limits     func(publishedPlan) []bucket // that it draws on; nil where none is published
}

// dryRun says what a task would do, and sends nothing. Nothing is looked up, so
// it needs no credentials; rows that have no ids are told apart by their keys.
func (c *console) dryRun(flags *jobFlags, t task, f forecast) error {
	j := c.newJob(flags, t)
	defer j.close()
	defer j.ui.Close()
	ctx, end := c.untilSignal(nil, nil)
	defer end()
	rows, err := j.surveyed(ctx, nil)
	if err != nil {
		return stoppedOr(ctx, err)
	}
	found, err := importer.Survey(rows, j.batchSize(), nil)
	if err != nil {
		return stoppedOr(ctx, err)
	}
	j.ui.Close()
	if err := f.print(newPlan(j, found, f.limits), j.stdout); err != nil {
		return err
	}
	if found.Rejected > 0 {
		return errRows
	}
	return nil
}

// print prints requests and time first, then what there is beside.
func (f forecast) print(p *plan, out io.Writer) error {
	w := bufio.NewWriter(out)
	usual := endpoint(20, 200)
	fmt.Fprintf(w, "%s at least to %s %s: %s at %s\n", report.Plural(p.Requests, "request"), f.verb, report.Plural(p.Sendable, f.noun), atLeast(duration(p.Requests, usual)), sustained(usual))
	fmt.Fprintf(w, "%s: %s\n", p.Input, p.Dialect)
	fmt.Fprintln(w, strings.Replace(p.totals(), "in already", "done already", 1))
	p.printTimes(w)
	if p.Organizations > 0 {
		fmt.Fprintf(w, "\n%s:\n", report.Plural(p.Organizations, "organization"))
		printOrgs(w, p.Orgs())
	}
	p.printNotes(w)
	if p.Rejected > 0 {
		fmt.Fprintf(w, "\n%s would be rejected, such as:\n", report.Plural(p.Rejected, "row"))
	}
	for _, r := range p.Rejects {
		fmt.Fprintf(w, "  line %d: %s\n", r.Line, printable(r.Reason))
	}
	return w.Flush()
}
