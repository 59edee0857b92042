package report

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"strings"
	"time"

	"orgimport/importer"
)

// Facts are what only the caller knows of a run.
type Facts struct {
	Results string `json:"results"` // path of the results file
	Tenant  string `json:"tenant"`  // host of the API

	Started   time.Time `json:"started"`
	Finished  time.Time `json:"finished"`
	ExitCode  int       `json:"exit_code"`
	Stopped   string    `json:"stopped,omitempty"` // why the run ended before its input did
	Tolerated int       `json:"tolerated"`         // rows that are not done, and did not change the exit code

	Requests    int     `json:"requests"`       // sent, of every kind
	Refused     int     `json:"refused"`        // of them, answered with 429
	Reads       int     `json:"reads"`          // of them, those that looked something up
	WritesSaved int     `json:"writes_saved"`   // requests that look-ups made unnecessary
	Waited      float64 `json:"waited_seconds"` // seconds, for the tenant's limit
	Held        float64 `json:"held_seconds"`   // seconds, for the rate that the user set
	Outages     float64 `json:"outage_seconds"` // seconds in which the tenant did not answer

	Files         []string `json:"files"`           // the paths written
	ResumeCommand string   `json:"go_on,omitempty"` // absent if nothing is left to do
	Next          string   `json:"next,omitempty"`  // what to type next if rows failed
}

// Summary is the totals of a run. Add counts the outcomes; the facts are to be set
// before the Summary is written. The zero value is ready for use.
//
// It is not safe for concurrent use.
type Summary struct {
	Facts

	// Total is how many rows the input has, 0 if that is not known. It tells how
	// many were not attempted if the run stopped, and is not used otherwise.
	Total int

	outcomes Counts
	unknown  bool   // one of them has CodeUnknownOutcome
	done     int    // of them, those that a request of this run settled
	retried  int    // of them, those that failed in an earlier run
	run      string // of the last line with a correlation id
	journal  *Journal
	causes   Causes
}

// before returns the journal of earlier runs.
func (s *Summary) before() *Journal { return cmp.Or(s.journal, &Journal{}) }

// Add counts the rows of one answer.
func (s *Summary) Add(outcomes []importer.Outcome) {
	if s.outcomes == nil {
		s.outcomes = make(Counts)
	}
	before := s.before()
	for i := range outcomes {
		o := &outcomes[i]
		s.outcomes[o.Status]++
		s.unknown = s.unknown || o.Code == importer.CodeUnknownOutcome
		if run := RunOf(o.CorrelationID); run != "" {
			s.run = run
		}
		if o.Attempts > 0 && before.failed(o.Row) {
			s.retried++
		}
		switch {
		case o.Status.Failure():
			s.causes.Add(o)
		case o.Status.Settled() && o.Attempts > 0:
			s.done++
		}
		before.replace(o)
	}
}

// ContinueFrom adds the lines of j to the totals.
func (s *Summary) ContinueFrom(j *Journal) { s.journal, s.run = j, j.run }

// Failures returns how many rows are not done because they failed or were rejected,
// in this run or, if it did not try them again, in an earlier one.
func (s *Summary) Failures() int { return s.addUp().Failures() }

// Unknown reports whether a row may have been done after all, see
// [importer.CodeUnknownOutcome].
func (s *Summary) Unknown() bool { return s.unknown || s.before().unknown }

// All returns how many rows the input has, as far as it was read.
func (s *Summary) All() int { return s.addUp().rows }

// totals are the rows of the input, by what became of them.
type totals struct {
	Counts
	rows         int
	notAttempted int
	gone         int // lines of the journal whose rows are not in the input
}

// addUp adds up. A run that stopped has not asked for every line of its journal:
// then all lines count, and none is called gone.
func (s *Summary) addUp() totals {
	r := totals{Counts: make(Counts)}
	maps.Copy(r.Counts, s.outcomes)
	before := s.before().left
	if s.Stopped == "" {
		before, r.gone = s.before().found, s.before().gone
	}
	for status, n := range before {
		r.Counts[status] += n
	}
	r.rows = r.Sum()
	if s.Stopped != "" && s.Total > r.rows {
		r.notAttempted = s.Total - r.rows
		r.rows = s.Total
	}
	return r
}

