package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gocarina/gocsv"

	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/report"
)

// manyRows is a CSV of n rows over orgs organizations, in random order, with
// ids as long as Auth0's.
func manyRows(n, orgs int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	b.WriteString("org_id,user_id\n")
	for i := range n {
		fmt.Fprintf(&b, "org_%016d,auth0|%024x\n", r.IntN(orgs), i)
	}
	return b.Bytes()
}

// BenchmarkPipeline passes a million rows over 100,000 organizations from CSV
// to a results file, with nothing but the sending left out, and compares it with
// the time in which gocsv alone reads the file:
//
//	go test ./cmd/orgimport -run '^$' -bench Pipeline -benchtime 3x
func BenchmarkPipeline(b *testing.B) {
	file := manyRows(1_000_000, 100_000)
	taken := func(context.Context, importer.Batch) (importer.Receipt, error) {
		return importer.Receipt{HTTPStatus: 204, Attempts: 1, CorrelationID: "oi-01234567-89ab-1", Time: time.Now()}, nil
	}
	var alone, whole time.Duration
	for b.Loop() {
		start := time.Now()
		readWithGocsv(b, file)
		alone += time.Since(start)

		start = time.Now()
		j, err := createJournal(filepath.Join(b.TempDir(), "results.csv"))
		if err != nil {
			b.Fatal(err)
		}
		results := report.NewWriter(j, nil)
		table, err := importer.Open(bytes.NewReader(file), importer.Dialect{})
		if err != nil {
			b.Fatal(err)
		}
		batches := importer.Group(importer.Distinct(table.Rows()), auth0.MaxMembers)
		rows := 0
		for answered, err := range importer.Run(b.Context(), batches, taken, readyWorkers) {
			if err := errors.Join(err, results.Write(answered)); err != nil {
				b.Fatal(err)
			}
			rows += len(answered)
		}
		if err := j.Close(); err != nil || rows != 1_000_000 {
			b.Fatalf("%d rows, %v", rows, err)
		}
		whole += time.Since(start)
	}
	b.ReportMetric(whole.Seconds()/alone.Seconds(), "x-gocsv")
	b.ReportMetric(float64(peakResident(b)-len(file)>>20), "MB-resident-less-file")
}

func readWithGocsv(b *testing.B, file []byte) {
	um, err := gocsv.NewUnmarshaller(csv.NewReader(bytes.NewReader(file)), importer.Row{})
	if err != nil {
		b.Fatal(err)
	}
	for {
		if _, err := um.Read(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			b.Fatal(err)
		}
	}
}

// peakResident returns the most memory that the process ever had, in MB.
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
