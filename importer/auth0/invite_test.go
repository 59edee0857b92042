package auth0_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"orgimport/importer"
	"orgimport/importer/auth0"
)

// invitations is a tenant that invites people and has a list of whom.
type invitations struct {
	fault func(n int) string // what goes wrong with an invitation: see post; n from 1

	mu    sync.Mutex
	posts int
	lists int
	made  []map[string]any // the newest last
	body  map[string]any   // of the last invitation
}

const ticket = "Mh3BticketMh3B"

func (v *invitations) RoundTrip(r *http.Request) (*http.Response, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if r.Method == http.MethodGet {
		v.lists++
		return v.list(r)
	}
	return v.post(r)
}

func (v *invitations) post(r *http.Request) (*http.Response, error) {
	v.posts++
	fault := ""
	if v.fault != nil {
		fault = v.fault(v.posts)
	}
	switch fault {
	case "limit":
		return respond(http.StatusTooManyRequests, `{"statusCode":429,"error":"Too Many Requests","message":"Endpoint limit has been reached","errorCode":"too_many_requests"}`)
	case "before":
		return nil, io.ErrUnexpectedEOF
	case "refused":
		return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	case "503 before":
		return respond(http.StatusServiceUnavailable, "")
	case "400":
		return respond(http.StatusBadRequest, `{"statusCode":400,"error":"Bad Request","message":"The specified client_id does not exist.","errorCode":"invalid_body"}`)
	case "403":
		return respond(http.StatusForbidden, `{"statusCode":403,"error":"Forbidden","message":"Insufficient scope, expected any of: create:organization_invitations","errorCode":"insufficient_scope"}`)
	}
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return nil, err
	}
	v.body = body
	v.add(r.URL.Path, body["invitee"].(map[string]any)["email"].(string), time.Now(), time.Now().Add(168*time.Hour))
	switch fault {
	case "after":
		return nil, io.ErrUnexpectedEOF
	case "503 after":
		return respond(http.StatusServiceUnavailable, "")
	}
	return respond(http.StatusCreated, `{"id":"uinv_1","ticket_id":"`+ticket+`","invitation_url":"https://acme/?invitation=`+ticket+`"}`)
}

func (v *invitations) add(path, email string, made, ends time.Time) {
	v.made = append(v.made, map[string]any{
		"path": path, "invitee": map[string]any{"email": email}, "ticket_id": ticket,
		"created_at": made.Format(time.RFC3339Nano), "expires_at": ends.Format(time.RFC3339Nano),
	})
}

func (v *invitations) list(r *http.Request) (*http.Response, error) {
	var all []map[string]any
	for _, i := range slices.Backward(v.made) {
		if i["path"] == r.URL.Path {
			all = append(all, i)
		}
	}
	var page int
	_, _ = fmt.Sscan(r.URL.Query().Get("page"), &page)
	all = all[min(page*100, len(all)):min(page*100+100, len(all))]
	body, err := json.Marshal(map[string]any{"start": page * 100, "limit": 100, "invitations": all})
	if err != nil {
		return nil, err
	}
	return respond(http.StatusOK, string(body))
}

// mails returns how often an address was invited.
func (v *invitations) mails(email string) (n int) {
	for _, i := range v.made {
		if i["invitee"].(map[string]any)["email"] == email {
			n++
		}
	}
	return n
}

func respond(status int, body string) (*http.Response, error) {
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body))}, nil
}

// newInviter returns an Inviter to a tenant, and what it has noted.
func newInviter(t *testing.T, tenant *invitations) (*auth0.Inviter, *[]importer.Outcome) {
	var mu sync.Mutex
	var noted []importer.Outcome
	v := &auth0.Inviter{
		Lists: newClient(t, tenant), Application: "app", Name: "Acme",
		Begun: func(importer.Row) (importer.Outcome, bool) { return importer.Outcome{}, false },
		Note: func(o importer.Outcome) error {
			mu.Lock()
			defer mu.Unlock()
			noted = append(noted, o)
			return nil
		},
	}
	v.Client = newClient(t, v.Transport(tenant))
	return v, &noted
}

func invitee(org, email string) importer.Row { return importer.Row{OrgID: org, Args: []string{email}} }

func TestInvite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := &invitations{}
		tenant.add("/api/v2/organizations/org_a/invitations", "Bob@acme.com", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
		tenant.add("/api/v2/organizations/org_a/invitations", "late@acme.com", time.Now().Add(-time.Hour), time.Now().Add(-time.Minute))
		v, noted := newInviter(t, tenant)
		v.TTL, v.Roles, v.Connection, v.NoEmail = time.Hour, []string{"rol_1"}, "con_1", true
		got := statuses(assign(t, v.Op(), 4, invitee("org_a", "bob@Acme.com"), invitee("org_a", "late@acme.com"), invitee("org_b", "bob@acme.com")))
		if want := []string{"already_invited", "invited", "invited"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		if tenant.lists != 2 || tenant.posts != 2 || len(*noted) != 2 {
			t.Errorf("%d lists, %d invitations, %d lines", tenant.lists, tenant.posts, len(*noted))
		}
		want := `map[client_id:app connection_id:con_1 invitee:map[email:bob@acme.com] inviter:map[name:Acme] roles:[rol_1] send_invitation_email:false ttl_sec:3600]`
		if got := fmt.Sprint(tenant.body); !strings.Contains(got, "client_id:app") || got != want && got != strings.Replace(want, "bob", "late", 1) {
			t.Errorf("sent %s", got)
		}
	})
}

