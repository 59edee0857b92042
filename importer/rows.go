package importer

import (
	"errors"
	"fmt"
	"iter"
)

// Each calls f with each row before it yields it, so that f can count or change
// it. An error of f ends the range.
func Each(rows iter.Seq2[Row, error], f func(*Row) error) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for row, err := range rows {
			if err == nil {
				err = f(&row)
			}
			if err != nil {
				yield(Row{}, err)
				return
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}

// Distinct marks every row whose key occurs on an earlier line as [Settled], a
// [Duplicate] that names that line. Rows with Err that are not done pass
// unchanged and do not count as an occurrence: a row that is never sent can't
// make another one unnecessary.
//
// It keeps a [Set] of the keys of the whole input.
func Distinct(rows iter.Seq2[Row, error], key func(Row) string) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		var seen Set
		Each(rows, func(row *Row) error {
			if row.Err == nil || isDone(*row) {
				if line, found := seen.Add(key(*row), row.Line); found {
					row.Err = &Settled{Status: Duplicate, Message: fmt.Sprintf("same pair as line %d", line)}
				}
			}
			return nil
		})(yield)
	}
}

// isDone reports whether a row needs no request because it is known to be done.
func isDone(row Row) bool {
	settled, ok := errors.AsType[*Settled](row.Err)
	return ok && settled.Status.Settled()
}

// Skip drops the rows for which done returns true, such as the ones that an
// earlier run finished. Rows with Err that are not done are never dropped: they
// have an outcome of their own, even if the same pair is done.
func Skip(rows iter.Seq2[Row, error], done func(Row) bool) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for row, err := range rows {
			if err == nil && (row.Err == nil || isDone(row)) && done(row) {
				continue
			}
			if !yield(row, err) {
				return
			}
		}
	}
}
