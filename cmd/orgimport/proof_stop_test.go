package main

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"orgimport/cmd/orgimport/internal/tenancy"
	"orgimport/importer/auth0/auth0test"
)

// slowly is a tenant slow enough for a test to watch the run.
func slowly() auth0test.Config {
	return auth0test.Config{Latency: auth0test.Fixed(50 * time.Millisecond)}
}

// TestSecondRunIsLockedOut, and changes nothing.
func TestSecondRunIsLockedOut(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		tenant := newProofTenant(auth0test.Config{
			Limits: proofLimit(auth0test.Limit{Size: 1, Per: 1, Interval: time.Hour}),
		})
		in := newProofInput(proofLines(300, 3))
		p := newProgram(t, tenant, in.csv)
		first := p.start("--max-wait", "2h")
		waitUntil(t, first, func() bool {
			return tenant.writes() == 1 && strings.Contains(p.results(), ",added,")
		})
		before, requests := p.read("results.csv"), tenant.Stats().Total()

		other := newProofTenant(auth0test.Config{})
		second := &program{t: t, dir: p.dir, tenant: other, secret: p.secret}
		p.write("summary.json", []byte("of the first"))
		for _, args := range [][]string{nil, {"--resume"}, {"--failures", "failures.csv"}, {"--summary", "summary.json", "--metrics", "metrics.prom"}} {
			e := second.run(exitLocked, args...)
			e.says(t, "another run holds the lock")
		}
		if p.read("results.csv") != before || p.read("summary.json") != "of the first" || slices.Contains(p.files(), "metrics.prom") || other.Stats().Total() != 0 || tenant.Stats().Total() != requests {
			t.Error("the second run left traces")
		}
		first.signal(syscall.SIGTERM)
	})
}

// TestGuardStopsARunThatIsAimedWrong after a hundred answers.
func TestGuardStopsARunThatIsAimedWrong(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		var lines []string
		for i := range 150 {
			lines = append(lines, fmt.Sprintf("org_%d,auth0|unknown%d", i%5, i))
		}
		in := newProofInput(lines)
		tenant := newProofTenant(auth0test.Config{})
		p := newProgram(t, tenant, in.csv)
		e := p.run(exitErrors, "--batch-size", "1") // don't wait to find out which part is failing
		p.partly(in, e)
		e.says(t, "first 100 rows")
		terms, err := readSummary(e.stderr)
		if n := terms["failed"]; err != nil || n < 100 || n == len(lines) {
			t.Errorf("%d rows failed before it stopped: %v", n, err)
		}
	})
}

// TestSwappedColumnsAreRecognised by their form, before anything is sent.
func TestSwappedColumnsAreRecognised(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		var lines []string
		for i := range 150 {
			lines = append(lines, fmt.Sprintf("auth0|unknown%d,org_%016d", i, i%5))
		}
		tenant := newProofTenant(auth0test.Config{})
		p := newProgram(t, tenant, newProofInput(lines).csv)
		e := p.run(exitUsage)
		e.says(t, "swapped")
		e.says(t, "--org-column")
		if n := tenant.Stats().Total(); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
}

// TestMaxErrorsStopsARun at a number of failed rows, and at a percentage.
func TestMaxErrorsStopsARun(t *testing.T) {
	t.Parallel()
	in := newProofInput(mixed(5, proofLines(480, 10), 20, 0, 0, 0))
	for most, want := range map[string]struct{ code, least, atMost int }{
		"5":    {exitErrors, 5, 17},
		"2%":   {exitErrors, 2, 19},
		"1000": {exitRows, 20, 20},
		"50%":  {exitRows, 20, 20},
	} {
		onFakeClock(t, most, func(t *testing.T) {
			tenant := newProofTenant(auth0test.Config{Latency: auth0test.Fixed(2 * time.Millisecond)})
			p := newProgram(t, tenant, in.csv)
			e := p.run(want.code, "--max-errors", most, "--workers", "4")
			terms, err := readSummary(e.stderr)
			if n := terms["failed"]; err != nil || n < want.least || n > want.atMost {
				t.Errorf("%d rows failed before it stopped: %v", n, err)
			}
			if want.code != exitRows {
				p.partly(in, e)
				e = p.run(exitRows, "--resume")
			}
			p.complete(in, e)
		})
	}
}

