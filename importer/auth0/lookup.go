package auth0

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"slices"
	"time"

	"orgimport/importer"
)

// The phases of a look-up.
const (
	PhaseOrganizations = "organizations"
	PhaseExport        = "users export"
	PhaseUsers         = "users"
	PhaseMembers       = "members"
)

// Lookup fills an [importer.Directory] from a tenant. Each class of endpoints has its
// own client, because it has its own limit.
type Lookup struct {
	Connections *Client // GET /connections
	Jobs        *Client // the export job
	Users       *Client // GET /users-by-email and /users/{id}
	OrgByID     *Client // GET /organizations/{id}
	OrgByName   *Client // GET /organizations/name/{name}
	OrgList     *Client // GET /organizations
	Members     *Client // GET /organizations/{id}/members

	// Download fetches the result of an export job from another host. It adds no
	// token; see NewDownload.
	Download *http.Client

	// JobWait is how long the export may take in all.
	JobWait time.Duration

	// Workers is how many requests are in flight at most when keys are asked for
	// one by one.
	Workers int

	// NoGuard continues even if the tenant knows none of many keys.
	NoGuard bool

	// OnCostly, if set, is called when an organization's members take ten times more
	// pages to read than requests to write its rows. It must be quick.
	OnCostly func(orgID string, pages, rows int)

	// OnProgress, if set, is called with the progress of a phase; of is 0 if it is
	// not known. It must be quick.
	OnProgress func(phase string, done, of int)
}

// NoneFoundError says that the tenant knows none of many keys, so that the file is
// probably for another tenant.
type NoneFoundError struct {
	Kind string
	Keys int
}

func (e *NoneFoundError) Error() string {
	return fmt.Sprintf("none of the %d keys of the kind %s was found in the tenant", e.Keys, e.Kind)
}

// leastGuarded is the number of keys from which it is suspicious that none is found.
const leastGuarded = 100

// Guard returns a *[NoneFoundError] if there are many keys of a kind and none was
// found.
func (l *Lookup) Guard(in *importer.Index) error {
	for _, kind := range in.Kinds() {
		keys, hits := in.Count(kind)
		if keys >= leastGuarded && hits == 0 && !in.Reused(kind) && !l.NoGuard {
			return &NoneFoundError{kind, keys}
		}
	}
	return nil
}

func (l *Lookup) progress(phase string, done, of int) {
	if l.OnProgress != nil {
		l.OnProgress(phase, done, of)
	}
}

// looked is what came of the look-up of one key.
type looked[K, R any] struct {
	key    K
	result R
	err    error // why it failed for good, if that is about this key alone
}

// askEach calls one for every key, as ask does. An error that does not end the run
// does not end the range either.
func askEach[K, R any](ctx context.Context, workers int, keys []K, one func(context.Context, K) (R, error)) iter.Seq2[looked[K, R], error] {
	return ask(ctx, workers, keys, func(ctx context.Context, key K) (looked[K, R], error) {
		result, err := one(ctx, key)
		if err != nil && importer.ReachOf(err) == importer.ReachRun {
			return looked[K, R]{}, err
		}
		return looked[K, R]{key, result, err}, nil
	})
}

// ask is askAll for calls that have one result.
func ask[T, R any](ctx context.Context, workers int, items []T, one func(context.Context, T) (R, error)) iter.Seq2[R, error] {
	return askAll(ctx, workers, items, func(ctx context.Context, item T) iter.Seq2[R, error] {
		return func(yield func(R, error) bool) { yield(one(ctx, item)) }
	})
}

