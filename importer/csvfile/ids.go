package csvfile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"orgimport/importer"
)

// clean returns a value as it is meant: without white space and invisible
// characters around it, and without the formula ="…" that keeps a spreadsheet
// from taking it for a number.
func clean(value string) string {
	v := trim(value)
	if inner := unwrapFormula(v); len(inner) < len(v) {
		return trim(inner)
	}
	return v
}

// withoutApostrophe returns a clean value of the field without the apostrophe
// that stands before every text in Auth0's own export, if the column is one.
func (t *Table) withoutApostrophe(f field, value string) string {
	if t.exported[f] {
		return clean(strings.TrimPrefix(value, "'"))
	}
	return value
}

func trim(s string) string {
	s = strings.TrimSpace(s)
	if isPlain(s) {
		return s
	}
	return strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || isInvisible(r) })
}

// unwrapFormula returns the text in a formula such as ="auth0|1", and any other
// value as it is.
func unwrapFormula(s string) string {
	if len(s) < len(`=""`) || !strings.HasPrefix(s, `="`) || s[len(s)-1] != '"' {
		return s
	}
	inner := s[len(`="`) : len(s)-1]
	if strings.Contains(inner, `"`) {
		return s
	}
	return inner
}

// isInvisible reports whether r has no width and no ink: byte order marks, soft
// hyphens, joiners, marks of direction. They are pasted along with a text.
func isInvisible(r rune) bool {
	switch {
	case r < '\u00AD':
		return false
	case r >= '\u0600' && r <= '\u0605', r == '\u06DD', r == '\u070F', r == '\u08E2':
		return false // signs of Arabic and Syriac, which are seen
	case r == '\u034F', r == '\u115F', r == '\u1160', r == '\u3164', r == '\uFFA0':
		return true
	}
	return unicode.Is(unicode.Cf, r) || r >= '\uFE00' && r <= '\uFE0F'
}

// findExports finds the columns that Auth0's own export has written: those in
// which every value begins with an apostrophe, and none ends with one.
//
// A results file is not one: its ids are written as they were sent.
func (t *Table) findExports(peeked []raw) {
	if t.columns.results() {
		return
	}
	for f := fieldOrgID; f <= fieldConnection; f++ {
		all, values := true, 0
		for i := range peeked {
			if v := *peeked[i].value(f); v != "" {
				values++
				all = all && len(v) > 1 && v[0] == '\'' && v[len(v)-1] != '\''
			}
		}
		t.exported[f] = all && values > 0
	}
}

// The longest ids, in characters. 50 is the maxLength of an organization's id
// in the path, by the OpenAPI description of the Management API. For a user's
// id that description gives no number; 1024 is the longest that the My
// Organization API of the same tenants admits.
const (
	maxOrgID  = 50
	maxUserID = 1024
)

// checkRefs returns why no tenant could hold what the row names, and nil if one
// could. It does not ask for "org_" or "|": the server knows better which ids
// there are.
func (t *Table) checkRefs(row *importer.Row, org, user ref) error {
	switch {
	case org.value == "" && user.value == "":
		return errors.New("the organization and the user are empty")
	case org.value == "":
		return errors.New("the organization is empty")
	case user.value == "":
		return errors.New("the user is empty")
	}
	if err := checkOrg(org); err != nil {
		return fmt.Errorf("the organization's %s %w", org.title(&orgSide), err)
	}
	if err := checkUser(user); err != nil {
		return fmt.Errorf("the user's %s %w", user.title(&userSide), err)
	}
	if row.Keys != nil && row.Keys.Connection != "" {
		if err := checkText(row.Keys.Connection, maxUserID, "connection"); err != nil {
			return fmt.Errorf("the connection's name %w", err)
		}
	}
	return t.checkMeant(row, org, user)
}

