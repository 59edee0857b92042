package auth0test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
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
	if !t.knowsOrg(c.arg) {
		return noOrganization()
	}
	o, listed := t.orgs[c.arg]
	if !listed {
		o = Organization{ID: c.arg, Name: strings.ToLower(strings.ReplaceAll(c.arg, "org_", "org-"))}
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

// body has the fields recorded of organizations without a branding.
func (o Organization) body() map[string]string {
	display := o.DisplayName
	if display == "" {
		display = o.Name
	}
	return map[string]string{"id": o.ID, "name": o.Name, "display_name": display}
}

// alnum makes n letters and digits, at most 24, out of s, always the same.
func alnum(s string, n int) string {
	sum := sha256.Sum256([]byte(s))
	return strings.NewReplacer("-", "x", "_", "y").Replace(base64.RawURLEncoding.EncodeToString(sum[:]))[:n]
}
