package csvfile

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"orgimport/importer"
)

// rowError is why a row is rejected.
type rowError struct{ code, text string }

func (e *rowError) Error() string { return e.text }

// Code returns the error code of the row; empty if it has none.
func (e *rowError) Code() string { return e.code }

// codeOtherOrg is the error code of a row that is not of the organization that
// --org says.
const codeOtherOrg = "other_organization"

// ref is what a row says of its organization or its user.
type ref struct {
	kind, value string
	from        field // fieldNone: --org
}

// find returns the first of the values of a side that is not empty.
func (t *Table) find(s *side, r *record) ref {
	for _, f := range s.fields {
		if v := *r.value(f); v != "" {
			return ref{s.kindOf(f, t.columns.by(s), v), v, f}
		}
	}
	return ref{}
}

// findKey returns the first of the values of a side that is not empty and no id.
func (t *Table) findKey(s *side, r *record) ref {
	for _, f := range s.fields {
		if v := *r.value(f); v != "" {
			if kind := s.kindOf(f, t.columns.by(s), v); kind != s.kinds[0] {
				return ref{kind, v, f}
			}
		}
	}
	return ref{}
}

// row makes a row of a record.
func (t *Table) row(r raw) importer.Row {
	t.noteRecord(r)
	row := importer.Row{Line: r.line, Kept: t.kept(r)}
	if t.roles {
		row.Args = []string{clean(r.Roles)}
	}
	if r.err != nil {
		if t.org.kind == importer.KindOrgID {
			row.OrgID = t.org.value
		}
		row.Err = r.err
		return row
	}
	for f := fieldOrgID; f <= fieldConnection; f++ {
		v := r.value(f)
		*v = t.withoutApostrophe(f, *v)
	}
	org, user := t.find(&orgSide, &r.record), t.find(&userSide, &r.record)
	if t.emails {
		row.Args = []string{""}
		if user.kind == importer.KindEmail {
			row.Args[0] = strings.Clone(user.value)
		}
	}
	named := org // in the row itself
	if org.value == "" || t.columns.results() && org.kind != t.org.kind && t.org.kind == importer.KindOrgID {
		org = cmp.Or(t.org, org)
	}
	row.OrgID, row.UserID = t.id(org, importer.KindOrgID), t.id(user, importer.KindUserID)
	switch {
	case t.allKeys:
		row.Keys = t.keys(cmp.Or(t.org, t.findKey(&orgSide, &r.record)), t.findKey(&userSide, &r.record), r.Connection)
	case row.OrgID == "" || row.UserID == "":
		row.Keys = t.keys(org, user, r.Connection)
	}
	if row.Err = t.judge(&row, r, named, org, user); row.Err != nil {
		t.leaveOut(&row, named, org, user)
	} else if t.columns.results() {
		row.Err = t.earlier(r.result())
	}
	if row.Err == nil {
		t.noteRow(row, org, user)
	} else {
		row.Keys = nil
	}
	return row
}

// leaveOut takes out of a row that is rejected what must not get into a file that
// is an input again.
func (t *Table) leaveOut(row *importer.Row, named, org, user ref) {
	if !survives(org.value) {
		row.OrgID = ""
		row.Err = &rowError{importer.CodeRowUnreadable, fmt.Sprintf("%v: %s", row.Err, shorten(org.value))}
	}
	if !survives(user.value) {
		row.UserID = ""
		row.Err = &rowError{importer.CodeRowUnreadable, fmt.Sprintf("%v: %s", row.Err, shorten(user.value))}
	}
	if row.Keys != nil && !survives(row.Keys.Connection) {
		row.Err = &rowError{importer.CodeRowUnreadable, fmt.Sprintf("%v: %s", row.Err, shorten(row.Keys.Connection))}
	}
	if row.OrgID == "" && named.value != "" {
		row.UserID = "" // with --org the row would seem to be of that organization
	}
	if unread := (*rowError)(nil); errors.As(row.Err, &unread) && unread.code == importer.CodeRowUnreadable {
		for i := range row.Kept {
			if f := t.columns.fieldAt(t.columns.kept[i]); fieldNone < f && f <= fieldConnection {
				row.Kept[i] = ""
			}
		}
		if t.emails {
			row.Args[0] = ""
		}
	}
}

