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
	Other             Class = "other"                   // everything that is not served here
)

// Classes returns all of them.
func Classes() []Class {
	var classes []Class
	for _, r := range routes {
		if !slices.Contains(classes, r.class) {
			classes = append(classes, r.class)
		}
	}
	return append(classes, Downloads, Other)
}

// limited reports whether requests of the class draw on limits of the Management
// API.
func (c Class) limited() bool { return c != Tokens && c != Downloads }

// endpoint is what is known of a request by its method and path.
type endpoint struct {
	class  Class
	scopes []string // any of them will do
	handle func(*Tenant, *call) *reply
}

// route is an endpoint's method and path. A {name} in it matches one element,
// which becomes the request's PathValue of that name.
type route struct {
	method, path string
	endpoint
}

func scopes(anyOf ...string) []string { return anyOf }

var routes = []route{
	{"POST", "/api/v2/organizations/{org}/members", endpoint{WriteMembers, scopes("create:organization_members"), (*Tenant).addMembers}},
	{"DELETE", "/api/v2/organizations/{org}/members", endpoint{WriteMembers, scopes("delete:organization_members"), (*Tenant).removeMembers}},
	{"GET", "/api/v2/organizations/{org}/members", endpoint{ReadMembers, scopes("read:organization_members"), (*Tenant).listMembers}},
	{"POST", "/api/v2/organizations/{org}/members/{user}/roles", endpoint{WriteRoles, scopes("create:organization_member_roles"), (*Tenant).assignRoles}},
	{"DELETE", "/api/v2/organizations/{org}/members/{user}/roles", endpoint{WriteRoles, scopes("delete:organization_member_roles"), (*Tenant).removeRoles}},
	{"GET", "/api/v2/organizations/{org}/members/{user}/roles", endpoint{ReadRoles, scopes("read:organization_member_roles"), (*Tenant).listMemberRoles}},
	{"POST", "/api/v2/organizations/{org}/invitations", endpoint{WriteInvitations, scopes("create:organization_invitations"), (*Tenant).invite}},
	{"GET", "/api/v2/organizations/{org}/invitations", endpoint{ReadInvitations, scopes("read:organization_invitations"), (*Tenant).listInvitations}},
	{"GET", "/api/v2/organizations/name/{name}", endpoint{OrganizationNames, scopes("read:organizations"), (*Tenant).organizationByName}},
	{"GET", "/api/v2/organizations/{org}", endpoint{ReadOrganizations, scopes("read:organizations", "read:organizations_summary"), (*Tenant).organization}},
	{"GET", "/api/v2/organizations", endpoint{ListOrganizations, scopes("read:organizations", "read:organizations_summary"), (*Tenant).listOrganizations}},
	{"GET", "/api/v2/users-by-email", endpoint{ReadUsers, scopes("read:users"), (*Tenant).usersByEmail}},
	{"GET", "/api/v2/users/{id}", endpoint{ReadUsers, scopes("read:users"), (*Tenant).user}},
	{"GET", "/api/v2/roles", endpoint{ListRoles, scopes("read:roles"), (*Tenant).listRoles}},
	{"GET", "/api/v2/connections", endpoint{ReadConnections, scopes("read:connections"), (*Tenant).listConnections}},
	{"POST", "/api/v2/jobs/users-exports", endpoint{Jobs, scopes("read:users"), (*Tenant).exportUsers}},
	{"GET", "/api/v2/jobs/{id}", endpoint{Jobs, scopes("create:users", "read:users"), (*Tenant).job}},
	{"POST", "/oauth/token", endpoint{Tokens, nil, (*Tenant).issueToken}},
}

// route finds the endpoint of a request and sets the request's path values. It
// splits the path before it decodes it, because a user id may hold an encoded
// slash.
func (t *Tenant) route(r *http.Request) endpoint {
	if r.Host == t.downloadURL().Host {
		return endpoint{class: Downloads, handle: (*Tenant).download}
	}
	none := endpoint{class: Other, handle: func(*Tenant, *call) *reply { return notFound() }}
	path := strings.Split(r.URL.EscapedPath(), "/")
	for i, element := range path {
		decoded, err := url.PathUnescape(element)
		if err != nil {
			return none
		}
		path[i] = decoded
	}
	for _, route := range routes {
		if pattern := strings.Split(route.path, "/"); route.method == r.Method && matches(pattern, path) {
			for i, element := range pattern {
				if strings.HasPrefix(element, "{") {
					r.SetPathValue(strings.Trim(element, "{}"), path[i])
				}
			}
			return route.endpoint
		}
	}
	return none
}

func matches(pattern, path []string) bool {
	return slices.EqualFunc(pattern, path, func(want, got string) bool {
		return want == got || strings.HasPrefix(want, "{")
	})
}
