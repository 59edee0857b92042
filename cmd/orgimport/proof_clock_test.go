package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"orgimport/importer"
	"orgimport/importer/auth0/auth0test"
)

// rehearsal is the import command on a fake clock, with a tenant in memory.
type rehearsal struct {
	tenant  *auth0test.Tenant
	in      *proofInput
	results string // the file; the input is beside it
	timeout time.Duration
	args    []string // beside those that every rehearsal has
}

// run imports until the end, or until stop ends it, and goes on where the
// results stand. It returns the exit code and what was said.
func (r *rehearsal) run(stop <-chan os.Signal) (code int, said string, err error) {
	input := r.results + ".in"
	if err := os.WriteFile(input, r.in.csv, 0o600); err != nil {
		return 0, "", err
	}
	var stdout, stderr bytes.Buffer
	env := map[string]string{"AUTH0_DOMAIN": "acme.eu.auth0.com", "AUTH0_CLIENT_ID": "client", "AUTH0_CLIENT_SECRET": "s3cret"}
	code = run(surroundings{
		args: append([]string{
			"import", input, "--results", r.results, "--resume", "--workers", "8", "--request-timeout", r.timeout.String(),
		}, r.args...),
		getenv: func(name string) string { return env[name] },
		stdin:  strings.NewReader(""), stdout: &stdout, stderr: &stderr,
		transport: func(int) http.RoundTripper { return r.tenant },
		signals:   func() <-chan os.Signal { return stop },
		exit:      func(code int) { panic(fmt.Sprint("a second signal: ", code)) },
	})
	if stdout.Len() > 0 {
		err = fmt.Errorf("stdout has %q, which nobody asked for", stdout.String())
	}
	return code, stderr.String(), err
}

// memoryDir is a folder in memory where there is such a thing. A run syncs its
// results every second, and on a fake clock a second is nothing.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "orgimport")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// undocumented are the settings of what Auth0 does not document that may get
// into each other's way, each by itself.
func undocumented() map[string]func(*auth0test.Undocumented) {
	return map[string]func(*auth0test.Undocumented){
		"mild":                   func(*auth0test.Undocumented) {},
		"unknown user 404":       func(u *auth0test.Undocumented) { u.UnknownUser = 404 },
		"unknown user 204":       func(u *auth0test.Undocumented) { u.UnknownUser = 204 },
		"partial":                func(u *auth0test.Undocumented) { u.Partial = true },
		"name all":               func(u *auth0test.Undocumented) { u.Naming = auth0test.NameAll },
		"name first":             func(u *auth0test.Undocumented) { u.Naming = auth0test.NameFirst },
		"name index":             func(u *auth0test.Undocumented) { u.Naming = auth0test.NameIndex },
		"1 member a request":     func(u *auth0test.Undocumented) { u.MaxMembers = 1 },
		"3 members a request":    func(u *auth0test.Undocumented) { u.MaxMembers = 3 },
		"member 409":             func(u *auth0test.Undocumented) { u.Readd = 409 },
		"unknown org, plain 404": func(u *auth0test.Undocumented) { u.UnknownOrg = auth0test.PlainNotFound },
		"unknown org, 400":       func(u *auth0test.Undocumented) { u.UnknownOrg = auth0test.BadOrganization },
		"one write at a time":    func(u *auth0test.Undocumented) { u.Concurrent = auth0test.Serial },
		"second write 409":       func(u *auth0test.Undocumented) { u.Concurrent = auth0test.Conflict },
	}
}

