package auth0test_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"orgimport/importer/auth0/auth0test"
)

const invitations = org + "/invitations"

func invitation(email string) string {
	return `{"inviter":{"name":"Eve"},"invitee":{"email":"` + email + `"},"client_id":"app"}`
}

// listed returns the addresses that a list of invitations shows.
func listed(t *testing.T, tenant *auth0test.Tenant, query string) (emails []string) {
	t.Helper()
	_, body := send(t, tenant, "GET", invitations+query, "", nil)
	var list []struct {
		Invitee struct{ Email string } `json:"invitee"`
	}
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	for _, v := range list {
		emails = append(emails, v.Invitee.Email)
	}
	return emails
}

func TestASecondInvitationAsTheSwitchSays(t *testing.T) {
	for set, want := range map[auth0test.InviteAgain]struct{ status, made, listed, mails int }{
		auth0test.InviteTwice:    {201, 2, 2, 2},
		auth0test.InviteReplaces: {201, 2, 1, 2},
		auth0test.InviteRefused:  {409, 1, 1, 1},
	} {
		tenant := auth0test.New(auth0test.Config{NoAuth: true, Undocumented: auth0test.Undocumented{InviteAgain: set}})
		send(t, tenant, "POST", invitations, invitation("ann@acme.com"), nil)
		resp, _ := send(t, tenant, "POST", invitations, invitation("ann@acme.com"), nil)
		made, mails := len(tenant.Invitations(orgID)), tenant.Mails("ann@acme.com")
		if n := len(listed(t, tenant, "")); resp.StatusCode != want.status || made != want.made || n != want.listed || mails != want.mails {
			t.Errorf("%d: status %d, %d made, %d listed, %d mails, want %+v", set, resp.StatusCode, made, n, mails, want)
		}
	}
}

func TestAnInvitationHasWhatWasAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := auth0test.New(auth0test.Config{NoAuth: true, Organizations: []auth0test.Organization{{ID: orgID, Name: "acme"}}})
		resp, body := send(t, tenant, "POST", invitations, `{"inviter":{"name":"Eve"},"invitee":{"email":"ann@acme.com"},"client_id":"app",
			"connection_id":"con_1","roles":["rol_1"],"ttl_sec":60,"send_invitation_email":false,"app_metadata":{"a":1}}`, nil)
		if resp.StatusCode != 201 || !strings.Contains(body, `"app_metadata":{"a":1}`) || !strings.Contains(body, "organization_name=acme") {
			t.Errorf("%d %s", resp.StatusCode, body)
		}
		v := tenant.Invitations(orgID)[0]
		if v.Email != "ann@acme.com" || v.Inviter != "Eve" || v.ClientID != "app" || v.ConnectionID != "con_1" || fmt.Sprint(v.Roles) != "[rol_1]" ||
			v.Mailed || v.Expires.Sub(v.Created) != time.Minute || !strings.Contains(body, v.Ticket) || tenant.Mails("ann@acme.com") != 0 {
			t.Errorf("%+v", v)
		}
		send(t, tenant, "POST", invitations, invitation("bob@acme.com"), nil)
		if v := tenant.Invitations(orgID)[1]; v.Expires.Sub(v.Created) != 7*24*time.Hour || !v.Mailed || v.ID == tenant.Invitations(orgID)[0].ID {
			t.Errorf("%+v", v)
		}
	})
}

func TestAnInvalidInvitationIsRefused(t *testing.T) {
	tenant := auth0test.New(auth0test.Config{NoAuth: true})
	for _, body := range []string{
		`{}`, `[]`, `{"inviter":{"name":"Eve"},"invitee":{"email":"ann@acme.com"}}`,
		`{"inviter":"Eve","invitee":{"email":"ann@acme.com"},"client_id":"app"}`,
		`{"inviter":{"name":""},"invitee":{"email":"ann@acme.com"},"client_id":"app"}`,
		`{"inviter":{"name":"` + strings.Repeat("x", 301) + `"},"invitee":{"email":"ann@acme.com"},"client_id":"app"}`,
		`{"inviter":{"name":"Eve","x":1},"invitee":{"email":"ann@acme.com"},"client_id":"app"}`,
		`{"inviter":{"name":"Eve"},"invitee":{"email":"ann@acme.com"},"client_id":"app","x":1}`,
		`{"inviter":{"name":"Eve"},"invitee":{"email":"ann@acme.com"},"client_id":"app","ttl_sec":2592001}`,
		`{"inviter":{"name":"Eve"},"invitee":{"email":"ann@acme.com"},"client_id":"app","ttl_sec":"7"}`,
		`{"inviter":{"name":"Eve"},"invitee":{"email":"ann@acme.com"},"client_id":"app","roles":[]}`,
		`{"inviter":{"name":"Eve"},"invitee":{"email":"ann@acme.com"},"client_id":"app","send_invitation_email":"no"}`,
	} {
		if resp, answer := send(t, tenant, "POST", invitations, body, nil); resp.StatusCode != 400 || !strings.Contains(answer, `"invalid_body"`) {
			t.Errorf("%s: %d %s", body, resp.StatusCode, answer)
		}
	}
	if n := len(tenant.Invitations(orgID)); n != 0 {
		t.Errorf("%d made", n)
	}
}

