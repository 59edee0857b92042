package auth0test_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"orgimport/importer/auth0/auth0test"
)

func readCloser(b []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(b)) }

// together runs f n times at once and waits.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// faulty is a tenant with the same fault for every request.
func faulty(f auth0test.Fault) *auth0test.Tenant {
	return auth0test.New(auth0test.Config{NoAuth: true, Fault: func(*http.Request, int) auth0test.Fault { return f }})
}

var cuts = []struct {
	name           string
	fault          auth0test.Fault
	direct, socket error
	members        []string
}{
	{"closed before the work", auth0test.Fault{Cut: auth0test.Close}, io.ErrUnexpectedEOF, io.EOF, nil},
	{"closed after the work", auth0test.Fault{Cut: auth0test.Close, Applied: true}, io.ErrUnexpectedEOF, io.EOF, []string{"a|1"}},
	{"reset before the work", auth0test.Fault{Cut: auth0test.Reset}, syscall.ECONNRESET, syscall.ECONNRESET, nil},
	{"reset after the work", auth0test.Fault{Cut: auth0test.Reset, Applied: true}, syscall.ECONNRESET, syscall.ECONNRESET, []string{"a|1"}},
	{"refused", auth0test.Fault{Cut: auth0test.Refuse}, syscall.ECONNREFUSED, syscall.ECONNRESET, nil},
}

func TestConnectionIsCut(t *testing.T) {
	for _, c := range cuts {
		check := func(t *testing.T, tenant *auth0test.Tenant, transport http.RoundTripper, address string, want error) {
			t.Helper()
			if _, err := transport.RoundTrip(request(t, "POST", address+members, bodyOf("a|1"))); !errors.Is(err, want) {
				t.Errorf("error %v, want %v", err, want)
			}
			if got := tenant.Members(orgID); !slices.Equal(got, c.members) {
				t.Errorf("members %q, want %q", got, c.members)
			}
			if got := tenant.Stats().Count(auth0test.WriteMembers, 0); got != 1 {
				t.Errorf("%d requests without an answer, want 1", got)
			}
		}
		t.Run(c.name, func(t *testing.T) {
			tenant := faulty(c.fault)
			check(t, tenant, tenant, "https://acme.eu.auth0.com", c.direct)
		})
		t.Run(c.name+", over a socket", func(t *testing.T) {
			tenant := faulty(c.fault)
			server := httptest.NewServer(tenant)
			defer server.Close()
			check(t, tenant, server.Client().Transport, server.URL, c.socket)
		})
	}
}

func TestConnectionIsCutOverHTTP2(t *testing.T) {
	server := httptest.NewUnstartedServer(faulty(auth0test.Fault{Cut: auth0test.Reset}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	_, err := server.Client().Post(server.URL+members, "application/json", strings.NewReader(bodyOf("a|1")))
	if err == nil || !strings.Contains(err.Error(), "stream error") {
		t.Errorf("error %v, want a stream error", err)
	}
}

func TestErrorsInsteadOfTheAnswer(t *testing.T) {
	for _, c := range []struct {
		fault       auth0test.Fault
		contentType string
		body        string // its beginning
		retryAfter  string
		members     []string
	}{
		{auth0test.Fault{Status: 502, Body: auth0test.BodyHTML}, "text/html; charset=UTF-8", "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway<", "", nil},
		{auth0test.Fault{Status: 524, Body: auth0test.BodyEmpty}, "", "", "", nil},
		{auth0test.Fault{Status: 503, RetryAfter: 1500 * time.Millisecond}, "application/json; charset=utf-8", `{"statusCode":503,"error":"Service Unavailable"`, "2", nil},
		{auth0test.Fault{Status: 429}, "application/json; charset=utf-8", `{"statusCode":429,"error":"Too Many Requests","message":"Global limit has been reached"`, "", nil},
		{auth0test.Fault{Status: 500, Applied: true}, "application/json; charset=utf-8", `{"statusCode":500`, "", []string{"a|1"}},
	} {
		tenant := faulty(c.fault)
		resp, body := send(t, tenant, "POST", members, bodyOf("a|1"), nil)
		if resp.StatusCode != c.fault.Status || resp.Header.Get("Content-Type") != c.contentType ||
			!strings.HasPrefix(body, c.body) || (c.body == "") != (body == "") || resp.Header.Get("Retry-After") != c.retryAfter {
			t.Errorf("%+v: %s %v %q", c.fault, resp.Status, resp.Header, body)
		}
		if got := tenant.Members(orgID); !slices.Equal(got, c.members) {
			t.Errorf("%+v: members %q, want %q", c.fault, got, c.members)
		}
	}
}

func TestTokenEndpointFailsAlone(t *testing.T) {
	tenant := auth0test.New(auth0test.Config{Incidents: []auth0test.Incident{
		{Class: auth0test.Tokens, Fault: auth0test.Fault{Status: 429}},
	}})
	if resp, body := send(t, tenant, "POST", tokens, "{}", nil); resp.StatusCode != 429 || !strings.Contains(body, `"error":"too_many_requests"`) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if resp, _ := send(t, tenant, "POST", members, bodyOf("a|1"), nil); resp.StatusCode != 204 {
		t.Errorf("members answered %d", resp.StatusCode)
	}
}

func TestHookSeesTheRequestAndItsNumber(t *testing.T) {
	tenant := auth0test.New(auth0test.Config{Fault: func(r *http.Request, n int) auth0test.Fault {
		body, _ := io.ReadAll(r.Body)
		if r.Method == "POST" && n == 2 && strings.Contains(string(body), "a|1") {
			return auth0test.Fault{Status: 503}
		}
		return auth0test.Fault{}
	}})
	for _, want := range []int{204, 503, 204} {
		send(t, tenant, "GET", org, "", nil) // of another class, and so without a number in this one
		if resp, _ := send(t, tenant, "POST", members, bodyOf("a|1"), nil); resp.StatusCode != want {
			t.Errorf("status %d, want %d", resp.StatusCode, want)
		}
	}
}

func TestSharesAreRepeatable(t *testing.T) {
	run := func(seed uint64) (statuses []int) {
		tenant := auth0test.New(auth0test.Config{NoAuth: true, Seed: seed, Incidents: []auth0test.Incident{
			{Share: 0.3, Fault: auth0test.Fault{Status: 503}},
		}})
		for range 200 {
			resp, _ := send(t, tenant, "POST", members, bodyOf("a|1"), nil)
			statuses = append(statuses, resp.StatusCode)
		}
		if failed := tenant.Stats().Status(503); failed < 40 || failed > 80 {
			t.Errorf("seed %d: %d of 200 failed at 30 %%", seed, failed)
		}
		return statuses
	}
	if !slices.Equal(run(1), run(1)) {
		t.Error("the same seed gives different faults")
	}
	if slices.Equal(run(1), run(2)) {
		t.Error("different seeds give the same faults")
	}
}

func TestHangEndsWithTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		tenant := faulty(auth0test.Fault{Hang: true, Applied: true})
		req, _ := http.NewRequestWithContext(ctx, "POST", "https://acme.eu.auth0.com"+members, strings.NewReader(bodyOf("a|1")))
		start := time.Now()
		if _, err := tenant.RoundTrip(req); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Hour {
			t.Errorf("error %v after %v", err, time.Since(start))
		}
		if got := tenant.Members(orgID); len(got) != 1 {
			t.Errorf("members %q", got)
		}
	})
}

