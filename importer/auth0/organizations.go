package auth0

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"regexp"
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

// fewOrgs is up to how many organizations are asked for one by one. It is also how
// many of those missing from the whole list are asked for, to check the list.
const fewOrgs = 20

// Named returns the organizations with the given ids and names, or all of the tenant if
// none is given, in the order of their ids. unknown are those that no organization has.
// Few of them are asked for one by one, more are looked for in the tenant's list.
func (c *Client) Named(ctx context.Context, named []string) (orgs []Organization, unknown []string, err error) {
	missing := make(map[string]bool)
	for _, name := range named {
		missing[name] = true
	}
	found := func(o Organization) {
		orgs = append(orgs, o)
		delete(missing, o.ID)
		delete(missing, o.Name)
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
	return unmarshalItem(data, (*plain)(o), &o.ID, "an organization without an id")
}

// Creator makes the organizations that the tenant lacks, with
// POST /api/v2/organizations.
//
// A request whose answer was lost is sent again. If the API then says that the name is
// taken, the organization is the one that was asked for.
type Creator struct {
	Client *Client // makes organizations
	Lists  *Client // reads the existing ones

	Connections    []string // ids of those to enable for new organizations, 10 at most
	AutoMembership bool     // whoever logs in with such a connection becomes a member

	// Details, if set, returns what a row says of its organization besides the name.
	Details func(importer.Row) (displayName string, metadata map[string]string)

	existing map[string]Organization // by name and by id
}

// Read reads which organizations there are. It comes before the operation, and requires
// the scope read:organizations.
func (cr *Creator) Read(ctx context.Context) error {
	cr.existing = make(map[string]Organization)
	for o, err := range cr.Lists.Organizations(ctx) {
		if err != nil {
			return err
		}
		cr.existing[importer.FoldAddress(o.Name)], cr.existing[o.ID] = o, o // no name begins as ids do
	}
	return nil
}

// Op returns the operation. A row has one Arg, the name of its organization, or the
// organization's id. The receipt has the id of a new one.
func (cr *Creator) Op() importer.Op {
	return importer.Op{
		Name: "organizations", Prefix: "oo", Size: 1, Done: importer.Created, Already: importer.AlreadyExists,
		Args: []string{"name"},
		Key:  organizationKey,
		Send: cr.send,
	}
}

// organizationKey returns the name of a row in the form in which names are compared, as
// Auth0 has none with capitals, or the id of a row without one.
func organizationKey(r importer.Row) string {
	return cmp.Or(importer.FoldAddress(r.Args[0]), r.OrgID)
}

// What the API's schema says of names. They can't begin as ids do.
var (
	goodName = regexp.MustCompile(`^[a-z0-9_-]{0,49}[a-z0-9]$`)
	badRunes = regexp.MustCompile(`[^a-z0-9_-]+`)
)

// Check settles a row whose organization exists, and rejects one whose organization
// does not and can't be made. For a bad name, the message suggests another, which is
// not taken unasked.
func (cr *Creator) Check(row *importer.Row) {
	given := strings.TrimSpace(row.Args[0])
	o, exists := cr.existing[organizationKey(*row)]
	switch {
	case exists:
		row.OrgID, row.Args[0] = o.ID, cmp.Or(given, o.Name)
		row.Err = &importer.Decided{Status: importer.AlreadyExists, Message: "there already, according to the tenant's list of organizations"}
		return
	case given == "":
		row.Err = &importer.Rejection{Code: importer.CodeOrgNotFound, Message: "no organization " + row.OrgID}
		return
	case goodName.MatchString(given) && !strings.HasPrefix(given, "org_"):
		return
	}
	message := fmt.Sprintf("%q can't be the name of an organization", given)
	could := strings.Trim(strings.TrimPrefix(badRunes.ReplaceAllString(strings.ToLower(given), "-"), "org_"), "-_")
	if could = strings.TrimRight(could[:min(len(could), 50)], "-_"); could != "" {
		message += ": it could be " + could
	}
	row.Err = &importer.Rejection{Code: "organization_name", Message: message}
}

func (cr *Creator) send(ctx context.Context, b importer.Batch) (importer.Receipt, error) {
	row := b.Rows[0]
	name := organizationKey(row)
	call := cr.Client.newCall(http.MethodPost, organizationsPath, nil)
	var err error
	if call.body, err = json.Marshal(cr.body(name, row)); err != nil {
		return call.receipt(err), err
	}
	var made Organization
	call.into = &made
	_, err = cr.Client.do(ctx, call, http.StatusCreated, http.StatusOK)
	receipt := call.receipt(err)
	if err == nil {
		receipt.FoundOrg = made.ID
		return receipt, nil
	}
	refusal, ok := errors.AsType[*Error](err)
	switch {
	case !ok, importer.ReachOf(err) == importer.ReachRun, importer.ReachOf(err) == importer.ReachBatch:
		return receipt, err
	case refusal.Status == http.StatusConflict && !quota.MatchString(refusal.words()):
		return cr.taken(ctx, name, receipt, err)
	case errors.Is(err, importer.ErrOrgFull):
		return receipt, err
	}
	return receipt, reaching(importer.ReachRow, err.Error())
}

// taken finds out which organization has a name that is taken.
func (cr *Creator) taken(ctx context.Context, name string, receipt importer.Receipt, refusal error) (importer.Receipt, error) {
	o, err := cr.Lists.OrganizationNamed(ctx, name)
	switch {
	case err != nil && importer.ReachOf(err) == importer.ReachRun:
		return receipt, err
	case err != nil && importer.ReachOf(err) == importer.ReachBatch: // nobody knows yet
		receipt.Message += "; " + err.Error()
		return receipt, err
	case err != nil:
		receipt.Message += "; " + err.Error()
		return receipt, reaching(importer.ReachRow, refusal.Error())
	}
	receipt.FoundOrg, receipt.Code, receipt.Message = o.ID, "", ""
	if receipt.Attempts > 1 {
		receipt.Message = "created by a request whose answer was lost"
		return receipt, nil
	}
	return receipt, errExists
}

// errExists is the error of a row whose organization exists.
var errExists = already("the organization exists already")

// body returns the body of the request.
func (cr *Creator) body(name string, row importer.Row) any {
	type connection struct {
		ID   string `json:"connection_id"`
		Auto bool   `json:"assign_membership_on_login"`
	}
	body := struct {
		Name        string            `json:"name"`
		DisplayName string            `json:"display_name,omitempty"`
		Metadata    map[string]string `json:"metadata,omitempty"`
		Connections []connection      `json:"enabled_connections,omitempty"`
	}{Name: name}
	if cr.Details != nil {
		body.DisplayName, body.Metadata = cr.Details(row)
	}
	for _, id := range cr.Connections {
		body.Connections = append(body.Connections, connection{id, cr.AutoMembership})
	}
	return body
}
