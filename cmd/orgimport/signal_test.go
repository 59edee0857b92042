package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"orgimport/importer/auth0/auth0test"
)

// stopped sends a signal to a program and returns its exit code.
func stopped(t *testing.T, cmd *exec.Cmd, signal syscall.Signal) int {
	t.Helper()
	if err := cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

func TestSignalStopsVerifyWhileItWaitsForTheList(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		var asked atomic.Int64
		tenant := newProofTenant(auth0test.Config{Fault: func(r *http.Request, _ int) auth0test.Fault {
			if strings.HasSuffix(r.URL.Path, "/members") {
				asked.Add(1)
			}
			return auth0test.Fault{}
		}})
		p := newProgram(t, tenant, nil)
		p.write("results.csv", []byte(proofResultsHeader+"2,org_a,auth0|1,added,204,,,1,,2026-05-04T10:00:00Z\n"))
		run := p.begin(p.prepare("verify", "results.csv", "--settle", "1h"))
		waitUntil(t, run, func() bool { return asked.Load() == 2 })
		run.signals <- syscall.SIGINT
		if code := <-run.ended; code != exitSignal+int(syscall.SIGINT) {
			t.Errorf("exit code %d", code)
		}
		if !strings.HasSuffix(run.stdout.String(), "\n2,org_a,auth0|1,not a member\n") {
			t.Errorf("stdout is %q", run.stdout.String())
		}
		if said := run.stderr.String(); !strings.Contains(said, "stopped by SIGINT") || !strings.HasSuffix(said, "\n1 line = 0 there + 1 missing\n") {
			t.Errorf("stderr is %q", said)
		}
	})
}

// TestVerifyGivesUpOnAListThatNeverEnds. It was reported for a verify that did not
// end.
func TestVerifyGivesUpOnAListThatNeverEnds(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		tenant := newProofTenant(auth0test.Config{})
		p := newProgram(t, tenant, nil)
		p.write("results.csv", []byte(proofResultsHeader+"2,org_a,auth0|1,added,204,,,1,,2026-05-04T10:00:00Z\n"))
		run := p.prepare("verify", "results.csv")
		pages := 0
		run.transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			if !strings.HasSuffix(r.URL.Path, "/members") {
				return tenant.RoundTrip(r)
			}
			pages++
			return &http.Response{
				StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
				Body: io.NopCloser(strings.NewReader(fmt.Sprintf(`{"members":[{"user_id":"auth0|2"}],"next":"%d"}`, pages))),
			}, nil
		})
		if code := <-p.begin(run).ended; code == exitDone || pages > 10 {
			t.Errorf("exit code %d after %d pages", code, pages)
		}
		if said := run.stderr.String(); !strings.Contains(said, "gives out the same page again and again") || !strings.HasSuffix(said, "\n1 line = 0 there + 1 not checked\n") {
			t.Errorf("stderr is %q", said)
		}
	})
}

// TestSignalEndsEveryWaitForTheTenant at once, unless the request changes something.
func TestSignalEndsEveryWaitForTheTenant(t *testing.T) {
	for _, test := range []struct{ typed, hangs string }{
		{"import members.csv", "/oauth/token"},
		{"import members.csv --check-users", "/users"},
		{"import members.csv --skip-members", "GET /members"},
		{"import people.csv --lookup each", "/users-by-email"},
		{"import people.csv --lookup export", "GET /jobs/"},
		{"import people.csv --lookup export", "/users.json.gz"},
		{"plan members.csv --check", "GET /organizations"},
		{"diff members.csv", "GET /members"},
		{"export acme", "GET /organizations"},
		{"verify results.csv", "GET /members"},
	} {
		onFakeClock(t, strings.ReplaceAll(test.typed+" "+test.hangs, "/", " "), func(t *testing.T) {
			tenant := newProofTenant(auth0test.Config{})
			p := newProgram(t, tenant, newProofInput([]string{"org_a,auth0|1"}).csv)
			p.write("people.csv", []byte("org_id,email\norg_a,ann@example.com\n"))
			p.write("results.csv", []byte(proofResultsHeader+"2,org_a,auth0|1,added,204,,,1,,2026-05-04T10:00:00Z\n"))
			args := strings.Fields(test.typed)
			if args[0] == "import" {
				args = append(args, "--results", "new.csv")
			}
			run := p.prepare(args...)
			method, part, some := strings.Cut(test.hangs, " ")
			if !some {
				method, part = "", test.hangs
			}
			var hung time.Time
			run.transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				if hung.IsZero() && strings.Contains(r.URL.Path, part) && (method == "" || r.Method == method) {
					hung = time.Now()
					run.signals <- syscall.SIGTERM
					return silent{}.RoundTrip(r)
				}
				return tenant.RoundTrip(r)
			})
			code := <-p.begin(run).ended
			if hung.IsZero() || time.Since(hung) > 0 || code != exitSignal+int(syscall.SIGTERM) {
				t.Errorf("exit code %d, %s after the signal:\n%s", code, time.Since(hung), run.stderr.String())
			}
		})
	}
}

