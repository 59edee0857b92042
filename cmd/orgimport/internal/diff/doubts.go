package diff

import (
	"cmp"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"orgimport/importer"
)

// The reasons to keep a member beside the error codes of rows.
const (
	reasonSameAddress = "same_address"    // as a row that --users has resolved to somebody else
	reasonUnusualID   = "unusual_id"      // of a row, which may be meant as the member's
	reasonNobodyNamed = "no_member_named" // in his organization, by any row
)

// doubts are the rows that may mean somebody whom they do not name for certain. An
// empty organization stands for any.
type doubts struct {
	anybody map[string]int // first line that may mean any member, by organization
	values  importer.Set   // of organizations and the ids or addresses of those who may be meant
	reasons map[int]string // by line
}

// of returns the line of the first row that may mean a member, 0 if none does, and why
// it may.
func (d *doubts) of(orgID, userID, email string) (line int, reason string) {
	add := func(other int) {
		if other > 0 && (line == 0 || other < line) {
			line = other
		}
	}
	for _, org := range []string{orgID, ""} {
		add(d.anybody[org])
		for _, value := range []string{userID, email} {
			if value = importer.FoldAddress(value); value != "" {
				first, _ := d.values.Line(valueKey(org, value))
				add(first)
			}
		}
	}
	return line, cmp.Or(d.reasons[line], reasonSameAddress)
}

// rejected reports whether the row on a line was rejected.
func (d *doubts) rejected(line int) bool {
	reason, found := d.reasons[line]
	return found && reason != reasonUnusualID
}

// addRejected notes whom a row may mean that is not resolved. org is its
// organization; empty if that is not known.
func (d *doubts) addRejected(row *importer.Row, code, org string, unusual func(userID string) bool) {
	d.reasons[row.Line] = cmp.Or(code, row.Err.Error())
	if code == importer.CodeRowUnreadable {
		d.mayMeanAnybody("", row.Line)
		return
	}
	if !namesUser(row, code, unusual) {
		d.mayMeanAnybody(org, row.Line)
	}
	values := append([]string{row.OrgID, row.UserID}, row.Kept...)
	if row.Keys != nil {
		values = append(values, row.Keys.User.Value)
	}
	if rejection, ok := errors.AsType[*importer.Rejection](row.Err); ok {
		values = append(values, rejection.Candidates...)
	}
	d.mayMean(org, row.Line, values...)
}

// addResolved notes whom a row may mean although it is resolved. unconfirmed says
// that this was not done by the tenant.
func (d *doubts) addResolved(row *importer.Row, unconfirmed bool) {
	if !isUserID(row.UserID) {
		d.reasons[row.Line] = reasonUnusualID
		d.mayMean(row.OrgID, row.Line, row.UserID)
	}
	if !unconfirmed {
		return
	}
	for _, value := range row.Kept {
		if strings.Contains(value, "@") {
			d.mayMean(row.OrgID, row.Line, value)
		}
	}
}

func (d *doubts) mayMeanAnybody(org string, line int) {
	if d.anybody[org] == 0 {
		d.anybody[strings.Clone(org)] = line
	}
}

func (d *doubts) mayMean(org string, line int, values ...string) {
	for _, value := range values {
		for _, spelling := range spellings(value) {
			d.values.Add(valueKey(org, spelling), line)
		}
	}
}

func valueKey(org, value string) string {
	return importer.PairKey(importer.Row{OrgID: org, UserID: value})
}

// orgOf returns the organization that a row names; empty if that is not certain.
func orgOf(row *importer.Row) string {
	if row.Err == nil {
		return row.OrgID
	}
	switch importer.Unsent(*row).Code {
	case importer.CodeOrgNotFound, importer.CodeOrgAmbiguous, importer.CodeOtherOrg, importer.CodeRowUnreadable:
		return ""
	}
	if !orgID.MatchString(row.OrgID) {
		return "" // it may be what is wrong with the row
	}
	return row.OrgID
}

// namesUser reports whether a row that is not resolved names its user by something
// that lists of members have: an id, or an e-mail address.
func namesUser(row *importer.Row, code string, unusual func(userID string) bool) bool {
	user := importer.Key{Kind: importer.KindUserID, Value: row.UserID}
	if row.UserID == "" && row.Keys != nil {
		user = row.Keys.User
	}
	switch user.Kind {
	case importer.KindUserID:
		return (code != "" || isUserID(user.Value)) && user.Value != "" && !unusual(user.Value)
	case importer.KindEmail:
		return address.MatchString(strings.TrimSpace(user.Value))
	}
	return false
}

var (
	// orgID matches what could be the id of an organization: 50 characters are the
	// most by the OpenAPI description of the Management API.
	orgID = regexp.MustCompile(`^[!-{}~]{1,50}$`)
	// userID matches the form of all ids that Auth0 gives.
	userID = regexp.MustCompile(`^[\w.-]+\|[^\s,;|%"'<>()\[\]{}]+(\|[^\s,;|%"'<>()\[\]{}]+)*$`)
	// address matches one e-mail address and nothing beside it.
	address = regexp.MustCompile(`^[^\s,;|%"'<>()\[\]{}@]+@[^\s,;|%"'<>()\[\]{}@]+$`)
)

func isUserID(id string) bool { return userID.MatchString(id) }

// spellings returns the ids and addresses that a value may hold, in the form in
// which they are compared.
func spellings(value string) []string {
	value = importer.FoldAddress(value)
	all := []string{value}
	if plain, err := url.PathUnescape(value); err == nil && plain != value {
		value = importer.FoldAddress(plain)
		all = append(all, value)
	}
	all = append(all, strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(" \t\r\n,;\"'`<>()[]{}", r) })...)
	all = slices.DeleteFunc(all, func(s string) bool { return s == "" })
	slices.Sort(all)
	return slices.Compact(all)
}
