package job

import (
	"context"
	"errors"
	"fmt"

	"orgimport/importer"
	"orgimport/importer/csvfile"
	"orgimport/report"
)

// Origin says which operation wrote the results in an input.
type Origin struct {
	Prefix  string          // of the correlation ids, such as oi; empty if no line has one
	Current *report.Current // nil if the input is not results

	Added         int  // lines that say that an import added the user
	Skipped       bool // all runs that wrote these skipped who was a member before
	UnknownOrigin int  // lines of members whom an earlier run may have added
	Unread        int  // lines that do not say what became of their rows
}

// ErrRepeated is the Err of a row that repeats an earlier one according to the
// results of an earlier run: only the row that it repeats counts.
var ErrRepeated = &importer.Decided{Status: importer.Duplicate, Message: "same as an earlier line, according to the results of an earlier run"}

// originRow is the Err of a row while the results are read for their origin. It
// carries the row's line of the results.
type originRow struct{ csvfile.Result }

func (originRow) Error() string { return "read only to find the origin of the results" }

// readOrigin reads the results in table to their end. All lines with a
// correlation id must be of one operation, and of the given tenant.
func readOrigin(ctx context.Context, table *csvfile.Table, key func(importer.Row) string, tenant string) (Origin, error) {
	o := Origin{Current: report.NewCurrent(key), Skipped: true}
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
		case o.Prefix != "" && o.Prefix != prefix:
			return o, fmt.Errorf("line %d was written by another operation than the lines before it (correlation id %s)", result.Line, result.CorrelationID)
		default:
			o.Prefix = prefix
		}
		switch {
		case result.Status == "":
			o.Unread++
		case result.Code == importer.CodeUnknownOrigin:
			o.UnknownOrigin++
		case result.Status == importer.Added && report.RunOf(result.CorrelationID) != "":
			o.Added++
			o.Skipped = o.Skipped && report.SkippedMembers(result.CorrelationID)
		}
		row.Line = result.Line
		outcome := importer.Outcome{Row: row, Status: result.Status}
		outcome.Code = result.Code
		o.Current.Add(result.Line, &outcome)
	}
	return o, nil
}
