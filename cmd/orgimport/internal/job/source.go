package job

import (
	"cmp"
	"context"
	"errors"
	"os"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/cmd/orgimport/internal/tenancy"
	"orgimport/importer"
	"orgimport/importer/csvfile"
	"orgimport/report"
)

// Source is the rows of an input as an operation gets them.
type Source struct {
	*input
	look  *lookups
	Piped bool // the input is no regular file, so that its end can't be looked at again
}

// Open opens an input. It reads the header and, if they are needed before the first
// row can be sent, the keys of all rows and the operation that wrote them. It sends
// nothing.
func Open(ctx context.Context, c Config) (*Source, error) {
	file, err := files.Open(ctx, c.Path, c.Stdin)
	if err != nil {
		return nil, err
	}
	s := &Source{&input{Config: &c, file: file}, &lookups{Config: &c}, !file.IsFile()}
	if c.Resume {
		_, err := os.Stat(c.Results)
		s.look.resumed = err == nil
	}
	if err = s.open(ctx); err == nil {
		err = s.look.prepare(ctx, s.input)
	}
	if err != nil {
		s.Close()
		return nil, stoppedOr(ctx, s.named(err))
	}
	return s, nil
}

// Close closes the input.
func (s *Source) Close() { _ = s.file.Close() }

// Table returns the input as it was last opened: its dialect, its columns, and the
// notes about the rows that were ranged over.
func (s *Source) Table() *csvfile.Table { return s.table }

// Name returns the name of the input for messages.
func (s *Source) Name() string { return s.file.Name() }

// IsFile reports whether the input can be ranged over more than once.
func (s *Source) IsFile() bool { return s.file.IsFile() }

// Changed reports whether a regular file was changed or replaced since it was opened.
func (s *Source) Changed() bool { return s.file.Changed() }

// LookUp looks up what the rows name. First it checks that the token has one scope
// of each group: of the given groups and of those that the look-ups need. Rows that
// earlier runs have done are not worth a request.
func (s *Source) LookUp(ctx context.Context, t *tenancy.Tenant, before *report.Journal, scopes ...[]string) error {
	return s.look.lookUp(ctx, t, s.Rows(), before, scopes)
}

// Findings returns what was looked up so far.
func (s *Source) Findings() Findings {
	found := s.look.Findings
	found.Reads, found.Unlimited = int(s.look.reads.Sent.Load()), int(s.look.reads.Unlimited.Load())
	return found
}

// Phase returns the look-ups under way, nil if there are none. It may be called
// concurrently.
func (s *Source) Phase() *Phase { return s.look.now.Load() }

// Rows returns the rows of the input from its start, as they are to be sent. A pipe
// that was not spooled can be ranged over once.
func (s *Source) Rows() rowSeq { return s.prepared(s.read()) }

// prepared returns rows of the input as they are to be sent.
func (s *Source) prepared(rows rowSeq) rowSeq {
	rows = importer.Resolve(rows, s.look.Directory)
	if s.Assume {
		rows = importer.Each(rows, keysAsIDs)
	}
	rows = EachSendable(rows, func(row *importer.Row) { // the input may have changed since it was read for its keys
		if row.Keys != nil && (row.OrgID == "" || row.UserID == "" && !s.ByAddress) {
			row.Err = errors.New("the row has no id for its organization or its user, and nothing is looked up")
		}
	})
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

// Whole returns a source of the same input and what was looked up, whose rows have
// all of its columns, as [importer.Row.Kept].
func (s *Source) Whole() (*Source, error) {
	if err := s.file.Spool(s.Results); err != nil { // an empty pipe may not be spooled yet
		return nil, err
	}
	all := &Source{s.with(func(d *csvfile.Dialect) { d.Keep = true }), s.look, s.Piped}
	return all, all.reopen()
}

// IsUnreadable reports whether a row is rejected for its content, and not because
// of what the tenant has.
func IsUnreadable(r importer.Row) bool {
	_, decided := errors.AsType[*importer.Decided](r.Err)
	return r.Err != nil && !decided && !isUnresolved(r)
}

// Passed returns how many rows the last range over the input has read. It may be
// called concurrently.
func (s *Source) Passed() int { return int(s.passed.Load()) }

// Progress returns how much of the input has been read: rows if their number is
// known, otherwise bytes. It may be called concurrently.
func (s *Source) Progress() (read, of int64, bytes bool) {
	if s.rows > 0 {
		return int64(s.Passed()), int64(s.rows), false
	}
	read, of = s.file.Progress()
	return read, of, true
}
