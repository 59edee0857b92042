// Package auth0 works on the organizations of a tenant through Auth0's Management
// API.
//
//	base, err := auth0.ParseDomain("acme.eu.auth0.com")
//	source, err := credentials.Source(base, &retry.Attempt{…})
//	client := &auth0.Client{
//		BaseURL: base,
//		HTTP:    retry.NewHTTPClient(&auth0.Bearer{Source: source, Base: &retry.Attempt{…}}),
//	}
//	outcomes := importer.Run(ctx, batches, client.Import(), workers)
//
// The client says what answers mean, [retry] whether a request is sent again, and
// the client's transport when it may leave. The transports have this order: one that
// waits for the tenant's rate limit; [Bearer], so that the token is taken after the
// wait; [retry.Attempt], whose time limit must not include the wait; and
// [retry.NewTransport].
package auth0

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"orgimport/importer"
	"orgimport/importer/retry"
)

// maxCorrelationID is how much of an X-Correlation-ID Auth0 keeps.
const maxCorrelationID = 64

// Client talks to one tenant. Its methods may be called concurrently; it must
// not be copied after the first call.
//
// After a 429 it sends the request again at once: the transport knows when there is
// room.
type Client struct {
	BaseURL *url.URL     // https://acme.eu.auth0.com, as from ParseDomain
	HTTP    *http.Client // carries the waits, the token and the time limits; see retry.NewHTTPClient
	Retry   retry.Client // how often a request is sent, and how long an outage may last

	// RunID marks the requests of this run in the tenant's logs: X-Correlation-ID
	// begins with it. It is cut if the whole would exceed 64 characters.
	RunID string

	// Known is set once the API has answered. A gateway's answer may pass after
	// that; before, it means that the API is not at this address. The clients of
	// one tenant may share it; nil means that the client has its own.
	Known *atomic.Bool

	known    atomic.Bool
	sequence atomic.Uint64
}

// nextCorrelationID returns the mark of one call; its repeats carry the same.
func (c *Client) nextCorrelationID() string {
	suffix := "-" + strconv.FormatUint(c.sequence.Add(1), 10)
	return c.RunID[:min(len(c.RunID), maxCorrelationID-len(suffix))] + suffix
}

// call is one call of the API with its repeats.
type call struct {
	retry.Call
	method        string
	path          string // escaped
	query         string
	body          []byte
	into          any // what a success is decoded into; nil: it must be JSON, or a 204
	correlationID string
	limitIsFinal  bool // a 429 is an answer: it is not about the rate
}

func (c *Client) newCall(method, path string, query url.Values) *call {
	return &call{method: method, path: path, query: query.Encode(), correlationID: c.nextCorrelationID()}
}

// do sends a call until an answer settles it. It returns the answer if its status is
// in want, and otherwise an error.
func (c *Client) do(ctx context.Context, call *call, want ...int) (a *retry.Answer, _ error) {
	var again []int // statuses of the last answers, each reason enough to send it once more
	call.Part = organizationOf(call.path)
	call.Lost = func(err error) error { return noAnswer(call, err) }
	call.Try = func(ctx context.Context) retry.Result {
		req, err := c.request(ctx, call)
		if err != nil {
			return retry.Result{Err: &ConfigError{Err: err, Hint: "check the domain"}}
		}
		if a, err = retry.Send(c.HTTP, req); err != nil {
			return retry.Result{Meaning: retry.Lost, Err: err}
		}
		r := retry.Result{Status: a.Status}
		r.Meaning, r.Err = c.meaningOf(a, call, want, again)
		switch {
		case r.Meaning != retry.Again:
			again = nil
		case a.Status != http.StatusTooManyRequests:
			again = append(again, a.Status)
		}
		return r
	}
	if err := c.Retry.Do(ctx, &call.Call); err != nil {
		return nil, err
	}
	return a, nil
}

// meaningOf says what an answer means for a call that answers with the statuses
// again have had sent once more.
func (c *Client) meaningOf(a *retry.Answer, call *call, want, again []int) (retry.Meaning, error) {
	known := cmp.Or(c.Known, &c.known)
	var e *Error
	before := slices.Contains(again, a.Status)
	switch {
	case slices.Contains(want, a.Status):
		err := call.decode(a)
		if err == nil {
			known.Store(true)
			return retry.Done, nil
		}
		e = foreign(a, call, err)
	case a.Status < 400:
		e = foreign(a, call, nil)
	default:
		e = refusal(a, call)
	}
	switch {
	case e.Foreign && !known.Load():
		return retry.Done, notTheAPI(e)
	case e.Status == http.StatusTooManyRequests && !call.limitIsFinal:
		return retry.Again, e
	case e.transient() && e.Status != http.StatusTooManyRequests:
		return retry.Transient, e
	case e.aboutNobody() && !before && call.MaxAttempts != 1:
		return retry.Again, e // believed the second time
	case e.refusesToken() && !before:
		return retry.Again, e // Bearer has a fresh token, or says that there is none
	case e.refusesToken(), e.Status == http.StatusForbidden && e.Reach() == importer.ReachRun:
		return retry.Done, e.credentialsError()
	}
	known.Store(true)
	return retry.Done, e
}

// decode decodes the body of a success.
func (call *call) decode(a *retry.Answer) error {
	var any json.RawMessage
	switch {
	case a.Status == http.StatusNoContent:
		return nil
	case call.into == nil:
		return json.Unmarshal(a.Body, &any)
	case string(bytes.TrimSpace(a.Body)) == "null":
		return errors.New("null")
	}
	return json.Unmarshal(a.Body, call.into)
}

func (c *Client) request(ctx context.Context, call *call) (*http.Request, error) {
	target := c.BaseURL.String() + call.path
	if call.query != "" {
		target += "?" + call.query
	}
	// With a *bytes.Reader the request has a GetBody, so that net/http can repeat
	// it by itself after it met a closed connection, or an HTTP/2 server has reset
	// the stream. The server may have done its work by then.
	req, err := http.NewRequestWithContext(ctx, call.method, target, bytes.NewReader(call.body))
	if err != nil {
		return nil, err
	}
	if call.MaxAttempts == 1 {
		req.GetBody = nil
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("X-Correlation-ID", call.correlationID)
	if call.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// write sends a request whose success is a 204. It sends nothing if err, which is
// that of the path, is not nil.
func (c *Client) write(ctx context.Context, method, path string, err error, content any) (importer.Receipt, error) {
	call := c.newCall(method, path, nil)
	if err == nil {
		call.body, err = json.Marshal(content)
	}
	if err == nil {
		_, err = c.do(ctx, call, http.StatusNoContent)
	}
	return call.receipt(err), err
}

// receipt returns what the results file keeps of a finished call.
func (call *call) receipt(err error) importer.Receipt {
	r := importer.Receipt{
		HTTPStatus:    call.Status,
		Attempts:      call.Sent,
		CorrelationID: call.correlationID,
		Time:          time.Now(),
	}
	if err != nil {
		r.Code, r.Message = reason(err)
	}
	return r
}

// reason returns the code and the message that the results file keeps of err.
func reason(err error) (code, message string) {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code, e.Message
	}
	if e, ok := errors.AsType[*CredentialsError](err); ok {
		return e.Code, e.Message
	}
	return "", oneLine(err.Error(), maxMessage)
}
