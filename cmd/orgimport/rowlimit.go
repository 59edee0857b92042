package main

import (
	"context"
	"fmt"

	"orgimport/importer"
	"orgimport/report"
)

// rowCount is the number of distinct rows in a file, and of their organizations.
type rowCount struct{ rows, organizations int }

// countRows reads the input to its end. It does not count rows that would be
// rejected.
func (j *job) countRows(ctx context.Context) (rowCount, error) {
	table, err := j.reopenTable()
	if err != nil {
		return rowCount{}, err
	}
	var rows, orgs importer.Set
	for row, err := range j.prepared(table) {
		switch {
		case ctx.Err() != nil:
			return rowCount{}, context.Cause(ctx)
		case err != nil:
			return rowCount{}, err
		case row.Err == nil:
			rows.Add(j.op.KeyOf(row), row.Line)
			orgs.Add(row.OrgID, row.Line)
		}
	}
	return rowCount{rows.Len(), orgs.Len()}, nil
}

// checkLimit returns an error if the flag that limits the rows is missing, or if
// the file has more rows than it allows. [job.limited] enforces the limit later,
// in case the file changes during the run.
func (j *job) checkLimit(n rowCount, most *int, flag, noun string) error {
	j.maxRows = most
	file := fmt.Sprintf("this file names %s", report.Plural(n.rows, noun))
	switch {
	case most == nil:
		return usagef("", "%s: add %s %d", file, flag, n.rows)
	case *most < n.rows:
		return &exitError{exitErrors, fmt.Errorf("%s, and %s is %d: nothing was sent", file, flag, *most), fmt.Sprintf("look at the file; if it is right, give %s %d", flag, n.rows)}
	}
	return nil
}

// limited ends the range of distinct rows with an error when it exceeds the
// limit, if there is one.
func (j *job) limited(rows rowSeq) rowSeq {
	if j.maxRows == nil {
		return rows
	}
	n := 0
	return importer.Each(rows, func(row *importer.Row) error {
		if row.Err == nil {
			n++
		}
		if n > *j.maxRows {
			return &exitError{exitErrors, fmt.Errorf("%s changed while it was read: it names more than the %d that are allowed", j.in.Name(), *j.maxRows), "look at the file, then continue with --resume"}
		}
		return nil
	})
}
