package retry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Attempt is the innermost transport: it bounds one attempt, from the dial to the
// end of the body, and lets it finish when the run is stopped. The answer to a
// request on the wire is worth waiting for: it says what became of its rows. A GET
// changes nothing, and is cut off at once.
//
// A request whose context is already cancelled is not sent.
type Attempt struct {
	Base    http.RoundTripper // nil means http.DefaultTransport
	Timeout time.Duration     // 0 means none
	Stall   bool              // Timeout bounds the time in which nothing comes, not the whole attempt
	Grace   time.Duration     // how long it may last once its context is cancelled, unless it is a GET; 0 cuts it at once
}

// RoundTrip sends req with a context of its own.
func (a *Attempt) RoundTrip(req *http.Request) (*http.Response, error) {
	caller := req.Context()
	if caller.Err() != nil {
		CloseBody(req)
		return nil, context.Cause(caller)
	}
	ctx, cut := context.WithCancelCause(context.WithoutCancel(caller))
	body := &attemptBody{ctx: ctx}
	end := func() { cut(nil) }
	if a.Timeout > 0 {
		limit := time.AfterFunc(a.Timeout, func() { cut(&TimeoutError{a.Timeout}) })
		end = func() { limit.Stop(); cut(nil) }
		if a.Stall {
			body.came = func() { limit.Reset(a.Timeout) }
		}
	}
	forget := context.AfterFunc(caller, func() {
		if a.Grace <= 0 || req.Method == http.MethodGet {
			cut(context.Cause(caller))
			return
		}
		// Left to run out: cutting what has ended does nothing.
		time.AfterFunc(a.Grace, func() {
			cut(fmt.Errorf("cut off %s after the stop: %w", a.Grace, context.Cause(caller)))
		})
	})
	body.end = func() { forget(); end() }

	resp, err := cmp.Or(a.Base, http.DefaultTransport).RoundTrip(req.WithContext(ctx))
	if err != nil {
		err = body.why(err)
		body.end()
		return nil, err
	}
	body.ReadCloser = resp.Body
	resp.Body = body
	return resp, nil
}

// attemptBody ends the attempt when it is closed.
type attemptBody struct {
	io.ReadCloser
	ctx  context.Context
	came func() // called after each read that brought something; may be nil
	end  func()
}

func (b *attemptBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 && b.came != nil {
		b.came()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.why(err)
	}
	return n, err
}

func (b *attemptBody) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}

// why returns what cut the attempt, or err if nothing did.
func (b *attemptBody) why(err error) error {
	if b.ctx.Err() != nil {
		return context.Cause(b.ctx)
	}
	return err
}

// TimeoutError is the error of an attempt that took too long. It is a net.Error.
type TimeoutError struct{ Limit time.Duration }

func (e *TimeoutError) Error() string   { return fmt.Sprintf("it took longer than %s", e.Limit) }
func (e *TimeoutError) Timeout() bool   { return true }
func (e *TimeoutError) Temporary() bool { return true }

// CloseBody closes the body of a request that a transport does not send.
func CloseBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close() // nothing was sent, so nothing is lost
	}
}

const (
	// maxErrorBody is how much of a refusal is read: that of an API has a few
	// hundred bytes, the page of a proxy any number.
	maxErrorBody = 64 << 10
	// maxBody is how much of an answer is read. A page of 100 items has 30 KB.
	maxBody = 4 << 20
	// maxDrain is how much more is read and discarded to reuse the connection;
	// beyond that a new one is cheaper.
	maxDrain = 256 << 10
)

// Answer is the response to one request, read to its end: a connection that breaks
// in the middle is no answer.
type Answer struct {
	Status  int
	Header  http.Header
	Body    []byte
	Request *http.Request // as the transports sent it; may be nil
}

// Send sends a request once. An error means that no answer came.
func Send(client *http.Client, req *http.Request) (*Answer, error) {
	resp, err := client.Do(req) //nolint:bodyclose // ReadAnswer closes it
	if err != nil {
		return nil, WithoutURL(err)
	}
	return ReadAnswer(resp)
}

// ReadAnswer reads resp to its end and closes its body.
func ReadAnswer(resp *http.Response) (*Answer, error) {
	defer Drain(resp.Body)
	limit := int64(maxErrorBody)
	if resp.StatusCode < 300 {
		limit = maxBody
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit))
	if err != nil {
		return nil, err
	}
	return &Answer{Status: resp.StatusCode, Header: resp.Header, Body: body, Request: resp.Request}, nil
}

// Drain reads what is left of a body, within reason, and closes it.
func Drain(body io.ReadCloser) {
	// An error costs a connection; the next request will show it.
	_, _ = io.CopyN(io.Discard, body, maxDrain)
	_ = body.Close()
}

// WithoutURL removes the URL that net/http and net/url add to errors. The callers
// know what they asked for, and a URL may hold secrets.
func WithoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}
