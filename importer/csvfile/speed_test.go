package csvfile_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/gocarina/gocsv"

	"orgimport/importer"
	"orgimport/importer/csvfile"
)

// bigFile returns a file of rows over a number of organizations in random order,
// with ids as Auth0 makes them.
func bigFile(rows, orgs int) []byte {
	rnd := rand.New(rand.NewPCG(1, 2))
	b := []byte("org_id,user_id\n")
	for i := range rows {
		b = fmt.Appendf(b, "org_%016d,auth0|%024x\n", rnd.IntN(orgs), i)
	}
	return b
}

// pair is what gocsv alone makes of a line.
type pair struct {
	OrgID  string `csv:"org_id"`
	UserID string `csv:"user_id"`
}

// gocsvAlone returns how long gocsv takes to read data into rows and to do
// nothing with them.
func gocsvAlone(tb testing.TB, data []byte) time.Duration {
	runtime.GC()
	start := time.Now()
	um, err := gocsv.NewUnmarshaller(csv.NewReader(bytes.NewReader(data)), pair{})
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := um.Read(); errors.Is(err, io.EOF) {
			return time.Since(start)
		} else if err != nil {
			tb.Fatal(err)
		}
	}
}

// The stages before anything is sent, over a million rows of 100,000
// organizations in random order. ×gocsv is their time in terms of what gocsv
// alone takes for the same bytes, measured in turns.
func BenchmarkStages(b *testing.B) {
	data := bigFile(1_000_000, 100_000)
	for _, stages := range []struct {
		name string
		run  func(rows iter.Seq2[importer.Row, error]) error
	}{
		{"read", drain[importer.Row]},
		{"read-distinct", func(rows iter.Seq2[importer.Row, error]) error {
			return drain(importer.Distinct(rows, importer.PairKey))
		}},
		{"read-distinct-group", func(rows iter.Seq2[importer.Row, error]) error {
			return drain(importer.Group(importer.Distinct(rows, importer.PairKey), 10, nil))
		}},
	} {
		b.Run(stages.name, func(b *testing.B) {
			var gocsv, ours time.Duration
			for b.Loop() {
				gocsv += gocsvAlone(b, data)
				runtime.GC()
				start := time.Now()
				table, err := csvfile.Open(bytes.NewReader(data), csvfile.Dialect{})
				if err != nil {
					b.Fatal(err)
				}
				if err := stages.run(table.Rows()); err != nil {
					b.Fatal(err)
				}
				ours += time.Since(start)
			}
			b.ReportMetric(float64(ours)/float64(gocsv), "×gocsv")
			b.ReportMetric(float64(ours.Milliseconds())/float64(b.N), "ms")
		})
	}
}

func drain[T any](all iter.Seq2[T, error]) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

// The most memory that is ever resident while Distinct and Group hold what they
// must of a million rows: with 100,000 organizations in random order about every
// second row waits in the middle, with a million every row waits to the end. The
// input is made while it is read and takes no memory. The peak is that of the
// process: run one of them, once (-benchtime 1x).
func BenchmarkMemory(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(50)) // as the command does
	for _, orgs := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(orgs, "-organizations"), func(b *testing.B) {
			for b.Loop() {
				table, err := csvfile.Open(&made{rows: 1_000_000, orgs: orgs}, csvfile.Dialect{})
				if err != nil {
					b.Fatal(err)
				}
				if err := drain(importer.Group(importer.Distinct(table.Rows(), importer.PairKey), 10, nil)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(peakMB(b), "MB-peak")
		})
	}
}

// made is a file of generated rows. If it has as many organizations, each has
// one row; otherwise they come in random order.
type made struct {
	rows, orgs int
	done       int // rows
	rest       []byte
}

func (m *made) Read(p []byte) (int, error) {
	if m.done == 0 {
		m.rest = []byte("org_id,user_id\n")
	}
	for len(m.rest) < len(p) && m.done < m.rows {
		m.rest = fmt.Appendf(m.rest, "org_%016d,auth0|%024x\n", m.org(), m.done)
		m.done++
	}
	if len(m.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, m.rest)
	m.rest = append(m.rest[:0], m.rest[n:]...)
	return n, nil
}

func (m *made) org() int {
	if m.orgs == m.rows {
		return m.done
	}
	return rand.New(rand.NewPCG(1, uint64(m.done))).IntN(m.orgs)
}

// peakMB returns the most memory that was ever resident in this process, where
// the system tells.
func peakMB(b *testing.B) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip(err)
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	var kB float64
	if _, err := fmt.Sscan(peak, &kB); err != nil {
		b.Fatal(err)
	}
	return kB / 1024
}
