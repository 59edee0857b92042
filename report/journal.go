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
// and which failed.
//
// The zero value is the journal of no earlier run. A Journal is not safe for
// concurrent use.
type Journal struct {
	Kept []string // columns behind those of every results file and of Row.Args

	op      importer.Op
	current Current
	sending map[string]importer.Outcome // rows whose last line says sending, by their keys
	silent  map[string]bool             // organizations that gave a row no usable answer
	run     string                      // of the last line with a correlation id

	lines   int                     // that stay
	settled int                     // of them, those of rows that are done
	gone    int                     // of these, those that Has was not asked for
	left    map[importer.Status]int // of lines, those that no line of this run replaces
	found   map[importer.Status]int // of lines, those that Has was asked for
	unknown bool                    // one of the lines has CodeUnknownOutcome
}

// Resume reads the results file that earlier runs of op left in r and writes to
// w what stays of it, byte for byte: the header and one line for each row. A row
// that is done keeps the first line that says so, any other row its last. Resume
// drops lines that are not whole, and those that say that a row is done but lack the
// correlation id of a run of op: their rows are attempted again.
//
// It returns a *[WrongFileError] if r is not a results file of op and tenant; an
// empty tenant is any. After any error, what is in w is of no use.
//
// kept names the columns that the run is going to keep; nil means those of the file.
// Columns that the file lacks are added to its lines, without values. Others that it
// has stay behind them: Journal.Kept has them all.
//
// It needs some 30 bytes of memory for each row.
func Resume(r io.ReadSeeker, w io.Writer, op importer.Op, tenant string, kept []string) (*Journal, error) {
	return compact(r, w, op, tenant, kept, func(l line) bool { return !l.status().Settled() || l.prefix() == op.Prefix })
}