// Rows returns the number of rows by status. Those that were not attempted are
// under "not_attempted".
func (s *Summary) Rows() map[string]int {
	r := s.addUp()
	rows := map[string]int{"not_attempted": r.notAttempted}
	for status, n := range r.Counts {
		rows[string(status)] = n
	}
	return rows
}

// String returns the totals as people read it, in several lines, without a
// line break at the end. Its first line adds up:
//
//	10000 rows = 9950 added + 20 duplicate + 12 failed + 18 rejected
func (s *Summary) String() string {
	r := s.addUp()
	lines := []string{r.String()}
	if s.before().Lines() > 0 {
		lines = append(lines, s.resumed(r))
	}
	if r.gone > 0 {
		lines = append(lines, fmt.Sprintf("%s of the results file %s no longer in the input",
			Plural(r.gone, "line"), Verb(r.gone, "is", "are")))
	}
	if s.Stopped != "" && s.Total == 0 {
		lines = append(lines, "the rows after the stop were not attempted and are not counted")
	}
	if s.Requests > 0 {
		lines = append(lines, s.traffic())
	}
	if s.WritesSaved > 0 {
		lines = append(lines, fmt.Sprintf("%s saved by %s", Plural(s.WritesSaved, "write"), Plural(s.Reads, "read")))
	}
	lines = append(lines, s.errorLines()...)
	if len(s.Files) > 0 {
		lines = append(lines, "written: "+strings.Join(s.Files, ", "))
	}
	if s.ResumeCommand != "" {
		lines = append(lines, "continue with: "+s.ResumeCommand)
	}
	if s.Next != "" {
		lines = append(lines, s.Next)
	}
	return strings.Join(lines, "\n")
}

func (r totals) String() string {
	var terms []string
	add := func(n int, name string) {
		if n > 0 {
			terms = append(terms, fmt.Sprintf("%d %s", n, name))
		}
	}
	for status, n := range r.All() {
		add(n, string(status.Status))
	}
	add(r.notAttempted, "not attempted")
	if len(terms) == 0 {
		return "0 rows"
	}
	// Scripts read this line, so it is "1 rows" too.
	return fmt.Sprintf("%d rows = %s", r.rows, strings.Join(terms, " + "))
}

// resumed says what a resumed run did, and what was done before it.
func (s *Summary) resumed(r totals) string {
	done := s.journal.op.Done
	before := "done"
	if done == importer.Added {
		before = "in"
	}
	settled := s.journal.Settled() - r.gone
	return fmt.Sprintf("%s %s %s already, %s tried again, %s %s now",
		Number(settled), Verb(settled, "was", "were"), before, Number(s.retried), Number(s.done), done)
}

func (s *Summary) traffic() string {
	text := fmt.Sprintf("%s in %s, %s answered 429, %s waited for the tenant's limit",
		Plural(s.Requests, "request"), short(s.elapsed()), Number(s.Refused), short(s.Waited))
	if held := short(s.Held); held > 0 {
		text += fmt.Sprintf(", %s for the rate that was set", held)
	}
	if s.done > 0 {
		text += fmt.Sprintf(", %.1f rows a second", s.membersPerSecond())
	}
	return text
}

// elapsed returns how many seconds the run took.
func (s *Summary) elapsed() float64 { return max(0, s.Finished.Sub(s.Started).Seconds()) }

// membersPerSecond returns how fast this run settled rows, the waits included.
func (s *Summary) membersPerSecond() float64 {
	if s.elapsed() == 0 {
		return 0
	}
	return float64(s.done) / s.elapsed()
}

// maxErrorLines is how many causes the summary names. The page and the JSON form
// have the others.
const maxErrorLines = 5

