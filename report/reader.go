package report

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"orgimport/importer"
)

// maxLine bounds what one line may cost in memory, in bytes. A row of the input
// has at most a megabyte, and writing it as a line makes it at most six times
// longer (a control character becomes three bytes; quotes double).
const maxLine = 16 << 20

// WrongFileError says that a file is not the results file that is needed: it is
// none at all, or that of another tenant or of another operation.
type WrongFileError struct {
	Line int    // the line of the file that says so; 0 if it is the header
	Why  string // for people
}

func (e *WrongFileError) Error() string { return e.Why }

// Reader reads a results file back. It is tolerant: a line that is not whole, or
// that holds a quote without an end, costs only itself.
type Reader struct {
	Kept []string // names of the columns that follow those of every results file

	// Tenant, if set, is the only one whose results are read: a line that was
	// written against another ends the range with a *[WrongFileError].
	Tenant string

	// What the file holds beside whole lines, known when it has been read.
	Damaged int  // lines that no Writer has written
	Torn    bool // the last line has no line feed

	in     *bufio.Reader
	spill  []byte // a line that did not fit into the buffer of in
	number int    // of the line read last
	raw    []byte // the whole line yielded last

	csv     *csv.Reader // reads from record
	record  bytes.Reader
	header  []byte // the first line; nil if it is not whole: then there are no lines
	widenTo []int  // where the fields of a widened line are; -1: nowhere; nil: as they are
}

// line is one whole line of a results file.
type line struct {
	raw    []byte // with its line feed; valid until the next line is read
	number int    // counted from 1
	fields []string
}

// NewReader reads the header of a results file. It returns a *[WrongFileError] if
// in is not one. A file that is empty, or holds only a torn header, has no lines.
func NewReader(in io.Reader) (*Reader, error) {
	r := &Reader{in: bufio.NewReaderSize(in, 64<<10)}
	r.csv = csv.NewReader(&r.record)
	r.csv.FieldsPerRecord = -1
	r.csv.ReuseRecord = true
	raw, whole, err := r.physical()
	switch {
	case errors.Is(err, io.EOF):
		return r, nil
	case err != nil:
		return nil, err
	case !whole:
		return r, tornHeader(raw)
	}
	names, err := r.parse(raw)
	if err != nil {
		return nil, &WrongFileError{Why: "this is not a results file: its first line can't be read as one: " + err.Error()}
	}
	ours := importer.ResultColumns()
	if len(names) < len(ours) || !slices.Equal(names[:len(ours)], ours) {
		return nil, &WrongFileError{Why: fmt.Sprintf("this is not a results file: its first line should begin with %q", strings.Join(ours, ","))}
	}
	r.Kept = slices.Clone(names[len(ours):])
	r.header = slices.Clone(raw)
	return r, nil
}

// tornHeader returns nil for what a run leaves that ends while it writes its
// header: the beginning of one, and zero bytes where the disk never got it.
func tornHeader(raw []byte) error {
	begin := string(bytes.TrimRight(raw, "\x00"))
	header := strings.Join(importer.ResultColumns(), ",")
	names, carriesMore := strings.CutPrefix(begin, header)
	if strings.HasPrefix(header, begin) || carriesMore && names[0] == ',' && !strings.ContainsFunc(names, isHidden) {
		return nil
	}
	return &WrongFileError{Why: "this is not a results file: its only line has no end"}
}

// Line returns the number of the line that was read last, counted from 1.
func (r *Reader) Line() int { return r.number }

// Text returns the line that was read last, without its end.
func (r *Reader) Text() string { return string(bytes.TrimRight(r.raw, "\r\n")) }

// Outcomes returns the outcome of each whole line, in the order of the file. All
// columns that follow those of every results file are in Row.Kept. An error ends it:
// the file can't be read any further.
func (r *Reader) Outcomes() iter.Seq2[importer.Outcome, error] {
	return func(yield func(importer.Outcome, error) bool) {
		for l, err := range r.lines() {
			var o importer.Outcome
			if err == nil {
				o = l.outcome(0)
			}
			if !yield(o, err) {
				return
			}
		}
	}
}

