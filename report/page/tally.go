package page

import (
	"cmp"
	"encoding/csv"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"orgimport/importer"
	"orgimport/report"
)

// tally is what the page shows of a results file, in memory that is bounded for a
// file of any length.
type tally struct {
	counts  report.Counts
	lines   int  // of the file, those that do not count included
	ofRun   bool // a line is of the run that the summary names
	after   int  // lines of other runs after the last of these
	Damaged int
	Torn    bool

	First, Last time.Time // of the lines with a request
	settled     timeline  // rows that a request settled
	causes      report.Causes

	Organizations organizations
	failures      failures
}

// organizations counts rows by organization.
type organizations struct {
	More    bool // there are more than maxOrganizations
	Failing int  // how many have rows that are not done

	byID map[string]*organization
}

// organization is how many rows an organization has, and how many of them are not
// done.
type organization struct {
	ID      string
	Rows    int
	NotDone int
}

const (
	// maxOrganizations bounds the memory for them, to about 20 MB. It is also how
	// many a tenant may have unless Auth0 raised it.
	maxOrganizations = 100_000
	// maxPageOrganizations is how many of them the page shows.
	maxPageOrganizations = 10
)

// readTally reads a results file. The summary may be nil.
func readTally(results io.ReadSeeker, summary *report.SummaryFile) (*tally, error) {
	r, err := report.NewReader(results)
	if err != nil {
		return nil, err
	}
	current := report.NewCurrent(func(row importer.Row) string {
		return strconv.Itoa(row.Line) + " " + importer.PairKey(row) // which may have several, for roles
	})
	for o, err := range r.Outcomes() {
		if err != nil {
			return nil, err
		}
		current.Add(r.Line(), &o)
	}
	if _, err := results.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	if r, err = report.NewReader(results); err != nil {
		return nil, err
	}
	t := &tally{counts: report.Counts{}, Organizations: organizations{byID: make(map[string]*organization)}, failures: failures{kept: r.Kept}}
	for o, err := range r.Outcomes() {
		if err != nil {
			return nil, err
		}
		t.lines++
		switch run := report.RunOf(o.CorrelationID); {
		case run == "" || summary == nil:
		case run == summary.Run:
			t.ofRun, t.after = true, 0
		default:
			t.after++
		}
		if current.Replaced(r.Line()) {
			continue
		}
		t.add(&o)
		if o.Status.Failure() {
			t.failures.add(o.Row.Line, r.Text())
		}
	}
	t.Damaged, t.Torn = r.Damaged, r.Torn
	t.lines += t.Damaged
	return t, nil
}

func (t *tally) add(o *importer.Outcome) {
	t.counts[o.Status]++
	t.Organizations.add(o.Row.OrgID, o.Status.Failure())
	if o.HTTPStatus != 0 {
		if t.First.IsZero() || o.Time.Before(t.First) {
			t.First = o.Time
		}
		if o.Time.After(t.Last) {
			t.Last = o.Time
		}
	}
	if o.Status.Settled() && !o.Status.Before() && !o.Time.IsZero() {
		t.settled.add(o.Time.Unix())
	}
	if o.Status.Failure() {
		t.causes.Add(o)
	}
}

func (o *organizations) add(id string, notDone bool) {
	if id == "" {
		return
	}
	org := o.byID[id]
	if org == nil {
		if len(o.byID) == maxOrganizations {
			o.More = true
			return
		}
		org = &organization{ID: report.Excerpt(id)}
		o.byID[strings.Clone(id)] = org
	}
	org.Rows++
	if notDone {
		if org.NotDone == 0 {
			o.Failing++
		}
		org.NotDone++
	}
}

// Count returns how many organizations there are.
func (o *organizations) Count() int { return len(o.byID) }

// Largest returns the organizations with the most rows.
func (o *organizations) Largest() []*organization {
	return o.top(func(org *organization) int { return org.Rows })
}

// Worst returns the organizations with the most rows that are not done.
func (o *organizations) Worst() []*organization {
	return o.top(func(org *organization) int { return org.NotDone })
}

// top returns the organizations with the highest number, unless it is 0.
func (o *organizations) top(number func(*organization) int) []*organization {
	all := slices.SortedFunc(maps.Values(o.byID), func(a, b *organization) int {
		return cmp.Or(cmp.Compare(number(b), number(a)), cmp.Compare(a.ID, b.ID))
	})
	top := all[:min(len(all), maxPageOrganizations)]
	return slices.DeleteFunc(top, func(org *organization) bool { return number(org) == 0 })
}

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
