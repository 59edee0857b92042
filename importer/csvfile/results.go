package csvfile

import (
	"bufio"
	"bytes"
	"cmp"
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

// How many of its ten columns a header must have to be that of a results file. Without
// the status they are as many as no log or list has by chance.
const (
	leastResultColumns = 3
	leastWithoutStatus = 7
)

// findResults returns where a header has the columns of a results file, whatever
// stands beside them; -1 for a column that it lacks. It returns nil if the header
// is not that of a results file. If the columns stand together in their order,
// others of the same names are copies of columns of the input. Otherwise a name that
// stands twice is an error; at is where it stands first.
func findResults(names []string) (at []int, twice error) {
	header := importer.ResultColumns()
	at = make([]int, len(header))
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
	found := 0
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
	least := leastResultColumns
	if at[slices.Index(header, fields[fieldStatus].name)] < 0 {
		least = leastWithoutStatus
	}
	if found < least {
		return nil, nil
	}
	return at, twice
}

// lacks returns an error if a results file lacks a column. at is what findResults
// returns, or nil.
func lacks(at []int, names []string) error {
	for _, name := range names {
		if at != nil && at[slices.Index(importer.ResultColumns(), name)] < 0 {
			return inputError("give the file as the run wrote it", "these results lack the column %q", name)
		}
	}
	return nil
}

// resultsHeader returns the delimiter and the names of the header of results that
// head begins with, and what findResults returns for them.
func resultsHeader(head []byte) (delimiter rune, names []string, at []int, twice error) {
	for _, delimiter = range delimiters {
		names = splitHeader(head, delimiter)
		if at, twice = findResults(names); at != nil {
			break
		}
	}
	return delimiter, names, at, twice
}

// hasResults reports whether the header of a file that begins with head is that of
// a results file, as written or as a spreadsheet has saved it.
func hasResults(head []byte) bool {
	decoded, _ := decode(bufio.NewReader(bytes.NewReader(head)), "")
	l := newLines(&lineEnds{decoded})
	l.skipSep()
	_, _, at, _ := resultsHeader(l.window())
	return at != nil
}

// IsResults reads a file to its end and reports whether it holds the results of an
// earlier run: its header has a status and at least two other columns of theirs,
// and a line has a status of ours. A file that has all their columns, and correlation
// ids, is one whatever became of its statuses. If a line has a status that is not
// ours, the error names it.
func IsResults(r io.Reader, d Dialect) (bool, error) {
	d.Only = nil
	t, err := Open(r, d)
	if err != nil || !t.Results() {
		return false, err
	}
	if err := t.Lacks(fields[fieldStatus].name); err != nil {
		return true, err
	}
	whole := !slices.Contains(t.columns.own, -1)
	ours, other := false, error(nil)
	for {
		r, err := t.nextRow()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return false, err
		}
		said := r.result()
		ours = ours || said.Status.Known() || whole && said.CorrelationID != ""
		if said.Status.Claim() == importer.ClaimExists {
			return true, inputError("give the file that they were made from", "these are the results of organizations, which name no users")
		}
		if other == nil {
			other = t.checkStatus(r)
		}
	}
	if !ours {
		return false, nil
	}
	return true, cmp.Or(t.columns.twice, other)
}

// ResultsText is a results file as a run writes it, whatever a spreadsheet has made
// of it since: UTF-8 with commas, LF, and the columns in their order, with those that
// were copied behind them.
type ResultsText struct {
	io.Reader
	Compression string // of the file; empty: none

	from io.Reader
	at   []int // see findResults; nil: as written
}

