package auth0_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/retry"
	"orgimport/ratelimit"
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
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body.Close()
	}
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

// base is where the tests' tenant is.
func base(t testing.TB) *url.URL {
	t.Helper()
	u, err := auth0.ParseDomain("acme.eu.auth0.com")
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func newClient(t testing.TB, rt http.RoundTripper) *auth0.Client {
	return &auth0.Client{BaseURL: base(t), HTTP: retry.NewHTTPClient(rt), RunID: "run"}
}

// paced returns a transport that waits as the tenant's limit asks for.
func paced(base http.RoundTripper) http.RoundTripper {
	return &ratelimit.Transport{Base: base, MaxWait: 5 * time.Minute}
}

func batch(org string, users ...string) importer.Batch {
	b := importer.Batch{OrgID: org}
	for i, u := range users {
		b.Rows = append(b.Rows, importer.Row{OrgID: org, UserID: u, Line: i + 2})
	}
	return b
}

// slow answers after a while.
type slow struct{ after time.Duration }

func (s slow) RoundTrip(r *http.Request) (*http.Response, error) {
	if !wait(r.Context(), s.after) {
		return nil, r.Context().Err()
	}
	return reply(204, ""), nil
}

func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
