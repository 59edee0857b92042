// Package reporttest makes results files for tests.
package reporttest

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"orgimport/importer"
	"orgimport/report"
)

// Header is the first line of a results file without kept columns. It is spelt
// here so that a column that is renamed shows.
const Header = "line,org_id,user_id,status,http_status,error_code,message,attempts,correlation_id,timestamp"

// Run is the id of a run of import against acme.eu.auth0.com.
const Run = "oi-bac52a7c-e3b0cj5aifch"

// Noon is the time of each outcome.
var Noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Outcome returns the outcome of a row that was sent once.
func Outcome(line int, org, user string, status importer.Status) importer.Outcome {
	o := importer.Outcome{Row: importer.Row{Line: line, OrgID: org, UserID: user}, Status: status}
	o.Time = Noon
	switch status {
	case importer.AlreadyMember:
		o.CorrelationID = Run + "-7" // of the page of the list that has the user
	case importer.Added:
		o.HTTPStatus, o.Attempts, o.CorrelationID = 204, 1, Run+"-1"
	case importer.Failed:
		o.HTTPStatus, o.Attempts, o.CorrelationID = 400, 2, Run+"-2"
		o.Code, o.Message = "invalid_body", "no such user"
	case importer.Rejected:
		o.Message = "the user is empty"
	}
	return o
}

// Results returns a whole results file of the outcomes.
func Results(t testing.TB, kept []string, outcomes ...importer.Outcome) string {
	t.Helper()
	var b bytes.Buffer
	w := report.NewWriter(&b, nil, kept)
	if err := errors.Join(w.WriteHeader(), w.Write(outcomes)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
