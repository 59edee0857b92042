package main

import (
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"orgimport/importer/auth0/auth0test"
)

// TestKilledRunsLoseNothing kills the program at random moments, even while it
// starts, and resumes it until it ends by itself. PROOF=full kills it 200 times.
func TestKilledRunsLoseNothing(t *testing.T) {
	t.Parallel()
	kills := 5
	if proofInFull() {
		kills = 200
	}
	for round := uint64(0); kills > 0; round++ {
		kills -= killUntilDone(t, round, min(kills, 20))
	}
}

// killUntilDone imports a file, killing the program at most that often, and returns
// how often it did.
func killUntilDone(t *testing.T, seed uint64, most int) (kills int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	tenant := newServedTenant(t, auth0test.Config{
		Latency: auth0test.Uniform(5*time.Millisecond, 40*time.Millisecond),
		Limits:  proofLimit(auth0test.Limit{Size: 40, Per: 120, Interval: time.Second}),
		Seed:    seed,
	})
	in := newProofInput(mixed(seed, proofLines(900, 30), 3, 2, 3, 4))
	p := newProgram(t, tenant, in.csv)
	for {
		run := p.start("--resume")
		if kills < most {
			// The start takes some 60 ms, and the rest about a second.
			killed := time.AfterFunc(time.Duration(rng.Int64N(int64(600*time.Millisecond))), func() { _ = run.Process.Kill() })
			e := run.end()
			killed.Stop()
			if e.code == -1 {
				kills++
				continue
			}
		} else {
			run.end()
		}
		if code := run.ProcessState.ExitCode(); code != exitRows {
			t.Fatalf("after %d kills: exit code %d:\n%s", kills, code, run.stderr.String())
		}
		p.complete(in, ended{stderr: run.stderr.String()})
		t.Logf("%d kills, %d requests for %d batches", kills, tenant.writes(), in.batches)
		return kills
	}
}