// Compact writes to w what stays of a results file when a run has come to the end
// of its input: one line for each row, as Resume does. Of the first lines of the
// file, the header included, which were there before that run, only those of rows
// that are done stay: the run has written a new line for any other row.
func Compact(r io.ReadSeeker, w io.Writer, op importer.Op, tenant string, first int) error {
	_, err := compact(r, w, op, tenant, nil, func(l line) bool { return l.settles() || l.number > first })
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

// compact reads the lines that stays returns true for, and writes the header and
// those of them that count for their rows.
func compact(r io.ReadSeeker, w io.Writer, op importer.Op, tenant string, kept []string, stays func(l line) bool) (*Journal, error) {
	j := &Journal{
		op: op, current: *NewCurrent(op.KeyOf), sending: make(map[string]importer.Outcome), silent: make(map[string]bool),
		left: make(map[importer.Status]int), found: make(map[importer.Status]int),
	}
	if err := j.read(r, tenant, stays); err != nil {
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
		j.Kept = kept
		return j, nil
	}
	j.Kept = in.widen(len(op.Args), kept)
	out := bufio.NewWriterSize(w, 64<<10)
	_, _ = out.Write(in.header) // Flush returns the error
	for l, err := range in.lines() {
		if err != nil {
			return nil, err
		}
		if !stays(l) || j.current.Replaced(l.number) {
			continue
		}
		j.lines++
		j.left[l.status()]++
		if l.status().Settled() {
			j.settled++
		} else if l.settles() {
			j.unknown = true
		}
		_, _ = out.Write(l.raw)
	}
	if err := out.Flush(); err != nil {
		return nil, fmt.Errorf("write results: %w", err)
	}
	j.gone = j.settled
	return j, nil
}

// read reads the whole file and notes the lines that stay.
func (j *Journal) read(r io.Reader, tenant string, stays func(l line) bool) error {
	in, err := NewReader(r)
	if err != nil || in.header == nil {
		return err
	}
	if len(in.Kept) < len(j.op.Args) || !slices.Equal(in.Kept[:len(j.op.Args)], j.op.Args) {
		return &WrongFileError{Why: fmt.Sprintf("this is not a results file of %s: it has no column %q", j.op.Name, strings.Join(j.op.Args, ", "))}
	}
	in.Tenant = tenant
	for l, err := range in.lines() {
		if err == nil {
			err = l.checkOp(j.op)
		}
		if err != nil {
			return err
		}
		if stays(l) {
			j.note(l)
		}
	}
	return nil
}

// note notes a line.
func (j *Journal) note(l line) {
	o := l.outcome(len(j.op.Args))
	j.current.Add(l.number, &o)
	if run := RunOf(o.CorrelationID); run != "" {
		j.run = run
	}
	if o.Status == importer.Failed && o.Row.OrgID != "" && (o.HTTPStatus == 0 || o.HTTPStatus >= 500) {
		j.silent[o.Row.OrgID] = true
	}
	switch {
	case o.Status == importer.Sending:
		j.sending[j.op.KeyOf(o.Row)] = o
	case len(j.sending) > 0 && !o.Status.Unsent():
		delete(j.sending, j.op.KeyOf(o.Row))
	}
}

// Has reports whether a row is done already. It counts the rows that it finds, so it
// must be called once for each distinct row of the input.
//
// An id with control characters is never found: the pictures of them that a
// results file has could belong to another id.
func (j *Journal) Has(r importer.Row) bool {
	status, done := j.done(r)
	if done {
		j.found[status]++
	}
	if status.Settled() {
		j.gone--
	}
	return done
}

// Done reports what Has does, without counting.
func (j *Journal) Done(r importer.Row) bool {
	_, done := j.done(r)
	return done
}

// done returns what the line that counts for a row says, and whether the row is done.
func (j *Journal) done(r importer.Row) (importer.Status, bool) {
	if !isVisible(r.OrgID) || !isVisible(r.UserID) {
		return "", false
	}
	return j.current.of(r)
}

// failed reports whether an earlier run attempted the row and did not settle it.
func (j *Journal) failed(r importer.Row) bool {
	status, settled := j.current.of(r)
	return status != "" && !settled
}

// Late returns in which order rows are attempted: 0 is first, 1 is for those that
// failed, and 2 for those of organizations that did not answer.
func (j *Journal) Late(r importer.Row) int {
	switch {
	case j.silent[r.OrgID]:
		return 2
	case j.failed(r):
		return 1
	}
	return 0
}

// Sending returns the outcome of a row whose last line says sending: the run that
// wrote it ended while the request was under way.
func (j *Journal) Sending(r importer.Row) (importer.Outcome, bool) {
	o, ok := j.sending[j.op.KeyOf(r)]
	return o, ok
}

// replace notes that a line of this run replaces those of the journal for its row.
func (j *Journal) replace(o *importer.Outcome) {
	if status := j.current.replaceUnsent(o.Row.Line); status != "" {
		j.left[status]--
	}
	if status, settled := j.current.of(o.Row); status != "" && !settled && o.Status != importer.Duplicate {
		j.left[status]--
	}
}

// Lines returns how many lines stay.
func (j *Journal) Lines() int { return j.lines }

// Settled returns how many of the lines that stay are of rows that are done.
func (j *Journal) Settled() int { return j.settled }

// Current finds the one line of a results file that counts for each row: the
// first that settles it, otherwise the last. A row that was sent is known by its
// key; any other row by its line of the input.
//
// It needs some 30 bytes of memory for each line.
type Current struct {
	key      func(importer.Row) string
	sent     importer.Set      // the line that counts for each key
	unsent   map[int]int       // that of each other row, by its line of the input
	lines    []currentLine     // by number
	statuses []importer.Status // that lines have
}

// currentLine is what is kept of a line.
type currentLine struct {
	status   uint8 // its index in statuses
	settles  bool
	replaced bool
}

// NewCurrent returns a Current of rows that are the same if their keys are.
func NewCurrent(key func(importer.Row) string) *Current {
	return &Current{key: key, unsent: make(map[int]int)}
}

// settles reports whether a line with that status and error code says that nothing
// is left to do for its row.
func settles(status importer.Status, code string) bool {
	return status.Settled() || status == importer.Failed && code == importer.CodeUnknownOutcome
}

// Add adds the line with that number, which is about the row of o. Lines are added
// in the order of the file.
func (c *Current) Add(number int, o *importer.Outcome) {
	status := slices.Index(c.statuses, o.Status)
	if status < 0 {
		status = len(c.statuses)
		c.statuses = append(c.statuses, o.Status)
	}
	for len(c.lines) <= number {
		c.lines = append(c.lines, currentLine{})
	}
	c.lines[number] = currentLine{status: uint8(status), settles: settles(o.Status, o.Code)}
	c.replaceUnsent(o.Row.Line)
	if o.Status.Unsent() {
		c.unsent[o.Row.Line] = number
		return
	}
	key := c.key(o.Row)
	earlier, found := c.sent.Line(key)
	if found && c.lines[earlier].settles {
		c.lines[number].replaced = true
		return
	}
	if found {
		c.lines[earlier].replaced = true
	}
	c.sent.Put(key, number)
}

// replaceUnsent notes that another line counts for the row on that line of the input
// if it was not sent, and returns what the line for it said; "" if there was none.
func (c *Current) replaceUnsent(line int) importer.Status {
	number, ok := c.unsent[line]
	if !ok {
		return ""
	}
	delete(c.unsent, line)
	c.lines[number].replaced = true
	return c.statuses[c.lines[number].status]
}

// Replaced reports whether another line counts for the row of the line with that
// number.
func (c *Current) Replaced(number int) bool {
	return number < len(c.lines) && c.lines[number].replaced
}

// of returns what the line that counts for a row that was sent says, and whether that
// settles the row; "" if there is none.
func (c *Current) of(r importer.Row) (status importer.Status, settled bool) {
	if c.sent.Len() == 0 {
		return "", false
	}
	number, found := c.sent.Line(c.key(r))
	if !found {
		return "", false
	}
	l := c.lines[number]
	return c.statuses[l.status], l.settles
}
