package csvfile

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"orgimport/importer"
)

// raw is a record before it becomes a row.
type raw struct {
	values values
	kept   []string // nil unless columns are kept
	line   int      // where it starts
	lines  int      // in it
	err    error    // why it can't be read: then it has no values

	swallowed int  // how many of its lines look like rows of their own
	unended   bool // it is the last and has no line end
}

// nextRow returns the next record that is asked for and does not repeat the
// header, as in files that were joined.
func (t *Table) nextRow() (raw, error) {
	if len(t.peeked) > 0 {
		r := t.peeked[0]
		t.peeked = t.peeked[1:]
		return r, nil
	}
	for {
		r, err := t.next()
		if err != nil || r.err != nil {
			return r, err
		}
		only := t.dialect.Only
		asked := only == nil || !t.columns.results() || only(r.result())
		if asked && !t.columns.isHeader(&r.values, &t.columns.org, &t.columns.user) {
			return r, nil
		}
	}
}

// next returns the next record. At the end of the file the error is io.EOF, or an
// *InputError if the end came too early.
func (t *Table) next() (raw, error) {
	if !t.lines.advance() {
		return raw{}, cmp.Or(t.broken(), io.EOF)
	}
	if t.lines.long {
		return t.unread("the line is longer than 1 MiB"), nil
	}
	var rec any
	var rest map[string]string // of columns without a field
	var err error
	if len(t.columns.kept) > 0 {
		rec, rest, err = t.records.ReadUnmatched()
	} else {
		rec, err = t.records.Read()
	}
	if err != nil {
		return t.lenient(err), nil
	}
	r := raw{values: rec.(*record).Values, line: t.lines.start, lines: t.lines.count, unended: t.lines.unended}
	r.values.clean()
	if r.lines > 1 && strings.Contains(r.values.find(&t.columns.org).value+r.values.find(&t.columns.user).value, "\n") {
		// A quote was not closed, and another, lines below, was taken for its
		// end. The lines between are rows.
		return t.unread("the quotes make an id of several lines"), nil
	}
	if t.comments && t.lines.firstLine()[0] == '#' {
		return t.unread(textComment), nil
	}
	r.swallowed = t.swallowed()
	for _, i := range t.columns.kept {
		value, ok := rest[t.records.Headers[i]]
		if !ok {
			value = r.values[t.columns.fieldAt(i)]
		}
		r.kept = append(r.kept, value)
	}
	return r, nil
}

// broken returns the error of a file whose end can't be reached; nil if it can.
func (t *Table) broken() error {
	e, ok := errors.AsType[*InputError](t.lines.broken())
	if !ok {
		return nil
	}
	here := *e
	here.line = t.lines.start
	if last := t.lines.start - 1; last > 0 {
		here.text += fmt.Sprintf(", after line %d", last)
	}
	return &here
}

const textComment = "a comment, not a row"

// clean makes the values that name an organization or a user what they are meant
// to be.
func (v *values) clean() {
	for f := fieldOrgID; f <= fieldConnection; f++ {
		v[f] = clean(v[f])
	}
}

// swallowed returns how many lines of the record, after its first, look like
// rows.
func (t *Table) swallowed() (rows int) {
	for line := range bytes.Lines(t.lines.record()[t.lines.first:]) {
		if values := cut(string(line), t.delimiter); t.fits(values) && (looksLikeRow(values) || t.namesUser(values)) {
			rows++
		}
	}
	return rows
}

// namesUser reports whether the values have an e-mail address, or an id as Auth0
// makes them, in a column of the user.
func (t *Table) namesUser(values []string) bool {
	return slices.ContainsFunc(t.columns.of(&t.columns.user), func(i int) bool {
		return i < len(values) && strings.ContainsAny(values[i], "@|") && !strings.ContainsAny(values[i], " \t")
	})
}

