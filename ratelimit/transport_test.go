package ratelimit_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"orgimport/ratelimit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// answering is a base that answers the n-th request, counted from 1, after
// 100 ms.
type answering struct {
	answer func(n int) *http.Response
	times  chan time.Time
	n      atomic.Int64
}

func newAnswering(answer func(n int) *http.Response) *answering {
	return &answering{answer: answer, times: make(chan time.Time, 1000)}
}

func (a *answering) RoundTrip(req *http.Request) (*http.Response, error) {
	n := int(a.n.Add(1))
	a.times <- time.Now()
	if req.Body != nil {
		req.Body.Close()
	}
	select {
	case <-time.After(100 * time.Millisecond):
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
	return a.answer(n), nil
}

func status(code int, headers ...string) *http.Response {
	resp := &http.Response{StatusCode: code, Header: http.Header{}, Body: http.NoBody}
	for i := 0; i < len(headers); i += 2 {
		resp.Header.Set(headers[i], headers[i+1])
	}
	return resp
}

func left(remaining int, reset time.Duration) *http.Response {
	return status(204, "X-RateLimit-Limit", "20", "X-RateLimit-Remaining", strconv.Itoa(remaining),
		"X-RateLimit-Reset", strconv.FormatInt(time.Now().Add(reset).Unix(), 10))
}

// body notes that it was closed.
type body struct {
	io.Reader
	closed atomic.Bool
}

func (b *body) Close() error { b.closed.Store(true); return nil }

func request(ctx context.Context) (*http.Request, *body) {
	b := &body{Reader: strings.NewReader("members")}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://tenant.test/", b)
	if err != nil {
		panic(err)
	}
	return req, b
}

func TestRetryAfterHoldsEverybody(t *testing.T) {
	for _, code := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				base := newAnswering(func(n int) *http.Response {
					if n == 1 {
						return status(code, "Retry-After", "30")
					}
					return left(19, time.Second)
				})
				rt := &ratelimit.Transport{Base: base}
				start := time.Now()
				var wg sync.WaitGroup
				for range 4 {
					wg.Go(func() { post(t.Context(), rt) })
				}
				wg.Wait()
				close(base.times)
				<-base.times
				for at := range base.times {
					if waited := at.Sub(start); waited < 30*time.Second || waited > 36*time.Second {
						t.Errorf("a request left after %v, want 30 to 36 s", waited)
					}
				}
			})
		})
	}
}

func TestWaitEndsWithTheContextAndClosesTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := newAnswering(func(int) *http.Response { return status(429, "Retry-After", "600") })
		rt := &ratelimit.Transport{Base: base}
		post(t.Context(), rt)
		stopped := errors.New("stopped")
		ctx, cancel := context.WithCancelCause(t.Context())
		var wg sync.WaitGroup
		for range 3 { // one at the head of the queue, two behind it
			wg.Go(func() {
				req, body := request(ctx)
				if _, err := rt.RoundTrip(req); !errors.Is(err, stopped) {
					t.Errorf("error %v, want the cause of the context", err)
				}
				if !body.closed.Load() {
					t.Error("the body was not closed")
				}
			})
		}
		time.Sleep(time.Minute)
		if got := rt.State().Waiting.Detail; !strings.Contains(got, "Retry-After") {
			t.Errorf("waiting for %q", got)
		}
		cancel(stopped)
		wg.Wait()
		if n := base.n.Load(); n != 1 {
			t.Errorf("%d requests sent, want 1", n)
		}
		if s := rt.State(); s.Waited != time.Minute || !s.Waiting.Since.IsZero() {
			t.Errorf("waited %v, waiting since %v", s.Waited, s.Waiting.Since)
		}
	})
}

func TestCancelledRequestIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := newAnswering(func(int) *http.Response { return left(19, time.Second) })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		req, body := request(ctx)
		if _, err := (&ratelimit.Transport{Base: base}).RoundTrip(req); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		if base.n.Load() != 0 || !body.closed.Load() {
			t.Errorf("%d requests sent, body closed: %v", base.n.Load(), body.closed.Load())
		}
	})
}

func TestKnownWaitBeyondTheLongestEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := newAnswering(func(int) *http.Response { return status(429, "Retry-After", "3600") })
		rt := &ratelimit.Transport{Base: base, MaxWait: 5 * time.Minute}
		post(t.Context(), rt)
		start := time.Now()
		req, body := request(t.Context())
		_, err := rt.RoundTrip(req)
		var tooLong *ratelimit.WaitError
		if !errors.As(err, &tooLong) || tooLong.Wait < 59*time.Minute {
			t.Fatalf("error %v, want a wait of an hour", err)
		}
		if !tooLong.Permanent() {
			t.Error("whoever gets the error is told to try again")
		}
		if !strings.Contains(err.Error(), "Retry-After") || !strings.Contains(err.Error(), "1h0m0s") {
			t.Errorf("error %q does not say what was waited for and how long", err)
		}
		if time.Since(start) != 0 || !body.closed.Load() || base.n.Load() != 1 {
			t.Errorf("ended after %v, body closed: %v, %d sent", time.Since(start), body.closed.Load(), base.n.Load())
		}
	})
}

func TestWaitThatBecomesTooLongEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := newAnswering(func(int) *http.Response {
			return status(429, "X-RateLimit-Limit", "20", "X-RateLimit-Remaining", "0",
				"X-RateLimit-Reset", strconv.FormatInt(time.Now().Add(time.Minute).Unix(), 10))
		})
		rt := &ratelimit.Transport{Base: base, MaxWait: 5 * time.Minute}
		start := time.Now()
		var err error
		for err == nil {
			_, err = post(t.Context(), rt)
		}
		var tooLong *ratelimit.WaitError
		if !errors.As(err, &tooLong) {
			t.Fatalf("error %v, want a *WaitError", err)
		}
		if !strings.Contains(err.Error(), "0 of 20 left") {
			t.Errorf("error %q does not name the limit", err)
		}
		if s := rt.State(); s.Refused != s.Sent || s.Refused < 2 {
			t.Errorf("%d of %d refused", s.Refused, s.Sent)
		}
		if took := time.Since(start); took < 3*time.Minute || took > 6*time.Minute {
			t.Errorf("gave up after %v, want about 5 minutes", took)
		}
	})
}

// TestAWaitThatWasGivenUpIsForgotten has nobody wait any more for a while: the next
// wait is not as old as the one before.
func TestAWaitThatWasGivenUpIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := newAnswering(func(int) *http.Response { return status(429, "Retry-After", "40") })
		rt := &ratelimit.Transport{Base: base, MaxWait: time.Minute}
		post(t.Context(), rt)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := post(ctx, rt); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want that of the context", err)
		}
		time.Sleep(time.Hour)
		post(t.Context(), rt)
		if _, err := post(t.Context(), rt); err != nil {
			t.Errorf("a wait of 40 s, after an hour without any: %v", err)
		}
	})
}

// TestAnswersEndTheWait: a queue that is never empty may wait for longer than the
// longest wait in all, as long as answers come.
func TestAnswersEndTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := newAnswering(func(int) *http.Response { return left(0, 40*time.Second) })
		rt := &ratelimit.Transport{Base: base, MaxWait: time.Minute}
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				if _, err := post(t.Context(), rt); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	})
}

func TestCeilingIsNoReasonToGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := newAnswering(func(int) *http.Response { return left(19, time.Second) })
		rt := &ratelimit.Transport{Base: base, Rate: 0.01, MaxWait: time.Minute}
		for range 5 {
			if _, err := post(t.Context(), rt); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestPauseIsToldWhenItBeginsAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := newAnswering(func(n int) *http.Response {
			if n == 1 {
				return status(429, "Retry-After", "10")
			}
			return left(19, time.Second)
		})
		var pauses []ratelimit.Wait
		rt := &ratelimit.Transport{Base: base}
		rt.OnWait = func(p ratelimit.Wait) {
			rt.State() // must not be locked out
			pauses = append(pauses, p)
		}
		start := time.Now()
		for range 3 {
			post(t.Context(), rt)
		}
		if len(pauses) != 2 || pauses[0].Ended || !pauses[1].Ended {
			t.Fatalf("told of %+v, want a beginning and an end", pauses)
		}
		if wait := pauses[0].Until.Sub(pauses[0].Since); wait != 10*time.Second || pauses[0].Why == "" {
			t.Errorf("a pause of %v for %q, want 10 s", wait, pauses[0].Why)
		}
		if waited := rt.State().Waited; waited < 10*time.Second || waited > 11*time.Second {
			t.Errorf("waited %v of %v", waited, time.Since(start))
		}
	})
}

