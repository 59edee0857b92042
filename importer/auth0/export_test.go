package auth0

import "testing"

// Refuse is called by Bearer when the API has refused a token.
func (s *TokenSource) Refuse(token string, why *Error) { s.refuse(token, why) }

// SetMaxPages bounds lists to fewer pages until the end of the test.
func SetMaxPages(t *testing.T, n int) {
	before := maxPages
	maxPages = n
	t.Cleanup(func() { maxPages = before })
}
