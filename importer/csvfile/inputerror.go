package csvfile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

// InputError says why a file can't be read, or not any further. Every error of
// [Open] is one, and every error of the range of [Table.Rows].
type InputError struct {
	// Line is the physical line of the input that the error is about, counted
	// from 1; 0 if it is about the whole file.
	Line int

	text string
	hint string
	err  error // what the reader underneath said, if it did

	elsewhere bool // about a line that is not the header, which may stand below
}

func (e *InputError) Error() string {
	text := e.text
	if e.err != nil {
		text += ": " + e.err.Error()
	}
	if e.Line > 0 {
		return fmt.Sprintf("line %d: %s", e.Line, text)
	}
	return text
}

// Hint says what to do about it, and names the flag that settles it if there is
// one. It is empty if nothing is known to help.
func (e *InputError) Hint() string { return e.hint }

func (e *InputError) Unwrap() error { return e.err }

// unreadable returns the error of a file whose end can't be reached.
func (t *Table) unreadable(err error) error {
	e := unreadable(t.compression, err)
	e.Line = t.lines.start
	if last := t.lines.start - 1; last > 0 {
		e.text += fmt.Sprintf(", after line %d", last)
	}
	return e
}

func unreadable(compression string, err error) *InputError {
	switch {
	case compression == "":
		return &InputError{text: "the file can't be read any further", hint: "make sure that the file can be read to its end", err: err}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &InputError{text: "the " + compression + " data ends too early", hint: "the file is cut off: " + hintAgain, err: err}
	}
	return &InputError{text: "the " + compression + " data is damaged", hint: hintAgain, err: err}
}

const (
	hintAgain  = "get the file again"
	hintSave   = "save it as CSV (UTF-8) in the program it comes from"
	hintUnpack = "unpack it, or pack it with gzip or zstd"
)

// tarMagicAt is where a tar archive says that it is one (POSIX.1).
const tarMagicAt = 257

// foreign returns an error for a file that begins with head and is no CSV file,
// but one of those that are taken for one.
func foreign(head []byte, compression string) error {
	if len(head) > tarMagicAt && bytes.HasPrefix(head[tarMagicAt:], []byte("ustar")) {
		what := "a tar archive"
		if compression != "" {
			what += " in " + compression
		}
		return &InputError{text: "this is " + what, hint: "take the CSV file out of it, such as by tar -xf"}
	}
	for _, f := range foreignFiles {
		if bytes.HasPrefix(head, []byte(f.magic)) && bytes.Contains(head, []byte(f.contains)) {
			return &InputError{text: "this is " + f.what, hint: f.hint}
		}
	}
	return nil
}

