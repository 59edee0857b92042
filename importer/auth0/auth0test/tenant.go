// Package auth0test is a simulated Auth0 tenant for tests, demonstrations and
// rehearsals, as net/http/httptest is for servers.
//
//	tenant := auth0test.New(auth0test.Config{})
//	client := &http.Client{Transport: tenant}     // no socket: testing/synctest's clock runs
//	server := httptest.NewServer(tenant)          // the same tenant over a socket
//	…
//	tenant.Members("org_1234567890abcdef")        // the members, whatever was answered
//	tenant.Stats().Count(auth0test.WriteMembers, 429)
//
// The zero [Config] knows every organization and user, has no limits, no
// latency and no faults, and requires a token from POST /oauth/token for every
// other request. [Class] lists what it serves.
//
// Paths, fields, statuses and texts are spelt here from the API's documentation
// and from recorded answers, not taken from the client, so that a misspelling
// on one side shows on the other. Where the real API's answer is not known,
// [Undocumented] has a switch, and its zero value is a choice, not a fact.
package auth0test

import (
	"crypto/rsa"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Tenant is a simulated tenant: an [http.Handler] for use over a socket, and an
// [http.RoundTripper] for use without one. It is safe for concurrent use. Make
// one with [New].
type Tenant struct {
	cfg       Config
	started   time.Time
	allScopes []string // that the endpoints ask for, sorted

	mu          sync.Mutex // held while a handler runs; guards the fields below
	global      *Limiter
	endpoints   map[Class]*Limiter
	orgs        map[string]Organization // by id and, as names never start with org_, by name; a deleted one has no id
	orgIDs      []string                // in the order in which they were made
	users       []User                  // in the order in which they came
	userByID    map[string]int
	usersByMail map[string][]int
	rosters     map[string]*roster
	given       map[membership][]string  // roles
	invited     map[string][]*Invitation // by organization
	invitations int                      // made so far
	exports     exports
	tokens      map[string]access
	assertions  map[string]time.Time // ids of those that were used, and when they expire
	stats       Stats
	came        map[Class]int // requests
	log         []Entry
	met         []int // requests that could have met each incident so far
	rng         *rand.Rand
}

// New returns a tenant. The times of its Incidents count from now.
func New(cfg Config) *Tenant {
	t := &Tenant{
		cfg:       cfg,
		started:   time.Now(),
		allScopes: []string{"create:organization_connections"}, // no endpoint asks for it alone
		global:    NewLimiter(cfg.Limits.Global...),
		endpoints: make(map[Class]*Limiter),
		orgs:      make(map[string]Organization, 2*len(cfg.Organizations)),
		users:     slices.Clip(cfg.Users), // as long as nobody signs up, they are not copied
		userByID:  make(map[string]int, len(cfg.Users)), usersByMail: make(map[string][]int, len(cfg.Users)),
		rosters: make(map[string]*roster),
		given:   make(map[membership][]string),
		invited: make(map[string][]*Invitation),
		exports: exports{
			url:  &url.URL{Scheme: "https", Host: "exports.auth0test.example"}, // user-exports.auth0.com, really
			jobs: make(map[string]*job), links: make(map[string]link),
		},
		tokens:     make(map[string]access),
		assertions: make(map[string]time.Time),
		stats:      Stats{Requests: make(map[Class]map[int]int)},
		came:       make(map[Class]int),
		met:        make([]int, len(cfg.Incidents)),
		rng:        rand.New(rand.NewPCG(cfg.Seed, 0)),
	}
	for class, limits := range cfg.Limits.Endpoints {
		t.endpoints[class] = NewLimiter(limits...)
	}
	for i := range cfg.Users {
		t.indexUser(i)
	}
	for _, o := range cfg.Organizations {
		t.addOrganization(o)
	}
	for _, r := range routes {
		t.allScopes = append(t.allScopes, strings.Fields(r.scopes)...)
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
	if err := rep.write(w); errors.Is(err, io.ErrUnexpectedEOF) { // a client that has gone needs no answer
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

// Entry is one request in the log.
type Entry struct {
	Method, Path string
	OrgID        string // of the path
}

// Stats are the counts of a tenant.
type Stats struct {
	// Requests are counted by class and by status; 0 is the status of a
	// request that got no answer.
	Requests map[Class]map[int]int
	// InFlight is how many requests are under way, PeakInFlight how many were
	// at most.
	InFlight, PeakInFlight int
	// TokensIssued is how many tokens POST /oauth/token issued, whether or not
	// the answers reached the client.
	TokensIssued int
	// Leaks is how many requests for a download carried a token or a cookie.
	Leaks int
}

// Count returns how many requests of a class were answered with a status.
func (s Stats) Count(class Class, status int) int { return s.Requests[class][status] }

// Status returns how many requests of any class were answered with a status.
func (s Stats) Status(status int) int {
	n := 0
	for _, byStatus := range s.Requests {
		n += byStatus[status]
	}
	return n
}

// Total returns how many requests were answered or given up.
func (s Stats) Total() int {
	n := 0
	for _, byStatus := range s.Requests {
		for _, k := range byStatus {
			n += k
		}
	}
	return n
}

// Stats returns the counts so far.
func (t *Tenant) Stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.stats
	s.Requests = make(map[Class]map[int]int, len(t.stats.Requests))
	for class, byStatus := range t.stats.Requests {
		s.Requests[class] = maps.Clone(byStatus)
	}
	return s
}

// Log returns the requests in the order of their arrival, if [Config.KeepLog] is
// set.
func (t *Tenant) Log() []Entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.log)
}

// Config describes a tenant. Its zero value is a tenant that knows everybody and
// never refuses, delays or fails.
type Config struct {
	// Domain is the tenant's canonical domain, such as acme.eu.auth0.com, which
	// audiences must name. Empty means the host of the request.
	Domain string

	// Organizations lists those that exist. KnownOrg decides about ids that are not
	// listed; it must not call the tenant. If neither is set, every organization
	// exists.
	Organizations []Organization
	KnownOrg      func(id string) bool

	// Users lists those that exist. KnownUser decides about ids that are not
	// listed, so that a million of them need no memory; it must not call the tenant.
	// If neither is set, every user exists.
	Users     []User
	KnownUser func(id string) bool

	// Roles lists those that exist. Nil means every id that begins with rol_.
	Roles []Role

	// Connections lists those that exist. Nil means those of Users, and all if
	// there are no Users either.
	Connections []Connection

	// Applications lists those that may ask for tokens. If there are none, every
	// client id with a secret gets one, with these Scopes; nil means all.
	Applications []Application
	Scopes       []string

	// TokenLifetime is how long a token is valid. 0 means 24 hours, Auth0's
	// default for the Management API.
	TokenLifetime time.Duration

	// HideScopes keeps the scopes of tokens secret: neither a token nor the
	// answer that carries it has them.
	HideScopes bool

	// InviteTo holds the client ids of the applications that users can be
	// invited to. Nil means any.
	InviteTo []string

	// NoAuth serves the Management API without a token.
	NoAuth bool

	// ClockOffset is how far the tenant's clock is ahead of time.Now. Date,
	// X-RateLimit-Reset and the lifetime of tokens follow the tenant's clock.
	ClockOffset time.Duration

	// NoDate leaves out the Date header.
	NoDate bool

	// Latency draws the time that one request takes. Nil means none. See
	// [Fixed], [Uniform] and [Recorded].
	Latency func(*rand.Rand) time.Duration

	Limits       Limits
	Undocumented Undocumented
	Exports      Exports

	// Incidents are faults of certain requests. The first that applies to a request
	// is its fault.
	Incidents []Incident

	// Fault returns the fault of a request to which no incident applies. n is the
	// request's number within its class, from 1, and its body can be read. Fault is
	// called concurrently. Nil means that nothing goes wrong.
	Fault func(r *http.Request, n int) Fault

	// Seed makes latencies and the shares of Incidents repeatable, as far as
	// the order of concurrent requests is.
	Seed uint64

	// KeepLog keeps an [Entry] for every request.
	KeepLog bool
}

// Organization is an organization of the tenant.
type Organization struct {
	ID          string // org_ and 16 letters or digits
	Name        string // lower case, unique in the tenant; may be empty
	DisplayName string `json:"display_name"`
	Metadata    map[string]string
	Connections []EnabledConnection `json:"enabled_connections"`
}

// EnabledConnection is a connection that users of an organization log in with.
type EnabledConnection struct {
	ID             string `json:"connection_id"`
	AutoMembership bool   `json:"assign_membership_on_login"` // whoever logs in becomes a member
}

// User is a user of the tenant. Empty fields are absent.
type User struct {
	ID         string `json:"user_id"` // provider|id
	Email      string
	Unverified bool `json:"-"` // the address
	Name       string
	Username   string
	Phone      string `json:"phone_number"`
	Nickname   string

	// Connection is the name of the first identity's connection. Empty means
	// that of the id's provider.
	Connection string

	AppMetadata  map[string]any `json:"app_metadata"`
	UserMetadata map[string]any `json:"user_metadata"`
}

// Role is a role of the tenant, or of one of its organizations.
type Role struct {
	ID           string // rol_ and 16 letters or digits
	Name         string
	Description  string
	Organization string // id of the only one that has it; empty: the tenant
}

// Connection is a way to log in to the tenant.
type Connection struct {
	ID   string // con_ and 16 letters or digits
	Name string
}

// Application is a client that may ask for tokens with the client-credentials
// grant.
type Application struct {
	ClientID string

	// Secret is its client secret. Empty means that it can't use one.
	Secret string

	// Keys verify its private_key_jwt assertions. Auth0 allows two.
	Keys []*rsa.PublicKey

	// Scopes are granted to it. Nil means all that the tenant knows.
	Scopes []string

	// NoGrant means that it is not authorized for the Management API.
	NoGrant bool

	// NoClientCredentials means that the grant type is switched off for it.
	NoClientCredentials bool
}

// Undocumented has a setting for each thing that neither the documentation nor a
// recorded answer settles. A client must be right with every setting. The zero
// value is the mildest choice; it says nothing about the real API.
type Undocumented struct {
	// UnknownUser is the status for a batch with users that do not exist: 400
	// (also if 0) or another error, or 204 to leave them out silently.
	UnknownUser int

	// Partial adds the users that do exist, although the batch is answered with
	// an error for the others.
	Partial bool

	// Naming is how precise the message of such an error is, and that of one
	// about roles that do not exist.
	Naming Naming

	// MalformedUser is the status for a batch with user ids that fail
	// validation: 400 (also if 0) or another error, or 204 to leave them out
	// silently. MalformedPartial adds the others although the batch is answered
	// with an error, and MalformedUnnamed keeps the ids out of its message.
	MalformedUser    int
	MalformedPartial bool
	MalformedUnnamed bool

	// Duplicate is the status for a user who is twice in one body: 204 (also if
	// 0) or an error.
	Duplicate int

	// MaxMembers is how many users one body may hold. 0 means 10, the number in
	// the documentation's prose; a negative number means any. TooMany is the
	// status for more: 400 (also if 0) or another error.
	MaxMembers, TooMany int

	// Readd is the status for a batch with a user who is a member already: 204
	// (also if 0), or 409 or another error, and nobody is added.
	Readd int

	// UnknownRole is the status for roles that do not exist: 400 (also if 0) or
	// 404.
	UnknownRole int

	// Reassign is the status for a role that the member has: 204 (also if 0) or
	// 409.
	Reassign int

	// InviteAgain is what happens to the second invitation of an address to an
	// organization.
	InviteAgain InviteAgain

	// UnknownOrg is the answer of the endpoints below an organization for one
	// that does not exist, MalformedOrg for an id that no organization can have.
	UnknownOrg, MalformedOrg UnknownOrg

	// ConnectionScope makes POST /organizations ask for
	// create:organization_connections, too, where connections are to be enabled.
	ConnectionScope bool

	// Malformed says which user ids fail validation. Nil means those that
	// have nothing before or after a |, hold white space or control
	// characters, or are longer than 1024 characters, close to what the My
	// Organization API documents.
	Malformed func(id string) bool

	// MemberQuota is how many members an organization may have; a batch that
	// would exceed it gets a 409. 0 means any number. Auth0's entity limit is
	// 100,000, and its answer is not known.
	MemberQuota int

	// Concurrent is what happens to a write while another to the same
	// organization is under way.
	Concurrent Concurrent

	// AnyContentType reads a body of any content type as JSON instead of
	// answering 415.
	AnyContentType bool

	// BadJSON is the body of the 400 for a body that is not JSON.
	BadJSON Body

	// HeadersOn403 sends the X-RateLimit headers with a 403, too.
	HeadersOn403 bool

	// Next says whether the last page of a checkpoint listing has a next.
	Next Next

	// Totals is what include_totals gives a page.
	Totals Totals

	// PageSize is the maximum number of items of a page, whatever was requested. 0
	// means 100, as documented.
	PageSize int

	// AddDelay and RemoveDelay are how far the list of members lags behind. The
	// documentation says that it may, and 5 to 10 seconds for removals. The
	// list of invitations lags behind by AddDelay.
	AddDelay, RemoveDelay time.Duration
}

// Naming is how precisely an error names the users or roles that it is about.
type Naming int

const (
	NameNone  Naming = iota // it only says that there are some
	NameAll                 // the ids of all
	NameFirst               // the id of the first
	NameIndex               // the place of the first, such as members[3]
)

// Next says whether the last page of a checkpoint listing has a next, which
// leads to an empty page.
type Next int

const (
	NextAsRecorded Next = iota // for members, as until April 2026, but not for organizations
	NextAlways                 // always
	NextWhenMore               // never, as recorded of members since August 2026
)

// Totals is the total of a page that was asked for with include_totals. It was
// recorded as right, as 0 beside one item, and as absent for invitations, for
// which it is always absent here.
type Totals int

const (
	TotalsRight Totals = iota
	TotalsZero
	TotalsAbsent
)

// UnknownOrg is a way to say that an organization does not exist.
type UnknownOrg int

const (
	NoSuchOrganization UnknownOrg = iota // the 404 recorded of GET and DELETE /organizations/{id}
	PlainNotFound                        // a 404 that does not say what was not found
	BadOrganization                      // a 400
	GoneOrganization                     // a 404 in the words documented for GET members
)

// InviteAgain is what happens to an invitation of somebody who is already invited.
type InviteAgain int

const (
	InviteTwice    InviteAgain = iota // there are two
	InviteReplaces                    // it replaces the first, as documented for the My Organization API
	InviteRefused                     // it gets a 409
)

// Concurrent is what happens to a write to an organization while another is
// under way.
type Concurrent int

const (
	Parallel Concurrent = iota // nothing
	Serial                     // it waits until the other is answered
	Conflict                   // it gets a 409
)