// survives reports whether a value comes back as it is from a results file that a
// spreadsheet has saved: in another encoding, or with the result of a formula in
// its place.
func survives(value string) bool {
	return !strings.HasPrefix(value, "=") && !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' })
}

// unreadRow takes the ids out of a row and returns why it is rejected.
func unreadRow(row *importer.Row, text string) error {
	row.OrgID, row.UserID = "", ""
	return &rowError{importer.CodeRowUnreadable, text}
}

// id returns the value if it is an id. The record's values share their memory:
// the id is copied, so that a row that waits does not hold on to all of them.
func (t *Table) id(r ref, kind string) string {
	switch {
	case r.kind != kind:
		return ""
	case len(t.columns.kept) == 0:
		return strings.Clone(r.value)
	}
	return r.value
}

func (t *Table) keys(org, user ref, connection string) *importer.Keys {
	var k importer.Keys
	if org.kind != importer.KindOrgID && org.value != "" {
		k.Org = importer.Key{Kind: org.kind, Value: strings.Clone(org.value)}
	}
	if user.kind != importer.KindUserID && user.value != "" {
		k.User = importer.Key{Kind: user.kind, Value: strings.Clone(user.value)}
		k.Connection = strings.Clone(cmp.Or(connection, t.connection))
	}
	if k == (importer.Keys{}) {
		return nil
	}
	return &k
}

