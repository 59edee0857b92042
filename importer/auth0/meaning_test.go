package auth0_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"orgimport/importer"
	"orgimport/importer/auth0"
)

func TestAdviceOnEachCause(t *testing.T) {
	for _, tt := range []struct {
		status        int
		code, message string
		want          string
	}{
		{404, "inexistent_user", "The user does not exist.", "The tenant has no such user"},
		{400, "", "unknown user auth0|1 in the organization", "The request was refused"},
		{404, "", "No organization found by that id or name", "The tenant has no such organization"},
		{0, "", "No organization found by that id", "The server failed on these rows"},
		{400, "invalid_uri", "Path validation error", "The organization's id was refused for its form"},
		{400, "invalid_body", "Payload validation error", "The ids were refused for their form"},
		{409, "", "Quota exceeded; cannot add more members to this organization", "A quota of the organization or the tenant is full"},
		{403, "", "You reached the limit of entities of this type for this tenant.", "A quota of the organization or the tenant is full"},
		{403, "insufficient_scope", "Insufficient scope", "Credentials or permission"},
		{429, "too_many_requests", "Global limit has been reached", "The tenant's rate limit"},
		{503, "", "503 with an HTML page", "The server failed on these rows"},
		{0, "", "no answer within 30s", "The server failed on these rows"},
		{404, "", "Not Found", "Something was not found"},
		{409, "", "Conflict", "A conflict"},
		{400, "", "Bad Request", "The request was refused"},
		{418, "", "I'm a teapot", "The request was refused"},
	} {
		if title, do, _ := auth0.Advise(tt.status, tt.code, tt.message); title != tt.want || do == "" || strings.Contains(do, "--") { // only the command knows flags
			t.Errorf("%d %s %s: %s: %s, want %s", tt.status, tt.code, tt.message, title, do, tt.want)
		}
	}
}

func TestReach(t *testing.T) {
	const (
		row, batch = importer.ReachRow, importer.ReachBatch
		org, run   = importer.ReachOrg, importer.ReachRun
	)
	for _, test := range []struct {
		status  int
		code    string
		message string
		want    importer.Reach
	}{
		{404, "", "No organization found by that id or name", org},
		{404, "", "No organization found by that id.", org},
		{400, "", "The organization does not exist.", org},
		{400, "invalid_body", "The body is not valid for this organization", row},
		{404, "", "Not found in this organization", row},
		{404, "organization_not_found", "", org},
		{404, "inexistent_organization", "Not found", org},
		{400, "invalid_uri", "Path validation error: 'String is too long (51 chars), maximum 50' on property id (Organization identifier).", org},
		{400, "", "Path validation error: 'String is too long (51 chars), maximum 50' on property id.", org},
		{404, "", "No organization found by id org_userland", org},

		{404, "inexistent_user", "The user does not exist.", row},
		{404, "", "The user does not exist in the organization", row},
		{404, "", "auth0|organization-bot does not exist", row},
		{404, "", "Not Found", row},
		{404, "", "404 with an HTML page", row},
		{400, "invalid_body", "Payload validation error: 'Array is too long (11), maximum 10' on property members (List of user IDs to add to the organization as members).", row},
		{400, "invalid_body", "Payload validation error: 'Object didn't pass validation for format user-id-with-max-length: foo' on property members[0].", row},
		{400, "", "", row},
		{409, "organization_conflict", "An organization with this name already exists.", row},
		{409, "", "The user is a member already", row},
		{413, "", "Payload content length greater than maximum allowed: 1048576", row},
		{415, "", "Unsupported Media Type", row},
		{422, "", "", row},

		{200, "", "", run},
		{302, "", "", run},
		{400, "Bearer", "Bad HTTP authentication header format", run},
		{401, "", "Expired token received for JSON Web Token validation", run},
		{403, "insufficient_scope", "Insufficient scope, expected any of: create:organization_members", run},
		{403, "", "Insufficient scope, expected any of: create:organization_members for this organization", run},
		{403, "", "Forbidden", row},
		{403, "", "", row},
		{403, "insufficient_entitlement", "Please upgrade your subscription to use bot detection", run},
		{403, "feature_not_enabled", "This feature is not enabled for this tenant.", run},
		{403, "", "Your plan does not include organizations", run},
		{403, "", "The client is not permitted to change this organization", run},
		{403, "", "You reached the limit of entities of this type for this tenant.", row},
		{403, "entity_limit_reached", "", row},
		{403, "", "Quota exceeded", row},
		{403, "", "The user cannot be added to this organization", row},
		{403, "", "User auth0|a reached the maximum number of organizations", row},
		{403, "", "Operation not permitted on org_1", row},
		{403, "", "This organization is managed by another system.", org},
		{403, "operation_not_supported", "The feature is not enabled for this organization", org},
		{405, "", "Method Not Allowed", run},
		{407, "", "", run},

		{0, "", "no answer: connection refused", batch},
		{408, "", "", batch},
		{425, "", "", batch},
		{429, "too_many_requests", "Global limit has been reached", batch},
		{500, "", "", batch},
		{503, "", "no organization service", batch},
		{524, "", "", batch},
	} {
		e := &auth0.Error{Status: test.status, Code: test.code, Message: test.message, Method: http.MethodPost}
		if got := e.Reach(); got != test.want {
			t.Errorf("%d %s %q: reach %d, want %d", test.status, test.code, test.message, got, test.want)
		}
	}
}

