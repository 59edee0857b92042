package job

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/importer"
	"orgimport/importer/csvfile"
	"orgimport/report"
)

// Task is what an operation makes of its input.
type Task struct {
	Op   importer.Op
	Size int // most rows in a request; 0: as many as the operation can carry

	// ReadTwice says that the input is also read before the first request, so
	// that a pipe has to be spooled.
	ReadTwice bool

	// Columns are the columns that the input must have if it holds results.
	Columns []string

	// ByAddress says that the operation names users by their e-mail addresses,
	// which are therefore not looked up.
	ByAddress bool

	// Select, if set, changes the dialect that the input is read with. If the input
	// is read twice and holds results, from says which operation wrote them;
	// otherwise it is zero. An error rejects the input.
	Select func(d *csvfile.Dialect, from Origin) error

	// Rows, if set, is a stage between the look-ups and the operation. It gets
	// every row of the input once, including rows that are done already.
	Rows func(rowSeq) rowSeq
}

// BatchSize returns how many rows a request can carry.
func (t Task) BatchSize() int { return cmp.Or(t.Size, t.Op.Size) }

// Config says what a [Source] reads, and how.
type Config struct {
	Task

	Path    string // of the input; - for Stdin
	Stdin   io.Reader
	Dialect csvfile.Dialect
	Lookups Lookups
	Assume  bool   // look nothing up: the keys of rows count as ids
	Tenant  string // host of the tenant; empty: any

	// Results is the path of the results file. A pipe that is read twice is
	// spooled beside it. With Resume, ids are taken from it, if it exists.
	Results string
	Resume  bool

	Log *slog.Logger
}

// Source is the rows of an input as an operation gets them.
type Source struct {
	input
	look    *lookups
	rows    int                // in the input, once it has been read for its keys
	inspect func(importer.Row) // sees each row as the input has it; may be nil
}

// Open opens an input. It reads the header and, if they are needed before the first
// row can be sent, the keys of all rows and the operation that wrote them. It sends
// nothing.
func Open(ctx context.Context, c Config) (*Source, error) {
	in, err := files.Open(ctx, c.Path, c.Stdin)
	if err != nil {
		return nil, err
	}
	s := &Source{input: input{Config: c, in: in, piped: !in.IsFile()}, look: &lookups{Lookups: c.Lookups, keepUsers: c.ByAddress}}
	if c.Resume {
		_, err := files.StampOf(c.Results)
		s.look.resumed = err == nil
		s.keys = keptColumns(c.Results)
	}
	if err := s.open(ctx); err != nil {
		s.Close()
		return nil, stoppedOr(ctx, s.named(err))
	}
	return s, nil
}

// named names the input in an error about its content.
func (s *Source) named(err error) error {
	wrong, ok := errors.AsType[*csvfile.InputError](err)
	switch {
	case !ok:
		return err
	case wrong.Empty() && s.Path == "-":
		return failed(NothingPiped, "standard input is empty")
	default:
		return fmt.Errorf("%s: %w", s.Name(), err)
	}
}

// Close closes the input.
func (s *Source) Close() { _ = s.in.Close() }

// open reads the header of the input and what must be known before the first row is
// sent.
func (s *Source) open(ctx context.Context) (err error) {
	s.in.Remember()
	if s.ReadTwice {
		if err := s.in.Spool(s.Results); err != nil {
			return err
		}
	}
	if s.table, err = csvfile.Open(s.in, s.dialect()); err != nil {
		return err
	}
	s.unread = true
	if s.table.Results() {
		if err := s.openResults(ctx); err != nil {
			return err
		}
	}
	if !s.table.Keyed() && !s.Lookups.wanted() {
		s.in.Forget()
		return nil
	}
	if err := s.in.Spool(s.Results); err != nil {
		return err
	}
	return s.collect(ctx)
}

// collect reads the input to its end for the keys to look up, and reopens it with
// their columns.
func (s *Source) collect(ctx context.Context) error {
	if err := s.reopen(); err != nil {
		return err
	}
	if err := s.look.collect(ctx, s.read()); err != nil {
		return err
	}
	s.rows = s.Passed()
	used := s.table.UsedKeys()
	if s.Resume && s.look.dir != nil {
		if err := s.reuse(ctx); err != nil {
			return err
		}
	}
	s.keys = append(s.keys, used...)
	return s.reopen()
}

