package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"orgimport/importer/auth0/auth0test"
)

// TestFullDiskStopsARunThatCanGoOn with a real filesystem of 256 KiB.
func TestFullDiskStopsARunThatCanGoOn(t *testing.T) {
	t.Parallel()
	disk := mountSmallDisk(t)
	tenant := newServedTenant(t, auth0test.Config{Latency: auth0test.Fixed(5 * time.Millisecond)})
	in := newProofInput(mixed(9, proofLines(4000, 40), 3, 2, 2, 5))
	p := newProgram(t, tenant, in.csv)
	results := filepath.Join(disk, "results.csv")
	args := []string{"--results", results, "--lock", p.path("lock")}

	e := p.run(exitStopped, args...)
	e.says(t, "can't write "+results)
	e.says(t, "no space left on device")
	e.says(t, "hint: ")
	e.says(t, "room")
	e.says(t, "continue with: orgimport import ")
	content, err := os.ReadFile(results)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(in.checkResults(string(content), false), checkSummary(e.stderr, string(content))); err != nil {
		t.Error(err)
	}
	added := 0
	for orgID := range in.members {
		added += len(tenant.Members(orgID))
	}
	if n := strings.Count(string(content), ",added,"); n != added || n == 0 {
		t.Errorf("the tenant added %d, the results have %d", added, n)
	}

	p.run(exitStopped, append(args, "--resume")...).says(t, "no space left on device")

	remount(t, disk, "size=8m")
	e = p.run(exitRows, append(args, "--resume")...)
	if content, err = os.ReadFile(results); err != nil {
		t.Fatal(err)
	}
	p.holdsNoSecret(results, string(content))
	err = errors.Join(in.checkResults(string(content), true), in.checkMembers(tenant.Tenant), checkSummary(e.stderr, string(content)))
	if err != nil {
		t.Error(err)
	}
}

// TestResultsThatCantBeWrittenStopBeforeTheFirstRequest.
func TestResultsThatCantBeWrittenStopBeforeTheFirstRequest(t *testing.T) {
	t.Parallel()
	for name, place := range map[string]func(*testing.T, *program) []string{
		"in no folder": func(*testing.T, *program) []string {
			return []string{"--results", "members.csv/results.csv"}
		},
		"in a folder that is not there": func(*testing.T, *program) []string {
			return []string{"--results", "missing/results.csv"}
		},
		"in a folder that may not be written": func(t *testing.T, p *program) []string {
			if os.Getuid() == 0 {
				t.Skip("root may write everywhere")
			}
			if err := os.Mkdir(p.path("closed"), 0o500); err != nil {
				t.Fatal(err)
			}
			return []string{"--results", "closed/results.csv", "--lock", "lock"}
		},
		"on a disk that is read-only": func(t *testing.T, p *program) []string {
			disk := mountSmallDisk(t)
			remount(t, disk, "ro")
			return []string{"--results", filepath.Join(disk, "results.csv"), "--lock", "lock"}
		},
		"failures, on a disk that is full": func(t *testing.T, _ *program) []string {
			if runtime.GOOS != "linux" {
				t.Skip("there is no /dev/full")
			}
			return []string{"--failures", "/dev/full"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tenant := newServedTenant(t, slowly())
			p := newProgram(t, tenant, newProofInput(proofLines(100, 5)).csv)
			code := exitUsage
			if strings.Contains(name, "full") {
				code = exitStopped
			}
			p.run(code, place(t, p)...).says(t, "hint: ")
			if n := tenant.Stats().Total(); n != 0 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// mountSmallDisk mounts a filesystem of 256 KiB, which needs root on Linux.
func mountSmallDisk(t *testing.T) string {
	t.Helper()
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Skip("only root on Linux can mount a small disk")
	}
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("no small disk can be mounted here: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	return dir
}

func remount(t *testing.T, dir, options string) {
	t.Helper()
	if out, err := exec.Command("mount", "-o", "remount,"+options, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
