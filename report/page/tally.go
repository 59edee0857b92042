package page

import (
	"cmp"
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
