package auth0_test

import (
	"testing"

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
		if title, do := auth0.Advise(tt.status, tt.code, tt.message); title != tt.want || do == "" {
			t.Errorf("%d %s %s: %s: %s, want %s", tt.status, tt.code, tt.message, title, do, tt.want)
		}
	}
}
