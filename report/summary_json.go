package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"orgimport/importer"
)

// SummaryFile is a [Summary] as scripts and the page read it. Beside these fields
// the file has the number of rows with each status, such as "added", which add up
// to rows with not_attempted. The names never change; new ones may be added.
type SummaryFile struct {
	Results string `json:"results"` // path of the results file
	Run     string `json:"run"`     // id of the run that wrote its last line with a correlation id
	Lines   int    `json:"lines"`   // that it had at the end, without the header
	Tenant  string `json:"tenant"`

	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	ExitCode int       `json:"exit_code"`
	Stopped  string    `json:"stopped,omitempty"` // why the run ended before its input did

	Tolerated    int `json:"tolerated"`     // rows that are not done, and did not change the exit code
	Rows         int `json:"rows"`          // of the input
	NotAttempted int `json:"not_attempted"` // that the run did not come to
	ResumedLines int `json:"resumed_lines"` // of the results file that the run resumed
	GoneLines    int `json:"gone_lines"`    // of them, those whose rows are not in the input

	Requests         int     `json:"requests"`
	Refused          int     `json:"refused"`        // of them, answered with 429
	Reads            int     `json:"reads"`          // of them, those that looked something up
	WritesSaved      int     `json:"writes_saved"`   // requests that look-ups made unnecessary
	Waited           float64 `json:"waited_seconds"` // for the tenant's limit
	Held             float64 `json:"held_seconds"`   // for the rate that the user set
	Outages          float64 `json:"outage_seconds"` // in which the tenant did not answer
	MembersPerSecond float64 `json:"members_per_second"`

	Errors      []causeJSON `json:"errors"`       // the largest first
	OtherErrors int         `json:"other_errors"` // rows of causes beyond those

	Files         []string `json:"files"`           // the paths written
	ResumeCommand string   `json:"go_on,omitempty"` // absent if nothing is left to do
	Next          string   `json:"next,omitempty"`  // what to type next if rows failed
}

// causeJSON is a [Cause] with its first example.
type causeJSON struct {
	Rows           int             `json:"rows"`
	Status         importer.Status `json:"status"`
	HTTPStatus     int             `json:"http_status,omitempty"`
	ErrorCode      string          `json:"error_code,omitempty"`
	Message        string          `json:"message"`
	ExampleLine    int             `json:"example_line"`
	ExampleOrgID   string          `json:"example_org_id"`
	ExampleUserID  string          `json:"example_user_id"`
	ExampleMessage string          `json:"example_message"`
}

// MarshalJSON returns the summary as one object, see [SummaryFile].
func (s *Summary) MarshalJSON() ([]byte, error) {
	r := s.addUp()
	f := SummaryFile{
		Results: s.Results, Run: s.run, Lines: r.rows - r.notAttempted + r.gone, Tenant: s.Tenant,
		Started: s.Started.UTC(), Finished: s.Finished.UTC(), ExitCode: s.ExitCode, Stopped: s.Stopped,
		Tolerated: s.Tolerated,
		Rows:      r.rows, NotAttempted: r.notAttempted, GoneLines: r.gone,
		Requests: s.Requests, Refused: s.Refused, Reads: s.Reads, WritesSaved: s.WritesSaved,
		Waited: s.Waited.Seconds(), Held: s.Held.Seconds(), Outages: s.Outages.Seconds(), MembersPerSecond: s.membersPerSecond(),
		Errors: []causeJSON{}, OtherErrors: s.causes.Others,
		Files: append([]string{}, s.Files...), ResumeCommand: s.ResumeCommand, Next: s.Next,
	}
	if s.journal != nil {
		f.ResumedLines = s.journal.Lines()
	}
	for _, c := range s.causes.Sorted() {
		f.Errors = append(f.Errors, causeJSON{
			Rows: c.Rows, Status: c.Status, HTTPStatus: c.HTTPStatus, ErrorCode: c.Code, Message: c.Message,
			ExampleLine: c.Examples[0].Line, ExampleOrgID: c.Examples[0].OrgID,
			ExampleUserID: c.Examples[0].UserID, ExampleMessage: c.Examples[0].Message,
		})
	}
	counts := make(map[importer.Status]int)
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
