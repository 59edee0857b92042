package ratelimit_test

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"text/tabwriter"
	"time"

	"orgimport/importer/auth0/auth0test"
	"orgimport/ratelimit"
)

var (
	full   = flag.Bool("full", false, "run every row of the benchmark with 20 seeds, beside the other clients")
	only   = flag.String("only", "", "run these rows only, such as B1,B19")
	seeds  = flag.Int("seeds", 20, "seeds of the full benchmark")
	others = flag.Int("beside", 2, "seeds of the other clients in it; 0: without them")
)

// result is what one run of a scenario came to.
type result struct {
	took, optimum time.Duration
	apart         time.Duration // between the ends of the first and the last job
	sent, refused int
	lost          int
	others        float64
	least         float64
}

func (r result) ratio() float64        { return r.optimum.Seconds() / r.took.Seconds() }
func (r result) refusedShare() float64 { return float64(r.refused) / float64(r.sent) }

// makeSend makes the client of a job.
type makeSend func(s scenario, base http.RoundTripper) send

func oursWithout(rule string) makeSend {
	return func(s scenario, base http.RoundTripper) send {
		t := &ratelimit.Transport{Base: base, Reserve: mustReserve(s.reserve)}
		ratelimit.Without(t, rule)
		return ours(t)
	}
}

// play runs a scenario with one seed on the fake clock.
func (s scenario) play(t *testing.T, seed uint64, client makeSend) result {
	var r result
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(seed, 2))
		time.Sleep(time.Duration(random.Float64() * float64(time.Minute)))
		total := s.n * s.jobs
		var times []time.Duration
		if s.rival != nil {
			times = s.rival(random, time.Hour)
		}
		srv := newServer(s.world, seed)
		stopped := make(chan struct{})
		var rival sync.WaitGroup
		rival.Go(func() { srv.compete(times, stopped) })
		var (
			wg   sync.WaitGroup
			mu   sync.Mutex
			ends []time.Duration
		)
		for range s.jobs {
			wg.Go(func() {
				lost, err := run(t.Context(), s.n, s.workers, client(s, srv), nil)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				ends = append(ends, time.Since(srv.start))
				r.lost += lost
			})
		}
		wg.Wait()
		close(stopped)
		rival.Wait()
		r.took, r.apart = slices.Max(ends), slices.Max(ends)-slices.Min(ends)
		r.sent, r.refused, r.least = srv.sent, srv.refused, srv.least
		if srv.rivals > 0 {
			r.others = float64(srv.rivalsRefused) / float64(srv.rivals)
		}
		var share float64
		fmt.Sscanf(s.reserve, "%f%%", &share)
		r.optimum = s.optimum(float64(total)/(1-s.broken), srv.start, times, share/100)
	})
	return r
}

// worst merges results to the worst of each.
func worst(results []result) result {
	w := results[0]
	for _, r := range results[1:] {
		if r.ratio() < w.ratio() {
			w.took, w.optimum = r.took, r.optimum
		}
		if r.refusedShare() > w.refusedShare() {
			w.refused, w.sent = r.refused, r.sent
		}
		w.apart = max(w.apart, r.apart)
		w.lost = max(w.lost, r.lost)
		w.others = max(w.others, r.others)
		w.least = min(w.least, r.least)
	}
	return w
}

// misses says which thresholds a result does not meet.
func (s scenario) misses(r result) string {
	var misses []string
	miss := func(bad bool, format string, args ...any) {
		if bad {
			misses = append(misses, fmt.Sprintf(format, args...))
		}
	}
	miss(r.ratio() < s.ratio, "ratio %.3f < %.3f", r.ratio(), s.ratio)
	miss(r.refusedShare() > s.refused && r.refused > s.refusals, "%d of %d refused", r.refused, r.sent)
	miss(r.others > s.others, "others %.2f%% refused", 100*r.others)
	miss(r.least < s.least, "left %.2f < %.2f", r.least, s.least)
	miss(r.lost > 0, "%d lost", r.lost)
	miss(r.apart > r.took/20, "ended %v of %v apart", r.apart.Round(time.Second), r.took.Round(time.Second))
	return strings.Join(misses, "; ")
}

