package main

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"orgimport/importer/auth0/auth0test"
)

// The tests in this file are about runs that continue from others, night after
// night.

// appended is a file with many bad rows to which good ones are appended.
func appended() (before, after *proofInput) {
	lines := proofLines(400, 10)
	for i := range 2 * 100 {
		lines = append(lines, fmt.Sprintf("org_%016d,auth0|unknown%d", i%10, i))
	}
	more := proofLines(500, 10)[400:]
	return newProofInput(lines), newProofInput(append(lines, more...))
}

// TestNewRowsGetInBesideOldFailures. It was reported for 1,000 rows that were
// appended to a file with 400 bad ones: the bad rows were sent first and triggered
// the guard every night, so that no new row was ever added.
func TestNewRowsGetInBesideOldFailures(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		before, after := appended()
		tenant := newProofTenant(auth0test.Config{})
		p := newProgram(t, tenant, before.csv)
		p.complete(before, p.run(exitRows))

		p.write("members.csv", after.csv)
		run := p.start("--resume", "--max-errors", "1", "--workers", "1")
		e := run.end()
		if e.code != exitErrors {
			t.Fatalf("exit code %d:\n%s", e.code, e.stderr)
		}
		if n := strings.Count(p.results(), ",added,"); n != 500 {
			t.Errorf("rows that failed were tried before new ones: %d of 500 are in", n)
		}
		p.partly(after, e)
		if n := strings.Count(p.results(), ",failed,"); n != 2*100 {
			t.Errorf("%d rows are told as failed, not the %d that did", n, 2*100)
		}
		for range 2 {
			p.complete(after, p.run(exitRows, "--resume"))
		}
	})
}

// TestGuardCanBeTurnedOff.
func TestGuardCanBeTurnedOff(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		var lines []string
		for i := range 100 + 50 {
			lines = append(lines, fmt.Sprintf("org_%d,auth0|unknown%d", i%5, i))
		}
		in := newProofInput(append(lines, proofLines(20, 2)...))
		p := newProgram(t, newProofTenant(auth0test.Config{}), in.csv)
		p.run(exitErrors, "--batch-size", "1", "--workers", "1", "--results", "guarded.csv")
		p.complete(in, p.run(exitRows, "--batch-size", "1", "--workers", "1", "--no-guard"))
	})
}

// TestNightWithNothingNewEndsAsTheOneBefore.
func TestNightWithNothingNewEndsAsTheOneBefore(t *testing.T) {
	t.Parallel()
	for code, in := range map[int]*proofInput{
		exitDone: newProofInput(proofLines(200, 5)),
		exitRows: newProofInput(mixed(1, proofLines(200, 5), 3, 2, 2, 2)),
	} {
		onFakeClock(t, fmt.Sprint("exit code ", code), func(t *testing.T) {
			tenant := newProofTenant(auth0test.Config{})
			p := newProgram(t, tenant, in.csv)
			args := []string{"--failures", "failures.csv", "--resume"}
			e := p.run(code, args...)
			p.complete(in, e)
			first, failures, writes := sortedLines(p.results()), p.read("failures.csv"), tenant.writes()
			for range 3 {
				e := p.run(code, args...)
				p.complete(in, e)
				if got := sortedLines(p.results()); !slices.Equal(got, first) {
					t.Errorf("the results were\n%q\nand are\n%q", first, got)
				}
				if got := p.read("failures.csv"); !slices.Equal(sortedLines(got), sortedLines(failures)) {
					t.Errorf("the failures were\n%q\nand are\n%q", failures, got)
				}
			}
			if code == exitDone && tenant.writes() != writes {
				t.Errorf("%d requests for nothing", tenant.writes()-writes)
			}
		})
	}
}

// sortedLines returns the lines of a results file without what differs from run
// to run: attempts, correlation ids and times.
func sortedLines(results string) []string {
	var lines []string
	for line := range strings.Lines(results) {
		fields := strings.Split(strings.TrimSpace(line), ",")
		lines = append(lines, strings.Join(fields[:max(0, len(fields)-3)], ","))
	}
	slices.Sort(lines)
	return lines
}

