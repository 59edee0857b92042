package csvfile

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"orgimport/importer"
)

// record is what gocsv makes of a record: the values that mean something to us.
type record struct {
	OrgID         string `csv:"org_id"`
	Org           string `csv:"org"`
	OrgName       string `csv:"org_name"`
	UserID        string `csv:"user_id"`
	User          string `csv:"user"`
	Email         string `csv:"email"`
	Connection    string `csv:"connection"`
	Roles         string `csv:"roles"`
	Status        string `csv:"status"`
	Code          string `csv:"error_code"`
	Message       string `csv:"message"`
	CorrelationID string `csv:"correlation_id"`
}

// fieldTags are the names of the fields in the tags of record.
var fieldTags = [fieldCount]string{
	fieldOrgID: "org_id", fieldOrg: "org", fieldOrgName: "org_name",
	fieldUserID: "user_id", fieldUser: "user", fieldEmail: "email",
	fieldConnection: "connection", fieldRoles: "roles",
	fieldStatus: "status", fieldCode: "error_code", fieldMessage: "message", fieldCorrelationID: "correlation_id",
}

// value returns where the record has a field.
func (r *record) value(f field) *string {
	return [fieldCount]*string{
		fieldOrgID: &r.OrgID, fieldOrg: &r.Org, fieldOrgName: &r.OrgName,
		fieldUserID: &r.UserID, fieldUser: &r.User, fieldEmail: &r.Email,
		fieldConnection: &r.Connection, fieldRoles: &r.Roles,
		fieldStatus: &r.Status, fieldCode: &r.Code, fieldMessage: &r.Message, fieldCorrelationID: &r.CorrelationID,
	}[f]
}

// raw is a record as it stands in the file.
type raw struct {
	record
	kept  []string // nil unless columns are kept
	line  int      // where it starts
	lines int      // that it takes
	err   error    // why it can't be read: then it has no values

	swallowed int // of its lines, how many look like rows of their own

	unended bool // it is the last, and has no line end
}

// clean makes the values that name somebody what they are meant to be.
func (r *record) clean() {
	for f := fieldOrgID; f <= fieldConnection; f++ {
		v := r.value(f)
		*v = clean(*v)
	}
}

// spansLines reports whether what the record names has a line break in it.
func (t *Table) spansLines(r *record) bool {
	return strings.Contains(t.find(&orgSide, r).value+t.find(&userSide, r).value, "\n")
}

// swallowed returns how many lines of the record, after its first, look like
// rows.
func (t *Table) swallowed() (rows int) {
	if t.lines.count == 1 {
		return 0
	}
	for line := range bytes.Lines(t.lines.record()[t.lines.first:]) {
		if values := cut(string(line), t.delimiter); t.fits(values) && (looksLikeRow(values) || t.namesUser(values)) {
			rows++
		}
	}
	return rows
}

// namesUser reports whether there is an e-mail address, or an id as Auth0 makes
// them, where the values have the user.
func (t *Table) namesUser(values []string) bool {
	return slices.ContainsFunc(t.columns.of(&userSide), func(i int) bool {
		return i < len(values) && strings.ContainsAny(values[i], "@|") && !strings.ContainsAny(values[i], " \t")
	})
}

// next reads the next record, past lines that are no rows. It returns false at
// the end of the file, and an error if the end came too early.
func (t *Table) next() (raw, bool, error) {
	if !t.lines.advance() {
		if err := t.lines.broken(); err != nil {
			return raw{}, false, t.unreadable(err)
		}
		return raw{}, false, nil
	}
	if t.lines.long {
		return t.unread("the line is longer than 1 MiB"), true, nil
	}
	rec, rest, err := t.unmarshal()
	if err != nil {
		return t.lenient(err), true, nil
	}
	rec.clean()
	if t.lines.count > 1 && t.spansLines(rec) {
		// A quote was not closed, and another, lines below, was taken for its
		// end. The lines between are rows of their own.
		t.lines.retreat()
		return t.unread("the quotes make an id of several lines"), true, nil
	}
	if t.comments && t.lines.firstLine()[0] == '#' {
		t.lines.retreat()
		return t.unread("a comment, not a row"), true, nil
	}
	r := raw{record: *rec, line: t.lines.start, lines: t.lines.count, swallowed: t.swallowed(), unended: t.lines.unended}
	for _, i := range t.columns.kept {
		if f := t.columns.fieldAt(i); f != fieldNone {
			r.kept = append(r.kept, *rec.value(f))
		} else {
			r.kept = append(r.kept, rest[t.records.Headers[i]])
		}
	}
	return r, true, nil
}

