package auth0_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"orgimport/importer"
	"orgimport/importer/auth0"
)

func TestAddMembersSendsWhatTheDocumentsSay(t *testing.T) {
	s := &sender{Answer: always(204, "")}
	receipt, err := newClient(t, s).Import().Send(t.Context(), batch("org_1", "auth0|a", "waad|ü&b"))
	if err != nil {
		t.Fatal(err)
	}
	r := s.Requests[0]
	if got, want := r.Method+" "+r.URL.String(), "POST https://acme.eu.auth0.com/api/v2/organizations/org_1/members"; got != want {
		t.Errorf("sent %s, want %s", got, want)
	}
	if want := `{"members":["auth0|a","waad|ü\u0026b"]}`; r.Content != want {
		t.Errorf("body %s, want %s", r.Content, want)
	}
	for name, want := range map[string]string{
		"Content-Type":     "application/json",
		"Accept":           "application/json",
		"X-Correlation-Id": "run-1",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if r.GetBody == nil {
		t.Error("GetBody is not set")
	}
	if receipt.HTTPStatus != 204 || receipt.Attempts != 1 || receipt.CorrelationID != "run-1" || receipt.Message != "" || receipt.Time.IsZero() {
		t.Errorf("receipt %+v", receipt)
	}
}

func TestOrganizationIDsAreEscaped(t *testing.T) {
	for id, want := range map[string]string{
		"org_a":      "/api/v2/organizations/org_a/members",
		"a/b":        "/api/v2/organizations/a%2Fb/members",
		"100%":       "/api/v2/organizations/100%25/members",
		"a|b":        "/api/v2/organizations/a%7Cb/members",
		"ö?#":        "/api/v2/organizations/%C3%B6%3F%23/members",
		"%2F":        "/api/v2/organizations/%252F/members",
		"../clients": "/api/v2/organizations/..%2Fclients/members",
	} {
		var got string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got = r.RequestURI
			w.WriteHeader(204)
		}))
		c := newClient(t, http.DefaultTransport)
		c.BaseURL, _ = url.Parse(server.URL)
		if _, err := c.Import().Send(t.Context(), batch(id, "auth0|a")); err != nil {
			t.Errorf("%q: %v", id, err)
		}
		server.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		if got != want {
			t.Errorf("%q: sent %s, want %s", id, got, want)
		}
	}
}

func TestAnOrganizationIDThatNoPathCanHoldIsNotSent(t *testing.T) {
	for _, id := range []string{"", ".", ".."} {
		s := &sender{Answer: always(204, "")}
		receipt, err := newClient(t, s).Import().Send(t.Context(), batch(id, "auth0|a"))
		if err == nil || importer.ReachOf(err) != importer.ReachOrg {
			t.Errorf("%q: error %v, want one that reaches the organization", id, err)
		}
		if s.Count() != 0 || receipt.Attempts != 0 || receipt.Message == "" {
			t.Errorf("%q: %d requests, receipt %+v", id, s.Count(), receipt)
		}
	}
}

func TestCorrelationIDsAreUniqueAndShort(t *testing.T) {
	s := &sender{Answer: always(204, "")}
	c := newClient(t, s)
	c.RunID = strings.Repeat("x", 100)
	seen := map[string]bool{}
	for range 12 {
		receipt, _ := c.Import().Send(t.Context(), batch("org_1", "auth0|a"))
		seen[receipt.CorrelationID] = true
		if len(receipt.CorrelationID) != 64 {
			t.Errorf("%q has %d characters, want 64", receipt.CorrelationID, len(receipt.CorrelationID))
		}
	}
	if len(seen) != 12 {
		t.Errorf("%d different ids for 12 calls", len(seen))
	}
}

func TestWhatOnlyLooksLikeSuccessEndsTheRun(t *testing.T) {
	for _, test := range []struct {
		reply *http.Response
		want  string
	}{
		{reply(200, "<html>sign in"), "200 with an HTML page is not an answer of the Management API"},
		{reply(201, `{"ok":true}`), "201 with JSON that gives no reason is not an answer"},
		{reply(202, ""), "202 with an empty body is not an answer"},
		{reply(302, "", "Location", "https://login.example.com/?token=x"), "302 with a redirect to login.example.com is not an answer"},
		{reply(304, ""), "304 with a redirect is not an answer"},
	} {
		s := &sender{Answer: func(int, *http.Request, string) (*http.Response, error) { return test.reply, nil }}
		receipt, err := newClient(t, s).Import().Send(t.Context(), batch("org_1", "auth0|a"))
		if err == nil || importer.ReachOf(err) != importer.ReachRun || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%d: error %v, want %q, reaching the run", test.reply.StatusCode, err, test.want)
		}
		if s.Count() != 1 {
			t.Errorf("%d: %d requests, want 1: redirects are not followed", test.reply.StatusCode, s.Count())
		}
		if receipt.HTTPStatus != test.reply.StatusCode || receipt.Message == "" {
			t.Errorf("receipt %+v", receipt)
		}
	}
}

func TestARefusalComesWithAllThatIsKnown(t *testing.T) {
	s := &sender{Answer: always(404, `{"statusCode":404,"error":"Not Found","message":"The user does\n not exist.","errorCode":"inexistent_user"}`)}
	receipt, err := newClient(t, s).Import().Send(t.Context(), batch("org_1", "auth0|a"))
	e, ok := errors.AsType[*auth0.Error](err)
	if !ok {
		t.Fatalf("error %v is no *Error", err)
	}
	want := "{404 inexistent_user Not Found The user does not exist. false POST /api/v2/organizations/org_1/members run-1 <nil>}"
	if got := fmt.Sprint(*e); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := e.Error(), "POST /api/v2/organizations/org_1/members: 404 Not Found: The user does not exist. (inexistent_user)"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if receipt.HTTPStatus != 404 || receipt.Code != "inexistent_user" || receipt.Message != "The user does not exist." || receipt.Attempts != 1 {
		t.Errorf("receipt %+v", receipt)
	}
}

// TestARefusalOfNobodyIsBelievedTheSecondTime, even if the token was refused
// between or before; that is also believed the second time.
func TestARefusalOfNobodyIsBelievedTheSecondTime(t *testing.T) {
	for _, test := range []struct {
		answers []int
		reach   importer.Reach
		ok      bool
	}{
		{answers: []int{403, 204}, ok: true},
		{answers: []int{401, 403, 204}, ok: true},
		{answers: []int{403, 401, 204}, ok: true},
		{answers: []int{403, 429, 401, 429, 204}, ok: true},
		{answers: []int{401, 429, 403, 429, 204}, ok: true},
		{answers: []int{403, 403}, reach: importer.ReachRow},
		{answers: []int{403, 401, 403}, reach: importer.ReachRow},
		{answers: []int{403, 429, 403}, reach: importer.ReachRow},
		{answers: []int{401, 403, 401}, reach: importer.ReachRun},
	} {
		s := &sender{Answer: func(n int, _ *http.Request, _ string) (*http.Response, error) {
			return reply(test.answers[n-1], fmt.Sprintf(`{"statusCode":%d,"error":"Refused","message":"An error occurred"}`, test.answers[n-1])), nil
		}}
		_, err := newClient(t, s).Import().Send(t.Context(), batch("org_1", "auth0|a"))
		if s.Count() != len(test.answers) || (err == nil) != test.ok || err != nil && importer.ReachOf(err) != test.reach {
			t.Errorf("%d: %d requests, error %v", test.answers, s.Count(), err)
		}
	}
}
