package main

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orgimport/importer/auth0/auth0test"
)

func TestDurationIsTheBurstAndThenTheSustainedRate(t *testing.T) {
	usual := endpointLimit(20, 200)
	for _, tt := range []struct {
		requests float64
		buckets  []limit
		want     time.Duration
	}{
		{0, usual, 0},
		{20, usual, 0},
		{21, usual, time.Second},      // 50 ms, rounded up
		{200, usual, 9 * time.Second}, // 180 at 20 a second
		{1000, usual, 4 * time.Minute},
		{100_000, usual, 499 * time.Minute},
		{10, []limit{{10, 2, time.Second}}, 0},
		{1000, []limit{{10, 2, time.Second}}, 495 * time.Second},
		{1000, append([]limit{{2, 2, time.Second}}, usual...), 499 * time.Second}, // whichever is tighter
		{1000, nil, 0},
	} {
		if got := duration(tt.requests, tt.buckets...); got != tt.want {
			t.Errorf("%g requests through %v take %s, want %s", tt.requests, tt.buckets, got, tt.want)
		}
	}
}

// TestDurationIsThatOfBucketsThatDrip compares the formula with simulated buckets,
// drained a request at a time.
func TestDurationIsThatOfBucketsThatDrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		buckets := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) limit {
			return limit{
				float64(rapid.IntRange(1, 50).Draw(t, "size")), float64(rapid.IntRange(1, 500).Draw(t, "per")),
				rapid.SampledFrom([]time.Duration{time.Second, time.Minute}).Draw(t, "interval"),
			}
		}), 1, 3).Draw(t, "buckets")
		requests := rapid.IntRange(1, 500).Draw(t, "requests")
		now := 0.0
		held := make([]float64, len(buckets))
		for i, b := range buckets {
			held[i] = b.size
		}
		for range requests {
			wait := 0.0
			for i, b := range buckets {
				wait = max(wait, (1-held[i])/b.perSecond())
			}
			now += wait
			for i, b := range buckets {
				held[i] = min(held[i]+wait*b.perSecond(), b.size) - 1
			}
		}
		if got := duration(float64(requests), buckets...).Seconds(); math.Abs(got-now) > 1.001 {
			t.Fatalf("%d requests through %v take %g s by the formula and %g s in truth", requests, buckets, got, now)
		}
	})
}

func TestDurationAtARate(t *testing.T) {
	for _, tt := range []struct {
		requests float64
		rate     float64
		want     time.Duration
	}{
		{0, 1, 0}, {1, 1, 0}, {2, 1, time.Second}, {11, 4, 3 * time.Second}, {1000, 1e-300, math.MaxInt64 / time.Second * time.Second},
	} {
		if got := duration(tt.requests, steadily(tt.rate)); got != tt.want {
			t.Errorf("%g requests at %g a second take %s, want %s", tt.requests, tt.rate, got, tt.want)
		}
	}
}

func TestSustainedIsTheSlowestOfTheBuckets(t *testing.T) {
	want := map[string]string{
		"public cloud, paid": "200 a minute", "private cloud, 15x": "3000 a minute", "private cloud, 60x": "12000 a minute", "private cloud, 100x": "24000 a minute",
	}
	for _, p := range publishedPlans() {
		if p.adding() == nil {
			continue
		}
		if got := sustained(p.adding()); got != want[p.name] {
			t.Errorf("%s: %s, want %s", p.name, got, want[p.name])
		}
		delete(want, p.name)
	}
	if len(want) > 0 {
		t.Error("no such plans: " + fmt.Sprint(want))
	}
}

// told is what a run says about the time left.
type told struct {
	at   time.Time
	line string
	left time.Duration // 0: it does not say
}

// toldTimes keeps the bar as it was drawn.
type toldTimes struct {
	all []told
	log strings.Builder
}

func (w *toldTimes) Write(p []byte) (int, error) {
	line, drawn := strings.CutPrefix(string(p), "\r\x1b[J")
	if !drawn || strings.HasSuffix(line, "\n") {
		w.log.Write(p)
		return len(p), nil
	}
	now := told{at: time.Now(), line: line}
	if _, text, found := strings.Cut(line, " left"); found && text == "" {
		words := strings.Fields(line)
		left, err := time.ParseDuration(words[len(words)-2])
		if err != nil {
			return 0, err
		}
		now.left = left
	}
	w.all = append(w.all, now)
	return len(p), nil
}

