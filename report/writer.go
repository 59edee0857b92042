// Package report holds everything that a run leaves for people, for scripts and
// for the next run.
//
//	results := report.NewWriter(file, op.Args, table.Kept)
//	for answered, err := range outcomes {
//		results.Write(answered) // in the file before its rows count as done
//		summary.Add(answered)
//	}
//
// The results file is report, audit and checkpoint in one: [Resume] reads what
// earlier runs left in it. [Summary] adds up a run.
//
// One line of a results file is one row of the input, and one physical line, so
// that a line which was torn by a power cut costs only itself.
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

// The indexes of importer.ResultColumns in a line.
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
	columnKept // the first of those that follow, if there are any
)

// Writer writes a results file: UTF-8, line feeds, RFC 4180, one physical line
// for each row. Control characters in ids, messages and kept values are written as
// pictures, see [Visible].
//
// It is not safe for concurrent use.
type Writer struct {
	w      io.Writer
	args   int
	more   []string // names of the columns that follow: args, then those kept
	lines  bytes.Buffer
	csv    *csv.Writer
	record []string
	err    error
}

// NewWriter returns a Writer to w. The columns of the operation, Op.Args, and
// those kept of the input follow the columns of every results file.
func NewWriter(w io.Writer, args, kept []string) *Writer {
	more := slices.Concat(args, kept)
	rw := &Writer{w: w, args: len(args), more: more, record: make([]string, columnKept+len(more))}
	rw.csv = csv.NewWriter(&rw.lines)
	return rw
}

// WriteHeader writes the first line. The file of a run that is resumed has it.
func (w *Writer) WriteHeader() error {
	if w.err != nil {
		return w.err
	}
	_ = w.csv.Write(append(importer.ResultColumns(), visibleAll(w.more)...)) // a buffer can't fail
	return w.flush()
}

// Write writes the lines of one answer with one call of the underlying writer and
// leaves nothing in a buffer: when it returns nil, they are in the file. After an
// error, the end of the file is no longer known: every later call returns the same
// error and writes nothing.
func (w *Writer) Write(outcomes []importer.Outcome) error {
	if w.err != nil || len(outcomes) == 0 {
		return w.err
	}
	for i := range outcomes {
		_ = w.csv.Write(w.fields(&outcomes[i])) // a buffer can't fail
	}
	return w.flush()
}

// fields returns the line of o. It is valid until the next call.
func (w *Writer) fields(o *importer.Outcome) []string {
	r := w.record
	r[columnLine] = strconv.Itoa(o.Row.Line)
	r[columnOrg] = Visible(o.Row.OrgID)
	r[columnUser] = Visible(o.Row.UserID)
	r[columnStatus] = string(o.Status)
	r[columnHTTPStatus] = ""
	if o.HTTPStatus != 0 {
		r[columnHTTPStatus] = strconv.Itoa(o.HTTPStatus)
	}
	r[columnCode] = Visible(o.Code)
	r[columnMessage] = Visible(o.Message)
	r[columnAttempts] = strconv.Itoa(o.Attempts)
	r[columnCorrelation] = Visible(o.CorrelationID)
	r[columnTime] = o.Time.UTC().Format(time.RFC3339)
	// A ragged row may have fewer or more kept values than there are columns.
	for i := range w.more {
		value := ""
		if kept := i - w.args; kept < 0 && i < len(o.Row.Args) {
			value = o.Row.Args[i]
		} else if kept >= 0 && kept < len(o.Row.Kept) {
			value = o.Row.Kept[kept]
		}
		r[columnKept+i] = Visible(value)
	}
	return r
}

// flush writes the buffered lines to the file with one call.
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
