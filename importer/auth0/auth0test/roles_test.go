package auth0test_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"orgimport/importer/auth0/auth0test"
)

const annsRoles = members + "/auth0%7Cann/roles"

func rolesBody(ids ...string) string { return `{"roles":["` + strings.Join(ids, `","`) + `"]}` }

// many returns n ids of roles.
func many(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("rol_%016d", i)
	}
	return ids
}

func TestRolesAsTheSwitchesSay(t *testing.T) {
	type undocumented = auth0test.Undocumented
	roles := []auth0test.Role{{ID: "rol_1"}, {ID: "rol_2"}, {ID: "rol_here", Organization: orgID}, {ID: "rol_there", Organization: "org_2"}}
	for _, c := range []struct {
		name    string
		set     undocumented
		ids     []string
		status  int
		message string   // a part of it
		has     []string // afterwards, who had rol_1
	}{
		{"one more", undocumented{}, []string{"rol_2"}, 204, "", []string{"rol_1", "rol_2"}},
		{"one that is there", undocumented{}, []string{"rol_1", "rol_2"}, 204, "", []string{"rol_1", "rol_2"}},
		{"one that is there is a conflict", undocumented{Reassign: 409}, []string{"rol_2", "rol_1"}, 409, "already", []string{"rol_1"}},
		{"an unknown one", undocumented{}, []string{"rol_2", "rol_3"}, 400, "do not exist\"", []string{"rol_1"}},
		{"an unknown one by its place", undocumented{Naming: auth0test.NameIndex, UnknownRole: 404}, []string{"rol_2", "rol_3"}, 404, "role does not exist: roles[1]", []string{"rol_1"}},
		{"of the organization", undocumented{}, []string{"rol_here"}, 204, "", []string{"rol_1", "rol_here"}},
		{"of another organization", undocumented{}, []string{"rol_there"}, 400, "do not exist", []string{"rol_1"}},
		{"no id", undocumented{}, []string{"Admin"}, 400, "format role-id: Admin' on property roles[0]", []string{"rol_1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tenant := auth0test.New(auth0test.Config{NoAuth: true, Roles: roles, Undocumented: c.set})
			send(t, tenant, "POST", annsRoles, rolesBody("rol_1"), nil)
			resp, body := send(t, tenant, "POST", annsRoles, rolesBody(c.ids...), nil)
			if resp.StatusCode != c.status || !strings.Contains(body, c.message) {
				t.Errorf("%d %s, want %d with %q", resp.StatusCode, body, c.status, c.message)
			}
			if got := tenant.Roles(orgID, "auth0|ann"); !slices.Equal(got, c.has) {
				t.Errorf("has %q, want %q", got, c.has)
			}
		})
	}
}

// Fifty roles are the most, as documented. A request that is refused assigns none.
func TestAMemberHasNoMoreThanFiftyRoles(t *testing.T) {
	tenant := auth0test.New(auth0test.Config{NoAuth: true})
	ids := many(51)
	send(t, tenant, "POST", annsRoles, rolesBody(ids[:49]...), nil)
	resp, body := send(t, tenant, "POST", annsRoles, rolesBody(ids[49:]...), nil)
	if resp.StatusCode != 409 || !strings.Contains(body, `"No more roles can be assigned to this organization member."`) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if resp, _ := send(t, tenant, "POST", annsRoles, rolesBody(ids[50]), nil); resp.StatusCode != 204 || len(tenant.Roles(orgID, "auth0|ann")) != 50 {
		t.Errorf("the fiftieth: %d, has %d", resp.StatusCode, len(tenant.Roles(orgID, "auth0|ann")))
	}
}

func TestRolesAreShown(t *testing.T) {
	tenant := auth0test.New(auth0test.Config{NoAuth: true, Roles: []auth0test.Role{{ID: "rol_1", Name: "Admin", Description: "All"}, {ID: "rol_2", Name: "Reader"}}})
	tenant.AddMembers(orgID, "auth0|ann", "auth0|bob")
	send(t, tenant, "POST", annsRoles, rolesBody("rol_2", "rol_1"), nil)
	send(t, tenant, "DELETE", annsRoles, rolesBody("rol_2", "rol_3"), nil)
	for path, want := range map[string]string{
		annsRoles + "?include_totals=true":                                      `{"limit":50,"roles":[{"description":"All","id":"rol_1","name":"Admin"}],"start":0,"total":1}`,
		members + "?take=5&fields=user_id,roles&include_fields=true":            `{"members":[{"roles":[{"id":"rol_1","name":"Admin"}],"user_id":"auth0|ann"},{"roles":[],"user_id":"auth0|bob"}]`,
		"/api/v2/roles?per_page=1&page=1":                                       `[{"description":"","id":"rol_2","name":"Reader"}]`,
		"/api/v2/roles?name_filter=ADM":                                         `[{"description":"All","id":"rol_1","name":"Admin"}]`,
		members + "/auth0%7Cbob/roles":                                          `[]`,
		"/api/v2/organizations/" + strings.Repeat("x", 51) + "/members/u/roles": `{"statusCode":400`,
	} {
		if _, body := send(t, tenant, "GET", path, "", nil); !strings.HasPrefix(body, want) {
			t.Errorf("%s: %s, want %s", path, body, want)
		}
	}
}