// TestGoodRowsAreInWhateverIsNotDocumented: all other settings by themselves,
// and these each with each other one.
func TestGoodRowsAreInWhateverIsNotDocumented(t *testing.T) {
	t.Parallel()
	for _, u := range []auth0test.Undocumented{
		{Duplicate: 400}, {MaxMembers: -1}, {AnyContentType: true}, {BadJSON: auth0test.BodyHTML},
		{HeadersOn403: true}, {Next: auth0test.NextWhenMore}, {AddDelay: 10 * time.Second, RemoveDelay: 10 * time.Second},
		{Malformed: func(id string) bool { return len(id) < len("auth0|1234567") }},
	} {
		if err := rehearseUndocumented(t, u); err != nil {
			t.Errorf("%+v: %v", u, err)
		}
	}
	settings := undocumented()
	for a, first := range settings {
		for b, second := range settings {
			if a > b {
				continue
			}
			var u auth0test.Undocumented
			first(&u)
			second(&u)
			if err := rehearseUndocumented(t, u); err != nil {
				t.Errorf("%s, %s: %v", a, b, err)
			}
		}
	}
}

// TestGoodRowsAreInWhateverRefusalsMean is the whole product of the settings
// that decide what the search for a bad row meets.
func TestGoodRowsAreInWhateverRefusalsMean(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 404} {
		for _, partial := range []bool{false, true} {
			for _, naming := range []auth0test.Naming{auth0test.NameNone, auth0test.NameAll, auth0test.NameFirst, auth0test.NameIndex} {
				for _, readd := range []int{204, 409} {
					for _, concurrent := range []auth0test.Concurrent{auth0test.Parallel, auth0test.Conflict} {
						u := auth0test.Undocumented{UnknownUser: status, Partial: partial, Naming: naming, Readd: readd, Concurrent: concurrent}
						if err := rehearseUndocumented(t, u); err != nil {
							t.Errorf("%+v: %v", u, err)
						}
					}
				}
			}
		}
	}
}

// rehearseUndocumented imports rows of every kind, some of them members before.
func rehearseUndocumented(t *testing.T, u auth0test.Undocumented) (err error) {
	t.Helper()
	good := proofLines(40, 3)
	in := newProofInput(append(mixed(11, good, 5, 3, 4, 3), "org_0000000000000001,nobar", "org_0000000000000002,nobar"))
	path := filepath.Join(memoryDir(t), "results.csv")
	synctest.Test(t, func(t *testing.T) {
		tenant := auth0test.New(auth0test.Config{
			KnownOrg: exists, KnownUser: exists, Undocumented: u,
			Latency: auth0test.Latency{RoundTrip: auth0test.Uniform(20*time.Millisecond, 200*time.Millisecond)},
			Limits:  proofLimit(auth0test.Limit{Size: 50, Per: 50, Interval: time.Second}),
		})
		members := map[string]bool{}
		for _, line := range good[:9] {
			orgID, userID, _ := bytes.Cut([]byte(line), []byte(","))
			tenant.AddMembers(string(orgID), string(userID))
			members[line] = true
		}
		r := &rehearsal{tenant: tenant, in: in, results: path, timeout: 30 * time.Second}
		code, reckoning, runErr := r.run(nil)
		err = errors.Join(runErr, in.checkUndocumented(u, path, members), in.checkMembers(tenant), checkReckoningOf(reckoning, path))
		if code != exitRows {
			err = errors.Join(err, fmt.Errorf("exit code %d: %s", code, reckoning))
		}
	})
	return err
}

// checkUndocumented is checkResults with what the settings leave open: a user
// who is silently left out is told as added, for that is what the tenant said,
// and one who was added by a refused request is a member when asked again.
func (in *proofInput) checkUndocumented(u auth0test.Undocumented, path string, members map[string]bool) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	got, err := readProofResults(string(content))
	if err != nil {
		return err
	}
	lines := bytes.Split(in.csv, []byte("\n"))
	var wrong []error
	for line, want := range in.want {
		status := got.status[line]
		row := string(lines[line-1])
		switch {
		case want == importer.Added && u.Readd == 409 && members[row]:
			want = importer.AlreadyMember
		case want == importer.Added && u.Readd == 409 && u.Partial && status == importer.AlreadyMember:
			want = status
		case want == importer.Failed && u.UnknownUser == 204 && status == importer.Added:
			want = status
		}
		if status != want {
			wrong = append(wrong, fmt.Errorf("line %d (%s) is told as %q, not as %s", line, row, status, want))
		}
	}
	if len(got.status) != len(in.want) {
		wrong = append(wrong, fmt.Errorf("%d lines for %d rows", len(got.status), len(in.want)))
	}
	return errors.Join(wrong...)
}

