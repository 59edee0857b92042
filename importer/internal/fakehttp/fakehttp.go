// Package fakehttp answers requests in tests without a network.
package fakehttp

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Answer answers the nth request, the first being 1, whose body is given.
type Answer func(n int, r *http.Request, body string) (*http.Response, error)

// Sender is a transport that keeps what it is sent.
type Sender struct {
	Answer Answer

	mu       sync.Mutex
	Requests []Request // may be read when no request is under way
}

// Request is a request that was sent.
type Request struct {
	*http.Request
	Content string // of the body
	At      time.Time
}

// RoundTrip keeps r and answers it.
func (s *Sender) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body.Close()
	}
	s.mu.Lock()
	s.Requests = append(s.Requests, Request{r, string(body), time.Now()})
	n := len(s.Requests)
	s.mu.Unlock()
	return s.Answer(n, r, string(body))
}

// Count returns the number of requests so far.
func (s *Sender) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.Requests)
}

// Reply returns a response. Headers are given as name, value, name, value…
func Reply(status int, body string, headers ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

// Always answers every request with the same response.
func Always(status int, body string, headers ...string) Answer {
	return func(int, *http.Request, string) (*http.Response, error) { return Reply(status, body, headers...), nil }
}
