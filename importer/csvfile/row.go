package csvfile

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"orgimport/importer"
)

// raw is a record before it becomes a row.
type raw struct {
	values values
	kept   []string // nil unless columns are kept
	line   int      // where it starts
	lines  int      // in it
	err    error    // why it can't be read: then it has no values

	swallowed int  // how many of its lines look like rows of their own
	unended   bool // it is the last and has no line end
}

func (r *raw) result() Result {
	value := func(f field) string { return trim(r.values[f]) }
	return Result{
		Line: r.line, Status: importer.Status(strings.ToLower(value(fieldStatus))),
		Code: value(fieldCode), Message: value(fieldMessage), CorrelationID: value(fieldCorrelationID),
	}
}

// nextRow returns the next record that Dialect asks for. It skips the header where
// it comes again, as in files that were joined.
func (t *Table) nextRow() (raw, error) {
	if len(t.peeked) > 0 {
		r := t.peeked[0]
		t.peeked = t.peeked[1:]
		return r, nil
	}
	for {
		r, err := t.next()
		if err != nil || r.err != nil {
			return r, err
		}
		only := t.dialect.Only
		asked := only == nil || !t.columns.results() || only(r.result())
		if asked && !t.columns.isHeader(&r.values, &t.columns.org, &t.columns.user) {
			return r, nil
		}
	}
}

// next returns the next record. At the end of the file the error is io.EOF, or an
// *InputError if the end came too early.
func (t *Table) next() (raw, error) {
	if !t.lines.advance() {
		return raw{}, cmp.Or(t.broken(), io.EOF)
	}
	if t.lines.long {
		return t.unread("the line is longer than 1 MiB"), nil
	}
	var rec any
	var rest map[string]string // of columns without a field
	var err error
	if len(t.columns.kept) > 0 {
		rec, rest, err = t.records.ReadUnmatched()
	} else {
		rec, err = t.records.Read()
	}
	if err != nil {
		return t.lenient(err), nil
	}
	r := raw{values: rec.(*record).Values, line: t.lines.start, lines: t.lines.count, unended: t.lines.unended}
	r.values.clean()
	if r.lines > 1 && strings.Contains(r.values.find(&t.columns.org).value+r.values.find(&t.columns.user).value, "\n") {
		// A quote was not closed, and another, lines below, was taken for its
		// end. The lines in between are rows.
		return t.unread("the quotes make an id of several lines"), nil
	}
	if t.comments && t.lines.firstLine()[0] == '#' {
		return t.unread(textComment), nil
	}
	r.swallowed = t.swallowed()
	for _, i := range t.columns.kept {
		value, ok := rest[t.records.Headers[i]]
		if !ok {
			value = r.values[t.columns.fieldAt(i)]
		}
		r.kept = append(r.kept, value)
	}
	return r, nil
}

// broken returns why the file can't be read to its end; nil if it could.
func (t *Table) broken() error {
	e, ok := errors.AsType[*InputError](t.lines.broken())
	if !ok {
		return nil
	}
	here := *e
	here.line = t.lines.start
	if last := t.lines.start - 1; last > 0 {
		here.text += fmt.Sprintf(", after line %d", last)
	}
	return &here
}

const textComment = "a comment, not a row"

// swallowed returns how many lines of the record, after its first, look like rows.
func (t *Table) swallowed() (rows int) {
	for line := range bytes.Lines(t.lines.record()[t.lines.first:]) {
		if values := cut(string(line), t.delimiter); t.fits(values) && (looksLikeRow(values) || t.namesUser(values)) {
			rows++
		}
	}
	return rows
}

// namesUser reports whether the values have an e-mail address, or an id as Auth0
// makes them, in a column of the user.
func (t *Table) namesUser(values []string) bool {
	return slices.ContainsFunc(t.columns.of(&t.columns.user), func(i int) bool {
		return strings.ContainsAny(valueAt(values, i), "@|") && !strings.ContainsAny(values[i], " \t")
	})
}

