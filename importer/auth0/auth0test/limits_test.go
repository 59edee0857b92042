package auth0test_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"orgimport/importer/auth0/auth0test"
)

// nth is a fault of the request with this number and of no other.
func nth(number int, f auth0test.Fault) func(*http.Request, int) auth0test.Fault {
	return func(_ *http.Request, n int) auth0test.Fault {
		if n == number {
			return f
		}
		return auth0test.Fault{}
	}
}

// shown returns what an answer says about limits.
func shown(resp *http.Response) string {
	h := resp.Header.Get
	return strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", h("X-RateLimit-Limit"), "/", h("X-RateLimit-Remaining"), " ", h("Retry-After")))
}

// two adds two limits, a global one of 5 and the endpoint's of 2.
func two(l auth0test.Limits) auth0test.Limits {
	l.Global = []auth0test.Limit{{Size: 5, Per: 1, Interval: time.Hour}}
	l.Endpoints = map[auth0test.Class][]auth0test.Limit{
		auth0test.WriteMembers: {{Size: 2, Per: 1, Interval: time.Minute}},
	}
	return l
}

func TestHeadersDescribeTheLimitThatTheSwitchNames(t *testing.T) {
	for _, c := range []struct {
		name   string
		limits auth0test.Limits
		want   []string // of three writes and a read
	}{
		{"the lowest", auth0test.Limits{}, []string{"204 2/1", "204 2/0", "429 2/0", "200 5/1"}},
		{"the global one", auth0test.Limits{Show: auth0test.ShowGlobal}, []string{"204 5/4", "204 5/3", "429 5/2", "200 5/1"}},
		{"nothing left, ever", auth0test.Limits{Show: auth0test.ShowZero}, []string{"204 2/0", "204 2/0", "429 2/0", "200 5/0"}},
		{"none", auth0test.Limits{Show: auth0test.ShowNone}, []string{"204 /", "204 /", "429 /", "200 /"}},
		{"the refuser", auth0test.Limits{Show: auth0test.ShowGlobal, ShowRefuser: true}, []string{"204 5/4", "204 5/3", "429 2/0", "200 5/1"}},
		{"without the global one", auth0test.Limits{SkipGlobal: true}, []string{"204 2/1", "204 2/0", "429 2/0", "200 5/4"}},
		{"with Retry-After", auth0test.Limits{RetryAfter: true}, []string{"204 2/1", "204 2/0", "429 2/0 120", "200 5/1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tenant := auth0test.New(auth0test.Config{NoAuth: true, Limits: two(c.limits)})
				for i, want := range c.want {
					method, path := "POST", members
					if i == 3 {
						method, path = "GET", org
					}
					if resp, _ := send(t, tenant, method, path, bodyOf("a|1"), nil); shown(resp) != want {
						t.Errorf("request %d: %q, want %q", i+1, shown(resp), want)
					}
				}
			})
		})
	}
}

func TestResetAndDateFollowTheTenantsClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := auth0test.Limit{Size: 10, Per: 1, Interval: 1500 * time.Millisecond}
		tenant := auth0test.New(auth0test.Config{
			NoAuth: true, ClockOffset: 3 * time.Second, Limits: auth0test.Limits{Global: []auth0test.Limit{limit}},
		})
		resp, _ := send(t, tenant, "GET", org, "", nil)
		if got, want := resp.Header.Get("Date"), "Sat, 01 Jan 2000 00:00:03 GMT"; got != want {
			t.Errorf("Date %s, want %s", got, want)
		}
		// Full again after 1.5 s, rounded up, on a clock that is 3 s ahead.
		if got, want := resp.Header.Get("X-RateLimit-Reset"), fmt.Sprint(start.Unix()+5); got != want {
			t.Errorf("X-RateLimit-Reset %s, want %s", got, want)
		}
	})
}

