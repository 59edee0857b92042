package auth0

import (
	"context"
	"errors"
	"slices"

	"orgimport/importer"
)

// fewOrgs is up to how many organizations are asked for one by one. It is also how
// many of those missing from the whole list are asked for, to check the list.
const fewOrgs = 20

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
