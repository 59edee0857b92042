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

// The longest ids, in characters. 50 is the maxLength of an organization's id
// in the path, by the OpenAPI description of the Management API. For a user's
// id that description gives no number; 1024 is the longest that the My
// Organization API of the same tenants admits.
const (
	maxOrgID  = 50
	maxUserID = 1024
)

// checkRefs returns why no tenant could hold what the row names; nil if one could.
// It does not require "org_" or "|": the server knows better which ids there are.
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

// checkMeant returns why the values are not what the file was meant to say. They
// could be ids, so they must not get into a file that may be an input again.
func (t *Table) checkMeant(row *importer.Row, org, user ref) error {
	switch {
	case t.delimiter == '|' && slices.Contains(providers, user.value):
		return unreadRow(row, fmt.Sprintf("%q is the beginning of an id that holds the delimiter: put it in quotes, or take another delimiter", user.value))
	case t.text.encoding == encWindows1252 && (isMisread(org.value) || isMisread(user.value)):
		return unreadRow(row, fmt.Sprintf("%q, %q is UTF-8 that was read as Windows-1252: leave out --encoding", org.value, user.value))
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

// isMisread reports whether a text that was decoded from Windows-1252 is UTF-8.
func isMisread(s string) bool {
	if isPlain(s) {
		return false
	}
	raw, err := charmap.Windows1252.NewEncoder().String(s)
	return err == nil && utf8.ValidString(raw) && !isASCII(raw)
}

// title says what the value is.
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
// of a path, where "." and ".." name other paths.
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

// isFreeText reports whether keys of this kind may hold characters of no width,
// such as those that join emoji.
func isFreeText(kind string) bool {
	return kind == "display_name" || strings.Contains(kind, "metadata.")
}

// isPicture reports whether r is what a results file has instead of a character
// that would end a line or control a terminal.
func isPicture(r rune) bool { return r >= '\u2400' && r <= '\u2426' }
