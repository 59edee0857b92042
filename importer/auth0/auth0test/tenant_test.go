package auth0test_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
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

func TestPredicatesDecideAboutIDsThatAreNotListed(t *testing.T) {
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

func TestAnOrganizationMayBeCalledMembers(t *testing.T) {
	tenant := auth0test.New(auth0test.Config{Organizations: []auth0test.Organization{{ID: orgID, Name: "members"}}})
	if resp, body := send(t, tenant, "GET", "/api/v2/organizations/name/members", "", nil); resp.StatusCode != 200 || !strings.Contains(body, orgID) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

// Users who sign up are found at once, by id and by address.
func TestUsersSignUp(t *testing.T) {
	tenant := auth0test.New(aTenant())
	ask := func(want int) {
		t.Helper()
		_, body := send(t, tenant, "GET", "/api/v2/users-by-email?email=ann@example.com&fields=user_id", "", nil)
		if n := strings.Count(body, "user_id"); n != want {
			t.Errorf("%d users, want %d: %s", n, want, body)
		}
	}
	ask(2)
	tenant.AddUsers(auth0test.User{ID: "auth0|zoe", Email: "zoe@example.com"}, auth0test.User{ID: "ad|ann", Email: "ann@example.com"})
	ask(3)
	if resp, _ := send(t, tenant, "GET", "/api/v2/users/auth0%7Czoe", "", nil); resp.StatusCode != 200 {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestMadeUsersArePredictable(t *testing.T) {
	users := auth0test.MakeUsers(1000)
	tenant := auth0test.New(auth0test.Config{NoAuth: true, Users: users})
	for i, u := range map[int]auth0test.User{1: users[0], 1000: users[999]} {
		_, body := send(t, tenant, "GET", fmt.Sprintf("/api/v2/users-by-email?email=user%d@example.com&fields=user_id", i), "", nil)
		if want := fmt.Sprintf(`[{"user_id":"auth0|%024d"}]`, i); body != want || u.ID != fmt.Sprintf("auth0|%024d", i) {
			t.Errorf("%s, want %s", body, want)
		}
	}
}

// The list of organizations has each once, in the order of the configuration,
// whether or not its last page has a next.
func TestOrganizationsAreListed(t *testing.T) {
	var orgs []auth0test.Organization
	for i := range 250 {
		orgs = append(orgs, auth0test.Organization{ID: fmt.Sprintf("org_%016d", 250-i), Name: fmt.Sprint("o", i)})
	}
	for next, pages := range map[auth0test.Next]int{auth0test.NextAsRecorded: 3, auth0test.NextWhenMore: 3, auth0test.NextAlways: 4} {
		tenant := auth0test.New(auth0test.Config{NoAuth: true, Organizations: orgs, Undocumented: auth0test.Undocumented{Next: next}})
		var got []auth0test.Organization
		from := ""
		for range pages {
			_, body := send(t, tenant, "GET", "/api/v2/organizations?take=100"+from, "", nil)
			var page struct {
				Organizations []auth0test.Organization
				Next          string
			}
			if err := json.Unmarshal([]byte(body), &page); err != nil {
				t.Fatal(err)
			}
			got = append(got, page.Organizations...)
			from = "&from=" + url.QueryEscape(page.Next)
		}
		if from != "&from=" || !slices.EqualFunc(got, orgs, func(a, b auth0test.Organization) bool { return a.ID == b.ID && a.Name == b.Name }) {
			t.Errorf("%d: %d organizations in %d pages, then %q", next, len(got), pages, from)
		}
		if n := tenant.Stats().Count(auth0test.ListOrganizations, 200); n != pages {
			t.Errorf("%d requests counted", n)
		}
	}
}

func TestTotalsAsTheSwitchSays(t *testing.T) {
	for totals, want := range map[auth0test.Totals]string{
		auth0test.TotalsRight: `"total":1`, auth0test.TotalsZero: `"total":0`, auth0test.TotalsAbsent: `"start":0}`,
	} {
		cfg := aTenant()
		cfg.Undocumented.Totals = totals
		if _, body := send(t, auth0test.New(cfg), "GET", "/api/v2/organizations?include_totals=true", "", nil); !strings.Contains(body, want) {
			t.Errorf("%s, want %s", body, want)
		}
	}
}

// A tenant without a list of connections has those of its users, or all if it
// has no users either.
func TestConnectionsAlwaysHaveTheSameIDs(t *testing.T) {
	const want = `"id":"con_`
	_, made := send(t, auth0test.New(auth0test.Config{}), "GET", "/api/v2/connections?name=staff", "", nil)
	_, had := send(t, auth0test.New(aTenant()), "GET", "/api/v2/connections?name=staff", "", nil)
	cfg := aTenant()
	cfg.Connections = []auth0test.Connection{{ID: "con_1234567890abcdef", Name: "staff"}}
	_, listed := send(t, auth0test.New(cfg), "GET", "/api/v2/connections?name=staff", "", nil)
	if made != had || !strings.Contains(made, want) || !strings.Contains(listed, "con_1234567890abcdef") {
		t.Errorf("%s, %s, %s", made, had, listed)
	}
	if _, all := send(t, auth0test.New(aTenant()), "GET", "/api/v2/connections", "", nil); strings.Count(all, want) != 4 {
		t.Error(all)
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

func TestStatsCountByClassAndStatus(t *testing.T) {
	tenant := auth0test.New(auth0test.Config{NoAuth: true, Limits: two(auth0test.Limits{})})
	for range 4 {
		send(t, tenant, "POST", members, bodyOf("a|1"), nil)
	}
	if s := tenant.Stats(); s.Count(auth0test.WriteMembers, 204) != 2 || s.Status(429) != 2 || s.Total() != 4 {
		t.Errorf("requests %v", s.Requests)
	}
}

func TestClassesAreNamedOnce(t *testing.T) {
	classes := auth0test.Classes()
	sorted := slices.Sorted(slices.Values(classes))
	if len(slices.Compact(sorted)) != len(classes) || !slices.Contains(classes, auth0test.Jobs) || !slices.Contains(classes, auth0test.Other) {
		t.Errorf("%q", classes)
	}
}

func TestPeakInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := auth0test.New(auth0test.Config{NoAuth: true, Latency: auth0test.Fixed(time.Second)})
		together(5, func(int) { send(t, tenant, "POST", members, bodyOf("a|1"), nil) })
		together(2, func(int) { send(t, tenant, "POST", members, bodyOf("a|1"), nil) })
		if s := tenant.Stats(); s.PeakInFlight != 5 || s.InFlight != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestLogKeepsWhatWasSent(t *testing.T) {
	tenant := auth0test.New(auth0test.Config{NoAuth: true, KeepLog: true, Fault: nth(2, auth0test.Fault{Cut: auth0test.Close})})
	send(t, tenant, "POST", members, bodyOf("a|1", "a|2"), nil)
	_, _ = try(t, tenant, "DELETE", members, bodyOf("a|1"), nil)
	send(t, tenant, "GET", "/api/v2/users/a%7C1", "", nil)
	want := []auth0test.Entry{{"POST", members, orgID}, {"DELETE", members, orgID}, {"GET", "/api/v2/users/a|1", ""}}
	if got := tenant.Log(); !slices.Equal(got, want) {
		t.Errorf("log %v, want %v", got, want)
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
