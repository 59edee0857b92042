package auth0

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	// maxErrorBody is how much of a refusal is read: an envelope of Auth0's has
	// a few hundred bytes, the page of a proxy may have any number.
	maxErrorBody = 64 << 10
	// maxBody is how much of an answer is read. A page of 100 members has 30 KB.
	maxBody = 4 << 20
	// maxDrain is how much more is read and thrown away so that the connection
	// can be used again; beyond that a new one is cheaper.
	maxDrain = 256 << 10
)

// call is one call of the API with its repeats.
type call struct {
	method        string
	path          string // escaped
	query         string
	body          []byte
	correlationID string
	once          bool // a request that may have done its work is not sent again
	limitIsFinal  bool // a 429 is an answer, for it speaks of something else than the rate

	sent          int // requests that went out
	lastStatus    int // of the newest answer; 0 if the newest request had none
	failures      int // passing ones: no answer, or one such as 503
	counted       int // those of them outside of outages
	answersBefore int // usable answers to others when the call began
}

// answer is what came back for one request, read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
	used   usage
}

// usage is how Bearer tells the client, through the context of a request, which
// token it went out with.
type usage struct {
	source *TokenSource
	token  string
}

type usageKey struct{}

// attempt sends the call once. An error means that there was no answer.
func (c *Client) attempt(ctx context.Context, call *call) (*answer, error) {
	a := &answer{}
	req, err := c.request(context.WithValue(ctx, usageKey{}, &a.used), call)
	if err != nil {
		return nil, &ConfigError{Err: err, Hint: "check the domain"}
	}
	resp, err := c.HTTP.Do(req) //nolint:bodyclose // drain closes it
	if err != nil {
		return nil, withoutURL(err)
	}
	defer drain(resp.Body)
	limit := int64(maxErrorBody)
	if resp.StatusCode < 300 {
		limit = maxBody
	}
	a.status, a.header = resp.StatusCode, resp.Header
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, limit))
	if err != nil {
		return nil, err
	}
	return a, nil
}

func (c *Client) request(ctx context.Context, call *call) (*http.Request, error) {
	target := c.BaseURL.String() + call.path
	if call.query != "" {
		target += "?" + call.query
	}
	// A *bytes.Reader gives the request its GetBody, so that net/http can
	// itself repeat one that met a closed connection.
	req, err := http.NewRequestWithContext(ctx, call.method, target, bytes.NewReader(call.body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("X-Correlation-ID", call.correlationID)
	if c.UserAgent != "" {
		req.Header.Set("User-Agent", c.UserAgent)
	}
	if call.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// drain reads what is left of a body, within reason, and closes it.
func drain(body io.ReadCloser) {
	// An error costs a connection, and the next request will tell.
	_, _ = io.CopyN(io.Discard, body, maxDrain)
	_ = body.Close()
}

// withoutURL takes off what net/http puts around errors: the callers know
// better what they asked for.
func withoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}

// sleep waits, but not longer than ctx lasts or until cut is closed. It reports
// whether it came to its end.
func sleep(ctx context.Context, d time.Duration, cut <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-cut:
	}
	return false
}
