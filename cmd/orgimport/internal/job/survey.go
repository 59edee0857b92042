package job

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"orgimport/importer"
	"orgimport/report"
)

// Survey is what an operation would do with the rows of a source. Nothing is sent to
// find out. Scripts rely on its JSON: fields may be added, but not renamed or removed.
//
// Rows = Sendable + Rejected + Duplicates + Settled.
type Survey struct {
	Rows       int `json:"rows"`
	Sendable   int `json:"sendable"`   // rows that a request would carry
	Rejected   int `json:"rejected"`   // rows that can't be sent as they are
	Duplicates int `json:"duplicates"` // rows that repeat an earlier line
	Settled    int `json:"settled"`    // rows that are known to be done already

	Organizations int `json:"organizations"` // with a sendable row
	Batches       int `json:"batches"`       // requests, if none fails and none is repeated

	Largest []OrgRows      `json:"largest"` // the organizations with the most sendable rows, at most 10
	Rejects []importer.Row `json:"-"`       // the first rejected rows, at most 10

	WritesSaved int `json:"-"` // requests that look-ups make unnecessary

	// Small is how many organizations have too few rows to fill a request.
	// OwnConnections reports whether there are several organizations, each with a
	// connection that all its rows name and no other row.
	Small          int  `json:"-"`
	OwnConnections bool `json:"-"`

	perOrg orgCounts // sendable rows
}

// OrgRows is the number of sendable rows of an organization.
type OrgRows struct {
	OrgID string `json:"org_id"`
	Rows  int    `json:"rows"`
}

const surveyFirst = 10 // of the largest organizations, and of the rejected rows

// Survey ranges over all rows, and returns what the operation would do with them.
// Rows that are done according to the journal count as settled. It calls rejected, if
// that is not nil, with each row that can't be sent, in order.
func (s *Source) Survey(ctx context.Context, before *report.Journal, rejected func(importer.Row) error) (*Survey, error) {
	connections := make(orgConnections)
	rows := s.prepared(importer.Each(s.read(), func(row *importer.Row) error {
		connections.add(*row)
		return context.Cause(ctx)
	}))
	rows = importer.Distinct(rows, s.Op.KeyOf)
	saved := newSaved()
	if s.look.found() {
		rows = saved.count(rows)
	}
	rows = EachSendable(rows, func(row *importer.Row) {
		if before.Done(*row) {
			row.Err = &importer.Decided{Status: importer.AlreadyMember, Message: "done already, according to the results file"}
		}
	})
	survey, err := surveyOf(rows, s.Op.Size, rejected)
	if err != nil {
		return nil, stoppedOr(ctx, err)
	}
	survey.WritesSaved = saved.requests(s.Op.Size)
	survey.OwnConnections = connections.own()
	return survey, nil
}

// surveyOf surveys rows, of which a request carries up to size.
func surveyOf(rows rowSeq, size int, rejected func(importer.Row) error) (*Survey, error) {
	s := &Survey{perOrg: make(orgCounts)}
	for row, err := range rows {
		if err != nil {
			return nil, err
		}
		s.Rows++
		var decided *importer.Decided
		switch {
		case row.Err == nil:
			s.Sendable++
			s.perOrg.add(row.OrgID)
		case !errors.As(row.Err, &decided):
			s.Rejected++
			if len(s.Rejects) < surveyFirst {
				s.Rejects = append(s.Rejects, row)
			}
			if rejected == nil {
				break
			}
			if err := rejected(row); err != nil {
				return nil, err
			}
		case decided.Status == importer.Duplicate:
			s.Duplicates++
		default:
			s.Settled++
		}
	}
	s.Organizations, s.Batches = len(s.perOrg), s.perOrg.batches(size)
	for _, rows := range s.perOrg {
		if rows < size {
			s.Small++
		}
	}
	s.Largest = s.largest(surveyFirst)
	return s, nil
}

// Orgs returns all organizations that have a sendable row, the largest first.
func (s *Survey) Orgs() []OrgRows { return s.largest(s.Organizations) }

// RowsOf returns the number of sendable rows of an organization.
func (s *Survey) RowsOf(orgID string) int { return s.perOrg[orgID] }

// largest returns the n organizations with the most rows, in the order of
// [ByRows].
func (s *Survey) largest(n int) []OrgRows {
	all := make([]OrgRows, 0, len(s.perOrg))
	for id, rows := range s.perOrg {
		all = append(all, OrgRows{id, rows})
	}
	slices.SortFunc(all, ByRows)
	return slices.Clone(all[:min(len(all), n)]) // a copy, so that the others are not kept
}

// ByRows compares organizations for slices.SortFunc: more rows come first, and
// equal numbers of rows are ordered by id.
func ByRows(a, b OrgRows) int {
	return cmp.Or(cmp.Compare(b.Rows, a.Rows), strings.Compare(a.OrgID, b.OrgID))
}

// orgConnections maps each organization to the connection that its rows name; empty:
// none, or several.
type orgConnections map[string]string

func (o orgConnections) add(row importer.Row) {
	if row.Err != nil {
		return
	}
	org, connection := row.OrgID, ""
	if row.Keys != nil {
		org, connection = cmp.Or(org, row.Keys.Org.Value), row.Keys.Connection
	}
	if parts := strings.SplitN(row.UserID, "|", 3); len(parts) == 3 { // samlp|acme|ann
		connection = parts[1]
	}
	if first, ok := o[org]; !ok {
		o[strings.Clone(org)] = strings.Clone(connection)
	} else if first != connection {
		o[org] = ""
	}
}

// own reports whether there are several organizations, each of which has a
// connection of its own.
func (o orgConnections) own() bool {
	distinct := make(map[string]bool)
	for _, connection := range o {
		distinct[connection] = true
	}
	return len(o) > 1 && !distinct[""] && len(distinct) == len(o)
}

// orgCounts counts rows by organization.
type orgCounts map[string]int

// add counts a row. The id is copied when it is first seen, so that the record it
// came in is not kept with it.
func (c orgCounts) add(orgID string) {
	if _, seen := c[orgID]; !seen {
		orgID = strings.Clone(orgID)
	}
	c[orgID]++
}

// batches returns how many batches the rows fill, each of up to size.
func (c orgCounts) batches(size int) (n int) {
	for _, rows := range c {
		n += (rows + size - 1) / size
	}
	return n
}

// saved counts the requests that look-ups make unnecessary: those for users who
// are members already and for ids that do not exist. It is locked because rows
// may still pass while a stopped run adds up its totals.
type saved struct {
	mu   sync.Mutex
	all  orgCounts // rows that need a request, or would without the look-ups
	sent orgCounts // rows that need a request
}

func newSaved() *saved { return &saved{all: make(orgCounts), sent: make(orgCounts)} }

// count yields rows unchanged and counts them as they pass.
func (s *saved) count(rows rowSeq) rowSeq {
	return importer.Each(rows, func(row *importer.Row) error {
		settled, ok := errors.AsType[*importer.Decided](row.Err)
		member := ok && settled.Status == importer.AlreadyMember
		unknown := isUnresolved(*row) && row.OrgID != "" && row.UserID != ""
		s.mu.Lock()
		defer s.mu.Unlock()
		if row.Err == nil || member || unknown {
			s.all.add(row.OrgID)
		}
		if row.Err == nil {
			s.sent.add(row.OrgID)
		}
		return nil
	})
}

// requests returns the number of requests saved so far, each of up to size rows.
func (s *saved) requests(size int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.batches(size) - s.sent.batches(size)
}
