package page

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"slices"
	"strings"

	"orgimport/importer"
	"orgimport/report"
)

// failures are the rows that are not done, of which the first by their lines are
// kept, each as it stands in the results. Their number is bounded: the page is to
// be sent by mail, and a browser is to search them while one types.
type failures struct {
	text   bytes.Buffer
	writer *report.Writer // to text
	names  []string       // of the columns behind the ten
	header string
	rows   []failureRow
	bytes  int  // that the rows take in the page
	cut    bool // there were more
}

// failureRow is a line of the results, without its line feed.
type failureRow struct {
	line int // of the input
	text string
}

const (
	maxFailures  = 5000
	failureBytes = 3 << 20
	// shownFailures is how many rows the page shows at first, and prints.
	shownFailures = 50
	// maxNames is how many of the columns behind the ten are shown.
	maxNames = 4
)

// open begins, for results with those columns behind the ten.
func (f *failures) open(names []string) {
	f.writer = report.NewWriter(&f.text, nil, names)
	_ = f.writer.WriteHeader() // a buffer takes everything
	f.names, f.header = names, f.take()
}

// take returns the line that was written.
func (f *failures) take() string {
	defer f.text.Reset()
	return strings.TrimSuffix(f.text.String(), "\n")
}

func (f *failures) add(o *importer.Outcome) {
	_ = f.writer.Write([]importer.Outcome{*o})
	row := failureRow{o.Row.Line, f.take()}
	f.rows = append(f.rows, row)
	f.bytes += escapedLength(row.text)
	if len(f.rows) > 2*maxFailures || f.bytes > 2*failureBytes {
		f.trim()
	}
}

// trim sorts the rows by their lines, and drops those that are too many.
func (f *failures) trim() {
	slices.SortStableFunc(f.rows, func(a, b failureRow) int { return cmp.Compare(a.line, b.line) })
	f.bytes = 0
	for i, row := range f.rows {
		if f.bytes += escapedLength(row.text); i == maxFailures || f.bytes > failureBytes {
			f.cut = true
			f.rows = slices.Clip(f.rows[:i])
			f.bytes -= escapedLength(row.text)
			return
		}
	}
}

// escapedLength returns how long s is at most as a string of JSON in a page.
func escapedLength(s string) int {
	n := len(s) + len(`"",`)
	for i := range len(s) {
		if strings.IndexByte("&<>\"'+\\/`", s[i]) >= 0 {
			n += len(`\u0026`) - 1
		}
	}
	return n
}

// table is the rows that are not done, as the page has them.
type table struct {
	Lines []string   // of the results, the header first: what is searched, sorted and saved
	Shown [][]string // the fields of the rows that are there at first
	More  []column   // of the columns behind the ten, the first
}

// column is a column of the results.
type column struct {
	Index int
	Name  string
}

// Rows returns how many rows there are.
func (t *table) Rows() int { return len(t.Lines) - 1 }

// table returns the rows; nil if there are none.
func (f *failures) table() *table {
	if len(f.rows) == 0 {
		return nil
	}
	f.trim()
	t := &table{Lines: []string{f.header}}
	for i, name := range f.names[:min(len(f.names), maxNames)] {
		t.More = append(t.More, column{len(f.fields(f.header)) - len(f.names) + i, name})
	}
	for i, row := range f.rows {
		t.Lines = append(t.Lines, row.text)
		if i < shownFailures {
			t.Shown = append(t.Shown, f.fields(row.text))
		}
	}
	return t
}

// fields returns the fields of a line that was just written.
func (f *failures) fields(line string) []string {
	fields, _ := csv.NewReader(strings.NewReader(line)).Read()
	return fields
}
