// Package tenancy is the way to a tenant: its address, its tokens, and a client for
// each class of its endpoints. The tenant limits each class separately, so each has
// a pace of its own.
package tenancy

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"orgimport/importer/auth0"
	"orgimport/importer/retry"
	"orgimport/ratelimit"
	"orgimport/report"
)

// Pace limits the load on a tenant.
type Pace struct {
	Rate           float64           // requests a second at most; 0: as many as the tenant allows
	Reserve        ratelimit.Reserve // of the tenant's limit, for everyone else
	Workers        int               // requests in flight at most; 0: as many as the limit can use
	MaxAttempts    int               // of one request
	RequestTimeout time.Duration     // of one attempt
	MaxWait        time.Duration     // for a limit or an outage, before giving up
}

// DefaultWorkers is how many look-ups are made at a time. The pace decides how many
// of them are in flight.
const DefaultWorkers = 32

// DrainTime is how long requests in flight may take after a run is stopped.
const DrainTime = 25 * time.Second

// Observer is told what happens between a program and its tenant.
type Observer interface {
	Wait(ratelimit.Wait)    // a wait for the tenant's limit begins or ends
	Event(retry.Event)      // a request failed, or an outage began or ended
	TokenRefused(why error) // a new token is fetched
}

// Tenant is a tenant that a program talks to. It is safe for concurrent use.
type Tenant struct {
	URL     *url.URL
	Tokens  *auth0.TokenSource
	Attempt *retry.Attempt // at a request, without a pace or a token
	Pace    Pace

	observer  Observer
	tokenPace *ratelimit.Transport
	answered  atomic.Bool                         // a server has answered at the tenant's address
	known     atomic.Bool                         // the Management API has answered there
	latest    atomic.Pointer[ratelimit.Transport] // the class of the newest request
	mu        sync.Mutex
	classes   []*ratelimit.Transport
}

// New returns a tenant at an address. It sends nothing. An error is about the
// credentials.
func New(address *url.URL, credentials auth0.Credentials, transport http.RoundTripper, pace Pace, o Observer) (*Tenant, error) {
	t := &Tenant{
		URL: address, Pace: pace, observer: o,
		Attempt: &retry.Attempt{Base: transport, Timeout: pace.RequestTimeout, Grace: DrainTime},
	}
	// Without Grace: nothing needs a token after the run is stopped.
	t.tokenPace = t.paced(&retry.Attempt{Base: transport, Timeout: pace.RequestTimeout})
	var err error
	if t.Tokens, err = credentials.Source(address, t.tokenPace); err != nil {
		return nil, err
	}
	t.Tokens.Retry = t.retries()
	t.Tokens.OnRefused = o.TokenRefused
	return t, nil
}

// Host returns the host of the tenant.
func (t *Tenant) Host() string { return t.URL.Host }

// Workers returns how many look-ups are made at a time.
func (t *Tenant) Workers() int { return cmp.Or(t.Pace.Workers, DefaultWorkers) }

