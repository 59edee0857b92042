package job

import (
	"context"
	"sync/atomic"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/importer"
	"orgimport/importer/csvfile"
)

// input is a file, or a pipe, that is read with a dialect, as often as it takes.
type input struct {
	Config
	in     *files.Input
	table  *csvfile.Table // the last one opened
	unread bool           // no row of table has been ranged over
	piped  bool           // the input is no regular file
	plain  bool           // the input is a list, although its header is that of results
	from   Origin
	keys   []string     // columns with keys, which are copied to the results
	passed atomic.Int64 // rows that the last range over the input has read
}

// openResults reads an input with the header of results to its end: to find out
// whether it holds the results of an earlier run, and, if it is read twice, which
// operation wrote them.
func (s *input) openResults(ctx context.Context) error {
	if err := s.in.Spool(s.Results); err != nil {
		return err
	}
	ours, err := csvfile.IsResults(s.in.Again(), s.dialect())
	if err == nil && ours {
		err = s.table.Lacks(s.Columns...)
	}
	if err != nil {
		return err
	}
	if s.plain = !ours; s.plain || s.Select == nil || !s.ReadTwice {
		return s.reopen()
	}
	if err := s.findOrigin(ctx); err != nil {
		return failed(WrongInput, "%s: %w", s.in.Name(), err)
	}
	return nil
}

// findOrigin reads the results in the input to find out which operation wrote them.
func (s *input) findOrigin(ctx context.Context) error {
	d := s.dialect()
	d.Earlier = func(r csvfile.Result) error { return &originRow{r} }
	results, err := csvfile.Open(s.in.Again(), d)
	if err == nil {
		s.from, err = readOrigin(ctx, results, s.Op.KeyOf, s.Tenant)
	}
	if err == nil {
		err = s.Select(&d, s.from)
	}
	if err == nil {
		err = s.reopen()
	}
	return err
}

// dialect returns how the input is read.
func (s *input) dialect() csvfile.Dialect {
	d := s.Dialect
	d.KeepKeys, d.Plain = s.keys, s.plain
	if s.Select != nil {
		_ = s.Select(&d, s.from) // findOrigin has returned the error
	}
	return d
}

// reopen opens the input from its start. It must be a file, or spooled.
func (s *input) reopen() (err error) {
	s.table, err = csvfile.Open(s.in.Again(), s.dialect())
	s.unread = err == nil
	return err
}

// read returns the rows of the input from its start, as they stand in it. All that
// is known about the input comes from here: a stage that leaves rows out for
// everybody, look-ups included, belongs here.
func (s *input) read() rowSeq {
	return func(yield func(importer.Row, error) bool) {
		if !s.unread {
			if err := s.reopen(); err != nil {
				yield(importer.Row{}, err)
				return
			}
		}
		s.unread = false
		s.passed.Store(0)
		importer.Each(s.table.Rows(), func(*importer.Row) error {
			s.passed.Add(1)
			return nil
		})(yield)
	}
}

// Table returns the input as it was last opened: its dialect, its columns, and the
// notes about the rows that were ranged over.
func (s *input) Table() *csvfile.Table { return s.table }

// Name returns the name of the input for messages.
func (s *input) Name() string { return s.in.Name() }

// From returns which operation wrote the results in the input.
func (s *input) From() Origin { return s.from }

// IsFile reports whether the input can be ranged over more than once.
func (s *input) IsFile() bool { return s.in.IsFile() }

// Piped reports whether the input is no regular file, so that its end can't be looked
// at again.
func (s *input) Piped() bool { return s.piped }

// Changed reports whether a regular file was changed or replaced since it was opened.
func (s *input) Changed() bool { return s.in.Changed() }

// Passed returns how many rows the last range over the input has read. It may be
// called concurrently.
func (s *input) Passed() int { return int(s.passed.Load()) }
