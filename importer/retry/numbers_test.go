package retry_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"orgimport/importer/retry"
)

// TestFirstPauses checks how long a call waits after its first failures: about 250
// and 500 ms, drawn from half to one and a half times that.
func TestFirstPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for n, want := range []time.Duration{250 * time.Millisecond, 500 * time.Millisecond} {
			least, most := time.Hour, time.Duration(0)
			for range 200 {
				s := &sender{Answer: first(2, func() (*http.Response, error) { return reply(503, ""), nil })}
				if _, err := newClient(t, s).send(t.Context(), "a"); err != nil {
					t.Fatal(err)
				}
				pause := s.Requests[n+1].At.Sub(s.Requests[n].At)
				least, most = min(least, pause), max(most, pause)
			}
			if least < want/2 || least > want*3/5 || most > want*3/2 || most < want*7/5 {
				t.Errorf("pause %d is from %s to %s, want about %s to %s", n+1, least, most, want/2, want*3/2)
			}
		}
	})
}

// TestOutageBeginsWithTheThirdFailure in a row, with one caller or several.
func TestOutageBeginsWithTheThirdFailure(t *testing.T) {
	for _, callers := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			s := &sender{Answer: first(6, func() (*http.Response, error) { return reply(503, ""), nil })}
			c := newClient(t, s)
			began := 0
			c.OnEvent = func(e retry.Event) {
				if e.Kind == retry.OutageBegan {
					began = s.Count()
				}
			}
			var all sync.WaitGroup
			for range callers {
				all.Go(func() {
					if _, err := c.send(t.Context(), "a"); err != nil {
						t.Error(err)
					}
				})
				synctest.Wait()
			}
			all.Wait()
			if began != 3 {
				t.Errorf("%d callers: the outage began with request %d, want 3", callers, began)
			}
		})
	}
}

// TestDefaults checks the limits of the zero Client.
func TestDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sender{Answer: func(_ int, _ *http.Request, body string) (*http.Response, error) {
			if body == "poison" {
				return reply(500, ""), nil
			}
			return reply(204, ""), nil
		}}
		c := newClient(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		var others sync.WaitGroup
		others.Go(func() {
			for ctx.Err() == nil {
				_, _ = c.send(ctx, "a")
				time.Sleep(50 * time.Millisecond)
			}
		})
		call, err := c.send(t.Context(), "poison")
		if _, ok := errors.AsType[*refusal](err); !ok || call.Sent != 8 {
			t.Errorf("error %v after %d requests, want the refusal after 8", err, call.Sent)
		}
		cancel()
		others.Wait()
	})
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c := newClient(t, &sender{Answer: always(503, "")})
		if _, err := c.send(t.Context(), "a"); err == nil || time.Since(start) != 5*time.Minute {
			t.Errorf("error %v after %s, want one after 5m", err, time.Since(start))
		}
	})
}

// TestLargeAnswersAreReadWhole, and refusals up to a limit.
func TestLargeAnswersAreReadWhole(t *testing.T) {
	for _, test := range []struct{ status, size, want int }{{200, 3 << 20, 3 << 20}, {200, 5 << 20, 4 << 20}, {400, 60 << 10, 60 << 10}, {400, 1 << 20, 64 << 10}} {
		a, err := retry.ReadAnswer(reply(test.status, strings.Repeat("x", test.size)))
		if err != nil || len(a.Body) != test.want {
			t.Errorf("%d with %d bytes: %d read, error %v, want %d", test.status, test.size, len(a.Body), err, test.want)
		}
	}
}

// TestConnectionIsKeptAfterALargeRefusal: the body of the refusal is longer than
// the part that is read.
func TestConnectionIsKeptAfterALargeRefusal(t *testing.T) {
	remotes := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		remotes[r.RemoteAddr] = true
		w.WriteHeader(400)
		_, _ = io.WriteString(w, strings.Repeat("x", 200<<10))
	}))
	defer server.Close()
	rt := retry.NewTransport(1)
	defer rt.CloseIdleConnections()
	c := newClient(t, rt)
	c.url = server.URL
	for range 3 {
		_, _ = c.send(t.Context(), "a")
	}
	if len(remotes) != 1 {
		t.Errorf("%d connections, want 1", len(remotes))
	}
}

// dribble is a body that gives a byte after each pause.
type dribble struct {
	ctx   context.Context
	pause time.Duration
	left  int
}

func (d *dribble) Read(p []byte) (int, error) {
	if d.left == 0 {
		return 0, io.EOF
	}
	if !retry.Sleep(d.ctx, d.pause, nil) {
		return 0, d.ctx.Err()
	}
	d.left--
	p[0] = 'x'
	return 1, nil
}

// TestStall: a download may last as long as data arrives.
func TestStall(t *testing.T) {
	for _, test := range []struct {
		pause time.Duration
		want  string // the error
	}{{29 * time.Second, ""}, {31 * time.Second, "it took longer than 30s"}} {
		synctest.Test(t, func(t *testing.T) {
			stall := &retry.Attempt{Timeout: 30 * time.Second, Stall: true, Base: &sender{Answer: func(_ int, r *http.Request, _ string) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Body: io.NopCloser(&dribble{r.Context(), test.pause, 10})}, nil
			}}}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://server.example/", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := stall.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if text != test.want || err == nil && len(body) != 10 {
				t.Errorf("a byte each %s: %d bytes, error %q, want %q", test.pause, len(body), text, test.want)
			}
		})
	}
}
