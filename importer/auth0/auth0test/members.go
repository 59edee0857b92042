package auth0test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// What the schema says of the body's one property.
const (
	membersToAdd    = "List of user IDs to add to the organization as members"
	membersToRemove = "List of user IDs to remove from the organization"
)

// addMembers is POST /organizations/{id}/members.
func (t *Tenant) addMembers(c *call) reply {
	ids, rep, valid := t.readMembers(c, membersToAdd)
	if !valid {
		return rep
	}
	u := t.cfg.Undocumented
	unknown := places(ids, func(id string) bool { return !t.knowsUser(id) })
	status := u.UnknownUser
	if status == 0 {
		status = http.StatusBadRequest
	}
	if len(unknown) > 0 && status != http.StatusNoContent {
		rep := u.unknown(status, "user", ids, unknown)
		if u.Partial {
			t.addAll(c.arg, ids, unknown)
		}
		return rep
	}
	return t.addAll(c.arg, ids, unknown)
}

// addAll adds the users of a body but for those at the given places: all of
// them or none.
func (t *Tenant) addAll(orgID string, ids []string, unknown []int) reply {
	u := t.cfg.Undocumented
	t.mu.Lock()
	defer t.mu.Unlock()
	roster := t.roster(orgID)
	if u.Readd == http.StatusConflict {
		if members := places(ids, roster.has); len(members) > 0 {
			return refuse(http.StatusConflict, "", u.Naming.message(
				"users are already members of the organization", "user is already a member of the organization", "members", ids, members))
		}
	}
	ids = without(ids, unknown)
	if u.MemberQuota > 0 && roster.sizeWith(ids) > u.MemberQuota {
		return refuse(http.StatusConflict, "", fmt.Sprintf(
			"Quota exceeded; cannot add more than %d members to a single organization", u.MemberQuota))
	}
	roster.add(ids, t.now())
	return ok(http.StatusNoContent, nil)
}

// removeMembers is DELETE /organizations/{id}/members. Users who are not
// members, or do not exist, are no error.
func (t *Tenant) removeMembers(c *call) reply {
	ids, rep, valid := t.readMembers(c, membersToRemove)
	if !valid {
		return rep
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.roster(c.arg).remove(ids, t.now(), t.cfg.Undocumented.RemoveDelay)
	return ok(http.StatusNoContent, nil)
}

// listMembers is GET /organizations/{id}/members.
func (t *Tenant) listMembers(c *call) reply {
	if rep, refused := checkOrgID(c.arg); refused {
		return rep
	}
	query := c.URL.Query()
	if asksForRoles(query) && !c.has("read:organization_member_roles") {
		return insufficientScope("read:organization_member_roles")
	}
	if !t.knowsOrg(c.arg) {
		return t.unknownOrg()
	}
	item := func(p place) map[string]any {
		u := t.profile(p.id)
		body := map[string]any{"user_id": u.ID, "email": u.Email, "name": u.Name, "picture": picture}
		if asksForRoles(query) {
			body["roles"] = t.memberRoles(c.arg, p.id)
		}
		return body
	}
	return t.show(list{name: "members", order: t.visible(c.arg), item: item, checkpoint: true, nextAtEnd: true}, query)
}

// visible returns the members that a listing shows now, in its order.
func (t *Tenant) visible(orgID string) []place {
	t.mu.Lock()
	defer t.mu.Unlock()
	roster, exists := t.rosters[orgID]
	if !exists {
		return nil
	}
	u := t.cfg.Undocumented
	return roster.visible(t.now(), u.AddDelay, u.RemoveDelay)
}

func asksForRoles(query url.Values) bool {
	return query.Get("include_fields") != "false" && slices.Contains(strings.Split(query.Get("fields"), ","), "roles")
}

// readMembers checks path and body of a write, and returns the body's users.
func (t *Tenant) readMembers(c *call, description string) ([]string, reply, bool) {
	if rep, refused := checkOrgID(c.arg); refused {
		return nil, rep, false
	}
	body, rep, valid := t.parseBody(c)
	if !valid {
		return nil, rep, false
	}
	ids, rep, valid := t.cfg.Undocumented.membersList(description).check(body)
	if !valid {
		return nil, rep, false
	}
	c.members = len(ids)
	if !t.knowsOrg(c.arg) {
		return nil, t.unknownOrg(), false
	}
	return ids, reply{}, true
}

func (t *Tenant) unknownOrg() reply {
	switch t.cfg.Undocumented.UnknownOrg {
	case PlainNotFound:
		return notFound()
	case GoneOrganization:
		return refuse(http.StatusNotFound, "", "The organization does not exist.")
	case BadOrganization:
		return refuse(http.StatusBadRequest, "invalid_uri", "No organization found by that id.")
	}
	return noOrganization()
}

// unknown is the refusal of a body that names what does not exist, users or roles,
// at the given places. Its words follow those that are documented of an
// invitation with unknown roles.
func (u Undocumented) unknown(status int, what string, ids []string, at []int) reply {
	code := "inexistent_" + what
	if status == http.StatusBadRequest {
		code = "invalid_body"
	}
	list := map[string]string{"user": "members", "role": "roles"}[what]
	return refuse(status, code, u.Naming.message("of the specified "+what+"s do not exist", what+" does not exist", list, ids, at))
}

// message says of the ids at the given places of a list what is wrong with them.
func (n Naming) message(many, one, list string, ids []string, at []int) string {
	switch n {
	case NameAll:
		names := make([]string, len(at))
		for i, place := range at {
			names[i] = ids[place]
		}
		return "One or more " + many + ": " + strings.Join(names, ", ")
	case NameFirst:
		return "The " + one + ": " + ids[at[0]]
	case NameIndex:
		return fmt.Sprintf("The %s: %s[%d]", one, list, at[0])
	}
	return "One or more " + many
}

// places returns where in ids the condition holds.
func places(ids []string, holds func(string) bool) []int {
	var at []int
	for i, id := range ids {
		if holds(id) {
			at = append(at, i)
		}
	}
	return at
}

// without returns ids but for those at the given, ascending places.
func without(ids []string, at []int) []string {
	if len(at) == 0 {
		return ids
	}
	rest := make([]string, 0, len(ids)-len(at))
	for i, id := range ids {
		if len(at) > 0 && at[0] == i {
			at = at[1:]
			continue
		}
		rest = append(rest, id)
	}
	return rest
}