// judge returns why the row is not to be sent, as far as the row itself tells.
// What could not be written to a file and read back as it is, it takes out of
// the row.
func (t *Table) judge(row *importer.Row, r raw, named, org, user ref) error {
	if t.columns.results() && importer.Status(strings.TrimSpace(r.Status)) == importer.Rejected {
		if t.staysRejected(r, named, user) {
			t.found.stay.add(1, r.line)
			return &rowError{strings.TrimSpace(r.Code), cmp.Or(strings.TrimSpace(r.Message), "rejected by an earlier run")}
		}
	}
	switch {
	case t.isHeader(&r.record, &userSide, &orgSide):
		return unreadRow(row, "the header again, with its columns in another order")
	case (isRule(org.value) || org.from == fieldNone) && isRule(user.value):
		return unreadRow(row, "a ruled line, not a row")
	case org.from == fieldNone && rowCount.MatchString(user.value):
		return unreadRow(row, "a count of rows, not a row")
	case isComment(org) || isComment(user):
		return unreadRow(row, fmt.Sprintf("a comment, not a row: %s", shorten(cmp.Or(named.value, user.value))))
	case t.columns.results() && (scientific.MatchString(org.value) || scientific.MatchString(user.value)):
		return unreadRow(row, "a spreadsheet has rounded a number")
	case t.columns.results() && r.unended && row.Keys != nil: // which stand at the end
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

// isComment reports whether a value is text behind the mark of a comment, where
// there could be an id.
func isComment(r ref) bool {
	return strings.HasPrefix(r.value, "#") && r.from != fieldNone && otherShape(r.value) != shapeNull &&
		(r.kind == importer.KindOrgID || r.kind == importer.KindUserID || r.kind == "name")
}

// sameOrg reports whether the organization that a row names can be the one that
// --org does. The ids in a results file are those that a name has led to.
func (t *Table) sameOrg(named ref) bool {
	if t.columns.results() && named.kind != t.org.kind {
		return true
	}
	return named.kind == t.org.kind && named.value == t.org.value
}

// staysRejected reports whether a row that an earlier run has rejected is as it
// was. A row whose keys led to nobody is looked up again, and one that somebody
// has given its ids is taken as it is now. Any other is rejected until its
// status is removed: the file does not say with which flags its other columns
// were read.
func (t *Table) staysRejected(r raw, org, user ref) bool {
	switch strings.TrimSpace(r.Code) {
	case "":
		return r.OrgID == "" && t.org.value == "" || r.UserID == ""
	case codeOtherOrg:
		return org.kind != t.org.kind || org.value != t.org.value
	}
	return org.value == "" && t.org.value == "" || user.value == ""
}

// isHeader reports whether the record has names of columns as its values: those
// of the side first where the organization should be, and of the side second
// where the user should be.
func (t *Table) isHeader(r *record, first, second *side) bool {
	return t.namesColumn(r, &userSide, second) && (len(t.columns.of(&orgSide)) == 0 || t.namesColumn(r, &orgSide, first))
}

// namesColumn reports whether the record has the name of a column of the side
// named in a column of the side s.
func (t *Table) namesColumn(r *record, s, named *side) bool {
	for _, f := range s.fields {
		if v := *r.value(f); v != "" && t.columns.isNameOf(v, named) {
			return true
		}
	}
	return false
}

func (c *columns) isNameOf(value string, s *side) bool {
	for _, f := range s.fields {
		if c.at[f] >= 0 && len(c.name(f)) == len(value) && strings.EqualFold(c.name(f), value) {
			return true
		}
	}
	return false
}

// kept returns the values that are copied to the results: those that a later
// run may look at are cleaned as this one does.
func (t *Table) kept(r raw) []string {
	for i, value := range r.kept {
		if f := t.columns.fieldAt(t.columns.kept[i]); f != fieldNone {
			r.kept[i] = strings.ToValidUTF8(t.withoutApostrophe(f, clean(value)), "\uFFFD")
		} else {
			r.kept[i] = keep(value)
		}
	}
	return r.kept
}

// keep returns a value as it is copied to the results.
func keep(value string) string {
	return strings.ToValidUTF8(strings.TrimSpace(value), "\uFFFD")
}

// Result is what a results file says of a row beside its ids.
type Result struct {
	Line          int // of the results file
	Status        importer.Status
	Code, Message string
	CorrelationID string
}

// resultsHeader is how the results and failures files of a run begin. Columns
// that were copied come behind it.
var resultsHeader = []string{
	"line", "org_id", "user_id", "status", "http_status",
	"error_code", "message", "attempts", "correlation_id", "timestamp",
}

// Where things are in them.
const (
	resultsOrg           = 1
	resultsUser          = 2
	resultsStatus        = 3
	resultsCode          = 5
	resultsMessage       = 6
	resultsCorrelationID = 8
)

func isResults(names []string) bool {
	return len(names) >= len(resultsHeader) && slices.Equal(names[:len(resultsHeader)], resultsHeader)
}

// result returns what a line of a results file says beside the ids.
func (r *raw) result() Result {
	return Result{
		Line:   r.line,
		Status: importer.Status(strings.TrimSpace(r.Status)), Code: strings.TrimSpace(r.Code),
		Message: strings.TrimSpace(r.Message), CorrelationID: strings.TrimSpace(r.CorrelationID),
	}
}

// Settled returns what is known of a row with this result in an import; nil if
// it is to be sent.
func Settled(r Result) error {
	switch r.Status {
	case importer.Added, importer.AlreadyMember:
		return &importer.Settled{Status: importer.AlreadyMember, Message: "in already, by the results of an earlier run"}
	case importer.Duplicate:
		return &importer.Settled{Status: importer.Duplicate, Message: "same pair as an earlier line, by the results of an earlier run"}
	}
	return nil
}

// isOwn reports whether a file that begins with head is one of ours, as written
// or as a spreadsheet has saved it.
func isOwn(head []byte) bool {
	text, _ := decode(bufio.NewReaderSize(bytes.NewReader(head), sniffSize), "")
	head, _ = text.Peek(sniffSize)
	head = bytes.TrimLeft(head, "\r\n \t")
	if line, rest, _ := bytes.Cut(head, []byte("\n")); len(line) > 0 {
		if _, ok := sepLine(line); ok {
			head = rest
		}
	}
	for _, delimiter := range delimiters {
		names := splitHeader(bytes.ReplaceAll(head, []byte("\r"), []byte("\n")), delimiter)
		for i, name := range names {
			names[i] = cleanName(name)
		}
		if isResults(names) {
			return true
		}
	}
	return false
}
