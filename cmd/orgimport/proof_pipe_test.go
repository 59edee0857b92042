//go:build unix

package main

import (
	"os"
	"syscall"
	"testing"
	"time"

	"orgimport/importer/auth0/auth0test"
)

// TestSignalStopsARunThatWaitsForAPipeToOpen: no one has opened the other end.
func TestSignalStopsARunThatWaitsForAPipeToOpen(t *testing.T) {
	t.Parallel()
	p := newProgram(t, newProofTenant(auth0test.Config{}), nil)
	if err := syscall.Mkfifo(p.path("pipe.csv"), 0o600); err != nil {
		t.Skip("no pipes with a name here: ", err)
	}
	run := p.begin(p.prepare("import", "pipe.csv"))
	time.Sleep(50 * time.Millisecond)
	e := run.signal(syscall.SIGTERM)
	if e.code != exitSignal+int(syscall.SIGTERM) || e.took > 15*time.Second {
		t.Errorf("exit code %d after %s:\n%s", e.code, e.took, e.stderr)
	}
	if _, err := readSummary(e.stderr); err != nil {
		t.Error(err)
	}
	// Release the goroutine that still waits for the other end.
	if other, err := os.OpenFile(p.path("pipe.csv"), os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
		_ = other.Close()
	}
}
