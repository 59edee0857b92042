// Package auth0test is a simulated Auth0 tenant for tests, demonstrations and
// rehearsals, as net/http/httptest is for servers.
//
//	tenant := auth0test.New(auth0test.Config{})
//	client := &http.Client{Transport: tenant}     // no socket: testing/synctest's clock runs
//	server := httptest.NewServer(tenant)          // the same tenant over a socket
//	…
//	tenant.Members("org_1234567890abcdef")        // who is in, whatever was answered
//	tenant.Stats().Count(auth0test.WriteMembers, 429)
//
// The zero [Config] knows every organization and user, has no limits, no
// latency and no faults, and requires a token from POST /oauth/token for every
// other request. It serves
//
//	POST   /oauth/token
//	POST   /api/v2/organizations/{id}/members
//	GET    /api/v2/organizations/{id}/members
//	DELETE /api/v2/organizations/{id}/members
//	POST   /api/v2/organizations/{id}/members/{user_id}/roles
//	GET    /api/v2/organizations/{id}/members/{user_id}/roles
//	DELETE /api/v2/organizations/{id}/members/{user_id}/roles
//	POST   /api/v2/organizations/{id}/invitations
//	GET    /api/v2/organizations/{id}/invitations
//	GET    /api/v2/organizations
//	GET    /api/v2/organizations/{id}
//	GET    /api/v2/organizations/name/{name}
//	GET    /api/v2/users-by-email
//	GET    /api/v2/users/{id}
//	GET    /api/v2/roles
//	GET    /api/v2/connections
//	POST   /api/v2/jobs/users-exports
//	GET    /api/v2/jobs/{id}
//
// and, on another host, the download that a users export links to.
//
// Paths, fields, statuses and texts are spelt here from the API's documentation
// and from recorded answers, not taken from the client, so that a misspelling
// on one side shows on the other. Where the real API's answer is not known,
// [Undocumented] has a switch, and its zero value is a choice, not a fact.
package auth0test

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Tenant is a simulated tenant: an [http.Handler] for use over a socket, and an
// [http.RoundTripper] for use without one. It is safe for concurrent use. Make
// one with [New].
type Tenant struct {
	cfg     Config
	started time.Time
	orgs    map[string]Organization // by id and, as names never start with org_, by name
	users   *userStore
	apps    map[string]Application
	roles   map[string]Role

	allScopes []string // that the endpoints ask for, sorted

	mu          sync.Mutex
	rosters     map[string]*roster
	given       map[membership][]string  // roles
	invited     map[string][]*Invitation // by organization
	invitations int                      // made so far
	exports     exports
	keys        *tokenKeys
	watch       watch
	rng         *rand.Rand
}

// New returns a tenant. The times of its Incidents count from now.
func New(cfg Config) *Tenant {
	t := &Tenant{
		cfg:     cfg,
		started: time.Now(),
		orgs:    make(map[string]Organization, 2*len(cfg.Organizations)),
		users:   newUserStore(cfg.Users),
		apps:    make(map[string]Application, len(cfg.Applications)),
		roles:   make(map[string]Role, len(cfg.Roles)),
		rosters: make(map[string]*roster),
		given:   make(map[membership][]string),
		invited: make(map[string][]*Invitation),
		exports: newExports(),
		keys:    newTokenKeys(),
		watch:   newWatch(),
		rng:     rand.New(rand.NewPCG(cfg.Seed, 0)),
	}
	for _, o := range cfg.Organizations {
		t.orgs[o.ID] = o
		if o.Name != "" {
			t.orgs[o.Name] = o
		}
	}
	for _, r := range cfg.Roles {
		t.roles[r.ID] = r
	}
	for _, a := range cfg.Applications {
		t.apps[a.ClientID] = a
	}
	for _, r := range routes {
		t.allScopes = append(t.allScopes, r.scopes...)
	}
	slices.Sort(t.allScopes)
	t.allScopes = slices.Compact(t.allScopes)
	return t
}

// now is the tenant's clock.
func (t *Tenant) now() time.Time { return time.Now().Add(t.cfg.ClockOffset) }

// ServeHTTP answers over a socket. Where a [Fault] cuts the connection, it
// does so for real.
func (t *Tenant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rep, err := t.serve(r)
	if err != nil {
		abort(w, err)
	}
	h := w.Header()
	for k, v := range rep.header {
		h[k] = v
	}
	if t.cfg.NoDate {
		h["Date"] = nil // keeps net/http from adding its own
	}
	w.WriteHeader(rep.status)
	if err := rep.write(w); errors.Is(err, errCut) { // a client that has gone needs no answer
		_ = http.NewResponseController(w).Flush()
		abort(w, err)
	}
}

// abort ends the connection without an answer, with a reset if err is one.
func abort(w http.ResponseWriter, err error) {
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.ECONNREFUSED) {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // unsent data is dropped and the peer gets a reset
			}
			_ = conn.Close()
		}
	}
	panic(http.ErrAbortHandler)
}

// RoundTrip answers without a socket. Where a [Fault] cuts the connection, it
// returns the error that a real transport would have met.
func (t *Tenant) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	rep, err := t.serve(r)
	if err != nil {
		return nil, err
	}
	body, size := rep.read()
	return &http.Response{
		Status:        strconv.Itoa(rep.status) + " " + statusName(rep.status),
		StatusCode:    rep.status,
		Proto:         "HTTP/2.0", // as in every recorded answer
		ProtoMajor:    2,
		Header:        rep.header,
		Body:          body,
		ContentLength: size,
		Request:       r,
	}, nil
}
