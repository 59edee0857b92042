package importer

import (
	"cmp"
	"errors"
	"iter"
	"slices"
	"strings"
)

// Plan is what an import of some rows would do, found out without sending
// anything.
//
// Rows = Sendable + Rejected + Duplicates + Settled.
type Plan struct {
	Rows       int `json:"rows"`
	Sendable   int `json:"sendable"`   // rows that a request would carry
	Rejected   int `json:"rejected"`   // rows that can't be sent as they are
	Duplicates int `json:"duplicates"` // rows whose pair stands on an earlier line
	Settled    int `json:"settled"`    // rows that are in already, by the input's own word

	Organizations int `json:"organizations"` // that have a sendable row
	Batches       int `json:"batches"`       // requests, if none fails and none is repeated

	Largest []OrgRows `json:"largest"` // the organizations with the most sendable rows, at most 10
	Rejects []Row     `json:"-"`       // the first rejected rows, at most 10
}

// OrgRows is the number of sendable rows of an organization.
type OrgRows struct {
	OrgID string `json:"org_id"`
	Rows  int    `json:"rows"`
}

const (
	planLargest = 10
	planRejects = 10
)

// Survey reads rows to their end and returns what an import with batches of
// size rows would do with them. The rows are those that [Group] would be given:
// duplicates are counted if they came through [Distinct].
//
// If rejected is not nil, it is called with each row that can't be sent, in
// order. The error is that of the range.
func Survey(rows iter.Seq2[Row, error], size int, rejected func(Row)) (Plan, error) {
	var p Plan
	perOrg := make(map[string]*int32)
	for row, err := range rows {
		if err != nil {
			return Plan{}, err
		}
		p.Rows++
		var settled *Settled
		switch {
		case row.Err == nil:
			p.Sendable++
			count(perOrg, row.OrgID)
		case !errors.As(row.Err, &settled):
			p.reject(row, rejected)
		case settled.Status == Duplicate:
			p.Duplicates++
		default:
			p.Settled++
		}
	}
	p.Organizations = len(perOrg)
	for _, n := range perOrg {
		p.Batches += (int(*n) + size - 1) / size
	}
	p.Largest = largest(perOrg, planLargest)
	return p, nil
}

// count adds one to the organization's rows. The id is copied when it is first
// seen, so that the record it came in is not kept with it.
func count(perOrg map[string]*int32, orgID string) {
	n, ok := perOrg[orgID]
	if !ok {
		n = new(int32)
		perOrg[strings.Clone(orgID)] = n
	}
	*n++
}

func (p *Plan) reject(row Row, rejected func(Row)) {
	p.Rejected++
	if len(p.Rejects) < planRejects {
		p.Rejects = append(p.Rejects, row)
	}
	if rejected != nil {
		rejected(row)
	}
}

// largest returns the n organizations with the most rows, the largest first,
// those of one size by id.
func largest(perOrg map[string]*int32, n int) []OrgRows {
	top := make([]OrgRows, 0, n+1)
	for id, rows := range perOrg {
		o := OrgRows{id, int(*rows)}
		if len(top) == n && ByRows(top[n-1], o) < 0 {
			continue
		}
		i, _ := slices.BinarySearchFunc(top, o, ByRows)
		top = slices.Insert(top, i, o)
		top = top[:min(len(top), n)]
	}
	return top
}

// ByRows is the order of organizations with the largest first, and those of one
// size by id, for slices.SortFunc.
func ByRows(a, b OrgRows) int {
	return cmp.Or(cmp.Compare(b.Rows, a.Rows), strings.Compare(a.OrgID, b.OrgID))
}
