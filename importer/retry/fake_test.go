package retry_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"orgimport/importer/internal/fakehttp"
	"orgimport/importer/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type sender = fakehttp.Sender

var (
	reply  = fakehttp.Reply
	always = fakehttp.Always
)

// client returns a client for a server that asks to retry on 429 and for which 408,
// 425 and 5xx are temporary.
type client struct {
	retry.Client
	http *http.Client
	url  string
}

func newClient(_ testing.TB, rt http.RoundTripper) *client {
	return &client{http: retry.NewHTTPClient(rt), url: "https://server.example/"}
}

// refusal is the error of an answer that settles the call and is not a success.
type refusal struct{ status int }

func (e *refusal) Error() string { return fmt.Sprint("answered ", e.status) }

// send sends body until an answer settles the call.
func (c *client) send(ctx context.Context, body string) (*retry.Call, error) {
	return c.do(ctx, body, retry.Call{})
}

func (c *client) do(ctx context.Context, body string, with retry.Call) (*retry.Call, error) {
	call := &with
	call.Try = func(ctx context.Context) retry.Result {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, strings.NewReader(body))
		if err != nil {
			return retry.Result{Err: err}
		}
		a, err := retry.Send(c.http, req)
		if err != nil {
			return retry.Result{Meaning: retry.Lost, Err: err}
		}
		r := retry.Result{Status: a.Status, Err: &refusal{a.Status}}
		switch {
		case a.Status < 300:
			r.Err = nil
		case a.Status == http.StatusTooManyRequests:
			r.Meaning = retry.Again
		case a.Status >= 500, a.Status == http.StatusRequestTimeout, a.Status == http.StatusTooEarly:
			r.Meaning = retry.Transient
		}
		return r
	}
	return call, c.Do(ctx, call)
}