func checkReckoningOf(reckoning, path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return checkReckoning(reckoning, string(content))
}

// TestQuotaIsFilledAndToldOf: an organization that takes only so many gets so
// many.
func TestQuotaIsFilledAndToldOf(t *testing.T) {
	t.Parallel()
	const quota = 27
	in := newProofInput(proofLines(120, 3))
	path := filepath.Join(t.TempDir(), "results.csv")
	synctest.Test(t, func(t *testing.T) {
		tenant := auth0test.New(auth0test.Config{Undocumented: auth0test.Undocumented{MemberQuota: quota}})
		r := &rehearsal{tenant: tenant, in: in, results: path, timeout: 30 * time.Second}
		code, reckoning, err := r.run(nil)
		if err != nil || code != exitRows {
			t.Fatalf("exit code %d: %v\n%s", code, err, reckoning)
		}
		for orgID := range in.members {
			if n := len(tenant.Members(orgID)); n != quota {
				t.Errorf("%s has %d members", orgID, n)
			}
		}
		terms, err := readReckoning(reckoning)
		if err != nil || terms["added"] != 3*quota || terms["failed"] != 3*(40-quota) {
			t.Errorf("%v: %v", terms, err)
		}
	})
}

// TestNothingIsLostWhateverHappens imports random files against a tenant that
// fails at random, stops at random moments, loses the end of the results as a
// power cut may, and goes on until it is done.
func TestNothingIsLostWhateverHappens(t *testing.T) {
	t.Parallel()
	dir := memoryDir(t)
	played := 0
	rapid.Check(t, func(rt *rapid.T) {
		played++
		s := drawStory(rt)
		s.path = filepath.Join(dir, fmt.Sprintf("results%d.csv", played))
		var err error
		synctest.Test(t, func(t *testing.T) { err = s.play() })
		if err != nil {
			rt.Fatal(err)
		}
	})
}

// story is an import and what happens to it.
type story struct {
	in      *proofInput
	path    string
	config  auth0test.Config
	revoked []int // requests at which all tokens end
	stops   []time.Duration
	torn    []int // bytes that each stop costs
	timeout time.Duration
}

