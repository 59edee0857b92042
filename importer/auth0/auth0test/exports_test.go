package auth0test_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"orgimport/importer/auth0/auth0test"
)

const exportJob = "/api/v2/jobs/users-exports"

// three returns three users. The second has an address with capitals.
func three() []auth0test.User {
	return []auth0test.User{
		{ID: "auth0|1", Email: "ann@acme.com", Connection: "staff", AppMetadata: map[string]any{"hr": map[string]any{"nr": 7}}},
		{ID: "waad|2", Email: "Bob@acme.com", Unverified: true},
		{ID: "auth0|3", Email: "eve@acme.com", Username: "eve"},
	}
}

type jobState struct {
	ID, Status, Location string
	Percent              int `json:"percentage_done"`
	Left                 int `json:"time_left_seconds"`
}

func state(t *testing.T, tenant *auth0test.Tenant, id string) (j jobState) {
	t.Helper()
	_, body := send(t, tenant, "GET", "/api/v2/jobs/"+id, "", nil)
	if err := json.Unmarshal([]byte(body), &j); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return j
}

func create(t *testing.T, tenant *auth0test.Tenant, body string) jobState {
	t.Helper()
	resp, answer := send(t, tenant, "POST", exportJob, body, nil)
	var j jobState
	if err := json.Unmarshal([]byte(answer), &j); err != nil || resp.StatusCode != 200 || j.Status != "pending" {
		t.Fatalf("%d %s", resp.StatusCode, answer)
	}
	return j
}

// download follows a link and returns the users, and the error that ended them.
func download(t *testing.T, tenant http.RoundTripper, link string, header ...string) (status int, users string, err error) {
	t.Helper()
	req := request(t, "GET", link, "")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := (&http.Client{Transport: tenant}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if bytes.HasPrefix(body, []byte{0x1f, 0x8b}) {
		unzipped, zipErr := gzip.NewReader(bytes.NewReader(body))
		if zipErr != nil {
			t.Fatal(zipErr)
		}
		body, _ = io.ReadAll(unzipped) // cut or not
	}
	return resp.StatusCode, string(body), err
}

func TestUsersAreExported(t *testing.T) {
	const fields = `"fields":[{"name":"user_id"},{"name":"email"},{"name":"identities[0].connection"},{"name":"app_metadata.hr.nr"}]`
	for _, c := range []struct {
		name string
		set  auth0test.Exports
		body string
		want string
	}{
		{"flat", auth0test.Exports{}, `{"format":"json",` + fields + `}`,
			`{"app_metadata.hr.nr":7,"email":"ann@acme.com","identities[0].connection":"staff","user_id":"auth0|1"}` + "\n" +
				`{"email":"Bob@acme.com","identities[0].connection":"waad","user_id":"waad|2"}` + "\n" +
				`{"email":"eve@acme.com","identities[0].connection":"Username-Password-Authentication","user_id":"auth0|3"}` + "\n"},
		{"nested, with nulls", auth0test.Exports{Shape: auth0test.Nested, Nulls: true, Youngest: 1, Plain: true}, `{` + fields + `}`,
			`{"app_metadata":{"hr":{"nr":7}},"email":"ann@acme.com","identities":[{"connection":"staff"}],"user_id":"auth0|1"}` + "\n" +
				`{"app_metadata":{"hr":{"nr":null}},"email":"Bob@acme.com","identities":[{"connection":"waad"}],"user_id":"waad|2"}` + "\n"},
		{"omitted", auth0test.Exports{Shape: auth0test.Omitted, Fold: true}, `{"limit":2,` + fields + `}`,
			`{"app_metadata.hr.nr":7,"email":"ann@acme.com","user_id":"auth0|1"}` + "\n" + `{"email":"bob@acme.com","user_id":"waad|2"}` + "\n"},
		{"of a connection", auth0test.Exports{}, `{"connection_id":"con_1234567890abcdef","fields":[{"name":"user_id","export_as":"id"}]}`, `{"id":"auth0|1"}` + "\n"},
		{"everything", auth0test.Exports{Youngest: 2}, "",
			`{"app_metadata":{"hr":{"nr":7}},"email":"ann@acme.com","email_verified":true,` +
				`"identities":[{"connection":"staff","isSocial":false,"provider":"auth0","user_id":"1"}],"picture":"https://example.com/picture.png","user_id":"auth0|1"}` + "\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tenant := auth0test.New(auth0test.Config{
				Users: three(), Exports: c.set,
				Connections: []auth0test.Connection{{ID: "con_1234567890abcdef", Name: "staff"}},
			})
			j := state(t, tenant, create(t, tenant, c.body).ID)
			if j.Status != "completed" || !strings.HasPrefix(j.Location, "https://exports.auth0test.example/job_") {
				t.Fatalf("%+v", j)
			}
			if status, got, err := download(t, tenant, j.Location); status != 200 || got != c.want || err != nil {
				t.Errorf("%d, error %v\n%s\nwant\n%s", status, err, got, c.want)
			}
		})
	}
}

