// Package csvfile reads rows for package importer from a CSV file, whatever
// program wrote it. It detects compression, encoding, line ends, delimiter and
// columns, repairs what it safely can, and says why any other row can't be sent.
package csvfile

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"unicode"

	"github.com/gocarina/gocsv"

	"orgimport/importer"
)

// Table is a CSV file whose header has been read.
type Table struct {
	// Kept are the names of the columns that are copied to the results, as
	// written in the header. It is empty unless Dialect asks for them.
	Kept []string

	dialect Dialect
	org     identifier // of every row, if Dialect has one
	text    *text

	delimiter  rune
	headerLine int  // 0: the first line that is not blank
	comments   bool // lines that begin with # are not rows
	columns    columns
	exported   [fieldCount]bool // fields whose values Auth0's export began with an apostrophe

	lines   *lines
	records *gocsv.Unmarshaller
	peeked  []raw // read by Open, not yet ranged over

	found findings
}

// Open reads the header of a file and its first rows, so that a file that is
// not what it seems fails before anything is sent. The rest is read as
// [Table.Rows] is ranged over, never more than a record at a time.
//
// Open detects what d leaves open: compression (gzip, zstd), encoding, line
// ends, delimiter, and the columns by their names, in which case, spaces, hyphens
// and underscores don't matter. A row takes its user from the first of these that
// is not empty: user_id, userid or sub (an id); user (an e-mail if it holds @
// and no |, otherwise an id); email, mail, user_email or email_address. Its
// organization likewise: org_id or organization_id; org or organization (an id
// if it begins with org_, otherwise a name); org_name or organization_name.
//
// The results of an earlier run are an input too, whatever d says about the
// delimiter, encoding and columns of the original. Rows that are done are
// [importer.Decided], and rows that could not be read stay rejected until
// somebody corrects them.
//
// Every error is an *[InputError].
func Open(r io.Reader, d Dialect) (*Table, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	if d.Earlier == nil {
		d.Earlier = SettledByImport
	}
	text, err := openText(r, d, false)
	if err != nil {
		return nil, err
	}
	t := &Table{dialect: d, org: d.org(), text: text, lines: newLines(text)}
	if err := t.openHeader(); err != nil {
		return nil, err
	}
	if err := t.peek(); err != nil {
		return nil, err
	}
	return t, nil
}

// Rows returns the rows of the file, which can be ranged over once. A row that
// can't be read, or that no tenant could hold, has Err and as much of its ids as
// is certain; the range goes on. Lines without values are not rows, and empty
// values after the last column are not an error: spreadsheets write both.
//
// The range ends with an *[InputError] if the file becomes unreadable.
func (t *Table) Rows() iter.Seq2[importer.Row, error] {
	return func(yield func(importer.Row, error) bool) {
		for {
			r, err := t.nextRow()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(importer.Row{}, err)
				return
			}
			if err := t.checkStatus(r); err != nil {
				yield(importer.Row{}, err)
				return
			}
			if !yield(t.row(r), nil) {
				return
			}
		}
	}
}

// Columns returns the names of the columns with the organization and the user,
// as written in the header: the first, if there are several. orgID is empty if
// Dialect has an organization for every row, and userID if it asks for no users.
func (t *Table) Columns() (orgID, userID string) {
	if t.org.value == "" {
		orgID = t.columns.names[t.columns.of(&t.columns.org)[0]]
	}
	if users := t.columns.of(&t.columns.user); len(users) > 0 {
		userID = t.columns.names[users[0]]
	}
	return orgID, userID
}

// Roles returns the name of the column with roles, whether or not Dialect asks
// for it; empty if there is none.
func (t *Table) Roles() string {
	if found := t.columns.where(fieldRoles.named); len(found) > 0 {
		return t.columns.names[found[0]]
	}
	return ""
}

