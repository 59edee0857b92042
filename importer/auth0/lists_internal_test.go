package auth0

import "testing"

// SetMaxPages bounds lists to fewer pages until the end of the test.
func SetMaxPages(t *testing.T, n int) {
	before := maxPages
	maxPages = n
	t.Cleanup(func() { maxPages = before })
}
