// Package auth0 adds members to organizations through Auth0's Management API.
//
//	base, err := auth0.ParseDomain("acme.eu.auth0.com")
//	source, err := credentials.Source(base, &http.Client{Transport: &auth0.Attempt{…}})
//	client := &auth0.Client{
//		BaseURL: base,
//		HTTP:    auth0.NewHTTPClient(&auth0.Bearer{Source: source, Base: &auth0.Attempt{…}}),
//	}
//	outcomes := importer.Run(ctx, batches, client.Import(), workers)
//
// The client decides whether a request is sent again; when it may leave is the
// business of the transport it is given. The transports go in this order: what
// waits for the tenant's rate limit, then [Bearer], so that the token is taken
// after the wait, then [Attempt], whose time limit must not count the wait, then
// [NewTransport].
package auth0

import (
	"cmp"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
)

// MaxMembers is how many users one request can add. It stands in the prose of
// Auth0's documents ("10 members per organization per request"); the schema of
// the API has no such bound.
const MaxMembers = 10

const (
	defaultMaxAttempts = 8
	defaultMaxWait     = 5 * time.Minute

	// maxCorrelationID is how much of an X-Correlation-ID Auth0 keeps.
	maxCorrelationID = 64
)

// Client speaks to one tenant. Its methods may be called concurrently; it must
// not be copied after the first call.
//
// All callers share what is known of the tenant's health. Once three requests in
// a row have failed in a passing way (no answer, or one such as 503), whoever
// calls, the callers hold, and one request at a time goes out to see whether the
// tenant is back.
type Client struct {
	BaseURL   *url.URL     // https://acme.eu.auth0.com, as from ParseDomain
	HTTP      *http.Client // carries the waits, the token and the time limits; see NewHTTPClient
	UserAgent string       // such as orgimport/1.2.3

	// RunID marks the requests of this run in the tenant's logs: it is the
	// start of X-Correlation-ID, and cut if the whole would exceed 64 characters.
	RunID string

	// MaxAttempts is how often one request is sent before its rows fail; 0
	// means 8. A 429 does not count, for the server has not looked at the
	// request, nor does what is sent during an outage to see whether it is over.
	MaxAttempts int

	// MaxWait is how long an outage may last, or answers be nothing but 429s,
	// before the client gives up; 0 means 5 minutes. Once it has given up
	// every call fails.
	MaxWait time.Duration

	// OnEvent, if set, is told what is worth a line in a log. It is called
	// concurrently and must be quick.
	OnEvent func(Event)

	sequence atomic.Uint64
	health   health
}

// NewHTTPClient returns a client that sends through rt and does not follow
// redirects: Bearer would add the token to the next request too, wherever it goes.
func NewHTTPClient(rt http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     rt,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (c *Client) maxAttempts() int { return cmp.Or(c.MaxAttempts, defaultMaxAttempts) }

func (c *Client) maxWait() time.Duration { return cmp.Or(c.MaxWait, defaultMaxWait) }

// nextCorrelationID returns the mark of one call; its repeats carry the same.
func (c *Client) nextCorrelationID() string {
	suffix := "-" + strconv.FormatUint(c.sequence.Add(1), 10)
	return c.RunID[:min(len(c.RunID), maxCorrelationID-len(suffix))] + suffix
}
