package auth0test

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

const maxOrgID = 50 // characters, from the schema of the path

func noOrganization() *reply {
	return refuse(http.StatusNotFound, "", "No organization found by that id or name")
}

// organizationID is the form of an organization's id, as documented for the My
// Organization API.
var organizationID = regexp.MustCompile(`^org_[A-Za-z0-9]{16}$`)

// unknownOrg is the answer of the endpoints below an organization for one that
// does not exist.
func (t *Tenant) unknownOrg(id string) *reply {
	how := t.cfg.Undocumented.UnknownOrg
	if !organizationID.MatchString(id) {
		how = t.cfg.Undocumented.MalformedOrg
	}
	switch how {
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
	o, listed := t.orgs[id]
	switch {
	case listed || id == "":
		return o.ID != "" && o.ID == id
	case t.cfg.KnownOrg != nil:
		return t.cfg.KnownOrg(id)
	}
	return len(t.cfg.Organizations) == 0
}

// organization is GET /organizations/{id}.
func (t *Tenant) organization(c *call) *reply {
	id := c.PathValue("org")
	if !t.knowsOrg(id) {
		return noOrganization()
	}
	return respond(http.StatusOK, t.organizationOf(id).body())
}

// organizationByName is GET /organizations/name/{name}. An organization that is
// not listed has an id made from its name.
func (t *Tenant) organizationByName(c *call) *reply {
	name := c.PathValue("name")
	o := t.orgs[name]
	if o.ID == "" || o.Name != name {
		o = Organization{ID: "org_" + alnum(name, 16), Name: name}
		if !t.knowsOrg(o.ID) {
			return noOrganization()
		}
	}
	return respond(http.StatusOK, o.body())
}

// organizationOf returns an organization that exists, made up from its id if it
// is not listed.
func (t *Tenant) organizationOf(id string) Organization {
	if o := t.orgs[id]; o.ID != "" {
		return o
	}
	return Organization{ID: id, Name: strings.ToLower(strings.ReplaceAll(id, "org_", "org-"))}
}

// listOrganizations is GET /organizations. It shows those that are listed; if
// there are none, those that anybody was added to.
func (t *Tenant) listOrganizations(c *call) *reply {
	order := t.organizationOrder()
	if len(t.orgIDs) == 0 {
		for _, id := range slices.Sorted(maps.Keys(t.rosters)) {
			order = append(order, place{id: id}) // so that new ones do not move the others
		}
	}
	item := func(id string) map[string]any { return t.organizationOf(id).body() }
	return t.show(list{name: "organizations", order: order, item: item, checkpoint: true}, c.URL.Query())
}

// createOrganization is POST /organizations.
func (t *Tenant) createOrganization(c *call) *reply {
	var o Organization
	if refused := t.read(c, &o); refused != nil {
		return refused
	}
	const scope = "create:organization_connections"
	if len(o.Connections) > 0 && t.cfg.Undocumented.ConnectionScope && !c.has(scope) {
		return insufficientScope(scope)
	}
	for _, connection := range o.Connections {
		if !t.knowsConnection(connection.ID) {
			return refuse(http.StatusBadRequest, "invalid_body", "The specified connection does not exist.")
		}
	}
	if t.orgs[o.Name].ID != "" {
		return refuse(http.StatusConflict, "organization_conflict", "An organization with this name already exists.")
	}
	o.ID = "org_" + alnum(fmt.Sprint("organization", len(t.orgIDs)), 16)
	t.addOrganization(o)
	answer := o.body()
	answer["enabled_connections"] = o.Connections
	return respond(http.StatusCreated, present(answer))
}

// deleteOrganization is DELETE /organizations/{id}.
func (t *Tenant) deleteOrganization(c *call) *reply {
	id := c.PathValue("org")
	if !t.knowsOrg(id) {
		return noOrganization()
	}
	delete(t.orgs, t.orgs[id].Name)
	t.orgs[id] = Organization{}
	delete(t.rosters, id)
	delete(t.invited, id)
	return noContent()
}

// Organizations returns the organizations that are listed, in the order in
// which they were made.
func (t *Tenant) Organizations() []Organization {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []Organization
	for _, p := range t.organizationOrder() {
		all = append(all, t.orgs[p.id])
	}
	return all
}

func (t *Tenant) addOrganization(o Organization) {
	t.orgIDs = append(t.orgIDs, o.ID)
	t.orgs[o.ID] = o
	if o.Name != "" {
		t.orgs[o.Name] = o
	}
}

// organizationOrder returns the places of the organizations that are listed.
func (t *Tenant) organizationOrder() []place {
	var order []place
	for i, id := range t.orgIDs {
		if t.orgs[id].ID != "" {
			order = append(order, place{int64(i), id})
		}
	}
	return order
}

// body has the fields recorded for organizations without a branding.
func (o Organization) body() map[string]any {
	return present(map[string]any{"id": o.ID, "name": o.Name, "display_name": cmp.Or(o.DisplayName, o.Name), "metadata": o.Metadata})
}
