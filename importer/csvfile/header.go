package csvfile

import (
	"encoding/csv"
	"errors"
	"unicode/utf8"

	"github.com/gocarina/gocsv"
)

// openHeader reads the header and sets everything up for the rows.
func (t *Table) openHeader(d Dialect) error {
	t.delimiter = d.Delimiter
	found := t.lines.advance()
	if sep, ok := sepLine(t.lines.record()); ok {
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
