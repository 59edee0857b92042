package importer_test

import (
	"errors"
	"fmt"
	"iter"

	"orgimport/importer"
)

// rowsOf yields rows as a file would.
func rowsOf(rows ...importer.Row) iter.Seq2[importer.Row, error] {
	return broken(nil, rows...)
}

// broken yields rows, and then err unless it is nil.
func broken(err error, rows ...importer.Row) iter.Seq2[importer.Row, error] {
	return func(yield func(importer.Row, error) bool) {
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
		if err != nil {
			yield(importer.Row{}, err)
		}
	}
}

// shown ranges over rows and returns them as text.
func shown(rows iter.Seq2[importer.Row, error]) (all []string) {
	for row, err := range rows {
		if err != nil {
			all = append(all, "error: "+err.Error())
			continue
		}
		all = append(all, show(row))
	}
	return all
}

func show(row importer.Row) string {
	s := fmt.Sprintf("%d %s %s", row.Line, row.OrgID, row.UserID)
	if row.Kept != nil {
		s += fmt.Sprintf(" %q", row.Kept)
	}
	var settled *importer.Settled
	if errors.As(row.Err, &settled) {
		s += fmt.Sprintf(" %s", settled.Status)
	}
	if row.Err != nil {
		s += ": " + row.Err.Error()
	}
	return s
}
