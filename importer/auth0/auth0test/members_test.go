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

	"pgregory.net/rapid"
)

const orgID = "org_Xv5L7r2fE2PVMuW9"

// known is a tenant with all users whose ids do not contain "nobody".
func known(u auth0test.Undocumented) *auth0test.Tenant {
	return auth0test.New(auth0test.Config{
		NoAuth:       true,
		KnownUser:    func(id string) bool { return !strings.Contains(id, "nobody") },
		Undocumented: u,
	})
}

func bodyOf(ids ...string) string {
	b, _ := json.Marshal(map[string][]string{"members": ids})
	return string(b)
}

func TestABatchIsJudgedAsTheSwitchesSay(t *testing.T) {
	eleven := make([]string, 11)
	for i := range eleven {
		eleven[i] = fmt.Sprintf("auth0|%02d", i)
	}
	type undocumented = auth0test.Undocumented
	for _, c := range []struct {
		name    string
		set     undocumented
		ids     []string
		status  int
		message string // a part of it
		members []string
	}{
		{"an unknown user fails the batch", undocumented{},
			[]string{"a|1", "a|nobody"}, 400, "One or more of the specified users do not exist", nil},
		{"with a 404", undocumented{UnknownUser: 404},
			[]string{"a|1", "a|nobody"}, 404, "One or more of the specified users do not exist", nil},
		{"or is left out", undocumented{UnknownUser: 204},
			[]string{"a|1", "a|nobody", "a|2"}, 204, "", []string{"a|1", "a|2"}},
		{"or the others are added and it fails", undocumented{Partial: true},
			[]string{"a|1", "a|nobody", "a|2"}, 400, "", []string{"a|1", "a|2"}},
		{"with a 404 too", undocumented{UnknownUser: 404, Partial: true},
			[]string{"a|nobody", "a|2"}, 404, "", []string{"a|2"}},
		{"all unknown users are named", undocumented{Naming: auth0test.NameAll},
			[]string{"a|nobody1", "a|1", "a|nobody2"}, 400, ": a|nobody1, a|nobody2", nil},
		{"the first is named", undocumented{Naming: auth0test.NameFirst},
			[]string{"a|1", "a|nobody1", "a|nobody2"}, 400, ": a|nobody1", nil},
		{"the first is pointed at", undocumented{Naming: auth0test.NameIndex},
			[]string{"a|1", "a|nobody1", "a|nobody2"}, 400, "members[1]", nil},
		{"places are those of the body", undocumented{Naming: auth0test.NameIndex},
			[]string{"a|1", "a|1", "a|nobody"}, 400, "members[2]", nil},
		{"a repeated user counts once towards the quota", undocumented{MemberQuota: 1},
			[]string{"a|1", "a|1"}, 204, "", []string{"a|1"}},
		{"a repeated user counts once", undocumented{},
			[]string{"a|1", "a|1"}, 204, "", []string{"a|1"}},
		{"a repeated user fails the batch", undocumented{Duplicate: 400},
			[]string{"a|2", "a|1", "a|1"}, 400, "'Array items are not unique (indexes 1 and 2)' on property members", nil},
		{"or with another status", undocumented{Duplicate: 422},
			[]string{"a|1", "a|1"}, 422, "not unique (indexes 0 and 1)", nil},
		{"eleven are too many, whatever the status", undocumented{TooMany: 413}, eleven, 413, "Array is too long (11), maximum 10", nil},
		{"nobody is too few, whatever that status", undocumented{TooMany: 413}, nil, 400, "", nil},
		{"a malformed id fails the batch", undocumented{}, []string{"a|1", "a 2"}, 400, "user-id-with-max-length: a 2' on property members[1].", nil},
		{"with another status", undocumented{MalformedUser: 404}, []string{"a|1", "a 2"}, 404, "user-id-with-max-length: a 2' on property members[1].", nil},
		{"or it is left out", undocumented{MalformedUser: 204}, []string{"a|1", "a 2"}, 204, "", []string{"a|1"}},
		{"or the others are added and it fails all the same", undocumented{MalformedPartial: true}, []string{"a|1", "a 2"}, 400, ": a 2'", []string{"a|1"}},
		{"or it is not named", undocumented{MalformedUnnamed: true}, []string{"a|1", "a 2"}, 400, "user-id-with-max-length' on property members.", nil},
		{"unknown users and malformed ids are left out alike", undocumented{MalformedUser: 204, UnknownUser: 204},
			[]string{"a|nobody", "a 2", "a|1"}, 204, "", []string{"a|1"}},
		{"eleven are too many", undocumented{}, eleven, 400, "Array is too long (11), maximum 10", nil},
		{"eleven are taken", undocumented{MaxMembers: -1}, eleven, 204, "", eleven},
		{"six are too many", undocumented{MaxMembers: 5}, eleven[:6], 400, "maximum 5", nil},
		{"a user id that Malformed refuses", undocumented{Malformed: func(id string) bool { return id == "a|2" }},
			[]string{"a|1", "a|2"}, 400, "on property members[1]", nil},
		{"the quota is exceeded", undocumented{MemberQuota: 2}, eleven[:3], 409, "Quota exceeded", nil},
		{"the quota is just met", undocumented{MemberQuota: 3}, eleven[:3], 204, "", eleven[:3]},
	} {
		t.Run(c.name, func(t *testing.T) {
			tenant := known(c.set)
			resp, body := send(t, tenant, "POST", members, bodyOf(c.ids...), nil)
			if resp.StatusCode != c.status || !strings.Contains(body, c.message) {
				t.Errorf("got %d %s, want %d with %q", resp.StatusCode, body, c.status, c.message)
			}
			if got := tenant.Members(orgID); !slices.Equal(got, c.members) {
				t.Errorf("members %q, want %q", got, c.members)
			}
		})
	}
}