// TestSignalStopsARunWhereverItStands sends SIGTERM and SIGINT to runs that wait
// for something that does not happen.
func TestSignalStopsARunWhereverItStands(t *testing.T) {
	t.Parallel()
	// It is some milliseconds, and on a busy machine of a process seconds. One
	// that did not heed the signal would go on for 28 s, or wait for an hour.
	const prompt = 15 * time.Second
	for name, test := range map[string]struct {
		signal  syscall.Signal
		tenant  auth0test.Config
		stuck   func(*proofTenant) bool
		args    []string
		stdin   string // an input that has no end
		within  time.Duration
		noLines bool // the run ends before there are results
		process bool // what is tested is the signal itself, or a pipe
	}{
		"at work": {
			signal:  syscall.SIGTERM,
			tenant:  auth0test.Config{Limits: proofLimit(auth0test.Limit{Size: 20, Per: 10, Interval: time.Second})},
			stuck:   func(p *proofTenant) bool { return p.writes() > 10 },
			within:  prompt,
			process: true,
		},
		"at work, from the keyboard": {
			signal:  syscall.SIGINT,
			tenant:  auth0test.Config{Limits: proofLimit(auth0test.Limit{Size: 20, Per: 10, Interval: time.Second})},
			stuck:   func(p *proofTenant) bool { return p.writes() > 10 },
			within:  prompt,
			process: true,
		},
		"at work, and the terminal is closed": {
			signal:  syscall.SIGHUP,
			tenant:  auth0test.Config{Limits: proofLimit(auth0test.Limit{Size: 20, Per: 10, Interval: time.Second})},
			stuck:   func(p *proofTenant) bool { return p.writes() > 10 },
			within:  prompt,
			process: true,
		},
		"a pipe that stays open": {
			signal:  syscall.SIGTERM,
			stuck:   func(p *proofTenant) bool { return p.writes() > 10 },
			stdin:   proofHeader + strings.Join(proofLines(295, 1), "\n") + "\n",
			within:  prompt,
			process: true,
		},
		"a pipe that stays empty": {
			signal:  syscall.SIGTERM,
			stuck:   func(*proofTenant) bool { return true },
			stdin:   proofHeader + strings.Repeat("\n", 1<<20), // more than fits in a pipe: once it is written, it has been read
			within:  prompt,
			noLines: true,
			process: true,
		},
		"a limit that lets one through an hour": {
			signal: syscall.SIGTERM,
			tenant: auth0test.Config{Limits: proofLimit(auth0test.Limit{Size: 1, Per: 1, Interval: time.Hour})},
			stuck:  func(p *proofTenant) bool { return p.writes() >= 1 },
			args:   []string{"--max-wait", "2h"},
			within: prompt,
		},
		"a server that is down": {
			signal: syscall.SIGINT,
			tenant: auth0test.Config{Incidents: []auth0test.Incident{auth0test.Outage(0, time.Hour)}},
			stuck:  func(p *proofTenant) bool { return p.Stats().Total() >= 3 },
			within: prompt,
		},
		"a server that never answers": {
			signal: syscall.SIGTERM,
			tenant: hanging(auth0test.WriteMembers),
			stuck:  writeHangs,
			args:   []string{"--request-timeout", "2s"},
			within: 2*time.Second + prompt,
		},
		"a token that never comes": {
			signal: syscall.SIGTERM,
			tenant: hanging(auth0test.Tokens),
			stuck:  func(p *proofTenant) bool { return p.Stats().InFlight >= 1 },
			within: prompt,
		},
	} {
		stopIt := func(t *testing.T) {
			tenant := newProofTenant(test.tenant)
			if test.process {
				tenant = newServedTenant(t, test.tenant)
			}
			in := newProofInput(proofLines(3000, 10))
			p := newProgram(t, tenant, in.csv)
			var run *running
			if test.stdin == "" {
				run = p.start(test.args...)
			} else {
				in = newProofInput(proofLines(295, 1))
				run = p.command("import", "-")
				stays := openPipe(t, run)
				defer stays.Close()
				p.begin(run)
				if _, err := io.WriteString(stays, test.stdin); err != nil {
					t.Fatal(err)
				}
			}
			waitUntil(t, run, func() bool { return test.stuck(tenant) })
			e := run.signal(test.signal)
			if e.code != exitSignal+int(test.signal) {
				t.Fatalf("exit code %d:\n%s", e.code, e.stderr)
			}
			if e.took > test.within {
				t.Errorf("it went on for %s after the signal", e.took)
			}
			if !test.noLines {
				p.partly(in, e)
			} else if _, err := readSummary(e.stderr); err != nil {
				t.Error(err) // reported of a signal before the results are open
			}
		}
		if !test.process {
			onFakeClock(t, name, stopIt)
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.signal == syscall.SIGHUP && signal.Ignored(syscall.SIGHUP) {
				t.Skip("SIGHUP is ignored here, as under nohup")
			}
			stopIt(t)
		})
	}
}

// TestHangUpIsIgnoredUnderNohup: a run under nohup continues after SIGHUP, and
// still stops on SIGTERM.
func TestHangUpIsIgnoredUnderNohup(t *testing.T) {
	t.Parallel()
	tenant := newServedTenant(t, auth0test.Config{Latency: auth0test.Fixed(20 * time.Millisecond)})
	in := newProofInput(proofLines(3000, 10))
	p := newProgram(t, tenant, in.csv)
	run := p.command("import", "members.csv")
	orgimport, err := exec.LookPath("orgimport")
	if err != nil {
		t.Fatal(err)
	}
	run.Path, run.Args = "/bin/sh", []string{"sh", "-c", `trap "" HUP; exec "$0" import members.csv`, orgimport}
	p.begin(run)
	waitUntil(t, run, func() bool { return tenant.writes() > 5 })
	if err := run.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	writes := tenant.writes()
	waitUntil(t, run, func() bool { return tenant.writes() > writes+20 })
	e := run.signal(syscall.SIGTERM)
	if e.code != exitSignal+int(syscall.SIGTERM) {
		t.Fatalf("exit code %d:\n%s", e.code, e.stderr)
	}
	p.partly(in, e)
}

