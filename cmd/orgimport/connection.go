package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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

// tenantFlags name the tenant and the application. The value of a secret is never
// a flag: it would show in the process list and in the shell's history.
type tenantFlags struct {
	Domain   string `help:"Domain of the tenant, such as acme.eu.auth0.com, or its https:// URL." auth0:"AUTH0_DOMAIN" placeholder:"DOMAIN" group:"tenant"`
	ClientID string `help:"Client ID of the machine-to-machine application." auth0:"AUTH0_CLIENT_ID" placeholder:"ID" group:"tenant"`
	Audience string `help:"Audience of the token (default: https://DOMAIN/api/v2/)." auth0:"AUTH0_AUDIENCE" placeholder:"URL" group:"tenant"`
}

// paceFlags limit the load on the tenant.
type paceFlags struct {
	Rate           float64           `help:"Maximum requests per second; 0 means as many as the tenant's rate limit allows." default:"0" placeholder:"N" group:"pace"`
	Reserve        ratelimit.Reserve `help:"Part of the tenant's rate limit to leave for everyone else: a number of requests, or a percentage." default:"10%" placeholder:"N|N%" group:"pace"`
	Workers        int               `help:"Maximum requests in flight; 0 means as many as the rate limit can use, up to 256." default:"0" placeholder:"N" group:"pace"`
	MaxAttempts    int               `help:"Maximum attempts for one request before its rows fail." default:"8" placeholder:"N" group:"pace"`
	RequestTimeout time.Duration     `help:"Time limit for one attempt." default:"30s" placeholder:"DURATION" group:"pace"`
	MaxWait        time.Duration     `help:"Longest wait for a rate limit or an outage before giving up with exit code 5." default:"5m" placeholder:"DURATION" group:"pace"`
}

// Validate is called by kong when all flags are read.
func (p *paceFlags) Validate() error {
	switch {
	case !(p.Rate >= 0):
		return errors.New("--rate must be 0 or more requests a second")
	case p.Workers < 0 || p.Workers > ratelimit.MostInFlight:
		return errors.New("--workers must be from 0 to 256")
	case p.MaxAttempts < 1:
		return errors.New("--max-attempts must be 1 or more")
	case p.RequestTimeout <= 0:
		return errors.New("--request-timeout must be more than 0, such as 30s")
	case p.MaxWait <= 0:
		return errors.New("--max-wait must be more than 0, such as 5m")
	}
	return nil
}

// defaultWorkers is how many look-ups are made at a time. The pace decides how many
// of them are in flight.
const defaultWorkers = 32

func (p *paceFlags) workers() int {
	if p.Workers > 0 {
		return p.Workers
	}
	return defaultWorkers
}

// drainTime is how long requests in flight may take after a signal.
const drainTime = 25 * time.Second

// connection is a connection to a tenant, shared by the classes of its endpoints.
// The tenant limits each class separately, so each class has its own pace.
type connection struct {
	base     *url.URL
	tokens   *auth0.TokenSource
	attempt  *retry.Attempt
	pace     paceFlags
	observer *observer

	tokenPace *ratelimit.Transport
	heard     atomic.Bool // a server has answered at the tenant's address
	known     atomic.Bool // the Management API has answered there
	mu        sync.Mutex
	classes   []*ratelimit.Transport
}

// state sums up the states of the classes. The wait is that of the class that has
// waited longest; limits and refill rates have no meaningful sum. Of the requests
// for tokens, only waits and refusals count.
func (c *connection) state() (sum ratelimit.State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, class := range append(c.classes, c.tokenPace) {
		s := class.State()
		if class != c.tokenPace {
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

// connect returns a connection to the tenant, which reports its events to o. It
// sends nothing.
func (t *tenantFlags) connect(s surroundings, pace paceFlags, o *observer) (*connection, error) {
	if t.Domain == "" {
		return nil, usagef("name the tenant: --domain acme.eu.auth0.com, or AUTH0_DOMAIN", "no tenant is given")
	}
	base, err := auth0.ParseDomain(t.Domain)
	if err != nil {
		return nil, usageError(fmt.Errorf("--domain: %w", err), "")
	}
	credentials, err := t.credentials(s.getenv)
	if err != nil {
		return nil, err
	}
	if base.Scheme == "https" {
		if err := cmp.Or(checkProxy(s.getenv), checkRoots(s.getenv)); err != nil {
			return nil, err
		}
	}
	c := &connection{base: base, pace: pace, observer: o}
	c.attempt = &retry.Attempt{Base: s.transport(cmp.Or(pace.Workers, ratelimit.MostInFlight)), Timeout: pace.RequestTimeout, Grace: drainTime}
	// Without Grace: nothing needs a token after the run is stopped.
	c.tokenPace = c.paced(&retry.Attempt{Base: c.attempt.Base, Timeout: c.attempt.Timeout})
	if c.tokens, err = credentials.Source(base, c.tokenPace); err != nil {
		return nil, usageError(err, "")
	}
	c.tokens.Retry = c.retries()
	c.tokens.OnRefused = o.tokenRefused
	o.conn.Store(c)
	return c, nil
}

// class returns a client for one class of endpoints, and the transport that sets
// its pace.
func (c *connection) class() (*auth0.Client, *ratelimit.Transport) {
	pace := c.paced(&auth0.Bearer{Source: c.tokens, Base: c.attempt})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.classes = append(c.classes, pace)
	return &auth0.Client{
		BaseURL: c.base,
		HTTP:    retry.NewHTTPClient(pace),
		Retry:   c.retries(),
		Known:   &c.known,
		RunID:   report.RunID("ol", c.base.Host, ""), // for look-ups; an operation sets its own
	}, pace
}

// paced returns a transport with its own pace.
func (c *connection) paced(base http.RoundTripper) *ratelimit.Transport {
	return &ratelimit.Transport{Base: base, Rate: c.pace.Rate, Reserve: c.pace.Reserve, MaxInFlight: c.pace.Workers, MaxWait: c.pace.MaxWait, OnWait: c.observer.wait}
}

func (c *connection) retries() retry.Client {
	return retry.Client{MaxAttempts: c.pace.MaxAttempts, MaxWait: c.pace.MaxWait, OnEvent: c.observer.event, Heard: &c.heard}
}

// hostOf returns the host of a domain, or "" if the domain is empty.
func hostOf(domain string) (string, error) {
	if domain == "" {
		return "", nil
	}
	base, err := auth0.ParseDomain(domain)
	if err != nil {
		return "", usageError(fmt.Errorf("--domain: %w", err), "")
	}
	return base.Host, nil
}

// requireScopes gets a token, and checks that it has at least one scope of each
// group, if the token lists its scopes.
func (c *connection) requireScopes(ctx context.Context, groups ...[]string) error {
	_, err := c.tokens.Token(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	scopes, known := c.tokens.Scopes()
	if !known {
		return nil
	}
	var lacking []string
	for _, group := range groups {
		if !slices.ContainsFunc(group, func(scope string) bool { return slices.Contains(scopes, scope) }) {
			lacking = append(lacking, group[0])
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	return &exitError{exitStopped, errors.New("the token lacks the scope " + strings.Join(lacking, " and ")), "grant the application that scope for the Auth0 Management API"}
}
