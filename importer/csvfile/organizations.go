package csvfile

import (
	"bytes"
	"encoding/csv"
	"io"
	"slices"
)

// Organizations reads a list of organizations: the column that [Open] would take
// for theirs, otherwise the one called id or name, otherwise the first one of a
// file without a header. Its errors are *[InputError]s.
func Organizations(r io.Reader) ([]string, error) {
	text, err := openText(r, "")
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(text)
	if err != nil {
		return nil, unreadable(text.compression, err)
	}
	list := csv.NewReader(bytes.NewReader(content))
	list.FieldsPerRecord, list.LazyQuotes = -1, true
	list.Comma = slices.MaxFunc(delimiters[:], func(a, b rune) int {
		return len(splitHeader(content, a)) - len(splitHeader(content, b))
	})
	records, err := list.ReadAll()
	if err != nil {
		return nil, unreadable(text.compression, err)
	}
	column := 0
	if len(records) > 0 {
		if i := orgColumn(records[0]); i >= 0 {
			column, records = i, records[1:]
		}
	}
	var orgs []string
	for _, record := range records {
		if column < len(record) {
			if org := clean(record[column]); org != "" {
				orgs = append(orgs, org)
			}
		}
	}
	return orgs, nil
}

// orgColumn returns the index of the column of organizations in a header, or -1
// if the record names none.
func orgColumn(record []string) int {
	for _, f := range orgSide.fields {
		if i := slices.IndexFunc(record, f.named); i >= 0 {
			return i
		}
	}
	return slices.IndexFunc(record, func(name string) bool { return fold(name) == "id" || fold(name) == "name" })
}
