package auth0test

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const defaultMaxMembers = 10 // "Assign members to an organization" in Auth0's documentation

func (u *Undocumented) malformed(id string) bool {
	if u.Malformed != nil {
		return u.Malformed(id)
	}
	before, after, found := strings.Cut(id, "|")
	return !found || before == "" || after == "" ||
		utf8.RuneCountInString(id) > 1024 ||
		strings.ContainsFunc(id, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
}

// readMembers reads the body of a write of members. It lets malformed ids through if
// the other users are to be added all the same.
func (t *Tenant) readMembers(c *call) ([]string, *reply) {
	var body struct{ Members []string }
	if refused := t.read(c, &body); refused != nil {
		return nil, refused
	}
	u, ids := &t.cfg.Undocumented, body.Members
	description := bodies()[c.pattern].Properties["members"].Description
	if problem := wrongLength("Array", len(ids), "", 1, cmp.Or(u.MaxMembers, defaultMaxMembers)); problem != "" {
		return nil, invalid(cmp.Or(u.TooMany, http.StatusBadRequest), problem, "members", description)
	}
	if u.Duplicate >= http.StatusBadRequest {
		for i, id := range ids {
			if first := slices.Index(ids, id); first < i {
				return nil, invalid(u.Duplicate, fmt.Sprintf("Array items are not unique (indexes %d and %d)", first, i), "members", description)
			}
		}
	}
	malformed := indexes(ids, u.malformed)
	if len(malformed) > 0 && u.MalformedUser != http.StatusNoContent && !u.MalformedPartial {
		return nil, u.refuseMalformed(ids, malformed[0])
	}
	if orgID := c.PathValue("org"); !t.knowsOrg(orgID) {
		return nil, t.unknownOrg(orgID)
	}
	return ids, nil
}

// addMembers is POST /organizations/{id}/members.
func (t *Tenant) addMembers(c *call) *reply {
	u := &t.cfg.Undocumented
	ids, refused := t.readMembers(c)
	if refused != nil {
		return refused
	}
	malformed := indexes(ids, u.malformed)
	unknown := indexes(ids, func(id string) bool { return !u.malformed(id) && !t.knowsUser(id) })
	switch {
	case len(malformed) > 0 && u.MalformedUser != http.StatusNoContent:
		refused = u.refuseMalformed(ids, malformed[0])
	case len(unknown) > 0 && u.UnknownUser != http.StatusNoContent:
		refused = u.unknown(cmp.Or(u.UnknownUser, http.StatusBadRequest), "user", "members", ids, unknown)
		if !u.Partial {
			return refused
		}
	}
	added := t.addAll(c.PathValue("org"), ids, slices.Concat(malformed, unknown))
	return cmp.Or(refused, added)
}

// refuseMalformed refuses a malformed user id in the words of the schema.
func (u *Undocumented) refuseMalformed(ids []string, at int) *reply {
	text, property := "Object didn't pass validation for format user-id-with-max-length", "members"
	if !u.MalformedUnnamed {
		text += ": " + ids[at]
		property += "[" + strconv.Itoa(at) + "]"
	}
	return invalid(cmp.Or(u.MalformedUser, http.StatusBadRequest), text, property, "")
}

// addAll adds all users of a body except those at the given indexes, or nobody.
func (t *Tenant) addAll(orgID string, ids []string, unknown []int) *reply {
	u := &t.cfg.Undocumented
	roster := t.roster(orgID)
	if u.Readd >= http.StatusBadRequest {
		if members := indexes(ids, roster.has); len(members) > 0 {
			return refuse(u.Readd, "", u.Naming.message(
				"users are already members of the organization", "user is already a member of the organization", "members", ids, members))
		}
	}
	added := make(map[string]bool, len(ids))
	for i, id := range ids {
		if !slices.Contains(unknown, i) && !roster.has(id) {
			added[id] = true
		}
	}
	if u.MemberQuota > 0 && len(roster.members)+len(added) > u.MemberQuota {
		return refuse(http.StatusConflict, "", fmt.Sprintf(
			"Quota exceeded; cannot add more than %d members to a single organization", u.MemberQuota))
	}
	now := t.now()
	for id := range added {
		roster.add(id, now)
	}
	return noContent()
}

// removeMembers is DELETE /organizations/{id}/members. It is no error if a user
// is not a member, or does not exist.
func (t *Tenant) removeMembers(c *call) *reply {
	ids, refused := t.readMembers(c)
	if refused != nil {
		return refused
	}
	roster, now := t.roster(c.PathValue("org")), t.now().UnixMilli()
	for _, id := range ids {
		added, found := roster.members[id]
		if found && t.cfg.Undocumented.RemoveDelay > 0 {
			roster.left[id] = stay{added, now}
		}
		delete(roster.members, id)
	}
	roster.order = nil
	return noContent()
}

// listMembers is GET /organizations/{id}/members.
func (t *Tenant) listMembers(c *call) *reply {
	orgID, query := c.PathValue("org"), c.URL.Query()
	withRoles := query.Get("include_fields") != "false" && slices.Contains(strings.Split(query.Get("fields"), ","), "roles")
	if withRoles && !c.has("read:organization_member_roles") {
		return insufficientScope("read:organization_member_roles")
	}
	if !t.knowsOrg(orgID) {
		return t.unknownOrg(orgID)
	}
	item := func(id string) map[string]any {
		u := t.profile(id)
		body := map[string]any{"user_id": u.ID, "email": u.Email, "name": u.Name, "picture": picture}
		if withRoles {
			body["roles"] = t.memberRoles(orgID, id)
		}
		return body
	}
	return t.show(list{name: "members", order: t.visible(orgID), item: item, checkpoint: true, nextAtEnd: true}, query)
}

// memberRoles returns a member's roles as a list of members shows them.
func (t *Tenant) memberRoles(orgID, userID string) []map[string]any {
	roles := []map[string]any{}
	for _, id := range t.given[membership{orgID, userID}] {
		r, _ := t.role(id)
		roles = append(roles, map[string]any{"id": r.ID, "name": r.Name})
	}
	return roles
}

// listMemberRoles is GET /organizations/{id}/members/{user_id}/roles, which is
// reported to answer 404 for a user who is not a member.
func (t *Tenant) listMemberRoles(c *call) *reply {
	orgID, userID := c.PathValue("org"), c.PathValue("user")
	if !t.knowsOrg(orgID) {
		return t.unknownOrg(orgID)
	}
	if !t.roster(orgID).has(userID) {
		return noUser()
	}
	return t.show(t.roleList(t.given[membership{orgID, userID}]), c.URL.Query())
}

// roster holds the members of an organization. Times are Unix milliseconds of the
// tenant's clock. A member takes about 100 bytes.
type roster struct {
	members map[string]int64 // when each was added
	left    map[string]stay  // former members whose removal may not be visible yet
	order   []place          // of both in a listing; nil after a change
	busy    chan struct{}    // holds one value while a write is under way
}

// stay is the time in which a user was a member.
type stay struct{ added, removed int64 }

// Members returns the ids of an organization's members now, in ascending order. A
// listing may lag behind.
func (t *Tenant) Members(orgID string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r, exists := t.rosters[orgID]; exists {
		return slices.Sorted(maps.Keys(r.members))
	}
	return nil
}

// AddMembers makes users members of an organization without a request.
func (t *Tenant) AddMembers(orgID string, userIDs ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	roster, now := t.roster(orgID), t.now()
	for _, id := range userIDs {
		roster.add(id, now)
	}
}

// roster returns the roster of an organization.
func (t *Tenant) roster(orgID string) *roster {
	r, exists := t.rosters[orgID]
	if !exists {
		r = &roster{members: make(map[string]int64), left: make(map[string]stay), busy: make(chan struct{}, 1)}
		t.rosters[orgID] = r
	}
	return r
}

func (r *roster) has(id string) bool {
	_, found := r.members[id]
	return found
}

func (r *roster) add(id string, now time.Time) {
	if !r.has(id) {
		r.members[id] = now.UnixMilli()
		delete(r.left, id)
		r.order = nil
	}
}

// visible returns the members that a listing shows now, in its order.
func (t *Tenant) visible(orgID string) []place {
	r, exists := t.rosters[orgID]
	if !exists {
		return nil
	}
	if r.order == nil {
		for id, added := range r.members {
			r.order = append(r.order, place{added, id})
		}
		for id, stay := range r.left {
			r.order = append(r.order, place{stay.added, id})
		}
		slices.SortFunc(r.order, place.compare)
	}
	u, now := &t.cfg.Undocumented, t.now()
	if u.AddDelay == 0 && u.RemoveDelay == 0 {
		return r.order
	}
	added, removed := now.Add(-u.AddDelay).UnixMilli(), now.Add(-u.RemoveDelay).UnixMilli()
	return slices.DeleteFunc(slices.Clone(r.order), func(p place) bool {
		stay, left := r.left[p.id]
		return p.at > added || left && stay.removed <= removed
	})
}

// claim reserves the organization for a write until it is answered, if writes to
// one organization interfere.
func (t *Tenant) claim(c *call) (*reply, error) {
	mode := t.cfg.Undocumented.Concurrent
	if mode == Parallel {
		return nil, nil
	}
	t.mu.Lock()
	slot := t.roster(c.PathValue("org")).busy
	t.mu.Unlock()
	select {
	case slot <- struct{}{}:
	default:
		if mode == Conflict {
			return refuse(http.StatusConflict, "", "The organization is being changed by another request."), nil
		}
		select {
		case slot <- struct{}{}:
		case <-c.Context().Done():
			return nil, c.Context().Err()
		}
	}
	c.release = func() { <-slot }
	return nil, nil
}

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
