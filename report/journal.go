package report

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"orgimport/importer"
)

// Journal is what earlier runs wrote into a results file: which rows are done,
// and which failed.
//
// It is not safe for concurrent use.
type Journal struct {
	// Header says whether the file had a whole header at all. Without one,
	// nothing was written to w and the run starts anew.
	Header bool

	Dropped int  // whole lines that another line of the same row replaces
	Damaged int  // lines that were no lines of a results file
	Torn    bool // the last line had no end

	index
	kept   Counts // lines that stay
	found  Counts // of them the settled ones that were asked for
	retold Counts // of them the others, of which a new line tells
}

// index finds the one line of a results file that counts for each row.
//
// Rows that were sent are the same if their keys are, rows that were not if they
// stand on the same line of the input.
type index struct {
	op      importer.Op
	settled map[importer.Status]*importer.Set // the first line of each key; of failed rows, those of an unknown outcome
	failed  importer.Set                      // the last line of each key
	sending map[int]bool                      // of those lines, the ones that say sending
	unsent  map[int]unsentLine                // by the line of the input
	named   bool                              // a correlation id is of this operation
}

// unsentLine is the line of a row that no request carried.
type unsentLine struct {
	number int
	status importer.Status
}

// OtherTenantError says that a results file was written against another tenant.
type OtherTenantError struct {
	Line          int // of the results file
	CorrelationID string
}

func (e *OtherTenantError) Error() string {
	return fmt.Sprintf("line %d was written by a run against another tenant (correlation id %s): "+
		"go on with its tenant, or name another results file", e.Line, e.CorrelationID)
}

// OtherOperationError says that a results file was written by another
// operation.
type OtherOperationError struct {
	Line   int // of the results file
	Op     string
	Status importer.Status
}

func (e *OtherOperationError) Error() string {
	return fmt.Sprintf("line %d (%s) was written by another operation than %s: name another results file", e.Line, e.Status, e.Op)
}

// check returns an *[OtherTenantError] unless a whole line was written against
// the tenant with that fingerprint, or says nothing of it. An empty one is any
// tenant's.
func (l *line) check(ours string) error {
	correlationID := l.fields[columnCorrelation]
	if theirs, ok := fingerprintOf(correlationID); ok && ours != "" && theirs != ours {
		return &OtherTenantError{Line: l.number, CorrelationID: strings.Clone(correlationID)}
	}
	return nil
}

// Resume reads the results file that earlier runs of op left in r and writes to
// w what stays of it, byte for byte: the header and one line for each row. A row
// that is done has the first line that says so, any other its last. Lines that
// are not whole are dropped; their rows are attempted again.
//
// It returns a *[HeaderError] if r is not a results file, an
// *[OtherTenantError] if it is one of another tenant, and an
// *[OtherOperationError] if it is one of another operation; an empty tenant is
// any. After any error, what is in w is of no use.
//
// kept are the columns that the run is going to keep; nil for those of the file.
// If the file lacks some of them, its lines get them, without values. It is a
// *[HeaderError] if the file has others.
//
// Memory is some 30 bytes for each row.
func Resume(r io.ReadSeeker, w io.Writer, op importer.Op, tenant string, kept []string) (*Journal, error) {
	return compact(r, w, op, tenant, kept, func(l line, settled bool) bool { return settled || !settles(l) })
}

// Compact writes to w what stays of a results file when a run has come to its
// end, in which the first lines, the header included, were there before that
// run: one line for each row as [Resume] does it, and of those first lines only
// those of rows that are done. What failed before was told anew.
func Compact(r io.ReadSeeker, w io.Writer, op importer.Op, tenant string, first int) error {
	_, err := compact(r, w, op, tenant, nil, func(l line, settled bool) bool { return settled || l.number > first })
	return err
}

