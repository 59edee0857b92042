package retry_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"orgimport/importer/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sender is a transport made of a function. It notes what was sent.
type sender struct {
	answer func(n int, r *http.Request, body string) (*http.Response, error)

	mu       sync.Mutex
	requests []sent
}

type sent struct {
	*http.Request
	body string
	at   time.Time
}

func (s *sender) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	r.Body.Close()
	s.mu.Lock()
	s.requests = append(s.requests, sent{r, string(body), time.Now()})
	n := len(s.requests)
	s.mu.Unlock()
	return s.answer(n, r, string(body))
}

func (s *sender) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

// reply makes an answer; headers are given as name, value, name, value…
func reply(status int, body string, headers ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

func always(status int, body string, headers ...string) func(int, *http.Request, string) (*http.Response, error) {
	return func(int, *http.Request, string) (*http.Response, error) { return reply(status, body, headers...), nil }
}

// client is a client for a server whose 429s say to come again and whose 408, 425
// and 5xx pass.
type client struct {
	retry.Client
	http *http.Client
	url  string
}

func newClient(_ testing.TB, rt http.RoundTripper) *client {
	return &client{http: retry.NewHTTPClient(rt), url: "https://server.example/"}
}

// refusal is an answer that is settled and no success.
type refusal struct{ status int }

func (e *refusal) Error() string { return fmt.Sprint("answered ", e.status) }

// send sends body until that is settled.
func (c *client) send(ctx context.Context, body string) (*retry.Call, error) {
	return c.do(ctx, body, false)
}

func (c *client) do(ctx context.Context, body string, once bool) (*retry.Call, error) {
	call := &retry.Call{Once: once}
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
			r.Meaning = retry.Passing
		}
		return r
	}
	return call, c.Do(ctx, call)
}
