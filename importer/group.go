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
		var w waiting
		var held []Row
		rest := func() bool {
			for b := range w.rest() {
				if !yield(b, nil) {
					return false
				}
			}
			return true
		}
		for row, err := range rows {
			switch {
			case err != nil:
				yield(Batch{}, err)
				return
			case row.Err != nil:
				if !yield(Batch{OrgID: row.OrgID, Rows: []Row{row}}, nil) {
					return
				}
			case late != nil && late(row) > 0:
				held = append(held, row)
			default:
				if b, full := w.add(row, size); full && !yield(b, nil) {
					return
				}
			}
		}
		if !rest() {
			return
		}
		slices.SortStableFunc(held, func(a, b Row) int { return late(a) - late(b) })
		for i, row := range held {
			if i > 0 && late(row) > late(held[i-1]) && !rest() {
				return
			}
			if b, full := w.add(row, size); full && !yield(b, nil) {
				return
			}
		}
		rest()
	}
}

// waiting holds the rows whose batch is not full yet. In the worst case these are
// all rows of the input, each of another organization, so it keeps and allocates
// little per row.
//
// The rows of all organizations lie in one list of pages; the rows of one
// organization are linked from the last to the first. Free places are reused.
type waiting struct {
	orgs         map[string]*waitingOrg
	oldest, last *waitingOrg // in the order of first appearance

	pages []*waitingPage
	used  int32 // places in pages that were ever used
	free  int32 // head of the list of free places, plus 1; 0 if it is empty
}

// waitingOrg is an organization, with the one copy of its id that all its rows
// share.
type waitingOrg struct {
	id    string
	next  *waitingOrg // in the order of first appearance
	row   int32       // place of its last row
	count int32
}

// waitingRow is a row that waits. Most rows consist of their ids and a line; any
// other is kept whole.
type waitingRow struct {
	userID string
	line   uint32
	before int32 // place of the row before it
	whole  *Row  // nil if the row consists of its ids and line
}

func newWaitingRow(row Row, before int32) waitingRow {
	if row.Keys == nil && row.Args == nil && row.Kept == nil && row.Err == nil && !row.Unended {
		return waitingRow{userID: row.UserID, line: uint32(row.Line), before: before}
	}
	whole := row
	return waitingRow{before: before, whole: &whole}
}

// row returns the row with the shared copy of its organization's id.
func (r *waitingRow) row(orgID string) Row {
	if r.whole == nil {
		return Row{OrgID: orgID, UserID: r.userID, Line: int(r.line)}
	}
	row := *r.whole
	row.OrgID = orgID
	return row
}

const waitingPageSize = 1024

type waitingPage [waitingPageSize]waitingRow

// add adds the row to those of its organization, and returns them as a batch when
// there are size of them.
func (w *waiting) add(row Row, size int) (b Batch, full bool) {
	org, ok := w.orgs[row.OrgID]
	if !ok {
		org = w.newOrg(row.OrgID)
	}
	place := w.newPlace()
	*w.at(place) = newWaitingRow(row, org.row)
	org.row = place
	org.count++
	if int(org.count) < size {
		return Batch{}, false
	}
	return w.take(org), true
}

func (w *waiting) newOrg(id string) *waitingOrg {
	org := &waitingOrg{id: strings.Clone(id)}
	if w.oldest == nil {
		w.orgs = make(map[string]*waitingOrg)
		w.oldest = org
	} else {
		w.last.next = org
	}
	w.last = org
	w.orgs[org.id] = org
	return org
}

func (w *waiting) at(place int32) *waitingRow {
	return &w.pages[place/waitingPageSize][place%waitingPageSize]
}

func (w *waiting) newPlace() int32 {
	if w.free > 0 {
		place := w.free - 1
		w.free = w.at(place).before
		return place
	}
	if int(w.used) == len(w.pages)*waitingPageSize {
		w.pages = append(w.pages, new(waitingPage))
	}
	w.used++
	return w.used - 1
}

// take returns the rows of org as a batch and frees their places.
func (w *waiting) take(org *waitingOrg) Batch {
	b := Batch{OrgID: org.id, Rows: make([]Row, org.count)}
	place := org.row
	for n := len(b.Rows) - 1; n >= 0; n-- {
		r := w.at(place)
		b.Rows[n] = r.row(org.id)
		before := r.before
		*r = waitingRow{before: w.free}
		w.free = place + 1
		place = before
	}
	org.count = 0
	return b
}

// rest yields the waiting rows, each organization's as one batch.
func (w *waiting) rest() iter.Seq[Batch] {
	return func(yield func(Batch) bool) {
		for org := w.oldest; org != nil; org = org.next {
			if org.count > 0 && !yield(w.take(org)) {
				return
			}
		}
	}
}