// TestAnInvitationIsSentAtMostOnce has everything go wrong that may, and counts
// at the tenant.
func TestAnInvitationIsSentAtMostOnce(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 1))
				kinds := []string{"", "", "", "limit", "before", "after", "503 before", "503 after", "refused"}
				tenant := &invitations{fault: func(int) string { return kinds[rng.IntN(len(kinds))] }}
				v, noted := newInviter(t, tenant)
				v.Client.MaxWait = time.Hour
				var rows []importer.Row
				for i := range 60 {
					rows = append(rows, invitee(fmt.Sprintf("org_%d", i%3), fmt.Sprintf("user%d@acme.com", i)))
				}
				sending := make(map[string]int)
				outcomes := assign(t, v.Op(), 8, rows...)
				for _, o := range *noted {
					sending[o.Row.Args[0]]++
				}
				for _, o := range outcomes {
					email := o.Row.Args[0]
					mails := tenant.mails(email)
					if mails > 1 || sending[email] != 1 {
						t.Errorf("%s: %d mails, %d lines before them", email, mails, sending[email])
					}
					switch {
					case o.Status == importer.Invited && mails == 1:
					case o.Status == importer.Failed && mails == 0 && (o.Code == auth0.CodeUnknownOutcome || o.Passing):
					default:
						t.Errorf("%s: %s %s after %d mails: %s", email, o.Status, o.Code, mails, o.Message)
					}
					if strings.Contains(fmt.Sprint(o), ticket) {
						t.Errorf("the ticket is shown: %v", o)
					}
				}
			})
		})
	}
}

// TestWhatAnEarlierRunHasBegunIsNotSent looks into the list instead.
func TestWhatAnEarlierRunHasBegunIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := &invitations{}
		path := "/api/v2/organizations/org_a/invitations"
		tenant.add(path, "old@acme.com", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
		tenant.add(path, "sent@acme.com", time.Now().Add(-50*time.Second), time.Now().Add(time.Hour))
		v, _ := newInviter(t, tenant)
		v.Begun = func(r importer.Row) (importer.Outcome, bool) {
			return importer.Outcome{Receipt: importer.Receipt{CorrelationID: "ov-1", Time: time.Now().Add(-time.Minute)}}, true
		}
		outcomes := assign(t, v.Op(), 1, invitee("org_a", "sent@acme.com"), invitee("org_a", "lost@acme.com"), invitee("org_a", "old@acme.com"))
		want := []string{"invited", "failed unknown_outcome", "failed unknown_outcome"}
		if got := statuses(outcomes); !slices.Equal(got, want) || tenant.posts != 0 {
			t.Errorf("%q, want %q; %d sent", got, want, tenant.posts)
		}
		if outcomes[0].CorrelationID != "ov-1" {
			t.Errorf("%+v", outcomes[0])
		}
	})
}

// TestWhatIsWrongWithAllInvitationsCostsOne request.
func TestWhatIsWrongWithAllInvitationsCostsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := &invitations{fault: func(int) string { return "400" }}
		v, _ := newInviter(t, tenant)
		got := statuses(assign(t, v.Op(), 1, invitee("org_a", "a@acme.com"), invitee("org_a", "b@acme.com"), invitee("org_b", "c@acme.com")))
		if want := slices.Repeat([]string{"failed invalid_body"}, 3); !slices.Equal(got, want) || tenant.posts != 1 {
			t.Errorf("%q, want %q; %d sent", got, want, tenant.posts)
		}
	})
}

// TestARefusalThatEndsTheRunIsNoted as one, so that another run sends the row.
func TestARefusalThatEndsTheRunIsNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := &invitations{fault: func(int) string { return "403" }}
		v, noted := newInviter(t, tenant)
		_, err := v.Op().Send(t.Context(), importer.Batch{OrgID: "org_a", Rows: []importer.Row{invitee("org_a", "a@acme.com")}})
		if importer.ReachOf(err) != importer.ReachRun {
			t.Fatalf("%v", err)
		}
		if got := statuses(*noted); !slices.Equal(got, []string{"sending", "failed insufficient_scope"}) {
			t.Errorf("noted %q", got)
		}
	})
}

// TestNothingLeavesThatIsNotNoted: without a line there is no request.
func TestNothingLeavesThatIsNotNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := &invitations{}
		v, _ := newInviter(t, tenant)
		full := errors.New("the disk is full")
		v.Note = func(importer.Outcome) error { return full }
		_, err := v.Op().Send(t.Context(), importer.Batch{OrgID: "org_a", Rows: []importer.Row{invitee("org_a", "a@acme.com")}})
		if !errors.Is(err, full) || importer.ReachOf(err) != importer.ReachRun || tenant.posts != 0 {
			t.Errorf("%v; %d sent", err, tenant.posts)
		}
	})
}
