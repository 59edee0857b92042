package auth0_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/auth0/auth0test"
	"orgimport/importer/retry"
)

// inviting returns a tenant whose invitations fail in some way.
func inviting(cfg auth0test.Config, fault func() auth0test.Fault) *auth0test.Tenant {
	cfg.Fault = func(r *http.Request, _ int) auth0test.Fault {
		if r.Method == http.MethodPost {
			return fault()
		}
		return auth0test.Fault{}
	}
	return newTenant(cfg)
}

// posts returns how many invitations were requested, lists how many pages of them.
func posts(tenant *auth0test.Tenant) int { return came(tenant, auth0test.WriteInvitations) }
func lists(tenant *auth0test.Tenant) int { return came(tenant, auth0test.ReadInvitations) }

func came(tenant *auth0test.Tenant, class auth0test.Class) (n int) {
	for _, times := range tenant.Stats().Requests[class] {
		n += times
	}
	return n
}

// invited returns an invitation that existed before.
func invited(email string, ago, left time.Duration) auth0test.Invitation {
	return auth0test.Invitation{OrgID: "org_a", Email: email, Created: time.Now().Add(-ago), Expires: time.Now().Add(left)}
}

// newInviter returns an Inviter to a tenant, and what it noted.
func newInviter(t *testing.T, tenant http.RoundTripper) (*auth0.Inviter, *[]importer.Outcome) {
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
	v.Client = newClient(t, v.Transport(retry.Attempt{Base: tenant, Grace: time.Second}))
	return v, &noted
}

func invitee(org, email string) importer.Row { return importer.Row{OrgID: org, Args: []string{email}} }

// TestWhatIsNotedIsSent: runs are stopped while an invitation is noted, and before.
func TestWhatIsNotedIsSent(t *testing.T) {
	tenant := newTenant(auth0test.Config{})
	v, noted := newInviter(t, tenant)
	ctx, stop := context.WithCancel(t.Context())
	write := v.Note
	v.Note = func(o importer.Outcome) error {
		stop()
		return write(o)
	}
	op := v.Op()
	_, err := op.Send(ctx, importer.Batch{OrgID: "org_a", Rows: []importer.Row{invitee("org_a", "ann@acme.com")}})
	if err != nil || len(*noted) != 1 || posts(tenant) != 1 {
		t.Errorf("%d lines, %d invitations, error %v", len(*noted), posts(tenant), err)
	}
	_, err = op.Send(ctx, importer.Batch{OrgID: "org_a", Rows: []importer.Row{invitee("org_a", "bob@acme.com")}})
	if !errors.Is(err, context.Canceled) || len(*noted) != 1 || posts(tenant) != 1 {
		t.Errorf("after the stop: %d lines, %d invitations, error %v", len(*noted), posts(tenant), err)
	}
}

// TestStoppedAfterARefusal: a run is stopped when it is known that its invitation
// was not created, so the row can be tried again.
func TestStoppedAfterARefusal(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	s := &sender{Answer: func(_ int, r *http.Request, _ string) (*http.Response, error) {
		if r.Method == http.MethodGet {
			return reply(200, `{"invitations":[]}`), nil
		}
		stop()
		return reply(429, `{}`), nil
	}}
	v, noted := newInviter(t, s)
	_, err := v.Op().Send(ctx, importer.Batch{OrgID: "org_a", Rows: []importer.Row{invitee("org_a", "ann@acme.com")}})
	if !errors.Is(err, context.Canceled) || len(*noted) != 2 || (*noted)[1].Status != importer.Failed || (*noted)[1].HTTPStatus != 429 {
		t.Errorf("%+v, error %v", *noted, err)
	}
}

