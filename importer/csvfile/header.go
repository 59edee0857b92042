package csvfile

import (
	"cmp"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gocarina/gocsv"
)

// headerLines is how many lines below the first the header is looked for in.
// Titles, comments, and the types and versions that programs write stand above
// it.
const headerLines = 20

// openHeader reads the header and sets everything up for the rows.
func (t *Table) openHeader(d Dialect) error {
	found := t.lines.advance()
	sep, ok := sepLine(t.lines.record())
	if ok {
		found = t.lines.advance()
	}
	if !found {
		if err := t.lines.broken(); err != nil {
			return t.unreadable(err)
		}
		return &InputError{text: "the file is empty", hint: "it needs a header, such as org_id,user_id"}
	}
	if isDrawn(t.lines.window()) {
		return &InputError{
			Line: t.lines.start, text: "this is a table as psql or mysql draws it on a terminal, not CSV",
			hint: "have it written as CSV: psql --csv, or mysql --batch",
		}
	}
	if t.own {
		d.Delimiter = 0 // it is the original's
	}
	given := d.Delimiter != 0
	d.Delimiter = cmp.Or(d.Delimiter, sep)
	line, window := t.lines.start, t.lines.window()
	err := t.readHeader(d)
	if err == nil || errors.Is(err, t.lines.broken()) {
		return err
	}
	var input *InputError
	if errors.As(err, &input) && (input.elsewhere || given) {
		better := t.diagnose(window, d, given)
		if better == nil && input.elsewhere && t.findHeader(d) {
			return nil
		}
		input = cmp.Or(better, input)
	}
	input.Line = line
	return input
}

// readHeader takes the record for the header.
func (t *Table) readHeader(d Dialect) error {
	if t.lines.long {
		return &InputError{text: "the header is longer than 1 MiB", hint: "is this a CSV file?"}
	}
	t.delimiter = d.Delimiter
	if t.delimiter == 0 {
		t.delimiter = sniffDelimiter(t.lines.window(), d)
	}
	t.lines.comma = t.delimiter
	names, err := t.headerNames()
	if err != nil {
		return err
	}
	if t.columns, err = findColumns(names, d); err != nil {
		return err
	}
	t.Kept = t.columns.namesAt(t.columns.kept)
	return t.openRecords()
}

func (t *Table) headerNames() ([]string, error) {
	names, err := t.csvReader(t.lines).Read()
	if err != nil {
		if broken := t.lines.broken(); broken != nil {
			return nil, t.unreadable(broken)
		}
		t.lines.retreat()
		names = cut(string(t.lines.firstLine()), t.delimiter)
		if slices.ContainsFunc(names, func(name string) bool { return strings.Contains(name, `"`) }) {
			return nil, &InputError{
				text: "the header can't be read: " + quoteText(err, nil), hint: "fix the quotes in the header",
				elsewhere: true,
			}
		}
	}
	for _, name := range names {
		if !utf8.ValidString(name) {
			return nil, &InputError{
				text:      "the header is not UTF-8",
				hint:      "save the file in UTF-8, or give its encoding, such as --encoding windows-1252",
				elsewhere: true,
			}
		}
	}
	return names, nil
}

func (t *Table) csvReader(r io.Reader) *csv.Reader {
	c := csv.NewReader(r)
	c.Comma = t.delimiter
	c.FieldsPerRecord = -1
	c.TrimLeadingSpace = trimsSpace(t.delimiter) // before a quote it is common
	return c
}

// openRecords has gocsv read what comes behind the header. It is given a header
// of its own, in which the columns have the names that record has for them.
func (t *Table) openRecords() (err error) {
	header := `"` + strings.Join(t.columns.tags(), `"`+string(t.delimiter)+`"`) + "\"\n"
	r := t.csvReader(&headed{header: strings.NewReader(header), lines: t.lines})
	r.FieldsPerRecord = 0 // as many as the header has
	r.ReuseRecord = true
	t.records, err = gocsv.NewUnmarshaller(r, &record{})
	return err
}

// headed reads a header and then from lines. Unlike an io.MultiReader it goes on
// after an end.
type headed struct {
	header *strings.Reader
	lines  *lines
}

func (h *headed) Read(p []byte) (int, error) {
	if h.header.Len() > 0 {
		return h.header.Read(p)
	}
	return h.lines.Read(p)
}

// findHeader looks for the header below a line that is none. It gives up where
// there are rows already.
func (t *Table) findHeader(d Dialect) bool {
	comments := false
	for range headerLines {
		line := t.lines.firstLine()
		comments = comments || line[0] == '#'
		if looksLikeRow(cut(string(line), t.delimiter)) || !t.lines.advance() {
			return false
		}
		if t.readHeader(d) == nil {
			t.headerLine, t.comments = t.lines.start, comments
			return true
		}
		t.lines.retreat()
	}
	return false
}
