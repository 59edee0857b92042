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
	"unicode/utf8"

	"orgimport/importer"
)

// maxLine bounds what one line may cost in memory, in bytes. A row of the input
// has at most a megabyte, and to write it as a line makes it at most six times
// longer (a control character becomes three bytes; quotes double).
const maxLine = 16 << 20

// HeaderError says that a file is not a results file, or not one of a run with
// the same kept columns.
type HeaderError struct {
	Found []string // the names in the file, as far as they could be read
	Why   string
}

func (e *HeaderError) Error() string { return e.Why }

// line is one physical line of a results file.
type line struct {
	raw    []byte // with its line feed; valid until the next line is read
	number int    // counted from 1
	state  lineState
	fields []string // of a whole line
}

type lineState int

const (
	lineWhole   lineState = iota
	lineDamaged           // it ends with a line feed, but is none that a Writer writes
	lineTorn              // the last of the file, without a line feed
)

// scanner reads a results file line by line. What one line holds, such as a
// quote without an end, never reaches the next.
type scanner struct {
	in     *bufio.Reader
	long   []byte // a line that did not fit into the buffer of in
	number int

	// csv reads from one, which hands out one physical line and then says that
	// the file ends, as often as it is asked.
	csv    *csv.Reader
	one    oneLine
	header []byte // the first line as it stands
	other  bool   // the file has another form than is wanted: lines are written anew
	wide   []int  // where the fields of a line written anew are; -1: nowhere; nil: as they are
	kept   []string
	width  int // fields of a line
}

// oneLine is an io.Reader of the rest of one line.
type oneLine []byte

func (l *oneLine) Read(p []byte) (int, error) {
	if len(*l) == 0 {
		return 0, io.EOF
	}
	n := copy(p, *l)
	*l = (*l)[n:]
	return n, nil
}

// newScanner reads the header of r. It returns nil, nil if there is none yet:
// the file is empty, or holds a torn piece of a header and nothing else.
func newScanner(r io.Reader) (*scanner, error) {
	s := &scanner{in: bufio.NewReaderSize(r, 64<<10)}
	s.csv = csv.NewReader(&s.one)
	s.csv.FieldsPerRecord = -1
	s.csv.ReuseRecord = true
	raw, whole, err := s.physical()
	switch {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, err
	case !whole:
		return nil, tornHeader(raw)
	}
	// A spreadsheet may have put a byte order mark in front, and a delimiter of
	// its own between the names.
	text, marked := bytes.CutPrefix(raw, []byte("\uFEFF"))
	delimiter, _ := utf8.DecodeRune(bytes.TrimPrefix(bytes.TrimPrefix(text, []byte(`"line"`)), []byte("line")))
	if delimiter == ';' || delimiter == '\t' {
		s.csv.Comma = delimiter
	}
	s.other = marked || s.csv.Comma != ','
	fields, err := s.parse(text)
	if err != nil {
		return nil, &HeaderError{Why: "this is not a results file: its first line can't be read as one: " + err.Error()}
	}
	s.header = slices.Clone(raw)
	if s.other {
		s.header = encoded(fields)
	}
	return s, s.setHeader(slices.Clone(fields))
}

// tornHeader returns nil for what a run leaves behind that ends while it writes
// its header: the begin of one, and zero bytes where the disk never got it.
func tornHeader(raw []byte) error {
	begin := string(bytes.TrimRight(raw, "\x00"))
	header := strings.Join(columns(), ",")
	names, carriesMore := strings.CutPrefix(begin, header)
	if strings.HasPrefix(header, begin) || carriesMore && names[0] == ',' && !strings.ContainsFunc(names, isHidden) {
		return nil
	}
	return &HeaderError{Why: "this is not a results file: its only line has no end"}
}

func (s *scanner) setHeader(names []string) error {
	ours := columns()
	if len(names) < len(ours) || !slices.Equal(names[:len(ours)], ours) {
		return &HeaderError{Found: names, Why: fmt.Sprintf("this is not a results file: its first line should begin with %q", strings.Join(ours, ","))}
	}
	s.kept, s.width = names[len(ours):], len(names)
	return nil
}

// widen has the lines written anew with those kept columns, which must be all
// that the file has and may be more. So many of its columns behind the ten are
// not kept but arguments of the operation.
func (s *scanner) widen(args int, kept []string) error {
	had, want := s.kept[args:], visibleAll(kept)
	if kept == nil || slices.Equal(had, want) {
		return nil
	}
	places := make([]int, columnKept+args, columnKept+args+len(want))
	for i := range places {
		places[i] = i
	}
	found := 0
	for _, name := range want {
		if found < len(had) && had[found] == name {
			places = append(places, columnKept+args+found)
			found++
		} else {
			places = append(places, -1)
		}
	}
	if found < len(had) {
		return &HeaderError{Found: had, Why: fmt.Sprintf(
			"the results file carries %s, but this run would carry %s: use the same input columns and flags as before, or name another results file",
			keptColumns(had), keptColumns(want))}
	}
	s.other, s.wide = true, places
	s.header = encoded(slices.Concat(columns(), s.kept[:args], want))
	return nil
}

