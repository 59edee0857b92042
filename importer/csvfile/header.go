package csvfile

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gocarina/gocsv"
)

// headerLines is how many lines below the first the header is looked for.
// Titles, comments, and the types and versions that programs write come before
// it.
const headerLines = 20

// openHeader reads the header and sets everything up for the rows.
func (t *Table) openHeader() error {
	sep, found := t.lines.skipSep()
	if !found {
		if err := t.broken(); err != nil {
			return err
		}
		return &InputError{text: "the file is empty", Hint: "it needs a header, such as org_id,user_id", Empty: true}
	}
	line, window := t.lines.start, t.lines.window()
	if isDrawn(window) {
		return &InputError{
			line: line, text: "this is a table as psql or mysql draws it on a terminal, not CSV",
			Hint: "have it written as CSV: psql --csv, or mysql --batch",
		}
	}
	d := t.dialect
	if t.text.own {
		d.Delimiter = 0 // it is the original's
	}
	given := d.Delimiter != 0
	d.Delimiter = cmp.Or(d.Delimiter, sep)
	err := t.readHeader(d)
	input, ok := errors.AsType[*InputError](err)
	if !ok || input.err != nil {
		return err
	}
	if input.elsewhere || given {
		better := t.diagnose(window, d, given)
		if better == nil && input.elsewhere && t.findHeader(d) {
			return nil
		}
		input = cmp.Or(better, input)
	}
	input.line = line
	return input
}

// readHeader takes the record for the header.
func (t *Table) readHeader(d Dialect) error {
	if t.lines.long {
		return inputError("is this a CSV file?", "the header is longer than 1 MiB")
	}
	t.delimiter = d.Delimiter
	if t.delimiter == 0 {
		t.delimiter = sniffDelimiter(t.lines.window(), d)
	}
	t.lines.comma = t.delimiter
	names, broken, err := t.headerNames()
	if err != nil {
		return err
	}
	t.columns, err = findColumns(names, d)
	if err != nil && broken != nil && strings.Contains(strings.Join(names, ""), `"`) {
		return noHeader("fix the quotes in the header", "the header can't be read: %s", quoteText(broken, nil))
	}
	if errors.Is(err, errNoNames) {
		t.columns, err = unnamed(len(names)), nil
		t.peeked = []raw{t.rawOf(names)} // they are a row
	}
	ids := ""
	if d.UserColumn == "" && !d.noUsers() {
		ids = t.unnamedIDs(names)
	}
	if input, ok := errors.AsType[*InputError](err); ok && ids != "" {
		d.UserColumn = ids
		if _, err := findColumns(names, d); err == nil {
			input.Hint = fmt.Sprintf("the column %q has ids of users: add --user-column %s", ids, shellWord(ids))
		}
	}
	if err != nil {
		return err
	}
	t.found.idColumn = ids
	t.Kept = t.columns.namesAt(t.columns.kept)
	return t.openRecords()
}

// headerNames returns the names in the header. broken says why they are not CSV, if
// so: a quote in the name of a column that is not used does no harm.
func (t *Table) headerNames() (names []string, broken, err error) {
	names, broken = newReader(t.lines, t.delimiter).Read()
	if broken == nil && t.swallowedRow() {
		broken = csv.ErrQuote // on the first line; another, lines below, was taken for its end
	}
	if broken != nil {
		if err := t.broken(); err != nil {
			return nil, nil, err
		}
		t.lines.retreat()
		names = cut(string(t.lines.firstLine()), t.delimiter)
	}
	if !utf8.ValidString(strings.Join(names, ",")) {
		return nil, nil, noHeader("save the file in UTF-8, or give its encoding, such as --encoding windows-1252", "the header is not UTF-8")
	}
	return names, broken, nil
}

// swallowedRow reports whether a line of the header, after its first, is a row.
func (t *Table) swallowedRow() bool {
	names := cut(string(t.lines.firstLine()), t.delimiter)
	for line := range bytes.Lines(t.lines.record()[t.lines.first:]) {
		values := cut(string(line), t.delimiter)
		if len(values) == len(names) && !bytes.ContainsRune(line, '"') && looksLikeRow(values) {
			return true
		}
	}
	return false
}

// unnamedIDs returns the name of a column called id if the first rows have ids of
// users in it; empty if there is none.
func (t *Table) unnamedIDs(names []string) string {
	i := slices.IndexFunc(names, func(name string) bool { return fold(name) == "id" })
	if i < 0 {
		return ""
	}
	found := false
	rows := newReader(bytes.NewReader(t.lines.buf[t.lines.until:]), t.delimiter)
	for range peekRows {
		values, err := rows.Read()
		if err != nil || i == len(values)-1 && rows.InputOffset() == int64(len(t.lines.buf)-t.lines.until) {
			break // it may be cut off
		}
		if i >= len(values) || clean(values[i]) == "" {
			continue
		}
		if found = isUserShaped(clean(values[i])); !found {
			return ""
		}
	}
	if !found {
		return ""
	}
	return trim(names[i])
}