// timedRun is an import, with when it must not show the time left, and when it has
// to.
type timedRun struct {
	name   string
	limits auth0test.Limits
	rows   int
	orgs   int
	bad    int              // every so many rows one is bad; 0: none
	outage [2]time.Duration // from when to when
	// known is the least share of its time in which the run shows the time left. It
	// is well below what is measured, because the waits of an outage are random.
	known float64
	after time.Duration // it resumes a run that was stopped after this time
	args  []string

	part  string   // begins what it says in the part of it that is timed; empty: all of it
	other []string // the command that is timed in its place, with $dir for the directory of the files
}

func oneLimit(limit auth0test.Limit) auth0test.Limits {
	return auth0test.Limits{Endpoints: map[auth0test.Class][]auth0test.Limit{auth0test.WriteMembers: {limit}}}
}

func preset(name string) auth0test.Limits {
	limits, known := auth0test.Preset(name)
	if !known {
		panic(name)
	}
	return limits
}

// TestTimeLeftIsTold within a factor of two of what is left, from the tenth second on.
func TestTimeLeftIsTold(t *testing.T) {
	showing := func(show auth0test.Show) auth0test.Limits {
		limits := preset("enterprise-prod")
		limits.Show = show
		return limits
	}
	for _, r := range []timedRun{
		{name: "a burst and a rate a minute", limits: preset("enterprise-prod"), rows: 10_000, orgs: 20, known: 0.8},
		{name: "not much more than the burst", limits: preset("enterprise-prod"), rows: 3_000, orgs: 20, known: 0.2},
		{name: "one bucket", limits: preset("single-bucket-drip"), rows: 5_000, orgs: 20, known: 0.8},
		{name: "a minute at a time", limits: preset("single-bucket-fixed"), rows: 1_200, orgs: 2, known: 0.2},
		{name: "200 at each full minute", limits: oneLimit(auth0test.Limit{Size: 200, Per: 200, Interval: time.Minute, Mode: auth0test.FixedWindow}), rows: 12_000, orgs: 20, known: 0.3},
		{name: "few a second", limits: preset("free"), rows: 3_000, orgs: 20, known: 0.5},
		{name: "many a second", limits: oneLimit(auth0test.Limit{Size: 50, Per: 50, Interval: time.Second}), rows: 30_000, orgs: 20, known: 0.3},
		{name: "16 a second", limits: oneLimit(auth0test.Limit{Size: 50, Per: 16, Interval: time.Second}), rows: 12_000, orgs: 20, known: 0.6},
		{name: "private cloud", limits: preset("private-15x"), rows: 60_000, orgs: 20, known: 0.3},
		{name: "a hidden limit", limits: showing(auth0test.ShowGlobal), rows: 10_000, orgs: 20, known: 0.7},
		{name: "no headers", limits: showing(auth0test.ShowNone), rows: 10_000, orgs: 20, known: 0.7},
		{name: "no limit", limits: preset("none"), rows: 10_000, orgs: 20},
		{name: "one at a time", limits: preset("private-15x"), rows: 10_000, orgs: 20, args: []string{"--workers", "1"}, known: 0.4},
		{name: "a rate that is set", limits: preset("enterprise-prod"), rows: 3_000, orgs: 20, args: []string{"--rate", "2"}, known: 0.8},
		{name: "bad rows", limits: preset("enterprise-prod"), rows: 3_000, orgs: 20, bad: 88, known: 0.6},
		{name: "many bad rows", limits: preset("single-bucket-drip"), rows: 2_000, orgs: 20, bad: 12, known: 0.8},
		{name: "rows that do not fill a request", limits: preset("single-bucket-drip"), rows: 4_800, orgs: 400, known: 0.8},
		{name: "the rest of a run", limits: preset("enterprise-prod"), rows: 9_000, orgs: 20, after: 90 * time.Second, args: []string{"--resume"}, known: 0.3},
		{name: "an outage", limits: preset("enterprise-prod"), rows: 8_000, orgs: 20, outage: [2]time.Duration{30 * time.Second, 90 * time.Second}, known: 0.3},
		{name: "looking up members", limits: preset("enterprise-prod"), rows: 3_000, orgs: 1_500, args: []string{"--skip-members"}, part: "looking up members", known: 0.4},
		{name: "looking up users", limits: preset("enterprise-prod"), rows: 3_000, orgs: 20, args: []string{"--check-users"}, part: "looking up users", known: 0.4},
		{name: "plan", limits: preset("enterprise-prod"), rows: 3_000, orgs: 20, other: []string{"plan", "$dir/members.csv", "--check", "--check-users"}, part: "looking up users", known: 0.4},
		{name: "verify", limits: preset("enterprise-prod"), rows: 3_000, orgs: 1_500, after: time.Hour, other: []string{"verify", "$dir/results.csv"}, part: "organizations", known: 0.5},
		{name: "diff", limits: preset("enterprise-prod"), rows: 3_000, orgs: 1_500, other: []string{"diff", "$dir/members.csv", "--joiners", "$dir/joiners.csv", "--leavers", "$dir/leavers.csv"}, part: "organizations", known: 0.5},
		{name: "export", limits: preset("enterprise-prod"), rows: 3_000, orgs: 1_500, after: time.Hour, other: []string{"export", "--orgs", "$dir/members.csv", "--output", "$dir/export.csv"}, part: "organizations", known: 0.5},
	} {
		onFakeClock(t, r.name, r.run)
	}
}

