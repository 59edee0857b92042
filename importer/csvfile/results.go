package csvfile

import (
	"bufio"
	"bytes"
	"slices"
	"strings"

	"orgimport/importer"
)

// Result is what a results file says about a row besides its ids.
type Result struct {
	Line          int // of the results file
	Status        importer.Status
	Code, Message string
	CorrelationID string
}

// resultsHeader begins the header of the results and failures files of a run. The
// columns that were copied come after it.
var resultsHeader = []string{
	"line", "org_id", "user_id", "status", "http_status",
	"error_code", "message", "attempts", "correlation_id", "timestamp",
}

func isResults(names []string) bool {
	return len(names) >= len(resultsHeader) && slices.Equal(names[:len(resultsHeader)], resultsHeader)
}

// isOwn reports whether a file that begins with head holds results, as written or
// as a spreadsheet has saved it.
func isOwn(head []byte) bool {
	text, _ := decode(bufio.NewReader(bytes.NewReader(head)), "")
	head, _ = text.Peek(sniffSize)
	head = bytes.TrimLeft(head, "\r\n \t")
	if line, rest, _ := bytes.Cut(head, []byte("\n")); len(line) > 0 {
		if _, ok := sepLine(line); ok {
			head = rest
		}
	}
	head = bytes.ReplaceAll(head, []byte("\r"), []byte("\n"))
	return slices.ContainsFunc(delimiters[:], func(delimiter rune) bool {
		names := splitHeader(head, delimiter)
		for i, name := range names {
			names[i] = trim(name)
		}
		return isResults(names)
	})
}

func (r *raw) result() Result {
	value := func(f field) string { return strings.TrimSpace(r.values[f]) }
	return Result{
		Line: r.line, Status: importer.Status(value(fieldStatus)),
		Code: value(fieldCode), Message: value(fieldMessage), CorrelationID: value(fieldCorrelationID),
	}
}

// Settled returns the Err of a row that has this result of an earlier import; nil
// if the row is to be sent.
func Settled(r Result) error {
	switch r.Status {
	case importer.Added, importer.AlreadyMember:
		return &importer.Decided{Status: importer.AlreadyMember, Message: "in already, according to the results of an earlier run"}
	case importer.Duplicate:
		return &importer.Decided{Status: importer.Duplicate, Message: "same pair as an earlier line, according to the results of an earlier run"}
	}
	return nil
}

// staysRejected reports whether a row that an earlier run rejected with that code
// is unchanged. A row whose keys led to nobody is looked up again, and one that
// has been given its ids is read anew. Any other is rejected until its status is
// removed: the file does not say with which flags its other columns were read.
func (t *Table) staysRejected(code string, r *raw, org, user ref) bool {
	switch code {
	case "":
		return r.values[fieldOrgID] == "" && t.org.value == "" || r.values[fieldUserID] == ""
	case codeOtherOrg:
		return org.kind != t.org.kind || org.value != t.org.value
	}
	return org.value == "" && t.org.value == "" || user.value == ""
}

// sameOrg reports whether the organization that a row names can be that of --org.
// A results file has the id that a name has led to.
func (t *Table) sameOrg(named ref) bool {
	if t.columns.results() && named.kind != t.org.kind {
		return true
	}
	return named.kind == t.org.kind && named.value == t.org.value
}