// checkMeant returns why the values are not what the file was to say. They are
// ids nevertheless, so that they must not get into a file that is an input again.
func (t *Table) checkMeant(row *importer.Row, org, user ref) error {
	switch {
	case t.delimiter == '|' && slices.Contains(providers, user.value):
		return unreadRow(row, fmt.Sprintf("%q is the beginning of an id that holds the delimiter: put it in quotes, or take another delimiter", user.value))
	case t.encoding == encWindows1252 && (isMisread(org.value) || isMisread(user.value)):
		return unreadRow(row, fmt.Sprintf("%q, %q is UTF-8 that was read as Windows-1252: leave out --encoding", org.value, user.value))
	}
	return nil
}

// providers are what ids of users begin with, before the first "|".
var providers = []string{
	"ad", "adfs", "amazon", "apple", "auth0", "auth0-adldap", "baidu", "bitbucket", "box", "con", "custom", "dropbox", "email",
	"evernote", "facebook", "fitbit", "github", "google-apps", "google-oauth2", "instagram", "ip", "line", "linkedin", "oauth1",
	"oauth2", "office365", "oidc", "okta", "paypal", "pingfederate", "salesforce", "saml", "samlp", "sfdc", "sharepoint",
	"shopify", "sms", "soundcloud", "twitter", "vkontakte", "waad", "weibo", "windowslive", "wordpress", "yahoo", "yandex",
}

// isMisread reports whether a text that was decoded from Windows-1252 has been
// UTF-8.
func isMisread(s string) bool {
	if isPlain(s) {
		return false
	}
	raw, err := charmap.Windows1252.NewEncoder().String(s)
	return err == nil && utf8.ValidString(raw) && !isASCII(raw)
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

// title is what the value is.
func (r ref) title(s *side) string {
	switch r.kind {
	case s.kinds[0]:
		return "id"
	case importer.KindEmail:
		return "e-mail"
	}
	return strings.ReplaceAll(r.kind, "_", " ")
}

// checkOrg is stricter than checkText about ids, because an id becomes a segment
// of a path, where "." and ".." name others.
func checkOrg(org ref) error {
	if org.kind != importer.KindOrgID {
		return checkText(org.value, maxUserID, org.kind)
	}
	id := org.value
	switch err := checkText(id, maxOrgID, org.kind); {
	case id == "." || id == "..":
		return fmt.Errorf("is %q, which no path can hold", id)
	case err != nil:
		return err
	case !isPlain(id) && strings.ContainsFunc(id, unicode.IsSpace):
		return errors.New("holds white space")
	case otherQuotes(id) != id && isOrgShaped(otherQuotes(id)):
		return errOtherQuotes
	case id[0] == '\'' && isOrgShaped(id[1:]):
		return errApostrophe
	}
	return nil
}

func checkUser(user ref) error {
	id := user.value
	if err := checkText(id, maxUserID, user.kind); err != nil {
		return err
	}
	switch inner := otherQuotes(id); {
	case inner != id && (isUserShaped(inner) || user.kind == importer.KindEmail):
		return errOtherQuotes
	case id[0] == '\'' && (isUserShaped(id[1:]) || user.kind == importer.KindEmail):
		return errApostrophe
	}
	return nil
}

var (
	errApostrophe  = errors.New("begins with an apostrophe, as in Auth0's own export, but others in the column don't")
	errOtherQuotes = errors.New("is in quotes that are none in CSV, but others in the column are not")
)

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

// isFreeText reports whether what has the kind may have characters of no width,
// as a picture of several people is written with.
func isFreeText(kind string) bool {
	return kind == "display_name" || strings.Contains(kind, "metadata.")
}

// isPicture reports whether r is what a results file has for a character that
// would end a line, or steer a terminal.
func isPicture(r rune) bool { return r >= '\u2400' && r <= '\u2426' }

// isPlain reports whether id is of the visible characters of ASCII alone, as
// nearly all are.
func isPlain(id string) bool {
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return true
}

func isOrgShaped(id string) bool { return strings.HasPrefix(id, "org_") }

func isUserShaped(id string) bool {
	i := strings.IndexByte(id, '|')
	return i > 0 && i < len(id)-1
}

// isRule reports whether s is of dashes alone, as lines under a header are.
func isRule(s string) bool { return len(s) > 1 && strings.Trim(s, "-=") == "" }
