package csvfile

import (
	"fmt"
	"strings"
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

	// OrgID is every row's organization, for a file of users only. If the file
	// has a column of organizations too, a row that names another is rejected.
	OrgID string

	// Keep carries the other columns to the results, as [importer.Row.Kept].
	Keep bool
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
	if d.OrgID != "" {
		if err := checkOrgID(d.OrgID); err != nil {
			return &InputError{
				text: fmt.Sprintf("%q can't be an organization: it %v", d.OrgID, err),
				hint: "--org takes the id of an organization, such as org_P0M5j2B0FfwQioEe",
			}
		}
	}
	return nil
}

// validDelimiter is what encoding/csv asks of a delimiter.
func validDelimiter(r rune) bool {
	return utf8.ValidRune(r) && r != utf8.RuneError && !strings.ContainsRune("\"\r\n\x00", r)
}
