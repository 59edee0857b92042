package diff

import (
	"bytes"
	"encoding/csv"
	"io"
	"iter"
	"slices"
	"strings"

	"orgimport/report"
)

// Lines are lines of CSV in the order of their bytes, one physical line for each
// record: control characters are written as their pictures.
type Lines struct {
	lines []string // without their line ends

	text bytes.Buffer // the line that csv writes
	csv  *csv.Writer
}

// Len returns the number of lines.
func (l *Lines) Len() int { return len(l.lines) }

// WriteTo writes the lines.
func (l *Lines) WriteTo(w io.Writer) (n int64, err error) { return io.Copy(w, l.reader()) }

// Records yields the lines as records, which share their memory.
func (l *Lines) Records() iter.Seq2[int, []string] {
	return func(yield func(int, []string) bool) {
		r := csv.NewReader(l.reader())
		r.ReuseRecord = true
		for i := range l.lines {
			record, err := r.Read()
			if err != nil {
				panic(err) // encode wrote it
			}
			if !yield(i, record) {
				return
			}
		}
	}
}

func (l *Lines) add(record ...string) { l.lines = append(l.lines, l.encode(record)) }

// addTo adds a line that consists of another and further values.
func (l *Lines) addTo(line string, more ...string) {
	l.lines = append(l.lines, line+","+l.encode(more))
}

func (l *Lines) encode(record []string) string {
	if l.csv == nil {
		l.csv = csv.NewWriter(&l.text)
	}
	l.text.Reset()
	for i, value := range record {
		record[i] = report.Visible(value)
	}
	_ = l.csv.Write(record) // into memory
	l.csv.Flush()
	return strings.TrimSuffix(l.text.String(), "\n")
}

func (l *Lines) sort() { slices.Sort(l.lines) }

func (l *Lines) reader() io.Reader { return &reader{lines: l.lines} }

// reader reads lines.
type reader struct {
	lines []string
	rest  string // of the line that is being read
}

func (r *reader) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if r.rest == "" {
			if len(r.lines) == 0 {
				break
			}
			r.rest, r.lines = r.lines[0]+"\n", r.lines[1:]
		}
		copied := copy(p[n:], r.rest)
		n, r.rest = n+copied, r.rest[copied:]
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}
