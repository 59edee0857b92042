package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alecthomas/kong"

	"orgimport/cmd/orgimport/internal/doctor"
	"orgimport/importer/auth0/auth0test"
)

// examined is a simulated tenant with flags of orgimport tenant, and what doctor
// found out about it.
type examined struct {
	tenant *auth0test.Tenant
	report *doctor.Report
	flags  map[string]string // those that the report prints
	took   time.Duration
}

// examine lets doctor examine a tenant with these flags.
func examine(t *testing.T, flags ...string) examined {
	var cmd tenantCmd
	parser, err := kong.New(&cmd)
	if err == nil {
		_, err = parser.Parse(append([]string{"--users=40"}, flags...))
	}
	if err != nil {
		t.Fatalf("%q: %v", flags, err)
	}
	config, err := cmd.config()
	if err != nil {
		t.Fatalf("%q: %v", flags, err)
	}
	config.NoAuth = true
	config.KnownOrg = nil
	config.Organizations = []auth0test.Organization{{ID: "org_1234567890abcdef", Name: "acme"}}
	x := examined{tenant: auth0test.New(config), flags: make(map[string]string)}
	began := time.Now()
	x.report, err = aDoctor(x.tenant).Run(context.Background())
	if err != nil {
		t.Fatalf("%q: %v", flags, err)
	}
	x.took = time.Since(began)
	for _, f := range x.report.Tenant {
		name, value, _ := strings.Cut(f, "=")
		x.flags[name] = value
	}
	return x
}

func aDoctor(tenant *auth0test.Tenant) *doctor.Doctor {
	var users []string
	for _, u := range auth0test.MakeUsers(doctor.MinUsers) {
		users = append(users, u.ID)
	}
	return &doctor.Doctor{Tenant: &url.URL{Scheme: "https", Host: "acme.eu.auth0.com"}, Base: tenant, Users: users, Name: doctor.NewName()}
}

// TestDoctorFindsTheFlags: doctor prints the flags that the simulated tenant was
// started with, or says that it can't find out, and says the same about a second
// tenant with the flags that it prints.
func TestDoctorFindsTheFlags(t *testing.T) {
	t.Parallel()
	settings := 12
	if proofInFull() {
		settings = 400
	}
	untold := make(map[string]int)
	for seed := range settings {
		set := drawFlags(rand.New(rand.NewPCG(uint64(seed), 0)))
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first := examine(t, set...)
				first.check(t, set)
				second := examine(t, first.report.Tenant...)
				for i, a := range first.report.Questions {
					if !a.Told {
						untold[a.Question+": "+a.WhyNot]++
					}
					if b := second.report.Questions[i]; a.Told && b.Told && answerOf(a) != answerOf(b) {
						t.Errorf("%s: %s, and of a tenant with the flags printed %s\nset %q\nprinted %q", a.Question, a.Answer, b.Answer, set, first.report.Tenant)
					}
				}
			})
		})
	}
	for _, why := range slices.Sorted(maps.Keys(untold)) {
		t.Logf("not told in %d of %d: %s", untold[why], settings, why)
	}
}

// answerOf returns an answer without measured numbers.
func answerOf(a doctor.Answer) string {
	if strings.HasPrefix(a.Question, "the latency") || strings.HasPrefix(a.Question, "how long") {
		return ""
	}
	says, _, _ := strings.Cut(a.Answer, ";")
	return says
}

// drawFlags draws flags of orgimport tenant.
func drawFlags(r *rand.Rand) (set []string) {
	of := func(values ...string) string { return values[r.IntN(len(values))] }
	flag := func(name string, values ...string) { set = append(set, name+"="+of(values...)) }
	flag("--latency", "60ms", "110ms", "280ms")
	flag("--refuse", "400", "404", "204", "422")
	flag("--partly", "false", "true")
	flag("--name", "none", "id", "index")
	flag("--malformed", "400", "404", "204", "422")
	flag("--malformed-partly", "false", "true")
	flag("--malformed-name", "none", "id")
	flag("--readd", "204", "409")
	flag("--twice", "204", "400", "409")
	flag("--eleven", "400", "204", "413")
	flag("--missing-org", "404", "gone", "plain", "400")
	flag("--malformed-org", "404", "gone", "plain", "400")
	flag("--next", "always", "never")
	flag("--lag", "0s", "0s", "1s", "2s", "5s", "8s", "1h")
	flag("--removal-lag", "0s", "0s", "1s", "5s", "7s", "10s")
	flag("--reset", "full", "next")
	flag("--hide-limits", "false", "false", "false", "true")
	flag("--fail", "0", "0", "0.05")
	flag("--cut-after", "0", "0", "0.05")
	set = append(set, "--faults-in=write-members,read-members,list-roles,write-organizations,read-organization-names")
	size, class := of("10", "20", "40", "100"), of("", "global=")
	if of("drip", "window") == "window" {
		return append(set, "--window=true", "--limits="+class+size+":"+size+of("/1m", "/1m", "/10s", "/1s"))
	}
	return append(set, "--window=false", "--limits="+class+size+":"+of("200/1m", "150/1m", "60/1m", "2/1s", "5/1s", "16/1s", "20/20s"))
}

