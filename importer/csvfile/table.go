// Package csvfile reads rows for package importer from a CSV file, whatever
// program wrote it: it finds out compression, encoding, line ends, delimiter and
// columns, mends what it safely can, and says of every other row why it can't be
// sent.
package csvfile

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/gocarina/gocsv"

	"orgimport/importer"
)

// Table is a CSV file whose header has been read.
type Table struct {
	// Kept are the names of the columns that are carried to the results, as
	// they stand in the header. It is empty unless Dialect.Keep asks for them.
	Kept []string

	orgID       string // of every row, if Dialect gave one
	compression string
	encoding    string
	delimiter   rune
	columns     columns

	lines   *lines
	records *gocsv.Unmarshaller

	peeked []importer.Row // read by Open, not yet ranged over
	ended  bool           // nothing comes after them
}

// record is what gocsv makes of a line.
type record struct {
	OrgID  string `csv:"org_id"`
	UserID string `csv:"user_id"`
	Status string `csv:"status"`
}

// peekRows is how many rows are read to judge a file by.
const peekRows = 100

// Open reads the header of a file and its first rows, so that a file that is
// not what it seems fails before anything is sent. The rest is read as
// [Table.Rows] is ranged over, never more than a record at a time.
//
// Whatever d leaves open is found out: compression (gzip, zstd), encoding, line
// ends, delimiter, and the columns, by name: org_id, organization_id, org or
// organization, and user_id, userid, user or sub, where case, spaces, hyphens
// and underscores don't matter. The results of an earlier run are an input too,
// in which the rows that are in are [importer.Settled].
//
// Every error is an *[InputError].
func Open(r io.Reader, d Dialect) (*Table, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	t := &Table{orgID: d.OrgID}
	text, err := t.openText(r, d)
	if err != nil {
		return nil, err
	}
	t.lines = newLines(text)
	if err := t.openHeader(d); err != nil {
		return nil, err
	}
	for len(t.peeked) < peekRows && !t.ended {
		row, err := t.read()
		if err != nil {
			return nil, err
		}
		if !t.ended {
			t.peeked = append(t.peeked, row)
		}
	}
	if err := t.checkSwapped(t.peeked); err != nil {
		return nil, err
	}
	return t, nil
}

// Rows returns the rows of the file, which can be ranged over once. A row that
// can't be read, or that no tenant could hold, comes with Err and with as much
// of its ids as could be read, and the rows after it come all the same. Blank
// lines are no rows, and empty values behind the last column are no fault:
// spreadsheets write both.
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
			row, err := t.read()
			if t.ended && err == nil {
				return
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

// read returns the next row. At the end of the file it sets ended, and returns
// an error if the end came too early.
func (t *Table) read() (importer.Row, error) {
	if !t.lines.advance() {
		t.ended = true
		if err := t.lines.broken(); err != nil {
			return importer.Row{}, t.unreadable(err)
		}
		return importer.Row{}, nil
	}
	if t.lines.long {
		return t.reject(errors.New("the line is longer than 1 MiB")), nil
	}
	rec, rest, err := t.unmarshal()
	if err != nil {
		return t.mend(err), nil
	}
	row := t.row(rec.OrgID, rec.UserID)
	for _, i := range t.columns.kept {
		row.Kept = append(row.Kept, keep(rest[t.records.Headers[i]]))
	}
	return t.judge(row, rec.Status), nil
}

// unmarshal returns the record, and the columns that are not in it if they are
// kept.
func (t *Table) unmarshal() (*record, map[string]string, error) {
	if len(t.columns.kept) > 0 {
		rec, rest, err := t.records.ReadUnmatched()
		if err != nil {
			return nil, nil, err
		}
		return rec.(*record), rest, nil
	}
	rec, err := t.records.Read()
	if err != nil {
		return nil, nil, err
	}
	return rec.(*record), nil, nil
}

// Columns returns the names of the columns with the organization and the user,
// as they stand in the header. orgID is empty if Dialect gave every row one.
func (t *Table) Columns() (orgID, userID string) {
	if t.orgID == "" {
		orgID = t.columns.names[t.columns.org]
	}
	return orgID, t.columns.names[t.columns.user]
}

// String says in one line how the file is read.
func (t *Table) String() string {
	var found []string
	if t.compression != "" {
		found = append(found, t.compression)
	}
	found = append(found, encodingTitle(t.encoding), delimiterName(t.delimiter))
	if t.orgID != "" {
		found = append(found, "organization "+t.orgID+" for every row")
	} else {
		found = append(found, fmt.Sprintf("organization in %q", t.columns.names[t.columns.org]))
	}
	found = append(found, fmt.Sprintf("user in %q", t.columns.names[t.columns.user]))
	if t.columns.status >= 0 {
		found = append(found, "the results of an earlier run")
	}
	return strings.Join(found, ", ")
}