// lenient reads a record that encoding/csv has refused with err, if there is
// only one way to read it.
func (t *Table) lenient(err error) raw {
	if errors.Is(err, csv.ErrFieldCount) {
		values, _ := newReader(bytes.NewReader(t.lines.record()), t.delimiter).Read()
		if t.fits(values) || t.namesBoth(values) {
			return t.rawOf(values)
		}
		return t.unread(t.widthText(values))
	}
	if t.lines.count == 1 {
		if values := cut(string(t.lines.firstLine()), t.delimiter); t.fits(values) && t.unquoted(values) {
			return t.rawOf(values)
		}
	}
	return t.unread(quoteText(err, t.lines.firstLine()))
}

// unquoted reports whether the values with a field have no quotes, other than those
// of a formula, and no quote is opened that is never closed.
func (t *Table) unquoted(values []string) bool {
	for _, i := range t.columns.at {
		if i >= 0 && i < len(values) && strings.Contains(unwrapFormula(values[i]), `"`) {
			return false
		}
	}
	return !slices.ContainsFunc(values, func(v string) bool { return strings.LastIndexByte(v, '"') == 0 })
}

// fits reports whether a record has as many values as the header has names, but
// for empty values after the last column with a name, which spreadsheets write.
//
// A record with more values must be empty after the last column with a field.
// Otherwise an id without quotes may hold the delimiter, and the values after it
// have moved by one.
func (t *Table) fits(values []string) bool {
	switch n := len(t.columns.names); {
	case len(values) < n:
		return len(values) >= t.columns.width()
	case len(values) == n:
		return true
	}
	return strings.Join(values[slices.Max(t.columns.at[:])+1:], "") == ""
}

// namesBoth reports whether a record that ends too early ends behind its
// organization and its user. Spreadsheets leave out empty values at the end of a
// row. The last line of a file may be cut off, and a user with white space in it
// may be the rest of a value that goes over two lines.
func (t *Table) namesBoth(values []string) bool {
	if len(values) >= len(t.columns.names) || t.lines.unended {
		return false
	}
	r := t.rawOf(values)
	org, user := r.values.find(&t.columns.org), r.values.find(&t.columns.user)
	if t.dialect.noUsers() {
		return org.value != ""
	}
	return (org.value != "" || t.org.value != "") && user.value != "" && !strings.ContainsFunc(user.value, isUnseen)
}

func (t *Table) rawOf(values []string) raw {
	value := func(i int) string {
		if i < 0 || i >= len(values) {
			return ""
		}
		return values[i]
	}
	r := raw{line: t.lines.start, lines: t.lines.count, unended: t.lines.unended}
	for f, i := range t.columns.at {
		r.values[f] = value(i)
	}
	r.values.clean()
	for _, i := range t.columns.kept {
		r.kept = append(r.kept, value(i))
	}
	return r
}

// unread returns a record without values: what is not certain must not get
// into a file that may be an input again. The text says why; the line is
// appended.
//
// The record ends with its first line: the others may be rows that a stray quote
// has swallowed.
func (t *Table) unread(text string) raw {
	t.lines.retreat()
	line := bytes.TrimSpace(t.lines.firstLine())
	if bytes.HasPrefix(line, []byte("#")) {
		text = textComment
	}
	excerpt := strings.ToValidUTF8(truncate(string(line), 200), "\uFFFD")
	r := raw{line: t.lines.start, lines: 1, err: &importer.Rejection{Code: importer.CodeRowUnreadable, Message: text + ": " + excerpt}}
	if len(t.columns.kept) > 0 {
		r.kept = make([]string, len(t.columns.kept))
	}
	return r
}

// quoteText puts into words what encoding/csv says about quotes.
func quoteText(err error, line []byte) string {
	switch {
	case bytes.Contains(line, []byte(`\"`)):
		return `a backslash before a quote, where CSV doubles the quote`
	case bytes.HasPrefix(line, []byte(`""`)):
		return "doubled quotes, where CSV has one"
	case errors.Is(err, csv.ErrBareQuote):
		return "a quote inside a value that does not begin with one"
	case errors.Is(err, csv.ErrQuote):
		return "a quoted value that is not closed, or goes on after its closing quote"
	}
	return err.Error()
}

