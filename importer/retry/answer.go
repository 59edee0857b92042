package retry

import (
	"errors"
	"io"
	"net/http"
	"net/url"
)

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
