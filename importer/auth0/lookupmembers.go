package auth0

import (
	"context"
	"errors"
	"maps"
	"slices"

	"orgimport/importer"
)

// FindMembers reads the members of the file's organizations and adds the pairs that
// the file has to d.Members. pairs are all pairs of the file by [importer.PairKey],
// and rows their number by organization.
//
// It reads an organization until all its rows are found or the list ends. What a list
// that can't be read to its end leaves open is in d.Unlisted.
func (l *Lookup) FindMembers(ctx context.Context, d *importer.Directory, pairs *importer.Set, rows map[string]int) error {
	return l.readMembers(ctx, d, pairs, rows, func(string, Member) {})
}

// FindAssigned does the same as FindMembers, and returns the roles that the members
// have in the organizations, by [importer.PairKey].
func (l *Lookup) FindAssigned(ctx context.Context, d *importer.Directory, pairs *importer.Set, rows map[string]int) (map[string]RoleIDs, error) {
	has := make(map[string]RoleIDs)
	err := l.readMembers(ctx, d, pairs, rows, func(pair string, m Member) { has[pair] = m.Roles }, FieldRoles)
	return has, err
}

// readMembers fills d, and calls found with each member of the file.
func (l *Lookup) readMembers(ctx context.Context, d *importer.Directory, pairs *importer.Set, rows map[string]int, found func(pair string, m Member), fields ...string) error {
	done := 0
	orgs := slices.Collect(maps.Keys(rows))
	for o, err := range ask(ctx, l.Workers, orgs, func(ctx context.Context, org string) (membersFound, error) {
		return l.membersOf(ctx, org, rows[org], pairs, fields...)
	}) {
		if err != nil {
			return err
		}
		for _, page := range o.pages {
			for _, m := range page.items {
				pair := importer.PairKey(importer.Row{OrgID: o.org, UserID: m.UserID})
				d.FoundMember(pair, page.correlationID)
				found(pair, m)
			}
		}
		if o.unread != nil {
			d.Unlisted(o.org, o.unread)
		}
		done++
		l.progress(PhaseMembers, done, len(rows))
	}
	return nil
}

// membersFound are the members of an organization that the file has.
type membersFound struct {
	org    string
	pages  []page[Member] // without other members
	unread *ListError     // nil if all of the list is known that the file needs
}

// membersOf reads the members of an organization until as many are found as there
// are rows. An organization that does not exist has no members; writing to it will
// show that it is missing.
func (l *Lookup) membersOf(ctx context.Context, org string, rows int, pairs *importer.Set, fields ...string) (membersFound, error) {
	o := membersFound{org: org}
	found, read := make(map[string]bool), 0
	for page, err := range l.Members.memberPages(ctx, org, fields...) {
		if part, ok := errors.AsType[*ListError](err); ok {
			if part.Extent != Absent {
				o.unread = part
			}
			return o, nil
		}
		if err != nil {
			return o, err
		}
		page.items = slices.DeleteFunc(page.items, func(m Member) bool {
			return !pairs.Has(importer.PairKey(importer.Row{OrgID: org, UserID: m.UserID}))
		})
		for _, m := range page.items {
			found[m.UserID] = true
		}
		if len(page.items) > 0 {
			page.raw = nil
			o.pages = append(o.pages, page)
		}
		if read++; read == costly*((rows+MaxMembers-1)/MaxMembers)+1 && l.OnCostly != nil {
			l.OnCostly(org, read-1, rows)
		}
		if len(found) == rows {
			break
		}
	}
	return o, nil
}

// costly is how many times more requests than it can save reading an organization may
// take before that is told.
const costly = 10