func (s *Summary) errorLines() []string {
	all := s.causes.Sorted()
	if len(all) == 0 {
		return nil
	}
	shown := all[:min(len(all), maxErrorLines)]
	lines := []string{"errors:"}
	rest := s.outcomes.Failures()
	for _, c := range shown {
		lines = append(lines, "  "+c.String())
		rest -= c.Rows
	}
	if rest > 0 {
		lines = append(lines, fmt.Sprintf("  %s for other causes", Plural(rest, "row")))
	}
	return lines
}

// short returns so many seconds, rounded as people like to read them.
func short(seconds float64) time.Duration {
	d := time.Duration(seconds * float64(time.Second))
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Second)
}

// Counts are numbers of rows by status.
type Counts map[importer.Status]int

// Sum returns the number of rows.
func (c Counts) Sum() (n int) {
	for _, rows := range c {
		n += rows
	}
	return n
}

// Failures returns the number of rows that are not done.
func (c Counts) Failures() (n int) {
	for status, rows := range c {
		if status.Failure() {
			n += rows
		}
	}
	return n
}

// All yields each status that some row has, and the number of these rows, in the
// order of [importer.Statuses].
func (c Counts) All() iter.Seq2[importer.StatusInfo, int] {
	return func(yield func(importer.StatusInfo, int) bool) {
		for _, s := range importer.Statuses() {
			if n := c[s.Status]; n > 0 && !yield(s, n) {
				return
			}
		}
	}
}

// SummaryFile is a [Summary] as scripts and the page read it. Beside these fields
// the file has the number of rows with each status, such as "added", which add up
// to rows with not_attempted. The names never change; new ones may be added.
type SummaryFile struct {
	Facts

	Run              string  `json:"run"`           // id of the run that wrote the last line with a correlation id
	Lines            int     `json:"lines"`         // of the results at the end, without the header
	Rows             int     `json:"rows"`          // of the input
	NotAttempted     int     `json:"not_attempted"` // that the run did not come to
	ResumedLines     int     `json:"resumed_lines"` // of the results file that the run resumed
	GoneLines        int     `json:"gone_lines"`    // of them, those whose rows are not in the input
	MembersPerSecond float64 `json:"members_per_second"`

	Errors      []Cause `json:"errors"`       // the largest first
	OtherErrors int     `json:"other_errors"` // rows of causes beyond those
}

// MarshalJSON returns the summary as one object, see [SummaryFile].
func (s *Summary) MarshalJSON() ([]byte, error) {
	r := s.addUp()
	f := SummaryFile{
		Facts: s.Facts, Run: s.run, Lines: r.rows - r.notAttempted + r.gone,
		Rows: r.rows, NotAttempted: r.notAttempted, ResumedLines: s.before().Lines(), GoneLines: r.gone,
		MembersPerSecond: s.membersPerSecond(), Errors: s.causes.Sorted(), OtherErrors: s.causes.Others,
	}
	f.Started, f.Finished, f.Files = s.Started.UTC(), s.Finished.UTC(), append([]string{}, s.Files...)
	counts := make(Counts)
	for _, status := range importer.Statuses() {
		counts[status.Status] = r.Counts[status.Status]
	}
	object, err := json.Marshal(f)
	more, err2 := json.Marshal(counts)
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	object[len(object)-1] = ',' // the counts follow as fields of the same object
	return append(object, more[1:]...), nil
}

// maxSummary bounds what is read of a summary, in bytes: 500 causes of 2 kB each
// and the rest fit into it.
const maxSummary = 4 << 20

// ReadSummary reads a summary as [Summary.MarshalJSON] returns it.
func ReadSummary(r io.Reader) (*SummaryFile, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxSummary))
	if err != nil {
		return nil, fmt.Errorf("read the summary: %w", err)
	}
	var f SummaryFile
	if err := json.Unmarshal(text, &f); err != nil || f.Results == "" {
		return nil, &WrongFileError{Why: "this is not the summary of a run"}
	}
	return &f, nil
}