// lines yields the whole lines after the header. An error is the last that it
// yields.
func (r *Reader) lines() iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		for r.header != nil {
			l, err := r.next()
			r.raw = l.raw
			if errors.Is(err, io.EOF) || !yield(l, err) || err != nil {
				return
			}
		}
	}
}

// next returns the next whole line, and io.EOF after the last. It counts the lines
// that are not whole.
func (r *Reader) next() (line, error) {
	for {
		raw, whole, err := r.physical()
		if err != nil {
			return line{}, err
		}
		if !whole {
			r.Torn = true
			continue
		}
		if bytes.Equal(raw, r.header) {
			continue // files were joined
		}
		l := line{raw: raw, number: r.number}
		l.fields, err = r.parse(raw)
		if err == nil {
			r.pad(&l)
		}
		if err != nil || len(l.fields) != columnKept+len(r.Kept) || !l.plausible() {
			r.Damaged++
			continue
		}
		if r.widenTo != nil {
			wide := make([]string, len(r.widenTo))
			for i, place := range r.widenTo {
				if place >= 0 {
					wide[i] = l.fields[place]
				}
			}
			l.raw = encoded(wide)
		}
		return l, l.check(r.Tenant)
	}
}

// pad adds the empty fields that a spreadsheet leaves out at the end of a line. A line
// that ends before its status, or has none of ours, lacks something else.
func (r *Reader) pad(l *line) {
	missing := columnKept + len(r.Kept) - len(l.fields)
	if missing > 0 && len(l.fields) > columnStatus && l.status().Known() {
		l.fields = append(l.fields, make([]string, missing)...)
		l.raw = fmt.Appendf(nil, "%s%s\n", bytes.TrimRight(l.raw, "\r\n"), strings.Repeat(",", missing))
	}
}

// check returns a *[WrongFileError] if no run writes the status of the line, or if it
// was written against another tenant; an empty tenant is any.
func (l *line) check(tenant string) error {
	if !l.status().Known() {
		return &WrongFileError{Line: l.number, Why: fmt.Sprintf("line %d: no run writes the status %q: correct it, or empty it to have the row attempted again", l.number, l.fields[columnStatus])}
	}
	correlationID := l.fields[columnCorrelation]
	if prefix, ours := Origin(correlationID, tenant); prefix != "" && !ours {
		return &WrongFileError{Line: l.number, Why: fmt.Sprintf("line %d was written by a run against another tenant (correlation id %s): "+
			"use its tenant, or name another results file", l.number, correlationID)}
	}
	return nil
}

// prefix returns the prefix of the operation that wrote the line; "" if it does not
// say.
func (l *line) prefix() string {
	prefix, _ := Origin(l.fields[columnCorrelation], "")
	return prefix
}

// checkOp returns a *[WrongFileError] if another operation wrote the line.
func (l *line) checkOp(op importer.Op) error {
	status, prefix := l.status(), l.prefix()
	if (prefix == "" || prefix == op.Prefix) && (!status.Settled() || status.Claim() == op.Done.Claim()) {
		return nil
	}
	return &WrongFileError{Line: l.number, Why: fmt.Sprintf("line %d (%s) was written by another operation than %s: name another results file", l.number, status, op.Name)}
}

// status returns what the line says of its row.
func (l *line) status() importer.Status {
	return importer.Status(strings.ToLower(strings.TrimSpace(l.fields[columnStatus])))
}

// settles reports whether nothing is left to do for the row of the line.
func (l *line) settles() bool { return settles(l.status(), l.fields[columnCode]) }

// int returns the number in a column; 0 if it holds none.
func (l *line) int(column int) int {
	n, _ := strconv.Atoi(l.fields[column])
	return n
}