// Failures writes to w the lines of the rows that are not done, without a header,
// of a results file with one line for each row, as [Compact] leaves it. It returns
// a *[HeaderError] if r is not a results file.
func Failures(r io.Reader, w io.Writer) error {
	s, err := newScanner(r)
	if err != nil || s == nil {
		return err
	}
	out := bufio.NewWriterSize(w, 64<<10)
	for l, err := range s.lines() {
		if err != nil {
			return err
		}
		if l.state == lineWhole && l.status().Failure() {
			_, _ = out.Write(l.raw) // asked for its error at the end
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
	j := &Journal{index: newIndex(op), kept: Counts{}, found: Counts{}, retold: Counts{}}
	s, err := j.read(r, tenant)
	if err != nil || s == nil {
		return j, err
	}
	j.Header = true
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	if s, err = newScanner(r); err != nil {
		return nil, err
	}
	if err := s.widen(len(op.Args), kept); err != nil {
		return nil, err
	}
	out := bufio.NewWriterSize(w, 64<<10)
	_, _ = out.Write(s.header) // asked for its error at the end
	for l, err := range s.lines() {
		if err != nil {
			return nil, err
		}
		if l.state != lineWhole {
			continue
		}
		if counts, settled := j.counts(l); !counts || !keep(l, settled) {
			j.Dropped++
			continue
		}
		j.kept[l.status()]++
		_, _ = out.Write(l.raw)
	}
	if err := out.Flush(); err != nil {
		return nil, fmt.Errorf("write results: %w", err)
	}
	return j, nil
}

func newIndex(op importer.Op) index {
	x := index{op: op, settled: map[importer.Status]*importer.Set{}, sending: map[int]bool{}, unsent: map[int]unsentLine{}}
	for _, s := range []importer.Status{op.Done, op.Already, importer.Failed} {
		if s != "" {
			x.settled[s] = &importer.Set{}
		}
	}
	return x
}

// read goes through the whole file and notes the line of each row that counts.
// It returns nil if the file has no header yet.
func (j *Journal) read(r io.Reader, tenant string) (*scanner, error) {
	s, err := newScanner(r)
	if err != nil || s == nil {
		return nil, err
	}
	if len(s.kept) < len(j.op.Args) || !slices.Equal(s.kept[:len(j.op.Args)], j.op.Args) {
		return nil, &HeaderError{Found: s.kept, Why: fmt.Sprintf("this is not a results file of %s: it has no column %q", j.op.Name, j.op.Args)}
	}
	ours := fingerprint(tenant)
	for l, err := range s.lines() {
		switch {
		case err != nil:
			return nil, err
		case l.state == lineTorn:
			j.Torn = true
		case l.state == lineDamaged:
			j.Damaged++
		default:
			if err := cmp.Or(l.check(ours), j.checkOperation(l)); err != nil {
				return nil, err
			}
			j.note(l)
		}
	}
	return s, nil
}

func (x *index) checkOperation(l line) error {
	prefix, _, ours := strings.Cut(l.fields[columnCorrelation], "-")
	if ours && prefix == x.op.Prefix {
		x.named = true
		return nil
	}
	if status := l.status(); status.Settled() && x.settled[status] == nil || ours && knownPrefix(prefix) {
		return &OtherOperationError{Line: l.number, Op: x.op.Name, Status: status}
	}
	return nil
}

func (x *index) note(l line) {
	delete(x.unsent, l.inputLine())
	switch status := l.status(); {
	case settles(l):
		x.settled[status].Add(x.key(l), l.number)
	case status == importer.Failed, status == importer.Sending:
		x.failed.Put(x.key(l), l.number)
		if status == importer.Sending {
			x.sending[l.number] = true
		}
	default:
		x.unsent[l.inputLine()] = unsentLine{l.number, status}
	}
}

// settles reports whether the line says that nothing is left to do for its row.
func settles(l line) bool {
	return l.status().Settled() || l.status() == importer.Failed && l.fields[columnCode] == importer.CodeUnknownOutcome
}

func (x *index) key(l line) string { return x.op.KeyOf(l.row(len(x.op.Args))) }

// counts reports whether the line is the one of its row, and whether that row is
// settled. A file in which no correlation id is of this operation settles
// nothing: nobody knows which tenant it is of.
func (x *index) counts(l line) (counts, settled bool) {
	key := x.key(l)
	first, isSettled := x.find(key)
	switch status := l.status(); {
	case settles(l):
		return l.number == first, x.named
	case status == importer.Failed, status == importer.Sending:
		last, _ := x.failed.Line(key)
		return l.number == last && !isSettled, false
	}
	return x.unsent[l.inputLine()].number == l.number, false
}

// find returns the first line that settles a key.
func (x *index) find(key string) (first int, found bool) {
	for _, set := range x.settled {
		if n, ok := set.Line(key); ok && (!found || n < first) {
			first, found = n, true
		}
	}
	return first, found && x.named
}

// Has reports whether a row is done already. It counts its hits, so that Gone
// can tell the lines without a row: it is to be asked once for each distinct
// row.
//
// An id with control characters is never found. A results file has pictures of
// them, which could be another id.
func (j *Journal) Has(r importer.Row) bool {
	status, done := j.done(r)
	if done {
		j.found[status]++
	}
	return done
}

// Done reports what Has does, and counts nothing.
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

// tell notes that a line of this run replaces one of the journal.
func (j *Journal) tell(o *importer.Outcome) {
	if old, ok := j.unsent[o.Row.Line]; ok {
		delete(j.unsent, o.Row.Line)
		j.retold[old.status]++
	}
	if o.Status == importer.Duplicate || j.failed.Len() == 0 {
		return
	}
	key := j.op.KeyOf(o.Row)
	if n, ok := j.failed.Line(key); ok {
		if _, settled := j.find(key); settled {
			return // it stands for itself
		}
		status := importer.Failed
		if j.sending[n] {
			status = importer.Sending
		}
		j.retold[status]++
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

// Gone returns how many settled lines stand for a row that Has was never asked
// for: the input has it no more. It means something only when the whole input
// was read.
func (j *Journal) Gone() int { return j.Settled() - j.found.Sum() + j.found[importer.Failed] }
