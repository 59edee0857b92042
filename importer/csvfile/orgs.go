package csvfile

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
)

// Organizations reads a list of organizations: the column that is known as
// theirs, as in [Open], or id or name, or the first one of a file without a
// header. Its errors are *[InputError]s.
func Organizations(r io.Reader) ([]string, error) {
	t := &Table{}
	text, err := t.openText(r, Dialect{})
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(text)
	if err != nil {
		return nil, t.unreadable(err)
	}
	records := csv.NewReader(bytes.NewReader(content))
	records.FieldsPerRecord, records.LazyQuotes = -1, true
	records.Comma = slices.MaxFunc(delimiters[:], func(a, b rune) int {
		return len(splitHeader(content, a)) - len(splitHeader(content, b))
	})
	var orgs []string
	column := -1
	for {
		record, err := records.Read()
		if errors.Is(err, io.EOF) {
			return orgs, nil
		}
		if err != nil {
			return nil, t.unreadable(err)
		}
		if column < 0 {
			if column = orgColumn(record); column >= 0 {
				continue
			}
			column = 0
		}
		if column < len(record) {
			if org := clean(record[column]); org != "" {
				orgs = append(orgs, org)
			}
		}
	}
}

// orgColumn returns the place of the name that a column of organizations has, or
// -1 if the record has none.
func orgColumn(record []string) int {
	for _, f := range orgSide.fields {
		if i := slices.IndexFunc(record, func(name string) bool { return slices.Contains(fieldNames[f], fold(name)) }); i >= 0 {
			return i
		}
	}
	return slices.IndexFunc(record, func(name string) bool { return fold(name) == "id" || fold(name) == "name" })
}