// FindOrganizations looks up the organizations of d: few of them one by one, many in
// the tenant's list, whichever takes fewer requests. For n organizations that is at
// most n requests if they are few, and 1.5 n if they are many. Properties other than
// ids and names can only be found in the whole list.
func (l *Lookup) FindOrganizations(ctx context.Context, d *importer.Directory) error {
	byProperty := slices.ContainsFunc(d.Orgs.Kinds(), func(kind string) bool { return !single(kind) })
	missing := singles(&d.Orgs)
	if len(missing) > fewOrgs || byProperty {
		ended, err := l.listOrganizations(ctx, d, byProperty)
		if err != nil {
			return err
		}
		missing = singles(&d.Orgs)
		if ended && len(missing) > fewOrgs {
			absent, err := l.askOrganizations(ctx, d, missing[:fewOrgs])
			if err != nil {
				return err
			}
			missing = missing[fewOrgs:]
			if absent == fewOrgs {
				missing = nil
			}
		}
	}
	if _, err := l.askOrganizations(ctx, d, missing); err != nil {
		return err
	}
	return l.Guard(&d.Orgs)
}

// single reports whether an organization can be asked for by a kind of key.
func single(kind string) bool { return kind == importer.KindOrgID || kind == importer.KindOrgName }

// singles returns the missing keys that can be asked for one by one.
func singles(in *importer.Index) (keys []importer.Key) {
	for w := range in.Missing() {
		if single(w.Kind) {
			keys = append(keys, w.Key)
		}
	}
	return keys
}

// listOrganizations reads the tenant's list until all organizations are found. Unless
// it must read the whole, it stops where asking one by one takes fewer requests, or
// where the list can't be read any further. It reports whether the list ended.
func (l *Lookup) listOrganizations(ctx context.Context, d *importer.Directory, whole bool) (ended bool, err error) {
	wanted := d.Orgs.Len() - d.Orgs.Hits()
	most, read := wanted/2, 0
	for page, err := range l.OrgList.organizationPages(ctx) {
		if _, ok := errors.AsType[*ListError](err); ok && !whole {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		for _, o := range page.items {
			noteOrganization(d, o)
		}
		read++
		l.progress(PhaseOrganizations, d.Orgs.Hits(), d.Orgs.Len())
		if !whole && (d.Orgs.Hits() == d.Orgs.Len() || read == most) {
			return false, nil
		}
	}
	return true, nil
}

func noteOrganization(d *importer.Directory, o Organization) {
	keys := make([]importer.Key, 0, 3+len(o.Metadata))
	keys = append(keys,
		importer.Key{Kind: importer.KindOrgID, Value: o.ID},
		importer.Key{Kind: importer.KindOrgName, Value: o.Name},
		importer.Key{Kind: "display_name", Value: o.DisplayName})
	for name, value := range o.Metadata {
		keys = append(keys, importer.Key{Kind: "metadata." + name, Value: value})
	}
	if !d.Orgs.Found(o.ID, "", true, keys...) {
		return
	}
	if d.OrgNames == nil {
		d.OrgNames = make(map[string]string)
	}
	d.OrgNames[o.ID] = o.Name
}

// askOrganizations asks for organizations one by one and returns how many of them do
// not exist.
func (l *Lookup) askOrganizations(ctx context.Context, d *importer.Directory, keys []importer.Key) (absent int, err error) {
	asked := 0
	for found, err := range askEach(ctx, l.Workers, keys, l.organization) {
		switch {
		case err != nil:
			return 0, err
		case found.err != nil:
			code, _ := reason(found.err)
			d.Orgs.Failed(found.key, "", code, found.err)
		case found.result.ID == "":
			absent++
		default:
			noteOrganization(d, found.result)
		}
		asked++
		l.progress(PhaseOrganizations, asked, len(keys))
	}
	return absent, nil
}

// organization returns the organization that a key names, or one without an id if
// there is none.
func (l *Lookup) organization(ctx context.Context, k importer.Key) (o Organization, err error) {
	if k.Kind == importer.KindOrgID {
		o, err = l.OrgByID.Organization(ctx, k.Value)
	} else {
		o, err = l.OrgByName.OrganizationNamed(ctx, k.Value)
	}
	if absent(err) {
		return Organization{}, nil
	}
	return o, err
}

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
