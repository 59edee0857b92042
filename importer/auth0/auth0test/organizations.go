package auth0test

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

const maxOrgID = 50 // characters, from the schema of the path

func noOrganization() *reply {
	return refuse(http.StatusNotFound, "", "No organization found by that id or name")
}

// unknownOrg is the answer of the endpoints below an organization for one that
// does not exist.
func (t *Tenant) unknownOrg() *reply {
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

// checkOrgID refuses an id that does not fit the schema of the path.
func checkOrgID(id string) *reply {
	if n := utf8.RuneCountInString(id); n > maxOrgID {
		return invalidURI(fmt.Sprintf("String is too long (%d chars), maximum %d", n, maxOrgID), "id", "Organization identifier")
	}
	return nil
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
func (t *Tenant) organization(c *call) *reply {
	id := c.PathValue("org")
	o, listed := t.orgs[id]
	if listed && o.ID != id && !t.cfg.Undocumented.NamesByID || !listed && !t.knowsOrg(id) {
		return noOrganization()
	}
	if !listed {
		o = unlisted(id)
	}
	return respond(http.StatusOK, o.body())
}

// organizationByName is GET /organizations/name/{name}. An organization that is
// not listed has an id made from its name.
func (t *Tenant) organizationByName(c *call) *reply {
	name := c.PathValue("name")
	o, listed := t.orgs[name]
	if !listed || o.Name != name {
		o = Organization{ID: "org_" + alnum(name, 16), Name: name}
		if !t.knowsOrg(o.ID) {
			return noOrganization()
		}
	}
	return respond(http.StatusOK, o.body())
}

// unlisted returns an organization that only KnownOrg knows.
func unlisted(id string) Organization {
	return Organization{ID: id, Name: strings.ToLower(strings.ReplaceAll(id, "org_", "org-"))}
}

// listOrganizations is GET /organizations. It shows those that are listed; if
// there are none, those that anybody was added to.
func (t *Tenant) listOrganizations(c *call) *reply {
	var order []place
	for i, o := range t.cfg.Organizations {
		order = append(order, place{int64(i), o.ID})
	}
	if order == nil {
		t.mu.Lock()
		for _, id := range slices.Sorted(maps.Keys(t.rosters)) {
			order = append(order, place{id: id}) // so that new ones do not move the others
		}
		t.mu.Unlock()
	}
	item := func(id string) map[string]any {
		if o, listed := t.orgs[id]; listed {
			return o.body()
		}
		return unlisted(id).body()
	}
	return t.show(list{name: "organizations", order: order, item: item, checkpoint: true}, c.URL.Query())
}

// body has the fields recorded for organizations without a branding.
func (o Organization) body() map[string]any {
	body := map[string]any{"id": o.ID, "name": o.Name, "display_name": cmp.Or(o.DisplayName, o.Name)}
	if len(o.Metadata) > 0 {
		body["metadata"] = o.Metadata
	}
	return body
}

// alnum returns n letters and digits, at most 24, that depend on s only.
func alnum(s string, n int) string {
	sum := sha256.Sum256([]byte(s))
	return strings.NewReplacer("-", "x", "_", "y").Replace(base64.RawURLEncoding.EncodeToString(sum[:]))[:n]
}
