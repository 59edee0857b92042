package auth0test

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// maxMemberRoles is how many roles a member of an organization may have,
// according to Auth0's entity limits.
const maxMemberRoles = 50

// membership is a user in an organization.
type membership struct{ orgID, userID string }

// Roles returns the ids of the roles that a user has in an organization, in the
// order in which they were given.
func (t *Tenant) Roles(orgID, userID string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.given[membership{orgID, userID}])
}

// role returns a role, and whether it exists.
func (t *Tenant) role(id string) (Role, bool) {
	if i := slices.IndexFunc(t.cfg.Roles, func(r Role) bool { return r.ID == id }); i >= 0 {
		return t.cfg.Roles[i], true
	}
	return Role{ID: id, Name: strings.TrimPrefix(id, "rol_")}, t.cfg.Roles == nil
}

// assignRoles is POST /organizations/{id}/members/{user_id}/roles. It works for
// users who are not members, as recorded.
func (t *Tenant) assignRoles(c *call) *reply {
	ids, refused := t.readRoles(c)
	if refused != nil {
		return refused
	}
	who := membership{c.PathValue("org"), c.PathValue("user")}
	if refused := t.unknownRoles(who.orgID, ids); refused != nil {
		return refused
	}
	roles := slices.Clone(t.given[who])
	for _, id := range ids {
		if !slices.Contains(roles, id) {
			roles = append(roles, id)
		} else if t.cfg.Undocumented.Reassign == http.StatusConflict {
			return refuse(http.StatusConflict, "", "The role is already assigned to this organization member.")
		}
	}
	if len(roles) > maxMemberRoles {
		return refuse(http.StatusConflict, "", "No more roles can be assigned to this organization member.")
	}
	t.given[who] = roles
	return noContent()
}

// unknownRoles refuses roles that can't be given in an organization.
func (t *Tenant) unknownRoles(orgID string, ids []string) *reply {
	unknown := indexes(ids, func(id string) bool {
		r, found := t.role(id)
		return !found || r.Organization != "" && r.Organization != orgID
	})
	if len(unknown) == 0 {
		return nil
	}
	u := &t.cfg.Undocumented
	return u.unknown(cmp.Or(u.UnknownRole, http.StatusBadRequest), "role", "roles", ids, unknown)
}

// removeRoles is DELETE /organizations/{id}/members/{user_id}/roles. Roles that
// the member does not have are no error, as recorded.
func (t *Tenant) removeRoles(c *call) *reply {
	ids, refused := t.readRoles(c)
	if refused != nil {
		return refused
	}
	who := membership{c.PathValue("org"), c.PathValue("user")}
	t.given[who] = slices.DeleteFunc(t.given[who], func(id string) bool { return slices.Contains(ids, id) })
	return noContent()
}

// readRoles reads a write of a member's roles.
func (t *Tenant) readRoles(c *call) ([]string, *reply) {
	var body struct{ Roles []string }
	if refused := t.read(c, &body); refused != nil {
		return nil, refused
	}
	if orgID := c.PathValue("org"); !t.knowsOrg(orgID) {
		return nil, t.unknownOrg(orgID)
	}
	if !t.knowsUser(c.PathValue("user")) {
		return nil, noUser()
	}
	return body.Roles, nil
}

// listRoles is GET /roles. It shows the roles of organizations among those of the
// tenant; they differ by their type.
func (t *Tenant) listRoles(c *call) *reply {
	query := c.URL.Query()
	filter := strings.ToLower(query.Get("name_filter"))
	var ids []string
	for _, r := range t.cfg.Roles {
		if strings.Contains(strings.ToLower(r.Name), filter) && (query.Get("type") != "tenant" || r.Organization == "") {
			ids = append(ids, r.ID)
		}
	}
	return t.show(t.roleList(ids), query)
}

func (t *Tenant) roleList(ids []string) list {
	return list{name: "roles", order: inOrder(ids), item: func(id string) map[string]any {
		r, _ := t.role(id)
		body := map[string]any{"id": r.ID, "name": r.Name, "description": r.Description}
		if r.Organization != "" {
			body["type"] = "organization"
		}
		return body
	}}
}

// UnmarshalText reads a role of the form NAME, or NAME=ID.
func (r *Role) UnmarshalText(text []byte) error {
	name, id, given := strings.Cut(string(text), "=")
	if !given {
		id = "rol_" + alnum(name, 16)
	}
	if name == "" || !strings.HasPrefix(id, "rol_") {
		return fmt.Errorf("%q is not a role such as Admin or Admin=rol_1234567890abcdef", text)
	}
	*r = Role{ID: id, Name: name}
	return nil
}
