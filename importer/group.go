package importer

import (
	"iter"
	"slices"
	"strings"
)

// Group packs rows into batches of up to size rows of one organization. It
// yields a batch as soon as it is full. At the end of the input it yields the
// rest, in the order in which the organizations were first seen, so that the same
// rows always make the same batches. Their number is the smallest possible: for
// each organization, its rows divided by size, rounded up.
//
// Rows for which late returns more than 0 come after all others, in batches of their
// own and in that order. These are rows that failed in an earlier run: no new row
// should wait for them or be stopped by them. They are held in memory. If late is
// nil, there are none.
//
// A row with Err is yielded at once, alone in a batch, because no request will
// carry it. An error ends the range; rows that still wait are dropped.
//
// Group holds at most size-1 other rows of each organization. It does not look for
// repeated users: pass the rows through [Distinct] first.
func Group(rows iter.Seq2[Row, error], size int, late func(Row) int) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		w := waiting{orgs: make(map[string]*waitingOrg)}
		add := func(row Row) bool {
			org := w.add(row)
			return len(org.rows) < size || yield(org.take(), nil)
		}
		rest := func() bool {
			for _, org := range w.order {
				if len(org.rows) > 0 && !yield(org.take(), nil) {
					return false
				}
			}
			return true
		}
		var held []Row
		for row, err := range rows {
			more := true
			switch {
			case err != nil:
				yield(Batch{}, err)
				return
			case row.Err != nil:
				more = yield(Batch{OrgID: row.OrgID, Rows: []Row{row}}, nil)
			case late != nil && late(row) > 0:
				held = append(held, row)
			default:
				more = add(row)
			}
			if !more {
				return
			}
		}
		if !rest() {
			return
		}
		slices.SortStableFunc(held, func(a, b Row) int { return late(a) - late(b) })
		for i, row := range held {
			if i > 0 && late(row) > late(held[i-1]) && !rest() || !add(row) {
				return
			}
		}
		rest()
	}
}

// waiting holds the rows whose batch is not full yet. In the worst case these are all
// rows of the input, each of another organization, so it keeps little of each.
type waiting struct {
	orgs  map[string]*waitingOrg
	order []*waitingOrg // of first appearance
}

// waitingOrg is an organization, with the one copy of its id that all its rows
// share.
type waitingOrg struct {
	id   string
	rows []waitingRow
}

// waitingRow is a row that waits. Most rows consist of their ids and a line; any
// other is kept whole.
type waitingRow struct {
	userID string
	line   int
	whole  *Row // nil if the row consists of its ids and line
}

// add adds the row to those of its organization, which it returns.
func (w *waiting) add(row Row) *waitingOrg {
	org := w.orgs[row.OrgID]
	if org == nil {
		org = &waitingOrg{id: strings.Clone(row.OrgID)}
		w.orgs[org.id] = org
		w.order = append(w.order, org)
	}
	if row.Keys == nil && row.Args == nil && row.Kept == nil && !row.Unended {
		org.rows = append(org.rows, waitingRow{userID: row.UserID, line: row.Line})
	} else {
		whole := row // so that only such a row is allocated
		org.rows = append(org.rows, waitingRow{whole: &whole})
	}
	return org
}

// take returns the rows that wait as a batch.
func (o *waitingOrg) take() Batch {
	b := Batch{OrgID: o.id, Rows: make([]Row, len(o.rows))}
	for i, r := range o.rows {
		if r.whole != nil {
			b.Rows[i] = *r.whole
		} else {
			b.Rows[i] = Row{UserID: r.userID, Line: r.line}
		}
		b.Rows[i].OrgID = o.id
	}
	o.rows = nil
	return b
}