func TestNoDate(t *testing.T) {
	tenant := auth0test.New(auth0test.Config{NoAuth: true, NoDate: true})
	if resp, _ := send(t, tenant, "GET", org, "", nil); resp.Header.Get("Date") != "" {
		t.Error("there is a Date")
	}
}

func TestHeadersOn403AsTheSwitchSays(t *testing.T) {
	for _, there := range []bool{false, true} {
		tenant := auth0test.New(auth0test.Config{Limits: two(auth0test.Limits{}), Undocumented: auth0test.Undocumented{HeadersOn403: there}})
		resp, body := send(t, tenant, "POST", members, bodyOf("a|1"), map[string]string{"Authorization": "Bearer " + tenant.Token("read:users")})
		want := `{"statusCode":403,"error":"Forbidden","message":"Insufficient scope, expected any of: create:organization_members","errorCode":"insufficient_scope"}`
		if got := resp.Header.Get("X-RateLimit-Limit") != ""; resp.StatusCode != 403 || got != there || body != want {
			t.Errorf("headers %t, want %t: %d %s", got, there, resp.StatusCode, body)
		}
	}
}

func TestPresets(t *testing.T) {
	for name, want := range map[string]string{ // of the first write of members
		"none": "204 /", "free": "204 2/1", "essentials": "204 20/19", "enterprise-prod": "204 20/19",
		"enterprise-nonprod": "204 10/9", "single-bucket-drip": "204 20/19", "single-bucket-fixed": "204 20/19",
		"private-15x": "204 300/299", "private-60x": "204 1200/1199", "private-100x": "204 2400/2399",
	} {
		limits, known := auth0test.Preset(name)
		if !known {
			t.Fatal(name)
		}
		tenant := auth0test.New(auth0test.Config{NoAuth: true, Limits: limits})
		if resp, _ := send(t, tenant, "POST", members, bodyOf("a|1"), nil); shown(resp) != want {
			t.Errorf("%s: %q, want %q", name, shown(resp), want)
		}
	}
	if limits, known := auth0test.Preset("gold"); known {
		t.Errorf("%+v", limits)
	}
}

// For ten minutes, presets let through what is published.
func TestPresetsSustainWhatIsPublished(t *testing.T) {
	for name, want := range map[string]int{ // writes in ten minutes: what is there at first, and what comes
		"free":                2 + 2*600,
		"enterprise-nonprod":  10 + 2*600,
		"enterprise-prod":     200 + 200*10,
		"essentials":          200 + 200*10,
		"single-bucket-drip":  20 + 200*10,
		"single-bucket-fixed": 20 * 10,
	} {
		synctest.Test(t, func(t *testing.T) {
			limits, _ := auth0test.Preset(name)
			tenant := auth0test.New(auth0test.Config{NoAuth: true, Limits: limits})
			for end := start.Add(10 * time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
				send(t, tenant, "POST", members, bodyOf("a|1"), nil)
			}
			got := tenant.Stats().Count(auth0test.WriteMembers, 204)
			if diff := got - want; diff < -2 || diff > 2 {
				t.Errorf("%s: %d writes in ten minutes, want %d", name, got, want)
			}
		})
	}
}

// Classes without a limiter of their own share that of Other.
func TestTheLimitOfOtherIsShared(t *testing.T) {
	limits := auth0test.Limits{Endpoints: map[auth0test.Class][]auth0test.Limit{
		auth0test.Other:     {{Size: 2, Per: 1, Interval: time.Hour}},
		auth0test.Jobs:      {{Size: 1, Per: 1, Interval: time.Hour}},
		auth0test.ReadUsers: nil, // no limit
	}}
	tenant := auth0test.New(auth0test.Config{NoAuth: true, Limits: limits})
	var got []int
	for _, path := range []string{"organizations", "connections", "organizations/org_a", "users/auth0%7Cann", "users/auth0%7Cann"} {
		resp, _ := send(t, tenant, "GET", "/api/v2/"+path, "", nil)
		got = append(got, resp.StatusCode)
	}
	if want := []int{200, 200, 429, 200, 200}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
