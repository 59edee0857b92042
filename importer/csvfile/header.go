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

// headerLines is how far below the first line the header is looked for. Titles,
// comments, and the types and versions that programs write come before it.
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
	line := t.lines.start
	if isDrawn(t.lines.window()) {
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
		better := t.diagnose(t.lines.window(), d, given)
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

// headerNames returns the names in the header. broken says why the header is not
// CSV: a quote in the name of a column that is not used does no harm.
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

// unnamedIDs returns the name of the column called id if the first rows have ids of
// users in it.
func (t *Table) unnamedIDs(names []string) string {
	i := slices.IndexFunc(names, func(name string) bool { return fold(name) == "id" })
	if i < 0 {
		return ""
	}
	name := ""
	rest := t.lines.window()[t.lines.until:]
	rows := newReader(bytes.NewReader(rest), t.delimiter)
	for range peekRows {
		values, err := rows.Read()
		if err != nil || i == len(values)-1 && rows.InputOffset() == int64(len(rest)) {
			break // it may be cut off
		}
		switch id := clean(valueAt(values, i)); {
		case id == "":
		case isUserShaped(id):
			name = trim(names[i])
		default:
			return ""
		}
	}
	return name
}

// openRecords has gocsv read what follows the header, under a header of the tags of
// record.
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

// findHeader looks for the header below a first line that is not it, up to the first
// row.
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

// diagnose returns why the header of a file lacks the columns that d asks for; nil if
// that is not known.
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

// peekRows is how many rows are read to judge a file by.
const peekRows = 100

// peek reads the first rows, and returns an error if they show that every request
// would fail.
func (t *Table) peek() error {
	var peeked []raw
	for len(peeked) < peekRows {
		r, err := t.nextRow()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		peeked = append(peeked, r)
	}
	t.peeked = peeked
	if t.columns.results() { // its ids are written as they were sent
		return nil
	}
	if err := t.checkOtherQuotes(); err != nil {
		return err
	}
	t.findExports()
	return t.checkSwapped()
}

// all reports whether the values of a field that are not empty all match, and
// returns the first of them.
func (t *Table) all(f field, match func(value string) bool) (first string, all bool) {
	for _, r := range t.peeked {
		if v := r.values[f]; v != "" {
			if !match(v) {
				return "", false
			}
			first = cmp.Or(first, v)
		}
	}
	return first, first != ""
}

// checkOtherQuotes returns an error if every value of a column is in quotes that are
// none in CSV.
func (t *Table) checkOtherQuotes() error {
	for f := fieldOrgID; f <= fieldEmail; f++ {
		if first, all := t.all(f, func(v string) bool { return otherQuotes(v) != v }); all {
			return otherQuotesError(t.columns.name(f), first)
		}
	}
	return nil
}

func otherQuotesError(column, value string) *InputError {
	kind := "typographic"
	if value[0] == '\'' {
		kind = "single"
	}
	return inputError(`replace them by ", or take them out: only " is a quote in CSV`,
		"the values of column %q are in %s quotes: %s", otherQuotes(column), kind, shorten(value))
}

// findExports finds the columns that Auth0's own export has written: those in which
// every value begins with an apostrophe and none ends with one.
func (t *Table) findExports() {
	for f := fieldOrgID; f <= fieldConnection; f++ {
		_, t.exported[f] = t.all(f, func(v string) bool { return len(v) > 1 && v[0] == '\'' && v[len(v)-1] != '\'' })
	}
}

// checkSwapped returns an error if most rows have a user's id in the column of the
// organization and the other way round, unless the header comes again in the other
// order: then these are the rows of another file, which was joined.
func (t *Table) checkSwapped() error {
	swapped := 0
	var org, user identifier
	for i := range t.peeked {
		values := &t.peeked[i].values
		if t.columns.isHeader(values, &t.columns.user, &t.columns.org) {
			return nil
		}
		o, u := values.find(&t.columns.org), values.find(&t.columns.user)
		if isUserShaped(o.value) && isOrgShaped(u.value) {
			org, user = o, u
			swapped++
		}
	}
	if 2*swapped <= len(t.peeked) {
		return nil
	}
	orgColumn, userColumn := t.columns.name(org.from), t.columns.name(user.from)
	return inputError(fmt.Sprintf("--org-column %s --user-column %s", shellWord(userColumn), shellWord(orgColumn)),
		"the columns look swapped: %q has users, %q has organizations", orgColumn, userColumn)
}

// sniffDelimiter returns the delimiter of a file that begins with head: the first
// that makes the columns that d asks for, or else the one that makes the most.
func sniffDelimiter(head []byte, d Dialect) rune {
	for _, delimiter := range delimiters {
		if _, err := findColumns(splitHeader(head, delimiter), d); err == nil {
			return delimiter
		}
	}
	return widestDelimiter(head)
}
