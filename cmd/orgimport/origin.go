package main

import (
	"context"
	"errors"
	"fmt"

	"orgimport/importer"
	"orgimport/importer/csvfile"
	"orgimport/report"
)

// The prefixes of correlation ids, by operation.
const (
	prefixImport = "oi"
	prefixRemove = "or"
	prefixRoles  = "oa"
	prefixInvite = "ov"
)

// origin says which operation wrote the results in an input.
type origin struct {
	prefix   string       // of the correlation ids, such as oi; empty if no line has one
	repeated map[int]bool // lines that another line of the same row replaces; nil if the input is not results

	last, done importer.Set // the last line of each row, and of each row that is done
}

// errRepeated is the Err of a row that repeats an earlier one according to the
// results of an earlier run: only the row that it repeats counts.
var errRepeated = &importer.Settled{Status: importer.Duplicate, Message: "same as an earlier line, according to the results of an earlier run"}

// originRow is the Err of a row while the results are read for their origin. It
// carries the row's line of the results.
type originRow struct{ csvfile.Result }

func (originRow) Error() string { return "read only to find the origin of the results" }

// readOrigin reads the results in table to their end. All lines with a
// correlation id must be of one operation, and of the given tenant.
func readOrigin(ctx context.Context, table *csvfile.Table, key func(importer.Row) string, tenant string) (origin, error) {
	o := origin{repeated: make(map[int]bool)}
	for row, err := range table.Rows() {
		if ctx.Err() != nil {
			return o, context.Cause(ctx)
		}
		if err != nil {
			return o, err
		}
		result, ok := errors.AsType[*originRow](row.Err)
		if !ok {
			continue
		}
		switch prefix, ours := report.Origin(result.CorrelationID, tenant); {
		case prefix == "":
		case !ours:
			return o, fmt.Errorf("line %d was written by a run against another tenant (correlation id %s)", result.Line, result.CorrelationID)
		case o.prefix != "" && o.prefix != prefix:
			return o, fmt.Errorf("line %d was written by another operation than the lines before it (correlation id %s)", result.Line, result.CorrelationID)
		default:
			o.prefix = prefix
		}
		if result.Status != importer.Duplicate {
			o.count(key(row), result.Result)
		}
	}
	return o, nil
}

// count records which line of a row counts: the first with a status that settles
// the row, otherwise the last.
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
