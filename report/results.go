package report

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"orgimport/importer"
)

// columns returns the names every results file begins with. The kept columns
// of the input follow.
func columns() []string {
	return []string{
		"line", "org_id", "user_id", "status", "http_status",
		"error_code", "message", "attempts", "correlation_id", "timestamp",
	}
}

// The places of the columns in a line.
const (
	columnLine = iota
	columnOrg
	columnUser
	columnStatus
	columnHTTPStatus
	columnCode
	columnMessage
	columnAttempts
	columnCorrelation
	columnTime
	columnKept // the first of them, if there are any
)

// Writer writes a results file: UTF-8, line feeds, RFC 4180, one physical line
// for each row. Ids, messages and kept values may hold anything; their control
// characters are written as pictures, see visible.
//
// It is not safe for concurrent use.
type Writer struct {
	w      io.Writer
	args   int
	more   []string // names of the columns behind the ten: args, then those kept
	lines  bytes.Buffer
	csv    *csv.Writer
	record []string
	second int64  // of stamp
	stamp  string // the timestamp written last: the rows of an answer share it
	err    error
}

// NewWriter returns a Writer to w. The columns of an operation, Op.Args, and the
// columns kept of the input follow the ten columns of every results file.
func NewWriter(w io.Writer, args, kept []string) *Writer {
	more := slices.Concat(args, kept)
	rw := &Writer{w: w, args: len(args), more: more, record: make([]string, columnKept+len(more))}
	rw.csv = csv.NewWriter(&rw.lines)
	return rw
}

// WriteHeader writes the first line. A file that is gone on with has it.
func (w *Writer) WriteHeader() error {
	if w.err != nil {
		return w.err
	}
	w.encode(append(columns(), visibleAll(w.more)...))
	return w.flush()
}

// Write writes the lines of one answer with one call of the underlying writer
// and leaves nothing behind in a buffer: when it returns nil, they are in the
// file. After an error the end of the file is not known any more, so the first
// error is returned by every later call, and nothing more is written.
func (w *Writer) Write(outcomes []importer.Outcome) error {
	if w.err != nil || len(outcomes) == 0 {
		return w.err
	}
	for i := range outcomes {
		w.encode(w.fields(&outcomes[i]))
	}
	return w.flush()
}

// fields returns the line of o. It is valid until the next call.
func (w *Writer) fields(o *importer.Outcome) []string {
	r := w.record
	r[columnLine] = strconv.Itoa(o.Row.Line)
	r[columnOrg] = visible(o.Row.OrgID)
	r[columnUser] = visible(o.Row.UserID)
	r[columnStatus] = string(o.Status)
	r[columnHTTPStatus] = ""
	if o.HTTPStatus != 0 {
		r[columnHTTPStatus] = strconv.Itoa(o.HTTPStatus)
	}
	r[columnCode] = visible(o.Code)
	r[columnMessage] = visible(o.Message)
	r[columnAttempts] = strconv.Itoa(o.Attempts)
	r[columnCorrelation] = visible(o.CorrelationID)
	r[columnTime] = w.timestamp(o.Time)
	// A ragged row may have kept fewer or more values than there are columns.
	for i := range w.more {
		value := ""
		if kept := i - w.args; kept < 0 && i < len(o.Row.Args) {
			value = o.Row.Args[i]
		} else if kept >= 0 && kept < len(o.Row.Kept) {
			value = o.Row.Kept[kept]
		}
		r[columnKept+i] = visible(value)
	}
	return r
}

func (w *Writer) timestamp(t time.Time) string {
	if s := t.Unix(); w.stamp == "" || s != w.second {
		w.second, w.stamp = s, t.UTC().Format(time.RFC3339)
	}
	return w.stamp
}

// encode appends one line to the buffer, which takes everything.
func (w *Writer) encode(record []string) { _ = w.csv.Write(record) }

// flush hands the buffered lines to the file at once.
func (w *Writer) flush() error {
	w.csv.Flush()
	defer w.lines.Reset()
	n, err := w.w.Write(w.lines.Bytes())
	if err == nil && n < w.lines.Len() {
		err = io.ErrShortWrite
	}
	if err != nil {
		w.err = fmt.Errorf("write results: %w", err)
	}
	return w.err
}

func visibleAll(names []string) []string {
	names = slices.Clone(names)
	for i, n := range names {
		names[i] = visible(n)
	}
	return names
}