// check compares what was found with what was set.
func (x examined) check(t *testing.T, flags []string) {
	set := make(map[string]string)
	for _, f := range flags {
		name, value, _ := strings.Cut(f, "=")
		set[name] = value
	}
	wrong := func(format string, args ...any) {
		var said []string
		for _, a := range x.report.Questions {
			said = append(said, fmt.Sprintf("  %s: %s %s", a.Question, a.Answer, a.WhyNot))
		}
		t.Errorf("%s\nset %v\nprinted %q\n%s", fmt.Sprintf(format, args...), set, x.report.Tenant, strings.Join(said, "\n"))
	}
	for name, printed := range x.flags {
		want := set[name]
		switch name {
		case "--limits":
			if !x.told("whether other requests draw on that limit") {
				want = want[strings.LastIndex(want, "=")+1:]
			}
			if !sameLimits(printed, want, set["--window"] == "true", x.report.Limit) {
				wrong("%s=%s, want %s", name, printed, want)
			}
		case "--reset":
			if set["--window"] == "false" && printed != want {
				wrong("%s=%s, want %s", name, printed, want)
			}
		case "--lag", "--removal-lag", "--latency":
			got, _ := time.ParseDuration(printed)
			exact, _ := time.ParseDuration(want)
			if off := got - exact; off < -time.Second || off > time.Second {
				wrong("%s=%s, want %s", name, printed, want)
			}
		default:
			if printed != want {
				wrong("%s=%s, want %s", name, printed, want)
			}
		}
	}
	if n := len(x.tenant.Organizations()); n != 1 {
		wrong("%d organizations are left", n)
	}
	stats := x.tenant.Stats()
	refused := stats.Status(429)
	if set["--hide-limits"] == "false" && refused > 0 || refused > 2 {
		wrong("%d requests were refused for the limit", refused)
	}
	if stats.Total() > 80 || x.took > 100*time.Second {
		wrong("%d requests in %s", stats.Total(), x.took)
	}
}

func (x examined) told(question string) bool {
	return slices.ContainsFunc(x.report.Questions, func(a doctor.Answer) bool { return a.Question == question && a.Told })
}

// sameLimits reports whether two limits are the same to a client, if doctor found
// out how they refill.
func sameLimits(printed, set string, window bool, l *doctor.Limit) bool {
	class, size, rate := splitLimit(printed)
	wantClass, wantSize, wantRate := splitLimit(set)
	if window {
		return class == wantClass && size == wantSize && rate == wantRate
	}
	return class == wantClass && size == wantSize && l.AtLeast <= wantRate && (l.AtMost == 0 || wantRate <= l.AtMost)
}

func splitLimit(s string) (class, size string, perSecond float64) {
	class, rest, named := strings.Cut(s, "=")
	if !named {
		class, rest = "", s
	}
	size, rest, _ = strings.Cut(rest, ":")
	n, unit, _ := strings.Cut(rest, "/")
	per, _ := strconv.ParseFloat(n, 64)
	d, _ := time.ParseDuration(unit)
	return class, size, per / d.Seconds()
}

// examineInMemory runs orgimport doctor against a tenant that fails at the nth
// request of the Management API.
func examineInMemory(t *testing.T, n int, disturb func(signals chan<- os.Signal) auth0test.Fault, flags ...string) (tenant *auth0test.Tenant, code int, stdout, stderr string) {
	t.Helper()
	var asked atomic.Int64
	most := 0
	signals := make(chan os.Signal, 1)
	tenant = auth0test.New(auth0test.Config{
		Users: auth0test.MakeUsers(doctor.MinUsers), Organizations: []auth0test.Organization{{ID: "org_1234567890abcdef", Name: "acme"}},
		Latency: auth0test.Fixed(100 * time.Millisecond),
		Fault: func(r *http.Request, _ int) auth0test.Fault {
			most = max(most, len(tenant.Organizations()))
			if r.URL.Path != "/oauth/token" && asked.Add(1) == int64(n) {
				return disturb(signals)
			}
			return auth0test.Fault{}
		},
		Limits: auth0test.Limits{Endpoints: map[auth0test.Class][]auth0test.Limit{
			auth0test.WriteMembers: {{Size: 20, Per: 200, Interval: time.Minute}},
		}},
	})
	code, stdout, stderr = inMemory(tenant, signals, append([]string{"doctor", "--test-users", testUsers(t)}, flags...)...)
	if left := tenant.Organizations(); len(left) != 1 || most > 2 {
		t.Errorf("%d organizations are left, and there were %d; exit code %d\n%s", len(left), most, code, stderr)
	}
	return tenant, code, stdout, stderr
}

