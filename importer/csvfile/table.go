// Package csvfile reads rows for package importer from a CSV file, whatever
// program wrote it: it finds out compression, encoding, line ends, delimiter and
// columns, repairs what it safely can, and says of every other row why it can't be
// sent.
package csvfile

import (
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/gocarina/gocsv"

	"orgimport/importer"
)

// Table is a CSV file whose header has been read.
type Table struct {
	// Kept are the names of the columns that are copied to the results, as
	// they stand in the header. It is empty unless Dialect asks for them.
	Kept []string

	org         ref    // of every row, if Dialect gave one
	connection  string // of the keys of rows that name none
	roles       bool   // go to Row.Args
	emails      bool   // go to Row.Args
	allKeys     bool   // go to Row.Keys
	earlier     func(Result) error
	only        func(Result) bool // nil: all
	compression string
	encoding    string
	delimiter   rune
	own         bool // the file is one of ours, whatever Dialect says of it
	headerLine  int
	comments    bool // lines that begin with # are none of the rows
	columns     columns
	exported    [fieldCount]bool // by Auth0 itself, with an apostrophe before each text

	lines   *lines
	records *gocsv.Unmarshaller

	peeked []importer.Row // read by Open, not yet ranged over
	ended  bool           // nothing comes after them

	used  [fieldCount]bool // fields that a row took a key from
	found findings
}

// peekRows is how many rows are read to judge a file by.
const peekRows = 100

// Open reads the header of a file and its first rows, so that a file that is
// not what it seems fails before anything is sent. The rest is read as
// [Table.Rows] is ranged over, never more than a record at a time.
//
// Whatever d leaves open is found out: compression (gzip, zstd), encoding, line
// ends, delimiter, and the columns, by name, where case, spaces, hyphens and
// underscores don't matter. A row takes its user from the first of these that
// is not empty: user_id, userid or sub (an id); user (an e-mail if it holds @
// and no |, otherwise an id); email, mail, user_email or email_address. Its
// organization likewise: org_id or organization_id; org or organization (an id
// if it begins with org_, otherwise a name); org_name or organization_name.
//
// The results of an earlier run are an input too, whatever d says of the
// original's delimiter, encoding and columns. The rows that are in are
// [importer.Settled], and what was rejected because it could not be read is
// rejected until somebody corrects it.
//
// Every error is an *[InputError].
func Open(r io.Reader, d Dialect) (*Table, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	t := &Table{org: d.orgRef(), connection: d.Connection, roles: d.Roles, emails: d.Emails, allKeys: d.Keys, earlier: d.Settled, only: d.Only}
	if t.earlier == nil {
		t.earlier = Settled
	}
	text, err := t.openText(r, d)
	if err != nil {
		return nil, err
	}
	t.lines = newLines(text)
	if err := t.openHeader(d); err != nil {
		return nil, err
	}
	if err := t.peek(); err != nil {
		return nil, err
	}
	return t, nil
}

// peek reads the first rows, and judges the file by them.
func (t *Table) peek() error {
	var peeked []raw
	for len(peeked) < peekRows && !t.ended {
		r, ok, err := t.nextRow()
		if err != nil {
			return err
		}
		if ok {
			peeked = append(peeked, r)
		}
		t.ended = !ok
	}
	if err := t.checkOtherQuotes(peeked); err != nil {
		return err
	}
	t.findExports(peeked)
	if err := t.checkSwapped(peeked); err != nil {
		return err
	}
	for _, r := range peeked {
		t.peeked = append(t.peeked, t.row(r))
	}
	return nil
}

// nextRow returns the next record that does not repeat the header, as where
// files were joined, and that is asked for.
func (t *Table) nextRow() (raw, bool, error) {
	for {
		r, ok, err := t.next()
		if !ok || err != nil || r.err != nil {
			return r, ok, err
		}
		asked := t.only == nil || !t.columns.results() || t.only(r.result())
		if asked && !t.isHeader(&r.record, &orgSide, &userSide) {
			return r, ok, err
		}
	}
}

// Rows returns the rows of the file, which can be ranged over once. A row that
// can't be read, or that no tenant could hold, comes with Err and with as much
// of its ids as is certain, and the rows after it come all the same. Lines
// without values are no rows, and empty values behind the last column are no
// fault: spreadsheets write both.
//
// The range ends with an *[InputError] if the file becomes unreadable.
func (t *Table) Rows() iter.Seq2[importer.Row, error] {
	return func(yield func(importer.Row, error) bool) {
		for len(t.peeked) > 0 {
			row := t.peeked[0]
			t.peeked = t.peeked[1:]
			if !yield(row, nil) {
				return
			}
		}
		for !t.ended {
			r, ok, err := t.nextRow()
			if !ok {
				t.ended = true
				if err != nil {
					yield(importer.Row{}, err)
				}
				return
			}
			if !yield(t.row(r), nil) {
				return
			}
		}
	}
}

// Columns returns the names of the columns with the organization and the user,
// as they stand in the header: the first, if there are several. orgID is empty
// if Dialect gave every row one.
func (t *Table) Columns() (orgID, userID string) {
	if t.org.value == "" {
		orgID = t.columns.names[t.columns.of(&orgSide)[0]]
	}
	return orgID, t.columns.names[t.columns.of(&userSide)[0]]
}

// Roles returns the name of the column with roles, whether or not Dialect asks
// for it; empty if there is none.
func (t *Table) Roles() string {
	if name := t.columns.name(fieldRoles); name != "" {
		return name
	}
	found := t.columns.where(func(n string) bool { return slices.Contains(fieldNames[fieldRoles], fold(n)) })
	if len(found) == 0 {
		return ""
	}
	return t.columns.names[found[0]]
}

// Results reports whether the file holds the results of an earlier run.
func (t *Table) Results() bool { return t.columns.results() }

// Keyed reports whether a row may name its organization or its user by
// something other than an id, so that it has to be looked up.
func (t *Table) Keyed() bool {
	if t.org.value != "" && t.org.kind != importer.KindOrgID {
		return true
	}
	for _, s := range []*side{&orgSide, &userSide} {
		for _, f := range s.fields {
			if t.columns.key(s, f) {
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
		if t.used[t.columns.fieldAt(i)] {
			names = append(names, name)
		}
	}
	return names
}

// String says in one line how the file is read.
func (t *Table) String() string {
	var found []string
	if t.compression != "" {
		found = append(found, t.compression)
	}
	found = append(found, encodingTitle(t.encoding), delimiterName(t.delimiter))
	if t.headerLine > 0 {
		found = append(found, fmt.Sprintf("header on line %d", t.headerLine))
	}
	if t.org.value != "" {
		found = append(found, "organization "+t.org.value+" for every row")
	} else {
		found = append(found, "organization in "+t.columns.title(&orgSide))
	}
	found = append(found, "user in "+t.columns.title(&userSide))
	if slices.Contains(t.exported[:], true) {
		found = append(found, "without the apostrophes of Auth0's export")
	}
	if t.columns.results() {
		found = append(found, "the results of an earlier run")
	}
	return strings.Join(found, ", ")
}
