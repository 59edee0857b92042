package auth0test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	defaultPage  = 50   // members a page
	maxPage      = 100  // members a page
	maxPageIndex = 1000 // from the schema
	maxByOffset  = 1000 // members that paging by page and per_page gets at
)

// listMembers is GET /organizations/{id}/members: by checkpoint if the query
// has take or from, else by offset.
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
	if query.Has("take") || query.Has("from") {
		return t.listFrom(c.arg, query)
	}
	return t.listPage(c.arg, query)
}

func (t *Tenant) listPage(orgID string, query url.Values) reply {
	page, rep, valid := integer(query, "page", "Page index of the results to return. First page is 0", 0, maxPageIndex, 0)
	if !valid {
		return rep
	}
	size, rep, valid := integer(query, "per_page", "Number of results per page. Defaults to 50", 1, maxPage, defaultPage)
	if !valid {
		return rep
	}
	if (page+1)*size > maxByOffset {
		return refuse(http.StatusBadRequest, "invalid_paging", fmt.Sprintf("Requesting page %d exceeds the allowed maximum of %d records. "+
			"To fetch results beyond %d, use the checkpoint pagination method.", page, maxByOffset, maxByOffset))
	}
	all := t.visible(orgID)
	start := min(page*size, len(all))
	members := t.present(all[start:min(start+size, len(all))], query)
	if query.Get("include_totals") != "true" {
		return ok(http.StatusOK, members)
	}
	return ok(http.StatusOK, map[string]any{"members": members, "start": page * size, "limit": size, "total": len(all)})
}

func (t *Tenant) listFrom(orgID string, query url.Values) reply {
	size, rep, valid := integer(query, "take", "Number of results per page. Defaults to 50", 1, maxPage, defaultPage)
	if !valid {
		return rep
	}
	var after membership
	if query.Has("from") {
		var err error
		if after, err = parseCursor(query.Get("from")); err != nil {
			return invalidQuery("Object didn't pass validation for format checkpoint", "from", "Optional Id from which to start selection")
		}
	}
	all := t.visible(orgID)
	start, found := slices.BinarySearchFunc(all, after, membership.compare)
	if found {
		start++
	}
	page := all[start:min(start+size, len(all))]
	body := map[string]any{"members": t.present(page, query)}
	more := start+len(page) < len(all)
	if len(page) > 0 && (more || !t.cfg.Undocumented.NextWhenMore) {
		body["next"] = page[len(page)-1].cursor()
	}
	return ok(http.StatusOK, body)
}

// visible returns the members that a listing shows now, in its order.
func (t *Tenant) visible(orgID string) []membership {
	t.mu.Lock()
	defer t.mu.Unlock()
	roster, exists := t.rosters[orgID]
	if !exists {
		return nil
	}
	u := t.cfg.Undocumented
	return roster.visible(t.now(), u.AddDelay, u.RemoveDelay)
}

// present gives members the fields that the query asks for.
func (t *Tenant) present(page []membership, query url.Values) []map[string]any {
	members := make([]map[string]any, len(page))
	for i, m := range page {
		u := t.profile(m.userID)
		body := map[string]any{"user_id": u.ID, "email": u.Email, "name": u.Name, "picture": "https://example.com/picture.png"}
		if asksForRoles(query) {
			body["roles"] = []string{} // nobody has any here
		}
		members[i] = pick(body, query)
	}
	return members
}

func asksForRoles(query url.Values) bool {
	return query.Get("include_fields") != "false" && slices.Contains(strings.Split(query.Get("fields"), ","), "roles")
}

// cursorTime is the time of a membership as recorded in cursors: milliseconds
// with six digits.
const cursorTime = "2006-01-02 15:04:05.000000UTC"

// cursor is an opaque place in a listing. To a client it is a string that has
// to be escaped in a query.
func (m membership) cursor() string {
	at := time.UnixMilli(m.added).UTC().Format(cursorTime)
	return base64.StdEncoding.EncodeToString([]byte(at + "," + m.userID))
}

func parseCursor(s string) (membership, error) {
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil {
		return membership{}, err
	}
	at, userID, _ := strings.Cut(string(raw), ",")
	added, err := time.Parse(cursorTime, at)
	if err != nil {
		return membership{}, err
	}
	return membership{added: added.UnixMilli(), userID: userID}, nil
}
