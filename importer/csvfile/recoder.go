package csvfile

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"orgimport/importer"
)

// Text returns a file as plain text: UTF-8 without byte order mark, with lines that
// end in LF and, unless it is JSON, with commas between the values. Lines keep their
// numbers. Its errors, and those of reading the text, are *[InputError]s.
func Text(r io.Reader) (io.Reader, error) {
	t, err := openText(r, Dialect{}, true)
	if err != nil {
		return nil, err
	}
	in := bufio.NewReaderSize(t, sniffSize)
	head, _ := in.Peek(sniffSize) // an error comes again when it is read
	start := bytes.TrimSpace(head)
	first, _, _ := bytes.Cut(start, []byte("\n"))
	comma, declared := sepLine(first)
	if !declared {
		comma = widestDelimiter(start)
	}
	if len(start) == 0 || isJSON(start) || comma == delimiters[0] && !declared {
		return in, nil
	}
	l := newLines(in)
	l.skipSep()
	return newRecoder(l, comma, true, func(values []string) []string { return values }), nil
}

// ResultsText is a results file as a run writes it, whatever a spreadsheet has made
// of it since: UTF-8 with commas and LF, and the columns in their order, followed by
// those that were copied.
type ResultsText struct {
	io.Reader
	Compression string // of the file; empty: none

	from io.Reader
	at   []int // see findResults; nil: as written
}

// OpenResults reads the header of a results file. Its errors, and those of reading
// the text, are *[InputError]s. A file as a run has written it is read as it is.
func OpenResults(r io.Reader) (*ResultsText, error) {
	t := &ResultsText{from: r}
	if err := t.open(); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *ResultsText) open() error {
	in := bufio.NewReaderSize(t.from, sniffSize)
	if head, _ := in.Peek(sniffSize); isAsWritten(head) { // an error comes again when it is read
		t.Reader = in
		return nil
	}
	text, err := openText(in, Dialect{}, false)
	if err != nil {
		return err
	}
	l := newLines(text)
	l.skipSep()
	comma, names, at, err := resultsHeader(l.window())
	switch {
	case at == nil:
		return inputError("name a file that a run wrote as its --results", "this is not a results file: its first line should begin with %q", strings.Join(importer.ResultColumns(), ","))
	case err != nil:
		return err
	}
	t.at, t.Compression = at, text.compression
	t.Reader = newRecoder(l, comma, false, arranged(names, at, l))
	return nil
}

// Seek goes back to the start: the offset must be 0, and whence [io.SeekStart].
func (t *ResultsText) Seek(offset int64, whence int) (int64, error) {
	s, ok := t.from.(io.Seeker)
	if !ok || offset != 0 || whence != io.SeekStart {
		return 0, errors.ErrUnsupported
	}
	if _, err := s.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	return 0, t.open()
}

// Lacks returns an error if the file lacks a column.
func (t *ResultsText) Lacks(names ...string) error { return lacks(t.at, names) }

// isAsWritten reports whether head is the beginning of a file as a run writes it,
// which may end within the header.
func isAsWritten(head []byte) bool {
	line, _, whole := bytes.Cut(head, []byte("\n"))
	header := strings.Join(importer.ResultColumns(), ",")
	names, ok := strings.CutPrefix(string(line), header)
	if !ok {
		return !whole && strings.HasPrefix(header, string(bytes.TrimRight(line, "\x00")))
	}
	return (names == "" || names[0] == ',') && !strings.Contains(names, "\r") && !(whole && strings.HasSuffix(names, ","))
}

// arranged returns a function that brings the values of a record into the order in
// which a run writes them. A file without line numbers gets its own.
func arranged(names []string, at []int, l *lines) func([]string) []string {
	header := importer.ResultColumns()
	c := newColumns(names)
	width := c.width()
	first := true
	return func(values []string) []string {
		if len(values) > width && strings.Join(values[width:], "") != "" {
			return nil
		}
		row := make([]string, 0, len(header)+width)
		for k, i := range at {
			switch {
			case first:
				row = append(row, header[k])
			case i < 0 && k == 0:
				row = append(row, strconv.Itoa(l.start))
			default:
				row = append(row, trim(valueAt(values, i)))
			}
		}
		for i := range width {
			if !slices.Contains(at, i) {
				row = append(row, valueAt(values, i))
			}
		}
		first = false
		return row
	}
}

// recoder reads a CSV file as one with commas and other columns. A record that can't
// be read becomes a single value.
type recoder struct {
	lines    *lines
	csv      *csv.Reader
	row      func(values []string) []string // nil: the record can't be read
	numbered bool                           // records keep the numbers of their lines

	width int // of the header
	line  int // that is written next
	out   bytes.Buffer
	w     *csv.Writer
}

// newRecoder returns a recoder of the records of l, the current one included.
func newRecoder(l *lines, comma rune, numbered bool, row func([]string) []string) *recoder {
	l.comma = comma
	c := &recoder{lines: l, csv: newReader(l, comma), row: row, numbered: numbered, line: 1}
	c.w = csv.NewWriter(&c.out)
	c.record()
	return c
}

func (c *recoder) Read(p []byte) (int, error) {
	for c.out.Len() == 0 {
		if !c.lines.advance() {
			return 0, c.lines.err
		}
		c.record()
	}
	return c.out.Read(p)
}

// record writes the current record.
func (c *recoder) record() {
	for ; c.numbered && c.line < c.lines.start; c.line++ {
		c.out.WriteByte('\n')
	}
	values, err := c.csv.Read()
	c.width = cmp.Or(c.width, len(values))
	cut := c.lines.unended && len(values) < c.width // some programs write no last line end
	if err == nil {
		values = c.row(values)
	}
	if err != nil || values == nil {
		c.lines.retreat()
		values = []string{string(bytes.TrimRight(c.lines.firstLine(), "\n"))}
	}
	_ = c.w.Write(values) // a buffer can't fail
	c.w.Flush()
	c.line = c.lines.start + c.lines.count
	if cut {
		c.out.Truncate(c.out.Len() - 1)
	}
}