// lenient reads a record that encoding/csv has refused with err, if there is only
// one way to read it.
func (t *Table) lenient(err error) raw {
	if errors.Is(err, csv.ErrFieldCount) {
		values, _ := newReader(bytes.NewReader(t.lines.record()), t.delimiter).Read()
		if t.fits(values) || t.namesBoth(values) {
			return t.rawOf(values)
		}
		return t.unread(t.widthText(values))
	}
	if t.lines.count == 1 {
		if values := cut(string(t.lines.firstLine()), t.delimiter); t.fits(values) && t.unquoted(values) {
			return t.rawOf(values)
		}
	}
	return t.unread(quoteText(err, t.lines.firstLine()))
}

// unquoted reports whether the values with a field have no quotes, other than those
// of a formula, and no quote is opened that is never closed.
func (t *Table) unquoted(values []string) bool {
	for _, i := range t.columns.at {
		if strings.Contains(unwrapFormula(valueAt(values, i)), `"`) {
			return false
		}
	}
	return !slices.ContainsFunc(values, func(v string) bool { return strings.LastIndexByte(v, '"') == 0 })
}

// fits reports whether a record has as many values as the header has names, apart
// from empty ones at the end, which spreadsheets write. If it has more, all after
// the last column with a field must be empty: an id that holds the delimiter and has
// no quotes moves the values after it by one.
func (t *Table) fits(values []string) bool {
	switch n := len(t.columns.names); {
	case len(values) < n:
		return len(values) >= t.columns.width()
	case len(values) == n:
		return true
	}
	return strings.Join(values[slices.Max(t.columns.at[:])+1:], "") == ""
}

// namesBoth reports whether a record that ends too early names its organization and
// its user all the same: spreadsheets leave out empty values at the end of a row.
// But the last line of a file may be cut off, and a user with white space in it may
// be the rest of a value of two lines.
func (t *Table) namesBoth(values []string) bool {
	if len(values) >= len(t.columns.names) || t.lines.unended {
		return false
	}
	r := t.rawOf(values)
	org, user := r.values.find(&t.columns.org), r.values.find(&t.columns.user)
	if t.dialect.noUsers() {
		return org.value != ""
	}
	return (org.value != "" || t.org.value != "") && user.value != "" && !strings.ContainsFunc(user.value, isUnseen)
}

func (t *Table) rawOf(values []string) raw {
	r := raw{line: t.lines.start, lines: t.lines.count, unended: t.lines.unended}
	for f, i := range t.columns.at {
		r.values[f] = valueAt(values, i)
	}
	r.values.clean()
	for _, i := range t.columns.kept {
		r.kept = append(r.kept, valueAt(values, i))
	}
	return r
}

// unread returns a record without values: what is not certain must not get into a
// file that may be an input again. Its error is the text and the line.
//
// The record ends with its first line, as a stray quote may have swallowed rows.
func (t *Table) unread(text string) raw {
	t.lines.retreat()
	line := bytes.TrimSpace(t.lines.firstLine())
	if bytes.HasPrefix(line, []byte("#")) {
		text = textComment
	}
	excerpt := strings.ToValidUTF8(truncate(string(line), 200), "\uFFFD")
	r := raw{line: t.lines.start, lines: 1, err: &importer.Rejection{Code: importer.CodeRowUnreadable, Message: text + ": " + excerpt}}
	if len(t.columns.kept) > 0 {
		r.kept = make([]string, len(t.columns.kept))
	}
	return r
}

// quoteText puts into words what encoding/csv says about quotes.
func quoteText(err error, line []byte) string {
	switch {
	case bytes.Contains(line, []byte(`\"`)):
		return `a backslash before a quote, where CSV doubles the quote`
	case bytes.HasPrefix(line, []byte(`""`)):
		return "doubled quotes, where CSV has one"
	case errors.Is(err, csv.ErrBareQuote):
		return "a quote inside a value that does not begin with one"
	case errors.Is(err, csv.ErrQuote):
		return "a quoted value that is not closed, or goes on after its closing quote"
	}
	return err.Error()
}

