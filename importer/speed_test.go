package importer_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/gocarina/gocsv"

	"orgimport/importer"
)

// table returns a file of rows over a number of organizations in random order,
// with ids as Auth0 makes them.
func bigFile(rows, orgs int) []byte {
	rnd := rand.New(rand.NewPCG(1, 2))
	b := []byte("org_id,user_id\n")
	for i := range rows {
		b = fmt.Appendf(b, "org_%016d,auth0|%024x\n", rnd.IntN(orgs), i)
	}
	return b
}

// gocsvAlone returns how long gocsv takes to read data into rows and to do
// nothing with them.
func gocsvAlone(tb testing.TB, data []byte) time.Duration {
	runtime.GC()
	start := time.Now()
	um, err := gocsv.NewUnmarshaller(csv.NewReader(bytes.NewReader(data)), importer.Row{})
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
// organizations. ×gocsv is the time in terms of what gocsv alone takes.
func BenchmarkStages(b *testing.B) {
	data := bigFile(1_000_000, 100_000)
	stages := []struct {
		name string
		run  func(*importer.Table) error
	}{
		{"read", func(t *importer.Table) error {
			for _, err := range t.Rows() {
				if err != nil {
					return err
				}
			}
			return nil
		}},
		{"read,distinct", func(t *importer.Table) error {
			for _, err := range importer.Distinct(t.Rows()) {
				if err != nil {
					return err
				}
			}
			return nil
		}},
		{"read,distinct,group", func(t *importer.Table) error {
			for _, err := range importer.Group(importer.Distinct(t.Rows()), 10) {
				if err != nil {
					return err
				}
			}
			return nil
		}},
		{"read,distinct,survey", func(t *importer.Table) error {
			_, err := importer.Survey(importer.Distinct(t.Rows()), 10, nil)
			return err
		}},
	}
	for _, stage := range stages {
		b.Run(stage.name, func(b *testing.B) {
			var base, ours time.Duration
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				base += gocsvAlone(b, data)
				runtime.GC()
				start := time.Now()
				table, err := importer.Open(bytes.NewReader(data), importer.Dialect{})
				if err != nil {
					b.Fatal(err)
				}
				if err := stage.run(table); err != nil {
					b.Fatal(err)
				}
				ours += time.Since(start)
			}
			b.ReportMetric(float64(ours)/float64(base), "×gocsv")
			b.ReportMetric(float64(base.Milliseconds())/float64(b.N), "gocsv-ms")
			b.ReportMetric(float64(ours.Milliseconds())/float64(b.N), "ours-ms")
		})
	}
}
