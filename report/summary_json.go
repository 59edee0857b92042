package report

import (
	"encoding/json"
	"time"

	"orgimport/importer"
)

// summaryJSON is the form of a [Summary] for scripts. Names stay; new ones may
// come. rows is always the sum of the six counts after it.
type summaryJSON struct {
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	ExitCode int       `json:"exit_code"`
	Stopped  string    `json:"stopped,omitempty"` // why the run ended early

	Rows          int `json:"rows"`
	Added         int `json:"added"`
	AlreadyMember int `json:"already_member"`
	Duplicate     int `json:"duplicate"`
	Failed        int `json:"failed"`
	Rejected      int `json:"rejected"`
	NotAttempted  int `json:"not_attempted"`

	ResumedLines int `json:"resumed_lines"` // of the results file that this run went on with
	GoneLines    int `json:"gone_lines"`    // of them without a row in the input

	Requests         int     `json:"requests"`
	Refused          int     `json:"refused"` // answered with 429
	WaitedSeconds    float64 `json:"waited_seconds"`
	MembersPerSecond float64 `json:"members_per_second"`

	Errors      []causeJSON `json:"errors"`       // the largest first
	OtherErrors int         `json:"other_errors"` // rows of causes beyond the first 500

	Files []string `json:"files"`
	GoOn  string   `json:"go_on,omitempty"` // the command to go on with
}

// causeJSON is the form of a [Cause] for scripts, with its first example.
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

// MarshalJSON returns the summary for scripts as one object, times in UTC:
//
//	started, finished   RFC 3339
//	exit_code, stopped  stopped says why the run ended early; absent if it did not
//	rows                of the input, the sum of the six that follow
//	added, already_member, duplicate, failed, rejected, not_attempted
//	resumed_lines       of the results file that the run went on with
//	gone_lines          of them those that no row of the input stands for
//	requests, refused, waited_seconds, members_per_second
//	errors              objects, the largest group first, of rows, status,
//	                    http_status, error_code, message and one example:
//	                    example_line, example_org_id, example_user_id,
//	                    example_message
//	other_errors        rows whose causes were too many to list
//	files, go_on        the paths written and the command to go on with
//
// Names stay as they are; new ones may be added.
func (s *Summary) MarshalJSON() ([]byte, error) {
	r := s.reckon()
	out := summaryJSON{
		Started:          s.Started.UTC(),
		Finished:         s.Finished.UTC(),
		ExitCode:         s.ExitCode,
		Stopped:          s.Stopped,
		Rows:             r.rows,
		Added:            r.added,
		AlreadyMember:    r.alreadyMember,
		Duplicate:        r.duplicate,
		Failed:           r.failed,
		Rejected:         r.rejected,
		NotAttempted:     r.notAttempted,
		GoneLines:        r.gone,
		Requests:         s.Requests,
		Refused:          s.Refused,
		WaitedSeconds:    s.Waited.Seconds(),
		MembersPerSecond: s.membersPerSecond(),
		Errors:           []causeJSON{},
		OtherErrors:      s.causes.others,
		Files:            append([]string{}, s.Files...),
		GoOn:             s.GoOn,
	}
	if s.journal != nil {
		out.ResumedLines = s.journal.Lines()
	}
	for _, c := range s.causes.sorted() {
		out.Errors = append(out.Errors, causeJSON{
			Rows: c.Rows, Status: c.Status, HTTPStatus: c.HTTPStatus, ErrorCode: c.Code, Message: c.Message,
			ExampleLine: c.Examples[0].Line, ExampleOrgID: c.Examples[0].OrgID,
			ExampleUserID: c.Examples[0].UserID, ExampleMessage: c.Examples[0].Message,
		})
	}
	return json.Marshal(out)
}
