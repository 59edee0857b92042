package csvfile

import (
	"slices"
	"strings"

	"orgimport/importer"
)

// Result is what a results file says of a row beside its ids.
type Result struct {
	Line          int // of the results file
	Status        importer.Status
	Code, Message string
	CorrelationID string
}

// resultsHeader is how the results and failures files of a run begin. Columns
// that were carried along come behind it.
var resultsHeader = []string{
	"line", "org_id", "user_id", "status", "http_status",
	"error_code", "message", "attempts", "correlation_id", "timestamp",
}

// Where things are in them.
const (
	resultsOrg           = 1
	resultsUser          = 2
	resultsStatus        = 3
	resultsCode          = 5
	resultsMessage       = 6
	resultsCorrelationID = 8
)

func isResults(names []string) bool {
	return len(names) >= len(resultsHeader) && slices.Equal(names[:len(resultsHeader)], resultsHeader)
}

// result returns what a line of a results file says beside the ids.
func (r *raw) result() Result {
	return Result{
		Line:   r.line,
		Status: importer.Status(strings.TrimSpace(r.Status)), Code: strings.TrimSpace(r.Code),
		Message: strings.TrimSpace(r.Message), CorrelationID: strings.TrimSpace(r.CorrelationID),
	}
}

// settled returns what is known of a row with this result in an import; nil if
// it is to be sent.
func settled(r Result) error {
	switch r.Status {
	case importer.Added, importer.AlreadyMember:
		return &importer.Settled{Status: importer.AlreadyMember, Message: "in already, by the results of an earlier run"}
	case importer.Duplicate:
		return &importer.Settled{Status: importer.Duplicate, Message: "same pair as an earlier line, by the results of an earlier run"}
	}
	return nil
}
