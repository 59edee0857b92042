package importer

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gocarina/gocsv"
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

	peeked []Row // read by Open, not yet ranged over
	ended  bool  // nothing comes after them
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
// in which the rows that are in are [Settled].
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

// openText goes from the bytes of a file to UTF-8 with lines that end in LF or
// CRLF.
func (t *Table) openText(r io.Reader, d Dialect) (io.Reader, error) {
	raw := bufio.NewReader(&sticky{r: r})
	data, compression, err := decompress(raw)
	if err != nil {
		return nil, err
	}
	t.compression = compression
	head, _ := data.Peek(sniffSize) // an error comes again when it is read
	if err := foreign(head); err != nil {
		return nil, err
	}
	text, encoding := decode(data, d.Encoding)
	t.encoding = encoding
	head, _ = text.Peek(sniffSize)
	if err := foreignText(head); err != nil {
		return nil, err
	}
	if endsInCR(head) {
		return &carriageReturns{r: text}, nil
	}
	return text, nil
}

// openHeader reads the header and sets everything up for the rows.
func (t *Table) openHeader(d Dialect) error {
	t.delimiter = d.Delimiter
	found := t.lines.advance()
	if sep, ok := t.sepLine(found); ok {
		if t.delimiter == 0 {
			t.delimiter = sep
		}
		found = t.lines.advance()
	}
	if !found {
		if err := t.lines.broken(); err != nil {
			return t.unreadable(err)
		}
		return &InputError{text: "the file is empty", hint: "it needs a header, such as org_id,user_id"}
	}
	if t.delimiter == 0 {
		t.delimiter = sniffDelimiter(t.lines.window(), d)
	}
	t.lines.comma = t.delimiter
	err := t.readHeader(d)
	var input *InputError
	if errors.As(err, &input) {
		input.Line = t.lines.start
	}
	return err
}

func (t *Table) sepLine(found bool) (rune, bool) {
	if !found {
		return 0, false
	}
	return sepLine(t.lines.firstLine())
}

func (t *Table) readHeader(d Dialect) error {
	if t.lines.long {
		return &InputError{text: "the header is longer than 1 MiB", hint: "is this a CSV file?"}
	}
	r := csv.NewReader(t.lines)
	r.Comma = t.delimiter
	r.ReuseRecord = true
	r.TrimLeadingSpace = trimsSpace(t.delimiter) // before a quote it is common

	records, err := gocsv.NewUnmarshaller(r, &record{})
	if err != nil {
		if broken := t.lines.broken(); broken != nil {
			return t.unreadable(broken)
		}
		return &InputError{text: "the header can't be read: " + quoteError(err).Error(), hint: "mend the quotes in the header"}
	}
	for _, name := range records.Headers {
		if !utf8.ValidString(name) {
			return &InputError{
				text: "the header is not UTF-8",
				hint: "save the file in UTF-8, or say what it is in, such as --encoding windows-1252",
			}
		}
	}
	if t.columns, err = findColumns(records.Headers, d); err != nil {
		return err
	}
	t.Kept = t.columns.at(t.columns.kept)
	t.records = records
	return records.RenormalizeHeaders(t.columns.tags)
}

// tags names the columns for gocsv: those it is to find by the tags of record,
// all others by their place, so that no two have the same name.
func (c *columns) tags(header []string) []string {
	tags := make([]string, len(header))
	for i := range tags {
		switch i {
		case c.org:
			tags[i] = "org_id"
		case c.user:
			tags[i] = "user_id"
		case c.status:
			tags[i] = "status"
		default:
			tags[i] = strconv.Itoa(i)
		}
	}
	return tags
}

// Rows returns the rows of the file, which can be ranged over once. A row that
// can't be read, or that no tenant could hold, comes with Err and with as much
// of its ids as could be read, and the rows after it come all the same. Blank
// lines are no rows.
//
// The range ends with an *[InputError] if the file becomes unreadable.
func (t *Table) Rows() iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
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
func (t *Table) read() (Row, error) {
	if !t.lines.advance() {
		t.ended = true
		if err := t.lines.broken(); err != nil {
			return Row{}, t.unreadable(err)
		}
		return Row{}, nil
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

// unreadable is the error of a file whose end can't be reached.
func (t *Table) unreadable(err error) error {
	e := &InputError{
		Line: t.lines.start,
		text: "the file can't be read any further",
		hint: "see that the file can be read to its end",
		err:  err,
	}
	if t.compression != "" {
		e.text = "the " + t.compression + " data is damaged"
		e.hint = hintAgain
		if errors.Is(err, io.ErrUnexpectedEOF) {
			e.text = "the " + t.compression + " data ends too early"
			e.hint = "the file is cut off: " + hintAgain
		}
	}
	if last := t.lines.start - 1; last > 0 {
		e.text += fmt.Sprintf(", after line %d", last)
	}
	return e
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