// TestRunThatEndsBeforeItsFirstAnswerKeepsTheLastDiagnosis. It was reported for a
// night with a wrong secret after one with failed rows: both files with the reasons
// were emptied.
func TestRunThatEndsBeforeItsFirstAnswerKeepsTheLastDiagnosis(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		code int
		args []string
		env  []string
		down bool
	}{
		"a wrong secret":        {code: exitStopped, env: []string{"AUTH0_CLIENT_SECRET=wrong"}},
		"no tenant":             {code: exitUsage, env: []string{"AUTH0_DOMAIN="}},
		"another tenant":        {code: exitUsage, env: []string{"AUTH0_DOMAIN=other.eu.auth0.com"}},
		"a column is not there": {code: exitUsage, args: []string{"--delimiter", ";"}},
		"the tenant is down":    {code: exitTemporary, args: []string{"--max-wait", "10s"}, down: true},
		"no time":               {code: exitDuration, args: []string{"--max-duration", "1ms"}},
	} {
		onFakeClock(t, name, func(t *testing.T) {
			in := newProofInput(mixed(2, proofLines(50, 5), 3, 2, 2, 2))
			var down bool
			tenant := newProofTenant(auth0test.Config{
				Applications: []auth0test.Application{{ClientID: "client", Secret: "right"}},
				Latency:      slowly().Latency,
				Fault: func(*http.Request, int) auth0test.Fault {
					if down {
						return auth0test.Fault{Status: http.StatusServiceUnavailable}
					}
					return auth0test.Fault{}
				},
			})
			p := newProgram(t, tenant, in.csv)
			p.secret = "right"
			args := []string{"--resume", "--failures", "failures.csv"}
			p.complete(in, p.run(exitRows, args...))
			before := p.snapshot()

			down, p.env = test.down, test.env
			e := p.run(test.code, append(args, test.args...)...)
			if got := p.snapshot(); !maps.Equal(before, got) {
				t.Errorf("the files were\n%q\nand are\n%q", before, got)
			}
			if test.code != exitUsage {
				if err := checkSummary(e.stderr, p.results()); err != nil {
					t.Error(err)
				}
			}
			down, p.env = false, nil
			p.complete(in, p.run(exitRows, args...))
		})
	}
}

// TestStaleCopiesAreCleared. It was reported for runs that were killed while they
// resumed: copies of 11 to 17 MB accumulated.
func TestStaleCopiesAreCleared(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		in := newProofInput(proofLines(50, 5))
		p := newProgram(t, newProofTenant(auth0test.Config{}), in.csv)
		p.run(exitDone, "--failures", "failures.csv")
		stale := []string{".results.csv.123456.part", ".failures.csv.1.part"}
		others := []string{".results.csv.part", ".results.csv.x.part", ".results2.csv.1.part", "results.csv.1.part"}
		for _, name := range append(stale, others...) {
			p.write(name, []byte("half a fi"))
		}
		p.run(exitDone, "--failures", "failures.csv", "--resume")
		left := p.files()
		for _, name := range stale {
			if slices.Contains(left, name) {
				t.Errorf("%s is left", name)
			}
		}
		for _, name := range others {
			if !slices.Contains(left, name) {
				t.Errorf("%s is not ours, and is gone", name)
			}
		}
	})
}