// OrgDetails returns the other columns of a row of [Dialect.OrgNames].
func (t *Table) OrgDetails(row importer.Row) (displayName string, metadata map[string]string) {
	metadata = make(map[string]string)
	for i, value := range row.Kept[:min(len(row.Kept), len(t.Kept))] {
		key, isMetadata := metadataKey(t.Kept[i])
		switch {
		case value == "":
		case isMetadata:
			metadata[key] = value
		case isOrgDetail(t.Kept[i]):
			displayName = value
		}
	}
	return displayName, metadata
}

// Results reports whether the file holds the results of an earlier run, by its
// header: see [IsResults].
func (t *Table) Results() bool { return t.columns.results() }

// Lacks returns an error if the file holds results and lacks a column of theirs.
func (t *Table) Lacks(names ...string) error { return lacks(t.columns.own, names) }

// Keyed reports whether a row may name its organization or its user by
// something other than an id, so that it has to be looked up.
func (t *Table) Keyed() bool {
	if t.dialect.OrgNames {
		return false
	}
	if t.org.value != "" && !t.org.isID() {
		return true
	}
	for _, s := range []*party{&t.columns.org, &t.columns.user} {
		for i, f := range s.fields {
			if t.columns.at[f] >= 0 && s.kinds[i] != s.kinds[0] {
				return true
			}
		}
	}
	return false
}

// UsedKeys returns the names of the columns from which a row that was ranged
// over has taken a key, in the order of the header.
func (t *Table) UsedKeys() (names []string) {
	for i, name := range t.columns.names {
		if f := t.columns.fieldAt(i); f != fieldNone && t.found.keys[f] {
			names = append(names, name)
		}
	}
	return names
}

// String says in one line how the file is read.
func (t *Table) String() string {
	var found []string
	if t.text.compression != "" {
		found = append(found, t.text.compression)
	}
	found = append(found, t.text.encoding.title, delimiterName(t.delimiter))
	if t.headerLine > 0 {
		found = append(found, fmt.Sprintf("header on line %d", t.headerLine))
	}
	if t.org.value != "" {
		found = append(found, "organization "+t.org.value+" for every row")
	} else {
		found = append(found, "organization in "+t.columns.title(&t.columns.org))
	}
	if !t.dialect.noUsers() {
		found = append(found, "user in "+t.columns.title(&t.columns.user))
	}
	if slices.Contains(t.exported[:], true) {
		found = append(found, "without the apostrophes of Auth0's export")
	}
	if t.columns.results() {
		found = append(found, "the results of an earlier run")
	}
	return strings.Join(found, ", ")
}

// Dialect says how to read a file. What it leaves open is detected.
type Dialect struct {
	// Delimiter separates the values of a row. If it is 0, it is what a "sep="
	// line says, otherwise one of comma, semicolon, tab and pipe.
	Delimiter rune

	// Encoding is one of [Encodings]. If it is empty, it is detected, unless it is
	// windows-1252, which any bytes could be.
	Encoding string

	// OrgColumn and UserColumn name the columns of the organizations and of the
	// users. If they are empty, see [Open].
	OrgColumn, UserColumn string

	// OrgBy and UserBy say what these columns hold: a kind of [importer.Key],
	// such as name or username. If they are empty, the name of the column decides,
	// or the value where the name leaves it open.
	OrgBy, UserBy string

	// OrgID is every row's organization, for a file of users only: an id, or
	// what OrgBy says, or a name. If the file has a column of organizations too,
	// a row that names another is rejected.
	OrgID string

	// Connection is the one to look users up in, unless the row names another.
	Connection string

	// Roles asks for the column of roles, as [importer.Row.Args].
	Roles bool

	// Emails asks for users by their e-mail addresses, as [importer.Row.Args], even
	// if the file has their ids too. The columns of users are not kept then.
	Emails bool

	// Keys asks for the keys of all rows: of those with ids, such as the results of
	// a run that has looked them up, and of rejected ones, whose user's key may be
	// an id.
	Keys bool

	// Keep copies the other columns to the results, as [importer.Row.Kept].
	Keep bool

	// KeepKeys are the names of columns of keys that are copied in any case, such
	// as those that [Table.UsedKeys] returned. Other names are ignored.
	KeepKeys []string

	// Earlier returns the Err of a row with this result of an earlier run, nil if
	// the row is to be sent. It is not asked about rows that stay rejected. The
	// default is [SettledByImport].
	Earlier func(Result) error

	// OrgNames asks for organizations by their names, as [importer.Row.Args], and
	// not for users. In a file without users, the names may be in a column called
	// name. Columns called display_name or metadata.KEY are copied to the results.
	OrgNames bool

	// Plain says that the file is a list, although its header is that of a results
	// file: see [IsResults].
	Plain bool

	// Only, if set, says which lines of the results of an earlier run are rows.
	// The others are skipped.
	Only func(Result) bool

	orgsOnly bool // see Organizations
}