func TestIs(t *testing.T) {
	var (
		member  = importer.ErrMember
		unknown = importer.ErrUnknownUser
		full    = importer.ErrOrgFull
	)
	for _, test := range []struct {
		status  int
		code    string
		message string
		want    error // nil: neither
	}{
		{409, "", "", member},
		{409, "organization_member_exists", "The user is a member of the organization.", member},
		{400, "", "User auth0|a is already a member of this organization", member},
		{409, "", "Quota exceeded; cannot add more than 100000 members to a single organization", full},
		{409, "entity_limit_reached", "Conflict", full},
		{409, "", "No more roles can be assigned to this organization member.", full},
		{409, "", "Too many members", full},
		{400, "", "Quota exceeded; cannot add more than 100000 members to a single organization", full},
		{400, "invalid_body", "Payload validation error: 'Array is too long (11), maximum 10' on property members.", nil},
		{409, "", "Conflict", member},
		{409, "", "The organization is being changed by another request.", nil},
		{409, "", "The user is blocked.", nil},
		{409, "", "auth0|speed-limit is there", member},

		{404, "inexistent_user", "The user does not exist.", unknown},
		{400, "inexistent_user", "", unknown},
		{404, "", "The user does not exist.", unknown},
		{400, "", "The user auth0|63d16bb05d69 does not exist", unknown},
		{400, "invalid_body", "One or more of the specified users do not exist: auth0|a, auth0|b", unknown},
		{400, "", "The following users do not exist: [auth0|a]", unknown},
		{404, "", "User not found", unknown},
		{400, "", "The user does not exist: members[3]", unknown},
		{404, "", "users not found: auth0|a", unknown},
		{404, "", "User 'auth0|a' was not found.", unknown},
		{404, "", "User could not be found", unknown},
		{400, "", "Unknown user: auth0|a", unknown},
		{400, "", "No such user", unknown},
		{400, "", "user_id auth0|a doesn't exist", unknown},

		{404, "", "The user does not exist in this organization", nil},
		{404, "", "The connection of the user does not exist", nil},
		{404, "", "The role of the user was not found", nil},
		{404, "", "Not found", nil},
		{400, "invalid_body", "Payload validation error: 'Object didn't pass validation for format user-id-with-max-length: foo' on property members[0].", nil},
		{404, "", "No organization found by that id or name", nil},
		{400, "", "The user exists but is blocked", nil},
		{500, "inexistent_user", "The user does not exist.", nil},
		{403, "", "The user does not exist.", nil},
		{503, "", "already a member", nil},
	} {
		e := error(&auth0.Error{Status: test.status, Code: test.code, Message: test.message, Method: http.MethodPost})
		for _, target := range []error{member, unknown} {
			if got := errors.Is(e, target); got != (target == test.want) {
				t.Errorf("%d %s %q: Is(%v) = %v", test.status, test.code, test.message, target, got)
			}
		}
	}
}