func TestAddingAMemberAgain(t *testing.T) {
	for readd, want := range map[int][]string{
		0:   {"a|1", "a|2"},
		409: {"a|1"},
	} {
		tenant := known(auth0test.Undocumented{Readd: readd, Naming: auth0test.NameAll})
		tenant.AddMembers(orgID, "a|1")
		resp, body := send(t, tenant, "POST", members, bodyOf("a|2", "a|1"), nil)
		if refused := resp.StatusCode == 409; refused != (readd == 409) {
			t.Errorf("Readd %d: status %d", readd, resp.StatusCode)
		}
		if readd == 409 && !strings.Contains(body, ": a|1\"") {
			t.Errorf("the member is not named: %s", body)
		}
		if got := tenant.Members(orgID); !slices.Equal(got, want) {
			t.Errorf("Readd %d: members %q, want %q", readd, got, want)
		}
	}
}

func TestUnknownOrganizationAsTheSwitchSays(t *testing.T) {
	for set, want := range map[auth0test.UnknownOrg]int{
		auth0test.NoSuchOrganization: 404, auth0test.PlainNotFound: 404, auth0test.BadOrganization: 400, auth0test.GoneOrganization: 404,
	} {
		tenant := auth0test.New(auth0test.Config{
			NoAuth: true, KnownOrg: func(string) bool { return false }, Undocumented: auth0test.Undocumented{UnknownOrg: set},
		})
		for _, method := range []string{"POST", "DELETE", "GET"} {
			if resp, body := send(t, tenant, method, members, bodyOf("a|1"), nil); resp.StatusCode != want {
				t.Errorf("%v: %s answered %d %s, want %d", set, method, resp.StatusCode, body, want)
			}
		}
		if got := tenant.Members(orgID); got != nil {
			t.Errorf("%v: there are members: %q", set, got)
		}
	}
}

func TestContentTypeAndBadJSONAsTheSwitchesSay(t *testing.T) {
	xml := map[string]string{"Content-Type": "text/xml"}
	if resp, _ := send(t, known(auth0test.Undocumented{}), "POST", members, bodyOf("a|1"), xml); resp.StatusCode != 415 {
		t.Errorf("status %d, want 415", resp.StatusCode)
	}
	if resp, _ := send(t, known(auth0test.Undocumented{AnyContentType: true}), "POST", members, bodyOf("a|1"), xml); resp.StatusCode != 204 {
		t.Errorf("status %d, want 204", resp.StatusCode)
	}
	for body, want := range map[auth0test.Body]string{auth0test.BodyHTML: "<!DOCTYPE html>", auth0test.BodyEmpty: ""} {
		resp, got := send(t, known(auth0test.Undocumented{BadJSON: body}), "POST", members, "{", nil)
		if resp.StatusCode != 400 || !strings.HasPrefix(got, want) || (want == "") != (got == "") {
			t.Errorf("%v: %d %q", body, resp.StatusCode, got)
		}
	}
}

