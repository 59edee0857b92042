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

// TestVerifyGivesUpOnAListThatNeverEnds. Reported of a verify that ran for ever.
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
	// More than a pipe holds: once it is written, it is read.
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

// TestSignalAtTheEndIsNotTheSecond: it comes when the run has ended by itself.
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
