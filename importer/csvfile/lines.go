package csvfile

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// The limits of a record. Without them, a quote that is never closed would swallow
// the rest of the file. They also bound the work, because swallowed lines are read
// again.
//
// The records of real files stay far below: a cell of Excel holds at most 32,767
// characters and 253 line feeds (Excel specifications and limits).
const (
	maxRecordBytes = 1 << 20
	maxRecordLines = 1000
)

// sniffSize is how many bytes of a file are examined to detect what it is.
const sniffSize = 4096

// byteOrderMark is U+FEFF in UTF-8, which every encoding's mark becomes.
const byteOrderMark = "\uFEFF"

// lines feeds a csv.Reader one line per Read, and returns io.EOF where a record
// must end; the csv.Reader can continue with the next record. It keeps the bytes
// of the record, so that reading can go back to the record's second line.
//
// A csv.Reader never reads past the end of a line: it has nothing buffered when a
// record is done.
type lines struct {
	r   *bufio.Reader // from the record on
	err error         // of r; never unset

	// The lengths of the record, of its first line, and of what was handed out.
	until, first, next int

	start int  // physical line of the record
	count int  // lines in it
	long  bool // its first line exceeds maxRecordBytes and is cut

	unended bool // the last line has no line end

	// comma is the delimiter, once known: a line of nothing else is blank.
	comma rune
}

// newLines reads the first sniffSize bytes of r. The buffer grows for a record that
// it can't hold, which few files have.
func newLines(r io.Reader) *lines {
	l := &lines{r: bufio.NewReaderSize(r, 32<<10), start: 1}
	_, l.err = l.r.Peek(sniffSize)
	return l
}

// advance goes to the next record, past blank lines. It returns false at the
// end of the input, which may have come too early: see broken.
func (l *lines) advance() bool {
	l.drop()
	for {
		size, err := l.line(0)
		if size == 0 {
			return false
		}
		l.first, l.until, l.count = size, size, 1
		l.long = errors.Is(err, errLong)
		if bytes.HasPrefix(l.firstLine(), []byte(byteOrderMark)) { // files were joined
			_, _ = l.r.Discard(len(byteOrderMark)) // it is buffered
			l.first -= len(byteOrderMark)
			l.until = l.first
		}
		if !l.blank() {
			return true
		}
		l.unended = false
		l.drop()
	}
}

// skipSep goes to the first record, past a "sep=" line, and returns the delimiter
// that the line declares.
func (l *lines) skipSep() (sep rune, found bool) {
	found = l.advance()
	sep, declared := sepLine(l.record())
	if declared {
		found = l.advance()
	}
	return sep, found
}

// drop moves past the record.
func (l *lines) drop() {
	_, _ = l.r.Discard(l.until) // it is buffered
	for err := bufio.ErrBufferFull; l.long && errors.Is(err, bufio.ErrBufferFull); {
		_, err = l.r.ReadSlice('\n')
	}
	l.until, l.next, l.long = 0, 0, false
	l.start += l.count
	l.count = 0
}

// retreat ends the record after its first line: reading continues with the
// second.
func (l *lines) retreat() { l.until, l.next, l.count = l.first, l.first, 1 }

// firstLine returns the first line of the record. It is valid until more is read,
// as are the results of record and window.
func (l *lines) firstLine() []byte { return l.window()[:l.first] }

// record returns the lines of the record so far.
func (l *lines) record() []byte { return l.window()[:l.until] }

// window returns what has been read of the input from the record on.
func (l *lines) window() []byte {
	window, _ := l.r.Peek(l.r.Buffered())
	return window
}

// last returns the number of the last line of the record, or of the line before
// it if the input has ended.
func (l *lines) last() int { return l.start + l.count - 1 }

// broken returns why the input can't be read to its end; nil if it could. The
// last line of a broken input is incomplete and is never returned.
func (l *lines) broken() error {
	if errors.Is(l.err, io.EOF) {
		return nil
	}
	return l.err
}

// Read returns the record, and extends it by another line if asked for more.
func (l *lines) Read(p []byte) (int, error) {
	if l.next == l.until && !l.extend() {
		return 0, io.EOF
	}
	n := copy(p, l.record()[l.next:])
	l.next += n
	return n, nil
}

func (l *lines) extend() bool {
	if l.long || l.count == 0 || l.count == maxRecordLines {
		return false
	}
	size, err := l.line(l.until)
	if err != nil {
		return false
	}
	l.until += size
	l.count++
	return true
}

var errLong = errors.New("longer than a record may be")

