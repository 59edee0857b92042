package auth0test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Class is a group of endpoints that share a rate limit, as Auth0's tables of
// limits have them. A class without a limiter of its own draws on that of
// Other, if there is one: "all other endpoints combined".
type Class string

const (
	WriteMembers      Class = "write-members"           // POST and DELETE of members
	ReadMembers       Class = "read-members"            // GET of members
	WriteRoles        Class = "write-roles"             // POST and DELETE of a member's roles
	ReadRoles         Class = "read-roles"              // GET of a member's roles
	ListRoles         Class = "list-roles"              // the tenant's roles
	WriteInvitations  Class = "write-invitations"       // POST of invitations
	ReadInvitations   Class = "read-invitations"        // GET of invitations
	ReadOrganizations Class = "read-organizations"      // organizations by id
	OrganizationNames Class = "read-organization-names" // organizations by name
	ListOrganizations Class = "list-organizations"      // the tenant's organizations
	ReadUsers         Class = "read-users"              // users by id and by email
	ReadConnections   Class = "read-connections"        // connections
	Jobs              Class = "jobs"                    // exports of users, until there is a link
	Downloads         Class = "downloads"               // what the link leads to, on another host
	Tokens            Class = "token"                   // POST /oauth/token
	Other             Class = "other"                   // whatever is not served here
)

// Classes are all of them.
func Classes() []Class {
	classes := make([]Class, 0, len(routes))
	seen := make(map[Class]bool, len(routes))
	for _, r := range routes {
		if !seen[r.class] {
			seen[r.class] = true
			classes = append(classes, r.class)
		}
	}
	return append(classes, Downloads, Tokens, Other)
}

// limited says whether requests of the class draw on limits of the Management
// API.
func (c Class) limited() bool { return c != Tokens && c != Downloads }

// endpoint is what is known of a request by its method and path.
type endpoint struct {
	class  Class
	scopes []string // any of them will do
	handle func(*Tenant, *call) reply
}

// route is a path of the Management API, below /api/v2/. A * stands for one
// element.
type route struct {
	method, path string
	endpoint
}

func scopes(anyOf ...string) []string { return anyOf }

var routes = []route{
	{"POST", "organizations/*/members", endpoint{WriteMembers, scopes("create:organization_members"), (*Tenant).addMembers}},
	{"DELETE", "organizations/*/members", endpoint{WriteMembers, scopes("delete:organization_members"), (*Tenant).removeMembers}},
	{"POST", "organizations/*/members/*/roles", endpoint{WriteRoles, scopes("create:organization_member_roles"), (*Tenant).assignRoles}},
	{"DELETE", "organizations/*/members/*/roles", endpoint{WriteRoles, scopes("delete:organization_member_roles"), (*Tenant).removeRoles}},
	{"GET", "organizations/*/members/*/roles", endpoint{ReadRoles, scopes("read:organization_member_roles"), (*Tenant).listMemberRoles}},
	{"POST", "organizations/*/invitations", endpoint{WriteInvitations, scopes("create:organization_invitations"), (*Tenant).invite}},
	{"GET", "organizations/*/invitations", endpoint{ReadInvitations, scopes("read:organization_invitations"), (*Tenant).listInvitations}},
	{"GET", "organizations/name/*", endpoint{OrganizationNames, scopes("read:organizations"), (*Tenant).organizationByName}},
	{"GET", "organizations/*/members", endpoint{ReadMembers, scopes("read:organization_members"), (*Tenant).listMembers}},
	{"GET", "organizations/*", endpoint{ReadOrganizations, scopes("read:organizations", "read:organizations_summary"), (*Tenant).organization}},
	{"GET", "organizations", endpoint{ListOrganizations, scopes("read:organizations", "read:organizations_summary"), (*Tenant).listOrganizations}},
	{"GET", "users-by-email", endpoint{ReadUsers, scopes("read:users"), (*Tenant).usersByEmail}},
	{"GET", "users/*", endpoint{ReadUsers, scopes("read:users"), (*Tenant).user}},
	{"GET", "roles", endpoint{ListRoles, scopes("read:roles"), (*Tenant).listRoles}},
	{"GET", "connections", endpoint{ReadConnections, scopes("read:connections"), (*Tenant).listConnections}},
	{"POST", "jobs/users-exports", endpoint{Jobs, scopes("read:users"), (*Tenant).exportUsers}},
	{"GET", "jobs/*", endpoint{Jobs, scopes("create:users", "read:users"), (*Tenant).job}},
}

// route finds the endpoint of a request and the elements of its path that
// stand for something. It splits the path before it decodes it, because a user
// id may hold an encoded slash.
func (t *Tenant) route(method, host string, u *url.URL) (endpoint, []string) {
	if host == t.downloadURL().Host {
		return endpoint{class: Downloads, handle: (*Tenant).download}, nil
	}
	none := endpoint{class: Other, handle: noRoute}
	path := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	for i, segment := range path {
		decoded, err := url.PathUnescape(segment)
		if err != nil {
			return none, nil
		}
		path[i] = decoded
	}
	if method == http.MethodPost && len(path) == 2 && path[0] == "oauth" && path[1] == "token" {
		return endpoint{class: Tokens, handle: (*Tenant).issueToken}, nil
	}
	if len(path) < 3 || path[0] != "api" || path[1] != "v2" {
		return none, nil
	}
	for _, r := range routes {
		if args, ok := match(r.path, path[2:]); ok && r.method == method {
			return r.endpoint, args
		}
	}
	return none, nil
}

func match(pattern string, path []string) (args []string, ok bool) {
	want := strings.Split(pattern, "/")
	if len(want) != len(path) {
		return nil, false
	}
	for i, element := range want {
		switch element {
		case "*":
			args = append(args, path[i])
		case path[i]:
		default:
			return nil, false
		}
	}
	return args, true
}

func noRoute(*Tenant, *call) reply { return notFound() }

// allScopes are what the endpoints served here ask for.
func allScopes() []string {
	var all []string
	for _, r := range routes {
		all = append(all, r.scopes...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