// TestOnlyTheLimitCountsAsWaited has four requests wait for the first answer,
// and then for what a 503 asks for.
func TestOnlyTheLimitCountsAsWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := newAnswering(func(n int) *http.Response {
			if n == 1 {
				return status(503, "Retry-After", "10")
			}
			return left(19, time.Second)
		})
		rt := &ratelimit.Transport{Base: base}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { post(t.Context(), rt) })
		}
		wg.Wait()
		if s := rt.State(); s.Waited > time.Second || s.Held != 0 || s.Waiting.Since != (time.Time{}) {
			t.Errorf("waited %v for the limit, %v for the ceiling, and waits %+v", s.Waited, s.Held, s.Waiting)
		}
	})
}

func TestShortWaitIsNotToldOf(t *testing.T) {
	for reset, want := range map[time.Duration]int{1500 * time.Millisecond: 2, 900 * time.Millisecond: 0} {
		synctest.Test(t, func(t *testing.T) {
			told := 0
			rt := &ratelimit.Transport{Base: limited(reset), OnWait: func(ratelimit.Wait) { told++ }}
			for range 2 {
				post(t.Context(), rt)
			}
			if told != want {
				t.Errorf("told %d times of a wait of %v, want %d", told, reset, want)
			}
		})
	}
}

// limited uses up its limit with the first request; it is there again after d.
type limited time.Duration

func (d limited) RoundTrip(*http.Request) (*http.Response, error) {
	now := time.Now().UTC()
	reset := now.Add(time.Duration(d) + time.Second - 1).Truncate(time.Second) // of the server's clock
	time.Sleep(reset.Sub(now) - time.Duration(d))
	return status(204, "X-RateLimit-Limit", "20", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", strconv.FormatInt(reset.Unix(), 10)), nil
}

func TestCeilingHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := newAnswering(func(int) *http.Response { return left(19, time.Second) })
		rt := &ratelimit.Transport{Base: base, Rate: 2}
		start := time.Now()
		if _, err := run(t.Context(), 100, 16, ours(rt), nil); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < 49*time.Second || took > 51*time.Second {
			t.Errorf("100 requests at 2 a second took %v", took)
		}
		if s := rt.State(); s.Waited != 0 || s.Held < 48*time.Second || s.Held > 50*time.Second {
			t.Errorf("waited %v for the limit and %v for the ceiling", s.Waited, s.Held)
		}
		if s := rt.State(); s.Allowed != 2 || s.Sent != 100 || s.InFlight != 0 || s.Limit != 20 || s.Remaining != 19 {
			t.Errorf("state %+v", s)
		}
	})
}

func TestFailedRequestIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed := errors.New("connection reset")
		rt := &ratelimit.Transport{Base: failing{failed}}
		for range 5 {
			if _, err := post(t.Context(), rt); !errors.Is(err, failed) {
				t.Fatalf("error %v", err)
			}
		}
		if s := rt.State(); s.Sent != 5 || s.InFlight != 0 {
			t.Errorf("%d sent, %d in flight, want 5 and 0", s.Sent, s.InFlight)
		}
	})
}

type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

// TestWaitIsNoLongerThanTheLongest although an answer under way may end it.
func TestWaitIsNoLongerThanTheLongest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		base := newAnswering(func(n int) *http.Response {
			if n == 2 {
				<-hang
			}
			return left(1, 40*time.Second)
		})
		rt := &ratelimit.Transport{Base: base, MaxWait: 2 * time.Second}
		post(t.Context(), rt)
		var hanging sync.WaitGroup
		hanging.Go(func() { post(t.Context(), rt) })
		synctest.Wait()
		start := time.Now()
		_, err := post(t.Context(), rt)
		var tooLong *ratelimit.WaitError
		if took := time.Since(start); !errors.As(err, &tooLong) || took != 2*time.Second {
			t.Errorf("error %v after %v, want a *WaitError after 2s", err, took)
		}
		close(hang)
		hanging.Wait()
	})
}
