package auth0test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// maxMemberRoles is how many roles a member of an organization may have, from
// Auth0's limits of entities.
const maxMemberRoles = 50

const (
	rolesToAssign = "List of roles IDs to associated with the user"
	rolesToRemove = "List of roles IDs associated with the organization member to remove"
)

// membership is a user in an organization.
type membership struct{ orgID, userID string }

// Roles returns the ids of the roles that a user has in an organization, in the
// order in which they were given.
func (t *Tenant) Roles(orgID, userID string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.given[membership{orgID, userID}])
}

// role returns a role that exists.
func (t *Tenant) role(id string) (Role, bool) {
	if r, listed := t.roles[id]; listed {
		return r, true
	}
	return Role{ID: id, Name: strings.TrimPrefix(id, "rol_")}, t.cfg.Roles == nil
}

// givable reports whether a role can be given in an organization.
func (t *Tenant) givable(id, orgID string) bool {
	r, found := t.role(id)
	return found && (r.Organization == "" || r.Organization == orgID)
}

// assignRoles is POST /organizations/{id}/members/{user_id}/roles. It works for
// users who are not members, as recorded.
func (t *Tenant) assignRoles(c *call) reply {
	ids, rep, valid := t.readRoles(c, rolesToAssign)
	if !valid {
		return rep
	}
	u := t.cfg.Undocumented
	if unknown := places(ids, func(id string) bool { return !t.givable(id, c.arg) }); len(unknown) > 0 {
		return u.unknownRoles(ids, unknown)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	who := membership{c.arg, c.second}
	roles := slices.Clone(t.given[who])
	for _, id := range ids {
		if !slices.Contains(roles, id) {
			roles = append(roles, id)
		} else if u.Reassign == http.StatusConflict {
			return refuse(http.StatusConflict, "", "The role is already assigned to this organization member.")
		}
	}
	if len(roles) > maxMemberRoles {
		return refuse(http.StatusConflict, "", "No more roles can be assigned to this organization member.")
	}
	t.given[who] = roles
	return ok(http.StatusNoContent, nil)
}

func (u Undocumented) unknownRoles(ids []string, at []int) reply {
	status := u.UnknownRole
	if status == 0 {
		status = http.StatusBadRequest
	}
	return u.unknown(status, "role", ids, at)
}

// removeRoles is DELETE /organizations/{id}/members/{user_id}/roles. Roles that
// the member has not are no error, as recorded.
func (t *Tenant) removeRoles(c *call) reply {
	ids, rep, valid := t.readRoles(c, rolesToRemove)
	if !valid {
		return rep
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	who := membership{c.arg, c.second}
	t.given[who] = slices.DeleteFunc(t.given[who], func(id string) bool { return slices.Contains(ids, id) })
	return ok(http.StatusNoContent, nil)
}

// readRoles checks path and body of a write, and returns the body's roles.
func (t *Tenant) readRoles(c *call, description string) ([]string, reply, bool) {
	if rep, refused := checkOrgID(c.arg); refused {
		return nil, rep, false
	}
	body, rep, valid := t.parseBody(c)
	if !valid {
		return nil, rep, false
	}
	if rep, refused := checkNames(body, "", "roles"); refused {
		return nil, rep, false
	}
	ids, rep, valid := t.rolesList(description).check(body)
	switch {
	case !valid:
		return nil, rep, false
	case !t.knowsOrg(c.arg):
		return nil, t.unknownOrg(), false
	case !t.knowsUser(c.second):
		return nil, noUser(), false
	}
	return ids, reply{}, true
}

func (t *Tenant) rolesList(description string) idList {
	most := t.cfg.Undocumented.MaxRoles
	if most == 0 {
		most = -1
	}
	malformed := func(id string) bool { return len(id) <= len("rol_") || !strings.HasPrefix(id, "rol_") }
	return idList{name: "roles", description: description, format: "role-id", malformed: malformed, most: most}
}

// memberRoles are a member's roles as a list of members shows them.
func (t *Tenant) memberRoles(orgID, userID string) []map[string]any {
	roles := []map[string]any{}
	for _, id := range t.Roles(orgID, userID) {
		r, _ := t.role(id)
		roles = append(roles, map[string]any{"id": r.ID, "name": r.Name})
	}
	return roles
}

// listMemberRoles is GET /organizations/{id}/members/{user_id}/roles, which is
// reported to answer 404 for who is not a member.
func (t *Tenant) listMemberRoles(c *call) reply {
	if rep, refused := checkOrgID(c.arg); refused {
		return rep
	}
	if !t.knowsOrg(c.arg) {
		return t.unknownOrg()
	}
	t.mu.Lock()
	member := t.roster(c.arg).has(c.second)
	t.mu.Unlock()
	if !member {
		return noUser()
	}
	return t.show(t.roleList(t.Roles(c.arg, c.second)), c.URL.Query())
}

// listRoles is GET /roles: those of organizations among those of the tenant,
// from which a type tells them.
func (t *Tenant) listRoles(c *call) reply {
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
	order := make([]place, len(ids))
	for i, id := range ids {
		order[i] = place{int64(i), id}
	}
	return list{name: "roles", order: order, item: func(p place) map[string]any {
		r, _ := t.role(p.id)
		body := map[string]any{"id": r.ID, "name": r.Name, "description": r.Description}
		if r.Organization != "" {
			body["type"] = "organization"
		}
		return body
	}}
}

// ParseRoles reads roles as they are typed: NAME, or NAME=ID where the id is to
// be a given one.
func ParseRoles(names ...string) ([]Role, error) {
	roles := make([]Role, len(names))
	for i, name := range names {
		name, id, given := strings.Cut(name, "=")
		if !given {
			id = "rol_" + alnum(name, 16)
		}
		if name == "" || !strings.HasPrefix(id, "rol_") {
			return nil, fmt.Errorf("%q is not a role such as Admin or Admin=rol_1234567890abcdef", names[i])
		}
		roles[i] = Role{ID: id, Name: name}
	}
	return roles, nil
}