// Class returns a client for one class of endpoints, and the transport that sets
// its pace.
func (t *Tenant) Class() (*auth0.Client, *ratelimit.Transport) {
	pace := t.paced(nil)
	bearer := &auth0.Bearer{Source: t.Tokens, Base: t.Attempt}
	pace.Base = roundTripper(func(req *http.Request) (*http.Response, error) {
		t.latest.Store(pace)
		return bearer.RoundTrip(req)
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	t.classes = append(t.classes, pace)
	return &auth0.Client{
		BaseURL: t.URL,
		HTTP:    retry.NewHTTPClient(pace),
		Retry:   t.retries(),
		Known:   &t.known,
		RunID:   report.RunID(lookUpPrefix, t.URL.Host, ""), // an operation sets its own
	}, pace
}

// lookUpPrefix begins the correlation ids of requests that only read. Those of an
// operation begin with its Op.Prefix.
const lookUpPrefix = "ol"

// paced returns a transport with its own pace.
func (t *Tenant) paced(base http.RoundTripper) *ratelimit.Transport {
	return &ratelimit.Transport{Base: base, Rate: t.Pace.Rate, Reserve: t.Pace.Reserve, MaxInFlight: t.Pace.Workers, MaxWait: t.Pace.MaxWait, OnWait: t.observer.Wait}
}

func (t *Tenant) retries() retry.Client {
	return retry.Client{MaxAttempts: t.Pace.MaxAttempts, MaxWait: t.Pace.MaxWait, OnEvent: t.observer.Event, Answered: &t.answered}
}

// State sums up the states of the classes. The wait is that of the class that has
// waited longest; limits and refill rates have no meaningful sum. Of the requests
// for tokens, only waits and refusals count.
func (t *Tenant) State() (sum ratelimit.State) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, class := range append(t.classes, t.tokenPace) {
		s := class.State()
		if class != t.tokenPace {
			sum.InFlight += s.InFlight
			sum.Sent += s.Sent
		}
		sum.Refused += s.Refused
		sum.Waited += s.Waited
		sum.Held += s.Held
		if w := s.Waiting; !w.Since.IsZero() && (sum.Waiting.Since.IsZero() || w.Since.Before(sum.Waiting.Since)) {
			sum.Waiting = w
		}
	}
	return sum
}

// Latest returns the state of the class of the newest request; the zero State before
// the first.
func (t *Tenant) Latest() ratelimit.State {
	if class := t.latest.Load(); class != nil {
		return class.State()
	}
	return ratelimit.State{}
}

// ScopeError says that the token lacks scopes.
type ScopeError struct{ Lacking []string }

func (e *ScopeError) Error() string {
	return "the token lacks the scope " + strings.Join(e.Lacking, " and ")
}

// RequireScopes gets a token, and returns a *[ScopeError] unless it has at least one
// scope of each group. A token that does not list its scopes may have any.
func (t *Tenant) RequireScopes(ctx context.Context, groups ...[]string) error {
	_, err := t.Tokens.Token(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	var lacking []string
	for _, group := range groups {
		if t.Lacks(group...) {
			lacking = append(lacking, group[0])
		}
	}
	if len(lacking) > 0 {
		return &ScopeError{lacking}
	}
	return nil
}

// Lacks reports whether the token is known to have none of the scopes.
func (t *Tenant) Lacks(scopes ...string) bool {
	has, known := t.Tokens.Scopes()
	return known && !slices.ContainsFunc(scopes, func(scope string) bool { return slices.Contains(has, scope) })
}

// Reads counts the requests of look-ups.
type Reads struct {
	Sent      atomic.Int64
	Unlimited atomic.Int64 // of them, those that bypassed the rate limit
}

// Lookup returns a Lookup with a client for each class of endpoints. It counts its
// requests in n.
func (t *Tenant) Lookup(n *Reads) *auth0.Lookup {
	class := func() *auth0.Client {
		client, pace := t.Class()
		pace.Base = counted(pace.Base, &n.Sent)
		return client
	}
	jobs, pace := t.Class()
	unlimited := counted(pace.Base, &n.Unlimited)
	// The tenant refuses a job with 429 while another export is under way, which would
	// look like the rate limit.
	jobs.HTTP = retry.NewHTTPClient(counted(roundTripper(func(req *http.Request) (*http.Response, error) {
		if req.Method == http.MethodPost {
			return unlimited.RoundTrip(req)
		}
		return pace.RoundTrip(req)
	}), &n.Sent))
	return &auth0.Lookup{
		Connections: class(), Jobs: jobs, Users: class(),
		OrgByID: class(), OrgByName: class(), OrgList: class(), Members: class(),
		Download: auth0.NewDownload(&retry.Attempt{Base: t.Attempt.Base, Timeout: t.Pace.RequestTimeout, Stall: true}),
		Workers:  t.Workers(),
	}
}

// roundTripper is a function as an http.RoundTripper.
type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip calls the function.
func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// counted counts in n the requests that base sends.
func counted(base http.RoundTripper, n *atomic.Int64) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		n.Add(1)
		return base.RoundTrip(req)
	})
}
