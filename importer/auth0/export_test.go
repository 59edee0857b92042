package auth0

import "testing"

// Refuse is called by Bearer when the API has refused a token.
func (s *TokenSource) Refuse(token string, why *Error) { s.refuse(token, why) }

// Role is a role as the API lists it.
type Role = role

// NewRoles returns the roles of a list.
func NewRoles(roles ...Role) *Roles {
	rs := &Roles{byName: make(map[string][]string), types: make(map[string]bool)}
	for _, r := range roles {
		rs.add(r)
	}
	return rs
}

// SetMaxPages bounds lists to fewer pages until the end of the test.
func SetMaxPages(t *testing.T, n int) {
	before := maxPages
	maxPages = n
	t.Cleanup(func() { maxPages = before })
}
