package auth0test

import (
	"net/url"
	"slices"
	"strings"
)

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
