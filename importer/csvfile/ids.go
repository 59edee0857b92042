package csvfile

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

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

// checkIDs returns why no tenant could hold such a pair of ids, and nil if one
// could. It does not ask for "org_" or "|": the server knows better which ids
// there are.
func checkIDs(orgID, userID string) error {
	switch {
	case orgID == "" && userID == "":
		return errors.New("the organization and the user are empty")
	case orgID == "":
		return errors.New("the organization is empty")
	case userID == "":
		return errors.New("the user is empty")
	}
	if err := checkOrgID(orgID); err != nil {
		return fmt.Errorf("the organization's id %w", err)
	}
	if err := checkText(userID, maxUserID); err != nil {
		return fmt.Errorf("the user's id %w", err)
	}
	return nil
}

// checkOrgID is stricter than checkText, because the id becomes a segment of a
// path, where "." and ".." name others.
func checkOrgID(id string) error {
	switch err := checkText(id, maxOrgID); {
	case id == "." || id == "..":
		return fmt.Errorf("is %q, which no path can hold", id)
	case err != nil:
		return err
	case !isPlain(id) && strings.ContainsFunc(id, unicode.IsSpace):
		return errors.New("holds white space")
	}
	return nil
}

func checkText(id string, longest int) error {
	if isPlain(id) && len(id) <= longest {
		return nil
	}
	switch {
	case !utf8.ValidString(id):
		return errors.New("is not UTF-8 (if the file is in Windows-1252, say so with --encoding windows-1252)")
	case strings.ContainsRune(id, utf8.RuneError):
		return errors.New("holds U+FFFD, the mark of a character that was lost in a conversion")
	case strings.ContainsAny(id, "\n\r\u0085\u2028\u2029"):
		return errors.New("holds a line break")
	case strings.ContainsFunc(id, unicode.IsControl):
		return errors.New("holds a control character")
	case utf8.RuneCountInString(id) > longest:
		return fmt.Errorf("is longer than %d characters", longest)
	}
	return nil
}

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

// checkSwapped returns an error if most of the rows have a user's id in the
// column of the organization and the other way round. Every request of such an
// import would fail.
func (t *Table) checkSwapped(rows []importer.Row) error {
	if t.columns.org < 0 {
		return nil
	}
	swapped := 0
	for _, row := range rows {
		if isUserShaped(row.OrgID) && isOrgShaped(row.UserID) {
			swapped++
		}
	}
	if 2*swapped <= len(rows) {
		return nil
	}
	org, user := t.columns.names[t.columns.org], t.columns.names[t.columns.user]
	return &InputError{
		text: fmt.Sprintf("the columns look swapped: %q has users, %q has organizations", org, user),
		hint: fmt.Sprintf("--org-column %s --user-column %s", shellWord(user), shellWord(org)),
	}
}

func isOrgShaped(id string) bool { return strings.HasPrefix(id, "org_") }

func isUserShaped(id string) bool {
	i := strings.IndexByte(id, '|')
	return i > 0 && i < len(id)-1
}

// shellWord quotes a header so that it can be pasted into a shell.
func shellWord(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.", r)
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
