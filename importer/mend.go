package importer

import (
	"encoding/csv"
	"errors"
	"fmt"
	"strings"
)

// mend makes a row of the record that encoding/csv has refused with err: a row
// that is rejected, unless the only thing wrong with the record is empty values
// at its end.
//
// A rejected record of several lines ends with its first: the others may be
// rows that a stray quote has swallowed.
func (t *Table) mend(err error) Row {
	if !errors.Is(err, csv.ErrFieldCount) {
		t.lines.retreat()
		return t.reject(quoteError(err))
	}
	values := split(string(t.lines.record()), t.delimiter)
	if t.fits(values) {
		return t.judge(t.rowOf(values), at(values, t.columns.status))
	}
	t.lines.retreat()
	return t.reject(widthError(len(values), len(t.columns.names)))
}

// fits reports whether a record differs from the header in nothing but empty
// values behind the last column with a name, as spreadsheets write them.
func (t *Table) fits(values []string) bool {
	if len(values) < len(t.columns.names) {
		return len(values) >= t.columns.width()
	}
	return strings.Join(values[len(t.columns.names):], "") == ""
}

// reject returns what can be read in the first line of the record as a row
// that is not sent.
func (t *Table) reject(err error) Row {
	return rejected(t.rowOf(split(string(t.lines.firstLine()), t.delimiter)), err)
}

func (t *Table) rowOf(values []string) Row {
	row := t.row(at(values, t.columns.org), at(values, t.columns.user))
	for _, i := range t.columns.kept {
		row.Kept = append(row.Kept, keep(at(values, i)))
	}
	return row
}

// at returns values[i], or nothing if there is none.
func at(values []string, i int) string {
	if i < 0 || i >= len(values) {
		return ""
	}
	return values[i]
}

// quoteError words what encoding/csv says about quotes.
func quoteError(err error) error {
	switch {
	case errors.Is(err, csv.ErrBareQuote):
		return errors.New("a quote inside a value that does not begin with one")
	case errors.Is(err, csv.ErrQuote):
		return errors.New("a quoted value that is not closed, or goes on after its closing quote")
	}
	return err
}

func widthError(got, want int) error {
	if got == 1 {
		return fmt.Errorf("1 field, the header has %d", want)
	}
	return fmt.Errorf("%d fields, the header has %d", got, want)
}
