package auth0test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// What the schema of an invitation says.
const (
	defaultInvitationLife = 604_800   // seconds
	maxInvitationLife     = 2_592_000 // seconds
	maxInviterName        = 300       // characters
)

// Invitation is an invitation to an organization.
type Invitation struct {
	ID, OrgID, Email  string
	ClientID, Inviter string
	ConnectionID      string
	Roles             []string
	Ticket            string // a secret, as the link is that has it
	Created, Expires  time.Time
	Mailed            bool // to the address
	Replaced          bool // by another one, and so not listed

	metadata map[string]any // app_metadata and user_metadata
}

// Invitations returns all invitations to an organization that were made, in
// their order.
func (t *Tenant) Invitations(orgID string) []Invitation {
	t.mu.Lock()
	defer t.mu.Unlock()
	invitations := make([]Invitation, len(t.invited[orgID]))
	for i, v := range t.invited[orgID] {
		invitations[i] = *v
	}
	return invitations
}

// AddInvitations makes invitations without a request, and without a mail to
// anybody who is not [Invitation.Mailed]. They need an organization, an address
// and their times.
func (t *Tenant) AddInvitations(invitations ...Invitation) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, v := range invitations {
		t.addInvitation(&v)
	}
}

// addInvitation gives an invitation its id and its ticket; t.mu is held.
func (t *Tenant) addInvitation(v *Invitation) {
	t.invitations++
	v.ID = "uinv_" + alnum(fmt.Sprint("invitation", t.invitations), 16)
	v.Ticket = alnum(fmt.Sprint("ticket", t.invitations), 24)
	t.invited[v.OrgID] = append(t.invited[v.OrgID], v)
}

// Mails returns how many invitations were sent to an address, by whatever
// organization.
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