func TestInvite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := newTenant(auth0test.Config{})
		tenant.AddInvitations(invited("Bob@acme.com", time.Hour, time.Hour), invited("late@acme.com", time.Hour, -time.Minute))
		v, noted := newInviter(t, tenant)
		v.TTL, v.Roles, v.Connection, v.NoEmail = time.Hour, []string{"rol_1"}, "con_1", true
		got := statuses(assign(t, v.Op(), 4, invitee("org_a", "bob@Acme.com"), invitee("org_a", "late@acme.com"), invitee("org_b", "bob@acme.com")))
		if want := []string{"already_invited", "invited", "invited"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		if lists(tenant) != 3 || posts(tenant) != 2 || len(*noted) != 2 {
			t.Errorf("%d lists, %d invitations, %d lines", lists(tenant), posts(tenant), len(*noted))
		}
		for org, email := range map[string]string{"org_a": "late@acme.com", "org_b": "bob@acme.com"} {
			all := tenant.Invitations(org)
			sent := all[len(all)-1]
			if sent.Email != email || sent.ClientID != "app" || sent.ConnectionID != "con_1" || sent.Inviter != "Acme" || !slices.Equal(sent.Roles, []string{"rol_1"}) ||
				sent.Mailed || sent.Expires.Sub(sent.Created) != time.Hour {
				t.Errorf("sent %+v", sent)
			}
		}
	})
}

// TestNobodyBelowSendsAnInvitationAgain: an HTTP/2 server creates the invitation
// and then resets its stream, with the code after which net/http repeats requests
// that it can.
func TestNobodyBelowSendsAnInvitationAgain(t *testing.T) {
	invitations, server := resettingServer(t)
	base := retry.NewTransport(1)
	base.TLSClientConfig.RootCAs = x509.NewCertPool()
	base.TLSClientConfig.RootCAs.AddCert(server.Certificate())
	t.Cleanup(base.CloseIdleConnections)
	ctx, cancel := context.WithCancel(t.Context())
	v, _ := newInviter(t, &sender{Answer: func(n int, _ *http.Request, _ string) (*http.Response, error) {
		if n > 1 { // the list is read for it, and does not say
			cancel()
		}
		return reply(200, `{"invitations":[]}`), nil
	}})
	v.Client.HTTP = retry.NewHTTPClient(v.Transport(retry.Attempt{Base: base}))
	v.Client.BaseURL = &url.URL{Scheme: "https", Host: server.Listener.Addr().String()}
	_, err := v.Op().Send(ctx, importer.Batch{OrgID: "org_a", Rows: []importer.Row{invitee("org_a", "ann@acme.com")}})
	if n := invitations.Load(); err == nil || n != 1 {
		t.Errorf("%d invitations, error %v", n, err)
	}
}

// resettingServer returns an HTTP/2 server that reads requests to their ends,
// counts them, and resets their streams with PROTOCOL_ERROR.
func resettingServer(t *testing.T) (requests *atomic.Int32, s *httptest.Server) {
	const (
		data, reset, settings = 0, 3, 4 // types of frames
		endStream, ack        = 1, 1
		protocolError         = 1
		typeOf, flagOf        = 3, 4 // in the nine bytes before a frame
	)
	s = httptest.NewUnstartedServer(nil)
	s.TLS = &tls.Config{NextProtos: []string{"h2"}}
	requests = new(atomic.Int32)
	s.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){"h2": func(_ *http.Server, c *tls.Conn, _ http.Handler) {
		preface := make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
		if _, err := io.ReadFull(c, preface); err != nil {
			return
		}
		_, _ = c.Write([]byte{typeOf: settings, 8: 0})
		for head := make([]byte, 9); ; {
			if _, err := io.ReadFull(c, head); err != nil {
				return
			}
			if _, err := io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(head)>>8)); err != nil {
				return
			}
			switch {
			case head[typeOf] == settings && head[flagOf] != ack:
				_, _ = c.Write([]byte{typeOf: settings, flagOf: ack, 8: 0})
			case head[typeOf] == data && head[flagOf] == endStream:
				requests.Add(1)
				frame := append([]byte{0, 0, 4, reset, 0}, head[5:]...)
				_, _ = c.Write(append(frame, 0, 0, 0, protocolError))
			}
		}
	}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return requests, s
}

