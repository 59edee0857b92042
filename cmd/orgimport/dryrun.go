package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"strings"

	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/report"
)

// forecast is what there is to know of an operation before it.
type forecast struct {
	verb, noun string                       // such as remove, membership
	limits     func(publishedPlan) []bucket // that it draws on; nil where none is published
}

// dryRun says what a task would do, and sends nothing. Nothing is looked up, so
// it takes no credentials; rows that have no ids are told apart by their keys.
func (c *console) dryRun(flags *jobFlags, t task, f forecast) error {
	j := &job{console: c, jobFlags: flags, task: t, ui: c.openUI(flags.uiFlags)}
	defer j.ui.Close()
	defer j.close()
	ctx, end := c.untilSignal(nil, nil)
	defer end()
	j.does = j.op(j, &auth0.Client{})
	var err error
	if j.in, err = openInput(ctx, c, t.file); err != nil {
		return err
	}
	j.closing = append(j.closing, func() { _ = j.in.Close() })
	if err := j.openTable(ctx); err != nil {
		return stoppedOr(ctx, err)
	}
	rows := named(j.table.Rows())
	if j.rows != nil {
		rows = j.rows(j, rows)
	}
	rows = importer.Distinct(rows, j.does.KeyOf)
	if j.Resume {
		done, err := readJournal(j.Results, j.Domain, j.does)
		if err != nil {
			return err
		}
		rows = settled(rows, done.Has)
	}
	rows = importer.Each(rows, func(*importer.Row) error { return context.Cause(ctx) })
	found, err := importer.Survey(rows, j.does.Size, nil)
	if err != nil {
		return stoppedOr(ctx, err)
	}
	if err := f.print(j, found); err != nil {
		return err
	}
	if found.Rejected > 0 {
		return errRows
	}
	return nil
}

// stoppedOr returns why ctx ended, or err if it has not.
func stoppedOr(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// named gives rows that have no ids yet their keys in the place of them.
func named(rows rowSeq) rowSeq {
	return importer.Each(rows, func(row *importer.Row) error {
		if row.Keys != nil {
			row.OrgID = cmp.Or(row.OrgID, row.Keys.Org.Value)
			row.UserID = cmp.Or(row.UserID, row.Keys.User.Value)
		}
		return nil
	})
}

// print prints requests and time first, then what there is beside.
func (f forecast) print(j *job, found importer.Plan) error {
	p := &plan{Input: j.in.name, Dialect: j.table.String(), Plan: found, BatchSize: j.does.Size, Requests: found.Batches}
	for _, plan := range publishedPlans() {
		if limits := f.limits(plan); limits != nil {
			p.Estimates = append(p.Estimates, estimate{plan.name, sustained(limits), int(duration(p.Requests, limits).Seconds())})
		}
	}
	if j.Rate > 0 {
		p.AtRate = &atRate{j.Rate, int(durationAt(p.Requests, j.Rate).Seconds())}
	}
	for _, note := range j.table.Notes() {
		p.Notes = append(p.Notes, note.Text)
	}
	w := bufio.NewWriter(j.stdout)
	usual := endpoint(20, 200)
	fmt.Fprintf(w, "%s at least to %s %s: %s at %s\n", report.Plural(p.Requests, "request"), f.verb, report.Plural(found.Sendable, f.noun), atLeast(duration(p.Requests, usual)), sustained(usual))
	fmt.Fprintf(w, "%s: %s\n", p.Input, p.Dialect)
	fmt.Fprintln(w, strings.Replace(p.totals(), "in already", "done already", 1))
	p.printTimes(w)
	if found.Organizations > 0 {
		fmt.Fprintf(w, "\n%s:\n", report.Plural(found.Organizations, "organization"))
		printOrgs(w, found.Orgs())
	}
	p.printNotes(w)
	if found.Rejected > 0 {
		fmt.Fprintf(w, "\n%s would be rejected, such as:\n", report.Plural(found.Rejected, "row"))
	}
	for _, row := range found.Rejects {
		fmt.Fprintf(w, "  line %d: %s\n", row.Line, printable(row.Err.Error()))
	}
	return w.Flush()
}
