package job

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/importer"
	"orgimport/importer/csvfile"
	"orgimport/report"
)

// input is a file, or a pipe, that is read with a dialect, as often as it takes.
type input struct {
	*Config
	file   *files.Input
	table  *csvfile.Table // the last one opened
	unread bool           // no row of table has been ranged over
	plain  bool           // the input is a list, although its header is that of results
	From   Origin         // of the results in the input
	keys   []string       // columns with keys, which are copied to the results
	rows   int            // in the input, once it has been read for its keys
	passed atomic.Int64   // rows that the last range over the input has read
}

// open reads the header. It finds out whether an input with the header of results
// holds those of an earlier run, and, if it is read twice, which operation wrote them.
func (in *input) open(ctx context.Context) (err error) {
	if in.Resume {
		if f, earlier := openEarlier(in.Results); f != nil {
			in.keys = earlier.Kept
			f.Close()
		}
	}
	in.file.Remember()
	if in.ReadTwice {
		if err := in.file.Spool(in.Results); err != nil {
			return err
		}
	}
	if in.table, err = csvfile.Open(in.file, in.dialect()); err != nil {
		return err
	}
	in.unread = true
	if !in.table.Results() {
		return nil
	}
	if err := in.file.Spool(in.Results); err != nil {
		return err
	}
	ours, err := csvfile.IsResults(in.file.Again(), in.dialect())
	if err == nil && ours {
		err = in.table.Lacks(in.Columns...)
	}
	if err != nil {
		return err
	}
	if in.plain = !ours; ours && in.Select != nil && in.ReadTwice {
		if err := in.findOrigin(ctx); err != nil {
			return failed(Unusable, "%s: %w", in.file.Name(), err)
		}
	}
	return in.reopen()
}

// findOrigin reads the results in the input to find out which operation wrote them.
func (in *input) findOrigin(ctx context.Context) error {
	d := in.dialect()
	d.Earlier = func(r csvfile.Result) error { return &originRow{r} }
	results, err := csvfile.Open(in.file.Again(), d)
	if err == nil {
		in.From, err = readOrigin(ctx, results, in.Op.KeyOf, in.Tenant)
	}
	if err == nil {
		err = in.Select(&d, in.From)
	}
	return err
}

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

// named names the input in an error about its content.
func (in *input) named(err error) error {
	wrong, ok := errors.AsType[*csvfile.InputError](err)
	switch {
	case !ok:
		return err
	case wrong.Empty && in.Path == "-":
		return failed(NothingPiped, "standard input is empty")
	default:
		return fmt.Errorf("%s: %w", in.file.Name(), err)
	}
}

// dialect returns how the input is read.
func (in *input) dialect() csvfile.Dialect {
	d := in.Dialect
	d.KeepKeys, d.Plain = in.keys, in.plain
	if in.Select != nil {
		_ = in.Select(&d, in.From) // findOrigin has returned the error
	}
	return d
}

// with returns the same input, read with another dialect.
func (in *input) with(change func(*csvfile.Dialect)) *input {
	c := *in.Config
	change(&c.Dialect)
	return &input{Config: &c, file: in.file, plain: in.plain, From: in.From, keys: in.keys}
}

// reopen opens the input from its start. It must be a file, or spooled.
func (in *input) reopen() (err error) {
	in.table, err = csvfile.Open(in.file.Again(), in.dialect())
	in.unread = err == nil
	return err
}

// read returns the rows of the input from its start, as they stand in it. All that
// is known about the input comes from here: a stage that leaves rows out for
// everybody, look-ups included, belongs here.
func (in *input) read() rowSeq {
	return func(yield func(importer.Row, error) bool) {
		if !in.unread {
			if err := in.reopen(); err != nil {
				yield(importer.Row{}, err)
				return
			}
		}
		in.unread = false
		in.all()(yield)
	}
}

// all returns the rows of the table. It counts them before a stage leaves one out: a
// run that has not seen every row of the input keeps what is known of the others.
func (in *input) all() rowSeq {
	in.passed.Store(0)
	return importer.Each(in.table.Rows(), func(*importer.Row) error {
		in.passed.Add(1)
		return nil
	})
}
