package auth0test_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"orgimport/importer/auth0/auth0test"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func request(t testing.TB, method, address, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// TestBothWaysGiveTheSameAnswer sends the requests of the table of facts over
// a socket too.
func TestBothWaysGiveTheSameAnswer(t *testing.T) {
	for _, f := range facts {
		t.Run(f.name, func(t *testing.T) {
			cfg := aTenant()
			if f.config != nil {
				f.config(&cfg)
			}
			tenant := auth0test.New(cfg)
			server := httptest.NewServer(tenant)
			defer server.Close()
			req := request(t, f.method, server.URL+f.path, f.body)
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Authorization", "Bearer "+tenant.Token())
			for k, v := range f.headers {
				req.Header.Set(k, v)
			}
			resp, err := server.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != f.status || !matches(t, string(body), f.answer) {
				t.Errorf("%d %s, want %d %s", resp.StatusCode, body, f.status, f.answer)
			}
			if got := resp.Header.Get("X-RateLimit-Limit") != ""; got != f.limits {
				t.Errorf("limits there %t, want %t", got, f.limits)
			}
			if resp.Header.Get("Date") == "" {
				t.Error("no Date")
			}
		})
	}
}

func TestMissingAuthenticationAsksForBearer(t *testing.T) {
	resp, _ := send(t, auth0test.New(auth0test.Config{}), "GET", org, "", map[string]string{"Authorization": ""})
	if got := resp.Header.Get("WWW-Authenticate"); got != "Bearer" {
		t.Errorf("WWW-Authenticate %q", got)
	}
}

func TestZeroConfigKnowsEverybody(t *testing.T) {
	tenant := auth0test.New(auth0test.Config{})
	for _, path := range []string{
		org, "/api/v2/organizations/name/acme", "/api/v2/users/auth0%7Cann", "/api/v2/users/a%7Cb%2Fc", "/api/v2/users-by-email?email=a@example.com",
	} {
		if resp, body := send(t, tenant, "GET", path, "", nil); resp.StatusCode != 200 || body == "[]" {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	if _, body := send(t, tenant, "GET", "/api/v2/users/a%7Cb%2Fc", "", nil); !strings.Contains(body, `"user_id":"a|b/c"`) {
		t.Error(body)
	}
}

func TestPredicatesDecideForIDsThatAreNotListed(t *testing.T) {
	cfg := aTenant()
	cfg.KnownOrg = func(id string) bool { return id == "org_2" }
	cfg.KnownUser = func(id string) bool { return id == "auth0|zoe" }
	tenant := auth0test.New(cfg)
	for path, want := range map[string]int{
		"organizations/" + orgID: 200, "organizations/org_2": 200, "organizations/org_3": 404,
		"users/auth0%7Cann": 200, "users/auth0%7Czoe": 200, "users/auth0%7Cnobody": 404,
	} {
		if resp, _ := send(t, tenant, "GET", "/api/v2/"+path, "", nil); resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
}

func TestOrganizationsWithoutANameAreNotFoundByOne(t *testing.T) {
	tenant := auth0test.New(auth0test.Config{Organizations: []auth0test.Organization{{ID: orgID}}})
	if resp, body := send(t, tenant, "GET", "/api/v2/organizations/name/", "", nil); resp.StatusCode != 404 {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

func TestUnusualRequestsAreAnswered(t *testing.T) {
	tenant := auth0test.New(auth0test.Config{NoAuth: true})
	for _, path := range []string{"", "/", "//", "/api", "/api/v2", "/api/v2/", "/api/v2//members", "/oauth/token/", "/api/v2/organizations//members"} {
		for _, method := range []string{"GET", "PUT", "HEAD"} {
			if resp, _ := send(t, tenant, method, path, "", nil); resp.StatusCode != 404 {
				t.Errorf("%s %s: %d", method, path, resp.StatusCode)
			}
		}
	}
}

func TestStatsTellClientsApart(t *testing.T) {
	tenant := auth0test.New(auth0test.Config{NoAuth: true, Limits: two(auth0test.Limits{})})
	for i := range 4 {
		send(t, tenant, "POST", members, bodyOf("a|1"), map[string]string{"User-Agent": []string{"ours", "theirs"}[i/3]})
	}
	s := tenant.Stats()
	if s.Count(auth0test.WriteMembers, 204) != 2 || s.Status(429) != 2 || s.Total() != 4 {
		t.Errorf("requests %v", s.Requests)
	}
	want := map[string]auth0test.Agent{"ours": {Requests: 3, TooManyRequests: 1}, "theirs": {Requests: 1, TooManyRequests: 1}}
	if fmt.Sprint(s.Agents) != fmt.Sprint(want) {
		t.Errorf("agents %v, want %v", s.Agents, want)
	}
}

func TestStatsForgetNoneOfTooManyClients(t *testing.T) {
	tenant := auth0test.New(auth0test.Config{NoAuth: true})
	for i := range 1100 {
		send(t, tenant, "GET", org, "", map[string]string{"User-Agent": fmt.Sprint(i)})
	}
	s := tenant.Stats()
	if len(s.Agents) != 1001 || s.Agents[""].Requests != 100 {
		t.Errorf("%d agents, %d requests of the rest", len(s.Agents), s.Agents[""].Requests)
	}
}

func TestPeakInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := auth0test.New(auth0test.Config{NoAuth: true, Latency: auth0test.Latency{RoundTrip: auth0test.Fixed(time.Second)}})
		together(5, func(int) { send(t, tenant, "POST", members, bodyOf("a|1"), nil) })
		together(2, func(int) { send(t, tenant, "POST", members, bodyOf("a|1"), nil) })
		if s := tenant.Stats(); s.PeakInFlight != 5 || s.InFlight != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestLogKeepsWhatWasSent(t *testing.T) {
	tenant := auth0test.New(auth0test.Config{NoAuth: true, KeepLog: true, Fault: nth(2, auth0test.Fault{Cut: auth0test.Close})})
	headers := map[string]string{"X-Correlation-ID": strings.Repeat("x", 70), "User-Agent": "test"}
	send(t, tenant, "POST", members, bodyOf("a|1", "a|2"), headers)
	_, _ = try(t, tenant, "DELETE", members, bodyOf("a|1"), nil)
	send(t, tenant, "GET", "/api/v2/users/a%7C1", "", nil)
	var got []string
	for _, e := range tenant.Log() {
		got = append(got, fmt.Sprintf("%s %s %s %s%v %d %s %d", e.Class, e.Method, e.Path, e.OrgID, e.UserIDs, len(e.CorrelationID), e.UserAgent, e.Status))
		if e.Time.IsZero() {
			t.Error("an entry has no time")
		}
	}
	want := []string{
		"write-members POST " + members + " " + orgID + "[a|1 a|2] 64 test 204",
		"write-members DELETE " + members + " " + orgID + "[a|1] 0  0",
		"read-users GET /api/v2/users/a|1 [] 0  200",
	}
	if !slices.Equal(got, want) {
		t.Errorf("log\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func BenchmarkAddMembers(b *testing.B) {
	tenant := auth0test.New(auth0test.Config{})
	token := tenant.Token()
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		ids := make([]string, 10)
		for j := range ids {
			ids[j] = fmt.Sprintf("auth0|%024d", 10*i+j)
		}
		i++
		req := request(b, "POST", "https://acme.eu.auth0.com/api/v2/organizations/org_"+fmt.Sprintf("%016d", i/1000)+"/members", bodyOf(ids...))
		req.Header.Set("Authorization", "Bearer "+token)
		if resp, err := tenant.RoundTrip(req); err != nil || resp.StatusCode != 204 {
			b.Fatal(resp, err)
		}
	}
}
