package tenancy

import (
	"errors"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"orgimport/importer/auth0"
	"orgimport/importer/auth0/auth0test"
	"orgimport/importer/retry"
	"orgimport/ratelimit"
)

// silence is an Observer who says nothing.
type silence struct{}

func (silence) Wait(ratelimit.Wait) {}
func (silence) Event(retry.Event)   {}
func (silence) TokenRefused(error)  {}

// connect returns a tenant at a simulated one.
func connect(t *testing.T, config auth0test.Config, pace Pace) *Tenant {
	t.Helper()
	address := &url.URL{Scheme: "https", Host: "acme.eu.auth0.com"}
	tenant, err := New(address, auth0.Credentials{ClientID: "app", ClientSecret: "s3cret"}, auth0test.New(config), pace, silence{})
	if err != nil {
		t.Fatal(err)
	}
	return tenant
}

// ask sends a request, and returns the status of the answer.
func ask(t *testing.T, client *auth0.Client, method, path string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, client.BaseURL.JoinPath(path).String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// TestEachClassHasItsPace: a class that waits for its turn holds no other, and the
// requests for tokens count with none.
func TestEachClassHasItsPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := connect(t, auth0test.Config{}, Pace{Rate: 0.1})
		if tenant.Latest() != (ratelimit.State{}) || tenant.State() != (ratelimit.State{}) {
			t.Errorf("before the first request, the states are %+v and %+v", tenant.Latest(), tenant.State())
		}
		one, _ := tenant.Class()
		other, pace := tenant.Class()
		began := time.Now()
		for range 3 {
			ask(t, one, http.MethodGet, "/api/v2/roles")
		}
		if took := time.Since(began); took < 9*time.Second {
			t.Errorf("three requests of a class took %s", took)
		}
		began = time.Now()
		ask(t, other, http.MethodGet, "/api/v2/roles")
		if took := time.Since(began); took > time.Second {
			t.Errorf("the first request of another class took %s", took)
		}
		if sum := tenant.State(); sum.Sent != 4 || pace.State().Sent != 1 || tenant.Latest().Sent != 1 || sum.Held < 9*time.Second {
			t.Errorf("the state is %+v, that of one class %+v, and that of the newest request %+v", sum, pace.State(), tenant.Latest())
		}
	})
}

// TestJobsAreNotPaced: the refusal of a job is not one of the rate limit.
func TestJobsAreNotPaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := connect(t, auth0test.Config{Fault: func(r *http.Request, _ int) (f auth0test.Fault) {
			if r.Method == http.MethodPost && r.URL.Path != "/oauth/token" {
				f.Status = http.StatusTooManyRequests
			}
			return f
		}}, Pace{})
		var n Reads
		look := tenant.Lookup(&n)
		if status := ask(t, look.Jobs, http.MethodPost, "/api/v2/jobs/users-exports"); status != http.StatusTooManyRequests {
			t.Errorf("the job is answered %d", status)
		}
		ask(t, look.Jobs, http.MethodGet, "/api/v2/jobs/job_1")
		ask(t, look.Users, http.MethodGet, "/api/v2/users-by-email")
		if state := tenant.State(); n.Sent.Load() != 3 || n.Unlimited.Load() != 1 || state.Sent != 2 || state.Refused != 0 {
			t.Errorf("%d requests, of them %d without a pace, and the state is %+v", n.Sent.Load(), n.Unlimited.Load(), state)
		}
	})
}

// TestScopesAreRequired of a token that lists them: one of each group.
func TestScopesAreRequired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := connect(t, auth0test.Config{Scopes: []string{"read:users", "read:organizations"}}, Pace{})
		if err := tenant.RequireScopes(t.Context(), []string{"read:organizations_summary", "read:organizations"}, []string{"read:users"}); err != nil {
			t.Error(err)
		}
		err := tenant.RequireScopes(t.Context(), []string{"read:users"}, []string{"read:roles", "create:roles"}, []string{"delete:users"})
		if _, ok := errors.AsType[*ScopeError](err); !ok || err.Error() != "the token lacks the scope read:roles and delete:users" {
			t.Errorf("the error is %v", err)
		}
		hidden := connect(t, auth0test.Config{Scopes: []string{"read:users"}, HideScopes: true}, Pace{})
		if err := hidden.RequireScopes(t.Context(), []string{"read:roles"}); err != nil {
			t.Errorf("a token that does not list its scopes: %v", err)
		}
	})
}

func TestTenantNeedsCredentials(t *testing.T) {
	if _, err := New(&url.URL{Scheme: "https", Host: "acme.eu.auth0.com"}, auth0.Credentials{ClientID: "app"}, nil, Pace{}, silence{}); err == nil {
		t.Error("there is a tenant without credentials")
	}
}
