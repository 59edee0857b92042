package csvfile

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
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

// leastResultColumns is how many columns of a results file a header must have, the
// status among them, so that the file is taken for one.
const leastResultColumns = 3

// findResults returns where a header has the columns of a results file, whatever
// stands beside them; -1 for a column that it lacks. It returns nil if the header
// is not that of a results file. If the columns stand together in their order,
// others of the same names are copies of columns of the input.
func findResults(names []string) ([]int, error) {
	header := importer.ResultColumns()
	at := make([]int, len(header))
	folded := make([]string, len(names))
	for i, name := range names {
		folded[i] = fold(name)
	}
	for begin := range folded {
		for k := range at {
			if begin+k >= len(folded) || folded[begin+k] != fold(header[k]) {
				break
			}
			if at[k] = begin + k; k == len(at)-1 {
				return at, nil
			}
		}
	}
	found, twice := 0, error(nil)
	for k, name := range header {
		at[k] = slices.Index(folded, fold(name))
		if at[k] < 0 {
			continue
		}
		found++
		if again := slices.Index(folded[at[k]+1:], fold(name)); again >= 0 && twice == nil {
			twice = inputError(hintRename, "more than one column could be the %s: %s", name, quoted([]string{names[at[k]], names[at[k]+1+again]}))
		}
	}
	if at[slices.Index(header, fields[fieldStatus].tag)] < 0 || found < leastResultColumns {
		return nil, nil
	}
	return at, twice
}

// lacks returns an error if a results file lacks a column. at is what findResults
// returns.
func lacks(at []int, names []string) error {
	for _, name := range names {
		if at[slices.Index(importer.ResultColumns(), name)] < 0 {
			return inputError("give the file as the run wrote it", "these results lack the column %q", name)
		}
	}
	return nil
}

// hasResults reports whether the header of a file that begins with head is that of
// a results file, as written or as a spreadsheet has saved it.
func hasResults(head []byte) bool {
	text, _ := decode(bufio.NewReader(bytes.NewReader(head)), "")
	head, _ = text.Peek(sniffSize)
	head = bytes.ReplaceAll(head, []byte("\r"), []byte("\n"))
	head = bytes.TrimLeft(head, "\n \t")
	if line, rest, _ := bytes.Cut(head, []byte("\n")); len(line) > 0 {
		if _, ok := sepLine(line); ok {
			head = rest
		}
	}
	return slices.ContainsFunc(delimiters[:], func(delimiter rune) bool {
		at, err := findResults(splitHeader(head, delimiter))
		return at != nil && err == nil
	})
}

// IsResults reads a file to its end and reports whether it holds the results of an
// earlier run: its header has a status and at least two other columns of theirs,
// and a line has a status of ours. If a line has a status that is not ours, the
// error names it.
func IsResults(r io.Reader, d Dialect) (bool, error) {
	d.Only = nil
	t, err := Open(r, d)
	if err != nil || !t.Results() {
		return false, err
	}
	ours, other := false, error(nil)
	for {
		r, err := t.nextRow()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return false, err
		}
		ours = ours || r.result().Status.Known()
		if other == nil {
			other = t.checkStatus(r)
		}
	}
	if !ours {
		return false, nil
	}
	return true, other
}

// checkStatus returns an error if the record has a status that no run writes.
func (t *Table) checkStatus(r raw) error {
	if !t.columns.results() || r.values[fieldStatus] == "" || r.result().Status.Known() {
		return nil
	}
	return &InputError{
		line: r.line, text: "no run writes the status " + strconv.Quote(truncate(r.values[fieldStatus], 40)),
		hint: "correct it, or empty it to have the row read anew; if the column is your own, rename it",
	}
}

func (r *raw) result() Result {
	value := func(f field) string { return trim(r.values[f]) }
	return Result{
		Line: r.line, Status: importer.Status(strings.ToLower(value(fieldStatus))),
		Code: value(fieldCode), Message: value(fieldMessage), CorrelationID: value(fieldCorrelationID),
	}
}

// SettledByImport returns the Err of a row that has this result of an earlier
// import; nil if the row is to be sent.
func SettledByImport(r Result) error {
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
func (t *Table) staysRejected(code string, r *raw, org, user identifier) bool {
	switch code {
	case "":
		return r.values[fieldOrgID] == "" && t.org.value == "" || r.values[fieldUserID] == ""
	case importer.CodeOtherOrg:
		return org.kind != t.org.kind || org.value != t.org.value
	}
	return org.value == "" && t.org.value == "" || user.value == ""
}

// sameOrg reports whether the organization that a row names can be that of --org.
// A results file has the id that a name has led to.
func (t *Table) sameOrg(named identifier) bool {
	if t.columns.results() && named.kind != t.org.kind {
		return true
	}
	return named.kind == t.org.kind && named.value == t.org.value
}
