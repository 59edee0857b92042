package auth0test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// maxBody is how many bytes the API takes in one request, of any endpoint.
const maxBody = 1 << 20

// call is one request on its way through the tenant.
type call struct {
	*http.Request
	route
	n       int // number within the class, from 1
	body    []byte
	granted []string // scopes of the token
	release func()   // lets the next write to the organization start
}

// serve serves a request, with delays before and after it, so that answers overtake
// each other as they do in a network. An error means that the caller gets no
// answer.
func (t *Tenant) serve(r *http.Request) (*reply, error) {
	c, err := t.accept(r)
	if err != nil {
		return nil, err
	}
	rep, err := t.travel(c)
	c.release()
	t.leave(c, rep)
	return rep, err
}

// accept reads the request and counts it. The body is read in full, which also
// lets net/http notice that a client has gone.
func (t *Tenant) accept(r *http.Request) (*call, error) {
	c := &call{Request: r.WithContext(r.Context()), release: func() {}}
	if r.Body != nil {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
		if err != nil {
			return nil, err
		}
		c.body = body
	}
	c.Body = io.NopCloser(bytes.NewReader(c.body)) // for the hook
	if c.Host == "" {
		c.Host = r.URL.Host
	}
	c.route = t.route(c.Request)
	t.arrive(c)
	return c, nil
}

func (t *Tenant) travel(c *call) (*reply, error) {
	ctx := c.Context()
	there, back := t.trip()
	if err := sleep(ctx, there); err != nil {
		return nil, err
	}
	fault := t.fault(c)
	rep, err := t.decide(c, fault)
	if err != nil {
		return nil, err
	}
	if rep.status == http.StatusTooManyRequests {
		back = min(there, back) // a refusal is sent straight back
	}
	back += fault.Delay
	afterDate := time.Duration(float64(back) * afterDate)
	if err := sleep(ctx, back-afterDate); err != nil {
		return nil, err
	}
	if !t.cfg.NoDate {
		rep.header.Set("Date", t.now().UTC().Format(http.TimeFormat))
	}
	if err := sleep(ctx, afterDate); err != nil {
		return nil, err
	}
	return rep, nil
}

// decide does the work, unless something goes wrong before it, and answers,
// unless something goes wrong after it.
func (t *Tenant) decide(c *call, fault Fault) (*reply, error) {
	if !fault.bad() || fault.Applied {
		rep, err := t.answer(c)
		if err != nil || !fault.bad() {
			return rep, err
		}
	}
	return fault.reply(c)
}

// answer returns the answer of a tenant without faults, which checks the token and
// the limits before it does the work.
func (t *Tenant) answer(c *call) (*reply, error) {
	if rep := t.authorize(c); rep != nil {
		return rep, nil
	}
	limits, refused := t.take(c.class)
	rep := refused
	if refused == nil {
		var err error
		if rep, err = t.work(c); err != nil {
			return nil, err
		}
	}
	if refused != nil || t.showsLimits(c.class, rep.status) {
		maps.Copy(rep.header, limits)
	}
	return rep, nil
}

