package csvfile

import (
	"errors"
	"slices"
	"strings"
	"unicode"
)

// Dialect says how to read a file. Whatever the zero value leaves open is found
// out.
type Dialect struct {
	// Delimiter separates the values of a row. If it is 0, it is what a "sep="
	// line says, otherwise one of comma, semicolon, tab and pipe.
	Delimiter rune

	// Encoding is utf-8, utf-16, utf-16le, utf-16be or windows-1252. If it is
	// empty, it is found out, but never windows-1252, which any bytes could be.
	Encoding string

	// OrgColumn and UserColumn are the headers of the columns with the ids. If
	// empty, these are found by name, see [Open].
	OrgColumn, UserColumn string

	// OrgBy and UserBy say what these columns hold: a kind of [importer.Key],
	// such as name or username. If empty, the name of the column decides, and
	// the value where the name leaves it open.
	OrgBy, UserBy string

	// OrgID is every row's organization, for a file of users only: an id, or
	// what OrgBy says, or a name. If the file has a column of organizations too,
	// a row that names another is rejected.
	OrgID string

	// Connection is that of users named by a key, unless the row names another.
	Connection string

	// Roles asks for the column of roles, as [importer.Row.Args].
	Roles bool

	// Emails asks for users by their e-mail addresses, even if the file has their
	// ids too, and for the addresses as [importer.Row.Args]. The columns with the
	// users are not copied to the results then.
	Emails bool

	// Keys asks for the keys even of rows that have their ids, such as the
	// results of a run that has looked them up.
	Keys bool

	// Keep copies the other columns to the results, as [importer.Row.Kept].
	Keep bool

	// KeepKeys are the names of columns of keys that are copied in any case, such
	// as those [Table.UsedKeys] returned when the file was read before. Other
	// names are ignored.
	KeepKeys []string

	// Settled returns the Err of a row with this result of an earlier run, nil if
	// the row is to be sent. It is not asked about rows that were rejected for
	// what they are. The default is the function [Settled].
	Settled func(Result) error

	// Only, if set, says which lines of the results of an earlier run are rows.
	// The others are skipped.
	Only func(Result) bool
}

// By identifies what the columns of keys are taken to hold. The keys of files read
// with another By are other keys.
func (d Dialect) By() string { return d.OrgBy + "/" + d.UserBy + "/" + d.Connection }

// org returns what OrgID names.
func (d Dialect) org() ref {
	v := clean(d.OrgID)
	if v == "" {
		return ref{}
	}
	side := orgSide.by(d.OrgBy)
	return ref{kind: side.ref(fieldOrg, v).kind, value: v}
}

// check returns an *InputError if no file can be read with the dialect.
func (d Dialect) check() error {
	if d.Delimiter != 0 && !validDelimiter(d.Delimiter) {
		return inputError("--delimiter takes one character, such as , or ; or |", "%q can't be a delimiter", d.Delimiter)
	}
	if names := encodingNames(); d.Encoding != "" && !slices.Contains(names, strings.ToLower(d.Encoding)) {
		return inputError("--encoding takes "+strings.Join(names, ", "), "unknown encoding %q", d.Encoding)
	}
	if org := d.org(); org.value != "" {
		err := checkOrg(org)
		if org.kind == kindName && strings.ContainsFunc(org.value, unicode.IsSpace) {
			err = errors.New("holds white space")
		}
		if err != nil {
			return inputError("--org takes the id or the name of an organization, such as org_P0M5j2B0FfwQioEe",
				"%q can't be an organization: it %v", d.OrgID, err)
		}
	}
	return nil
}
