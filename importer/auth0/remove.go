package auth0

import (
	"net/http"

	"orgimport/importer"
)

// Remove returns the operation that takes users out of organizations, with
// DELETE /api/v2/organizations/{id}/members. It shares its limit with adding.
// Taking out a user who is not in is no error, so a request whose answer was
// lost is safe to repeat.
//
// The errors of its Send are those of [Client.Import].
func (c *Client) Remove() importer.Op {
	return importer.Op{Name: "remove", Prefix: "or", Size: MaxMembers, Done: importer.Removed, Send: c.writeMembers(http.MethodDelete)}
}
