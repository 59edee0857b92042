package auth0_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"orgimport/importer"
	"orgimport/importer/auth0"
)

// pages answers with one body after another.
func pages(bodies ...string) func(int, *http.Request, string) (*http.Response, error) {
	return func(n int, _ *http.Request, _ string) (*http.Response, error) {
		return reply(200, bodies[min(n, len(bodies))-1]), nil
	}
}

func list(t *testing.T, c *auth0.Client) (ids []string, err error) {
	for m, err := range c.Members(t.Context(), "org_1") {
		if err != nil {
			return ids, err
		}
		ids = append(ids, m.UserID)
	}
	return ids, nil
}

func TestMembersFollowsThePages(t *testing.T) {
	for name, bodies := range map[string][]string{
		"next on the last page":    {`{"members":[{"user_id":"a|1"},{"user_id":"a|2"}],"next":"x+/="}`, `{"members":[{"user_id":"a|3"}],"next":"y"}`, `{"members":[]}`},
		"no next on the last page": {`{"members":[{"user_id":"a|1"},{"user_id":"a|2"}],"next":"x+/="}`, `{"members":[{"user_id":"a|3"}]}`},
		"next on an empty page":    {`{"members":[{"user_id":"a|1"},{"user_id":"a|2"}],"next":"x+/="}`, `{"members":[{"user_id":"a|3"}],"next":"y"}`, `{"members":[],"next":"z"}`, `{"members":[],"next":"w"}`},
		"the same next again":      {`{"members":[{"user_id":"a|1"},{"user_id":"a|2"}],"next":"x+/="}`, `{"members":[{"user_id":"a|3"}],"next":"y"}`, `{"members":[],"next":"y"}`},
		"an empty page on the way": {`{"members":[{"user_id":"a|1"},{"user_id":"a|2"}],"next":"x+/="}`, `{"members":[],"next":"y"}`, `{"members":[{"user_id":"a|3"}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := &sender{Answer: pages(bodies...)}
			ids, err := list(t, newClient(t, s))
			if err != nil || !slices.Equal(ids, []string{"a|1", "a|2", "a|3"}) {
				t.Errorf("members %q, error %v", ids, err)
			}
			if s.Count() != len(bodies) {
				t.Errorf("%d requests, want %d", s.Count(), len(bodies))
			}
			if got := s.Requests[0].URL.String(); got != "https://acme.eu.auth0.com/api/v2/organizations/org_1/members?fields=user_id&include_fields=true&take=100" {
				t.Errorf("sent %s", got)
			}
			if query, _ := url.ParseQuery(s.Requests[1].URL.RawQuery); query.Get("from") != "x+/=" || query.Get("take") != "100" {
				t.Errorf("sent %v", query)
			}
		})
	}
}

// TestMemberPagesOfSeveralOrganizations, of which one does not exist and one is refused.
func TestMemberPagesOfSeveralOrganizations(t *testing.T) {
	s := &sender{Answer: func(_ int, r *http.Request, _ string) (*http.Response, error) {
		switch {
		case strings.Contains(r.URL.Path, "/org_gone/"):
			return reply(404, `{"statusCode":404,"error":"Not Found","message":"No organization found by that id or name"}`), nil
		case strings.Contains(r.URL.Path, "/org_no/"):
			return reply(403, `{"statusCode":403,"error":"Forbidden","message":"not this one","errorCode":"forbidden"}`), nil
		case r.URL.Query().Has("from"):
			return reply(200, `{"members":[{"user_id":"a|3"}]}`), nil
		}
		return reply(200, `{"members":[{"user_id":"a|1"},{"user_id":"a|2"}],"next":"x"}`), nil
	}}
	read := func(orgs ...string) (pages []string, err error) {
		for page, err := range newClient(t, s).MemberPages(t.Context(), orgs, 4) {
			if err != nil {
				return pages, err
			}
			pages = append(pages, fmt.Sprint(page.OrgID, len(page.Members), page.Last, page.Absent != nil))
		}
		slices.Sort(pages)
		return pages, nil
	}
	pages, err := read("org_1", "org_gone", "org_2")
	want := []string{"org_10 true false", "org_11 false false", "org_12 false false", "org_20 true false", "org_21 false false", "org_22 false false", "org_gone0 true true"}
	if err != nil || !slices.Equal(pages, want) {
		t.Errorf("%q, %v, want %q", pages, err, want)
	}
	_, err = read("org_1", "org_no", "org_2")
	if refused, ok := errors.AsType[*auth0.ListError](err); !ok || refused.Extent != auth0.Refused || refused.List != "the members of org_no" {
		t.Errorf("%v", err)
	}
}

func TestMembersThatComeRoundInACircle(t *testing.T) {
	s := &sender{Answer: func(n int, _ *http.Request, _ string) (*http.Response, error) {
		return reply(200, fmt.Sprintf(`{"members":[{"user_id":"a|%d"}],"next":"%d"}`, n, n%3)), nil
	}}
	ids, err := list(t, newClient(t, s))
	if err == nil || !strings.Contains(err.Error(), "again and again") || len(ids) != 4 {
		t.Errorf("members %q, error %v", ids, err)
	}
}

// TestMembersOfAServerThatNeverEnds: it was reported that such a server kept verify
// running forever.
func TestMembersOfAServerThatNeverEnds(t *testing.T) {
	auth0.SetMaxPages(t, 50)
	for name, test := range map[string]struct {
		page  string
		says  string
		least int
	}{
		"the same page, each time with another next": {`{"members":[{"user_id":"a|1"}],"next":"%[1]d"}`, "again and again", 2},
		"ever new members":                           {`{"members":[{"user_id":"a|%[1]d"}],"next":"%[1]d"}`, "does not end after 50 pages", 50},
	} {
		t.Run(name, func(t *testing.T) {
			s := &sender{Answer: func(n int, _ *http.Request, _ string) (*http.Response, error) {
				return reply(200, fmt.Sprintf(test.page, n)), nil
			}}
			ids, err := list(t, newClient(t, s))
			if err == nil || !strings.Contains(err.Error(), test.says) || len(ids) != test.least {
				t.Errorf("%d members, error %v", len(ids), err)
			}
		})
	}
}

func TestMembersEndsWhenNobodyListens(t *testing.T) {
	s := &sender{Answer: pages(`{"members":[{"user_id":"a|1"},{"user_id":"a|2"}],"next":"x"}`)}
	for range newClient(t, s).Members(t.Context(), "org_1") {
		break
	}
	if s.Count() != 1 {
		t.Errorf("%d requests, want 1", s.Count())
	}
}

func TestMembersErrors(t *testing.T) {
	for _, test := range []struct {
		status int
		body   string
		reach  importer.Reach
		want   string
	}{
		{404, `{"statusCode":404,"error":"Not Found","message":"No organization found by that id or name"}`, importer.ReachOrg, "No organization found"},
		{403, `{"message":"Insufficient scope, expected any of: read:organization_members"}`, importer.ReachRun, "Insufficient scope"},
		{200, `<html>`, importer.ReachRun, "not an answer of the Management API"},
		{404, `{"statusCode":404,"error":"Not Found","message":"Not Found"}`, importer.ReachOrg, "Not Found"},
		{403, `{"statusCode":403,"error":"Forbidden","message":"You are not allowed to read this organization"}`, importer.ReachOrg, "not allowed"},
		{200, `{"users":[]}`, importer.ReachRun, "not an answer of the Management API"},
	} {
		_, err := list(t, newClient(t, &sender{Answer: always(test.status, test.body)}))
		if err == nil || !strings.Contains(err.Error(), test.want) || importer.ReachOf(err) != test.reach {
			t.Errorf("%d %s: error %v", test.status, test.body, err)
		}
	}
	if _, err := func() (any, error) {
		for _, err := range newClient(t, nil).Members(t.Context(), "..") {
			return nil, err
		}
		return nil, nil
	}(); importer.ReachOf(err) != importer.ReachOrg {
		t.Errorf("impossible id: error %v", err)
	}
}

func TestMembersRepeatsWhatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sender{Answer: func(n int, _ *http.Request, _ string) (*http.Response, error) {
			switch n {
			case 1:
				return reply(503, ""), nil
			case 2:
				return reply(429, ""), nil
			}
			return reply(200, `{"members":[{"user_id":"a|1"}]}`), nil
		}}
		if ids, err := list(t, newClient(t, s)); err != nil || len(ids) != 1 {
			t.Errorf("members %q, error %v", ids, err)
		}
	})
}

func TestOrganization(t *testing.T) {
	for _, test := range []struct {
		status int
		body   string
		reach  importer.Reach
		want   string // empty: it exists
	}{
		{200, `{"id":"org_1","name":"one"}`, 0, ""},
		{404, `{"statusCode":404,"error":"Not Found","message":"No organization found by that id or name"}`, importer.ReachOrg, "No organization found"},
		{404, `{"statusCode":404,"error":"Not Found","message":"Not Found"}`, importer.ReachRow, "Not Found"},
		{400, `{"message":"Path validation error: 'String is too long (51 chars), maximum 50' on property id.","errorCode":"invalid_uri"}`, importer.ReachOrg, "too long"},
		{403, `{"message":"Insufficient scope, expected any of: read:organizations","errorCode":"insufficient_scope"}`, importer.ReachRun, "Insufficient scope"},
		{200, `<html>`, importer.ReachRun, "not an answer of the Management API"},
		{200, `{}`, importer.ReachRun, "not an answer of the Management API"},
		{302, ``, importer.ReachRun, "redirect"},
	} {
		s := &sender{Answer: always(test.status, test.body)}
		o, err := newClient(t, s).Organization(t.Context(), "org/1")
		if test.want == "" {
			if err != nil || o.ID != "org_1" || o.Name != "one" {
				t.Errorf("%+v, error %v", o, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), test.want) || importer.ReachOf(err) != test.reach {
			t.Errorf("%d %s: error %v", test.status, test.body, err)
		}
		if r := s.Requests[0]; r.Method != "GET" || r.URL.EscapedPath() != "/api/v2/organizations/org%2F1" || r.Header.Get("Content-Type") != "" {
			t.Errorf("sent %s %s", r.Method, r.URL)
		}
	}
	if _, err := newClient(t, nil).Organization(t.Context(), ""); importer.ReachOf(err) != importer.ReachOrg {
		t.Errorf("empty id: error %v", err)
	}
}

func TestOrganizationErrorIsAnError(t *testing.T) {
	_, err := newClient(t, &sender{Answer: always(404, "")}).Organization(t.Context(), "org_1")
	if e, ok := errors.AsType[*auth0.Error](err); !ok || e.Status != 404 || e.Path != "/api/v2/organizations/org_1" {
		t.Errorf("error %#v", err)
	}
}

func TestMembersWithEveryField(t *testing.T) {
	s := &sender{Answer: pages(`{"members":[{"user_id":"a|1","email":"a@x.com","name":"Ann","roles":[{"id":"rol_2","name":"b"},{"id":"rol_1","name":"c"}]},{"user_id":"a|2","email":null,"name":null,"roles":[]}]}`)}
	var got []string
	for m, err := range newClient(t, s).Members(t.Context(), "org_1", auth0.FieldEmail, auth0.FieldName, auth0.FieldRoles) {
		got = append(got, fmt.Sprint(m, err))
	}
	if want := []string{"{a|1 a@x.com Ann [rol_1 rol_2]} <nil>", "{a|2   []} <nil>"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := s.Requests[0].URL.Query().Get("fields"); got != "user_id,email,name,roles" {
		t.Errorf("asked for %s", got)
	}
}

func TestOrganizations(t *testing.T) {
	s := &sender{Answer: pages(
		`{"organizations":[{"id":"org_2","name":"two","display_name":"Two","branding":{},"metadata":{"key":"7"}}],"next":"n+1"}`,
		`{"organizations":[{"id":"org_1","name":"one"}]}`)}
	var got []string
	for o, err := range newClient(t, s).Organizations(t.Context()) {
		got = append(got, fmt.Sprint(o, err))
	}
	if want := []string{"{org_2 two Two map[key:7]} <nil>", "{org_1 one  map[]} <nil>"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := s.Requests[1].URL.String(); got != "https://acme.eu.auth0.com/api/v2/organizations?from=n%2B1&take=100" {
		t.Errorf("sent %s", got)
	}
}

func TestOrganizationNamed(t *testing.T) {
	s := &sender{Answer: always(200, `{"id":"org_1","name":"a b"}`)}
	if o, err := newClient(t, s).OrganizationNamed(t.Context(), "a b"); err != nil || o.ID != "org_1" {
		t.Errorf("%+v, error %v", o, err)
	}
	if got := s.Requests[0].URL.EscapedPath(); got != "/api/v2/organizations/name/a%20b" {
		t.Errorf("sent %s", got)
	}
}

func TestRemoveSendsWhatTheDocumentsSay(t *testing.T) {
	s := &sender{Answer: always(204, "")}
	op := newClient(t, s).Remove()
	receipt, err := op.Send(t.Context(), batch("org_1", "auth0|a", "auth0|b"))
	if err != nil {
		t.Fatal(err)
	}
	r := s.Requests[0]
	if got, want := r.Method+" "+r.URL.String()+" "+r.Content, `DELETE https://acme.eu.auth0.com/api/v2/organizations/org_1/members {"members":["auth0|a","auth0|b"]}`; got != want {
		t.Errorf("sent %s, want %s", got, want)
	}
	if receipt.HTTPStatus != 204 || receipt.Attempts != 1 || op.Done != importer.Removed || op.Size != 10 || op.Prefix != "or" {
		t.Errorf("receipt %+v of %+v", receipt, op)
	}
}
