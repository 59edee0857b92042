package auth0

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/url"
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
// ranged over. An error ends the sequence.
func (c *Client) Organizations(ctx context.Context) iter.Seq2[Organization, error] {
	return items(c.organizationPages(ctx))
}

func (c *Client) organizationPages(ctx context.Context) iter.Seq2[[]Organization, error] {
	return pages[Organization](ctx, c, organizationsPath, "organizations", url.Values{})
}

func (c *Client) organization(ctx context.Context, path string) (Organization, error) {
	var o Organization
	err := c.get(ctx, path, nil, &o)
	if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusNotFound && absent(err) {
		err = &reachError{err: e, reach: importer.ReachOrg} // the path names nothing else
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
