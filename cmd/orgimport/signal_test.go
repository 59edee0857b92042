package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

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
	t.Parallel()
	again := make(chan struct{})
	tenant := auth0test.New(auth0test.Config{Fault: func(r *http.Request, n int) auth0test.Fault {
		if n == 2 && strings.HasSuffix(r.URL.Path, "/members") {
			close(again)
		}
		return auth0test.Fault{}
	}})
	address, shut, err := serve(tenant, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer shut()
	results := filepath.Join(t.TempDir(), "results.csv")
	line := "line,org_id,user_id,status,http_status,error_code,message,attempts,correlation_id,timestamp\n" +
		"2,org_a,auth0|1,added,204,,,1,,2026-05-04T10:00:00Z\n"
	if err := os.WriteFile(results, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.Command("orgimport", "verify", results, "--settle", "1h")
	cmd.Env = append(os.Environ(), "AUTH0_DOMAIN="+address, "AUTH0_CLIENT_ID=client", "AUTH0_CLIENT_SECRET=s3cret")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-again
	if code := stopped(t, cmd, syscall.SIGINT); code != 130 {
		t.Errorf("exit code %d", code)
	}
	if !strings.HasSuffix(stdout.String(), "\n2,org_a,auth0|1,not a member\n") {
		t.Errorf("stdout is %q", stdout.String())
	}
	if said := stderr.String(); !strings.Contains(said, "stopped by SIGINT") || !strings.HasSuffix(said, "\n1 lines = 0 there + 1 missing\n") {
		t.Errorf("stderr is %q", said)
	}
}

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