// forbidding answers 403 with that message where forbids is true of a request's path
// and body, and 204 to all others.
func forbidding(message string, forbids func(path, body string) bool) *sender {
	return &sender{Answer: func(_ int, r *http.Request, body string) (*http.Response, error) {
		if forbids(r.URL.Path, body) {
			return reply(403, `{"statusCode":403,"error":"Forbidden","message":"`+message+`"}`), nil
		}
		return reply(204, ""), nil
	}}
}

// imported counts the outcomes of batches of ten rows of these organizations, in
// this order, by organization and status.
func imported(t *testing.T, s *sender, orgs ...string) (map[string]int, error) {
	t.Helper()
	batches := func(yield func(importer.Batch, error) bool) {
		for i, org := range orgs {
			users := make([]string, 10)
			for k := range users {
				users[k] = fmt.Sprintf("auth0|%d-%d", i, k)
			}
			if !yield(batch(org, users...), nil) {
				return
			}
		}
	}
	got := make(map[string]int)
	for answered, err := range importer.Run(t.Context(), batches, newClient(t, s).Import(), 1) {
		if err != nil {
			return got, err
		}
		for _, o := range answered {
			got[o.Row.OrgID+" "+string(o.Status)]++
		}
	}
	return got, nil
}

// TestForbiddenUser: a tenant refuses to add one user, and says which or does not.
// The others are added.
func TestForbiddenUser(t *testing.T) {
	for _, message := range []string{"", "Forbidden", "The user cannot be added to this organization", "The user has reached the limit of organizations"} {
		s := forbidding(message, func(_, body string) bool { return strings.Contains(body, `"auth0|1-3"`) })
		got, err := imported(t, s, "org_a", "org_a", "org_b")
		if want := map[string]int{"org_a added": 19, "org_a failed": 1, "org_b added": 10}; err != nil || !maps.Equal(got, want) {
			t.Errorf("%q: %v, error %v, want %v", message, got, err, want)
		}
	}
}

// TestForbiddenOnce: a 403 that does not say what it forbids is retried.
func TestForbiddenOnce(t *testing.T) {
	for n := range 3 {
		s := &sender{Answer: func(i int, _ *http.Request, _ string) (*http.Response, error) {
			if i == n+1 {
				return reply(403, `{"statusCode":403,"error":"Forbidden","message":"Forbidden"}`), nil
			}
			return reply(204, ""), nil
		}}
		got, err := imported(t, s, "org_a", "org_b", "org_c")
		if want := map[string]int{"org_a added": 10, "org_b added": 10, "org_c added": 10}; err != nil || !maps.Equal(got, want) || s.Count() != 4 {
			t.Errorf("%v, error %v, with %d requests", got, err, s.Count())
		}
	}
}

// TestForbiddenOrganization: a tenant refuses all users of one organization without
// saying so. Its rows fail, and the others are added.
func TestForbiddenOrganization(t *testing.T) {
	for _, message := range []string{"", "Forbidden", "Operation not permitted on org_b"} {
		s := forbidding(message, func(path, _ string) bool { return strings.Contains(path, "/org_b/") })
		got, err := imported(t, s, "org_a", "org_b", "org_b", "org_c")
		if want := map[string]int{"org_a added": 10, "org_b failed": 20, "org_c added": 10}; err != nil || !maps.Equal(got, want) {
			t.Errorf("%q: %v, error %v, want %v", message, got, err, want)
		}
	}
}
