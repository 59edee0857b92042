package auth0test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const maxOrgID = 50 // characters, from the schema of the path

func noOrganization() reply {
	return refuse(http.StatusNotFound, "", "No organization found by that id or name")
}

// checkOrgID refuses ids that do not fit the schema of the path.
func checkOrgID(id string) (reply, bool) {
	if n := utf8.RuneCountInString(id); n > maxOrgID {
		return invalidURI(fmt.Sprintf("String is too long (%d chars), maximum %d", n, maxOrgID), "id", "Organization identifier"), true
	}
	return reply{}, false
}

func (t *Tenant) knowsOrg(id string) bool {
	if o, listed := t.orgs[id]; listed && o.ID == id {
		return true
	}
	if t.cfg.KnownOrg != nil {
		return t.cfg.KnownOrg(id)
	}
	return id != "" && len(t.cfg.Organizations) == 0
}

// organization is GET /organizations/{id}.
func (t *Tenant) organization(c *call) reply {
	if rep, refused := checkOrgID(c.arg); refused {
		return rep
	}
	o, listed := t.orgs[c.arg]
	if listed && o.ID != c.arg && !t.cfg.Undocumented.NamesByID || !listed && !t.knowsOrg(c.arg) {
		return noOrganization()
	}
	if !listed {
		o = unlisted(c.arg)
	}
	return ok(http.StatusOK, o.body())
}

// organizationByName is GET /organizations/name/{name}. Where organizations
// are known by a predicate only, an id is made from the name.
func (t *Tenant) organizationByName(c *call) reply {
	o, listed := t.orgs[c.arg]
	if !listed || o.Name != c.arg {
		o = Organization{ID: "org_" + alnum(c.arg, 16), Name: c.arg}
		if !t.knowsOrg(o.ID) {
			return noOrganization()
		}
	}
	return ok(http.StatusOK, o.body())
}

// unlisted is an organization that is known by a predicate only.
func unlisted(id string) Organization {
	return Organization{ID: id, Name: strings.ToLower(strings.ReplaceAll(id, "org_", "org-"))}
}

// listOrganizations is GET /organizations, of those that are listed; if there
// are none, of those that anybody was added to.
func (t *Tenant) listOrganizations(c *call) reply {
	order := make([]place, len(t.cfg.Organizations))
	for i, o := range t.cfg.Organizations {
		order[i] = place{firstOrg.UnixMilli() + int64(i), o.ID}
	}
	if len(order) == 0 {
		for _, id := range slices.Sorted(maps.Keys(t.rosters)) {
			order = append(order, place{firstOrg.UnixMilli(), id})
		}
	}
	item := func(p place) map[string]any {
		if o, listed := t.orgs[p.id]; listed {
			return o.body()
		}
		return unlisted(p.id).body()
	}
	return t.show(list{name: "organizations", order: order, item: item, checkpoint: true}, c.URL.Query())
}

// firstOrg is when the first organization was made; each other one is a
// millisecond younger.
var firstOrg = time.Date(2023, time.January, 25, 17, 49, 0, 0, time.UTC)

// body has the fields recorded of organizations without a branding.
func (o Organization) body() map[string]any {
	display := o.DisplayName
	if display == "" {
		display = o.Name
	}
	body := map[string]any{"id": o.ID, "name": o.Name, "display_name": display}
	if len(o.Metadata) > 0 {
		body["metadata"] = o.Metadata
	}
	return body
}

// alnum makes n letters and digits, at most 24, out of s, always the same.
func alnum(s string, n int) string {
	sum := sha256.Sum256([]byte(s))
	return strings.NewReplacer("-", "x", "_", "y").Replace(base64.RawURLEncoding.EncodeToString(sum[:]))[:n]
}
