package report

import (
	"encoding/json"

	"orgimport/importer"
)

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
//	rows                of the input, the sum of the counts that follow
//	added, already_member, failed, ...
//	                    the rows with each status
//	not_attempted       the rows that the run did not come to
//	resumed_lines       of the results file that the run resumed
//	gone_lines          of them, those whose rows are not in the input
//	requests, refused   refused is how many were answered with 429
//	waited_seconds      for the tenant's limit
//	held_seconds        for the rate that the user set
//	members_per_second
//	reads               of the requests, those that looked something up
//	writes_saved        requests that look-ups made unnecessary
//	errors              objects, the largest group first, with rows, status,
//	                    http_status, error_code, message and one example:
//	                    example_line, example_org_id, example_user_id,
//	                    example_message
//	other_errors        rows of causes beyond those listed
//	files, go_on        the paths written, and the command that resumes the run
//	next                what to type next if rows failed
//
// The names never change; new ones may be added.
func (s *Summary) MarshalJSON() ([]byte, error) {
	r := s.addUp()
	out := map[string]any{
		"started":            s.Started.UTC(),
		"finished":           s.Finished.UTC(),
		"exit_code":          s.ExitCode,
		"rows":               r.rows,
		"not_attempted":      r.notAttempted,
		"resumed_lines":      0,
		"gone_lines":         r.gone,
		"requests":           s.Requests,
		"refused":            s.Refused,
		"waited_seconds":     s.Waited.Seconds(),
		"held_seconds":       s.Held.Seconds(),
		"members_per_second": s.membersPerSecond(),
		"reads":              s.Reads,
		"writes_saved":       s.WritesSaved,
		"other_errors":       s.causes.Others,
		"files":              append([]string{}, s.Files...),
	}
	for _, status := range importer.Statuses() {
		out[string(status.Status)] = r.Counts[status.Status]
	}
	if s.journal != nil {
		out["resumed_lines"] = s.journal.Lines()
	}
	errors := []causeJSON{}
	for _, c := range s.causes.Sorted() {
		errors = append(errors, causeJSON{
			Rows: c.Rows, Status: c.Status, HTTPStatus: c.HTTPStatus, ErrorCode: c.Code, Message: c.Message,
			ExampleLine: c.Examples[0].Line, ExampleOrgID: c.Examples[0].OrgID,
			ExampleUserID: c.Examples[0].UserID, ExampleMessage: c.Examples[0].Message,
		})
	}
	out["errors"] = errors
	for name, text := range map[string]string{"stopped": s.Stopped, "go_on": s.GoOn, "next": s.Next} {
		if text != "" {
			out[name] = text
		}
	}
	return json.Marshal(out)
}
