package main

import (
	"context"
	"errors"
	"fmt"

	"orgimport/importer"
	"orgimport/importer/csvfile"
	"orgimport/report"
)

// The operations, by how their correlation ids begin.
const (
	prefixImport = "oi"
	prefixRemove = "or"
	prefixRoles  = "oa"
	prefixInvite = "ov"
)

// origin says whose results an input holds. Its zero value is that of an input
// that holds none, or of which no line tells.
type origin struct {
	prefix   string       // of the correlation ids, such as oi
	repeated map[int]bool // lines that another line of the same row replaces

	last, done importer.Set // rows, and rows that are done
}

// errRepeated is the Err of a row that repeats an earlier one by the results of
// an earlier run: what counts is the row that it repeats.
var errRepeated = &importer.Settled{Status: importer.Duplicate, Message: "same as an earlier line, by the results of an earlier run"}

// originRow carries what a results file says of a row.
type originRow struct{ csvfile.Result }

func (originRow) Error() string { return "read to see whose results they are" }

// readOrigin reads the results in a file to their end. They must be of one
// operation, and of that tenant as far as they tell.
func readOrigin(ctx context.Context, table *csvfile.Table, key func(importer.Row) string, tenant string) (origin, error) {
	o := origin{repeated: make(map[int]bool)}
	for row, err := range table.Rows() {
		if ctx.Err() != nil {
			return o, context.Cause(ctx)
		}
		if err != nil {
			return o, err
		}
		said, ok := errors.AsType[*originRow](row.Err)
		if !ok {
			continue
		}
		switch prefix, ours := report.Origin(said.CorrelationID, tenant); {
		case prefix == "":
		case !ours:
			return o, fmt.Errorf("line %d was written by a run against another tenant (correlation id %s)", said.Line, said.CorrelationID)
		case o.prefix != "" && o.prefix != prefix:
			return o, fmt.Errorf("line %d was written by another operation than those before it (correlation id %s)", said.Line, said.CorrelationID)
		default:
			o.prefix = prefix
		}
		if said.Status != importer.Duplicate {
			o.count(key(row), said.Result)
		}
	}
	return o, nil
}

// count notes which of the lines of a row counts: the first that says that the
// row is done, otherwise the last.
func (o *origin) count(key string, r csvfile.Result) {
	if o.done.Has(key) {
		o.repeated[r.Line] = true
		return
	}
	if earlier, found := o.last.Line(key); found {
		o.repeated[earlier] = true
	}
	o.last.Put(key, r.Line)
	if r.Status.Settled() {
		o.done.Add(key, r.Line)
	}
}
