//go:build unix

package main

import (
	"syscall"
	"testing"
	"time"

	"orgimport/importer/auth0/auth0test"
)

// TestSignalStopsARunThatWaitsForAPipeToOpen: no one has opened the other end.
func TestSignalStopsARunThatWaitsForAPipeToOpen(t *testing.T) {
	t.Parallel()
	tenant := newServedTenant(t, auth0test.Config{})
	p := newProgram(t, tenant, nil)
	if err := syscall.Mkfifo(p.path("pipe.csv"), 0o600); err != nil {
		t.Skip("no pipes with a name here: ", err)
	}
	run := p.begin(p.command("import", "pipe.csv"))
	started := time.Now()
	waitUntil(t, run, func() bool { return time.Since(started) > 300*time.Millisecond }) // a start takes a tenth of that
	e := run.signal(syscall.SIGTERM)
	if e.code != exitSignal+int(syscall.SIGTERM) || e.took > 3*time.Second {
		t.Errorf("exit code %d after %s:\n%s", e.code, e.took, e.stderr)
	}
	if _, err := readSummary(e.stderr); err != nil {
		t.Error(err)
	}
}