// outcome returns what Writer.fields wrote as the line. The first args of the columns
// that follow are the arguments of the operation.
func (l *line) outcome(args int) importer.Outcome {
	o := importer.Outcome{Status: l.status()}
	more := l.fields[columnKept:] // which the next line reuses; an empty copy is nil
	o.Row = importer.Row{
		OrgID: l.fields[columnOrg], UserID: l.fields[columnUser], Line: l.int(columnLine),
		Args: append([]string(nil), more[:args]...), Kept: append([]string(nil), more[args:]...),
	}
	o.HTTPStatus, o.Attempts = l.int(columnHTTPStatus), l.int(columnAttempts)
	o.Code, o.Message, o.CorrelationID = l.fields[columnCode], l.fields[columnMessage], l.fields[columnCorrelation]
	o.Time, _ = time.Parse(time.RFC3339, l.fields[columnTime])
	return o
}

// widen has the lines rewritten with these kept columns, and then those that the file
// has besides. The first args columns stay as they are. It returns the others.
func (r *Reader) widen(args int, kept []string) []string {
	had, want := r.Kept[args:], visibleAll(kept)
	if kept == nil || slices.Equal(had, want) {
		return had
	}
	places := make([]int, columnKept+args, columnKept+args+len(want))
	for i := range places {
		places[i] = i
	}
	taken := make([]bool, len(had))
	place := func(name string) int {
		for i := range had {
			if had[i] == name && !taken[i] {
				taken[i] = true
				return columnKept + args + i
			}
		}
		return -1
	}
	for _, name := range want {
		places = append(places, place(name))
	}
	for i, name := range had {
		if !taken[i] {
			want, places = append(want, name), append(places, columnKept+args+i)
		}
	}
	r.widenTo = places
	r.header = encoded(slices.Concat(importer.ResultColumns(), r.Kept[:args], want))
	return want
}

// physical returns the bytes up to the next line feed, and whether there is
// one. A line longer than maxLine is returned without its end.
func (r *Reader) physical() (raw []byte, whole bool, err error) {
	r.number++
	raw, err = r.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		r.spill = append(r.spill[:0], raw...)
		for errors.Is(err, bufio.ErrBufferFull) {
			raw, err = r.in.ReadSlice('\n')
			r.spill = append(r.spill, raw[:min(len(raw), maxLine-len(r.spill))]...)
		}
		raw = r.spill
	}
	switch {
	case err == nil:
		return raw, true, nil
	case err == io.EOF && len(raw) > 0:
		return raw, false, nil
	case err == io.EOF:
		return nil, false, io.EOF
	}
	return nil, false, fmt.Errorf("read results, line %d: %w", r.number, err)
}

// parse returns the fields of one line. They are valid until the next call.
func (r *Reader) parse(raw []byte) ([]string, error) {
	if !writable(raw) {
		return nil, errors.New("it contains bytes that no results file has")
	}
	r.record.Reset(raw)
	return r.csv.Read()
}

// writable reports whether a Writer could have written raw: UTF-8 without control
// characters except the line feed at its end, before which an editor may have put
// a carriage return.
func writable(raw []byte) bool {
	text, ended := bytes.CutSuffix(raw, []byte("\n"))
	if !ended {
		return false // it was longer than maxLine
	}
	text = bytes.TrimSuffix(text, []byte("\r"))
	ascii := true
	for _, c := range text {
		if c < ' ' || c == 0x7f {
			return false
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	return ascii || utf8.Valid(text)
}

// encoded returns the fields as a line of a results file.
func encoded(fields []string) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write(fields) // a buffer can't fail
	w.Flush()
	return b.Bytes()
}

// plausible reports whether the fields can be those of a line. The time may have any
// form: a spreadsheet writes it as it likes, and the line still says what became of
// its row.
func (l *line) plausible() bool {
	if n, err := strconv.Atoi(l.fields[columnLine]); err != nil || n < 0 {
		return false
	}
	status := l.status()
	return status != "" && (!status.Settled() || l.fields[columnOrg] != "" && (l.fields[columnUser] != "" || status.NoUser()))
}
