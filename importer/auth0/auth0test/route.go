package auth0test

import (
	"net/http"
	"net/url"
	"strings"
)

// Class is a group of endpoints that share a rate limit, as Auth0's tables of
// limits have them.
type Class string

const (
	WriteMembers      Class = "write-members"      // POST and DELETE of members
	ReadMembers       Class = "read-members"       // GET of members
	ReadOrganizations Class = "read-organizations" // organizations by id and by name
	ReadUsers         Class = "read-users"         // users by id and by email
	Tokens            Class = "token"              // POST /oauth/token
	Other             Class = "other"              // whatever is not served here
)

// endpoint is what is known of a request by its method and path.
type endpoint struct {
	class  Class
	scopes []string // any of them will do
	handle func(*Tenant, *call) reply
	arg    string // the path's variable: the id of an organization or a user, or a name
}

// route finds the endpoint of a request. It splits the path before it decodes
// it, because a user id may hold an encoded slash.
func route(method string, u *url.URL) endpoint {
	path := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	for i, segment := range path {
		decoded, err := url.PathUnescape(segment)
		if err != nil {
			return endpoint{class: Other, handle: noRoute}
		}
		path[i] = decoded
	}
	if method == http.MethodPost && len(path) == 2 && path[0] == "oauth" && path[1] == "token" {
		return endpoint{class: Tokens, handle: (*Tenant).issueToken}
	}
	if len(path) < 3 || path[0] != "api" || path[1] != "v2" {
		return endpoint{class: Other, handle: noRoute}
	}
	return routeAPI(method, path[2:])
}

func routeAPI(method string, path []string) endpoint {
	get := method == http.MethodGet
	switch {
	case get && len(path) == 1 && path[0] == "users-by-email":
		return endpoint{ReadUsers, []string{"read:users"}, (*Tenant).usersByEmail, ""}
	case get && len(path) == 2 && path[0] == "users":
		return endpoint{ReadUsers, []string{"read:users"}, (*Tenant).user, path[1]}
	case get && len(path) == 2 && path[0] == "organizations":
		return endpoint{ReadOrganizations, []string{"read:organizations", "read:organizations_summary"}, (*Tenant).organization, path[1]}
	case get && len(path) == 3 && path[0] == "organizations" && path[1] == "name":
		return endpoint{ReadOrganizations, []string{"read:organizations"}, (*Tenant).organizationByName, path[2]}
	case len(path) == 3 && path[0] == "organizations" && path[2] == "members":
		return routeMembers(method, path[1])
	}
	return endpoint{class: Other, handle: noRoute}
}

func routeMembers(method, org string) endpoint {
	switch method {
	case http.MethodPost:
		return endpoint{WriteMembers, []string{"create:organization_members"}, (*Tenant).addMembers, org}
	case http.MethodDelete:
		return endpoint{WriteMembers, []string{"delete:organization_members"}, (*Tenant).removeMembers, org}
	case http.MethodGet:
		return endpoint{ReadMembers, []string{"read:organization_members"}, (*Tenant).listMembers, org}
	}
	return endpoint{class: Other, handle: noRoute}
}

func noRoute(*Tenant, *call) reply { return notFound() }

// allScopes are what the endpoints served here ask for.
var allScopes = []string{
	"create:organization_members", "delete:organization_members", "read:organization_members",
	"read:organization_member_roles", "read:organizations", "read:users",
}
