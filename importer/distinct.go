package importer

import (
	"fmt"
	"iter"
)

// Distinct marks every row whose pair stands on an earlier line as [Settled],
// a [Duplicate] that names that line. Rows with Err pass untouched and do not
// count as an occurrence: what is never sent can't stand for another row.
//
// It keeps a [Pairs] of the whole input.
func Distinct(rows iter.Seq2[Row, error]) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		var seen Pairs
		for row, err := range rows {
			if err == nil && row.Err == nil {
				if line, found := seen.Add(row.OrgID, row.UserID, row.Line); found {
					row.Err = &Settled{Duplicate, fmt.Sprintf("same pair as line %d", line)}
				}
			}
			if !yield(row, err) {
				return
			}
		}
	}
}