// TestSignalEndsEveryWaitForAPipe that nobody writes to.
func TestSignalEndsEveryWaitForAPipe(t *testing.T) {
	t.Parallel()
	for _, typed := range []string{
		"import PIPE", "plan PIPE", "diff PIPE", "remove PIPE --max-removals 1", "verify PIPE", "report PIPE", "export --orgs PIPE", "import members.csv --users PIPE",
	} {
		dir := t.TempDir()
		pipe, members := filepath.Join(dir, "pipe"), filepath.Join(dir, "members.csv")
		if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.WriteFile(members, []byte("org_id,email\norg_a,ann@example.com\n"), 0o600)); err != nil {
			t.Fatal(err)
		}
		args := strings.Fields(strings.NewReplacer("PIPE", pipe, "members.csv", members).Replace(typed))
		if args[0] == "import" || args[0] == "remove" {
			args = append(args, "--results", filepath.Join(dir, "results.csv"))
		}
		signals := make(chan os.Signal, 1)
		time.AfterFunc(50*time.Millisecond, func() { signals <- syscall.SIGTERM })
		if code, _, stderr := inMemory(newProofTenant(auth0test.Config{}), signals, args...); code != exitSignal+int(syscall.SIGTERM) {
			t.Errorf("%s: exit code %d:\n%s", typed, code, stderr)
		}
		w, err := os.OpenFile(pipe, os.O_RDWR, 0) // ends the wait of the goroutine that opens it
		if err != nil {
			t.Fatal(err)
		}
		_ = w.Close()
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestSignalStopsAPlanOfAPipeThatStaysOpen(t *testing.T) {
	t.Parallel()
	failures := filepath.Join(t.TempDir(), "failures.csv")
	var stdout, stderr bytes.Buffer
	cmd := exec.Command("orgimport", "plan", "-", "--failures", failures)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// More than fits in a pipe: once it is written, it has been read.
	if _, err := io.WriteString(stdin, "org_id,user_id\n"+strings.Repeat("org_a,\n", 100_000)); err != nil {
		t.Fatal(err)
	}
	if code := stopped(t, cmd, syscall.SIGTERM); code != 143 {
		t.Errorf("exit code %d", code)
	}
	if stdout.Len() > 0 || stderr.String() != "orgimport: error: stopped by SIGTERM\n" {
		t.Errorf("stdout is %q, stderr is %q", stdout.String(), stderr.String())
	}
	if left, err := os.ReadDir(filepath.Dir(failures)); len(left) > 0 || err != nil {
		t.Errorf("it leaves %v behind: %v", left, err)
	}
}

// TestSignalAtTheEndIsNotTheSecond: a signal comes after the run has ended by
// itself.
func TestSignalAtTheEndIsNotTheSecond(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			signals := make(chan os.Signal, 1)
			s := surroundings{
				signals: func() <-chan os.Signal { return signals },
				exit:    func(code int) { t.Errorf("it ended at once, with exit code %d", code) },
			}
			_, end := s.untilSignal(nil, nil)
			end()
			signals <- syscall.SIGTERM
		})
	}
}
