package importer

import (
	"errors"
	"fmt"
	"strings"
)

// row returns a row with the ids that stand in a record, or with the
// organization that every row has. The record's values share their memory: in a
// file with other columns the ids are copied, so that a row that waits does not
// hold on to all of them.
func (t *Table) row(orgID, userID string) Row {
	row := Row{
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
func (t *Table) judge(row Row, status string) Row {
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
func (t *Table) isHeader(row Row) bool {
	user := t.columns.names[t.columns.user]
	if !strings.HasSuffix(row.UserID, user) { // soon told of nearly every row
		return false
	}
	org := t.columns.org
	return cleanName(row.UserID) == user && (org < 0 || cleanName(row.OrgID) == t.columns.names[org])
}

// rejected returns the row with err. Its ids become valid UTF-8, for they are
// going to be written.
func rejected(row Row, err error) Row {
	row.OrgID = strings.ToValidUTF8(row.OrgID, "\uFFFD")
	row.UserID = strings.ToValidUTF8(row.UserID, "\uFFFD")
	row.Err = err
	return row
}

// keep returns a value as it is carried to the results.
func keep(value string) string {
	return strings.ToValidUTF8(strings.TrimSpace(value), "\uFFFD")
}