// invite is POST /organizations/{id}/invitations, which answers 201 as recorded,
// not 200 as documented.
func (t *Tenant) invite(c *call) reply {
	v, rep, valid := t.readInvitation(c)
	if !valid {
		return rep
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, earlier := range t.invited[c.arg] {
		if earlier.Email != v.Email || earlier.Replaced || !v.Created.Before(earlier.Expires) {
			continue
		}
		switch t.cfg.Undocumented.InviteAgain {
		case InviteRefused:
			return refuse(http.StatusConflict, "", "An invitation for this user exists already.")
		case InviteReplaces:
			earlier.Replaced = true
		}
	}
	t.addInvitation(v)
	return ok(http.StatusCreated, t.invitationBody(v))
}

// readInvitation checks path and body of an invitation.
func (t *Tenant) readInvitation(c *call) (*Invitation, reply, bool) {
	if rep, refused := checkOrgID(c.arg); refused {
		return nil, rep, false
	}
	body, rep, valid := t.parseBody(c)
	if !valid {
		return nil, rep, false
	}
	v := &Invitation{OrgID: c.arg, Created: t.now(), Mailed: true, metadata: make(map[string]any)}
	life := defaultInvitationLife * time.Second
	read := bodyReader{object: body}
	read.names("", "inviter", "invitee", "client_id", "connection_id", "roles", "ttl_sec", "app_metadata", "user_metadata", "send_invitation_email")
	inviter, invitee := read.below("inviter"), read.below("invitee")
	inviter.names("inviter", "name")
	invitee.names("invitee", "email")
	v.Inviter = inviter.text("inviter.name", "The inviter's name", func(s string) string {
		if n := utf8.RuneCountInString(s); n > maxInviterName {
			return fmt.Sprintf("String is too long (%d chars), maximum %d", n, maxInviterName)
		}
		return ""
	})
	v.Email = invitee.text("invitee.email", "The invitee's email", func(s string) string {
		if local, domain, found := strings.Cut(s, "@"); !found || local == "" || domain == "" || strings.ContainsAny(s, " \t\r\n") {
			return "Object didn't pass validation for format email: " + s
		}
		return ""
	})
	v.ClientID = read.text("client_id", "Auth0 client ID. Used to resolve the application's login initiation endpoint", nil)
	read.optional("connection_id", func(value any) bool { v.ConnectionID, valid = value.(string); return valid })
	read.optional("send_invitation_email", func(value any) bool { v.Mailed, valid = value.(bool); return valid })
	read.optional("ttl_sec", func(value any) bool {
		n, isNumber := value.(float64)
		if n > 0 {
			life = time.Duration(n) * time.Second
		}
		return isNumber && n >= 0 && n <= maxInvitationLife
	})
	for _, name := range []string{"app_metadata", "user_metadata"} {
		read.optional(name, func(value any) bool {
			v.metadata[name] = value
			_, isObject := value.(map[string]any)
			return isObject
		})
	}
	v.Expires = v.Created.Add(life)
	for _, r := range []*bodyReader{&read, inviter, invitee} {
		if r.refused != nil {
			return nil, *r.refused, false
		}
	}
	if _, given := body["roles"]; given {
		if v.Roles, rep, valid = t.rolesList(rolesToAssign).check(body); !valid {
			return nil, rep, false
		}
	}
	rep, refused := t.checkInvitation(v)
	return v, rep, !refused
}

// checkInvitation refuses what the schema allows and the tenant has not, in
// documented words.
func (t *Tenant) checkInvitation(v *Invitation) (reply, bool) {
	all := t.connections()
	unknown := places(v.Roles, func(id string) bool { return !t.givable(id, v.OrgID) })
	switch {
	case !t.knowsOrg(v.OrgID):
		return refuse(http.StatusNotFound, "", "No organization found by that id."), true
	case t.cfg.InviteTo != nil && !slices.Contains(t.cfg.InviteTo, v.ClientID):
		return refuse(http.StatusBadRequest, "invalid_body", "The specified client_id does not exist."), true
	case v.ConnectionID != "" && len(all) > 0 && !slices.ContainsFunc(all, func(c Connection) bool { return c.ID == v.ConnectionID }):
		return refuse(http.StatusBadRequest, "invalid_body", "The specified connection does not exist."), true
	case len(unknown) > 0:
		return t.cfg.Undocumented.unknownRoles(v.Roles, unknown), true
	}
	return reply{}, false
}

// bodyReader takes values out of a body, and notes the first that does not fit
// the schema.
type bodyReader struct {
	object  map[string]any
	refused *reply
}

func (r *bodyReader) refuse(text, property, description string) {
	if r.refused == nil {
		rep := invalidBody(text, property, description)
		r.refused = &rep
	}
}

// names refuses members that are not known.
func (r *bodyReader) names(property string, known ...string) {
	if rep, refused := checkNames(r.object, property, known...); refused && r.refused == nil {
		r.refused = &rep
	}
}

// below reads an object that must be there.
func (r *bodyReader) below(name string) *bodyReader {
	value, found := r.object[name]
	object, isObject := value.(map[string]any)
	switch {
	case !found:
		r.refuse("Missing required property: "+name, "", "")
	case !isObject:
		r.refuse("Expected type object but found type "+typeName(value), name, "")
	}
	return &bodyReader{object: object}
}

// text reads a string that must be there; wrong says what else is wrong with it.
func (r *bodyReader) text(property, description string, wrong func(string) string) string {
	parent, name, nested := strings.Cut(property, ".")
	if !nested {
		parent, name = "", parent
	}
	value, found := r.object[name]
	s, isString := value.(string)
	switch {
	case !found:
		r.refuse("Missing required property: "+name, parent, "")
	case !isString:
		r.refuse("Expected type string but found type "+typeName(value), property, description)
	case s == "":
		r.refuse("String is too short (0 chars), minimum 1", property, description)
	case wrong != nil && wrong(s) != "":
		r.refuse(wrong(s), property, description)
	}
	return s
}

// optional reads a value that may be there.
func (r *bodyReader) optional(name string, fits func(any) bool) {
	if value, found := r.object[name]; found && !fits(value) {
		r.refuse(fmt.Sprintf("Value %v of type %s is not allowed", value, typeName(value)), name, "")
	}
}

// invitationBody is an invitation as recorded.
func (t *Tenant) invitationBody(v *Invitation) map[string]any {
	query := url.Values{"invitation": {v.Ticket}, "organization": {v.OrgID}, "organization_name": {t.orgs[v.OrgID].Name}}
	body := map[string]any{
		"id": v.ID, "organization_id": v.OrgID, "client_id": v.ClientID,
		"inviter": map[string]any{"name": v.Inviter}, "invitee": map[string]any{"email": v.Email},
		"invitation_url": "https://app.example/login?" + query.Encode(), "ticket_id": v.Ticket,
		"created_at": timestamp(v.Created), "expires_at": timestamp(v.Expires),
	}
	for name, value := range v.metadata {
		body[name] = value
	}
	if v.ConnectionID != "" {
		body["connection_id"] = v.ConnectionID
	}
	if len(v.Roles) > 0 {
		body["roles"] = v.Roles
	}
	return body
}

// listInvitations is GET /organizations/{id}/invitations. It shows those that
// have expired too; whether the real list does is not known.
func (t *Tenant) listInvitations(c *call) reply {
	if rep, refused := checkOrgID(c.arg); refused {
		return rep
	}
	if !t.knowsOrg(c.arg) {
		return refuse(http.StatusNotFound, "", "No organization found by that id.")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	shown := make(map[string]*Invitation)
	var order []place
	for _, v := range t.invited[c.arg] {
		if !v.Replaced && !t.now().Before(v.Created.Add(t.cfg.Undocumented.AddDelay)) {
			shown[v.ID] = v
			order = append(order, place{v.Created.UnixMilli(), v.ID})
		}
	}
	if c.URL.Query().Get("sort") == "created_at:-1" {
		slices.Reverse(order)
	}
	item := func(p place) map[string]any { return t.invitationBody(shown[p.id]) }
	return t.show(list{name: "invitations", order: order, item: item, noTotal: true}, c.URL.Query())
}