// widthText says that a record has more or fewer values than the header has names.
func (t *Table) widthText(values []string) string {
	got, want := len(values), len(t.columns.names)
	text := fmt.Sprintf("%d fields, the header has %d", got, want)
	if got == 1 {
		text = fmt.Sprintf("1 field, the header has %d", want)
		if line := t.lines.firstLine(); line[0] == '"' && bytes.ContainsRune(line, t.delimiter) {
			text += "; the line is quoted as a whole"
		}
	}
	switch {
	case got == want+1 && t.fits(values[1:]) && strings.Trim(values[0], "0123456789") == "":
		text += "; if the first is the number of the row, the header needs a name for it"
	case got > want:
		text += fmt.Sprintf("; a value that holds the delimiter (%s) must be in quotes, or the file have another", delimiterName(t.delimiter))
	}
	return text
}

// row makes a row of a record.
func (t *Table) row(r raw) importer.Row {
	t.noteRecord(r)
	row := importer.Row{Line: r.line, Unended: r.unended, Kept: t.kept(r)}
	switch {
	case t.dialect.Roles:
		row.Args = []string{clean(r.values[fieldRoles])}
	case t.dialect.OrgNames:
		row.Args = []string{""}
	}
	if r.err != nil {
		if t.org.isID() {
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
	if org.value == "" || t.columns.results() && org.kind != t.org.kind && t.org.isID() {
		org = cmp.Or(t.org, org)
	}
	row.OrgID, row.UserID = org.id(), user.id()
	connection := r.values[fieldConnection]
	switch {
	case t.dialect.OrgNames:
		row.Args[0] = org.key().Value
	case t.dialect.Keys:
		row.Keys = t.keys(cmp.Or(t.org, r.values.findKey(&t.columns.org)), r.values.findKey(&t.columns.user), connection)
	case row.OrgID == "" || row.UserID == "":
		row.Keys = t.keys(org, user, connection)
	}
	if row.Err = t.reject(&row, &r, named, org, user); row.Err != nil {
		t.redact(&row, named, org, user)
	} else if t.columns.results() {
		row.Err = t.dialect.Earlier(r.result())
	}
	switch {
	case row.Err == nil:
		t.noteRow(row, org, user)
		if t.columns.results() {
			t.noteChanged(r.result(), org, user)
		}
	case t.dialect.Keys && !isUnreadable(row.Err):
		row.Keys = &importer.Keys{Org: org.key(), User: importer.Key{Kind: user.kind, Value: strings.Clone(user.value)}}
	default:
		row.Keys = nil
	}
	return row
}

// isUnreadable reports whether err rejects a row that can't be read with certainty.
func isUnreadable(err error) bool {
	e, ok := errors.AsType[*importer.Rejection](err)
	return ok && e.Code == importer.CodeRowUnreadable
}

func (t *Table) keys(org, user identifier, connection string) *importer.Keys {
	k := importer.Keys{Org: org.key(), User: user.key()}
	if k.User != (importer.Key{}) {
		k.Connection = strings.Clone(cmp.Or(connection, t.dialect.Connection))
	}
	if k == (importer.Keys{}) {
		return nil
	}
	return &k
}

// kept returns the values that are copied to the results. It cleans those with a
// field, because a later run may use them.
func (t *Table) kept(r raw) []string {
	for i, value := range r.kept {
		if f := t.columns.fieldAt(t.columns.kept[i]); f != fieldNone {
			value = t.withoutApostrophe(f, clean(value))
		}
		r.kept[i] = strings.ToValidUTF8(strings.TrimSpace(value), "\uFFFD")
	}
	return r.kept
}

// withoutApostrophe returns a clean value of the field without the apostrophe
// that Auth0's own export writes before every text, if it wrote the column.
func (t *Table) withoutApostrophe(f field, value string) string {
	if t.exported[f] {
		return clean(strings.TrimPrefix(value, "'"))
	}
	return value
}

// noteRecord notes what is unusual about a record, whatever becomes of it.
func (t *Table) noteRecord(r raw) {
	if r.err != nil {
		return
	}
	if r.swallowed > 0 {
		t.found.swallowed.add(r.swallowed, r.line, "")
	} else if r.lines > 1 {
		t.found.spans.add(1, r.line, "")
	}
	for i, value := range r.kept {
		if !utf8.ValidString(value) {
			t.found.misread.add(1, r.line, t.Kept[i])
		}
	}
}

// SettledByImport returns the Err of a row that has this result of an earlier
// import; nil if the row is to be sent.
func SettledByImport(r Result) error {
	switch {
	case r.Status.Claim() == importer.ClaimMember:
		return &importer.Decided{Status: importer.AlreadyMember, Message: "in already, according to the results of an earlier run", CorrelationID: r.CorrelationID}
	case r.Status == importer.Duplicate:
		return &importer.Decided{Status: importer.Duplicate, Message: "same pair as an earlier line, according to the results of an earlier run"}
	}
	return nil
}

// checkStatus returns an error if the record has a status that no run writes.
func (t *Table) checkStatus(r raw) error {
	if !t.columns.results() || r.values[fieldStatus] == "" || r.result().Status.Known() {
		return nil
	}
	return &InputError{
		line: r.line, text: "no run writes the status " + strconv.Quote(truncate(r.values[fieldStatus], 40)),
		Hint: "correct it, or empty it to have the row read anew; if the column is your own, rename it",
	}
}

// reject returns why the row is not to be sent, as far as the row itself tells. It
// takes the ids out of a row of which they are not certain.
func (t *Table) reject(row *importer.Row, r *raw, named, org, user identifier) error {
	results := t.columns.results()
	if results {
		if said := r.result(); said.Status == importer.Rejected && t.staysRejected(said.Code, r, named, user) {
			t.found.stay.add(1, r.line, "")
			return &importer.Rejection{Code: said.Code, Message: cmp.Or(said.Message, "rejected by an earlier run")}
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
	case results && r.unended && (row.Keys != nil || t.dialect.OrgNames): // which are at the end
		return unreadRow(row, "the last line has no line end: the file is cut off")
	case isUserShaped(org.value) && isOrgShaped(user.value):
		return &importer.Rejection{Message: "the ids are swapped: the organization is where the user should be"}
	case t.org.value != "" && named.value != "" && !t.sameOrg(named):
		return &importer.Rejection{Code: importer.CodeOtherOrg, Message: fmt.Sprintf("the row is of organization %q, --org says %q", named.value, t.org.value)}
	}
	return t.checkIDs(row, org, user)
}

// staysRejected reports whether a row that an earlier run rejected with that code
// is unchanged. A row whose keys led to nobody is looked up again, and one that was
// given its ids is read anew. Any other stays rejected until its status is removed:
// the file does not say with which flags its other columns were read.
func (t *Table) staysRejected(code string, r *raw, org, user identifier) bool {
	switch code {
	case "":
		return !t.dialect.OrgNames && (r.values[fieldOrgID] == "" && t.org.value == "" || r.values[fieldUserID] == "")
	case importer.CodeOtherOrg:
		return org.kind != t.org.kind || org.value != t.org.value
	}
	return org.value == "" && t.org.value == "" || user.value == "" && !t.dialect.OrgNames
}

// sameOrg reports whether the organization that a row names can be Dialect.OrgID. A
// results file has the id that a name has led to.
func (t *Table) sameOrg(named identifier) bool {
	if named.kind != t.org.kind {
		return t.columns.results()
	}
	return named.value == t.org.value
}

// rowCount is what database clients write below the rows.
var rowCount = regexp.MustCompile(`^\(\d+ rows?( affected)?\)$`)

// isComment reports whether there is a comment in place of an id or a name.
func isComment(r identifier) bool {
	return strings.HasPrefix(r.value, "#") && r.from != fieldNone && otherShape(r.value) != shapeNull &&
		(r.isID() || r.kind == importer.KindOrgName)
}

// unreadRow takes the ids out of a row and returns why it is rejected.
func unreadRow(row *importer.Row, text string) error {
	row.OrgID, row.UserID = "", ""
	return &importer.Rejection{Code: importer.CodeRowUnreadable, Message: text}
}

// redact takes out of a rejected row what must not get into a file that may be
// an input again.
func (t *Table) redact(row *importer.Row, named, org, user identifier) {
	lost := func(value string) bool {
		if roundTrips(value) {
			return false
		}
		row.Err = &importer.Rejection{Code: importer.CodeRowUnreadable, Message: fmt.Sprintf("%v: %s", row.Err, shorten(value))}
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
		row.UserID = "" // read with Dialect.OrgID, the row would name that organization
	}
	if isUnreadable(row.Err) {
		for i := range row.Kept {
			if f := t.columns.fieldAt(t.columns.kept[i]); fieldNone < f && f <= fieldConnection {
				row.Kept[i] = ""
			}
		}
		if t.dialect.Emails || t.dialect.OrgNames {
			row.Args[0] = ""
		}
	}
}

// checkIDs returns why no tenant could hold what the row names; nil if one could. It
// does not require "org_" or "|": the server knows better which ids there are.
func (t *Table) checkIDs(row *importer.Row, org, user identifier) error {
	switch {
	case t.dialect.orgsOnly && org.value == "":
		return nil
	case org.value == "" && user.value == "" && !t.dialect.OrgNames:
		return errors.New("the organization and the user are empty")
	case org.value == "":
		return errors.New("the organization is empty")
	case user.value == "" && !t.dialect.noUsers():
		return errors.New("the user is empty")
	}
	if err := checkOrg(org.kind, org.value); err != nil {
		return fmt.Errorf("the organization's %s %w", org.title(), err)
	}
	if t.dialect.noUsers() {
		return nil
	}
	if err := checkUser(user.kind, user.value); err != nil {
		return fmt.Errorf("the user's %s %w", user.title(), err)
	}
	if row.Keys != nil && row.Keys.Connection != "" {
		if err := checkText(row.Keys.Connection, maxUserID, "connection"); err != nil {
			return fmt.Errorf("the connection's name %w", err)
		}
	}
	return t.checkMeant(row, org, user)
}

// checkMeant returns why the values could be ids but are not those that the file was
// meant to name.
func (t *Table) checkMeant(row *importer.Row, org, user identifier) error {
	switch {
	case t.delimiter == '|' && slices.Contains(providers, user.value):
		return unreadRow(row, fmt.Sprintf("%q is the beginning of an id that holds the delimiter: put it in quotes, or take another delimiter", user.value))
	case t.text.encoding.misread(org.value) || t.text.encoding.misread(user.value):
		return unreadRow(row, fmt.Sprintf("%q, %q is UTF-8 that was read as %s: leave out --encoding", org.value, user.value, t.text.encoding.title))
	}
	return nil
}

// providers are the beginnings of user ids, before the first "|".
var providers = []string{
	"ad", "adfs", "amazon", "apple", "auth0", "auth0-adldap", "baidu", "bitbucket", "box", "con", "custom", "dropbox", "email",
	"evernote", "facebook", "fitbit", "github", "google-apps", "google-oauth2", "instagram", "ip", "line", "linkedin", "oauth1",
	"oauth2", "office365", "oidc", "okta", "paypal", "pingfederate", "salesforce", "saml", "samlp", "sfdc", "sharepoint",
	"shopify", "sms", "soundcloud", "twitter", "vkontakte", "waad", "weibo", "windowslive", "wordpress", "yahoo", "yandex",
}
