package auth0_test

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/auth0/auth0test"
	"orgimport/importer/retry"
)

const org = "org_1234567890abcdef"

// stack returns a client with its transports over a tenant without a socket.
func stack(t testing.TB, tenant http.RoundTripper) *auth0.Client {
	return newClient(t, &auth0.Bearer{
		Source: newSource(t, secretCredentials, &retry.Attempt{Base: tenant, Timeout: 30 * time.Second}),
		Base:   &retry.Attempt{Base: tenant, Timeout: 30 * time.Second, Grace: 25 * time.Second},
	})
}

// run imports users in batches of ten and returns their outcomes, and the error
// that ended the run.
func run(ctx context.Context, c *auth0.Client, users ...string) (map[string]importer.Outcome, error) {
	outcomes := map[string]importer.Outcome{}
	batches := func(yield func(importer.Batch, error) bool) {
		for part := range slices.Chunk(users, auth0.MaxMembers) {
			if !yield(batch(org, part...), nil) {
				return
			}
		}
	}
	for answered, err := range importer.Run(ctx, batches, c.Import(), 4) {
		if err != nil {
			return outcomes, err
		}
		for _, o := range answered {
			outcomes[o.Row.UserID] = o
		}
	}
	return outcomes, nil
}

func people(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("auth0|%04d", i)
	}
	return ids
}

