package page

import (
	"cmp"
	"encoding/csv"
	"slices"
	"strings"

	"orgimport/importer"
	"orgimport/report"
)

// failures are the rows that are not done. The first of them by line are kept, each
// as in the results. Their number is bounded, so that the page can be mailed and a
// browser can search it as fast as people type.
type failures struct {
	kept  []string // names of the columns that follow those of every results file
	rows  []failureRow
	bytes int // of the rows in the page
	all   int // rows, those that were dropped included
}

// failureRow is a row that is not done.
type failureRow struct {
	line int    // of the input
	text string // line of the results, without its end
}

const (
	maxFailures  = 5000
	failureBytes = 3 << 20
	// shownFailures is how many rows the page shows at first, and prints.
	shownFailures = 50
	// maxKept is how many of the columns that follow are shown.
	maxKept = 4
)

func (f *failures) add(line int, text string) {
	f.rows = append(f.rows, failureRow{line, text})
	f.all++
	f.bytes += escapedLength(text)
	if len(f.rows) > 2*maxFailures || f.bytes > 2*failureBytes {
		f.trim()
	}
}

// trim sorts the rows by line, and drops those that are too many.
func (f *failures) trim() {
	slices.SortStableFunc(f.rows, func(a, b failureRow) int { return cmp.Compare(a.line, b.line) })
	f.bytes = 0
	for i, row := range f.rows {
		if f.bytes += escapedLength(row.text); i == maxFailures || f.bytes > failureBytes {
			f.rows = slices.Clip(f.rows[:i])
			f.bytes -= escapedLength(row.text)
			return
		}
	}
}

// escapedLength bounds the length of s as a JSON string in the page.
func escapedLength(s string) int {
	n := len(s) + len(`"",`)
	for i := range len(s) {
		if strings.IndexByte("&<>\"'+\\/`", s[i]) >= 0 {
			n += len(`\u0026`) - 1
		}
	}
	return n
}

// table is the table of the rows that are not done.
type table struct {
	All     int        // rows that are not done, of which the table may have a part
	Lines   []string   // of the results, the header first: what is searched, sorted and saved
	Shown   [][]string // the fields of the rows that are shown at first
	Columns []column
}

// column is a column of the table.
type column struct {
	Name, Class string
	Fields      []int // of the results; the first is sorted by
}

// Rows returns how many rows the table has.
func (t *table) Rows() int { return len(t.Lines) - 1 }

// Others returns how many rows the table does not have.
func (t *table) Others() int { return t.All - t.Rows() }

// columns returns the columns of the table.
func (f *failures) columns() []column {
	names := importer.ResultColumns()
	shown := func(name, class string, fields ...string) column {
		c := column{Name: name, Class: class}
		for _, field := range fields {
			c.Fields = append(c.Fields, slices.Index(names, field))
		}
		return c
	}
	all := []column{shown("Line", "n", "line"), shown("Organization", "id", "org_id"), shown("User", "id", "user_id")}
	for i, name := range f.kept[:min(len(f.kept), maxKept)] {
		all = append(all, column{Name: name, Fields: []int{len(names) + i}})
	}
	return append(all, shown("Status", "status", "status", "http_status", "error_code"),
		shown("Message", "text", "message"), shown("Correlation id", "id", "correlation_id"))
}

// table returns the rows; nil if there are none.
func (f *failures) table() *table {
	if len(f.rows) == 0 {
		return nil
	}
	f.trim()
	var header strings.Builder
	_ = report.NewWriter(&header, nil, f.kept).WriteHeader() // a Builder takes everything
	t := &table{All: f.all, Lines: []string{strings.TrimSuffix(header.String(), "\n")}, Columns: f.columns()}
	for i, row := range f.rows {
		t.Lines = append(t.Lines, row.text)
		if i < shownFailures {
			fields, _ := csv.NewReader(strings.NewReader(row.text)).Read() // as the results were read
			t.Shown = append(t.Shown, fields)
		}
	}
	return t
}
