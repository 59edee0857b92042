package auth0_test

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"orgimport/importer"
)

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

// imported counts what becomes of batches of ten rows of those organizations, in
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

// TestForbiddenUser has a tenant that may not add one user, which it says in its own
// words or does not say: the others get in.
func TestForbiddenUser(t *testing.T) {
	for _, message := range []string{"", "Forbidden", "The user cannot be added to this organization", "The user has reached the limit of organizations"} {
		s := forbidding(message, func(_, body string) bool { return strings.Contains(body, `"auth0|1-3"`) })
		got, err := imported(t, s, "org_a", "org_a", "org_b")
		if want := map[string]int{"org_a added": 19, "org_a failed": 1, "org_b added": 10}; err != nil || !maps.Equal(got, want) {
			t.Errorf("%q: %v, error %v, want %v", message, got, err, want)
		}
	}
}

// TestForbiddenOnce: what is forbidden to nobody in particular is asked for again.
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

// TestForbiddenOrganization has a tenant that lets nobody into one organization, but
// does not say so: its rows fail, and the others get in.
func TestForbiddenOrganization(t *testing.T) {
	for _, message := range []string{"", "Forbidden", "Operation not permitted on org_b"} {
		s := forbidding(message, func(path, _ string) bool { return strings.Contains(path, "/org_b/") })
		got, err := imported(t, s, "org_a", "org_b", "org_b", "org_c")
		if want := map[string]int{"org_a added": 10, "org_b failed": 20, "org_c added": 10}; err != nil || !maps.Equal(got, want) {
			t.Errorf("%q: %v, error %v, want %v", message, got, err, want)
		}
	}
}