// By identifies what the columns of keys are taken to hold: a key is another key in
// a file that was read with another By.
func (d Dialect) By() string { return d.OrgBy + "/" + d.UserBy + "/" + d.Connection }

func (d Dialect) noUsers() bool { return d.orgsOnly || d.OrgNames }

// org returns what OrgID names.
func (d Dialect) org() identifier {
	v := clean(d.OrgID)
	if v == "" {
		return identifier{}
	}
	party := orgParty.by(d.OrgBy)
	return identifier{kind: party.identify(fieldOrg, v).kind, value: v}
}

// check returns an *InputError if no file can be read with the dialect.
func (d Dialect) check() error {
	if org := d.org(); org.value != "" {
		err := checkOrg(org.kind, org.value)
		if org.kind == importer.KindOrgName && strings.ContainsFunc(org.value, unicode.IsSpace) {
			err = errors.New("holds white space")
		}
		if err != nil {
			return inputError("--org takes the id or the name of an organization, such as org_P0M5j2B0FfwQioEe",
				"%q can't be an organization: it %v", d.OrgID, err)
		}
	}
	return nil
}

// Result is what a results file says about a row besides its ids.
type Result struct {
	Line          int // of the results file
	Status        importer.Status
	Code, Message string
	CorrelationID string
}

// Organizations reads a list of organizations: the column in which [Open] finds
// them, or else the one called id or name, or else the first of a file without a
// header. Its errors are *[InputError]s.
func Organizations(r io.Reader) (orgs []string, err error) {
	t, err := Open(r, Dialect{orgsOnly: true, Plain: true})
	if err != nil {
		return nil, err
	}
	for row, err := range t.Rows() {
		switch {
		case err != nil:
			return nil, err
		case row.Err != nil:
			return nil, &InputError{line: row.Line, text: row.Err.Error(), Hint: "correct the line"}
		case row.OrgID != "":
			orgs = append(orgs, row.OrgID)
		case row.Keys != nil:
			orgs = append(orgs, strings.ToLower(row.Keys.Org.Value)) // as all names are
		}
	}
	return orgs, nil
}

// IsResults reads a file to its end and reports whether it holds the results of an
// earlier run: its header has a status and at least two of their other columns, and
// a line has a status that a run writes. With all the columns, a correlation id will
// do. If a line of results has another status, the error names it.
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

// InputError says why a file can't be read, or not any further. Every error of
// [Open] is one, and every error of the range of [Table.Rows].
type InputError struct {
	Hint  string // what to do about it; may be empty
	Empty bool   // the file is empty

	text string
	line int   // of the input; 0: the error is about the whole file
	err  error // of the underlying reader

	elsewhere bool // see noHeader
}

func (e *InputError) Error() string {
	text := e.text
	if e.err != nil {
		text += ": " + e.err.Error()
	}
	if e.line > 0 {
		return fmt.Sprintf("line %d: %s", e.line, text)
	}
	return text
}

func (e *InputError) Unwrap() error { return e.err }

// inputError returns an error about the whole file.
func inputError(hint, format string, args ...any) *InputError {
	return &InputError{text: fmt.Sprintf(format, args...), Hint: hint}
}

// noHeader returns the error of a line that is not the header. The header may
// stand further down.
func noHeader(hint, format string, args ...any) *InputError {
	e := inputError(hint, format, args...)
	e.elsewhere = true
	return e
}