// foreignFiles are told by their first bytes, and archives also by the name of
// a file in them. The first that fits counts.
var foreignFiles = []struct{ magic, contains, what, hint string }{
	{"PK\x03\x04", "opendocument.spreadsheet", "a LibreOffice spreadsheet", hintSave},
	{"PK\x03\x04", "Index/Document.iwa", "a Numbers spreadsheet", hintSave},
	{"PK\x03\x04", "xl/", "an Excel workbook", hintSave},
	{"PK\x03\x04", "[Content_Types].xml", "an Excel workbook", hintSave},
	{"PK\x03\x04", "", "a ZIP archive", hintUnpack},
	{"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "", "an Excel workbook of the old format", hintSave},
	{"%PDF-", "", "a PDF document", hintSave},
	{"BZh", "", "a bzip2 archive", hintUnpack},
	{"\xFD7zXZ\x00", "", "an xz archive", hintUnpack},
	{"7z\xBC\xAF\x27\x1C", "", "a 7-Zip archive", hintUnpack},
	{"\x04\x22\x4D\x18", "", "an LZ4 archive", hintUnpack},
	{"LZIP", "", "an lzip archive", hintUnpack},
	{"\x1F\x9D", "", "an archive of compress", hintUnpack},
	{"\x1F\x8B", "", "compressed twice", "unpack it once"},
	{"\x28\xB5\x2F\xFD", "", "compressed twice", "unpack it once"},
	{"PAR1", "", "a Parquet file", hintSave},
	{"SQLite format 3\x00", "", "an SQLite database", hintSave},
	{"\xFF\xFE\x00\x00", "", "a text in UTF-32", "save it in UTF-8"},
	{"\x00\x00\xFE\xFF", "", "a text in UTF-32", "save it in UTF-8"},
}

// jsonArray is how an array of JSON begins; [org_id] is a name in SQL.
var jsonArray = regexp.MustCompile(`^\[\s*($|[]{["])`)

// foreignText returns an error for a text that begins with head and is no CSV
// text.
func foreignText(head []byte) error {
	start := strings.ToLower(string(bytes.TrimSpace(head[:min(len(head), sniffSize)])))
	for _, p := range []string{"<!doctype html", "<html", "<head", "<body"} {
		if strings.HasPrefix(start, p) {
			return &InputError{
				text: "this is a web page, perhaps the login page in front of the file",
				hint: "open the file's address in a browser and log in, then download the file itself",
			}
		}
	}
	header, _, _ := bytes.Cut(head, []byte("\n"))
	switch {
	case strings.HasPrefix(start, `{\rtf`):
		return &InputError{text: "this is a text with formatting (RTF)", hint: hintSave}
	case strings.HasPrefix(start, "<table"):
		return &InputError{text: "this is a table in HTML", hint: hintSave}
	case strings.HasPrefix(start, "<"):
		return &InputError{text: "this is an XML document", hint: hintSave}
	case strings.HasPrefix(start, "{"), jsonArray.MatchString(start):
		return &InputError{text: "this is a JSON document", hint: "turn it into a CSV file with a header org_id,user_id"}
	case bytes.ContainsFunc(header, func(r rune) bool { return r < ' ' && r != '\t' && r != '\r' }):
		return &InputError{text: "this is a binary file", hint: "save it as CSV; if it is text, give its encoding with --encoding"}
	}
	return nil
}

// diagnose returns what is wrong with a file whose header has not the columns
// that are looked for, if that can be told.
func (t *Table) diagnose(head []byte, d Dialect, given bool) *InputError {
	has := func(names []string) bool {
		_, err := findColumns(names, d)
		return err == nil
	}
	first := splitHeader(head, t.delimiter)
	if given {
		other := sniffDelimiter(head, d)
		if names := splitHeader(head, other); has(names) {
			return &InputError{
				text: fmt.Sprintf("with --delimiter %s the header is one column only: %s", shellWord(string(d.Delimiter)), quoted(first)),
				hint: fmt.Sprintf("leave --delimiter out: the delimiter of this file is the %s", delimiterName(other)),
			}
		}
	}
	if len(first) == 1 {
		inner := []byte(first[0])
		if has(splitHeader(inner, sniffDelimiter(inner, d))) {
			return &InputError{
				text: "each line is quoted as a whole, so that there is one column only: " + quoted(first),
				hint: `save the file without quotes around whole lines, or take them off: sed 's/^"//; s/"\r*$//; s/""/"/g'`,
			}
		}
	}
	if len(first) == 1 && has(strings.Fields(first[0])) {
		return &InputError{
			text: "there are only spaces between the columns: " + quoted(first),
			hint: "have it written with a delimiter, as by sqlcmd -s , -W",
		}
	}
	plain := make([]string, len(first))
	in := "" // the first name that is in quotes
	for i, name := range first {
		name = cleanName(name)
		if plain[i] = otherQuotes(name); plain[i] != name {
			in = cmp.Or(in, name)
		}
	}
	if in != "" && has(plain) && !has(first) {
		return otherQuotesError(in, in)
	}
	return nil
}

// isDrawn reports whether there is a line among the first that separates the
// header of a drawn table from its rows, such as --------+---------.
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

// checkOtherQuotes returns an error if every value of a column is between quotes
// that are none in CSV.
func (t *Table) checkOtherQuotes(peeked []raw) error {
	if t.columns.results() {
		return nil
	}
	for f := fieldOrgID; f <= fieldEmail; f++ {
		all, first := true, ""
		for i := range peeked {
			if v := *peeked[i].value(f); v != "" {
				all = all && v != otherQuotes(v)
				first = cmp.Or(first, v)
			}
		}
		if all && first != "" {
			return otherQuotesError(t.columns.name(f), first)
		}
	}
	return nil
}

// otherQuotes returns a value without the single or typographic quotes around
// it, and any other as it is.
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

func otherQuotesError(column, value string) *InputError {
	kind := "typographic"
	if value[0] == '\'' {
		kind = "single"
	}
	return &InputError{
		text: fmt.Sprintf("the values of column %q are in %s quotes: %s", otherQuotes(column), kind, shorten(value)),
		hint: `replace them by ", or take them out: only " is a quote in CSV`,
	}
}

// checkSwapped returns an error if most of the rows have a user's id in the
// column of the organization and the other way round. Every request of such an
// import would fail. Not so where the header stands again in the other order:
// then these are the rows of another file, which was joined.
func (t *Table) checkSwapped(peeked []raw) error {
	if t.columns.results() {
		return nil
	}
	swapped := 0
	var org, user ref
	for i := range peeked {
		if t.isHeader(&peeked[i].record, &userSide, &orgSide) {
			return nil
		}
		o, u := t.find(&orgSide, &peeked[i].record), t.find(&userSide, &peeked[i].record)
		if isUserShaped(o.value) && isOrgShaped(u.value) {
			org, user = o, u
			swapped++
		}
	}
	if 2*swapped <= len(peeked) || swapped == 0 {
		return nil
	}
	orgColumn, userColumn := t.columns.name(org.from), t.columns.name(user.from)
	return &InputError{
		text: fmt.Sprintf("the columns look swapped: %q has users, %q has organizations", orgColumn, userColumn),
		hint: fmt.Sprintf("--org-column %s --user-column %s", shellWord(userColumn), shellWord(orgColumn)),
	}
}

// shellWord quotes a header so that it can be pasted into a shell.
func shellWord(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.", r)
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
