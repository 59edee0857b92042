package auth0

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"orgimport/importer"
)

// MaxMembers is how many users one request can add. The number is from the prose of
// Auth0's documents ("10 members per organization per request"); the API's schema has
// no such bound.
const MaxMembers = 10

// Import returns the operation that makes users members of organizations, with
// POST /api/v2/organizations/{id}/members, sent again as long as the failure may
// pass. Adding a user twice adds them once, so a request whose answer was lost is
// safe to repeat.
//
// The error of Send is an [*Error] with the reach of the refusal, a
// [*CredentialsError], a [*ConfigError], or one of [retry.Client.Do] or of the
// transport. The receipt is filled in as far as the request got, even with an error.
func (c *Client) Import() importer.Op {
	return importer.Op{
		Name: "import", Prefix: "oi", Size: MaxMembers,
		Done: importer.Added, Already: importer.AlreadyMember, Send: c.writeMembers(http.MethodPost),
	}
}

// Remove returns the operation that takes users out of organizations, with
// DELETE /api/v2/organizations/{id}/members. It shares its limit with adding.
// Removing a user who is not a member is no error, so a request whose answer was
// lost is safe to repeat.
//
// The errors of Send are those of [Client.Import].
func (c *Client) Remove() importer.Op {
	return importer.Op{Name: "remove", Prefix: "or", Size: MaxMembers, Done: importer.Removed, Send: c.writeMembers(http.MethodDelete)}
}

// writeMembers returns a Send that uses a method on the members of an organization.
func (c *Client) writeMembers(method string) func(context.Context, importer.Batch) (importer.Receipt, error) {
	return func(ctx context.Context, b importer.Batch) (importer.Receipt, error) {
		path, err := organizationPath(b.OrgID, "members")
		return c.write(ctx, method, path, err, map[string][]string{"members": b.UserIDs()})
	}
}

// Member is a user in an organization.
type Member struct {
	UserID string  `json:"user_id"`
	Email  string  `json:"email"`
	Name   string  `json:"name"`
	Roles  RoleIDs `json:"roles"` // in this organization
}

// The fields of a [Member] beside the user's id. Roles require the scope
// read:organization_member_roles.
const (
	FieldEmail = "email"
	FieldName  = "name"
	FieldRoles = "roles"
)

// Members yields the members of an organization, with their ids and the given
// fields, page by page as it is ranged over. A member who was just added may be
// missing ("subject to eventual consistency"), and one may come twice if others are
// added or removed meanwhile.
//
// An error ends the sequence: a *[ListError], or one of those of [Client.Import] that
// end the run.
func (c *Client) Members(ctx context.Context, orgID string, fields ...string) iter.Seq2[Member, error] {
	return items(c.memberPages(ctx, orgID, fields...))
}

func (c *Client) memberPages(ctx context.Context, orgID string, fields ...string) iter.Seq2[page[Member], error] {
	path, err := organizationPath(orgID, "members")
	return pages[Member](ctx, c, list{
		what: "the members of " + orgID, path: path, err: err, name: "members", query: url.Values{
			"fields":         {strings.Join(append([]string{"user_id"}, fields...), ",")},
			"include_fields": {"true"},
		},
	})
}

// RoleIDs are the ids of roles, in ascending order.
type RoleIDs []string

// UnmarshalJSON reads roles as the API lists them, with their names.
func (ids *RoleIDs) UnmarshalJSON(data []byte) error {
	var roles []struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(data, &roles); err != nil {
		return err
	}
	*ids = make(RoleIDs, len(roles))
	for i, role := range roles {
		(*ids)[i] = role.ID
	}
	slices.Sort(*ids)
	return nil
}