// testUsers writes the ids of the test users to a file.
func testUsers(t *testing.T) string {
	t.Helper()
	text := "user_id\n"
	for _, u := range auth0test.MakeUsers(doctor.MinUsers) {
		text += u.ID + "\n"
	}
	name := filepath.Join(t.TempDir(), "users.csv")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestDoctorLeavesNothingBehind: whatever happens to any of its requests, the
// organization is deleted in the end, and there are never two. Without PROOF=full,
// it tests some of the requests only.
func TestDoctorLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	disturbances := map[string]func(chan<- os.Signal) auth0test.Fault{
		"SIGTERM": func(signals chan<- os.Signal) auth0test.Fault {
			signals <- syscall.SIGTERM
			synctest.Wait()
			return auth0test.Fault{}
		},
	}
	for name, fault := range map[string]auth0test.Fault{
		"400": {Status: 400}, "401": {Status: 401}, "403": {Status: 403}, "404": {Status: 404}, "409": {Status: 409}, "429": {Status: 429}, "503": {Status: 503},
		"a lost answer": {Cut: auth0test.Reset, Applied: true}, "a lost request": {Cut: auth0test.Reset}, "a 503 after the work": {Status: 503, Applied: true},
	} {
		disturbances[name] = func(chan<- os.Signal) auth0test.Fault { return fault }
	}
	requests := 70
	for name, disturb := range disturbances {
		for n := 1; n <= requests; n++ {
			if n > 2 && n%16 != 0 && n != 63 && !proofInFull() {
				continue
			}
			t.Run(fmt.Sprint(name, " at request ", n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					_, code, _, stderr := examineInMemory(t, n, disturb, "--yes")
					if stopped := strings.Contains(stderr, "stopped by SIGTERM"); stopped && code != 143 || code == 143 && !stopped {
						t.Errorf("exit code %d\n%s", code, stderr)
					}
				})
			})
		}
	}
}

// TestDoctorsReportNamesNothing of the tenant.
func TestDoctorsReportNamesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, code, stdout, stderr := examineInMemory(t, 0, nil, "--yes", "--json")
		if code != exitDone {
			t.Errorf("exit code %d\n%s", code, stderr)
		}
		for _, name := range []string{"acme", "auth0|", "org_", "orgimport-doctor-", "@", "eyJ"} {
			if strings.Contains(stdout, name) {
				t.Errorf("the report has %q:\n%s", name, stdout)
			}
		}
		var found doctor.Report
		if err := json.Unmarshal([]byte(stdout), &found); err != nil {
			t.Fatal(err)
		}
		if len(found.Questions) != len(doctor.Questions()) || found.LatencyMS["10"] != 100 || found.Limit.Size != 20 || len(found.Tenant) == 0 {
			t.Errorf("%+v", found)
		}
	})
}

// TestDoctorOfATenantThatTakesAnyID: an id that became a member's is not reported
// as left out.
func TestDoctorOfATenantThatTakesAnyID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := aDoctor(auth0test.New(auth0test.Config{NoAuth: true}))
		found, err := d.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range found.Questions {
			if a.Question == "an unknown user in a batch" && (a.Told || a.WhyNot != "the tenant takes any id for a user's") ||
				a.Question == "an organization that does not exist" && (a.Told || a.WhyNot != "it was answered 204, as if it were there") {
				t.Errorf("%+v", a)
			}
		}
	})
}

// TestDoctorMayLeaveWhatItHasMade, and nothing before and after that: what a second
// signal says is left behind.
func TestDoctorMayLeaveWhatItHasMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d *doctor.Doctor
		d = aDoctor(auth0test.New(auth0test.Config{NoAuth: true, Users: auth0test.MakeUsers(doctor.MinUsers), Fault: func(r *http.Request, _ int) auth0test.Fault {
			if !d.MayExist() {
				t.Errorf("at %s %s the organization can't exist", r.Method, r.URL)
			}
			return auth0test.Fault{}
		}}))
		before := d.MayExist()
		if _, err := d.Run(t.Context()); before || err != nil || d.MayExist() {
			t.Errorf("before, the organization may exist: %v; afterwards: %v, %v", before, d.MayExist(), err)
		}
	})
}