// OpenResults reads the header of a results file. The errors, and those of reading
// the text, are *[InputError]s; a file that a run has written is read as it is.
func OpenResults(r io.Reader) (*ResultsText, error) {
	t := &ResultsText{from: r}
	if err := t.open(); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *ResultsText) open() error {
	in := bufio.NewReaderSize(t.from, sniffSize)
	if head, _ := in.Peek(sniffSize); isAsWritten(head) { // an error comes again when it is read
		t.Reader = in
		return nil
	}
	text, err := openText(in, Dialect{}, false)
	if err != nil {
		return err
	}
	l := newLines(text)
	l.skipSep()
	comma, names, at, err := resultsHeader(l.window())
	switch {
	case at == nil:
		return inputError("name a file that a run wrote as its --results", "this is not a results file: its first line should begin with %q", strings.Join(importer.ResultColumns(), ","))
	case err != nil:
		return err
	}
	t.at, t.Compression = at, text.compression
	t.Reader = newRecoder(l, comma, false, arranged(names, at, l))
	return nil
}

// Seek begins anew; the offset must be 0, and whence [io.SeekStart].
func (t *ResultsText) Seek(offset int64, whence int) (int64, error) {
	s, ok := t.from.(io.Seeker)
	if !ok || offset != 0 || whence != io.SeekStart {
		return 0, errors.ErrUnsupported
	}
	if _, err := s.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	return 0, t.open()
}

// Lacks returns an error if the file lacks a column.
func (t *ResultsText) Lacks(names ...string) error { return lacks(t.at, names) }

// isAsWritten reports whether a file that begins with head begins as a run has
// written it, perhaps not to the end of the header.
func isAsWritten(head []byte) bool {
	line, _, whole := bytes.Cut(head, []byte("\n"))
	header := strings.Join(importer.ResultColumns(), ",")
	names, ok := strings.CutPrefix(string(line), header)
	if !ok {
		return !whole && strings.HasPrefix(header, string(bytes.TrimRight(line, "\x00")))
	}
	return (names == "" || names[0] == ',') && !strings.Contains(names, "\r") && !(whole && strings.HasSuffix(names, ","))
}

// arranged returns a function that brings the values of a record into the order in
// which a run writes them. A file without line numbers gets its own.
func arranged(names []string, at []int, l *lines) func([]string) []string {
	header := importer.ResultColumns()
	width := 0
	for i, name := range names {
		if trim(name) != "" {
			width = i + 1
		}
	}
	first := true
	return func(values []string) []string {
		if len(values) > width && strings.Join(values[width:], "") != "" {
			return nil
		}
		row := make([]string, 0, len(header)+width)
		for k, i := range at {
			switch {
			case first:
				row = append(row, header[k])
			case i < 0 && k == 0:
				row = append(row, strconv.Itoa(l.start))
			case i < 0 || i >= len(values):
				row = append(row, "")
			default:
				row = append(row, trim(values[i]))
			}
		}
		for i := range width {
			switch {
			case slices.Contains(at, i):
			case i < len(values):
				row = append(row, values[i])
			default:
				row = append(row, "")
			}
		}
		first = false
		return row
	}
}

// checkStatus returns an error if the record has a status that no run writes.
func (t *Table) checkStatus(r raw) error {
	if !t.columns.results() || r.values[fieldStatus] == "" || r.result().Status.Known() {
		return nil
	}
	return &InputError{
		line: r.line, text: "no run writes the status " + strconv.Quote(truncate(r.values[fieldStatus], 40)),
		Hint: "correct it, or empty it to have the row read anew; if the column is your own, rename it",
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
	switch {
	case r.Status.Claim() == importer.ClaimMember:
		return &importer.Decided{Status: importer.AlreadyMember, Message: "in already, according to the results of an earlier run", CorrelationID: r.CorrelationID}
	case r.Status == importer.Duplicate:
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
		return !t.dialect.OrgNames && (r.values[fieldOrgID] == "" && t.org.value == "" || r.values[fieldUserID] == "")
	case importer.CodeOtherOrg:
		return org.kind != t.org.kind || org.value != t.org.value
	}
	return org.value == "" && t.org.value == "" || user.value == "" && !t.dialect.OrgNames
}

// sameOrg reports whether the organization that a row names can be that of --org.
// A results file has the id that a name has led to.
func (t *Table) sameOrg(named identifier) bool {
	if named.kind != t.org.kind {
		return t.columns.results()
	}
	return named.value == t.org.value
}
