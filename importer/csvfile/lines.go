package csvfile

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"
)

// The limits of a record. A quote that is never closed would otherwise swallow
// the rest of the file: a record that reaches a limit is given up.
//
// A cell of Excel holds at most 32,767 characters and 253 line feeds (Excel
// specifications and limits), so that the records of real files stay far below.
// The limits also bound the work, because lines that were swallowed are read
// again.
const (
	maxRecordBytes = 1 << 20
	maxRecordLines = 1000
)

// lines feeds a csv.Reader one line per Read, and returns io.EOF where a record
// must end; the csv.Reader can continue with the next record. It keeps the bytes
// of the record, so that reading can go back to the record's second line.
//
// A csv.Reader never reads past the end of a line, so that it has nothing
// buffered when a record is done.
type lines struct {
	r   io.Reader // never returns 0, nil
	err error     // of r; never unset

	// The record is buf[begin:until], its first line buf[begin:begin+first];
	// buf[next:until] is still to be read. What comes after until has been read
	// from r and not been looked at.
	buf                       []byte
	begin, first, next, until int

	start int  // physical line of the record
	count int  // lines in it
	long  bool // its first line exceeds maxRecordBytes and is cut

	unended bool // the last line has no line end

	// comma is the delimiter, once known: a line of nothing else is blank.
	comma rune
}

// newLines reads the first sniffSize bytes of r.
func newLines(r io.Reader) *lines {
	l := &lines{r: r, buf: make([]byte, 0, 64<<10), start: 1}
	for len(l.buf) < sniffSize && l.fill() {
	}
	return l
}

// advance goes to the next record, past blank lines. It returns false at the
// end of the input, which may have come too early: see broken.
func (l *lines) advance() bool {
	if l.long {
		l.skipLine()
	}
	l.drop()
	for {
		size, err := l.line(l.begin)
		if size == 0 {
			return false
		}
		l.first, l.until, l.count = size, l.begin+size, 1
		l.long = errors.Is(err, errLong)
		if bytes.HasPrefix(l.firstLine(), []byte(byteOrderMark)) { // files were joined
			l.begin += len(byteOrderMark)
			l.first -= len(byteOrderMark)
			l.next = l.begin
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
	l.begin = l.until
	l.next = l.until
	l.start += l.count
	l.count = 0
}

// retreat ends the record after its first line: reading continues with the
// second.
func (l *lines) retreat() {
	l.until = l.begin + l.first
	l.next = l.until
	l.count = 1
}

// firstLine returns the first line of the record, valid until advance.
func (l *lines) firstLine() []byte { return l.buf[l.begin : l.begin+l.first] }

// record returns the lines of the record so far, valid until advance.
func (l *lines) record() []byte { return l.buf[l.begin:l.until] }

// window returns what has been read of the input from the record on.
func (l *lines) window() []byte { return l.buf[l.begin:] }

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
	n := copy(p, l.buf[l.next:l.until])
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

// line returns the length of the line that begins at buf[from], its line break
// included. At the end of the input it returns 0 and an error. If the line would
// make the record too long, it returns the length of what was read and errLong.
func (l *lines) line(from int) (int, error) {
	from -= l.begin // filling moves the record
	for seen := from; ; {
		window := l.window()
		if i := bytes.IndexByte(window[seen:], '\n'); i >= 0 {
			return seen + i + 1 - from, nil
		}
		seen = len(window)
		if seen >= maxRecordBytes {
			return seen - from, errLong
		}
		if l.fill() {
			continue
		}
		for seen > from && l.broken() == nil && window[seen-1] == ctrlZ {
			seen--
			l.buf = l.buf[:len(l.buf)-1]
		}
		if seen == from || l.broken() != nil {
			return 0, l.err
		}
		l.unended = true
		return seen - from, nil
	}
}

// ctrlZ ends a file of DOS.
const ctrlZ = '\x1A'

// skipLine drops the rest of a line that exceeds maxRecordBytes.
func (l *lines) skipLine() {
	for {
		if i := bytes.IndexByte(l.buf[l.until:], '\n'); i >= 0 {
			l.until += i + 1
			return
		}
		l.begin, l.first, l.next, l.until = len(l.buf), 0, len(l.buf), len(l.buf)
		if !l.fill() {
			return
		}
	}
}

// fill reads more of the input. If the buffer is full, it drops what comes before
// the record, or grows the buffer. It returns false if there is no more input.
func (l *lines) fill() bool {
	if l.err != nil {
		return false
	}
	if len(l.buf) == cap(l.buf) {
		kept := l.window()
		if l.begin == 0 {
			l.buf = make([]byte, 2*cap(l.buf))
		}
		l.buf = l.buf[:copy(l.buf, kept)]
		l.next -= l.begin
		l.until -= l.begin
		l.begin = 0
	}
	var n int
	n, l.err = l.r.Read(l.buf[len(l.buf):cap(l.buf)])
	l.buf = l.buf[:len(l.buf)+n]
	return n > 0
}

// blank reports whether the record is a line without values: one of white space,
// delimiters and empty quotes, of the Ctrl-Z that ends a file of DOS, or of the
// \. that ends a COPY of PostgreSQL.
func (l *lines) blank() bool {
	if l.long {
		return false
	}
	line := bytes.TrimSpace(l.firstLine())
	if s := string(line); s == string(ctrlZ) || s == `\.` {
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
