package report

import (
	"cmp"
	"fmt"
	"maps"
	"strings"
	"time"

	"orgimport/importer"
)

// Summary is the totals of a run. Add counts the outcomes; the fields are what
// only the caller knows, to be set before the Summary is written. The zero value
// is ready for use.
//
// It is not safe for concurrent use.
type Summary struct {
	// Total is how many rows the input has, 0 if that is not known. It tells how
	// many were not attempted if the run stopped, and is not used otherwise.
	Total int
	// Stopped says why the run ended before the input did; empty if it did not.
	Stopped string

	Results string // path of the results file
	Tenant  string // host of the API

	Started, Finished time.Time

	Requests int           // sent, of every kind
	Refused  int           // of them, answered with 429
	Waited   time.Duration // for the tenant's limit
	Held     time.Duration // for the rate that the user set
	Outages  time.Duration // in which the tenant did not answer

	Reads       int // of Requests, those that looked something up
	WritesSaved int // requests that look-ups made unnecessary

	ExitCode  int
	Tolerated int      // rows that are not done, and did not change the exit code
	Files     []string // the paths written
	Next      string   // what to type next if rows failed; may be empty

	ResumeCommand string // empty if nothing is left to do

	outcomes Counts
	unknown  int    // of them, those with CodeUnknownOutcome
	done     int    // of them, those that a request of this run settled
	retried  int    // of them, those that failed in an earlier run
	run      string // of the last line with a correlation id
	journal  *Journal
	causes   Causes
}

// Add counts the rows of one answer.
func (s *Summary) Add(outcomes []importer.Outcome) {
	for i := range outcomes {
		o := &outcomes[i]
		if s.outcomes == nil {
			s.outcomes = make(Counts)
		}
		s.outcomes[o.Status]++
		if o.Code == importer.CodeUnknownOutcome {
			s.unknown++
		}
		if run := RunOf(o.CorrelationID); run != "" {
			s.run = run
		}
		if s.journal != nil && o.Attempts > 0 && s.journal.Failed(o.Row) {
			s.retried++
		}
		switch {
		case o.Status.Failure():
			s.causes.Add(o)
		case o.Status.Settled() && o.Attempts > 0:
			s.done++
		}
		if s.journal != nil {
			s.journal.replace(o)
		}
	}
}

// ContinueFrom adds the lines of j to the totals.
func (s *Summary) ContinueFrom(j *Journal) { s.journal, s.run = j, j.run }

// Failures returns how many rows are not in because they failed or were
// rejected, by this run or, where it left them alone, by an earlier one.
func (s *Summary) Failures() int { return s.addUp().Failures() }

// Unknown reports whether a row may have been done after all, see
// [importer.CodeUnknownOutcome].
func (s *Summary) Unknown() bool { return s.unknown > 0 || s.journal != nil && s.journal.unknown > 0 }

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
	r := totals{Counts: maps.Clone(s.outcomes)}
	if r.Counts == nil {
		r.Counts = Counts{}
	}
	if j := s.journal; j != nil {
		before, replaced := j.found, Counts(nil)
		if s.Stopped == "" {
			r.gone = j.Gone()
		} else {
			before, replaced = j.kept, j.replaced
		}
		for status, n := range before {
			r.Counts[status] += n - replaced[status]
		}
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
	if s.journal != nil && s.journal.Lines() > 0 {
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
	if short(s.Held) > 0 {
		text += fmt.Sprintf(", %s for the rate that was set", short(s.Held))
	}
	if s.done > 0 {
		text += fmt.Sprintf(", %.1f rows a second", s.membersPerSecond())
	}
	return text
}

func (s *Summary) elapsed() time.Duration { return max(0, s.Finished.Sub(s.Started)) }

// membersPerSecond returns how fast this run settled rows, the waits included.
func (s *Summary) membersPerSecond() float64 {
	if s.elapsed() == 0 {
		return 0
	}
	return float64(s.done) / s.elapsed().Seconds()
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

// String returns the cause on one line, with the input line of an example.
func (c Cause) String() string {
	answer := ""
	if c.HTTPStatus != 0 {
		answer = fmt.Sprintf(" %d", c.HTTPStatus)
	}
	if c.Code != "" {
		answer += " " + c.Code
	}
	message := c.Message
	if message == "" {
		message = "no reason given"
	}
	if c.Rows == 1 {
		return fmt.Sprintf("1 %s%s: %s (line %d)", c.Status, answer, cmp.Or(c.Examples[0].Message, message), c.Examples[0].Line)
	}
	return fmt.Sprintf("%d %s%s: %s (such as line %d)", c.Rows, c.Status, answer, message, c.Examples[0].Line)
}

// short rounds d as people like to read it.
func short(d time.Duration) time.Duration {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Second)
}