func TestInvalidRolesAreRefused(t *testing.T) {
	tenant := auth0test.New(auth0test.Config{NoAuth: true, KnownOrg: func(id string) bool { return id == orgID }})
	for _, c := range []struct {
		path, body string
		status     int
	}{
		{annsRoles, `{`, 400}, {annsRoles, `[]`, 400}, {annsRoles, `{"roles":"rol_1"}`, 400}, {annsRoles, `{"roles":[7]}`, 400},
		{"/api/v2/organizations/org_2/members/auth0%7Cann/roles", rolesBody("rol_1"), 404},
		{"/api/v2/organizations/" + strings.Repeat("x", 51) + "/members/auth0%7Cann/roles", rolesBody("rol_1"), 400},
	} {
		for _, method := range []string{"POST", "DELETE"} {
			if resp, body := send(t, tenant, method, c.path, c.body, nil); resp.StatusCode != c.status {
				t.Errorf("%s %s %s: %d %s, want %d", method, c.path, c.body, resp.StatusCode, body, c.status)
			}
		}
	}
	if resp, _ := send(t, tenant, "GET", "/api/v2/organizations/org_2/members/auth0%7Cann/roles", "", nil); resp.StatusCode != 404 {
		t.Errorf("of an unknown organization: %d", resp.StatusCode)
	}
}

func TestRolesAreReadFromText(t *testing.T) {
	var admin, reader auth0test.Role
	if err := errors.Join(admin.UnmarshalText([]byte("Admin")), reader.UnmarshalText([]byte("Reader=rol_2"))); err != nil || len(admin.ID) != 20 || reader != (auth0test.Role{ID: "rol_2", Name: "Reader"}) {
		t.Errorf("%+v, %+v, error %v", admin, reader, err)
	}
	for _, wrong := range []string{"", "=rol_1", "Admin=admin"} {
		if err := new(auth0test.Role).UnmarshalText([]byte(wrong)); err == nil {
			t.Errorf("%q is a role", wrong)
		}
	}
}

// Every endpoint refuses a token without one of its scopes and names them,
// whether or not tokens hide their scopes.
func TestScopesAreAskedFor(t *testing.T) {
	for _, hide := range []bool{false, true} {
		tenant := auth0test.New(auth0test.Config{HideScopes: hide})
		for path, scope := range map[string]string{
			"POST " + members:                       "create:organization_members",
			"DELETE " + members:                     "delete:organization_members",
			"GET " + members:                        "read:organization_members",
			"GET " + members + "?fields=roles":      "read:organization_members",
			"POST " + annsRoles:                     "create:organization_member_roles",
			"DELETE " + annsRoles:                   "delete:organization_member_roles",
			"GET " + annsRoles:                      "read:organization_member_roles",
			"POST " + org + "/invitations":          "create:organization_invitations",
			"GET " + org + "/invitations":           "read:organization_invitations",
			"GET " + org:                            "read:organizations,read:organizations_summary",
			"GET /api/v2/organizations":             "read:organizations,read:organizations_summary",
			"GET /api/v2/organizations/name/x":      "read:organizations",
			"GET /api/v2/users-by-email?email=a@x":  "read:users",
			"GET /api/v2/users/auth0%7Cann":         "read:users",
			"GET /api/v2/connections":               "read:connections",
			"GET /api/v2/roles":                     "read:roles",
			"POST " + exportJob:                     "read:users",
			"GET /api/v2/jobs/job_1234567890abcdef": "create:users,read:users",
		} {
			method, path, _ := strings.Cut(path, " ")
			with := func(scopes ...string) (*http.Response, string) {
				return send(t, tenant, method, path, "{}", map[string]string{"Authorization": "Bearer " + tenant.Token(scopes...)})
			}
			if resp, body := with("read:nothing"); resp.StatusCode != 403 || !strings.Contains(body, `"Insufficient scope, expected any of: `+scope+`","errorCode":"insufficient_scope"`) {
				t.Errorf("%s %s: %d %s", method, path, resp.StatusCode, body)
			}
			if resp, body := with(strings.Split(scope, ",")[0]); resp.StatusCode == 403 != strings.Contains(path, "fields=roles") {
				t.Errorf("%s %s with one scope: %d %s", method, path, resp.StatusCode, body)
			}
			if resp, _ := send(t, tenant, method, path, "{}", nil); resp.StatusCode == 403 {
				t.Errorf("%s %s: a token with all scopes is refused", method, path)
			}
		}
	}
}