// widthText says that a record has more or fewer values than the header.
func (t *Table) widthText(values []string) string {
	got, want := len(values), len(t.columns.names)
	text := fmt.Sprintf("%d fields, the header has %d", got, want)
	if got == 1 {
		text = fmt.Sprintf("1 field, the header has %d", want)
		if line := t.lines.firstLine(); line[0] == '"' && bytes.ContainsRune(line, t.delimiter) {
			text += "; the line is quoted as a whole"
		}
	}
	switch {
	case got == want+1 && t.fits(values[1:]) && strings.Trim(values[0], "0123456789") == "":
		text += "; if the first is the number of the row, the header needs a name for it"
	case got > want:
		text += fmt.Sprintf("; a value that holds the delimiter (%s) must be in quotes, or the file have another", delimiterName(t.delimiter))
	}
	return text
}

// clean returns a value as it was meant: without white space and invisible
// characters around it, and without the formula ="…" that keeps a spreadsheet
// from taking it for a number.
func clean(value string) string { return trim(unwrapFormula(trim(value))) }

// withoutApostrophe returns a clean value of the field without the apostrophe
// that Auth0's own export writes before every text, if it wrote the column.
func (t *Table) withoutApostrophe(f field, value string) string {
	if t.exported[f] {
		return clean(strings.TrimPrefix(value, "'"))
	}
	return value
}

// trim returns s as people see it, without white space and invisible characters
// around it.
func trim(s string) string { return strings.TrimFunc(s, isUnseen) }

func isUnseen(r rune) bool { return unicode.IsSpace(r) || isInvisible(r) }

// unwrapFormula returns the text in a formula such as ="auth0|1", and any other
// value unchanged.
func unwrapFormula(s string) string {
	if len(s) < len(`=""`) || !strings.HasPrefix(s, `="`) || s[len(s)-1] != '"' {
		return s
	}
	inner := s[len(`="`) : len(s)-1]
	if strings.Contains(inner, `"`) {
		return s
	}
	return inner
}

// isInvisible reports whether r has no width and no ink: byte order marks, soft
// hyphens, joiners, marks of direction. They come along when text is pasted.
func isInvisible(r rune) bool {
	switch {
	case r < '\u00AD':
		return false
	case r >= '\u0600' && r <= '\u0605', r == '\u06DD', r == '\u070F', r == '\u08E2':
		return false // visible signs of Arabic and Syriac
	case r == '\u034F', r == '\u115F', r == '\u1160', r == '\u3164', r == '\uFFA0':
		return true
	}
	return unicode.Is(unicode.Cf, r) || r >= '\uFE00' && r <= '\uFE0F'
}

// otherQuotes returns a value without the single or typographic quotes around it,
// and any other value unchanged.
func otherQuotes(s string) string {
	if s == "" || s[0] < utf8.RuneSelf && s[0] != '\'' && s[0] != '`' {
		return s
	}
	for _, pair := range []string{"''", "‘’", "‚‘", "“”", "„“", "””", "’’", "«»", "»«", "´´", "``"} {
		quotes := []rune(pair)
		left, right := string(quotes[0]), string(quotes[1])
		if len(s) > len(left)+len(right) && strings.HasPrefix(s, left) && strings.HasSuffix(s, right) {
			return s[len(left) : len(s)-len(right)]
		}
	}
	return s
}

// isPlain reports whether id consists of visible ASCII characters, as nearly all
// do.
func isPlain(id string) bool {
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return true
}

func isOrgShaped(id string) bool { return strings.HasPrefix(id, "org_") }

func isUserShaped(id string) bool {
	i := strings.IndexByte(id, '|')
	return i > 0 && i < len(id)-1
}

// isRule reports whether s consists of dashes, as a line under a header does.
func isRule(s string) bool { return len(s) > 1 && strings.Trim(s, "-=") == "" }

// truncate returns at most the first n characters of s.
func truncate(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i] + "…"
		}
		n--
	}
	return s
}

// shorten returns an id for a message: truncated, and quoted if it holds anything
// that can't be seen.
func shorten(id string) string {
	id = truncate(id, 40)
	if !utf8.ValidString(id) || strings.ContainsFunc(id, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(id)
	}
	return id
}
