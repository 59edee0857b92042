package auth0

import (
	"context"
	"maps"
	"slices"

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
	for found, err := range ask(ctx, l.Workers, slices.Collect(maps.Keys(rows)), func(ctx context.Context, org string) (map[string]Member, error) {
		return l.membersOf(ctx, org, rows[org], (rows[org]+MaxMembers-1)/MaxMembers, pairs)
	}) {
		if err != nil {
			return err
		}
		for pair := range found {
			d.Members.Add(pair, 0)
		}
		done++
		l.progress(PhaseMembers, done, len(rows))
	}
	return nil
}

// FindAssigned reads which roles the members of organizations have who stand in
// the file, and returns them by [importer.PairKey]. pairs are those of the file,
// and rows says how many rows there are of an organization: of each, no more pages
// are read than that.
func (l *Lookup) FindAssigned(ctx context.Context, pairs *importer.Set, rows map[string]int) (map[string]RoleIDs, error) {
	has := make(map[string]RoleIDs)
	for found, err := range ask(ctx, l.Workers, slices.Collect(maps.Keys(rows)), func(ctx context.Context, org string) (map[string]Member, error) {
		return l.membersOf(ctx, org, rows[org], rows[org], pairs, FieldRoles)
	}) {
		if err != nil {
			return nil, err
		}
		for pair, m := range found {
			has[pair] = m.Roles
		}
	}
	return has, nil
}

// membersOf returns those of an organization's members whom the file has, by
// their pairs. It reads at most so many pages, and no more than it takes to find
// as many as there are rows. An organization that does not exist has no members:
// that it is missing is said when it is written to.
func (l *Lookup) membersOf(ctx context.Context, org string, rows, most int, pairs *importer.Set, fields ...string) (map[string]Member, error) {
	found, read := make(map[string]Member), 0
	for page, err := range l.Members.memberPages(ctx, org, fields...) {
		if absent(err) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		for _, m := range page {
			pair := importer.PairKey(importer.Row{OrgID: org, UserID: m.UserID})
			if pairs.Has(pair) {
				found[pair] = m
			}
		}
		read++
		if len(found) == rows || read == most {
			break
		}
	}
	return found, nil
}