func TestWrongTypesAreNamed(t *testing.T) {
	tenant := known(auth0test.Undocumented{})
	for value, want := range map[string]string{
		"null": "null", "true": "boolean", "1": "integer", "1.5": "number", "[]": "array", "{}": "object",
	} {
		_, body := send(t, tenant, "POST", members, `{"members":[`+value+`]}`, nil)
		if !strings.Contains(body, "found type "+want+"' on property members[0].") {
			t.Errorf("%s: %s", value, body)
		}
	}
	if _, body := send(t, tenant, "POST", members, `[]`, nil); !strings.Contains(body, "'Expected type object but found type array'.") {
		t.Error(body)
	}
}

func TestWritesToOneOrganizationAtATime(t *testing.T) {
	for mode, want := range map[auth0test.Concurrent]struct {
		conflicts int
		took      time.Duration
	}{
		auth0test.Parallel: {0, time.Second},
		auth0test.Serial:   {0, 3 * time.Second},
		auth0test.Conflict: {2, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			tenant := auth0test.New(auth0test.Config{
				NoAuth:       true,
				Undocumented: auth0test.Undocumented{Concurrent: mode},
				Fault:        func(*http.Request, int) auth0test.Fault { return auth0test.Fault{Delay: time.Second} },
			})
			start := time.Now()
			together(3, func(int) { send(t, tenant, "POST", members, bodyOf("a|1"), nil) })
			if took := time.Since(start).Round(time.Millisecond); took != want.took {
				t.Errorf("%v: took %v, want %v", mode, took, want.took)
			}
			if got := tenant.Stats().Count(auth0test.WriteMembers, 409); got != want.conflicts {
				t.Errorf("%v: %d conflicts, want %d", mode, got, want.conflicts)
			}
		})
	}
}

// page is a page of a listing by checkpoint or by offset.
type page struct {
	Members []struct {
		UserID string `json:"user_id"`
		Email  string `json:"email"`
	} `json:"members"`
	Next  *string `json:"next"`
	Total *int    `json:"total"`
}

func list(t *testing.T, tenant *auth0test.Tenant, query string) page {
	t.Helper()
	resp, body := send(t, tenant, "GET", members+"?"+query, "", nil)
	var p page
	if err := json.Unmarshal([]byte(body), &p); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%d %s: %v", resp.StatusCode, body, err)
	}
	return p
}

func (p page) ids() []string {
	var ids []string
	for _, m := range p.Members {
		ids = append(ids, m.UserID)
	}
	return ids
}

func TestCheckpointsReachEveryMemberOnce(t *testing.T) {
	for _, whenMore := range []bool{false, true} {
		tenant := known(auth0test.Undocumented{Next: map[bool]auth0test.Next{true: auth0test.NextWhenMore}[whenMore]})
		var want []string
		for i := range 250 {
			want = append(want, fmt.Sprintf("samlp|corp>?~|%03d", i)) // bytes that make + and / in a cursor
		}
		tenant.AddMembers(orgID, want...)
		var got []string
		pages, next := 0, ""
		for {
			p := list(t, tenant, "take=100"+next)
			if p.Total != nil {
				t.Error("a page by checkpoint has a total")
			}
			pages, got = pages+1, append(got, p.ids()...)
			if p.Next == nil {
				break
			}
			next = "&from=" + url.QueryEscape(*p.Next)
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("whenMore %t: got %d members, want %d", whenMore, len(got), len(want))
		}
		if wantPages := map[bool]int{false: 4, true: 3}[whenMore]; pages != wantPages {
			t.Errorf("whenMore %t: %d pages, want %d", whenMore, pages, wantPages)
		}
	}
}

func TestOffsetPagesWithTotals(t *testing.T) {
	tenant := known(auth0test.Undocumented{})
	tenant.AddMembers(orgID, "a|1", "a|2", "a|3")
	p := list(t, tenant, "include_totals=true&per_page=2&page=1&fields=user_id")
	if !slices.Equal(p.ids(), []string{"a|3"}) || *p.Total != 3 || p.Members[0].Email != "" || p.Next != nil {
		t.Errorf("got %+v", p)
	}
	if p := list(t, tenant, "include_totals=true&fields=user_id&include_fields=false"); p.Members[0].UserID != "" || p.Members[0].Email == "" {
		t.Errorf("excluding user_id gives %+v", p.Members[0])
	}
}