func TestEveryRowIsInWhateverTheTransientFaults(t *testing.T) {
	fault := func(f auth0test.Fault) func(*http.Request, int) auth0test.Fault {
		return func(_ *http.Request, n int) auth0test.Fault {
			if n%3 == 2 {
				return f
			}
			return auth0test.Fault{}
		}
	}
	slowWrites := auth0test.Incident{Class: auth0test.WriteMembers, Fault: auth0test.Fault{Delay: time.Second}}
	for name, cfg := range map[string]auth0test.Config{
		"none":                          {},
		"canonical domain":              {Domain: "acme.eu.auth0.com"},
		"503":                           {Fault: fault(auth0test.Fault{Status: 503, Body: auth0test.BodyHTML})},
		"524":                           {Fault: fault(auth0test.Fault{Status: 524, Body: auth0test.BodyEmpty})},
		"429 with Retry-After":          {Fault: fault(auth0test.Fault{Status: 429, RetryAfter: 3 * time.Second})},
		"reset after it was done":       {Fault: fault(auth0test.Fault{Cut: auth0test.Reset, Applied: true})},
		"cut":                           {Fault: fault(auth0test.Fault{Cut: auth0test.Close})},
		"hang":                          {Fault: fault(auth0test.Fault{Hang: true})},
		"outage":                        {Incidents: []auth0test.Incident{auth0test.Outage(0, 3*time.Minute)}},
		"outage in the middle":          {Incidents: []auth0test.Incident{auth0test.Outage(time.Second, time.Minute), slowWrites}},
		"tokens of 4 seconds":           {TokenLifetime: 4 * time.Second, Incidents: []auth0test.Incident{slowWrites}},
		"writes that conflict":          {Undocumented: auth0test.Undocumented{Concurrent: auth0test.Conflict}, Incidents: []auth0test.Incident{slowWrites}},
		"batches of 3 at most":          {Undocumented: auth0test.Undocumented{MaxMembers: 3}},
		"faults at the token endpoint":  {Incidents: []auth0test.Incident{{Share: 0.5, Class: auth0test.Tokens, Fault: auth0test.Fault{Status: 500}}}, TokenLifetime: 4 * time.Second},
		"a limit of two in ten seconds": {Limits: auth0test.Limits{Global: []auth0test.Limit{{Size: 2, Per: 2, Interval: 10 * time.Second}}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tenant := auth0test.New(cfg)
				c := stack(t, tenant)
				c.HTTP.Transport = paced(c.HTTP.Transport)
				users := people(95)
				outcomes, err := run(t.Context(), c, users...)
				if err != nil {
					t.Fatal(err)
				}
				for _, u := range users {
					if o := outcomes[u]; o.Status != importer.Added {
						t.Errorf("%s: %s %s", u, o.Status, o.Message)
					}
				}
				members := tenant.Members(org)
				slices.Sort(members)
				if !slices.Equal(members, users) {
					t.Errorf("%d members, want %d", len(members), len(users))
				}
				var listed []string
				for m, err := range c.Members(t.Context(), org) {
					if err != nil {
						t.Fatal(err)
					}
					listed = append(listed, m.UserID)
				}
				slices.Sort(listed)
				if !slices.Equal(listed, users) {
					t.Errorf("%d listed, want %d", len(listed), len(users))
				}
				if _, err := c.Organization(t.Context(), org); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestOnlyTheUnknownFail tries everything that the documentation leaves open:
// whatever the tenant answers to unknown users, the others become members.
func TestOnlyTheUnknownFail(t *testing.T) {
	for _, status := range []int{400, 404} {
		for _, naming := range []auth0test.Naming{auth0test.NameNone, auth0test.NameAll, auth0test.NameFirst, auth0test.NameIndex} {
			for _, partial := range []bool{false, true} {
				for _, readd := range []int{204, 409} {
					t.Run(fmt.Sprint(status, naming, partial, readd), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							tenant := auth0test.New(auth0test.Config{
								KnownUser:    func(id string) bool { return !strings.HasSuffix(id, "7") },
								Undocumented: auth0test.Undocumented{UnknownUser: status, Naming: naming, Partial: partial, Readd: readd},
							})
							tenant.AddMembers(org, "auth0|0003", "auth0|0011", "auth0|0012")
							users := people(40)
							outcomes, err := run(t.Context(), stack(t, tenant), users...)
							if err != nil {
								t.Fatal(err)
							}
							members := tenant.Members(org)
							for _, u := range users {
								o := outcomes[u]
								if in := slices.Contains(members, u); o.Status.Settled() != in || in == strings.HasSuffix(u, "7") {
									t.Errorf("%s: %s %q, a member: %v", u, o.Status, o.Message, in)
								}
							}
						})
					})
				}
			}
		}
	}
}

func TestOrganizationThatDoesNotExist(t *testing.T) {
	for _, answer := range []auth0test.UnknownOrg{auth0test.NoSuchOrganization, auth0test.BadOrganization, auth0test.GoneOrganization} {
		tenant := auth0test.New(auth0test.Config{KnownOrg: func(string) bool { return false }, Undocumented: auth0test.Undocumented{UnknownOrg: answer}})
		c := stack(t, tenant)
		_, err := c.Import().Send(t.Context(), batch(org, "auth0|a", "auth0|b"))
		if importer.ReachOf(err) != importer.ReachOrg {
			t.Errorf("%v, want an error that reaches the organization", err)
		}
		if _, err := c.Organization(t.Context(), org); importer.ReachOf(err) != importer.ReachOrg {
			t.Errorf("%v, want an error that reaches the organization", err)
		}
	}
}

func TestQuotaIsNoMembership(t *testing.T) {
	tenant := auth0test.New(auth0test.Config{Undocumented: auth0test.Undocumented{MemberQuota: 1}})
	tenant.AddMembers(org, "auth0|a")
	_, err := stack(t, tenant).Import().Send(t.Context(), batch(org, "auth0|b"))
	if importer.ReachOf(err) != importer.ReachRow || errors.Is(err, importer.ErrMember) {
		t.Errorf("%v, want the refusal of a row", err)
	}
}

// TestFullOrganizationCostsFewRequests fills one up: once a single row was refused for
// the quota, in the words of the OpenAPI description, the others are not sent.
func TestFullOrganizationCostsFewRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := auth0test.New(auth0test.Config{Undocumented: auth0test.Undocumented{MemberQuota: 13}})
		outcomes, err := run(t.Context(), stack(t, tenant), people(400)...)
		if err != nil || len(outcomes) != 400 || len(tenant.Members(org)) != 13 {
			t.Errorf("%d outcomes, %d members, error %v", len(outcomes), len(tenant.Members(org)), err)
		}
		if sent := tenant.Stats().Total(); sent > 80 { // four batches are under way when it is known
			t.Errorf("%d requests for 40 batches", sent)
		}
	})
}

