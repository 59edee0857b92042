package auth0

import (
	"context"
	"net/url"

	"orgimport/importer"
)

// FindMembers reads who is in the organizations of the file already and puts into
// d.Members those pairs that the file has. pairs are all of them by
// [importer.PairKey], and rows says how many there are of an organization.
//
// It reads the members of an organization until its rows are all found, or the
// list ends, or a tenth of the number of its rows in pages is read, so that
// reading never takes more requests than it can save.
func (l *Lookup) FindMembers(ctx context.Context, d *importer.Directory, pairs *importer.Set, rows map[string]int) error {
	done := 0
	orgs := make([]string, 0, len(rows))
	for org := range rows {
		orgs = append(orgs, org)
	}
	for found, err := range ask(ctx, l.Workers, orgs, func(ctx context.Context, org string) ([]importer.Row, error) {
		return l.membersOf(ctx, org, rows[org], pairs)
	}) {
		if err != nil {
			return err
		}
		for _, row := range found {
			d.Members.Add(importer.PairKey(row), 0)
		}
		done++
		l.progress(PhaseMembers, done, len(orgs))
	}
	return nil
}

// membersOf returns those pairs of an organization that are in. One that does not
// exist has no members: that it is missing is said when it is written to.
func (l *Lookup) membersOf(ctx context.Context, org string, rows int, pairs *importer.Set) (found []importer.Row, err error) {
	path, err := organizationPath(org, "members")
	if err != nil {
		return nil, nil
	}
	most, read := (rows+MaxMembers-1)/MaxMembers, 0
	seen := make(map[string]bool)
	query := url.Values{"fields": {"user_id"}, "include_fields": {"true"}}
	for page, err := range pages[Member](ctx, l.Members, path, "members", query) {
		if absent(err) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		for _, m := range page {
			row := importer.Row{OrgID: org, UserID: m.UserID}
			if !seen[m.UserID] && pairs.Has(importer.PairKey(row)) {
				seen[m.UserID] = true
				found = append(found, row)
			}
		}
		read++
		if len(found) == rows || read == most {
			break
		}
	}
	return found, nil
}