// TestMaxDurationStopsCleanly, and the next run does the rest.
func TestMaxDurationStopsCleanly(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		tenant := newProofTenant(slowly())
		in := newProofInput(mixed(6, proofLines(1500, 30), 2, 1, 2, 5))
		p := newProgram(t, tenant, in.csv)
		e := p.run(exitDuration, "--max-duration", "300ms")
		p.partly(in, e)
		e.says(t, "--max-duration is reached")
		p.complete(in, p.run(exitRows, "--resume"))
	})
}

// TestRefusedCredentialsStopARun before any other request.
func TestRefusedCredentialsStopARun(t *testing.T) {
	t.Parallel()
	in := newProofInput(proofLines(400, 10))
	for name, app := range map[string]auth0test.Application{
		"a wrong secret":             {ClientID: "client", Secret: "another"},
		"an unknown client":          {ClientID: "another", Secret: "another"},
		"no grant for the API":       {ClientID: "client", NoGrant: true},
		"no client credentials":      {ClientID: "client", NoClientCredentials: true},
		"a token that may only read": {ClientID: "client", Scopes: []string{"read:organization_members"}},
	} {
		onFakeClock(t, name, func(t *testing.T) {
			config := slowly()
			config.Applications = []auth0test.Application{app}
			right := app.Secret == ""
			if right {
				config.Applications[0].Secret = "right"
			}
			tenant := newProofTenant(config)
			p := newProgram(t, tenant, in.csv)
			if right {
				p.secret = "right"
			}
			e := p.run(exitStopped)
			e.says(t, "hint: ")
			p.partly(in, e)
			stats := tenant.Stats()
			requests := 0
			for _, n := range stats.Requests[auth0test.Tokens] {
				requests += n
			}
			// All callers share the answer; one more may ask before the run has
			// stopped.
			if requests > 3 {
				t.Errorf("%d requests for a token", requests)
			}
			if tenant.writes() > tenancy.DefaultWorkers {
				t.Errorf("%d requests although nothing is permitted", tenant.writes())
			}
		})
	}
}

// TestRevokedTokenIsHealedByOneFreshOne, even if all requests of a run get a 401 at
// once.
func TestRevokedTokenIsHealedByOneFreshOne(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		tenant := newProofTenant(slowly())
		in := newProofInput(proofLines(1500, 30))
		p := newProgram(t, tenant, in.csv)
		run := p.start()
		waitUntil(t, run, func() bool { return tenant.writes() > 30 })
		tenant.RevokeTokens()
		e := run.end()
		if e.code != exitDone {
			t.Fatalf("exit code %d:\n%s", e.code, e.stderr)
		}
		p.complete(in, e)
		if n := tenant.Stats().TokensIssued; n != 2 {
			t.Errorf("%d tokens were fetched", n)
		}
	})
}

// TestPermissionTakenInMidRunStopsIt, and a run with the permission does the rest.
func TestPermissionTakenInMidRunStopsIt(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		config := slowly()
		config.Fault = func(r *http.Request, n int) auth0test.Fault {
			if strings.HasSuffix(r.URL.Path, "/members") && n > 20 && n <= 30 {
				return auth0test.Fault{Status: http.StatusForbidden}
			}
			return auth0test.Fault{}
		}
		tenant := newProofTenant(config)
		in := newProofInput(proofLines(1500, 30))
		p := newProgram(t, tenant, in.csv)
		for code := -1; code != exitDone; {
			e := p.start("--resume").end()
			if code = e.code; code == exitStopped {
				p.partly(in, e)
				e.says(t, "403")
			} else if code == exitDone {
				p.complete(in, e)
			} else {
				t.Fatalf("exit code %d:\n%s", code, e.stderr)
			}
		}
	})
}

// TestOutageThatLastsEndsTheRunForNow with the exit code that means: try again.
func TestOutageThatLastsEndsTheRunForNow(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		config := slowly()
		outage := auth0test.Outage(500*time.Millisecond, 2500*time.Millisecond)
		outage.Class = auth0test.WriteMembers
		config.Incidents = []auth0test.Incident{outage}
		tenant := newProofTenant(config)
		in := newProofInput(mixed(7, proofLines(900, 30), 2, 1, 2, 5))
		p := newProgram(t, tenant, in.csv)
		e := p.run(exitTemporary, "--max-wait", "1s", "--rate", "40")
		p.partly(in, e)
		e.says(t, "gave up")
		p.complete(in, p.run(exitRows, "--resume"))
	})
}