func (r timedRun) run(t *testing.T) {
	began := time.Now()
	tenant := auth0test.New(auth0test.Config{
		KnownOrg: exists, KnownUser: exists, Limits: r.limits, Latency: auth0test.Recorded(), Seed: 1,
		Fault: func(*http.Request, int) (f auth0test.Fault) {
			if since := time.Since(began); since >= r.outage[0] && since < r.outage[1] {
				f.Status = http.StatusServiceUnavailable
			}
			return f
		},
	})
	dir := memoryDir(t)
	file := []byte("org_id,user_id\n")
	for i := range r.rows {
		kind := ""
		if r.bad > 0 && i%r.bad == r.bad/2 {
			kind = "unknown"
		}
		file = fmt.Appendf(file, "org_%016d,auth0|%s%d\n", i%r.orgs, kind, i)
	}
	if err := os.WriteFile(filepath.Join(dir, "members.csv"), file, 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"AUTH0_DOMAIN": "acme.eu.auth0.com", "AUTH0_CLIENT_ID": "client", "AUTH0_CLIENT_SECRET": "s3cret", "ORGIMPORT_PROGRESS": "bar"}
	start := func(stderr io.Writer, args ...string) {
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "$dir", dir)
		}
		run(surroundings{
			args:   args,
			getenv: func(name string) string { return env[name] },
			stdin:  strings.NewReader(""), stdout: io.Discard, stderr: stderr,
			transport: func(int) http.RoundTripper { return tenant },
			signals:   func() <-chan os.Signal { return nil },
			exit:      func(int) {},
		})
	}
	command := []string{"import", "$dir/members.csv", "--results", "$dir/results.csv"}
	if r.after > 0 {
		start(io.Discard, append(command, "--max-duration", r.after.String())...)
		began = time.Now()
	}
	if r.other != nil {
		command = r.other
	}
	var said toldTimes
	start(&said, append(command, r.args...)...)
	if r.part != "" {
		said.all = slices.DeleteFunc(said.all, func(now told) bool { return !strings.Contains(now.line, r.part) })
		began = said.all[0].at
	}
	took := said.all[len(said.all)-1].at.Sub(began)
	known, wrong, givesUp := 0, 0, false
	for _, now := range said.all {
		since, rest := now.at.Sub(began), took-now.at.Sub(began)
		if now.left > 0 {
			known++
		}
		if strings.Contains(now.line, "gives up in ") {
			givesUp = true
		}
		if now.left == 0 || since < 10*time.Second || since < r.outage[0] {
			continue
		}
		const rounded = time.Second
		if now.left > 2*rest+rounded || 2*now.left+rounded < rest {
			if wrong++; wrong < 4 {
				t.Errorf("after %s it says %s\nand %s are left", since, now.line, rest)
			}
		}
	}
	share := float64(known) / float64(len(said.all))
	t.Logf("%s, told in %.2f of it, %d of %d wrong\n%s", took, share, wrong, len(said.all), said.log.String())
	if outage := r.outage[1] > 0; givesUp != outage {
		t.Errorf("it says when it gives up: %t, with an outage: %t", givesUp, outage)
	}
	if share < r.known {
		t.Errorf("it says how much time is left in %.2f of the time, not in %.2f", share, r.known)
	}
}
