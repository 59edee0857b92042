package report_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"orgimport/importer"
	"orgimport/report"
	"orgimport/report/internal/reporttest"
)

// The helpers of all tests of this package.
const header = reporttest.Header

var (
	noon    = reporttest.Noon
	outcome = reporttest.Outcome
	results = reporttest.Results
)

// imports is an operation whose results the tests write and read.
var imports = importer.Op{Name: "import", Prefix: "oi", Size: 10, Done: importer.Added, Already: importer.AlreadyMember}

func TestWriterWritesOneLineForEachRow(t *testing.T) {
	kept := outcome(4, "org_a", "auth0|4", importer.Failed)
	kept.Row.Kept = []string{`says "hi", twice`}
	kept.Time = noon.In(time.FixedZone("", 3600)).Add(time.Second)
	ragged := outcome(5, "org_a", "", importer.Rejected)
	ragged.Row.Kept = []string{"x", "y", "z"}
	got := results(t, []string{"mail"},
		outcome(2, "org_a", "auth0|2", importer.Added), outcome(3, "", "u", importer.Rejected), kept, ragged)
	want := header + ",mail\n" +
		"2,org_a,auth0|2,added,204,,,1,oi-bac52a7c-e3b0cj5aifch-1,2026-03-01T12:00:00Z,\n" +
		"3,,u,rejected,,,the user is empty,0,,2026-03-01T12:00:00Z,\n" +
		"4,org_a,auth0|4,failed,400,invalid_body,no such user,2,oi-bac52a7c-e3b0cj5aifch-2,2026-03-01T12:00:01Z,\"says \"\"hi\"\", twice\"\n" +
		"5,org_a,,rejected,,,the user is empty,0,,2026-03-01T12:00:00Z,x\n"
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestWriterKeepsARowOnOnePhysicalLine(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"line feed", "a\nb", "a␊b"},
		{"carriage return and line feed", "a\r\nb", "a␍␊b"},
		{"tab", "a\tb", "a␉b"},
		{"zero byte", "a\x00", "a␀"},
		{"escape", "\x1b[31m", "␛[31m"},
		{"delete", "\x7f", "␡"},
		{"next line of Latin-1", "a\u0085b", "a␤b"},
		{"line separator", "a\u2028b", "a␤b"},
		{"paragraph separator", "a\u2029b", "a␤b"},
		{"other control", "a\u009bb", "a\ufffdb"},
		{"byte that is not UTF-8", "a\xffb", "a\ufffdb"},
		{"cut character", "a\xe2\x82", "a\ufffd\ufffd"},
		{"text stays", "Zoë|日本 😀", "Zoë|日本 😀"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := outcome(2, tt.in, tt.in, importer.Rejected)
			o.Message, o.Code, o.CorrelationID = tt.in, tt.in, tt.in
			o.Row.Kept = []string{tt.in}
			file := results(t, []string{tt.in}, o)
			if n := strings.Count(file, "\n"); n != 2 || !utf8.ValidString(file) {
				t.Fatalf("%d lines in %q", n, file)
			}
			records, err := csv.NewReader(strings.NewReader(file)).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			for _, column := range []int{1, 2, 5, 6, 8, 10} {
				if got := records[1][column]; got != tt.want {
					t.Errorf("column %d: got %q, want %q", column, got, tt.want)
				}
			}
			if got := records[0][10]; got != tt.want {
				t.Errorf("name of the kept column: got %q, want %q", got, tt.want)
			}
		})
	}
}

// file counts the calls of Write, one of which fails.
type file struct {
	bytes.Buffer
	calls  int
	failAt int
	err    error
	taken  int // bytes that the failing call writes
}

func (f *file) Write(p []byte) (int, error) {
	f.calls++
	if f.calls == f.failAt {
		f.Buffer.Write(p[:f.taken])
		return f.taken, f.err
	}
	return f.Buffer.Write(p)
}

func TestWriterWritesAnAnswerInOneCall(t *testing.T) {
	f := &file{}
	w := report.NewWriter(f, nil, nil)
	answer := make([]importer.Outcome, 500)
	for i := range answer {
		answer[i] = outcome(i+2, "org_a", fmt.Sprint("auth0|", i), importer.Added)
	}
	if err := w.Write(answer); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(f.String(), "\n"); f.calls != 1 || lines != len(answer) {
		t.Errorf("%d calls wrote %d lines, want 1 call and %d lines", f.calls, lines, len(answer))
	}
	if err := w.Write(nil); err != nil || f.calls != 1 {
		t.Errorf("an answer without rows was written: %d calls, %v", f.calls, err)
	}
}

func TestWriterStaysBroken(t *testing.T) {
	full := errors.New("no space left on device")
	tests := []struct {
		name string
		err  error
		want error
	}{
		{"error", full, full},
		{"short write", nil, io.ErrShortWrite},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &file{failAt: 2, err: tt.err, taken: 7}
			w := report.NewWriter(f, nil, nil)
			if err := w.WriteHeader(); err != nil {
				t.Fatal(err)
			}
			rows := []importer.Outcome{outcome(2, "org_a", "auth0|1", importer.Added)}
			if err := w.Write(rows); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			before := f.String()
			if err := errors.Join(w.Write(rows), w.WriteHeader()); !errors.Is(err, tt.want) {
				t.Errorf("later: got %v, want %v", err, tt.want)
			}
			if f.String() != before {
				t.Error("something was written after the error")
			}
		})
	}
}

func BenchmarkWriter(b *testing.B) {
	answer := make([]importer.Outcome, 10)
	for i := range answer {
		answer[i] = outcome(1_000_000+i, "org_P0M5j2B0FfwQioEe", "auth0|6410784d38b3e02b77fdd65f", importer.Added)
		answer[i].CorrelationID = "oi-1a2b3c4d-abcdefgh-123456"
	}
	w := report.NewWriter(io.Discard, nil, nil)
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Write(answer); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Seconds())/float64(b.N)/float64(len(answer))*1e6, "s/1Mlines")
}