// TestLimitThatLetsNothingThroughEndsTheRunForNow, too.
func TestLimitThatLetsNothingThroughEndsTheRunForNow(t *testing.T) {
	t.Parallel()
	for name, show := range map[string]auth0test.Show{"told by headers": auth0test.ShowLowest, "not told": auth0test.ShowNone} {
		onFakeClock(t, name, func(t *testing.T) {
			limits := proofLimit(auth0test.Limit{Size: 5, Per: 1, Interval: time.Hour})
			limits.Show = show
			tenant := newProofTenant(auth0test.Config{Limits: limits})
			in := newProofInput(proofLines(300, 3))
			p := newProgram(t, tenant, in.csv)
			p.partly(in, p.run(exitTemporary, "--max-wait", "1s"))
		})
	}
}

// TestResumeRefusesWhatIsNotItsOwn: another tenant's results, and other files.
func TestResumeRefusesWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	in := newProofInput(proofLines(100, 5))
	first := newProgram(t, newServedTenant(t, auth0test.Config{}), in.csv)
	first.complete(in, first.run(exitDone))

	for name, content := range map[string]string{
		"another tenant's": first.read("results.csv"),
		"the input":        string(in.csv),
		"a letter":         "Dear all,\nthis is no table.\n",
		"binary":           "\x7fELF\x00\x00\n\x00",
	} {
		onFakeClock(t, name, func(t *testing.T) {
			other := newProofTenant(auth0test.Config{})
			p := newProgram(t, other, in.csv)
			p.write("results.csv", []byte(content))
			for _, args := range [][]string{nil, {"--resume"}} {
				p.run(exitUsage, args...).says(t, "results.csv")
			}
			if p.read("results.csv") != content || other.Stats().Total() != 0 {
				t.Error("the file, or the tenant, was touched")
			}
			if got := p.files(); len(got) > 3 { // the input, the file, the lock
				t.Errorf("there are %v", got)
			}
		})
	}
}

// TestInputMayChangeBetweenRuns: new rows are done, removed rows are reported, and
// moved rows are recognized.
func TestInputMayChangeBetweenRuns(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		tenant := newProofTenant(auth0test.Config{})
		before := proofLines(200, 7)
		in := newProofInput(before)
		p := newProgram(t, tenant, in.csv)
		p.complete(in, p.run(exitDone))

		lines := mixed(8, proofLines(260, 7)[20:], 2, 0, 1, 3) // 20 are removed, 60 new, all have moved
		changed := newProofInput(lines)
		p.write("members.csv", changed.csv)
		writes := tenant.writes()
		e := p.run(exitRows, "--resume")
		e.says(t, "20 lines of the results file are no longer in the input")
		terms, err := readSummary(e.stderr)
		if err != nil || terms["added"] != 240 || terms["failed"] != 2 || terms["rejected"] != 1 || terms["duplicate"] != 3 {
			t.Errorf("the summary is %v: %v", terms, err)
		}
		all := newProofInput(proofLines(260, 7))
		if err := all.checkMembers(tenant.Tenant); err != nil {
			t.Error(err)
		}
		if n := tenant.writes() - writes; n > 7*2+6*2 {
			t.Errorf("%d requests for 62 rows", n)
		}
	})
}

// TestServerThatTellsSecretsIsNotQuoted: an answer may contain the request.
func TestServerThatTellsSecretsIsNotQuoted(t *testing.T) {
	t.Parallel()
	tenant := newServedTenant(t, auth0test.Config{})
	p := newProgram(t, tenant, newProofInput(proofLines(4, 2)).csv)
	echo := newEcho(t, tenant)
	p.env = []string{"AUTH0_DOMAIN=" + echo}
	p.run(exitRows, "--failures", "failures.csv") // every program checks this at its end
	if got := p.read("results.csv"); !strings.Contains(got, "you sent") {
		t.Errorf("the answers did not get through:\n%s", got)
	}
	if len(tenant.issued()) == 0 {
		t.Error("no token was issued")
	}
	p.env = append(p.env, "AUTH0_CLIENT_ID=echo")
	if err := os.Remove(p.path("results.csv")); err != nil {
		t.Fatal(err)
	}
	p.run(exitStopped).says(t, "you sent")
}