func TestListingRefusesBadQueries(t *testing.T) {
	tenant := known(auth0test.Undocumented{})
	for _, query := range []string{"page=x", "page=-1", "per_page=0", "per_page=101", "take=101", "take=", "from=%21", "from=YQ"} {
		if resp, body := send(t, tenant, "GET", members+"?"+query, "", nil); resp.StatusCode != 400 || !strings.Contains(body, "invalid_query_string") {
			t.Errorf("%s: %d %s", query, resp.StatusCode, body)
		}
	}
}

func TestListingRolesNeedsItsOwnScope(t *testing.T) {
	tenant := auth0test.New(auth0test.Config{})
	query := members + "?take=1&fields=user_id,roles"
	only := map[string]string{"Authorization": "Bearer " + tenant.Token("read:organization_members")}
	if resp, body := send(t, tenant, "GET", query, "", only); resp.StatusCode != 403 || !strings.Contains(body, "read:organization_member_roles") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	tenant.AddMembers(orgID, "a|1")
	if _, body := send(t, tenant, "GET", query, "", nil); !strings.Contains(body, `"roles":[]`) {
		t.Error(body)
	}
}

func TestListingLagsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := known(auth0test.Undocumented{AddDelay: 5 * time.Second, RemoveDelay: 10 * time.Second})
		send(t, tenant, "POST", members, bodyOf("a|1", "a|2"), nil)
		shows := func(want ...string) {
			t.Helper()
			if got := list(t, tenant, "take=10").ids(); !slices.Equal(got, want) {
				t.Errorf("listing shows %q, want %q", got, want)
			}
		}
		shows()
		time.Sleep(5 * time.Second)
		shows("a|1", "a|2")
		send(t, tenant, "DELETE", members, bodyOf("a|1"), nil)
		time.Sleep(9 * time.Second)
		shows("a|1", "a|2")
		if got := tenant.Members(orgID); !slices.Equal(got, []string{"a|2"}) {
			t.Errorf("members %q", got)
		}
		time.Sleep(time.Second)
		shows("a|2")
		shows("a|2")
		send(t, tenant, "POST", members, bodyOf("a|1"), nil)
		shows("a|2")
		time.Sleep(5 * time.Second)
		shows("a|2", "a|1")
	})
}

// The members are a set, in whatever order users are added and removed.
func TestMembersAreASet(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tenant := known(auth0test.Undocumented{})
		set := map[string]bool{}
		ids := rapid.SliceOfN(rapid.StringMatching(`a\|[1-9]`), 1, 10)
		for range rapid.IntRange(1, 20).Draw(rt, "requests") {
			method := rapid.SampledFrom([]string{"POST", "DELETE"}).Draw(rt, "method")
			batch := ids.Draw(rt, "ids")
			if resp, body := send(t, tenant, method, members, bodyOf(batch...), nil); resp.StatusCode != 204 {
				rt.Fatalf("%d %s", resp.StatusCode, body)
			}
			for _, id := range batch {
				set[id] = method == "POST"
			}
		}
		var want []string
		for id, in := range set {
			if in {
				want = append(want, id)
			}
		}
		slices.Sort(want)
		listed := list(t, tenant, "take=100").ids()
		slices.Sort(listed)
		if got := tenant.Members(orgID); !slices.Equal(got, want) || !slices.Equal(listed, want) {
			rt.Errorf("members %q, listed %q, want %q", got, listed, want)
		}
	})
}

func FuzzWriteMembers(f *testing.F) {
	f.Add("application/json", orgID, []byte(`{"members":["auth0|1"]}`))
	f.Add("application/json", "org_%2F", []byte(`{"members":[null,1,{},[],"a|b"]}`))
	f.Add("application/x-www-form-urlencoded", "%zz", []byte(`members=a%7Cb&members[]=c`))
	f.Add("text/plain; charset", "", []byte(`[`))
	f.Fuzz(func(t *testing.T, contentType, org string, body []byte) {
		tenant := auth0test.New(auth0test.Config{NoAuth: true, KeepLog: true})
		for _, method := range []string{"POST", "DELETE"} {
			req := &http.Request{
				Method: method, Host: "acme.eu.auth0.com", Header: http.Header{"Content-Type": {contentType}},
				URL: &url.URL{Scheme: "https", Host: "acme.eu.auth0.com", Path: "/api/v2/organizations/" + org + "/members"}, Body: readCloser(body),
			}
			resp, err := tenant.RoundTrip(req.WithContext(t.Context()))
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != 204 && (resp.StatusCode < 400 || resp.StatusCode > 415) {
				t.Fatalf("%s answered %d", method, resp.StatusCode)
			}
		}
	})
}
