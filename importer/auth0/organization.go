package auth0

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"orgimport/importer"
)

// Organization reports whether the tenant has an organization with this id, with
// GET /api/v2/organizations/{id}. It returns nil if there is one, and an
// [*Error] with [importer.ReachOrg] if there is none. The other errors are those
// of [Client.Import]; a [*CredentialsError] may mean only that the token
// lacks read:organizations, which adding members does not take.
func (c *Client) Organization(ctx context.Context, orgID string) error {
	path, err := organizationPath(orgID)
	if err != nil {
		return err
	}
	call := &call{method: http.MethodGet, path: path, correlationID: c.nextCorrelationID()}
	a, err := c.do(ctx, call, http.StatusOK)
	if err != nil {
		return err
	}
	var org struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(a.body, &org) != nil || org.ID == "" {
		return a.notTheAPI(call)
	}
	return nil
}

// organizationPath returns the path of an organization, or of something below
// it. An id may hold anything: the schema of the API has no pattern for it.
func organizationPath(orgID string, below ...string) (string, error) {
	if orgID == "" || orgID == "." || orgID == ".." {
		// No escape keeps a dot segment from being resolved on the way.
		return "", orgIDError(orgID)
	}
	elements := append([]string{"/api/v2/organizations", url.PathEscape(orgID)}, below...)
	return strings.Join(elements, "/"), nil
}

// orgIDError is an organization id that cannot be asked for.
type orgIDError string

func (e orgIDError) Error() string {
	return fmt.Sprintf("%q cannot be the id of an organization", string(e))
}

// Reach returns [importer.ReachOrg].
func (e orgIDError) Reach() importer.Reach { return importer.ReachOrg }
