package importer

import (
	"iter"
	"strings"
)

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

// waiting holds the rows whose batch is not full yet.
type waiting struct {
	place map[string]int32 // by organization: its place in orgs
	orgs  []waitingOrg     // in the order of first appearance
}

// waitingOrg is one organization that was seen, with the one copy of its id
// that all its rows share.
type waitingOrg struct {
	id   string
	rows []waitingRow
}

// waitingRow is what is left to know of a row whose organization is known and
// which has no Err: in the worst case there is one for each row of the input.
type waitingRow struct {
	userID string
	line   int
	kept   []string
}

// add puts the row to the others of its organization, and returns them as a
// batch if there are size of them now.
func (w *waiting) add(row Row, size int) (b Batch, full bool) {
	org := w.org(row.OrgID)
	org.rows = append(org.rows, waitingRow{row.UserID, row.Line, row.Kept})
	if len(org.rows) < size {
		return Batch{}, false
	}
	b = org.batch()
	clear(org.rows)
	org.rows = org.rows[:0]
	return b, true
}

func (w *waiting) org(id string) *waitingOrg {
	i, ok := w.place[id]
	if !ok {
		if w.place == nil {
			w.place = make(map[string]int32)
		}
		id = strings.Clone(id)
		i = int32(len(w.orgs))
		w.place[id] = i
		w.orgs = append(w.orgs, waitingOrg{id: id})
	}
	return &w.orgs[i]
}

// rest returns what waits, each organization's rows as one batch.
func (w *waiting) rest() iter.Seq[Batch] {
	return func(yield func(Batch) bool) {
		for i := range w.orgs {
			org := &w.orgs[i]
			if len(org.rows) == 0 {
				continue
			}
			b := org.batch()
			org.rows = nil
			if !yield(b) {
				return
			}
		}
	}
}

func (o *waitingOrg) batch() Batch {
	b := Batch{OrgID: o.id, Rows: make([]Row, len(o.rows))}
	for i, r := range o.rows {
		b.Rows[i] = Row{OrgID: o.id, UserID: r.userID, Line: r.line, Kept: r.kept}
	}
	return b
}
