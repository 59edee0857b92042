package report

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"orgimport/importer"
)

// Journal is what earlier runs wrote into a results file: which rows are done,
// and which failed. It knows the one line of the file that counts for each row.
// Rows that were sent are the same if their keys are, rows that were not if they
// are on the same line of the input.
//
// The zero value is the journal of no earlier run. A Journal is not safe for
// concurrent use.
type Journal struct {
	op      importer.Op
	settled map[importer.Status]*importer.Set // the first line of each key; of failed rows, those of an unknown outcome
	failed  importer.Set                      // the last line of each key
	sending map[int]bool                      // of those lines, the ones that say sending
	unsent  map[int]unsentLine                // by the line of the input
	named   bool                              // a correlation id is of this operation

	kept     Counts // lines that stay
	found    Counts // of them, the settled ones that were asked for
	replaced Counts // of them, the others, which a line of this run replaces
}

// unsentLine is the line of a row that no request carried.
type unsentLine struct {
	number int
	status importer.Status
}

// Resume reads the results file that earlier runs of op left in r and writes to
// w what stays of it, byte for byte: the header and one line for each row. A row
// that is done keeps the first line that says so, any other row its last. Lines
// that are not whole are dropped; their rows are attempted again.
//
// It returns a *[WrongFileError] if r is not a results file of op and tenant; an
// empty tenant is any. After any error, what is in w is of no use.
//
// kept are the columns that the run is going to keep; nil means those of the file.
// If the file lacks some of them, its lines get them, without values. A file that
// has others is a wrong one.
//
// It needs some 30 bytes of memory for each row.
func Resume(r io.ReadSeeker, w io.Writer, op importer.Op, tenant string, kept []string) (*Journal, error) {
	return compact(r, w, op, tenant, kept, func(l line, settled bool) bool { return settled || !settles(l) })
}

// Compact writes to w what stays of a results file when a run has come to the end
// of its input: one line for each row, as Resume does. Of the first lines of the
// file, the header included, which were there before that run, only those of rows
// that are done stay: the run has written a new line for any other row.
func Compact(r io.ReadSeeker, w io.Writer, op importer.Op, tenant string, first int) error {
	_, err := compact(r, w, op, tenant, nil, func(l line, settled bool) bool { return settled || l.number > first })
	return err
}

// Failures writes to w the lines of the rows that are not done, without a header,
// of a results file with one line for each row, as [Compact] leaves it. It returns
// a *[WrongFileError] if r is not a results file.
func Failures(r io.Reader, w io.Writer) error {
	in, err := NewReader(r)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 64<<10)
	for l, err := range in.lines() {
		if err != nil {
			return err
		}
		if l.status().Failure() {
			_, _ = out.Write(l.raw) // Flush returns the error
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write failures: %w", err)
	}
	return nil
}

