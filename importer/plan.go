package importer

import (
	"cmp"
	"errors"
	"iter"
	"slices"
	"strings"
)

// Plan is what an import of some rows would do. Nothing is sent to find out.
//
// Rows = Sendable + Rejected + Duplicates + Settled.
type Plan struct {
	Rows       int `json:"rows"`
	Sendable   int `json:"sendable"`   // rows that a request would carry
	Rejected   int `json:"rejected"`   // rows that can't be sent as they are
	Duplicates int `json:"duplicates"` // rows with the same pair as an earlier line
	Settled    int `json:"settled"`    // rows that are known to be done already

	Organizations int `json:"organizations"` // with a sendable row
	Batches       int `json:"batches"`       // requests, if none fails and none is repeated

	Largest []OrgRows `json:"largest"` // the organizations with the most sendable rows, at most 10
	Rejects []Row     `json:"-"`       // the first rejected rows, at most 10

	perOrg map[string]*int32 // sendable rows
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

// Survey reads all rows and returns what an import with batches of size rows
// would do with them. The rows are those that [Group] would be given: to have
// duplicates counted, pass them through [Distinct] first.
//
// If rejected is not nil, it is called with each row that can't be sent, in
// order. Survey returns the error of the range.
func Survey(rows iter.Seq2[Row, error], size int, rejected func(Row)) (Plan, error) {
	p := Plan{perOrg: make(map[string]*int32)}
	for row, err := range rows {
		if err != nil {
			return Plan{}, err
		}
		p.Rows++
		var settled *Decided
		switch {
		case row.Err == nil:
			p.Sendable++
			p.count(row.OrgID)
		case !errors.As(row.Err, &settled):
			p.reject(row, rejected)
		case settled.Status == Duplicate:
			p.Duplicates++
		default:
			p.Settled++
		}
	}
	p.Organizations = len(p.perOrg)
	for _, n := range p.perOrg {
		p.Batches += (int(*n) + size - 1) / size
	}
	p.Largest = p.largest(planLargest)
	return p, nil
}

// Orgs returns all organizations that have a sendable row, the largest first.
func (p *Plan) Orgs() []OrgRows { return p.largest(p.Organizations) }

// RowsOf returns the number of sendable rows of an organization.
func (p *Plan) RowsOf(orgID string) int {
	if n := p.perOrg[orgID]; n != nil {
		return int(*n)
	}
	return 0
}

// count adds one to the organization's rows. The id is copied when it is first
// seen, so that the record it came in is not kept with it.
func (p *Plan) count(orgID string) {
	n, ok := p.perOrg[orgID]
	if !ok {
		n = new(int32)
		p.perOrg[strings.Clone(orgID)] = n
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

// largest returns the n organizations with the most rows, in the order of
// [ByRows].
func (p *Plan) largest(n int) []OrgRows {
	all := make([]OrgRows, 0, len(p.perOrg))
	for id, rows := range p.perOrg {
		all = append(all, OrgRows{id, int(*rows)})
	}
	slices.SortFunc(all, ByRows)
	return slices.Clone(all[:min(len(all), n)]) // a copy, so that the others are not kept
}

// ByRows compares organizations for slices.SortFunc: more rows come first, and
// equal numbers of rows are ordered by id.
func ByRows(a, b OrgRows) int {
	return cmp.Or(cmp.Compare(b.Rows, a.Rows), strings.Compare(a.OrgID, b.OrgID))
}
