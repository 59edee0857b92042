package auth0

import (
	"context"
	"maps"
	"slices"

	"orgimport/importer"
)

// FindMembers reads the members of the file's organizations and adds the pairs that
// the file has to d.Members. pairs are all pairs of the file by [importer.PairKey],
// and rows their number by organization.
//
// It reads an organization until all its rows are found, the list ends, or it has
// read a page for every ten rows, so that reading never takes more requests than it
// can save.
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

// FindAssigned returns the roles that the file's members have in its organizations,
// by [importer.PairKey]. pairs are those of the file, and rows their number by
// organization: it reads no more pages of one than it has rows.
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

// membersOf returns the members of an organization that the file has, by pair. It
// reads at most most pages, and stops once it has found as many members as there are
// rows. An organization that does not exist has no members; writing to it will show
// that it is missing.
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