// A job takes its time and, if TimeLeft is set, says how much is left. Every GET
// of it has a new link, which works for a minute, unless it was changed.
func TestAJobAndItsLinkTakeTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := auth0test.New(auth0test.Config{Users: three(), Exports: auth0test.Exports{Duration: time.Minute, TimeLeft: true}})
		id := create(t, tenant, "").ID
		time.Sleep(15 * time.Second)
		if j := state(t, tenant, id); j.Status != "pending" || j.Left != 45 || j.Percent != 25 || j.Location != "" {
			t.Errorf("%+v", j)
		}
		time.Sleep(45 * time.Second)
		first := state(t, tenant, id).Location
		time.Sleep(30 * time.Second)
		second := state(t, tenant, id).Location
		time.Sleep(30 * time.Second)
		for link, want := range map[string]int{
			first: 403, second: 200, second + "x": 403, strings.Replace(second, "Expires=", "Expires=1", 1): 403,
			"https://exports.auth0test.example/job_1/users.json.gz": 403,
		} {
			if status, _, _ := download(t, tenant, link); status != want {
				t.Errorf("%s: %d, want %d", link, status, want)
			}
		}
		time.Sleep(24 * time.Hour)
		if resp, body := send(t, tenant, "GET", "/api/v2/jobs/"+id, "", nil); resp.StatusCode != 404 || !strings.Contains(body, "Job not found.") {
			t.Errorf("after a day: %d %s", resp.StatusCode, body)
		}
	})
}

func TestJobsFailAndGetInEachOthersWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := auth0test.New(auth0test.Config{Users: three(), Exports: auth0test.Exports{Duration: time.Minute, Fail: 1, Busy: 2}})
		refused := func() bool {
			resp, body := send(t, tenant, "POST", exportJob, "", nil)
			if resp.StatusCode == 429 && (!strings.Contains(body, "There are 2 active export users jobs") || resp.Header.Get("X-RateLimit-Limit") != "") {
				t.Errorf("%v %s", resp.Header, body)
			}
			return resp.StatusCode == 429
		}
		for range 2 {
			if !refused() {
				t.Error("no other job is under way at the start")
			}
		}
		first := create(t, tenant, "").ID
		time.Sleep(time.Minute)
		if j := state(t, tenant, first); j.Status != "failed" || j.Location != "" {
			t.Errorf("%+v", j)
		}
		second := create(t, tenant, "").ID
		time.Sleep(time.Minute)
		if j := state(t, tenant, second); j.Status != "completed" {
			t.Errorf("%+v", j)
		}
	})
}