// compact writes the header, and each line that counts for its row and that keep
// returns true for.
func compact(r io.ReadSeeker, w io.Writer, op importer.Op, tenant string, kept []string, keep func(l line, settled bool) bool) (*Journal, error) {
	j := newJournal(op)
	if err := j.read(r, tenant); err != nil {
		return nil, err
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	in, err := NewReader(r)
	if err != nil {
		return nil, err
	}
	if in.header == nil {
		return j, nil
	}
	if err := in.widen(len(op.Args), kept); err != nil {
		return nil, err
	}
	out := bufio.NewWriterSize(w, 64<<10)
	_, _ = out.Write(in.header) // Flush returns the error
	for l, err := range in.lines() {
		if err != nil {
			return nil, err
		}
		if counts, settled := j.counts(l); counts && keep(l, settled) {
			j.kept[l.status()]++
			_, _ = out.Write(l.raw)
		}
	}
	if err := out.Flush(); err != nil {
		return nil, fmt.Errorf("write results: %w", err)
	}
	return j, nil
}

func newJournal(op importer.Op) *Journal {
	j := &Journal{
		op: op, settled: map[importer.Status]*importer.Set{}, sending: map[int]bool{}, unsent: map[int]unsentLine{},
		kept: Counts{}, found: Counts{}, replaced: Counts{},
	}
	for _, s := range []importer.Status{op.Done, op.Already, importer.Failed} {
		if s != "" {
			j.settled[s] = &importer.Set{}
		}
	}
	return j
}

// read reads the whole file and notes the line of each row that counts.
func (j *Journal) read(r io.Reader, tenant string) error {
	in, err := NewReader(r)
	if err != nil || in.header == nil {
		return err
	}
	if len(in.Kept) < len(j.op.Args) || !slices.Equal(in.Kept[:len(j.op.Args)], j.op.Args) {
		return &WrongFileError{Why: fmt.Sprintf("this is not a results file of %s: it has no column %q", j.op.Name, j.op.Args)}
	}
	in.Tenant = tenant
	for l, err := range in.lines() {
		if err == nil {
			err = j.note(l)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// note notes a line, unless it was written by another operation.
func (j *Journal) note(l line) error {
	status := l.status()
	prefix, _, ours := strings.Cut(l.fields[columnCorrelation], "-")
	switch {
	case status.Settled() && j.settled[status] == nil, ours && prefix != j.op.Prefix && knownPrefix(prefix):
		return &WrongFileError{Line: l.number, Why: fmt.Sprintf("line %d (%s) was written by another operation than %s: name another results file", l.number, status, j.op.Name)}
	case ours && prefix == j.op.Prefix:
		j.named = true
	}
	delete(j.unsent, l.inputLine())
	switch {
	case settles(l):
		j.settled[status].Add(j.key(l), l.number)
	case status == importer.Failed, status == importer.Sending:
		j.failed.Put(j.key(l), l.number)
		if status == importer.Sending {
			j.sending[l.number] = true
		}
	default:
		j.unsent[l.inputLine()] = unsentLine{l.number, status}
	}
	return nil
}

// settles reports whether a line says that nothing is left to do for its row.
func settles(l line) bool {
	return l.status().Settled() || l.status() == importer.Failed && l.fields[columnCode] == importer.CodeUnknownOutcome
}

func (j *Journal) key(l line) string { return j.op.KeyOf(l.row(len(j.op.Args))) }

// counts reports whether a line is the one that counts for its row, and whether
// that row is settled. A file without a correlation id of this operation settles
// nothing: it does not say which tenant it belongs to.
func (j *Journal) counts(l line) (counts, settled bool) {
	key := j.key(l)
	first, isSettled := j.find(key)
	switch status := l.status(); {
	case settles(l):
		return l.number == first, isSettled
	case status == importer.Failed, status == importer.Sending:
		last, _ := j.failed.Line(key)
		return l.number == last && !isSettled, false
	}
	return j.unsent[l.inputLine()].number == l.number, false
}

// find returns the first line that settles a key.
func (j *Journal) find(key string) (first int, found bool) {
	for _, set := range j.settled {
		if n, ok := set.Line(key); ok && (!found || n < first) {
			first, found = n, true
		}
	}
	return first, found && j.named
}

// Has reports whether a row is done already. It counts the rows that it finds, for
// Gone, so it must be called once for each distinct row.
//
// An id with control characters is never found: the pictures of them that a
// results file has could belong to another id.
func (j *Journal) Has(r importer.Row) bool {
	status, done := j.done(r)
	if done {
		j.found[status]++
	}
	return done
}

// Done reports what Has does, without counting.
func (j *Journal) Done(r importer.Row) bool {
	_, done := j.done(r)
	return done
}

func (j *Journal) done(r importer.Row) (importer.Status, bool) {
	if !j.named || !isVisible(r.OrgID) || !isVisible(r.UserID) {
		return "", false
	}
	key := j.op.KeyOf(r)
	for status, set := range j.settled {
		if set.Has(key) {
			return status, true
		}
	}
	return "", false
}

// Failed reports whether an earlier run attempted the row and failed.
func (j *Journal) Failed(r importer.Row) bool {
	return j.failed.Len() > 0 && j.failed.Has(j.op.KeyOf(r))
}

// replace notes that a line of this run replaces one of the journal.
func (j *Journal) replace(o *importer.Outcome) {
	if old, ok := j.unsent[o.Row.Line]; ok {
		delete(j.unsent, o.Row.Line)
		j.replaced[old.status]++
	}
	if o.Status == importer.Duplicate || j.failed.Len() == 0 {
		return
	}
	key := j.op.KeyOf(o.Row)
	if n, ok := j.failed.Line(key); ok {
		if _, settled := j.find(key); settled {
			return // the line that settles it stays
		}
		status := importer.Failed
		if j.sending[n] {
			status = importer.Sending
		}
		j.replaced[status]++
	}
}

// Lines returns how many lines were kept.
func (j *Journal) Lines() int { return j.kept.Sum() }

// Settled returns how many of the kept lines are of rows that are done.
func (j *Journal) Settled() (n int) {
	for status := range j.settled {
		if status != importer.Failed {
			n += j.kept[status]
		}
	}
	return n
}

// Gone returns how many settled lines are of rows that the input no longer has,
// once Has was called for every row of it.
func (j *Journal) Gone() int { return j.Settled() - j.found.Sum() + j.found[importer.Failed] }