// TestFilesThatChangeUnderARunAreTold: such a run does not end with 0.
func TestFilesThatChangeUnderARunAreTold(t *testing.T) {
	t.Parallel()
	more := "org_0000000000000001,auth0|more\n"
	appendTo := func(p *program, name string) {
		p.write(name, []byte(p.read(name)+more))
	}
	for name, test := range map[string]struct {
		change func(p *program)
		code   int
		says   string
	}{
		"the input grows": {
			func(p *program) { appendTo(p, "members.csv") },
			exitTemporary, "members.csv changed while it was being read",
		},
		"the input shrinks": {
			func(p *program) { p.write("members.csv", []byte(proofHeader)) },
			exitTemporary, "members.csv changed while it was being read",
		},
		"the input is edited": {
			func(p *program) { p.write("members.csv", []byte(strings.ToUpper(p.read("members.csv")))) },
			exitTemporary, "members.csv changed while it was being read",
		},
		"the input is replaced": {
			func(p *program) {
				p.write("new.csv", []byte(p.read("members.csv")+more))
				p.rename("new.csv", "members.csv")
			},
			exitTemporary, "members.csv changed while it was being read",
		},
		"the results are removed": {
			func(p *program) { p.rename("results.csv", "moved.csv") },
			exitStopped, "results.csv was removed or replaced during the run",
		},
		"the results are replaced": {
			func(p *program) {
				p.write("new.csv", []byte(p.results()))
				p.rename("new.csv", "results.csv")
			},
			exitStopped, "results.csv was removed or replaced during the run",
		},
		"the results are written to": {
			func(p *program) { appendTo(p, "results.csv") },
			exitStopped, "results.csv was written to by something else",
		},
		"the results are emptied": {
			func(p *program) { p.write("results.csv", nil) },
			exitStopped, "results.csv was written to by something else",
		},
	} {
		onFakeClock(t, name, func(t *testing.T) {
			in := newProofInput(proofLines(400, 10))
			tenant := newProofTenant(slowly())
			p := newProgram(t, tenant, in.csv)
			run := p.start("--workers", "1")
			waitUntil(t, run, func() bool { return strings.Count(p.results(), "\n") > 50 })
			time.Sleep(100 * time.Millisecond) // on the fake clock, for a later modification time
			test.change(p)
			e := run.end()
			if e.code != test.code {
				t.Fatalf("exit code %d:\n%s", e.code, e.stderr)
			}
			e.says(t, test.says)
			e.says(t, "hint: ")
			if n := strings.Count(e.stderr, test.says); n != 1 {
				t.Errorf("stderr says %q %d times:\n%s", test.says, n, e.stderr)
			}
			if _, err := readSummary(e.stderr); err != nil {
				t.Error(err)
			}
		})
	}
}

func (p *program) rename(from, to string) {
	p.t.Helper()
	if err := os.Rename(p.path(from), p.path(to)); err != nil {
		p.t.Fatal(err)
	}
}

// TestResultsThatChangeBeforeTheFirstAnswerAreKept: a run that continues from them
// has already read them.
func TestResultsThatChangeBeforeTheFirstAnswerAreKept(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		in := newProofInput(proofLines(100, 5))
		tenant := newProofTenant(auth0test.Config{Latency: auth0test.Fixed(time.Second)})
		p := newProgram(t, tenant, in.csv)
		p.run(exitDuration, "--max-duration", "2500ms", "--workers", "1")
		run := p.start("--resume")
		waitUntil(t, run, func() bool { return tenant.Stats().InFlight > 0 })
		changed := p.results() + "this is no line of ours\n"
		p.write("results.csv", []byte(changed))
		e := run.end()
		if e.code != exitStopped || p.results() != changed {
			t.Errorf("exit code %d:\n%s", e.code, e.stderr)
		}
		e.says(t, "results.csv was changed by something else")
	})
}

// TestRowsThatWereTakenOutAreToldNoMore, after a run has read the input to its end
// without them, and not before.
func TestRowsThatWereTakenOutAreToldNoMore(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		good := proofLines(60, 3)
		tenant := newProofTenant(slowly())
		p := newProgram(t, tenant, newProofInput(append([]string{"org_0000000000000000,auth0|unknown", "org_0000000000000000,"}, good[:40]...)).csv)
		p.run(exitRows, "--failures", "failures.csv")

		mended := newProofInput(good)
		p.write("members.csv", mended.csv)
		e := p.run(exitDuration, "--failures", "failures.csv", "--resume", "--workers", "1", "--max-duration", "150ms")
		if _, err := readSummary(e.stderr); err != nil {
			t.Error(err)
		}
		for _, name := range []string{"results.csv", "failures.csv"} {
			if got := p.read(name); strings.Count(got, ",failed,") != 1 || strings.Count(got, ",rejected,") != 1 {
				t.Errorf("%s no longer has what failed:\n%s", name, got)
			}
		}
		p.run(exitDone, "--failures", "failures.csv", "--resume")
		if err := mended.checkMembers(tenant.Tenant); err != nil {
			t.Error(err)
		}
		if got := p.results(); strings.Count(got, "\n") != 61 || strings.Count(got, ",added,") != 60 {
			t.Errorf("the results are\n%s", got)
		}
		if got := p.read("failures.csv"); got != proofResultsHeader {
			t.Errorf("the failures are\n%s", got)
		}
	})
}
