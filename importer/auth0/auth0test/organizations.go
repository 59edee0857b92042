package auth0test

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
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

const defaultInvitationLife = 604_800 * time.Second

// Invitation is an invitation to an organization.
type Invitation struct {
	ID, OrgID, Email          string
	ClientID, Inviter         string
	ConnectionID              string
	Roles                     []string
	Ticket                    string // a secret, as is the link with it
	Created, Expires          time.Time
	Mailed                    bool // to the address
	replaced                  bool // by another one, and so not listed
	appMetadata, userMetadata map[string]any
}

// Invitations returns all invitations to an organization, in the order in which
// they were made.
func (t *Tenant) Invitations(orgID string) []Invitation {
	t.mu.Lock()
	defer t.mu.Unlock()
	invitations := make([]Invitation, len(t.invited[orgID]))
	for i, v := range t.invited[orgID] {
		invitations[i] = *v
	}
	return invitations
}

// AddInvitations makes invitations without a request. They need an organization,
// an address and their times; those with Mailed count as sent.
func (t *Tenant) AddInvitations(invitations ...Invitation) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, v := range invitations {
		t.addInvitation(&v)
	}
}

// addInvitation gives an invitation its id and its ticket.
func (t *Tenant) addInvitation(v *Invitation) {
	t.invitations++
	v.ID = "uinv_" + alnum(fmt.Sprint("invitation", t.invitations), 16)
	v.Ticket = alnum(fmt.Sprint("ticket", t.invitations), 24)
	t.invited[v.OrgID] = append(t.invited[v.OrgID], v)
}

// Mails returns how many invitations to any organization were sent to an
// address.
func (t *Tenant) Mails(email string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, invitations := range t.invited {
		for _, v := range invitations {
			if v.Mailed && v.Email == email {
				n++
			}
		}
	}
	return n
}

// invite is POST /organizations/{id}/invitations. It answers 201 as recorded,
// not 200 as documented.
func (t *Tenant) invite(c *call) *reply {
	v, refused := t.readInvitation(c)
	if refused != nil {
		return refused
	}
	for _, earlier := range t.invited[v.OrgID] {
		if earlier.Email != v.Email || earlier.replaced || !v.Created.Before(earlier.Expires) {
			continue
		}
		switch t.cfg.Undocumented.InviteAgain {
		case InviteRefused:
			return refuse(http.StatusConflict, "", "An invitation for this user exists already.")
		case InviteReplaces:
			earlier.replaced = true
		}
	}
	t.addInvitation(v)
	return respond(http.StatusCreated, t.invitationBody(v))
}

// readInvitation reads an invitation, and refuses with documented messages what the
// schema allows and the tenant does not have.
func (t *Tenant) readInvitation(c *call) (*Invitation, *reply) {
	var body struct {
		Inviter      struct{ Name string }
		Invitee      struct{ Email string }
		ClientID     string `json:"client_id"`
		ConnectionID string `json:"connection_id"`
		Roles        []string
		TTL          int            `json:"ttl_sec"`
		Mail         *bool          `json:"send_invitation_email"`
		AppMetadata  map[string]any `json:"app_metadata"`
		UserMetadata map[string]any `json:"user_metadata"`
	}
	if refused := t.read(c, &body); refused != nil {
		return nil, refused
	}
	now := t.now()
	v := &Invitation{
		OrgID: c.PathValue("org"), Email: body.Invitee.Email, ClientID: body.ClientID, Inviter: body.Inviter.Name,
		ConnectionID: body.ConnectionID, Roles: body.Roles, Mailed: body.Mail == nil || *body.Mail, Created: now,
		Expires:     now.Add(cmp.Or(time.Duration(body.TTL)*time.Second, defaultInvitationLife)),
		appMetadata: body.AppMetadata, userMetadata: body.UserMetadata,
	}
	switch {
	case !t.knowsOrg(v.OrgID):
		return nil, noInvitingOrganization()
	case t.cfg.InviteTo != nil && !slices.Contains(t.cfg.InviteTo, v.ClientID):
		return nil, refuse(http.StatusBadRequest, "invalid_body", "The specified client_id does not exist.")
	case v.ConnectionID != "" && !t.knowsConnection(v.ConnectionID):
		return nil, refuse(http.StatusBadRequest, "invalid_body", "The specified connection does not exist.")
	}
	return v, t.unknownRoles(v.OrgID, v.Roles)
}

func noInvitingOrganization() *reply {
	return refuse(http.StatusNotFound, "", "No organization found by that id.")
}

// invitationBody returns an invitation as recorded.
func (t *Tenant) invitationBody(v *Invitation) map[string]any {
	query := url.Values{"invitation": {v.Ticket}, "organization": {v.OrgID}, "organization_name": {t.orgs[v.OrgID].Name}}
	return present(map[string]any{
		"id": v.ID, "organization_id": v.OrgID, "client_id": v.ClientID,
		"inviter": map[string]any{"name": v.Inviter}, "invitee": map[string]any{"email": v.Email},
		"invitation_url": "https://app.example/login?" + query.Encode(), "ticket_id": v.Ticket,
		"created_at": timestamp(v.Created), "expires_at": timestamp(v.Expires),
		"connection_id": v.ConnectionID, "roles": v.Roles, "app_metadata": v.appMetadata, "user_metadata": v.userMetadata,
	})
}

// listInvitations is GET /organizations/{id}/invitations. It also shows those
// that have expired; whether the real list does is not known.
func (t *Tenant) listInvitations(c *call) *reply {
	orgID := c.PathValue("org")
	if !t.knowsOrg(orgID) {
		return noInvitingOrganization()
	}
	shown := make(map[string]*Invitation)
	var order []place
	for _, v := range t.invited[orgID] {
		if !v.replaced && !t.now().Before(v.Created.Add(t.cfg.Undocumented.AddDelay)) {
			shown[v.ID] = v
			order = append(order, place{v.Created.UnixMilli(), v.ID})
		}
	}
	slices.SortFunc(order, func(p, q place) int { return q.compare(p) }) // the newest first, as documented
	item := func(id string) map[string]any { return t.invitationBody(shown[id]) }
	return t.show(list{name: "invitations", order: order, item: item, sortable: true, noTotal: true}, c.URL.Query())
}
