package importer

import (
	"fmt"
	"strings"
)

// checkSwapped returns an error if most of the rows have a user's id in the
// column of the organization and the other way round. Every request of such an
// import would fail.
func (t *Table) checkSwapped(rows []Row) error {
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
