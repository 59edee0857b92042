package importer

import "iter"

// Without drops the rows whose pair is in already, such as those an earlier run
// has finished. Rows with Err are never dropped: they have an outcome of their
// own, whatever became of their pair.
func Without(rows iter.Seq2[Row, error], in func(orgID, userID string) bool) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for row, err := range rows {
			if err == nil && row.Err == nil && in(row.OrgID, row.UserID) {
				continue
			}
			if !yield(row, err) {
				return
			}
		}
	}
}