func (s scenario) playSeeds(t *testing.T, n int, client makeSend) result {
	results := make([]result, n)
	var wg sync.WaitGroup
	limit := make(chan struct{}, 2)
	for i := range n {
		limit <- struct{}{}
		wg.Go(func() {
			results[i] = s.play(t, uint64(i+1), client)
			<-limit
		})
	}
	wg.Wait()
	return worst(results)
}

func chosen(s scenario) bool {
	return *only == "" || slices.Contains(strings.Split(*only, ","), s.row)
}

// TestBenchmark is the whole benchmark, a few minutes of it:
//
//	go test ./ratelimit -run TestBenchmark -full -v
//
// Every row is played with 20 seeds by the Transport and, with fewer, by a
// naive client and by one that retries as the SDK does. Each figure is that of
// its worst seed: the ratio is the time of somebody who knows the future to
// that of the client, "left" the share of the limit that every request left.
// A ratio above 1 was taken from the reserve or from others.
func TestBenchmark(t *testing.T) {
	if !*full {
		t.Skip("the whole benchmark runs with -full")
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "\t\tours\t\t\t\tnaive\t\t\tsdk\t\t")
	fmt.Fprintln(out, "\tserver\tratio\t429\tothers\tleft\tratio\t429\tothers\tratio\t429\tlost\tmissed")
	for _, s := range scenarios() {
		if !chosen(s) {
			continue
		}
		r := s.playSeeds(t, *seeds, oursWithout(""))
		n, k := result{sent: 1}, result{sent: 1}
		if *others > 0 {
			n = s.playSeeds(t, *others, func(_ scenario, base http.RoundTripper) send { return naive(base) })
			k = s.playSeeds(t, *others, func(_ scenario, base http.RoundTripper) send { return sdk(base) })
		}
		missed := s.misses(r)
		if missed != "" {
			t.Errorf("%s %s: %s", s.row, s.name, missed)
		}
		fmt.Fprintf(out, "%s\t%s\t%.3f\t%d\t%.1f %%\t%.2f\t%.2f\t%.0f %%\t%.0f %%\t%.2f\t%.0f %%\t%d\t%s\n", s.row, s.name,
			r.ratio(), r.refused, 100*r.others, r.least,
			n.ratio(), 100*n.refusedShare(), 100*n.others,
			k.ratio(), 100*k.refusedShare(), k.lost, missed+s.reason)
		out.Flush()
	}
}

// TestPace plays the rows that take no time, with one seed.
func TestPace(t *testing.T) {
	if *full {
		t.Skip("the whole benchmark runs")
	}
	for _, s := range scenarios() {
		if s.n*s.jobs > 1500 {
			continue
		}
		t.Run(strings.ReplaceAll(s.row+" "+s.name, "/", " in "), func(t *testing.T) {
			if missed := s.misses(s.play(t, 1, oursWithout(""))); missed != "" {
				t.Error(missed)
			}
		})
	}
}

// TestJobsEndTogether holds what people see of fairness: imports of one size, started
// together, end together.
func TestJobsEndTogether(t *testing.T) {
	for _, s := range scenarios() {
		if s.jobs == 1 || s.n > 1000 {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			if missed := s.misses(s.playSeeds(t, 2, oursWithout(""))); missed != "" {
				t.Error(missed)
			}
		})
	}
}

// TestAblation shows which rows miss their thresholds when a rule of the gate
// is out of force:
//
//	go test ./ratelimit -run TestAblation -full -seeds 4 -timeout 30m -v
func TestAblation(t *testing.T) {
	if !*full {
		t.Skip("the rules are tried one by one with -full")
	}
	for _, rule := range ratelimit.Rules() {
		fmt.Printf("without: %s\n", rule)
		for _, s := range scenarios() {
			if !chosen(s) || s.row == "B23" {
				continue
			}
			if missed := s.misses(s.playSeeds(t, *seeds, oursWithout(rule))); missed != "" {
				fmt.Printf("    %s %s: %s\n", s.row, s.name, missed)
			}
		}
	}
}