// widened returns the fields of a line as they are to be written.
func (s *scanner) widened(fields []string) []string {
	if s.wide == nil {
		return fields
	}
	wide := make([]string, len(s.wide))
	for i, place := range s.wide {
		if place >= 0 {
			wide[i] = fields[place]
		}
	}
	return wide
}

func keptColumns(names []string) string {
	if len(names) == 0 {
		return "no other column of the input"
	}
	return fmt.Sprintf("the columns %q", names)
}

// status returns what a whole line says of its row.
func (l *line) status() importer.Status { return importer.Status(l.fields[columnStatus]) }

// inputLine returns the line of the input that a whole line is about.
func (l *line) inputLine() int {
	n, _ := strconv.Atoi(l.fields[columnLine]) // plausible has seen to it
	return n
}

// row returns the row of a whole line, of which so many columns are arguments of
// the operation. Its fields are valid until the next line is read.
func (l *line) row(args int) importer.Row {
	return importer.Row{
		OrgID: l.fields[columnOrg], UserID: l.fields[columnUser], Line: l.inputLine(),
		Args: l.fields[columnKept : columnKept+args : columnKept+args], Kept: l.fields[columnKept+args:],
	}
}

// lines yields the lines behind the header.
func (s *scanner) lines() iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		for {
			l, err := s.next()
			if errors.Is(err, io.EOF) || !yield(l, err) || err != nil {
				return
			}
		}
	}
}

// next returns the next line, and io.EOF after the last.
func (s *scanner) next() (line, error) {
	raw, whole, err := s.physical()
	if err != nil {
		return line{}, err
	}
	l := line{raw: raw, number: s.number}
	if !whole {
		l.state = lineTorn
		return l, nil
	}
	l.fields, err = s.parse(raw)
	if err != nil || len(l.fields) != s.width || !plausible(l.fields) {
		l.state, l.fields = lineDamaged, nil
	} else if s.other {
		l.raw = encoded(s.widened(l.fields))
	}
	return l, nil
}

// physical returns the bytes up to the next line feed, and whether there is
// one. A line longer than maxLine is returned without its end.
func (s *scanner) physical() (raw []byte, whole bool, err error) {
	s.number++
	raw, err = s.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		s.long = append(s.long[:0], raw...)
		for errors.Is(err, bufio.ErrBufferFull) {
			raw, err = s.in.ReadSlice('\n')
			s.long = append(s.long, raw[:min(len(raw), maxLine-len(s.long))]...)
		}
		raw = s.long
	}
	switch {
	case err == nil:
		return raw, true, nil
	case err == io.EOF && len(raw) > 0:
		return raw, false, nil
	case errors.Is(err, io.EOF):
		return nil, false, io.EOF
	}
	return nil, false, fmt.Errorf("read results, line %d: %w", s.number, err)
}

var errControl = errors.New("it holds bytes that no results file has")

// parse returns the fields of one line. They are valid until the next call.
func (s *scanner) parse(raw []byte) ([]string, error) {
	if s.csv.Comma == '\t' {
		if !writable(bytes.ReplaceAll(raw, []byte("\t"), nil)) {
			return nil, errControl
		}
	} else if !writable(raw) {
		return nil, errControl
	}
	s.one = raw
	fields, err := s.csv.Read()
	s.one = nil
	return fields, err
}

// writable reports whether a Writer could have written these bytes: text in
// UTF-8 without control characters but the line feed at the end, which an
// editor may have preceded by a carriage return.
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

// encoded returns the fields as a line of ours.
func encoded(fields []string) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write(fields) // a buffer takes everything
	w.Flush()
	return b.Bytes()
}

// plausible reports whether the fields can be those of an outcome.
func plausible(fields []string) bool {
	if n, err := strconv.Atoi(fields[columnLine]); err != nil || n < 0 {
		return false
	}
	status := importer.Status(fields[columnStatus])
	// Who is invited has no id yet.
	invited := status == importer.Invited || status == importer.AlreadyInvited
	if status.Settled() && (fields[columnOrg] == "" || fields[columnUser] == "" && !invited) {
		return false
	}
	// The time is not asked for: a spreadsheet writes it in a form of its own,
	// and the line says all the same what became of its row.
	return status.Known()
}
