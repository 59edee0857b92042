package csvfile

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"orgimport/importer"
)

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
	case t.dialect.OrgNames:
		row.Args[0] = org.key(importer.KindOrgID).Value
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
		row.Keys = &importer.Keys{Org: org.key(importer.KindOrgID), User: importer.Key{Kind: user.kind, Value: strings.Clone(user.value)}}
	default:
		row.Keys = nil
	}
	return row
}

// isUnreadable reports whether err rejects a row because it is not certain what it
// says.
func isUnreadable(err error) bool {
	e, ok := errors.AsType[*importer.Rejection](err)
	return ok && e.Code == importer.CodeRowUnreadable
}

// id returns the value if it is an id of that kind. The values of a record share
// their memory: the id is copied, so that a row that waits does not keep all of
// them alive.
func (r identifier) id(kind string) string {
	if r.kind != kind {
		return ""
	}
	return strings.Clone(r.value)
}

// key returns the value unless it is an id of that kind, or empty.
func (r identifier) key(id string) importer.Key {
	if r.kind == id || r.value == "" {
		return importer.Key{}
	}
	return importer.Key{Kind: r.kind, Value: strings.Clone(r.value)}
}

func (t *Table) keys(org, user identifier, connection string) *importer.Keys {
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

// reject returns why the row is not to be sent, as far as the row itself tells.
// It takes ids out of the row that could not be written to a file and read back
// unchanged.
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

// rowCount is what database clients write below the rows.
var rowCount = regexp.MustCompile(`^\(\d+ rows?( affected)?\)$`)

// isComment reports whether a value is a comment where there could be an id.
func isComment(r identifier) bool {
	return strings.HasPrefix(r.value, "#") && r.from != fieldNone && otherShape(r.value) != shapeNull &&
		(r.kind == importer.KindOrgID || r.kind == importer.KindUserID || r.kind == importer.KindOrgName)
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
		row.UserID = "" // with --org the row would seem to be of that organization
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

// roundTrips reports whether a value comes back unchanged from a results file that a
// spreadsheet has saved: in another encoding, or with the result of a formula
// instead of it.
func roundTrips(value string) bool {
	return !strings.HasPrefix(value, "=") && !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' })
}

// The longest ids, in characters. 50 is the maxLength of an organization's id
// in the path, by the OpenAPI description of the Management API. For a user's
// id that description gives no number; 1024 is the longest that the My
// Organization API of the same tenants admits.
const (
	maxOrgID  = 50
	maxUserID = 1024
)

// checkIDs returns why no tenant could hold what the row names; nil if one could.
// It does not require "org_" or "|": the server knows better which ids there are.
func (t *Table) checkIDs(row *importer.Row, org, user identifier) error {
	switch {
	case t.dialect.NoUsers && org.value == "":
		return nil
	case org.value == "" && user.value == "" && !t.dialect.OrgNames:
		return errors.New("the organization and the user are empty")
	case org.value == "":
		return errors.New("the organization is empty")
	case user.value == "" && !t.dialect.noUsers():
		return errors.New("the user is empty")
	}
	if err := checkOrg(org); err != nil {
		return fmt.Errorf("the organization's %s %w", org.title(&orgParty), err)
	}
	if t.dialect.noUsers() {
		return nil
	}
	if err := checkUser(user); err != nil {
		return fmt.Errorf("the user's %s %w", user.title(&userParty), err)
	}
	if row.Keys != nil && row.Keys.Connection != "" {
		if err := checkText(row.Keys.Connection, maxUserID, "connection"); err != nil {
			return fmt.Errorf("the connection's name %w", err)
		}
	}
	return t.checkMeant(row, org, user)
}

// checkMeant returns why the values are not what the file was meant to say. They
// could be ids, so they must not get into a file that may be an input again.
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

// title says what the value is.
func (r identifier) title(s *party) string {
	switch r.kind {
	case s.kinds[0]:
		return "id"
	case importer.KindEmail:
		return "e-mail"
	}
	return strings.ReplaceAll(r.kind, "_", " ")
}

// checkOrg is stricter than checkText about ids, because an id becomes a segment
// of a path, where "." and ".." name other paths.
func checkOrg(org identifier) error {
	if org.kind != importer.KindOrgID {
		return checkText(org.value, maxUserID, org.kind)
	}
	id := org.value
	switch err := checkText(id, maxOrgID, org.kind); {
	case id == "." || id == "..":
		return fmt.Errorf("is %q, which no path can hold", id)
	case err != nil:
		return err
	case strings.ContainsFunc(id, unicode.IsSpace):
		return errors.New("holds white space")
	}
	return checkQuotes(id, isOrgShaped)
}

func checkUser(user identifier) error {
	if err := checkText(user.value, maxUserID, user.kind); err != nil {
		return err
	}
	return checkQuotes(user.value, func(v string) bool { return isUserShaped(v) || user.kind == importer.KindEmail })
}

// checkQuotes returns an error if a value has around it, or before it, what is no
// part of it. isValue reports whether the rest is a value.
func checkQuotes(value string, isValue func(string) bool) error {
	switch inner := otherQuotes(value); {
	case inner != value && isValue(inner):
		return errors.New("is in quotes that are none in CSV, but others in the column are not")
	case value[0] == '\'' && isValue(value[1:]):
		return errors.New("begins with an apostrophe, as in Auth0's own export, but others in the column don't")
	}
	return nil
}

func checkText(id string, longest int, kind string) error {
	switch {
	case id[0] == '=' && !isFreeText(kind):
		return errors.New("is a formula of a spreadsheet")
	case id == `\N`:
		return errors.New(`is \N, which is how databases write that there is none`)
	case isPlain(id) && len(id) <= longest:
		return nil
	case !utf8.ValidString(id):
		return errors.New("is not UTF-8 (if the file is in Windows-1252, add --encoding windows-1252)")
	case strings.ContainsRune(id, utf8.RuneError):
		return errors.New("holds U+FFFD, the mark of a character that was lost in a conversion")
	case strings.ContainsAny(id, "\n\r\u0085\u2028\u2029"):
		return errors.New("holds a line break")
	case strings.ContainsFunc(id, unicode.IsControl):
		return errors.New("holds a control character")
	case strings.ContainsFunc(id, isPicture):
		return errors.New("holds the picture of a control character, as a results file has them")
	case utf8.RuneCountInString(id) > longest:
		return fmt.Errorf("is longer than %d characters", longest)
	}
	if i := strings.IndexFunc(id, isInvisible); i >= 0 && !isFreeText(kind) {
		r, _ := utf8.DecodeRuneInString(id[i:])
		return fmt.Errorf("holds the invisible character %U", r)
	}
	return nil
}

// isFreeText reports whether keys of this kind may hold characters of no width,
// such as those that join emoji.
func isFreeText(kind string) bool {
	return kind == "display_name" || strings.Contains(kind, "metadata.")
}

// isPicture reports whether r is what a results file has instead of a character
// that would end a line or control a terminal.
func isPicture(r rune) bool { return r >= '\u2400' && r <= '\u2426' }