// TestAnInvitationIsSentAtMostOnce tests all faults, and counts the e-mails of the
// tenant.
func TestAnInvitationIsSentAtMostOnce(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 1))
				var drawing sync.Mutex
				faults := []auth0test.Fault{
					{}, {}, {}, {Status: 429}, {Cut: auth0test.Close}, {Cut: auth0test.Close, Applied: true},
					{Status: 503, Body: auth0test.BodyEmpty}, {Status: 503, Applied: true}, {Cut: auth0test.Refuse},
				}
				cfg := auth0test.Config{
					ClockOffset:  []time.Duration{0, time.Minute, -time.Minute}[seed%3],
					Undocumented: auth0test.Undocumented{AddDelay: []time.Duration{0, 4 * time.Second}[seed%2]},
				}
				tenant := inviting(cfg, func() auth0test.Fault {
					drawing.Lock()
					defer drawing.Unlock()
					return faults[rng.IntN(len(faults))]
				})
				v, noted := newInviter(t, tenant)
				v.Client.Retry.MaxWait = time.Hour
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
					mails := tenant.Mails(email)
					if mails > 1 || sending[email] != 1 {
						t.Errorf("%s: %d mails, %d lines before them", email, mails, sending[email])
					}
					switch {
					case o.Status == importer.Invited && mails == 1:
					case o.Status == importer.Failed && mails == 0 && (o.Code == importer.CodeUnknownOutcome || o.Transient):
					default:
						t.Errorf("%s: %s %s after %d mails: %s", email, o.Status, o.Code, mails, o.Message)
					}
					for _, v := range tenant.Invitations(o.Row.OrgID) {
						if strings.Contains(fmt.Sprint(o), v.Ticket) {
							t.Errorf("the ticket is shown: %v", o)
						}
					}
				}
			})
		})
	}
}

// TestAnAnswerWithoutAnInvitationSaysNothing: the list says whether one was made.
func TestAnAnswerWithoutAnInvitationSaysNothing(t *testing.T) {
	for _, body := range []string{`{"statusCode":500,"error":"Internal Server Error","message":"try later"}`, `{}`, `[]`, `null`, ``, `<html>`} {
		synctest.Test(t, func(t *testing.T) {
			v, _ := newInviter(t, &sender{Answer: func(_ int, r *http.Request, _ string) (*http.Response, error) {
				if r.Method == http.MethodGet {
					return reply(200, `{"invitations":[]}`), nil
				}
				return reply(200, body), nil
			}})
			got := statuses(assign(t, v.Op(), 1, invitee("org_a", "ann@acme.com")))
			if want := []string{"failed unknown_outcome"}; !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", body, got, want)
			}
		})
	}
}

// TestWhatAnEarlierRunHasBegunIsNotSent: the list is read instead.
func TestWhatAnEarlierRunHasBegunIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := newTenant(auth0test.Config{})
		tenant.AddInvitations(invited("old@acme.com", time.Hour, time.Hour), invited("sent@acme.com", 50*time.Second, time.Hour))
		v, _ := newInviter(t, tenant)
		v.Begun = func(r importer.Row) (importer.Outcome, bool) {
			return importer.Outcome{Receipt: importer.Receipt{CorrelationID: "ov-1", Time: time.Now().Add(-time.Minute)}}, true
		}
		outcomes := assign(t, v.Op(), 1, invitee("org_a", "sent@acme.com"), invitee("org_a", "lost@acme.com"), invitee("org_a", "old@acme.com"))
		want := []string{"invited", "failed unknown_outcome", "failed unknown_outcome"}
		if got := statuses(outcomes); !slices.Equal(got, want) || posts(tenant) != 0 {
			t.Errorf("%q, want %q; %d sent", got, want, posts(tenant))
		}
		if outcomes[0].CorrelationID != "ov-1" {
			t.Errorf("%+v", outcomes[0])
		}
	})
}