// A list of invitations pages by offset, has no total, and may lag behind.
func TestInvitationsAreListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := auth0test.New(auth0test.Config{NoAuth: true, Undocumented: auth0test.Undocumented{AddDelay: 5 * time.Second}})
		for i := range 5 {
			send(t, tenant, "POST", invitations, invitation(fmt.Sprintf("user%d@acme.com", i)), nil)
			time.Sleep(time.Second)
		}
		if got := listed(t, tenant, ""); fmt.Sprint(got) != "[user0@acme.com]" {
			t.Errorf("at once: %q", got)
		}
		time.Sleep(5 * time.Second)
		for query, want := range map[string]string{
			"?per_page=2&page=1": "[user2@acme.com user1@acme.com]", "?per_page=2&page=3": "[]",
			"?sort=created_at:-1&per_page=2": "[user4@acme.com user3@acme.com]",
			"?sort=created_at:1&per_page=2":  "[user0@acme.com user1@acme.com]",
			"?fields=invitee&per_page=1":     "[user4@acme.com]",
		} {
			if got := listed(t, tenant, query); fmt.Sprint(got) != want {
				t.Errorf("%s: %q, want %s", query, got, want)
			}
		}
		if resp, body := send(t, tenant, "GET", invitations+"?sort=created_at", "", nil); resp.StatusCode != 400 {
			t.Errorf("a sort without a direction: %d %s", resp.StatusCode, body)
		}
		if _, body := send(t, tenant, "GET", invitations+"?include_totals=true&fields=id&per_page=2", "", nil); !strings.HasSuffix(body, `"limit":2,"start":0}`) {
			t.Error(body)
		}
	})
}

// Invitations made without a request are listed, with ids and tickets of their
// own.
func TestInvitationsMadeEarlier(t *testing.T) {
	tenant := auth0test.New(auth0test.Config{NoAuth: true, KnownOrg: func(id string) bool { return id == orgID }})
	now := time.Now()
	tenant.AddInvitations(
		auth0test.Invitation{OrgID: orgID, Email: "ann@acme.com", Created: now.Add(-time.Hour), Expires: now.Add(time.Hour), Mailed: true},
		auth0test.Invitation{OrgID: orgID, Email: "bob@acme.com", Created: now.Add(-time.Hour), Expires: now.Add(-time.Minute)})
	if got := listed(t, tenant, ""); len(got) != 2 || !slices.Contains(got, "ann@acme.com") || tenant.Mails("ann@acme.com") != 1 || tenant.Mails("bob@acme.com") != 0 {
		t.Errorf("%q", got)
	}
	if all := tenant.Invitations(orgID); all[0].ID == all[1].ID || all[0].Ticket == all[1].Ticket || all[0].Ticket == "" {
		t.Errorf("%+v", all)
	}
	for path, want := range map[string]int{"/api/v2/organizations/org_2/invitations": 404, "/api/v2/organizations/" + strings.Repeat("x", 51) + "/invitations": 400} {
		for _, method := range []string{"GET", "POST"} {
			if resp, body := send(t, tenant, method, path, invitation("ann@acme.com"), nil); resp.StatusCode != want {
				t.Errorf("%s %s: %d %s", method, path, resp.StatusCode, body)
			}
		}
	}
}

// An answer may be lost, or replaced by a 5xx, before or after the work is done.
func TestInvitationsWhoseAnswerIsLost(t *testing.T) {
	for fault, made := range map[auth0test.Fault]int{
		{Cut: auth0test.Close}:                0,
		{Cut: auth0test.Reset, Applied: true}: 1,
		{Status: 503, Applied: true}:          1,
		{Status: 503}:                         0,
	} {
		tenant := auth0test.New(auth0test.Config{NoAuth: true, Fault: func(r *http.Request, _ int) auth0test.Fault {
			if r.Method == "POST" {
				return fault
			}
			return auth0test.Fault{}
		}})
		resp, _ := try(t, tenant, "POST", invitations, invitation("ann@acme.com"), nil)
		if resp != nil && resp.StatusCode != fault.Status || tenant.Mails("ann@acme.com") != made || len(listed(t, tenant, "")) != made {
			t.Errorf("%+v: %d mails, want %d", fault, tenant.Mails("ann@acme.com"), made)
		}
	}
}