// TestStoppedRunFinishesWhatIsOnTheWire: every user whom the tenant has added by
// the end of a stopped run has a line.
func TestStoppedRunFinishesWhatIsOnTheWire(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		tenant := newProofTenant(auth0test.Config{Latency: auth0test.Fixed(400 * time.Millisecond)})
		in := newProofInput(proofLines(500, 10))
		p := newProgram(t, tenant, in.csv)
		run := p.start()
		waitUntil(t, run, func() bool { return tenant.Stats().InFlight > 5 && tenant.writes() > 1 })
		e := run.signal(syscall.SIGTERM)
		p.partly(in, e)
		added := 0
		for orgID := range in.members {
			added += len(tenant.Members(orgID))
		}
		if terms, err := readSummary(e.stderr); err != nil || terms["added"] != added {
			t.Errorf("the tenant added %d, the summary has %v: %v", added, terms, err)
		}
		p.complete(in, p.run(exitDone, "--resume"))
	})
}

// TestFirstSignalDoesNotCutARunThatStopsByItself: requests in flight when
// --max-errors stops it are finished.
func TestFirstSignalDoesNotCutARunThatStopsByItself(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		tenant := newProofTenant(auth0test.Config{
			Fault: func(r *http.Request, n int) auth0test.Fault {
				switch {
				case n == 1: // is waited for, whichever it is, and sent again
					return auth0test.Fault{Status: http.StatusServiceUnavailable}
				case strings.Contains(r.URL.Path, "org_slow"):
					return auth0test.Fault{Delay: 20 * time.Second}
				}
				return auth0test.Fault{Delay: 10 * time.Second}
			},
		})
		in := newProofInput([]string{"org_slow1,auth0|1", "org_slow2,auth0|2", "org_quick,auth0|unknown"})
		p := newProgram(t, tenant, in.csv)
		run := p.start("--max-errors", "1", "--workers", "3")
		waitUntil(t, run, func() bool { return strings.Contains(p.results(), ",failed,") })
		synctest.Wait() // until the run has stopped because of it
		e := run.signal(syscall.SIGINT)
		if e.code != exitErrors || e.took < 500*time.Millisecond {
			t.Fatalf("exit code %d after %s:\n%s", e.code, e.took, e.stderr)
		}
		p.partly(in, e)
		if n := strings.Count(p.results(), ",added,"); n != 2 {
			t.Errorf("the answer that was on its way is lost: %d are added", n)
		}
	})
}

// TestSecondSignalEndsAtOnce, even if a request is in flight.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	tenant := newServedTenant(t, hanging(auth0test.WriteMembers))
	p := newProgram(t, tenant, newProofInput(proofLines(100, 1)).csv)
	run := p.start()
	waitUntil(t, run, func() bool { return writeHangs(tenant) })
	if err := run.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	second := make(chan struct{})
	time.AfterFunc(500*time.Millisecond, func() {
		close(second) // before the signal: the program may end right after it
		_ = run.Process.Signal(syscall.SIGINT)
	})
	e := run.end()
	select {
	case <-second:
	default:
		t.Error("it did not wait for the request on the wire")
	}
	if e.code != exitSignal+int(syscall.SIGINT) || e.took > 20*time.Second {
		t.Errorf("exit code %d after %s", e.code, e.took)
	}
}

// writeHangs reports whether the request after the one for the token is in flight.
func writeHangs(p *proofTenant) bool {
	s := p.Stats()
	return s.Count(auth0test.Tokens, http.StatusOK) == 1 && s.InFlight == 1
}

// hanging is a tenant that never answers requests of a class.
func hanging(class auth0test.Class) auth0test.Config {
	return auth0test.Config{Incidents: []auth0test.Incident{{Class: class, Fault: auth0test.Fault{Hang: true}}}}
}

// signal sends a signal and waits for the end; the time counts from then.
func (r *running) signal(s os.Signal) ended {
	r.program.t.Helper()
	if r.ended != nil {
		r.signals <- s
	} else if err := r.Process.Signal(s); err != nil {
		r.program.t.Fatal(err)
	}
	r.began = time.Now()
	return r.end()
}

// waitUntil waits for a condition while a program runs.
func waitUntil(t *testing.T, run *running, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			if run.ended == nil {
				_ = run.Process.Kill()
			}
			t.Fatalf("it does not come about:\n%s", run.end().stderr)
		}
	}
}

func openPipe(t *testing.T, run *running) io.WriteCloser {
	t.Helper()
	w, err := run.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	return w
}
