package csvfile

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"orgimport/importer"
)

// rowError is why a row is rejected.
type rowError struct{ code, text string }

func (e *rowError) Error() string { return e.text }

// Code returns the error code of the row; empty if it has none.
func (e *rowError) Code() string { return e.code }

// codeOtherOrg is the error code of a row whose organization is not that of
// --org.
const codeOtherOrg = "other_organization"

// row makes a row of a record.
func (t *Table) row(r raw) importer.Row {
	t.noteRecord(r)
	row := importer.Row{Line: r.line, Kept: t.kept(r)}
	if t.dialect.Roles {
		row.Args = []string{clean(r.values[fieldRoles])}
	}
	if r.err != nil {
		if t.org.kind == importer.KindOrgID {
			row.OrgID = t.org.value
		}
		row.Err = r.err
		return row
	}
	for f := fieldOrgID; f <= fieldConnection; f++ {
		r.values[f] = t.withoutApostrophe(f, r.values[f])
	}
	org, user := r.values.find(&t.columns.org), r.values.find(&t.columns.user)
	if t.dialect.Emails {
		row.Args = []string{""}
		if user.kind == importer.KindEmail {
			row.Args[0] = strings.Clone(user.value)
		}
	}
	named := org // in the row itself
	if org.value == "" || t.columns.results() && org.kind != t.org.kind && t.org.kind == importer.KindOrgID {
		org = cmp.Or(t.org, org)
	}
	row.OrgID, row.UserID = org.id(importer.KindOrgID), user.id(importer.KindUserID)
	connection := r.values[fieldConnection]
	switch {
	case t.dialect.Keys:
		row.Keys = t.keys(cmp.Or(t.org, r.values.findKey(&t.columns.org)), r.values.findKey(&t.columns.user), connection)
	case row.OrgID == "" || row.UserID == "":
		row.Keys = t.keys(org, user, connection)
	}
	if row.Err = t.judge(&row, &r, named, org, user); row.Err != nil {
		t.leaveOut(&row, named, org, user)
	} else if t.columns.results() {
		row.Err = t.dialect.Settled(r.result())
	}
	if row.Err == nil {
		t.noteRow(row, org, user)
	} else {
		row.Keys = nil
	}
	return row
}

// id returns the value if it is an id of that kind. The values of a record share
// their memory: the id is copied, so that a row that waits does not keep all of
// them alive.
func (r ref) id(kind string) string {
	if r.kind != kind {
		return ""
	}
	return strings.Clone(r.value)
}

// key returns the value unless it is an id of that kind, or empty.
func (r ref) key(id string) importer.Key {
	if r.kind == id || r.value == "" {
		return importer.Key{}
	}
	return importer.Key{Kind: r.kind, Value: strings.Clone(r.value)}
}

func (t *Table) keys(org, user ref, connection string) *importer.Keys {
	k := importer.Keys{Org: org.key(importer.KindOrgID), User: user.key(importer.KindUserID)}
	if k.User != (importer.Key{}) {
		k.Connection = strings.Clone(cmp.Or(connection, t.dialect.Connection))
	}
	if k == (importer.Keys{}) {
		return nil
	}
	return &k
}

// kept returns the values that are copied to the results. Those with a field are
// cleaned, because a later run may use them.
func (t *Table) kept(r raw) []string {
	for i, value := range r.kept {
		if f := t.columns.fieldAt(t.columns.kept[i]); f != fieldNone {
			value = t.withoutApostrophe(f, clean(value))
		}
		r.kept[i] = strings.ToValidUTF8(strings.TrimSpace(value), "\uFFFD")
	}
	return r.kept
}

// judge returns why the row is not to be sent, as far as the row itself tells.
// It takes ids out of the row that could not be written to a file and read back
// unchanged.
func (t *Table) judge(row *importer.Row, r *raw, named, org, user ref) error {
	results := t.columns.results()
	if results {
		if said := r.result(); said.Status == importer.Rejected && t.staysRejected(said.Code, r, named, user) {
			t.found.stay.add(1, r.line, "")
			return &rowError{said.Code, cmp.Or(said.Message, "rejected by an earlier run")}
		}
	}
	switch {
	case t.columns.isHeader(&r.values, &t.columns.user, &t.columns.org):
		return unreadRow(row, "the header again, with its columns in another order")
	case (isRule(org.value) || org.from == fieldNone) && isRule(user.value):
		return unreadRow(row, "a ruled line, not a row")
	case org.from == fieldNone && rowCount.MatchString(user.value):
		return unreadRow(row, "a count of rows, not a row")
	case isComment(org) || isComment(user):
		return unreadRow(row, textComment+": "+shorten(cmp.Or(named.value, user.value)))
	case results && (scientific.MatchString(org.value) || scientific.MatchString(user.value)):
		return unreadRow(row, "a spreadsheet has rounded a number")
	case results && r.unended && row.Keys != nil: // which are at the end
		return unreadRow(row, "the last line has no line end: the file is cut off")
	case isUserShaped(org.value) && isOrgShaped(user.value):
		return &rowError{text: "the ids are swapped: the organization is where the user should be"}
	case t.org.value != "" && named.value != "" && !t.sameOrg(named):
		return &rowError{codeOtherOrg, fmt.Sprintf("the row is of organization %q, --org says %q", named.value, t.org.value)}
	}
	return t.checkRefs(row, org, user)
}

// rowCount is what database clients write below the rows.
var rowCount = regexp.MustCompile(`^\(\d+ rows?( affected)?\)$`)

// isComment reports whether a value is a comment where there could be an id.
func isComment(r ref) bool {
	return strings.HasPrefix(r.value, "#") && r.from != fieldNone && otherShape(r.value) != shapeNull &&
		(r.kind == importer.KindOrgID || r.kind == importer.KindUserID || r.kind == kindName)
}

// unreadRow takes the ids out of a row and returns why it is rejected.
func unreadRow(row *importer.Row, text string) error {
	row.OrgID, row.UserID = "", ""
	return &rowError{importer.CodeRowUnreadable, text}
}

// leaveOut takes out of a rejected row what must not get into a file that may be
// an input again.
func (t *Table) leaveOut(row *importer.Row, named, org, user ref) {
	lost := func(value string) bool {
		if survives(value) {
			return false
		}
		row.Err = &rowError{importer.CodeRowUnreadable, fmt.Sprintf("%v: %s", row.Err, shorten(value))}
		return true
	}
	if lost(org.value) {
		row.OrgID = ""
	}
	if lost(user.value) {
		row.UserID = ""
	}
	if row.Keys != nil {
		lost(row.Keys.Connection)
	}
	if row.OrgID == "" && named.value != "" {
		row.UserID = "" // with --org the row would seem to be of that organization
	}
	if unread, ok := errors.AsType[*rowError](row.Err); ok && unread.code == importer.CodeRowUnreadable {
		for i := range row.Kept {
			if f := t.columns.fieldAt(t.columns.kept[i]); fieldNone < f && f <= fieldConnection {
				row.Kept[i] = ""
			}
		}
		if t.dialect.Emails {
			row.Args[0] = ""
		}
	}
}

// survives reports whether a value comes back unchanged from a results file that a
// spreadsheet has saved: in another encoding, or with the result of a formula
// instead of it.
func survives(value string) bool {
	return !strings.HasPrefix(value, "=") && !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' })
}
