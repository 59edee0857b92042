package importer

import "iter"

// Group packs rows into batches of up to size rows of one organization. It
// yields a batch as soon as it is full. At the end of the input it yields the
// rest, in the order in which the organizations were first seen, so that the same
// rows always make the same batches. Their number is the smallest possible: for
// each organization, its rows divided by size, rounded up.
//
// A row with Err is yielded at once, alone in a batch, because no request will
// carry it. An error ends the range; rows that still wait are dropped.
//
// Group holds at most size-1 rows of each organization. It does not look for
// repeated users: pass the rows through [Distinct] first.
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

// GroupLast packs rows as [Group] does, but yields the rows for which late
// returns true in batches of their own, after all others. These are rows that
// failed in an earlier run: no new row should wait for them or be stopped by
// them. They are held in memory. Rows with Err keep their place.
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
		last := func(yield func(Row, error) bool) {
			for _, row := range held {
				if !yield(row, nil) {
					return
				}
			}
		}
		for b, err := range Group(last, size) {
			if !yield(b, err) {
				return
			}
		}
	}
}