// unmarshal returns the record, and the columns that are not in it if they are
// kept.
func (t *Table) unmarshal() (*record, map[string]string, error) {
	if len(t.columns.kept) > 0 {
		rec, rest, err := t.records.ReadUnmatched()
		if err != nil {
			return nil, nil, err
		}
		return rec.(*record), rest, nil
	}
	rec, err := t.records.Read()
	if err != nil {
		return nil, nil, err
	}
	return rec.(*record), nil, nil
}

// lenient reads a record that encoding/csv has refused with err, if it can be
// read in one way only.
//
// If it can't, the record ends with its first line: the others may be rows that
// a stray quote has swallowed.
func (t *Table) lenient(err error) raw {
	if errors.Is(err, csv.ErrFieldCount) {
		values := t.parse(t.lines.record())
		if t.fits(values) {
			return t.rawOf(values)
		}
		t.lines.retreat()
		return t.unread(t.widthText(values))
	}
	single := t.lines.count == 1
	t.lines.retreat()
	if single {
		if values := cut(string(t.lines.firstLine()), t.delimiter); t.fits(values) && t.clear(values) {
			return t.rawOf(values)
		}
	}
	return t.unread(quoteText(err, t.lines.firstLine()))
}

// trimsSpace reports whether white space around a value can be told from the
// delimiter.
func trimsSpace(comma rune) bool { return strings.TrimSpace(string(comma)) != "" }

// parse returns the values of a record that encoding/csv can read.
func (t *Table) parse(record []byte) []string {
	values, _ := t.csvReader(bytes.NewReader(record)).Read()
	return values
}

// cut returns the values of a line in which quotes are no reason to take a
// delimiter for anything else. If they are as many as there should be, there is
// no other way to read the line. Quotes around a value are taken off.
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

// clear reports whether the values that mean something to us have no quotes,
// but for those of a formula, and no quote is opened that is never closed.
func (t *Table) clear(values []string) bool {
	for _, i := range t.columns.at {
		if i >= 0 && i < len(values) && strings.Contains(unwrapFormula(values[i]), `"`) {
			return false
		}
	}
	return !slices.ContainsFunc(values, func(v string) bool { return strings.LastIndexByte(v, '"') == 0 })
}

// fits reports whether a record differs from the header in nothing but empty
// values behind the last column with a name, as spreadsheets write them.
//
// A record with more values than the header has names must be empty behind the
// last column that means something to us. Otherwise the delimiter may stand in
// an id, without quotes, and have moved the others by one.
func (t *Table) fits(values []string) bool {
	switch n := len(t.columns.names); {
	case len(values) < n:
		return len(values) >= t.columns.width()
	case len(values) == n:
		return true
	}
	return strings.Join(values[slices.Max(t.columns.at[:])+1:], "") == ""
}

func (t *Table) rawOf(values []string) raw {
	r := raw{line: t.lines.start, lines: t.lines.count, unended: t.lines.unended}
	for f, i := range t.columns.at {
		if i >= 0 && i < len(values) {
			*r.value(field(f)) = values[i]
		}
	}
	r.clean()
	for _, i := range t.columns.kept {
		value := ""
		if i < len(values) {
			value = values[i]
		}
		r.kept = append(r.kept, value)
	}
	return r
}

// unread returns a record without values: what is not certain must not get
// into a file that is an input again. The text says why, and the line follows.
func (t *Table) unread(text string) raw {
	line := bytes.TrimSpace(t.lines.firstLine())
	if bytes.HasPrefix(line, []byte("#")) {
		text = "a comment, not a row"
	}
	r := raw{line: t.lines.start, lines: 1, err: &rowError{importer.CodeRowUnreadable, text + ": " + excerpt(line)}}
	if len(t.columns.kept) > 0 {
		r.kept = make([]string, len(t.columns.kept))
	}
	return r
}

// excerpt returns the beginning of a line.
func excerpt(line []byte) string {
	const most = 200 // bytes
	rest := ""
	if len(line) > most {
		line, rest = line[:most], "…"
		for len(line) > 0 && !utf8.RuneStart(line[len(line)-1]) {
			line = line[:len(line)-1]
		}
		line = bytes.TrimRightFunc(line, func(r rune) bool { return r == utf8.RuneError })
	}
	return strings.ToValidUTF8(string(line), "\uFFFD") + rest
}

// quoteText words what encoding/csv says about quotes.
func quoteText(err error, line []byte) string {
	switch {
	case bytes.Contains(line, []byte(`\"`)):
		return `a backslash before a quote, where CSV doubles the quote`
	case errors.Is(err, csv.ErrBareQuote):
		return "a quote inside a value that does not begin with one"
	case errors.Is(err, csv.ErrQuote):
		return "a quoted value that is not closed, or goes on after its closing quote"
	}
	return err.Error()
}

// widthText words that a record has not as many values as the header.
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
