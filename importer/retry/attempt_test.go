package retry_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"orgimport/importer/retry"
)

// slow answers after a while, and the body takes as long again.
type slow struct{ each time.Duration }

func (s slow) RoundTrip(r *http.Request) (*http.Response, error) {
	if !retry.Sleep(r.Context(), s.each, nil) {
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: 204, Body: io.NopCloser(slowBody{r.Context(), s.each})}, nil
}

type slowBody struct {
	ctx  context.Context
	each time.Duration
}

func (b slowBody) Read([]byte) (int, error) {
	if !retry.Sleep(b.ctx, b.each, nil) {
		return 0, b.ctx.Err()
	}
	return 0, io.EOF
}

func TestAttempt(t *testing.T) {
	stop := errors.New("enough")
	for _, test := range []struct {
		name    string        // that of a GET begins so
		each    time.Duration // header and body
		attempt retry.Attempt
		stopAt  time.Duration // 0: never
		took    time.Duration
		want    string // the error; empty if there is none
	}{
		{"in time", 10 * time.Second, retry.Attempt{Timeout: 30 * time.Second}, 0, 20 * time.Second, ""},
		{"no limit", time.Hour, retry.Attempt{}, 0, 2 * time.Hour, ""},
		{"header too late", 40 * time.Second, retry.Attempt{Timeout: 30 * time.Second}, 0, 30 * time.Second, "it took longer than 30s"},
		{"body too late", 20 * time.Second, retry.Attempt{Timeout: 30 * time.Second}, 0, 30 * time.Second, "it took longer than 30s"},
		{"stopped, and finished", 10 * time.Second, retry.Attempt{Timeout: 30 * time.Second, Grace: 25 * time.Second}, time.Second, 20 * time.Second, ""},
		{"stopped, and cut", 40 * time.Second, retry.Attempt{Timeout: time.Minute, Grace: 25 * time.Second}, time.Second, 26 * time.Second, "cut off 25s after the stop: enough"},
		{"stopped, body cut", 14 * time.Second, retry.Attempt{Timeout: time.Minute, Grace: 25 * time.Second}, time.Second, 26 * time.Second, "cut off 25s after the stop: enough"},
		{"stopped, out of time first", 40 * time.Second, retry.Attempt{Timeout: 30 * time.Second, Grace: 25 * time.Second}, 10 * time.Second, 30 * time.Second, "it took longer than 30s"},
		{"stopped without grace", 10 * time.Second, retry.Attempt{Timeout: 30 * time.Second}, time.Second, time.Second, "enough"},
		{"GET, stopped", 10 * time.Second, retry.Attempt{Timeout: 30 * time.Second, Grace: 25 * time.Second}, time.Second, time.Second, "enough"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				if test.stopAt > 0 {
					time.AfterFunc(test.stopAt, func() { cancel(stop) })
				}
				test.attempt.Base = slow{test.each}
				method, _, _ := strings.Cut(test.name, ",")
				if method != http.MethodGet {
					method = http.MethodPost
				}
				req, _ := http.NewRequestWithContext(ctx, method, "https://server.example/", http.NoBody)
				resp, err := test.attempt.RoundTrip(req)
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					resp.Body.Close()
				}
				text := ""
				if err != nil {
					text = err.Error()
				}
				if text != test.want {
					t.Errorf("error %q, want %q", text, test.want)
				}
				if took := time.Since(start); took != test.took {
					t.Errorf("it took %s, want %s", took, test.took)
				}
				if timeout, ok := errors.AsType[net.Error](err); test.took == test.attempt.Timeout && !(ok && timeout.Timeout()) {
					t.Errorf("%v is no timeout", err)
				}
			})
		})
	}
}

func TestAttemptDoesNotBeginAfterTheStop(t *testing.T) {
	s := &sender{Answer: always(204, "")}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req, _ := http.NewRequestWithContext(ctx, "POST", "https://server.example/", http.NoBody)
	if _, err := (&retry.Attempt{Base: s, Grace: time.Minute}).RoundTrip(req); !errors.Is(err, context.Canceled) || s.Count() != 0 {
		t.Errorf("error %v, %d requests", err, s.Count())
	}
}

// TestStopFinishesWhatIsOnTheWire cancels a call while its request is in flight: it
// gets its answer, over a real connection.
func TestStopFinishesWhatIsOnTheWire(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cancel()
		w.WriteHeader(204)
	}))
	defer server.Close()
	rt := retry.NewTransport(1)
	defer rt.CloseIdleConnections()
	c := newClient(t, &retry.Attempt{Base: rt, Timeout: 10 * time.Second, Grace: 10 * time.Second})
	c.url = server.URL
	call, err := c.send(ctx, "a")
	if err != nil || call.Status != 204 {
		t.Errorf("call %+v, error %v", call, err)
	}
}
