package ratelimit_test

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"orgimport/importer"
	"orgimport/ratelimit"
)

// errLost is what the SDK makes of a batch that was refused too often.
var errLost = errors.New("given up")

// send sends one batch until it is in, or given up.
type send func(ctx context.Context) error

// ours sends through the Transport. A refused batch is sent again: the
// Transport knows when. A broken one is sent again after a growing pause.
func ours(t *ratelimit.Transport) send {
	return func(ctx context.Context) error {
		for broken := 0; ; {
			resp, err := post(ctx, t)
			if err != nil {
				return err
			}
			switch {
			case resp.StatusCode < 300:
				return nil
			case resp.StatusCode >= 500:
				most := min(30, 0.5*float64(int(1)<<min(broken, 10)))
				broken++
				time.Sleep(time.Duration((0.25 + rand.Float64()*most) * 1e9))
			}
		}
	}
}

// naive is what most scripts do: on a refusal, sleep until the reset.
func naive(base http.RoundTripper) send {
	return func(ctx context.Context) error {
		for {
			resp, err := post(ctx, base)
			if err != nil {
				return err
			}
			switch {
			case resp.StatusCode < 300:
				return nil
			case resp.StatusCode >= 500:
				time.Sleep(time.Second)
			default:
				time.Sleep(untilReset(resp, 5*time.Second))
			}
		}
	}
}

// sdk makes two attempts, as the official Go SDK's retrier for the Management
// API does: it waits for Retry-After, or for the reset and up to a fifth more,
// or about a second.
func sdk(base http.RoundTripper) send {
	return func(ctx context.Context) error {
		for attempt := range 2 {
			resp, err := post(ctx, base)
			if err != nil {
				return err
			}
			if resp.StatusCode < 300 {
				return nil
			}
			if attempt == 0 {
				wait := time.Duration(float64(untilReset(resp, time.Second)) * (1 + 0.2*rand.Float64()))
				if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
					wait = time.Duration(s) * time.Second
				}
				time.Sleep(min(wait, time.Minute))
			}
		}
		return errLost
	}
}

func untilReset(resp *http.Response, otherwise time.Duration) time.Duration {
	unix, err := strconv.ParseInt(resp.Header.Get("X-Ratelimit-Reset"), 10, 64)
	if err != nil {
		return otherwise
	}
	return max(0, time.Until(time.Unix(unix, 0)))
}

func post(ctx context.Context, rt http.RoundTripper) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://tenant.test/", nil)
	if err != nil {
		return nil, err
	}
	resp, err := rt.RoundTrip(req)
	if err == nil {
		discard(resp)
	}
	return resp, err
}

// run has n batches sent by the importer, at most so many at a time and when ready,
// if that is set, says so. It returns how many were lost.
func run(ctx context.Context, n, workers int, send send, ready func(context.Context)) (lost int, err error) {
	op := func(ctx context.Context, b importer.Batch) (importer.Receipt, error) {
		if err := send(ctx); err != nil {
			return importer.Receipt{}, reached{err}
		}
		return importer.Receipt{}, nil
	}
	for outcomes, err := range importer.Run(ctx, batches(n), importer.Op{Prefix: "oi", Done: importer.Added, Send: op, Ready: ready}, workers) {
		if err != nil {
			return lost, err
		}
		for _, o := range outcomes {
			if o.Status != importer.Added {
				lost++
			}
		}
	}
	return lost, nil
}

func batches(n int) iter.Seq2[importer.Batch, error] {
	return func(yield func(importer.Batch, error) bool) {
		for i := range n {
			b := importer.Batch{OrgID: "org", Rows: []importer.Row{{OrgID: "org", UserID: strconv.Itoa(i), Line: i + 1}}}
			if !yield(b, nil) {
				return
			}
		}
	}
}

// reached is an error of one batch, so that the others go on.
type reached struct{ error }

func (reached) Reach() importer.Reach { return importer.ReachBatch }