// TestOrganizationThatIsRefusedFailsAlone: one organization answers 403 for a limit
// of its own, as in dust-tt/dust#30188 and datadog-sync-cli#395.
func TestOrganizationThatIsRefusedFailsAlone(t *testing.T) {
	s := &sender{Answer: func(_ int, r *http.Request, _ string) (*http.Response, error) {
		if strings.Contains(r.URL.Path, "/org_b/") {
			return reply(403, `{"statusCode":403,"error":"Forbidden","message":"You reached the limit of entities of this type for this tenant."}`), nil
		}
		return reply(204, ""), nil
	}}
	c := newClient(t, s)
	batches := func(yield func(importer.Batch, error) bool) {
		for _, orgID := range []string{"org_a", "org_b", "org_c", "org_b"} {
			if !yield(batch(orgID, "auth0|1", "auth0|2"), nil) {
				return
			}
		}
	}
	got := map[string]int{}
	for answered, err := range importer.Run(t.Context(), batches, c.Import(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range answered {
			got[o.Row.OrgID+" "+string(o.Status)]++
		}
	}
	if want := map[string]int{"org_a added": 2, "org_b failed": 4, "org_c added": 2}; !maps.Equal(got, want) || s.Count() != 5 {
		t.Errorf("%v with %d requests, want %v with 5", got, s.Count(), want)
	}
}

func TestPermissionsThatAreMissing(t *testing.T) {
	for name, test := range map[string]struct {
		app  auth0test.Application
		want string
	}{
		"scope":      {auth0test.Application{ClientID: "client", Secret: secretCredentials.ClientSecret, Scopes: []string{"read:organizations"}}, "create:organization_members"},
		"grant":      {auth0test.Application{ClientID: "client", Secret: secretCredentials.ClientSecret, NoGrant: true}, "client-grant"},
		"grant type": {auth0test.Application{ClientID: "client", Secret: secretCredentials.ClientSecret, NoClientCredentials: true}, "client_credentials"},
		"secret":     {auth0test.Application{ClientID: "client", Secret: "another"}, "access_denied"},
	} {
		t.Run(name, func(t *testing.T) {
			tenant := auth0test.New(auth0test.Config{Applications: []auth0test.Application{test.app}})
			_, err := run(t.Context(), stack(t, tenant), people(50)...)
			if _, ok := errors.AsType[*auth0.CredentialsError](err); !ok || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want a CredentialsError with %q", err, test.want)
			}
		})
	}
}

// TestStopLeavesNoDoubt stops a run in the middle: requests in flight are answered,
// so that the outcomes match the tenant.
func TestStopLeavesNoDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slowWrites := auth0test.Incident{Class: auth0test.WriteMembers, Fault: auth0test.Fault{Delay: time.Second}}
		tenant := auth0test.New(auth0test.Config{Incidents: []auth0test.Incident{slowWrites}})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(2500*time.Millisecond, cancel)
		outcomes, err := run(ctx, stack(t, tenant), people(1000)...)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		members := tenant.Members(org)
		if len(outcomes) != len(members) || len(members) != 120 {
			t.Errorf("%d outcomes, %d members, want 120", len(outcomes), len(members))
		}
	})
}

func TestTenantTakesThePrivateKey(t *testing.T) {
	tenant := auth0test.New(auth0test.Config{
		Domain:       "acme.eu.auth0.com",
		Applications: []auth0test.Application{{ClientID: "client", Keys: []*rsa.PublicKey{&testKey().PublicKey}}},
	})
	for _, alg := range []string{"RS256", "RS384", "PS256"} {
		source := newSource(t, auth0.Credentials{ClientID: "client", PrivateKeyPEM: pemOf(testKey()), SigningAlg: alg}, tenant)
		if _, err := source.Token(t.Context()); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
		if scopes, known := source.Scopes(); !known || !slices.Contains(scopes, "create:organization_members") {
			t.Errorf("%s: scopes %q", alg, scopes)
		}
	}
}

// TestOverASocket runs the whole stack over TCP, with connections that break.
func TestOverASocket(t *testing.T) {
	var mu sync.Mutex
	broken := 0
	tenant := auth0test.New(auth0test.Config{Fault: func(_ *http.Request, n int) auth0test.Fault {
		mu.Lock()
		defer mu.Unlock()
		if n == 2 || n == 5 {
			broken++
			return auth0test.Fault{Cut: auth0test.Reset, Applied: true}
		}
		return auth0test.Fault{}
	}})
	server := httptest.NewServer(tenant)
	defer server.Close()
	rt := retry.NewTransport(4)
	defer rt.CloseIdleConnections()
	domain, err := auth0.ParseDomain(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	source, err := secretCredentials.Source(domain, &retry.Attempt{Base: rt, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, &auth0.Bearer{Source: source, Base: &retry.Attempt{Base: rt, Timeout: 10 * time.Second}})
	c.BaseURL = domain
	outcomes, err := run(t.Context(), c, people(95)...)
	if err != nil || len(outcomes) != 95 || len(tenant.Members(org)) != 95 || broken == 0 {
		t.Errorf("%d outcomes, %d members, %d broken, error %v", len(outcomes), len(tenant.Members(org)), broken, err)
	}
}
