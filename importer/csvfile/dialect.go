package csvfile

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Dialect says how to read a file. The zero value means: find out.
type Dialect struct {
	// Delimiter stands between the values of a row. 0: found out, one of
	// comma, semicolon, tab and pipe, or what a "sep=" line says.
	Delimiter rune

	// Encoding is utf-8, utf-16, utf-16le, utf-16be or windows-1252. Empty:
	// found out, but never windows-1252, which any bytes could be.
	Encoding string

	// OrgColumn and UserColumn are the headers of the columns with the ids.
	// Empty: found by name, see [Open].
	OrgColumn, UserColumn string

	// OrgBy and UserBy say what these columns hold, or those found by name: a
	// kind of [importer.Key], such as name or username. Empty: told by the name
	// of the column, and by the value where the name leaves it open.
	OrgBy, UserBy string

	// OrgID is every row's organization, for a file of users only: an id, or
	// what OrgBy says, or a name. If the file has a column of organizations too,
	// a row that names another is rejected.
	OrgID string

	// Connection is that of the users whom rows name by a key, unless the row
	// names another.
	Connection string

	// Roles asks for the column of roles, as [importer.Row.Args].
	Roles bool

	// Emails asks for users by their e-mail addresses, even if the file has their
	// ids too, and for the addresses as [importer.Row.Args]. The columns with the
	// users are not copied to the results then.
	Emails bool

	// Keys asks for the keys of rows that have their ids too, as the results of a
	// run have that has looked them up.
	Keys bool

	// Keep carries the other columns to the results, as [importer.Row.Kept].
	Keep bool

	// KeepKeys are the names of columns of keys that are copied in any case, such
	// as [Table.UsedKeys] has found them when the file was read before. Other
	// names mean nothing.
	KeepKeys []string

	// Settled says what is known of a row by the results of an earlier run: nil
	// if it is to be sent, otherwise its Err. It is not asked about rows that
	// were rejected for what they are. If it is nil, the rows that were added or
	// members already are settled as such, and duplicates as duplicates.
	Settled func(Result) error

	// Only, if set, says which lines of the results of an earlier run are rows.
	// The others are passed over.
	Only func(Result) bool
}

// By says in one word what the columns of keys are taken to hold. What was found
// with another By are other keys.
func (d Dialect) By() string { return d.OrgBy + "/" + d.UserBy + "/" + d.Connection }

// orgRef returns what OrgID names.
func (d Dialect) orgRef() ref {
	v := clean(d.OrgID)
	if v == "" {
		return ref{}
	}
	return ref{kind: orgSide.kindOf(fieldOrg, d.OrgBy, v), value: v}
}

// check returns what no file could be read with.
func (d Dialect) check() error {
	if d.Delimiter != 0 && !validDelimiter(d.Delimiter) {
		return &InputError{
			text: fmt.Sprintf("%q can't be a delimiter", d.Delimiter),
			hint: "--delimiter takes one character, such as , or ; or |",
		}
	}
	if d.Encoding != "" && !knownEncoding(d.Encoding) {
		return &InputError{
			text: fmt.Sprintf("unknown encoding %q", d.Encoding),
			hint: "--encoding takes " + strings.Join(encodings, ", "),
		}
	}
	if org := d.orgRef(); org.value != "" {
		err := checkOrg(org)
		if org.kind == "name" && strings.ContainsFunc(org.value, unicode.IsSpace) {
			err = errors.New("holds white space")
		}
		if err != nil {
			return &InputError{
				text: fmt.Sprintf("%q can't be an organization: it %v", d.OrgID, err),
				hint: "--org takes the id or the name of an organization, such as org_P0M5j2B0FfwQioEe",
			}
		}
	}
	return nil
}

// validDelimiter is what encoding/csv asks of a delimiter.
func validDelimiter(r rune) bool {
	return utf8.ValidRune(r) && r != utf8.RuneError && !strings.ContainsRune("\"\r\n\x00", r)
}

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
