package auth0test_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"orgimport/importer/auth0/auth0test"
)

func TestAnAnswerTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := auth0test.New(auth0test.Config{
			NoAuth:  true,
			Latency: auth0test.Fixed(100 * time.Millisecond),
			Fault:   nth(2, auth0test.Fault{Delay: time.Minute}),
		})
		for _, want := range []time.Duration{100 * time.Millisecond, time.Minute + 100*time.Millisecond} {
			start := time.Now()
			send(t, tenant, "POST", members, bodyOf("a|1", "a|2"), nil)
			if took := time.Since(start); took != want {
				t.Errorf("took %v, want %v", took, want)
			}
		}
	})
}

// The tenant decides when 0.1 to 0.4 of the time have passed, and a refusal is
// sent straight back.
func TestTheDecisionFallsOnTheWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := auth0test.Limit{Size: 1, Per: 1, Interval: time.Hour}
		tenant := auth0test.New(auth0test.Config{
			NoAuth:  true,
			Latency: auth0test.Fixed(10 * time.Second),
			Limits:  auth0test.Limits{Global: []auth0test.Limit{limit}},
		})
		go func() {
			time.Sleep(time.Second - time.Millisecond)
			if len(tenant.Members(orgID)) != 0 {
				t.Error("added too early")
			}
			time.Sleep(3*time.Second + time.Millisecond)
			if len(tenant.Members(orgID)) != 1 {
				t.Error("not added on the way")
			}
		}()
		begin := time.Now()
		resp, _ := send(t, tenant, "POST", members, bodyOf("a|1"), nil)
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("took %v", took)
		}
		if got, want := resp.Header.Get("Date"), "Sat, 01 Jan 2000 00:00:09 GMT"; got != want {
			t.Errorf("Date %s, want %s", got, want)
		}
		begin = time.Now()
		send(t, tenant, "POST", members, bodyOf("a|1"), nil)
		if took := time.Since(begin); took < 2*time.Second || took > 8*time.Second {
			t.Errorf("the refusal took %v, want twice the way there", took)
		}
	})
}

// A caller who gives up gets an error at once; whether the work was done depends
// on how far the request had come.
func TestACallerWhoGivesUp(t *testing.T) {
	for after, members := range map[time.Duration]int{time.Second / 2: 0, 5 * time.Second: 1, 9500 * time.Millisecond: 1} {
		synctest.Test(t, func(t *testing.T) {
			tenant := auth0test.New(auth0test.Config{
				NoAuth:  true,
				Latency: auth0test.Fixed(10 * time.Second),
			})
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			begin := time.Now()
			_, err := tenant.RoundTrip(request(t, "POST", "https://acme.eu.auth0.com/api/v2/organizations/"+orgID+"/members", bodyOf("a|1")).WithContext(ctx))
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != after {
				t.Errorf("after %v: %v after %v", after, err, time.Since(begin))
			}
			if got := len(tenant.Members(orgID)); got != members {
				t.Errorf("after %v: %d members, want %d", after, got, members)
			}
		})
	}
}

func TestLatenciesAreDistributedAsTheySay(t *testing.T) {
	const n = 20000
	for name, c := range map[string]struct {
		draw     func(*rand.Rand) time.Duration
		p50, p90 time.Duration
	}{
		"fixed":    {auth0test.Fixed(time.Second), time.Second, time.Second},
		"uniform":  {auth0test.Uniform(time.Second, 2*time.Second), 1500 * time.Millisecond, 1900 * time.Millisecond},
		"recorded": {auth0test.Recorded(), 110 * time.Millisecond, 140 * time.Millisecond},
	} {
		r := rand.New(rand.NewPCG(1, 2))
		drawn := make([]time.Duration, n)
		for i := range drawn {
			drawn[i] = c.draw(r)
		}
		slices.Sort(drawn)
		for _, q := range []struct{ got, want time.Duration }{{drawn[n/2], c.p50}, {drawn[n*9/10], c.p90}} {
			if ratio := float64(q.got) / float64(q.want); ratio < 0.97 || ratio > 1.03 {
				t.Errorf("%s: %v, want %v", name, q.got, q.want)
			}
		}
	}
}
