package main

import (
	"context"
	"fmt"

	"orgimport/importer"
	"orgimport/report"
)

// names are how much a file names, each once.
type names struct{ rows, organizations int }

// names reads the input to its end. Rows that would be rejected name nothing.
func (j *job) countRows(ctx context.Context) (names, error) {
	table, err := j.reopenTable()
	if err != nil {
		return names{}, err
	}
	var rows, orgs importer.Set
	for row, err := range j.prepared(table) {
		switch {
		case ctx.Err() != nil:
			return names{}, context.Cause(ctx)
		case err != nil:
			return names{}, err
		case row.Err == nil:
			rows.Add(j.op.KeyOf(row), row.Line)
			orgs.Add(row.OrgID, row.Line)
		}
	}
	return names{rows.Len(), orgs.Len()}, nil
}

// allow returns an error unless the number that a flag allows is given and is no
// less than that of the rows. No more rows are sent than that, even if the file
// changes under the run.
func (j *job) checkLimit(n names, most *int, flag, noun string) error {
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

// noMore ends distinct rows where there are more than are allowed.
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
			return &exitError{exitErrors, fmt.Errorf("%s changed while it was read: it names more than the %d that are allowed", j.in.name, *j.maxRows), "look at the file, then go on with --resume"}
		}
		return nil
	})
}
