package auth0test

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"
)

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
