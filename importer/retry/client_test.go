package retry_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"orgimport/importer/retry"
	"orgimport/ratelimit"
)

// first answers the first n requests with one function and the others with 204.
func first(n int, answer func() (*http.Response, error)) func(int, *http.Request, string) (*http.Response, error) {
	return func(i int, _ *http.Request, _ string) (*http.Response, error) {
		if i <= n {
			return answer()
		}
		return reply(204, ""), nil
	}
}

func TestTransientFailuresAreSentAgain(t *testing.T) {
	status := func(code int) func() (*http.Response, error) {
		return func() (*http.Response, error) { return reply(code, "<html>"), nil }
	}
	lost := func(err error) func() (*http.Response, error) {
		return func() (*http.Response, error) { return nil, err }
	}
	for name, answer := range map[string]func() (*http.Response, error){
		"408": status(408), "425": status(425), "429": status(429), "500": status(500),
		"502": status(502), "503": status(503), "504": status(504), "520": status(520), "524": status(524),
		"refused": lost(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}),
		"reset":   lost(&net.OpError{Op: "read", Err: syscall.ECONNRESET}),
		"eof":     lost(io.ErrUnexpectedEOF),
		"half an answer": func() (*http.Response, error) {
			r := reply(400, "")
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"message":`), iotest.ErrReader(io.ErrUnexpectedEOF)))
			return r, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &sender{Answer: first(2, answer)}
				call, err := newClient(t, s).send(t.Context(), "auth0|a")
				if err != nil {
					t.Fatal(err)
				}
				if call.Sent != 3 || call.Status != 204 {
					t.Errorf("call %+v, want 3 attempts and 204", call)
				}
				for i, r := range s.Requests {
					if r.Content != "auth0|a" {
						t.Errorf("request %d has the body %q", i+1, r.Content)
					}
				}
			})
		})
	}
}

func TestRetryAfterIsHeeded(t *testing.T) {
	for _, status := range []int{429, 503} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			s := &sender{Answer: first(1, func() (*http.Response, error) { return reply(status, "", "Retry-After", "40"), nil })}
			if _, err := newClient(t, paced(s, 5*time.Minute)).send(t.Context(), "auth0|a"); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took < 40*time.Second || took > 45*time.Second {
				t.Errorf("%d: sent again after %s, want 40 s", status, took)
			}
		})
	}
}

func TestPausesGrowTo30Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sender{Answer: first(40, func() (*http.Response, error) { return reply(503, ""), nil })}
		c := newClient(t, s)
		c.MaxWait = time.Hour
		if _, err := c.send(t.Context(), "auth0|a"); err != nil {
			t.Fatal(err)
		}
		longest := time.Duration(0)
		for i, r := range s.Requests[1:] {
			pause := r.At.Sub(s.Requests[i].At)
			longest = max(longest, pause)
			if pause < 125*time.Millisecond || pause > 30*time.Second {
				t.Errorf("pause %d is %s", i+1, pause)
			}
			if i > 11 && pause < 15*time.Second {
				t.Errorf("pause %d is %s still", i+1, pause)
			}
		}
		if longest != 30*time.Second {
			t.Errorf("the longest pause is %s, want 30s", longest)
		}
	})
}

func TestLimitsDoNotCountAsAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 20 { // the pauses are drawn
			s := &sender{Answer: first(4, func() (*http.Response, error) { return reply(429, ""), nil })}
			c := newClient(t, paced(s, 5*time.Minute))
			c.MaxAttempts = 1
			call, err := c.send(t.Context(), "auth0|a")
			if err != nil {
				t.Fatal(err)
			}
			if call.Sent != 5 {
				t.Errorf("%d requests are counted, want 5", call.Sent)
			}
			for i, r := range s.Requests[1:] {
				if pause := r.At.Sub(s.Requests[i].At); pause < time.Second || pause > 15*time.Second {
					t.Errorf("pause %d is %s, want a second at least and not much more", i+1, pause)
				}
			}
		}
	})
}

func TestNothingButLimitsForTooLong(t *testing.T) {
	for name, headers := range map[string][]string{
		"unknown how long": nil,
		"known in advance": {"Retry-After", "3600"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				s := &sender{Answer: always(429, `{"message":"Global limit has been reached"}`, headers...)}
				c := newClient(t, paced(s, time.Minute))
				_, err := c.send(t.Context(), "auth0|a")
				if _, ok := errors.AsType[*ratelimit.WaitError](err); !ok {
					t.Fatalf("error %v, want a WaitError", err)
				}
				if took := time.Since(start); headers != nil && took != 0 || took > 90*time.Second {
					t.Errorf("gave up after %s", took)
				}
			})
		})
	}
}

func TestLimitsAmongSuccessesAreNoReasonToGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sender{Answer: func(n int, _ *http.Request, _ string) (*http.Response, error) {
			if n%2 == 1 {
				return reply(429, "", "Retry-After", "40"), nil
			}
			return reply(204, ""), nil
		}}
		c := newClient(t, paced(s, time.Minute))
		for range 5 {
			if _, err := c.send(t.Context(), "auth0|a"); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestOutageIsProbedByOneAtATime: many callers use a tenant that is down for a
// minute. All succeed in the end, and few requests are sent until then.
func TestOutageIsProbedByOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const callers = 16
		start := time.Now()
		var inFlight, most int
		var mu sync.Mutex
		s := &sender{Answer: func(int, *http.Request, string) (*http.Response, error) {
			mu.Lock()
			inFlight++
			if d := time.Since(start); d > time.Second && d < time.Minute {
				most = max(most, inFlight)
			}
			mu.Unlock()
			time.Sleep(100 * time.Millisecond)
			mu.Lock()
			inFlight--
			mu.Unlock()
			if time.Since(start) < time.Minute {
				return reply(503, ""), nil
			}
			return reply(204, ""), nil
		}}
		c := newClient(t, s)
		c.MaxAttempts = 3
		var events []retry.Event
		c.OnEvent = func(e retry.Event) { mu.Lock(); events = append(events, e); mu.Unlock() }
		var all sync.WaitGroup
		for i := range callers {
			all.Go(func() {
				if _, err := c.send(t.Context(), fmt.Sprint(i)); err != nil {
					t.Errorf("caller %d: %v", i, err)
				}
			})
		}
		synctest.Wait()
		time.Sleep(59 * time.Second)
		if n := s.Count(); n > callers+15 {
			t.Errorf("%d requests while the tenant was down", n)
		}
		all.Wait()
		if most != 1 {
			t.Errorf("%d requests in flight during the outage, want 1", most)
		}
		if took := time.Since(start); took > 92*time.Second {
			t.Errorf("it took %s to come back", took)
		}
		var kinds []retry.EventKind
		for _, e := range events {
			kinds = append(kinds, e.Kind)
		}
		if got, want := fmt.Sprint(kinds), fmt.Sprint([]retry.EventKind{retry.FirstFailure, retry.OutageBegan, retry.OutageEnded}); got != want {
			t.Errorf("events %s, want %s", got, want)
		}
	})
}

func TestOutageThatLastsTooLongEndsAllCallsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c := newClient(t, &sender{Answer: always(503, "<html>")})
		c.MaxWait = 2 * time.Minute
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				_, err := c.send(t.Context(), "a")
				if _, ok := errors.AsType[*retry.GaveUpError](err); !ok {
					t.Errorf("caller %d: %v, want a GaveUpError", i, err)
				}
				if took := time.Since(start); took != 2*time.Minute {
					t.Errorf("caller %d ended after %s, want 2m", i, took)
				}
			})
		}
		all.Wait()
		if _, err := c.send(t.Context(), "a"); err == nil {
			t.Error("a later call succeeds")
		}
	})
}

// TestOutageThatIsKnownToLastTooLongIsNotWaitedFor: the server says how long it
// will be down, which is longer than allowed.
func TestOutageThatIsKnownToLastTooLongIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c := newClient(t, paced(&sender{Answer: always(503, "<html>", "Retry-After", "3600")}, 2*time.Minute))
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				_, err := c.send(t.Context(), "a")
				if _, ok := errors.AsType[*ratelimit.WaitError](err); !ok || time.Since(start) > 10*time.Second {
					t.Errorf("caller %d: %v after %s, want a WaitError at once", i, err, time.Since(start))
				}
			})
		}
		all.Wait()
	})
}

// TestServerThatChokesOnABatch: one batch never gets an answer while all others do.
// Its rows fail, and the run continues.
func TestServerThatChokesOnABatch(t *testing.T) {
	for _, others := range []int{1, 3, 200} {
		t.Run(fmt.Sprint(others, " others"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &sender{Answer: func(_ int, _ *http.Request, body string) (*http.Response, error) {
					time.Sleep(100 * time.Millisecond)
					if strings.Contains(body, "poison") {
						return reply(500, "<html>"), nil
					}
					return reply(204, ""), nil
				}}
				c := newClient(t, s)
				c.MaxAttempts = 5
				var all sync.WaitGroup
				all.Go(func() {
					call, err := c.send(t.Context(), "poison")
					if _, ok := errors.AsType[*refusal](err); !ok {
						t.Errorf("error %v, want the refusal", err)
					}
					if call.Sent != 5 || call.Status != 500 {
						t.Errorf("call %+v", call)
					}
				})
				all.Go(func() {
					for range others {
						if _, err := c.send(t.Context(), "auth0|a"); err != nil {
							t.Error(err)
						}
					}
				})
				all.Wait()
				if _, err := c.send(t.Context(), "auth0|a"); err != nil {
					t.Errorf("after it: %v", err)
				}
			})
		})
	}
}

func TestNothingIsAnsweredInAllAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sender{Answer: always(503, "")}
		c := newClient(t, s)
		c.MaxAttempts = 2
		call, err := c.send(t.Context(), "auth0|a")
		if _, ok := errors.AsType[*retry.GaveUpError](err); !ok {
			t.Fatalf("error %v, want a GaveUpError", err)
		}
		if call.Sent != 2 || s.Count() != 2 {
			t.Errorf("%d requests, call %+v", s.Count(), call)
		}
	})
}

func TestLoneCallerIsPatientInAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		s := &sender{Answer: func(int, *http.Request, string) (*http.Response, error) {
			if d := time.Since(start); d > 0 && d < 4*time.Minute {
				return nil, syscall.ECONNREFUSED
			}
			return reply(204, ""), nil
		}}
		c := newClient(t, s)
		for range 3 {
			if _, err := c.send(t.Context(), "auth0|a"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
	})
}

func TestCancellingEndsEveryWaitAtOnce(t *testing.T) {
	reason := errors.New("enough")
	for name, answer := range map[string]func(int, *http.Request, string) (*http.Response, error){
		"pause":  first(1, func() (*http.Response, error) { return reply(503, "", "Retry-After", "100"), nil }),
		"outage": always(503, ""),
		"limit":  always(429, "", "Retry-After", "100"),
		"sending": func(_ int, r *http.Request, _ string) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				s := &sender{Answer: answer}
				c := newClient(t, paced(s, 5*time.Minute))
				start := time.Now()
				time.AfterFunc(20*time.Second, func() { cancel(reason) })
				var all sync.WaitGroup
				callers := 4
				if name == "pause" {
					callers = 1 // one failure is no outage
				}
				for range callers {
					all.Go(func() {
						_, err := c.send(ctx, "auth0|a")
						if !errors.Is(err, context.Canceled) || !errors.Is(err, reason) {
							t.Errorf("error %v, want one that is the cause and context.Canceled", err)
						}
					})
				}
				all.Wait()
				if took := time.Since(start); took != 20*time.Second {
					t.Errorf("it took %s, want 20 s", took)
				}
				sent := s.Count()
				if _, err := c.send(ctx, "auth0|a"); !errors.Is(err, reason) || s.Count() != sent {
					t.Errorf("a later call: %v, %d requests more", err, s.Count()-sent)
				}
			})
		})
	}
}

// TestOutageAfterAGoodStartFailsNobody: a request fails while another is answered,
// and then all fail. The first is not to blame.
func TestOutageAfterAGoodStartFailsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		s := &sender{Answer: func(_ int, _ *http.Request, body string) (*http.Response, error) {
			since := time.Since(start)
			if since == 0 && strings.Contains(body, "good") {
				time.Sleep(10 * time.Millisecond) // until the other has failed
				return reply(204, ""), nil
			}
			if since < 4*time.Minute {
				return reply(503, ""), nil
			}
			return reply(204, ""), nil
		}}
		c := newClient(t, s)
		c.MaxAttempts = 3
		var all sync.WaitGroup
		for _, user := range []string{"good", "bad"} {
			all.Go(func() {
				for range 2 {
					if call, err := c.send(t.Context(), user); err != nil {
						t.Errorf("%s: %v, call %+v", user, err, call)
					}
					time.Sleep(200 * time.Millisecond)
				}
			})
		}
		all.Wait()
	})
}

// TestCancelledProbeHandsItsTurnOn cancels the caller whose turn it is; the others
// must not wait for it for ever.
func TestCancelledProbeHandsItsTurnOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		s := &sender{Answer: func(_ int, r *http.Request, _ string) (*http.Response, error) {
			if !retry.Sleep(r.Context(), 5*time.Second, nil) {
				return nil, r.Context().Err()
			}
			if time.Since(start) < 100*time.Second {
				return reply(503, ""), nil
			}
			return reply(204, ""), nil
		}}
		c := newClient(t, s)
		var all sync.WaitGroup
		for i := range 6 {
			ctx := t.Context()
			if i < 5 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, time.Duration(10+10*i)*time.Second)
				defer cancel()
			}
			all.Go(func() {
				_, err := c.send(ctx, "auth0|a")
				if i < 5 != errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("caller %d: %v", i, err)
				}
			})
		}
		all.Wait()
	})
}

func TestErrorsOfTheTransportPassThrough(t *testing.T) {
	s := &sender{Answer: func(int, *http.Request, string) (*http.Response, error) {
		return nil, fmt.Errorf("waiting: %w", permanentError{})
	}}
	call, err := newClient(t, s).send(t.Context(), "auth0|a")
	if !errors.Is(err, permanentError{}) || s.Count() != 1 {
		t.Errorf("error %v after %d requests, want a permanentError after 1", err, s.Count())
	}
	if call.Sent != 0 {
		t.Errorf("%d requests are counted, though nothing was sent", call.Sent)
	}
}

type permanentError struct{}

func (permanentError) Error() string   { return "the wait is too long" }
func (permanentError) Permanent() bool { return true }

// TestServerThatCannotBeReached: errors that are not temporary end the call at
// once, unless the server has answered before.
func TestServerThatCannotBeReached(t *testing.T) {
	dial := func(op string, err error) error { return &net.OpError{Op: op, Net: "tcp", Err: err} }
	for name, test := range map[string]struct {
		lost error
		want retry.Obstacle
	}{
		"no such host":        {dial("dial", &net.DNSError{Err: "no such host", Name: "acme", IsNotFound: true}), retry.NoSuchHost},
		"no such proxy":       {dial("proxyconnect", dial("dial", &net.DNSError{Err: "no such host", Name: "proxy", IsNotFound: true})), retry.NoSuchProxy},
		"proxy login":         {proxyAnswered(t, 407), retry.ProxyLogin},
		"SOCKS login":         {dial("socks connect", errors.New("username/password authentication failed")), retry.ProxyLogin},
		"SOCKS login wanted":  {dial("socks connect", errors.New("no acceptable authentication methods")), retry.ProxyLogin},
		"SOCKS refusal":       {dial("socks connect", errors.New("unknown error connection not allowed by ruleset")), retry.ProxyRefusal},
		"proxy refusal":       {proxyAnswered(t, 403), retry.ProxyRefusal},
		"authority":           {x509.UnknownAuthorityError{}, retry.Untrusted},
		"verification":        {&tls.CertificateVerificationError{Err: errors.New("no")}, retry.Untrusted},
		"host name":           {x509.HostnameError{Certificate: &x509.Certificate{}, Host: "acme"}, retry.OtherName},
		"expired":             {&tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}}, retry.NotValid},
		"plain port":          {tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, retry.NoTLS},
		"plain HTTP":          {fmt.Errorf("tls: %w", http.ErrSchemeMismatch), retry.NoTLS},
		"protocol version":    {dial("remote error", tls.AlertError(70)), retry.Handshake},
		"certificate wanted":  {dial("remote error", tls.AlertError(116)), retry.Handshake},
		"an old server's TLS": {errors.New("tls: server selected unsupported protocol version 302"), retry.Handshake},
	} {
		t.Run(name, func(t *testing.T) {
			s := &sender{Answer: func(int, *http.Request, string) (*http.Response, error) { return nil, test.lost }}
			_, err := newClient(t, s).send(t.Context(), "a")
			e, ok := errors.AsType[*retry.UnreachableError](err)
			if !ok || e.Obstacle != test.want || !errors.Is(err, e.Err) || s.Count() != 1 {
				t.Errorf("error %v after %d requests, want the obstacle %d after 1", err, s.Count(), test.want)
			}
		})
		t.Run(name+" after an answer", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &sender{Answer: func(n int, _ *http.Request, _ string) (*http.Response, error) {
					if n == 2 {
						return nil, test.lost
					}
					return reply(204, ""), nil
				}}
				var answered atomic.Bool
				for range 2 { // a client each
					c := newClient(t, s)
					c.Answered = &answered
					if _, err := c.send(t.Context(), "a"); err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}

// proxyAnswered is the error of a transport whose proxy answers with a status.
func proxyAnswered(t *testing.T, status int) error {
	return retry.NewTransport(1).OnProxyConnectResponse(t.Context(), &url.URL{Host: "proxy:3128"}, nil, &http.Response{StatusCode: status})
}

// TestWhatMayPassOnTheWayIsWaitedFor: the server can't be reached for a moment
// before its first answer.
func TestWhatMayPassOnTheWayIsWaitedFor(t *testing.T) {
	for name, lost := range map[string]error{
		"refused":      &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED},
		"name server":  &net.DNSError{Err: "server misbehaving", Name: "acme", IsTemporary: true},
		"proxy is off": &net.OpError{Op: "proxyconnect", Err: syscall.ECONNREFUSED},
		"SOCKS":        &net.OpError{Op: "socks connect", Err: errors.New("unknown error host unreachable")},
		"busy proxy":   proxyAnswered(t, 503),
		"full proxy":   proxyAnswered(t, 429),
		"alert":        &net.OpError{Op: "remote error", Err: tls.AlertError(80)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &sender{Answer: first(2, func() (*http.Response, error) { return nil, lost })}
				if call, err := newClient(t, s).send(t.Context(), "a"); err != nil || call.Sent != 3 {
					t.Errorf("%d requests, error %v", call.Sent, err)
				}
			})
		})
	}
}

// TestOnceIsNotSentAgain: a failed request that may have done its work is not sent
// again, unless the server refused it unread.
func TestOnceIsNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sender{Answer: first(3, func() (*http.Response, error) { return reply(503, ""), nil })}
		c := newClient(t, s)
		for n := range 3 {
			call, err := c.do(t.Context(), "a", retry.Call{MaxAttempts: 1})
			if _, ok := errors.AsType[*refusal](err); !ok || call.Sent != 1 {
				t.Errorf("call %d: error %v after %d requests, want the refusal after 1", n+1, err, call.Sent)
			}
		}
		if call, err := c.do(t.Context(), "a", retry.Call{MaxAttempts: 1}); err != nil || call.Sent != 1 {
			t.Errorf("error %v after %d requests", err, call.Sent)
		}
		s.Answer = first(s.Count()+2, func() (*http.Response, error) { return reply(429, ""), nil })
		if call, err := c.do(t.Context(), "a", retry.Call{MaxAttempts: 1}); err != nil || call.Sent != 3 {
			t.Errorf("error %v after %d requests, want 3", err, call.Sent)
		}
	})
}

// paced returns a transport that waits as the server's limit asks for.
func paced(base http.RoundTripper, most time.Duration) http.RoundTripper {
	return &ratelimit.Transport{Base: base, MaxWait: most}
}

// partly answers as [always] does with 503 where the body begins with one of parts,
// and otherwise with 204; each after 100 ms.
func partly(parts ...string) func(int, *http.Request, string) (*http.Response, error) {
	return func(_ int, _ *http.Request, body string) (*http.Response, error) {
		time.Sleep(100 * time.Millisecond)
		for _, part := range parts {
			if strings.HasPrefix(body, part) {
				return reply(503, ""), nil
			}
		}
		return reply(204, ""), nil
	}
}

// TestPartThatFailsHoldsNoOther: one or two parts of the server fail from the
// start, with several calls each, while another part works. Its calls continue, and
// those of the failing parts end with their own error.
func TestPartThatFailsHoldsNoOther(t *testing.T) {
	for _, failing := range [][]string{{"bad"}, {"bad", "worse"}} {
		synctest.Test(t, func(t *testing.T) {
			c := newClient(t, &sender{Answer: partly(failing...)})
			var all sync.WaitGroup
			for _, part := range failing {
				for range 5 {
					all.Go(func() {
						call, err := c.do(t.Context(), part, retry.Call{Part: part})
						if _, ok := errors.AsType[*refusal](err); !ok || call.Sent < 8 {
							t.Errorf("%s: %v after %d requests, want the refusal after 8", part, err, call.Sent)
						}
					})
				}
			}
			time.Sleep(time.Second)
			start, worst := time.Now(), time.Duration(0)
			for range 2000 {
				sent := time.Now()
				if _, err := c.do(t.Context(), "good", retry.Call{Part: "good"}); err != nil {
					t.Fatal(err)
				}
				worst = max(worst, time.Since(sent))
			}
			if took := time.Since(start); worst > 2*time.Second || took > 220*time.Second {
				t.Errorf("beside %q, 2000 calls of 100 ms took %s, one of them %s", failing, took, worst)
			}
			all.Wait()
		})
	}
}

// TestProbesGoElsewhere: two parts fail, so that it looks like an outage. The next
// probe is for a third part, although the others have waited longer.
func TestProbesGoElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &sender{Answer: partly("bad", "worse")}
		c := newClient(t, s)
		var all sync.WaitGroup
		for _, part := range []string{"bad", "worse", "bad", "worse"} {
			all.Go(func() { _, _ = c.do(ctx, part, retry.Call{Part: part}) })
		}
		time.Sleep(10 * time.Second)
		before := s.Count()
		if _, err := c.do(ctx, "good", retry.Call{Part: "good"}); err != nil {
			t.Error(err)
		}
		if n := s.Count() - before; n > 2 {
			t.Errorf("the call of the third part was probe %d, want the next, but for the one under way", n)
		}
		cancel()
		all.Wait()
	})
}

// TestOnlyPartIsWaitedFor: all calls are for one part, which recovers within the
// time that an outage may last. None fails, however few attempts it has.
func TestOnlyPartIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c := newClient(t, &sender{Answer: func(int, *http.Request, string) (*http.Response, error) {
			if time.Since(start) < 4*time.Minute {
				return reply(503, ""), nil
			}
			return reply(204, ""), nil
		}})
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				if _, err := c.do(t.Context(), "a", retry.Call{Part: "a"}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	})
}

// TestLastPartsFailInTheTimeOfAnOutage: one or two parts fail after all others are
// done. Their calls end with their own error, and later ones are sent.
func TestLastPartsFailInTheTimeOfAnOutage(t *testing.T) {
	for _, failing := range [][]string{{"bad"}, {"bad", "worse"}} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			c := newClient(t, &sender{Answer: partly(failing...)})
			c.MaxWait, c.MaxAttempts = 20*time.Second, 100
			var all sync.WaitGroup
			for _, part := range failing {
				all.Go(func() {
					_, err := c.do(t.Context(), part, retry.Call{Part: part})
					if _, ok := errors.AsType[*refusal](err); !ok || time.Since(start) > 55*time.Second {
						t.Errorf("%s: %v after %s, want the refusal after 20s", part, err, time.Since(start))
					}
				})
			}
			for range 3 {
				_, _ = c.do(t.Context(), "good", retry.Call{Part: "good"})
			}
			all.Wait()
			if _, err := c.do(t.Context(), "good", retry.Call{Part: "good"}); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestCallThatFailsAfterAllOthersEnded: no other call is answered, and a call fails
// alone. If the next one gets no answer either, the server is to blame.
func TestCallThatFailsAfterAllOthersEnded(t *testing.T) {
	for _, next := range []string{"good", "bad"} {
		synctest.Test(t, func(t *testing.T) {
			c := newClient(t, &sender{Answer: partly("bad")})
			c.MaxWait = 20 * time.Second
			send := func(part string) error {
				_, err := c.do(t.Context(), part, retry.Call{Part: part})
				return err
			}
			if err := send("good"); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			if _, ok := errors.AsType[*refusal](send("bad")); !ok || time.Since(start) < c.MaxWait {
				t.Errorf("no refusal, or after %s already", time.Since(start))
			}
			start = time.Now()
			err := send(next)
			if _, gaveUp := errors.AsType[*retry.GaveUpError](err); gaveUp != (next == "bad") || time.Since(start) > time.Second {
				t.Errorf("%s: %v after %s", next, err, time.Since(start))
			}
		})
	}
}