// line returns the length of the line that begins at window[from], its line break
// included. At the end of the input it returns 0 and an error. If the line would
// make the record too long, it returns the length of what was read and errLong.
func (l *lines) line(from int) (int, error) {
	for end := from; ; {
		window := l.window()
		if i := bytes.IndexByte(window[end:], '\n'); i >= 0 {
			return end + i + 1 - from, nil
		}
		end = len(window)
		if end == maxRecordBytes {
			return end - from, errLong
		}
		if l.err == nil {
			if end == l.r.Size() {
				l.r = bufio.NewReaderSize(l.r, maxRecordBytes)
			}
			_, l.err = l.r.Peek(end + 1)
			continue
		}
		if l.broken() != nil {
			return 0, l.err
		}
		end = from + len(bytes.TrimRight(window[from:], ctrlZ))
		if end == from {
			return 0, l.err
		}
		l.unended = true
		return end - from, nil
	}
}

// ctrlZ ends a file of DOS.
const ctrlZ = "\x1A"

// blank reports whether the record is a line without values: white space,
// delimiters and empty quotes, the Ctrl-Z that ends a file of DOS, or the \. that
// ends a COPY of PostgreSQL.
func (l *lines) blank() bool {
	if l.long {
		return false
	}
	line := bytes.TrimSpace(l.firstLine())
	if s := string(line); s == ctrlZ || s == `\.` {
		return true
	}
	for len(line) > 0 {
		r, size := utf8.DecodeRune(line)
		switch {
		case r == l.comma && r != 0, isUnseen(r):
			line = line[size:]
		case bytes.HasPrefix(line, []byte(`""`)) && !bytes.HasPrefix(line, []byte(`"""`)):
			line = line[2:]
		default:
			return false
		}
	}
	return true
}

// cut splits a line at every delimiter, inside quotes too, and unquotes the values.
// If it returns as many values as there should be, there is no other way to read
// the line.
func cut(line string, delimiter rune) []string {
	values := strings.Split(strings.TrimRight(line, "\r\n"), string(delimiter))
	for i, v := range values {
		v = strings.TrimSpace(v)
		if len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"' {
			v = strings.ReplaceAll(v[1:len(v)-1], `""`, `"`)
		}
		values[i] = v
	}
	return values
}

// newReader returns a csv.Reader of records of any length.
func newReader(r io.Reader, delimiter rune) *csv.Reader {
	c := csv.NewReader(r)
	c.Comma = delimiter
	c.FieldsPerRecord = -1
	c.TrimLeadingSpace = strings.TrimSpace(string(delimiter)) != "" // before a quote it is common
	return c
}

// splitHeader returns the names in the header of a file that begins with head.
func splitHeader(head []byte, delimiter rune) []string {
	names, err := newReader(bytes.NewReader(head), delimiter).Read()
	if err != nil {
		line, _, _ := bytes.Cut(head, []byte("\n"))
		return cut(string(line), delimiter)
	}
	return names
}

// valueAt returns the value of the column i, empty if there is none.
func valueAt(values []string, i int) string {
	if i < 0 || i >= len(values) {
		return ""
	}
	return values[i]
}

// sepLine returns the delimiter that a line such as "sep=;" declares, which Excel
// takes for a setting at the top of a file.
func sepLine(line []byte) (rune, bool) {
	s := strings.TrimRight(string(line), "\r\n")
	if u := strings.TrimSpace(s); len(u) > 1 && u[0] == '"' && u[len(u)-1] == '"' {
		s = u[1 : len(u)-1]
	}
	if len(s) < 4 || !strings.EqualFold(s[:4], "sep=") {
		return 0, false
	}
	r, size := utf8.DecodeRuneInString(s[4:])
	if strings.TrimSpace(s[4+size:]) != "" || r == utf8.RuneError || strings.ContainsRune("\"\r\n\x00", r) { // encoding/csv takes no such
		return 0, false
	}
	return r, true
}

// delimiters are those that are detected. The first is the default.
var delimiters = [...]rune{',', ';', '\t', '|'}

func delimiterName(r rune) string {
	names := map[rune]string{',': "comma", ';': "semicolon", '\t': "tab", '|': "pipe"}
	return cmp.Or(names[r], string(r))
}

// widestDelimiter returns the delimiter that makes the most columns of the header.
func widestDelimiter(head []byte) rune {
	return slices.MaxFunc(delimiters[:], func(a, b rune) int {
		return len(splitHeader(head, a)) - len(splitHeader(head, b))
	})
}
