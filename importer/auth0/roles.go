package auth0

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"orgimport/importer"
	"orgimport/importer/retry"
)

// role is a role of the tenant, or of one of its organizations.
type role struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"` // tenant or organization; may be absent
}

// ofTenant reports whether the role can be given in any organization.
func (r role) ofTenant() bool { return r.Type == "" || r.Type == "tenant" }

// Roles finds the tenant's roles by name. Those of organizations are left out: many
// may have the same name. The zero value knows no names, and nil takes every name for
// the id of a role.
type Roles struct {
	byName map[string][]string // ids
	types  map[string]bool     // by the ids of all listed roles: whether it is the tenant's
	more   bool                // the tenant may have roles that the API does not list
}

func (rs *Roles) add(r role) {
	if _, twice := rs.types[r.ID]; twice {
		return
	}
	rs.types[r.ID] = r.ofTenant()
	if name := strings.TrimSpace(r.Name); r.ofTenant() && name != "" {
		rs.byName[name] = append(rs.byName[name], r.ID)
	}
}

// Roles reads the list of roles. It requires the scope read:roles.
func (c *Client) Roles(ctx context.Context) (*Roles, error) {
	rs := &Roles{byName: make(map[string][]string), types: make(map[string]bool)}
	for r, err := range items(pages[role](ctx, c, list{
		what: "the roles of the tenant", path: "/api/v2/roles", name: "roles", query: url.Values{}, byNumber: true,
	})) {
		if part, ok := errors.AsType[*ListError](err); ok && (part.Extent == Capped || part.Extent == Lagging) {
			rs.more = true
			break
		}
		if err != nil {
			return nil, err
		}
		rs.add(r)
	}
	return rs, nil
}

