package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/gocarina/gocsv"

	"orgimport/cmd/orgimport/internal/job"
	"orgimport/cmd/orgimport/internal/tenancy"
	"orgimport/importer"
	"orgimport/importer/auth0"
)

// madeRows is a CSV of n rows over orgs organizations, in random order, with ids as
// long as Auth0's. It is generated while it is read and needs no memory.
type madeRows struct {
	n, orgs int
	rnd     *rand.Rand
	done    int
	rest    []byte
}

func (m *madeRows) Read(p []byte) (int, error) {
	if m.rnd == nil {
		m.rnd = rand.New(rand.NewPCG(1, 2))
		m.rest = []byte("org_id,user_id\n")
	}
	for len(m.rest) < len(p) && m.done < m.n {
		m.rest = fmt.Appendf(m.rest, "org_%016d,auth0|%024x\n", m.rnd.IntN(m.orgs), m.done)
		m.done++
	}
	if len(m.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, m.rest)
	m.rest = append(m.rest[:0], m.rest[n:]...)
	return n, nil
}

// BenchmarkPipeline passes a million rows in 100,000 organizations from CSV to a
// results file, without sending them. The time is compared with that of gocsv
// alone, which only reads the rows:
//
//	go test ./cmd/orgimport -run '^$' -bench Pipeline/time -benchtime 5x
//	go test ./cmd/orgimport -run '^$' -bench Pipeline/memory -benchtime 1x
func BenchmarkPipeline(b *testing.B) {
	rows := madeRows{n: 1_000_000, orgs: 100_000}
	b.Run("time", func(b *testing.B) {
		file, err := io.ReadAll(&rows)
		if err != nil {
			b.Fatal(err)
		}
		var alone, whole time.Duration
		for b.Loop() {
			runtime.GC()
			start := time.Now()
			var all []importer.Row
			if err := gocsv.UnmarshalBytes(file, &all); err != nil {
				b.Fatal(err)
			}
			alone += time.Since(start)
			all = nil
			runtime.GC()
			start = time.Now()
			passThrough(b, bytes.NewReader(file))
			whole += time.Since(start)
		}
		b.ReportMetric(whole.Seconds()/alone.Seconds(), "x-gocsv")
	})
	b.Run("memory", func(b *testing.B) {
		defer debug.SetGCPercent(debug.SetGCPercent(gcPercent)) // as main does
		for b.Loop() {
			again := madeRows{n: rows.n, orgs: rows.orgs}
			passThrough(b, &again)
		}
		b.ReportMetric(float64(peakResident(b)), "MB-resident")
	})
}

// passThrough is an import of a million rows without the sending.
func passThrough(b *testing.B, in io.Reader) {
	taken := func(context.Context, importer.Batch) (importer.Receipt, error) {
		return importer.Receipt{HTTPStatus: 204, Attempts: 1, CorrelationID: "oi-01234567-89ab-1", Time: time.Now()}, nil
	}
	op := importer.Op{Prefix: "oi", Done: importer.Added, Size: auth0.MaxMembers, Send: taken}
	src, err := job.Open(b.Context(), job.Config{Task: job.Task{Op: op}, Path: "-", Stdin: in, Results: filepath.Join(b.TempDir(), "results.csv")})
	if err != nil {
		b.Fatal(err)
	}
	out, err := job.Create(job.SinkConfig{InFlight: func() int { return tenancy.DefaultWorkers }}, src)
	if err != nil {
		b.Fatal(err)
	}
	err = job.Run(b.Context(), src, out, tenancy.DefaultWorkers)
	if done := out.Progress().Done; err != nil || done != 1_000_000 {
		b.Fatalf("%d rows, %v", done, err)
	}
}

// peakResident returns the peak memory of the process, in MB.
func peakResident(b *testing.B) int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip("no /proc/self/status here")
	}
	for line := range strings.Lines(string(status)) {
		var kb int
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kb); err == nil {
			return kb >> 10
		}
	}
	b.Fatal("no VmHWM in /proc/self/status")
	return 0
}
