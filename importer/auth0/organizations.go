package auth0

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/url"
	"slices"
	"strings"

	"orgimport/importer"
)

// Organization is an organization of the tenant.
type Organization struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	DisplayName string            `json:"display_name"`
	Metadata    map[string]string `json:"metadata"`
}

// Organization returns the organization with this id. The error is an [*Error]
// with [importer.ReachOrg] if there is none. The other errors are those of
// [Client.Import]; a [*CredentialsError] may mean only that the token lacks
// read:organizations, which adding members does not require.
func (c *Client) Organization(ctx context.Context, orgID string) (Organization, error) {
	path, err := organizationPath(orgID)
	if err != nil {
		return Organization{}, err
	}
	return c.organization(ctx, path)
}

// OrganizationNamed returns the organization with this name. Its errors are
// those of [Client.Organization].
func (c *Client) OrganizationNamed(ctx context.Context, name string) (Organization, error) {
	element, ok := pathElement(name)
	if !ok {
		return Organization{}, badID(importer.ReachOrg, name, "an organization")
	}
	return c.organization(ctx, organizationsPath+"/name/"+element)
}

// Organizations yields every organization of the tenant, page by page as it is
// ranged over. An error ends the sequence, as that of [Client.Members].
func (c *Client) Organizations(ctx context.Context) iter.Seq2[Organization, error] {
	return items(c.organizationPages(ctx))
}

// Named returns the organizations with the given ids and names, or all of the tenant if
// none is given, in the order of their ids. unknown are those that no organization has.
// Few of them are asked for one by one, more are looked for in the tenant's list.
func (c *Client) Named(ctx context.Context, named []string) (orgs []Organization, unknown []string, err error) {
	missing := make(map[string]bool)
	for _, name := range named {
		missing[name] = true
	}
	found := func(o Organization) {
		if orgs = append(orgs, o); len(named) > 0 {
			delete(missing, o.ID)
			delete(missing, o.Name)
		}
	}
	if 0 < len(named) && len(named) <= fewOrgs {
		for _, name := range named {
			ask := c.OrganizationNamed
			if strings.HasPrefix(name, "org_") { // as no name does
				ask = c.Organization
			}
			o, err := ask(ctx, name)
			switch {
			case err == nil:
				delete(missing, name)
				found(o)
			case !absent(err):
				return nil, nil, err
			}
		}
	} else {
		for o, err := range c.Organizations(ctx) {
			if err != nil {
				return nil, nil, err
			}
			if len(named) == 0 || missing[o.ID] || missing[o.Name] {
				found(o)
			}
		}
	}
	slices.SortFunc(orgs, func(a, b Organization) int { return strings.Compare(a.ID, b.ID) })
	orgs = slices.CompactFunc(orgs, func(a, b Organization) bool { return a.ID == b.ID })
	return orgs, slices.DeleteFunc(slices.Clone(named), func(name string) bool { return !missing[name] }), nil
}

func (c *Client) organizationPages(ctx context.Context) iter.Seq2[page[Organization], error] {
	return pages[Organization](ctx, c, list{
		what: "the organizations of the tenant", path: organizationsPath, name: "organizations", query: url.Values{},
	})
}

func (c *Client) organization(ctx context.Context, path string) (Organization, error) {
	var o Organization
	err := c.get(ctx, path, nil, &o)
	if absent(err) {
		err = &reachError{err: err, reach: importer.ReachOrg} // the path names nothing else
	}
	return o, err
}

// UnmarshalJSON refuses an object without an id: it is not an organization.
func (o *Organization) UnmarshalJSON(data []byte) error {
	type plain Organization
	if err := json.Unmarshal(data, (*plain)(o)); err != nil {
		return err
	}
	if o.ID == "" {
		return errors.New("an organization without an id")
	}
	return nil
}

const organizationsPath = "/api/v2/organizations"

// organizationPath returns the path of an organization, or of something below it. An
// id may contain anything: the API's schema has no pattern for it.
func organizationPath(orgID string, below ...string) (string, error) {
	element, ok := pathElement(orgID)
	if !ok {
		return "", badID(importer.ReachOrg, orgID, "an organization")
	}
	return strings.Join(append([]string{organizationsPath, element}, below...), "/"), nil
}

// pathElement returns s escaped for a path, and whether it can be part of one: no
// escape keeps a dot segment from being resolved on the way.
func pathElement(s string) (string, bool) {
	return url.PathEscape(s), s != "" && s != "." && s != ".."
}

// organizationOf returns the part of a path that names the organization, or "".
func organizationOf(path string) string {
	rest, ok := strings.CutPrefix(path, organizationsPath+"/")
	if !ok {
		return ""
	}
	id, _, _ := strings.Cut(rest, "/")
	return id
}