func TestHangOverASocketEndsWithTheConnection(t *testing.T) {
	tenant := faulty(auth0test.Fault{Hang: true})
	server := httptest.NewServer(tenant)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		req, _ := http.NewRequestWithContext(ctx, "POST", server.URL+members, strings.NewReader(bodyOf("a|1")))
		_, err := server.Client().Do(req)
		done <- err
	}()
	for tenant.Stats().InFlight == 0 {
		runtime.Gosched()
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	server.Close() // returns when no request is under way
	if got := tenant.Stats(); got.InFlight != 0 || got.Count(auth0test.WriteMembers, 0) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestConnectionIsCutLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		_, err := try(t, faulty(auth0test.Fault{Cut: auth0test.Reset, Delay: time.Minute}), "POST", members, bodyOf("a|1"), nil)
		if !errors.Is(err, syscall.ECONNRESET) || time.Since(begin) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

func TestOutages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := auth0test.New(auth0test.Config{NoAuth: true, Incidents: []auth0test.Incident{
			auth0test.Outage(100*time.Second, 120*time.Second),
			{From: 200 * time.Second, Until: 201 * time.Second, Fault: auth0test.Fault{Cut: auth0test.Refuse}},
			{From: 300 * time.Second, Until: 301 * time.Second, Class: auth0test.ReadOrganizations, Fault: auth0test.Fault{Status: 503}},
		}})
		for _, c := range []struct {
			at     time.Duration // since the start
			status int           // 0 for no connection
		}{{99, 204}, {100, 503}, {119, 503}, {120, 204}, {200, 0}, {201, 204}, {300, 204}} {
			time.Sleep(time.Until(start.Add(c.at * time.Second)))
			resp, err := try(t, tenant, "POST", members, bodyOf("a|1"), nil)
			switch {
			case c.status == 0:
				if !errors.Is(err, syscall.ECONNREFUSED) {
					t.Errorf("at %d: %v", c.at, err)
				}
			case err != nil || resp.StatusCode != c.status:
				t.Errorf("at %d: %v %v, want %d", c.at, resp, err, c.status)
			}
		}
	})
}

// An incident can affect certain requests, counted in the order of their arrival.
func TestIncidentsBefallCertainRequests(t *testing.T) {
	down := auth0test.Fault{Status: 503}
	for name, c := range map[string]struct {
		incident auth0test.Incident
		want     string // statuses of requests to two organizations, in turn
	}{
		"the second and the third": {auth0test.Incident{First: 2, Last: 3, Fault: down}, "[204 503 503 204 204 204]"},
		"from the fifth on":        {auth0test.Incident{First: 5, Fault: down}, "[204 204 204 204 503 503]"},
		"of one organization":      {auth0test.Incident{Org: "org_1", Fault: down}, "[503 204 503 204 503 204]"},
		"its second":               {auth0test.Incident{Org: "org_1", First: 2, Last: 2, Fault: down}, "[204 204 503 204 204 204]"},
		"with another method":      {auth0test.Incident{Method: "DELETE", Fault: down}, "[204 204 204 204 204 204]"},
	} {
		tenant := auth0test.New(auth0test.Config{NoAuth: true, Incidents: []auth0test.Incident{c.incident}})
		var got []int
		for i := range 6 {
			resp, _ := send(t, tenant, "POST", fmt.Sprintf("/api/v2/organizations/org_%d/members", i%2+1), bodyOf("a|1"), nil)
			got = append(got, resp.StatusCode)
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
	}
}

// start is when a synctest bubble's clock starts.
var start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