// IDs returns the ids of the roles that a value of a file names, in ascending
// order: the role whose name is the whole value, or the separated ones, each by its
// name or its id. Its error has the error code of the row.
func (rs *Roles) IDs(value, separators string) (RoleIDs, error) {
	value = strings.TrimSpace(value)
	if rs != nil && rs.byName[value] != nil && !isRoleID(value) {
		id, err := rs.id(value)
		return RoleIDs{id}, err
	}
	var ids RoleIDs
	for _, part := range split(value, separators) {
		id, err := rs.id(part)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// NeedsNames reports whether a value contains anything but ids, so that the list of
// roles has to be read.
func NeedsNames(value, separators string) bool {
	return slices.ContainsFunc(split(value, separators), func(part string) bool { return part != "" && !isRoleID(part) })
}

// split returns the parts of s between any of the separators, without the space
// around them.
func split(s, separators string) []string {
	parts := []string{s}
	for _, r := range separators {
		parts = strings.Split(strings.Join(parts, string(r)), string(r))
	}
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

func isRoleID(s string) bool { return strings.HasPrefix(s, "rol_") }

// id returns the id of a role that is given by its name or its id.
func (rs *Roles) id(role string) (string, error) {
	switch {
	case role == "":
		return "", &importer.Rejection{Code: "roles_empty", Message: "a role is empty"}
	case rs == nil, isRoleID(role): // whatever roles are called
		return role, nil
	}
	switch ids := rs.byName[role]; {
	case len(ids) == 1:
		return ids[0], nil
	case len(ids) > 1:
		return "", &importer.Rejection{Code: "role_ambiguous", Message: fmt.Sprintf("%d roles have the name %s: %s: give the id", len(ids), role, strings.Join(ids[:min(len(ids), 3)], ", "))}
	case rs.more:
		return "", &importer.Rejection{Code: "role_unlisted", Message: fmt.Sprintf("none of the %d roles that the API lists has the name %s: give the id", len(rs.types), role)}
	}
	return "", &importer.Rejection{Code: "role_not_found", Message: "no role of the tenant has the name " + role}
}

// RoleSeparator separates the role ids in a row's Args.
const RoleSeparator = "|"

// AssignRoles returns the operation that gives members roles in an organization,
// with POST /api/v2/organizations/{id}/members/{user_id}/roles. A row has one
// Arg: the ids of its roles in ascending order, separated by [RoleSeparator].
// Giving a role twice gives it once.
//
// A refused role is not sent again; roles says which ones the tenant has. The
// errors of Send are those of [Client.Import].
func (c *Client) AssignRoles(roles *Roles) importer.Op {
	a := &assigner{
		client: c, roles: roles,
		accepted: make(map[string]bool), refused: make(map[string]importer.Receipt), busy: make(map[string]chan struct{}),
	}
	return importer.Op{
		Name: "roles", Prefix: "oa", Size: 1, Done: importer.Assigned, Already: importer.AlreadyAssigned,
		Args: []string{"roles"},
		Key: func(r importer.Row) string {
			pair := importer.PairKey(r)
			return strconv.Itoa(len(pair)) + " " + pair + strings.Join(r.Args, " ")
		},
		Send: a.send,
	}
}

// rolePatience is how long the answer about a role that is tried for the first time is
// waited for, as long as for those of an organization in package importer.
const rolePatience = 3 * time.Second

// assigner remembers which roles were refused. How the API words the refusal of a
// role that does not exist is not known, only that it is a 400.
type assigner struct {
	client *Client
	roles  *Roles

	mu       sync.Mutex
	accepted map[string]bool             // ids of roles that were given to somebody
	refused  map[string]importer.Receipt // by the keys of assigner.keys
	busy     map[string]chan struct{}    // by the ids of roles that are tried for the first time; closed with the answer
}

func (a *assigner) send(ctx context.Context, b importer.Batch) (importer.Receipt, error) {
	row := b.Rows[0]
	ids := strings.Split(row.Args[0], RoleSeparator)
	end, refused, err := a.begin(ctx, b.OrgID, ids)
	if err != nil {
		return importer.Receipt{}, err
	}
	if refused != nil {
		return *refused, reaching(importer.ReachRow, refused.Message)
	}
	receipt, err := a.request(ctx, b.OrgID, row.UserID, ids)
	if e, ok := errors.AsType[*Error](err); ok && e.assigned() {
		receipt, err = a.singly(ctx, b.OrgID, row.UserID, ids, receipt, err)
	}
	if e, ok := errors.AsType[*Error](err); ok {
		err = a.reachOf(e, &receipt, b.OrgID, ids)
	}
	end(err == nil || errors.Is(err, importer.ErrMember))
	return receipt, err
}

// singly gives roles one by one, because the user has some of them already. If the
// user has all of them, its error is an [importer.ErrMember].
func (a *assigner) singly(ctx context.Context, orgID, userID string, ids []string, receipt importer.Receipt, refusal error) (importer.Receipt, error) {
	if len(ids) == 1 {
		return receipt, already(refusal.Error())
	}
	given := 0
	for _, id := range ids {
		next, err := a.request(ctx, orgID, userID, []string{id})
		next.Attempts += receipt.Attempts
		receipt = next
		if err == nil {
			given++
		} else if e, ok := errors.AsType[*Error](err); !ok || !e.assigned() {
			return receipt, err
		}
	}
	if given == 0 {
		return receipt, already(refusal.Error())
	}
	receipt.Code, receipt.Message = "", ""
	return receipt, nil
}

// assigned reports whether a refusal says that the user has a role already.
// Whether the API ever says so is not known.
func (e *Error) assigned() bool {
	words := e.words()
	return e.Status == http.StatusConflict && strings.Contains(words, "already") && !quota.MatchString(words)
}

func (a *assigner) request(ctx context.Context, orgID, userID string, ids []string) (importer.Receipt, error) {
	user, ok := pathElement(userID)
	path, err := organizationPath(orgID, "members", user, "roles")
	if !ok {
		err = badID(importer.ReachRow, userID, "a user")
	}
	return a.client.write(ctx, http.MethodPost, path, err, map[string][]string{"roles": ids})
}

// begin returns the earlier refusal of one of the roles, if there is one. Otherwise
// it returns end, to be called with the answer. It lets only one request try a new
// role at a time, so that a role that does not exist costs one request. But an
// organization that does not answer must not hold the others, so it waits for an answer
// for rolePatience only.
func (a *assigner) begin(ctx context.Context, orgID string, ids []string) (end func(accepted bool), refused *importer.Receipt, err error) {
	patience := time.NewTimer(rolePatience)
	defer patience.Stop()
	overdue := false
	for {
		end, refused, wait := a.tryBegin(orgID, ids, overdue)
		if wait == nil {
			return end, refused, nil
		}
		select {
		case <-wait:
		case <-patience.C:
			overdue = true
		case <-ctx.Done():
			return nil, nil, retry.Stopped(ctx)
		}
	}
}

func (a *assigner) tryBegin(orgID string, ids []string, overdue bool) (end func(bool), refused *importer.Receipt, wait chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, key := range a.keys(orgID, ids) {
		if receipt, found := a.refused[key]; found {
			receipt.Attempts = 0
			return nil, &receipt, nil
		}
	}
	untried := slices.DeleteFunc(slices.Clone(ids), a.known)
	for _, id := range untried {
		if a.busy[id] != nil && !overdue {
			return nil, nil, a.busy[id]
		}
	}
	answered := make(chan struct{})
	for _, id := range untried {
		a.busy[id] = answered
	}
	return func(accepted bool) {
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, id := range untried {
			delete(a.busy, id)
			a.accepted[id] = a.accepted[id] || accepted
		}
		close(answered)
	}, nil, nil
}

// known reports whether a role exists: the tenant lists it, or has given it to
// somebody.
func (a *assigner) known(id string) bool { return a.roles.types[id] || a.accepted[id] }

// keys returns the keys under which a refusal may be remembered: each role, each
// role in the organization, and the roles together.
func (a *assigner) keys(orgID string, ids []string) []string {
	keys := []string{strings.Join(ids, RoleSeparator)}
	for _, id := range ids {
		keys = append(keys, id, orgID+" "+id)
	}
	return keys
}

// reachOf decides what a refusal is about: a 404 is about the organization or the
// user unless it mentions a role, a 400 about the roles.
func (a *assigner) reachOf(e *Error, receipt *importer.Receipt, orgID string, ids []string) error {
	reach := e.Reach()
	switch {
	case reach == importer.ReachRun || reach == importer.ReachBatch:
		return e
	case badPath.MatchString(e.words()): // the user's id, or the organization's
	case reach == importer.ReachOrg || errors.Is(e, importer.ErrUnknownUser):
		return e
	case e.Status == http.StatusConflict && quota.MatchString(e.words()):
		receipt.Code = codeTooManyRoles
	case e.Status == http.StatusBadRequest, e.Status == http.StatusNotFound && missingRole.MatchString(e.words()):
		a.refuse(e, *receipt, orgID, ids)
	}
	return reaching(importer.ReachRow, e.Error())
}

// refuse remembers the roles that a refusal names, or the only one that it can
// mean. Otherwise it remembers that they can't be given together. A
// refusal that does not mention roles says nothing about roles that exist.
func (a *assigner) refuse(e *Error, receipt importer.Receipt, orgID string, ids []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	guilty := namedIn(e.Message, rolePlace, ids)
	unknown := slices.DeleteFunc(slices.Clone(ids), a.known)
	if len(guilty) == 0 && len(unknown) == 0 && !strings.Contains(e.words(), "role") {
		return // it may be about the user
	}
	if len(guilty) == 0 && len(ids) > 1 && missingRole.MatchString(e.words()) {
		guilty = unknown
	}
	if len(ids) == 1 {
		guilty = ids
	}
	if len(guilty) == 0 || len(guilty) == len(ids) {
		guilty = []string{strings.Join(ids, RoleSeparator)}
	}
	for _, id := range guilty {
		if _, listed := a.roles.types[id]; listed || a.accepted[id] {
			id = orgID + " " + id // it exists, but not for this organization
		}
		a.refused[id] = receipt
	}
}