// with returns a source of the same input that reads it with another dialect.
func (s *Source) with(change func(*csvfile.Dialect)) *Source {
	c := s.Config
	change(&c.Dialect)
	return &Source{input: input{Config: c, in: s.in, plain: s.plain, from: s.from, keys: s.keys}, look: s.look}
}

// Rows returns the rows of the input from its start, as they are to be sent. A pipe
// that was not spooled can be ranged over once.
func (s *Source) Rows() rowSeq {
	rows := s.read()
	if s.inspect != nil {
		rows = importer.Each(rows, func(row *importer.Row) error {
			s.inspect(*row)
			return nil
		})
	}
	rows = importer.Resolve(rows, s.look.dir)
	if s.Assume {
		rows = importer.Each(rows, keysAsIDs)
	}
	rows = withIDs(rows, s.ByAddress)
	if s.Task.Rows != nil {
		rows = s.Task.Rows(rows)
	}
	return rows
}

// keysAsIDs uses the keys of a row as the ids that it lacks, and accepts a row
// that could not be resolved.
func keysAsIDs(row *importer.Row) error {
	if isUnresolved(*row) {
		row.Err = nil
	}
	if row.Keys != nil {
		row.OrgID = cmp.Or(row.OrgID, row.Keys.Org.Value)
		row.UserID = cmp.Or(row.UserID, row.Keys.User.Value)
		row.Keys = nil
	}
	return nil
}

// withIDs rejects the rows that name their organization or user by something
// other than an id and were not looked up.
func withIDs(rows rowSeq, byAddress bool) rowSeq {
	return EachSendable(rows, func(row *importer.Row) {
		if row.Keys != nil && (row.OrgID == "" || row.UserID == "" && !byAddress) {
			row.Err = errors.New("the row has no id for its organization or its user, and nothing is looked up")
		}
	})
}

// Whole returns a source of the same input and what was looked up, whose rows have
// all of its columns, as [importer.Row.Kept].
func (s *Source) Whole() (*Source, error) {
	if err := s.in.Spool(s.Results); err != nil { // an empty pipe may not be spooled yet
		return nil, err
	}
	all := s.with(func(d *csvfile.Dialect) { d.Keep = true })
	return all, all.reopen()
}

// Resolved calls f with each row of the input and the ids that were found, with all
// columns of the input kept. A row that can't be read has no ids: it must not become
// one that can be sent. head is called first, with the names of the columns.
func (s *Source) Resolved(ctx context.Context, head func(kept []string) error, f func(importer.Row) error) error {
	all, err := s.Whole()
	if err != nil {
		return err
	}
	if err := head(all.table.Kept); err != nil {
		return err
	}
	for row, err := range importer.Resolve(all.read(), s.look.dir) {
		if err != nil || ctx.Err() != nil {
			return stoppedOr(ctx, err)
		}
		if isUnreadable(row) {
			row.OrgID, row.UserID = "", ""
		}
		if err := f(row); err != nil {
			return err
		}
	}
	return nil
}

// isUnreadable reports whether a row is rejected for its content, and not because
// of what the tenant has.
func isUnreadable(r importer.Row) bool {
	_, decided := errors.AsType[*importer.Decided](r.Err)
	return r.Err != nil && !decided && !isUnresolved(r)
}

// Count returns the numbers of distinct rows that can be sent, and of their
// organizations.
func (s *Source) Count(ctx context.Context) (rows, organizations int, err error) {
	var pairs, orgs importer.Set
	for row, err := range s.Rows() {
		switch {
		case err != nil || ctx.Err() != nil:
			return 0, 0, stoppedOr(ctx, err)
		case row.Err == nil:
			pairs.Add(s.Op.KeyOf(row), row.Line)
			orgs.Add(row.OrgID, row.Line)
		}
	}
	return pairs.Len(), orgs.Len(), nil
}

// Progress returns how much of the input has been read: rows if their number is
// known, otherwise bytes. It may be called concurrently.
func (s *Source) Progress() (read, of int64, bytes bool) {
	if s.rows > 0 {
		return s.passed.Load(), int64(s.rows), false
	}
	read, of = s.in.Progress()
	return read, of, true
}

// keptColumns returns the kept columns of a results file, if there is one.
func keptColumns(path string) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	text, err := openToContinue(f)
	if err != nil {
		return nil // Create returns the error
	}
	r, err := report.NewReader(text)
	if err != nil {
		return nil // Create returns the error
	}
	return r.Kept
}