func (t *Tenant) work(c *call) (*reply, error) {
	if len(c.body) > maxBody {
		return refuse(http.StatusRequestEntityTooLarge, "", "Payload content length greater than maximum allowed: 1048576"), nil
	}
	if !c.allowed() {
		return insufficientScope(c.scopes), nil
	}
	if rep := checkOrgID(c.PathValue("org")); rep != nil {
		return rep, nil
	}
	if c.class == WriteMembers {
		if rep, err := t.claim(c); rep != nil || err != nil {
			return rep, err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return c.handle(t, c), nil
}

func (t *Tenant) arrive(c *call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.came[c.class]++
	c.n = t.came[c.class]
	t.stats.InFlight++
	if c.class == Downloads && c.leaks() {
		t.stats.Leaks++
	}
	t.stats.PeakInFlight = max(t.stats.PeakInFlight, t.stats.InFlight)
	if t.cfg.KeepLog {
		t.log = append(t.log, Entry{c.Method, c.URL.Path, c.PathValue("org")})
	}
}

// leaks reports whether a request carries a secret that only the tenant may get.
// Two parts of a JSON Web Token begin with eyJ, the second of them after a dot; a
// link's signature may have these letters by chance, but no dot.
func (c *call) leaks() bool {
	for name, values := range c.Header {
		if name == "Authorization" || name == "Cookie" || strings.Contains(strings.Join(values, " "), ".eyJ") {
			return true
		}
	}
	return strings.Contains(c.URL.RawQuery, ".eyJ")
}

func (t *Tenant) leave(c *call, rep *reply) {
	status := 0
	if rep != nil {
		status = rep.status
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &t.stats
	s.InFlight--
	if s.Requests[c.class] == nil {
		s.Requests[c.class] = make(map[int]int)
	}
	s.Requests[c.class][status]++
}

// mediaType returns the content type without its parameters, or "".
func (c *call) mediaType() string {
	m, _, _ := mime.ParseMediaType(c.Header.Get("Content-Type"))
	return m
}

// showsLimits reports whether an answer has the X-RateLimit headers. As
// recorded, the Management API sends them with successes and 429s and with no
// other error, the Authentication API always.
func (t *Tenant) showsLimits(class Class, status int) bool {
	return class == Tokens || status < 300 ||
		status == http.StatusForbidden && t.cfg.Undocumented.HeadersOn403
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d > 0 {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

// Class is a group of endpoints that share a rate limit, as Auth0's tables of
// limits have them. A class without a limiter of its own draws on that of
// Other, if there is one: "all other endpoints combined".
type Class string

const (
	WriteMembers       Class = "write-members"           // POST and DELETE of members
	ReadMembers        Class = "read-members"            // GET of members
	WriteRoles         Class = "write-roles"             // POST and DELETE of a member's roles
	ReadRoles          Class = "read-roles"              // GET of a member's roles
	ListRoles          Class = "list-roles"              // the tenant's roles
	WriteInvitations   Class = "write-invitations"       // POST of invitations
	ReadInvitations    Class = "read-invitations"        // GET of invitations
	ReadOrganizations  Class = "read-organizations"      // organizations by id
	OrganizationNames  Class = "read-organization-names" // organizations by name
	ListOrganizations  Class = "list-organizations"      // the tenant's organizations
	WriteOrganizations Class = "write-organizations"     // POST and DELETE of organizations
	ReadUsers          Class = "read-users"              // users by id and by email
	ReadConnections    Class = "read-connections"        // connections
	Jobs               Class = "jobs"                    // exports of users, until there is a link
	Downloads          Class = "downloads"               // what the link leads to, on another host
	Tokens             Class = "token"                   // POST /oauth/token
	Other              Class = "other"                   // everything that is not served here
)

// Classes returns all of them.
func Classes() []Class {
	var classes []Class
	for _, r := range routes {
		if !slices.Contains(classes, r.class) {
			classes = append(classes, r.class)
		}
	}
	return append(classes, Downloads, Other)
}

// UnmarshalText reads the name of a class.
func (c *Class) UnmarshalText(text []byte) error {
	*c = Class(text)
	if classes := Classes(); !slices.Contains(classes, *c) {
		return fmt.Errorf("there is no class of requests %q, only %s", text, strings.Trim(strings.ReplaceAll(fmt.Sprint(classes), " ", ", "), "[]"))
	}
	return nil
}

// limited reports whether requests of the class draw on limits of the Management
// API.
func (c Class) limited() bool { return c != Tokens && c != Downloads }

// route is an endpoint.
type route struct {
	pattern string // method and path, of which {name} fits one element
	class   Class
	scopes  string // any of them will do, separated by spaces
	handle  func(*Tenant, *call) *reply
}

var routes = []route{
	{"POST /api/v2/organizations/{org}/members", WriteMembers, "create:organization_members", (*Tenant).addMembers},
	{"DELETE /api/v2/organizations/{org}/members", WriteMembers, "delete:organization_members", (*Tenant).removeMembers},
	{"GET /api/v2/organizations/name/{name}", OrganizationNames, "read:organizations", (*Tenant).organizationByName},
	{"GET /api/v2/organizations/{org}/members", ReadMembers, "read:organization_members", (*Tenant).listMembers},
	{"POST /api/v2/organizations/{org}/members/{user}/roles", WriteRoles, "create:organization_member_roles", (*Tenant).assignRoles},
	{"DELETE /api/v2/organizations/{org}/members/{user}/roles", WriteRoles, "delete:organization_member_roles", (*Tenant).removeRoles},
	{"GET /api/v2/organizations/{org}/members/{user}/roles", ReadRoles, "read:organization_member_roles", (*Tenant).listMemberRoles},
	{"POST /api/v2/organizations/{org}/invitations", WriteInvitations, "create:organization_invitations", (*Tenant).invite},
	{"GET /api/v2/organizations/{org}/invitations", ReadInvitations, "read:organization_invitations", (*Tenant).listInvitations},
	{"GET /api/v2/organizations/{org}", ReadOrganizations, "read:organizations read:organizations_summary", (*Tenant).organization},
	{"DELETE /api/v2/organizations/{org}", WriteOrganizations, "delete:organizations", (*Tenant).deleteOrganization},
	{"POST /api/v2/organizations", WriteOrganizations, "create:organizations", (*Tenant).createOrganization},
	{"GET /api/v2/organizations", ListOrganizations, "read:organizations read:organizations_summary", (*Tenant).listOrganizations},
	{"GET /api/v2/users-by-email", ReadUsers, "read:users", (*Tenant).usersByEmail},
	{"GET /api/v2/users/{id}", ReadUsers, "read:users", (*Tenant).user},
	{"GET /api/v2/roles", ListRoles, "read:roles", (*Tenant).listRoles},
	{"GET /api/v2/connections", ReadConnections, "read:connections", (*Tenant).listConnections},
	{"POST /api/v2/jobs/users-exports", Jobs, "read:users", (*Tenant).exportUsers},
	{"GET /api/v2/jobs/{id}", Jobs, "create:users read:users", (*Tenant).job},
	{"POST /oauth/token", Tokens, "", (*Tenant).issueToken},
}

// route returns the first route whose pattern fits a request, and sets the request's
// path values. http.ServeMux would not do: it refuses organizations/name/{name} beside
// organizations/{org}/members, because both fit organizations/name/members. The path
// is split before it is decoded, because a user id may hold a slash.
func (t *Tenant) route(r *http.Request) route {
	if r.Host == t.downloadURL().Host {
		return route{class: Downloads, handle: (*Tenant).download}
	}
	path := strings.Split(r.Method+" "+r.URL.EscapedPath(), "/")
	for _, found := range routes {
		pattern := strings.Split(found.pattern, "/")
		if !slices.EqualFunc(pattern, path, func(want, got string) bool { return want == got || strings.HasPrefix(want, "{") }) {
			continue
		}
		for i, name := range pattern {
			if strings.HasPrefix(name, "{") {
				value, _ := url.PathUnescape(path[i]) // can't fail, for the path is escaped
				r.SetPathValue(strings.Trim(name, "{}"), value)
			}
		}
		return found
	}
	return route{class: Other, handle: func(*Tenant, *call) *reply { return notFound() }}
}

// reply is an answer before it goes out. A check that has no objection returns
// nil.
type reply struct {
	status int
	header http.Header
	body   []byte
	stream func(io.Writer) error // instead of body, where that would be too long to hold
}

// write sends the body.
func (rep *reply) write(w io.Writer) error {
	if rep.stream != nil {
		return rep.stream(w)
	}
	_, err := w.Write(rep.body)
	return err
}

// read returns the body to read from, and its size, which is -1 if not known.
func (rep *reply) read() (io.ReadCloser, int64) {
	if rep.stream == nil {
		return io.NopCloser(bytes.NewReader(rep.body)), int64(len(rep.body))
	}
	r, w := io.Pipe()
	go func() {
		_ = w.CloseWithError(rep.stream(w)) // never fails
	}()
	return r, -1
}

// respond is an answer with a JSON body, or without one if v is nil. A 204 has
// a content type all the same, as recorded.
func respond(status int, v any) *reply {
	rep := &reply{status: status, header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}}
	if v != nil {
		rep.body = marshal(v)
	}
	return rep
}

func noContent() *reply { return respond(http.StatusNoContent, nil) }

// marshal leaves <, > and & unescaped, as the API does.
func marshal(v any) []byte {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return []byte(`{}`)
	}
	return []byte(strings.TrimSuffix(b.String(), "\n"))
}

// present removes empty fields.
func present(body map[string]any) map[string]any {
	maps.DeleteFunc(body, func(_ string, v any) bool {
		switch v := reflect.ValueOf(v); v.Kind() {
		case reflect.String, reflect.Slice, reflect.Map:
			return v.Len() == 0
		}
		return false
	})
	return body
}

// alnum returns n letters and digits, at most 24, that depend on s only.
func alnum(s string, n int) string {
	sum := sha256.Sum256([]byte(s))
	return strings.NewReplacer("-", "x", "_", "y").Replace(base64.RawURLEncoding.EncodeToString(sum[:]))[:n]
}

// apiError is the Management API's error body, in its order of fields.
type apiError struct {
	StatusCode int               `json:"statusCode"`
	Error      string            `json:"error"`
	Message    string            `json:"message"`
	ErrorCode  string            `json:"errorCode,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

// refuse is an error of the Management API. Many of them have no code.
func refuse(status int, code, message string) *reply {
	return respond(status, apiError{StatusCode: status, Error: statusName(status), Message: message, ErrorCode: code})
}

func notFound() *reply { return refuse(http.StatusNotFound, "", "Not Found") }

// badToken is an error of the layer that checks tokens, which repeats its message.
func badToken(message string) *reply {
	return respond(http.StatusUnauthorized, apiError{
		StatusCode: http.StatusUnauthorized, Error: statusName(http.StatusUnauthorized),
		Message: message, Attributes: map[string]string{"error": message},
	})
}

// statusName is http.StatusText, except for two names that others gave.
func statusName(status int) string {
	switch status {
	case http.StatusRequestEntityTooLarge:
		return "Request Entity Too Large" // by hapi, which Auth0's messages come from
	case 524:
		return "A Timeout Occurred" // by Cloudflare
	}
	return http.StatusText(status)
}

// oauthError is the Authentication API's error, which has a shape of its own.
func oauthError(status int, code, description string) *reply {
	return oauth(status, map[string]any{"error": code, "error_description": description})
}

func oauth(status int, v any) *reply {
	return &reply{
		status: status,
		header: http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}},
		body:   marshal(v),
	}
}

// Body is the kind of body an error has that does not come from the API's own
// code, such as a 502 of the network in front of it.
type Body int

const (
	BodyJSON  Body = iota // shaped like every error of the API
	BodyHTML              // a page for people
	BodyEmpty             // none
)

// bare is an answer of something in front of the API.
func bare(status int, body Body, message string) *reply {
	switch body {
	case BodyHTML:
		title := fmt.Sprintf("%d %s", status, statusName(status))
		page := "<!DOCTYPE html>\n<html><head><title>" + title + "</title></head><body><h1>" + title + "</h1></body></html>\n"
		return &reply{status: status, header: http.Header{"Content-Type": {"text/html; charset=UTF-8"}}, body: []byte(page)}
	case BodyEmpty:
		return &reply{status: status, header: http.Header{}}
	}
	return refuse(status, "", message)
}

// Fault is what goes wrong with one request. Its zero value is nothing. The
// fields combine: {Cut: Reset, Applied: true} is a connection that breaks
// after the members were added, which the client cannot know.
type Fault struct {
	// Status is answered instead of the tenant's answer, unless it is 0.
	Status int
	// Body is the kind of body that goes with Status.
	Body Body
	// RetryAfter is sent with Status if it is not 0, in seconds, rounded up.
	RetryAfter time.Duration
	// Cut ends the connection without an answer.
	Cut Cut
	// Hang gives no answer until the client gives up.
	Hang bool
	// Applied does the request's work first. Otherwise Status, Cut and Hang
	// come before it.
	Applied bool
	// Delay is how much later the answer comes, or the end of the connection.
	Delay time.Duration
}

// Cut is a way to end a connection without an answer.
type Cut int

const (
	NoCut  Cut = iota
	Close      // it ends in the middle: io.ErrUnexpectedEOF without a socket, io.EOF over one
	Reset      // the peer resets it
	Refuse     // it is refused; over a socket, where it exists already, the same as Reset
)

// err returns the error that a transport meets.
func (c Cut) err() error {
	switch c {
	case Refuse:
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	case Reset:
		return &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	}
	return io.ErrUnexpectedEOF
}

// Incident is a fault of some requests.
type Incident struct {
	Class  Class  // of the requests; empty: any
	Method string // of the requests; empty: any
	Org    string // whose path the requests have; empty: any, or none

	From, Until time.Duration // since [New]; an Until of 0: to the end
	First, Last int           // of these requests, counted from 1; a Last of 0: to the end
	Share       float64       // of what is left of them, at random; 0: all

	Fault Fault
}

// Outage is a time in which every request gets a 503 without a body, before any
// work is done.
func Outage(from, until time.Duration) Incident {
	return Incident{From: from, Until: until, Fault: Fault{Status: http.StatusServiceUnavailable, Body: BodyEmpty}}
}

// bad reports whether the fault is more than a delay.
func (f Fault) bad() bool { return f.Status != 0 || f.Cut != NoCut || f.Hang }

// reply returns what the client gets instead of the tenant's answer.
func (f Fault) reply(c *call) (*reply, error) {
	switch {
	case f.Hang:
		<-c.Context().Done()
		return nil, c.Context().Err()
	case f.Cut != NoCut:
		if err := sleep(c.Context(), f.Delay); err != nil {
			return nil, err
		}
		return nil, f.Cut.err()
	}
	rep := bare(f.Status, f.Body, "An internal server error occurred")
	if f.Body == BodyJSON && f.Status == http.StatusTooManyRequests {
		rep = limitReached(c.class, "Global")
	}
	if f.RetryAfter > 0 {
		rep.header.Set("Retry-After", strconv.Itoa(wholeSeconds(f.RetryAfter)))
	}
	return rep, nil
}

// fault returns the fault of a call that has reached the tenant.
func (t *Tenant) fault(c *call) Fault {
	for i := range t.cfg.Incidents {
		if t.befalls(i, c) {
			return t.cfg.Incidents[i].Fault
		}
	}
	if t.cfg.Fault == nil {
		return Fault{}
	}
	return t.cfg.Fault(c.Request, c.n)
}

func (t *Tenant) befalls(incident int, c *call) bool {
	i, since := &t.cfg.Incidents[incident], time.Since(t.started)
	if i.Class != "" && i.Class != c.class || i.Method != "" && i.Method != c.Method || i.Org != "" && i.Org != c.PathValue("org") ||
		since < i.From || i.Until > 0 && since >= i.Until {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.met[incident]++
	n := t.met[incident]
	return n >= i.First && (i.Last == 0 || n <= i.Last) && (i.Share == 0 || t.rng.Float64() < i.Share)
}

// Fixed returns a latency that is always d.
func Fixed(d time.Duration) func(*rand.Rand) time.Duration {
	return func(*rand.Rand) time.Duration { return d }
}

// Uniform returns latencies spread evenly from low to high.
func Uniform(low, high time.Duration) func(*rand.Rand) time.Duration {
	return func(r *rand.Rand) time.Duration {
		return low + time.Duration(r.Float64()*float64(high-low))
	}
}

// Recorded returns latencies as recordings of POST members by a client close to
// the tenant show them: half within 110 ms, nine of ten within 140 ms, and one
// in a thousand that takes a second more.
func Recorded() func(*rand.Rand) time.Duration {
	const sigma = 0.188 // ln(140/110) over the normal distribution's 90th percentile
	return func(r *rand.Rand) time.Duration {
		d := time.Duration(float64(110*time.Millisecond) * math.Exp(sigma*r.NormFloat64()))
		if r.Float64() < 0.001 {
			d += time.Second
		}
		return d
	}
}

// afterDate is the share of the way back that follows the stamping of Date.
const afterDate = 0.1

// trip draws the times before and after the tenant's decision. The decision
// falls in the first half of a request's time, so that answers overtake each
// other and their headers are stale when they arrive.
func (t *Tenant) trip() (there, back time.Duration) {
	if t.cfg.Latency == nil {
		return 0, 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	d := max(t.cfg.Latency(t.rng), 0)
	there = time.Duration(float64(d) * (0.1 + 0.3*t.rng.Float64()))
	return there, d - there
}