func TestADownloadWantsNoToken(t *testing.T) {
	tenant := auth0test.New(auth0test.Config{Users: three()})
	link := state(t, tenant, create(t, tenant, "").ID).Location
	for _, header := range [][]string{{"Authorization", "Bearer " + tenant.Token()}, {"Authorization", "Basic eDp5"}} {
		if status, body, _ := download(t, tenant, link, header...); status != 400 || !strings.Contains(body, "InvalidArgument") {
			t.Errorf("%d %s", status, body)
		}
	}
	if status, _, _ := download(t, tenant, link); status != 200 {
		t.Errorf("without a token: %d", status)
	}
	if n := tenant.Stats().Leaks; n != 2 {
		t.Errorf("%d leaks, want 2", n)
	}
	if _, _, _ = download(t, tenant, link, "Cookie", "a=b"); tenant.Stats().Leaks != 3 {
		t.Error("a cookie is no leak")
	}
	if _, _, _ = download(t, tenant, link+"&access_token="+tenant.Token()); tenant.Stats().Leaks != 4 {
		t.Error("a token in the query is no leak")
	}
}

// A download that is cut has the first half of the users, over a socket and
// without one, compressed or not.
func TestADownloadIsCut(t *testing.T) {
	for _, plain := range []bool{false, true} {
		tenant := auth0test.New(auth0test.Config{Users: auth0test.MakeUsers(100), Exports: auth0test.Exports{Cut: 2, Plain: plain}})
		server := httptest.NewServer(tenant)
		defer server.Close()
		id := create(t, tenant, "").ID
		check := func(how string, rt http.RoundTripper, whole bool) {
			t.Helper()
			status, users, err := download(t, rt, state(t, tenant, id).Location)
			lines := strings.Count(users, "\n")
			if cut := errors.Is(err, io.ErrUnexpectedEOF); status != 200 || cut == whole || cut && (lines != 50 || strings.HasSuffix(users, "\n")) || whole && lines != 100 {
				t.Errorf("%s: %d, %d lines, error %v", how, status, lines, err)
			}
		}
		check("without a socket", tenant, false)
		if err := tenant.SetDownloadURL(server.URL); err != nil {
			t.Fatal(err)
		}
		check("over a socket", server.Client().Transport, false)
		check("the third", server.Client().Transport, true)
	}
}

func TestALinkLeadsToAnother(t *testing.T) {
	tenant := auth0test.New(auth0test.Config{Users: three(), Exports: auth0test.Exports{Redirects: 3}})
	link := state(t, tenant, create(t, tenant, "").ID).Location
	if status, users, err := download(t, tenant, link); status != 200 || strings.Count(users, "\n") != 3 || err != nil {
		t.Errorf("%d, %q, error %v", status, users, err)
	}
	if n := tenant.Stats().Count(auth0test.Downloads, 302); n != 3 {
		t.Errorf("%d redirects", n)
	}
}

// Users who sign up after a job was made are not in it, and a reader may stop
// early.
func TestAnExportIsASnapshot(t *testing.T) {
	tenant := auth0test.New(auth0test.Config{Users: auth0test.MakeUsers(10_000)})
	link := state(t, tenant, create(t, tenant, "").ID).Location
	tenant.AddUsers(three()...)
	if _, users, _ := download(t, tenant, link); strings.Count(users, "\n") != 10_000 {
		t.Errorf("%d users", strings.Count(users, "\n"))
	}
	resp, err := tenant.RoundTrip(request(t, "GET", link, ""))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

func TestAnInvalidExportIsRefused(t *testing.T) {
	tenant := auth0test.New(auth0test.Config{Users: three()})
	var got []int
	for _, body := range []string{
		`{"format":"xml"}`, `{"limit":0}`, `{"field":[]}`, `{"fields":[{}]}`, `{"fields":[{"name":""}]}`, `{"connection_id":"staff"}`, `{`, `{"connection_id":"con_1234567890abcdef"}`,
	} {
		resp, _ := send(t, tenant, "POST", exportJob, body, nil)
		got = append(got, resp.StatusCode)
	}
	if want := []int{400, 400, 400, 400, 400, 400, 400, 404}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
