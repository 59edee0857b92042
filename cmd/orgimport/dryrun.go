package main

import (
	"bufio"
	"fmt"
	"io"

	"orgimport/importer"
	"orgimport/report"
)

// forecast describes an operation for its dry run.
type forecast struct {
	verb, noun string                       // for example, remove and membership
	limits     func(publishedPlan) []bucket // limits that apply to it; nil if the plan publishes none
}

// dryRun prints what a task would do, and sends nothing. It makes no look-ups, so
// it needs no credentials; rows without ids are distinguished by their keys.
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

// print prints the requests and the time first, and then the details.
func (f forecast) print(p *plan, out io.Writer) error {
	w := bufio.NewWriter(out)
	usual := endpointLimit(20, 200)
	fmt.Fprintf(w, "at least %s to %s %s: %s at %s\n", report.Plural(p.Requests, "request"), f.verb, report.Plural(p.Sendable, f.noun), atLeast(duration(p.Requests, usual)), sustained(usual))
	fmt.Fprintf(w, "%s: %s\n", p.Input, p.Dialect)
	fmt.Fprintln(w, p.totals())
	p.printTimes(w)
	if p.Organizations > 0 {
		fmt.Fprintf(w, "\n%s:\n", report.Plural(p.Organizations, "organization"))
		printOrgs(w, p.Orgs())
	}
	p.printNotes(w)
	if p.Rejected > 0 {
		fmt.Fprintf(w, "\n%s would be rejected, for example:\n", report.Plural(p.Rejected, "row"))
	}
	for _, r := range p.Rejects {
		fmt.Fprintf(w, "  line %d: %s\n", r.Line, printable(r.Reason))
	}
	return w.Flush()
}
