package csvfile

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"io"
	"strings"
	"unicode/utf8"
)

// delimiters are found out without being named. The first is the default.
var delimiters = [...]rune{',', ';', '\t', '|'}

func delimiterName(r rune) string {
	names := map[rune]string{',': "comma", ';': "semicolon", '\t': "tab", '|': "pipe"}
	return cmp.Or(names[r], string(r))
}

// validDelimiter reports whether encoding/csv accepts r as a delimiter.
func validDelimiter(r rune) bool {
	return utf8.ValidRune(r) && r != utf8.RuneError && !strings.ContainsRune("\"\r\n\x00", r)
}

// sniffDelimiter returns the delimiter of a file that begins with head: the first
// with which the header has the columns that d asks for, otherwise the one that
// makes the most columns.
func sniffDelimiter(head []byte, d Dialect) rune {
	best, most := delimiters[0], 0
	for _, delimiter := range delimiters {
		names := splitHeader(head, delimiter)
		if _, err := findColumns(names, d); err == nil {
			return delimiter
		}
		if len(names) > most {
			best, most = delimiter, len(names)
		}
	}
	return best
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
	if strings.TrimSpace(s[4+size:]) != "" || !validDelimiter(r) {
		return 0, false
	}
	return r, true
}
