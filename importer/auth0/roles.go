package auth0

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"orgimport/importer"
)

// Role is a role of the tenant, or of one of its organizations.
type Role struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"` // tenant or organization; may be absent
}

// ofTenant reports whether the role can be given in any organization.
func (r Role) ofTenant() bool { return r.Type == "" || r.Type == "tenant" }

// Roles finds the tenant's roles by name. Those of organizations are left out: many
// may have the same name. The zero value knows no names.
type Roles struct {
	byName map[string][]string // ids
	types  map[string]bool     // by the ids of all listed roles: whether it is the tenant's
	more   bool                // the tenant may have roles that the API does not list
}

// NewRoles returns the roles of a list.
func NewRoles(roles ...Role) *Roles {
	rs := &Roles{byName: make(map[string][]string), types: make(map[string]bool)}
	for _, r := range roles {
		rs.add(r)
	}
	return rs
}

func (rs *Roles) add(r Role) {
	if _, twice := rs.types[r.ID]; twice {
		return
	}
	rs.types[r.ID] = r.ofTenant()
	if name := strings.TrimSpace(r.Name); r.ofTenant() && name != "" {
		rs.byName[name] = append(rs.byName[name], r.ID)
	}
}

// Roles reads the list of roles. It requires the scope read:roles.
func (c *Client) Roles(ctx context.Context) (*Roles, error) {
	rs := NewRoles()
	for r, err := range items(pages[Role](ctx, c, list{
		what: "the roles of the tenant", path: "/api/v2/roles", name: "roles", query: url.Values{}, byNumber: true,
	})) {
		if part, ok := errors.AsType[*ListError](err); ok && (part.Extent == Capped || part.Extent == Lagging) {
			rs.more = true
			break
		}
		if err != nil {
			return nil, err
		}
		rs.add(r)
	}
	return rs, nil
}

// IDs returns the ids of the roles that a value of a file names, in ascending
// order: the role whose name is the whole value, or the separated ones, each by its
// name or its id. Its error has the error code of the row.
func (rs *Roles) IDs(value, separators string) (RoleIDs, error) {
	value = strings.TrimSpace(value)
	if rs.byName[value] != nil && !isRoleID(value) {
		id, err := rs.id(value)
		return RoleIDs{id}, err
	}
	var ids RoleIDs
	for part := range splitAny(value, separators) {
		id, err := rs.id(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// RoleNames returns the parts of a value, in ascending order, when the tenant's roles
// are not known. Its error is that of [Roles.IDs] for an empty part.
func RoleNames(value, separators string) ([]string, error) {
	var names []string
	for part := range splitAny(strings.TrimSpace(value), separators) {
		if part = strings.TrimSpace(part); part == "" {
			return nil, errEmptyRole
		}
		names = append(names, part)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// NeedsNames reports whether a value contains anything but ids, so that the list of
// roles has to be read.
func NeedsNames(value, separators string) bool {
	for part := range splitAny(value, separators) {
		if part := strings.TrimSpace(part); part != "" && !isRoleID(part) {
			return true
		}
	}
	return false
}

func splitAny(s, separators string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for {
			i := strings.IndexAny(s, separators)
			if i < 0 {
				yield(s)
				return
			}
			_, width := utf8.DecodeRuneInString(s[i:])
			if !yield(s[:i]) {
				return
			}
			s = s[i+width:]
		}
	}
}

func isRoleID(s string) bool { return strings.HasPrefix(s, "rol_") }

// id returns the id of a role that is given by its name or its id.
func (rs *Roles) id(role string) (string, error) {
	ids := rs.byName[role]
	switch {
	case isRoleID(role): // whatever roles are called
		return role, nil
	case len(ids) == 1:
		return ids[0], nil
	case len(ids) > 1:
		return "", &importer.Rejection{Code: "role_ambiguous", Message: fmt.Sprintf("%d roles have the name %s: %s: give the id", len(ids), role, strings.Join(ids[:min(len(ids), 3)], ", "))}
	case role == "":
		return "", errEmptyRole
	}
	if rs.more {
		return "", &importer.Rejection{Code: "role_unlisted", Message: fmt.Sprintf("none of the %d roles that the API lists has the name %s: give the id", len(rs.types), role)}
	}
	return "", &importer.Rejection{Code: "role_not_found", Message: "no role of the tenant has the name " + role}
}

var errEmptyRole = &importer.Rejection{Code: "roles_empty", Message: "a role is empty"}
