package auth0

import (
	"context"
	"encoding/json"
	"iter"
	"net/url"
	"slices"
	"strings"
)

// Member is a user in an organization.
type Member struct {
	UserID string  `json:"user_id"`
	Email  string  `json:"email"`
	Name   string  `json:"name"`
	Roles  RoleIDs `json:"roles"` // in this organization
}

// What there is to know of a [Member] beside the user's id. Roles take the scope
// read:organization_member_roles.
const (
	FieldEmail = "email"
	FieldName  = "name"
	FieldRoles = "roles"
)

// Members yields the members of an organization, with their ids and those other
// fields, page by page as it is ranged over. Right after a member was added the
// API may not show it yet ("subject to eventual consistency"), and one may be
// shown twice if members come and go meanwhile.
//
// An error ends the sequence. It is one of those of [Client.Import].
func (c *Client) Members(ctx context.Context, orgID string, fields ...string) iter.Seq2[Member, error] {
	path, err := organizationPath(orgID, "members")
	if err != nil {
		return func(yield func(Member, error) bool) { yield(Member{}, err) }
	}
	return list[Member](ctx, c, path, "members", url.Values{
		"fields":         {strings.Join(append([]string{"user_id"}, fields...), ",")},
		"include_fields": {"true"},
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