func drawStory(rt *rapid.T) *story {
	small := func(most int, label string) int { return rapid.IntRange(0, most).Draw(rt, label) }
	ms := func(most int, label string) time.Duration {
		return time.Duration(small(most, label)) * time.Millisecond
	}
	good := proofLines(1+small(50, "rows"), 1+small(4, "organizations"))
	s := &story{
		in:      newProofInput(mixed(rapid.Uint64().Draw(rt, "order"), good, small(4, "unknown"), small(3, "stray"), small(3, "broken"), small(3, "repeated"))),
		timeout: rapid.SampledFrom([]time.Duration{time.Second, 30 * time.Second}).Draw(rt, "timeout"),
		revoked: rapid.SliceOfN(rapid.IntRange(1, 30), 0, 2).Draw(rt, "revoked"),
	}
	faults := rapid.SliceOfN(rapid.SampledFrom(append(make([]auth0test.Fault, 8), // most go well
		auth0test.Fault{Status: 500}, auth0test.Fault{Status: 502, Applied: true}, auth0test.Fault{Status: 503},
		auth0test.Fault{Status: 503, RetryAfter: 20 * time.Second}, auth0test.Fault{Status: 429}, auth0test.Fault{Status: 429, RetryAfter: 3 * time.Second},
		auth0test.Fault{Status: 401}, auth0test.Fault{Status: 403},
		auth0test.Fault{Cut: auth0test.Close}, auth0test.Fault{Cut: auth0test.Reset}, auth0test.Fault{Cut: auth0test.Refuse},
		auth0test.Fault{Cut: auth0test.Close, Applied: true}, auth0test.Fault{Cut: auth0test.Reset, Applied: true},
		auth0test.Fault{Hang: true}, auth0test.Fault{Hang: true, Applied: true}, auth0test.Fault{Delay: 3 * time.Second},
	)), 0, 40).Draw(rt, "faults")
	s.config = auth0test.Config{
		KnownOrg: exists, KnownUser: exists,
		Latency: auth0test.Latency{RoundTrip: auth0test.Uniform(0, 300*time.Millisecond)},
		Seed:    rapid.Uint64().Draw(rt, "seed"),
		Limits: proofLimit(auth0test.Limit{
			Size: 1 + small(30, "bucket"), Per: 1 + small(300, "refill"), Interval: time.Minute,
			Mode: rapid.SampledFrom([]auth0test.Mode{auth0test.Drip, auth0test.FixedWindow, auth0test.SlidingLog}).Draw(rt, "mode"),
		}),
		TokenLifetime: rapid.SampledFrom([]time.Duration{0, 4 * time.Second, time.Minute}).Draw(rt, "token"),
		Fault: func(r *http.Request, n int) auth0test.Fault {
			if r.URL.Path == "/oauth/token" || n > len(faults) {
				return auth0test.Fault{}
			}
			return faults[n-1]
		},
		Undocumented: auth0test.Undocumented{
			Partial: rapid.Bool().Draw(rt, "partial"),
			Naming:  auth0test.Naming(small(3, "naming")),
		},
	}
	if down := ms(20_000, "outage"); down > 0 {
		from := ms(20_000, "outage begins")
		s.config.Outages = []auth0test.Outage{{From: from, Until: from + down}}
	}
	for range small(4, "stops") {
		s.stops = append(s.stops, ms(30_000, "stop"))
		s.torn = append(s.torn, rapid.SampledFrom([]int{0, 0, 1, 2, 60, 150, 400}).Draw(rt, "torn"))
	}
	return s
}

func (s *story) play() error {
	inner := s.config.Fault
	var tenant *auth0test.Tenant
	s.config.Fault = func(r *http.Request, n int) auth0test.Fault {
		for _, at := range s.revoked {
			if at == n {
				tenant.RevokeTokens()
			}
		}
		return inner(r, n)
	}
	tenant = auth0test.New(s.config)
	r := &rehearsal{tenant: tenant, in: s.in, results: s.path, timeout: s.timeout}
	var left []byte // by the run before, and then damaged
	for round := range 80 {
		stop := make(chan os.Signal, 1)
		if round < len(s.stops) {
			timer := time.AfterFunc(s.stops[round], func() { stop <- syscall.SIGTERM })
			defer timer.Stop()
		}
		code, reckoning, err := r.run(stop)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(s.path)
		if errors.Is(err, fs.ErrNotExist) {
			content, err = []byte(proofResultsHeader), nil // no request was answered
		}
		if err != nil {
			return err
		}
		if bytes.Equal(content, left) {
			if _, err := readReckoning(reckoning); err != nil {
				return err
			}
			continue // no request was answered
		}
		done := code == exitDone || code == exitRows
		if err := s.check(string(content), reckoning, code, done, tenant); err != nil || done {
			return err
		}
		left = content
		if round < len(s.torn) && s.torn[round] > 0 {
			left = content[:max(0, len(content)-s.torn[round])]
			if err := os.WriteFile(s.path, left, 0o600); err != nil {
				return err
			}
		}
	}
	return errors.New("it never ends")
}

func (s *story) check(content, reckoning string, code int, done bool, tenant *auth0test.Tenant) error {
	if err := checkReckoning(reckoning, content); err != nil {
		return err
	}
	if !done {
		_, err := readProofResults(content)
		return err
	}
	want := exitDone
	for _, status := range s.in.want {
		if status == importer.Failed || status == importer.Rejected {
			want = exitRows
		}
	}
	if code != want {
		return fmt.Errorf("exit code %d, want %d", code, want)
	}
	return errors.Join(s.in.checkResults(content, true), s.in.checkMembers(tenant))
}