// openRecords has gocsv read what comes after the header, with a header that names
// the columns by the tags of record.
func (t *Table) openRecords() (err error) {
	header := `"` + strings.Join(t.columns.tags(), `"`+string(t.delimiter)+`"`) + "\"\n"
	source := &struct{ io.Reader }{strings.NewReader(header)}
	r := newReader(source, t.delimiter)
	r.FieldsPerRecord = 0 // as many as the header has
	r.ReuseRecord = true
	t.records, err = gocsv.NewUnmarshaller(r, &record{})
	source.Reader = t.lines
	return err
}

// findHeader looks for the header below a line that is not it. It gives up where
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

// diagnose returns what is wrong with a file whose header lacks the columns that
// d asks for; nil if that is not known.
func (t *Table) diagnose(head []byte, d Dialect, given bool) *InputError {
	has := func(names []string) bool {
		_, err := findColumns(names, d)
		return err == nil
	}
	first := splitHeader(head, t.delimiter)
	line, _, _ := bytes.Cut(head, []byte("\n"))
	if once := bytes.ReplaceAll(line, []byte(`""`), []byte(`"`)); len(once) < len(line) && has(splitHeader(once, sniffDelimiter(once, d))) {
		return inputError(`save the file with quotes once, or take the others off: sed 's/""/"/g'`, "the quotes are doubled: %s", shorten(string(line)))
	}
	if given {
		other := sniffDelimiter(head, d)
		if has(splitHeader(head, other)) {
			return inputError(fmt.Sprintf("leave --delimiter out: the delimiter of this file is the %s", delimiterName(other)),
				"with --delimiter %s the header is one column only: %s", shellWord(string(d.Delimiter)), quoted(first))
		}
	}
	if len(first) == 1 {
		inner := []byte(first[0])
		if has(splitHeader(inner, sniffDelimiter(inner, d))) {
			return inputError(`save the file without quotes around whole lines, or take them off: sed 's/^"//; s/"\r*$//; s/""/"/g'`,
				"each line is quoted as a whole, so that there is one column only: %s", quoted(first))
		}
		if has(strings.Fields(first[0])) {
			return inputError("have it written with a delimiter, as by sqlcmd -s , -W",
				"there are only spaces between the columns: %s", quoted(first))
		}
	}
	plain := make([]string, len(first))
	in := "" // the first name that is in quotes
	for i, name := range first {
		name = trim(name)
		if plain[i] = otherQuotes(name); plain[i] != name {
			in = cmp.Or(in, name)
		}
	}
	if in != "" && has(plain) && !has(first) {
		return otherQuotesError(in, in)
	}
	return nil
}

// isDrawn reports whether one of the first lines separates the header of a drawn
// table from its rows, such as --------+---------.
func isDrawn(head []byte) bool {
	lines := bytes.SplitN(head, []byte("\n"), 5)
	for _, line := range lines[:min(len(lines), 4)] {
		line = bytes.TrimSpace(line)
		if len(bytes.Trim(line, "-+|=: ")) == 0 && bytes.Contains(line, []byte("--")) && bytes.ContainsAny(line, "+|") {
			return true
		}
	}
	return false
}

// delimiters are found out without being named. The first is the default.
var delimiters = [...]rune{',', ';', '\t', '|'}

func delimiterName(r rune) string {
	names := map[rune]string{',': "comma", ';': "semicolon", '\t': "tab", '|': "pipe"}
	return cmp.Or(names[r], string(r))
}

// sniffDelimiter returns the delimiter of a file that begins with head: the first
// with which the header has the columns that d asks for, otherwise the one that
// makes the most columns.
func sniffDelimiter(head []byte, d Dialect) rune {
	for _, delimiter := range delimiters {
		if _, err := findColumns(splitHeader(head, delimiter), d); err == nil {
			return delimiter
		}
	}
	return widestDelimiter(head)
}

// widestDelimiter returns the delimiter that makes the most columns of the header.
func widestDelimiter(head []byte) rune {
	return slices.MaxFunc(delimiters[:], func(a, b rune) int {
		return len(splitHeader(head, a)) - len(splitHeader(head, b))
	})
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

// newReader returns a csv.Reader of records of any length.
func newReader(r io.Reader, delimiter rune) *csv.Reader {
	c := csv.NewReader(r)
	c.Comma = delimiter
	c.FieldsPerRecord = -1
	c.TrimLeadingSpace = strings.TrimSpace(string(delimiter)) != "" // before a quote it is common
	return c
}

// cut splits a line at every delimiter, inside quotes too, and takes the quotes
// around values off. If it returns as many values as there should be, there is no
// other way to read the line.
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

// sepLine returns the delimiter that a line such as "sep=;" declares. Excel
// takes such a line at the top of a file for a setting, not for data.
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
