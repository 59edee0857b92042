package importer

import "iter"

// Group packs rows into batches of up to size rows of one organization. A
// batch leaves as soon as it is full. At the end of the input the rest leaves,
// in the order in which the organizations were first seen, so that the same
// rows always make the same batches. There are as few as can be: for every
// organization its rows divided by size, rounded up.
//
// A row with Err leaves at once, alone in a batch, for no request will carry
// it. An error ends the range; rows that still wait are not sent then.
//
// Group holds at most size-1 rows of each organization. It does not look for
// repeated users: a body has each user once if the rows came through
// [Distinct].
func Group(rows iter.Seq2[Row, error], size int) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		var w waiting
		for row, err := range rows {
			if err != nil {
				yield(Batch{}, err)
				return
			}
			if row.Err != nil {
				if !yield(Batch{OrgID: row.OrgID, Rows: []Row{row}}, nil) {
					return
				}
				continue
			}
			if b, full := w.add(row, size); full && !yield(b, nil) {
				return
			}
		}
		for b := range w.rest() {
			if !yield(b, nil) {
				return
			}
		}
	}
}

// GroupLast packs rows as [Group] does, but the rows for which late returns true
// into batches of their own, behind all others. They are those that an earlier
// run failed to add, so that they keep no new row waiting, and stop none. It
// holds them in memory. Rows with Err stay where they are.
func GroupLast(rows iter.Seq2[Row, error], size int, late func(Row) bool) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		var held []Row
		others := func(yield func(Row, error) bool) {
			for row, err := range rows {
				if err == nil && row.Err == nil && late(row) {
					held = append(held, row)
				} else if !yield(row, err) {
					return
				}
			}
		}
		for b, err := range Group(others, size) {
			if !yield(b, err) || err != nil {
				return
			}
		}
		behind := func(yield func(Row, error) bool) {
			for _, row := range held {
				if !yield(row, nil) {
					return
				}
			}
		}
		for b, err := range Group(behind, size) {
			if !yield(b, err) {
				return
			}
		}
	}
}
