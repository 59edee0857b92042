package csvfile

import (
	"bytes"
	"encoding/csv"
	"strings"
	"unicode/utf8"
)

// delimiters are those that are found out. Where nothing tells, it is the
// first.
var delimiters = [...]rune{',', ';', '\t', '|'}

// sniffDelimiter returns the delimiter of a file that begins with head: the one
// with which the header has the columns that are looked for, and if there is
// none, the one that makes the most columns.
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
	r := csv.NewReader(bytes.NewReader(head))
	r.Comma = delimiter
	r.TrimLeadingSpace = trimsSpace(delimiter)
	names, err := r.Read()
	if err != nil {
		line, _, _ := bytes.Cut(head, []byte("\n"))
		return cut(string(line), delimiter)
	}
	return names
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

func delimiterName(r rune) string {
	switch r {
	case ',':
		return "comma"
	case ';':
		return "semicolon"
	case '\t':
		return "tab"
	case '|':
		return "pipe"
	}
	return string(r)
}
