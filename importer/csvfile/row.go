package csvfile

import (
	"encoding/csv"
	"errors"
	"fmt"
	"strings"

	"orgimport/importer"
)

// row returns a row with the ids that stand in a record, or with the
// organization that every row has. The record's values share their memory: in a
// file with other columns the ids are copied, so that a row that waits does not
// hold on to all of them.
func (t *Table) row(orgID, userID string) importer.Row {
	row := importer.Row{
		OrgID:  strings.TrimSpace(orgID),
		UserID: strings.TrimSpace(userID),
		Line:   t.lines.start,
	}
	if len(t.columns.names) > 2 && len(t.columns.kept) == 0 {
		row.OrgID = strings.Clone(row.OrgID)
		row.UserID = strings.Clone(row.UserID)
	}
	if row.OrgID == "" {
		row.OrgID = t.orgID
	}
	return row
}

// judge settles what the row itself tells: whether it can be sent.
func (t *Table) judge(row importer.Row, status string) importer.Row {
	if t.lines.count > 1 && strings.Contains(row.OrgID+row.UserID, "\n") {
		// A quote was not closed, and another, lines below, was taken for its
		// end. The lines between are rows of their own.
		t.lines.retreat()
		return t.reject(errors.New("the quotes make an id of several lines"))
	}
	if t.isHeader(row) {
		return rejected(row, errors.New("the header again, as where files were joined"))
	}
	if t.orgID != "" && row.OrgID != t.orgID {
		return rejected(row, fmt.Errorf("the row is of organization %q, --org says %q", row.OrgID, t.orgID))
	}
	if err := checkIDs(row.OrgID, row.UserID); err != nil {
		return rejected(row, err)
	}
	row.Err = settled(strings.TrimSpace(status))
	return row
}

// isHeader reports whether the row repeats the header, perhaps behind a byte
// order mark.
func (t *Table) isHeader(row importer.Row) bool {
	user := t.columns.names[t.columns.user]
	if !strings.HasSuffix(row.UserID, user) { // soon told of nearly every row
		return false
	}
	org := t.columns.org
	return cleanName(row.UserID) == user && (org < 0 || cleanName(row.OrgID) == t.columns.names[org])
}

// rejected returns the row with err. Its ids become valid UTF-8, for they are
// going to be written.
func rejected(row importer.Row, err error) importer.Row {
	row.OrgID = strings.ToValidUTF8(row.OrgID, "\uFFFD")
	row.UserID = strings.ToValidUTF8(row.UserID, "\uFFFD")
	row.Err = err
	return row
}

// keep returns a value as it is carried to the results.
func keep(value string) string {
	return strings.ToValidUTF8(strings.TrimSpace(value), "\uFFFD")
}

// mend makes a row of the record that encoding/csv has refused with err: a row
// that is rejected, unless the only thing wrong with the record is empty values
// at its end.
//
// A rejected record of several lines ends with its first: the others may be
// rows that a stray quote has swallowed.
func (t *Table) mend(err error) importer.Row {
	if !errors.Is(err, csv.ErrFieldCount) {
		t.lines.retreat()
		return t.reject(quoteError(err))
	}
	values := split(string(t.lines.record()), t.delimiter)
	if t.fits(values) {
		return t.judge(t.rowOf(values), at(values, t.columns.status))
	}
	t.lines.retreat()
	return t.reject(widthError(len(values), len(t.columns.names)))
}

// fits reports whether a record differs from the header in nothing but empty
// values behind the last column with a name, as spreadsheets write them.
func (t *Table) fits(values []string) bool {
	if len(values) < len(t.columns.names) {
		return len(values) >= t.columns.width()
	}
	return strings.Join(values[len(t.columns.names):], "") == ""
}

// reject returns what can be read in the first line of the record as a row
// that is not sent.
func (t *Table) reject(err error) importer.Row {
	return rejected(t.rowOf(split(string(t.lines.firstLine()), t.delimiter)), err)
}

func (t *Table) rowOf(values []string) importer.Row {
	row := t.row(at(values, t.columns.org), at(values, t.columns.user))
	for _, i := range t.columns.kept {
		row.Kept = append(row.Kept, keep(at(values, i)))
	}
	return row
}

// at returns values[i], or nothing if there is none.
func at(values []string, i int) string {
	if i < 0 || i >= len(values) {
		return ""
	}
	return values[i]
}

// quoteError words what encoding/csv says about quotes.
func quoteError(err error) error {
	switch {
	case errors.Is(err, csv.ErrBareQuote):
		return errors.New("a quote inside a value that does not begin with one")
	case errors.Is(err, csv.ErrQuote):
		return errors.New("a quoted value that is not closed, or goes on after its closing quote")
	}
	return err
}

func widthError(got, want int) error {
	if got == 1 {
		return fmt.Errorf("1 field, the header has %d", want)
	}
	return fmt.Errorf("%d fields, the header has %d", got, want)
}