// TestWhatIsWrongWithAllInvitationsCostsOne request.
func TestWhatIsWrongWithAllInvitationsCostsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := newTenant(auth0test.Config{InviteTo: []string{"another"}})
		v, _ := newInviter(t, tenant)
		got := statuses(assign(t, v.Op(), 1, invitee("org_a", "a@acme.com"), invitee("org_a", "b@acme.com"), invitee("org_b", "c@acme.com")))
		if want := slices.Repeat([]string{"failed invalid_body"}, 3); !slices.Equal(got, want) || posts(tenant) != 1 {
			t.Errorf("%q, want %q; %d sent", got, want, posts(tenant))
		}
	})
}

// TestWhatIsWrongWithOneAddressIsSaidOfIt, whatever words the address has.
func TestWhatIsWrongWithOneAddressIsSaidOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := &sender{Answer: func(_ int, r *http.Request, body string) (*http.Response, error) {
			switch {
			case r.Method == http.MethodGet:
				return reply(200, `{"invitations":[]}`), nil
			case strings.Contains(body, "ceo@inviter.example"):
				return reply(400, `{"statusCode":400,"error":"Bad Request","message":"Payload validation error: 'Object didn't pass validation for format email: ceo@inviter.example' on property invitee.email.","errorCode":"invalid_body"}`), nil
			}
			return reply(201, `{"invitee":{"email":"b@acme.com"}}`), nil
		}}
		v, _ := newInviter(t, tenant)
		got := statuses(assign(t, v.Op(), 1, invitee("org_a", "ceo@inviter.example"), invitee("org_a", "b@acme.com")))
		if want := []string{"failed invalid_body", "invited"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// TestARefusalThatEndsTheRunIsNoted as one, so that another run sends the row.
func TestARefusalThatEndsTheRunIsNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := auth0test.New(auth0test.Config{})
		v, noted := newInviter(t, &auth0.Bearer{
			Source: newSource(t, auth0.Credentials{Token: tenant.Token("read:organization_invitations")}, tenant), Base: tenant,
		})
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
		tenant := newTenant(auth0test.Config{})
		v, _ := newInviter(t, tenant)
		full := errors.New("the disk is full")
		v.Note = func(importer.Outcome) error { return full }
		_, err := v.Op().Send(t.Context(), importer.Batch{OrgID: "org_a", Rows: []importer.Row{invitee("org_a", "a@acme.com")}})
		if !errors.Is(err, full) || importer.ReachOf(err) != importer.ReachRun || posts(tenant) != 0 {
			t.Errorf("%v; %d sent", err, posts(tenant))
		}
	})
}

// TestNothingIsSettledThatWasNotSent: a request fails above the transport that
// notes it.
func TestNothingIsSettledThatWasNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := newTenant(auth0test.Config{})
		tenant.AddInvitations(invited("a@acme.com", time.Hour, -time.Minute))
		v, noted := newInviter(t, tenant)
		v.Client = newClient(t, &sender{Answer: func(int, *http.Request, string) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }})
		outcomes := assign(t, v.Op(), 1, invitee("org_a", "a@acme.com"))
		if o := outcomes[0]; o.Status != importer.Failed || o.Code != "" || !o.Transient || len(*noted) != 0 || lists(tenant) != 2 {
			t.Errorf("%+v after %d lists and %d lines", o, lists(tenant), len(*noted))
		}
	})
}

func TestIsAddress(t *testing.T) {
	for s, want := range map[string]bool{
		"ann@acme.com": true, "ann+x@acme.com": true, "ä@münchen.de": true,
		"": false, "ann": false, "@acme.com": false, "ann@": false, "ann @acme.com": false, "ann@acme.com, bob@acme.com": false,
		"ann@acme.com;bob@acme.com": false, "auth0|ann@acme.com": false, "ann@acme.com\u00a0": false,
	} {
		if got := auth0.IsAddress(s); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}