// TestRealClock needs 40 s: timers are late on a real clock. What is lost is
// what is kept above the reserve (4 of 20, which is 1.2 s), the first round trip,
// and the credit that is in use: the same in a job of any length.
func TestRealClock(t *testing.T) {
	if !*full {
		t.Skip("the real clock runs with -full")
	}
	for _, s := range []scenario{
		{name: "20 of 200/min", n: 80, workers: 16, jobs: 1, reserve: "20%", world: one(drip(20, 200, minute))},
		{name: "50 of 50/s", n: 1040, workers: 16, jobs: 1, reserve: "20%", world: one(drip(50, 50, sec))},
		{name: "20 of 20/s and 200 of 200/min", n: 330, workers: 16, jobs: 1, reserve: "0", world: one(drip(20, 20, sec), drip(200, 200, minute))},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			srv := newServer(s.world, 1)
			if _, err := run(t.Context(), s.n, s.workers, oursWithout("")(s, srv), nil); err != nil {
				t.Fatal(err)
			}
			took := time.Since(srv.start)
			var share float64
			fmt.Sscanf(s.reserve, "%f%%", &share)
			lost := took - s.optimum(float64(s.n), srv.start, nil, share/100)
			t.Logf("%v, %v more than the optimum, %d refused", took, lost, srv.refused)
			if lost > 2250*time.Millisecond || srv.refused > 0 {
				t.Errorf("lost %v, %d refused", lost, srv.refused)
			}
		})
	}
}

// TestInFlightFollowsThePace holds what the default number of requests in flight
// comes to, for each plan of Auth0 and two latencies: at least 95 % of the speed of
// 200 at a time, no refusal, and not twice as many in flight as the pace needs.
func TestInFlightFollowsThePace(t *testing.T) {
	out := tabwriter.NewWriter(t.Output(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "plan\tlatency\tneeded\tin flight\tspeed\tof 200 at a time")
	for _, plan := range []struct {
		name  string
		limit auth0test.Limit
		n     int
	}{
		{"public, paid", drip(20, 200, minute), 100},
		{"private 15x", drip(300, 3000, minute), 1000},
		{"private 60x", drip(1200, 12000, minute), 3000},
		{"private 100x", drip(2400, 24000, minute), 5000},
	} {
		for _, latency := range []time.Duration{110 * time.Millisecond, 280 * time.Millisecond} {
			w := one(plan.limit)
			w.trip = between(latency*9/10, latency*11/10)
			play := func(most int) (took time.Duration, srv *server) {
				synctest.Test(t, func(t *testing.T) {
					srv = newServer(w, 1)
					rt := &ratelimit.Transport{Base: srv, Reserve: mustReserve("10%"), MaxInFlight: most}
					if lost, err := run(t.Context(), plan.n, ratelimit.MostInFlight, ours(rt), rt.Ready); err != nil || lost > 0 {
						t.Errorf("%d lost, error %v", lost, err)
					}
					took = time.Since(srv.start)
				})
				return took, srv
			}
			took, srv := play(0)
			best, _ := play(200)
			needed := math.Ceil(perSecond(plan.limit) * latency.Seconds())
			ratio := best.Seconds() / took.Seconds()
			fmt.Fprintf(out, "%s\t%v\t%.0f\t%d\t%.1f/s\t%.3f\n", plan.name, latency, needed, srv.mostInFlight, float64(plan.n)/took.Seconds(), ratio)
			if ratio < 0.95 || srv.refused > 0 || srv.mostInFlight > int(2*needed) {
				t.Errorf("%s at %v: %.3f of the speed, %d refused, %d in flight", plan.name, latency, ratio, srv.refused, srv.mostInFlight)
			}
		}
	}
	out.Flush()
}

// instant answers at once, and never refuses.
type instant struct{ resp *http.Response }

func (i instant) RoundTrip(*http.Request) (*http.Response, error) { return i.resp, nil }

// BenchmarkTransport is the cost of one request and its answer.
func BenchmarkTransport(b *testing.B) {
	reset := strconv.FormatInt(time.Now().Add(time.Second).Unix(), 10)
	t := &ratelimit.Transport{Base: instant{status(204, "X-RateLimit-Limit", "1000000000", "X-RateLimit-Remaining", "999999999",
		"X-RateLimit-Reset", reset, "Date", time.Now().UTC().Format(http.TimeFormat))}}
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://tenant.test/", nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := t.RoundTrip(req); err != nil {
			b.Fatal(err)
		}
	}
}
