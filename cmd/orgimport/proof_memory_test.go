package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"orgimport/importer/auth0/auth0test"
	"orgimport/report"
)

// TestMemoryOfAMillionRows measures the figures in the Kubernetes manifests and the
// README: the peak memory of a process that imports a million rows in 100,000
// organizations, or resumes such an import.
//
//	PROOF=full go test -v -timeout 1h -run MemoryOfAMillion ./cmd/orgimport
func TestMemoryOfAMillionRows(t *testing.T) {
	if !proofInFull() {
		t.Skip("it takes minutes")
	}
	const rows, organizations, most = 1_000_000, 100_000, 448
	row := func(i int) string {
		return fmt.Sprintf("org_%016x,auth0|%024x", i*7919%organizations, i)
	}
	var input bytes.Buffer
	input.WriteString("org_id,user_id\n")
	for i := range rows {
		input.WriteString(row(i) + "\n")
	}
	const (
		added  = ",added,204,,,1,oi-1-1,2026-03-01T12:00:00Z\n"
		failed = ",failed,503,,the server gave no usable answer,8,oi-1-1,2026-03-01T12:00:00Z\n"
	)
	for _, tt := range []struct {
		name string
		line func(i int) string // of the results before; empty: none
	}{
		{"from the start", nil},
		{"all done", func(int) string { return added }},
		{"half of them done", func(i int) string {
			if i%2 == 0 {
				return added
			}
			return ""
		}},
		{"half of them failed", func(i int) string {
			if i%2 == 0 {
				return added
			}
			return failed
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tenant := newServedTenant(t, auth0test.Config{Limits: proofLimit(auth0test.Limit{Size: 1_000_000, Per: 1_000_000, Interval: time.Second})})
			p := newProgram(t, tenant, input.Bytes())
			if tt.line != nil {
				f, err := os.Create(p.path("results.csv"))
				if err != nil {
					t.Fatal(err)
				}
				w := bufio.NewWriter(f)
				fmt.Fprint(w, proofResultsHeader)
				for i := range rows {
					if line := tt.line(i); line != "" {
						fmt.Fprintf(w, "%d,%s%s", i+2, row(i), line)
					}
				}
				if err := w.Flush(); err != nil {
					t.Fatal(err)
				}
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
			}
			run := p.start("--resume", "--quiet")
			done := make(chan int)
			go func() { done <- peakOf(run) }()
			if e := run.end(); e.code != exitDone {
				t.Fatalf("exit code %d:\n%s", e.code, e.stderr)
			}
			peak := <-done
			t.Logf("%d MiB", peak)
			if peak == 0 || peak > most {
				t.Errorf("it took %d MiB, the limit of the manifests is to be above %d", peak, most)
			}
		})
	}
}

// TestMemoryOfAMillionMembers measures the peak memory of a process that compares a
// million rows with a million members of 1,000 organizations, and its requests. Of
// 1,000 members, 10 join and 10 leave, or nearly all.
//
//	PROOF=full go test -v -timeout 1h -run MemoryOfAMillion ./cmd/orgimport
func TestMemoryOfAMillionMembers(t *testing.T) {
	if !proofInFull() {
		t.Skip("it takes minutes")
	}
	// 11,000 reads, and a request for a token.
	const organizations, each, most, mostRequests = 1000, 1000, 300, 11_000 + 1
	for _, changed := range []int{10, 999} {
		t.Run(fmt.Sprint(changed), func(t *testing.T) {
			plenty := auth0test.Limit{Size: 1_000_000, Per: 1_000_000, Interval: time.Second}
			limits := proofLimit(plenty)
			limits.Endpoints[auth0test.Other] = []auth0test.Limit{plenty}
			tenant := newServedTenant(t, auth0test.Config{Limits: limits})
			var input bytes.Buffer
			input.WriteString("org_id,user_id\n")
			for i := range organizations {
				org, members := fmt.Sprintf("org_%016x", i), make([]string, each)
				for j := range members {
					members[j] = fmt.Sprintf("auth0|%024x", i*each+j)
					moved := (j + changed) % each
					if moved < j {
						moved += each * organizations
					}
					fmt.Fprintf(&input, "%s,auth0|%024x\n", org, i*each+moved)
				}
				tenant.AddMembers(org, members...)
			}
			p := newProgram(t, tenant, input.Bytes())
			run := p.begin(p.command("diff", "members.csv", "--joiners", "in.csv", "--leavers", "out.csv", "--quiet"))
			done := make(chan int)
			go func() { done <- peakOf(run) }()
			if code := run.wait(); code != exitDone {
				t.Fatalf("exit code %d:\n%s", code, run.stderr.String())
			}
			n := report.Number(changed * organizations)
			if got, want := run.stdout.String(), "1,000,000 members of 1,000 organizations: "+n+" to add, "+n+" to remove, 0 kept\n"; got != want {
				t.Errorf("%q, want %q", got, want)
			}
			requests := 0
			for _, answered := range tenant.Stats().Requests {
				for _, n := range answered {
					requests += n
				}
			}
			peak := <-done
			t.Logf("%d MiB, %d requests", peak, requests)
			if peak == 0 || peak > most || requests > mostRequests {
				t.Errorf("it took %d MiB and %d requests, not at most %d and %d", peak, requests, most, mostRequests)
			}
		})
	}
}

// peakOf watches a process until it ends, and returns its peak memory, in MiB. The
// kernel's figure at the end includes the test itself, of which the process was a
// copy for a moment.
func peakOf(run *running) (most int) {
	for tick := time.Tick(100 * time.Millisecond); ; <-tick {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", run.Process.Pid))
		_, peak, found := strings.Cut(string(status), "VmHWM:")
		if err != nil || !found {
			return most
		}
		var kib int
		if _, err := fmt.Sscan(peak, &kib); err != nil {
			return most
		}
		most = max(most, kib>>10)
	}
}
