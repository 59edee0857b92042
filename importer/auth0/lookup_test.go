package auth0_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/auth0/auth0test"
)

// lookup returns a Lookup of a tenant.
func lookup(t *testing.T, tenant http.RoundTripper) *auth0.Lookup {
	c := newClient(t, tenant)
	return &auth0.Lookup{
		Connections: c, Jobs: c, Users: c, OrgByID: c, OrgByName: c, OrgList: c, Members: c,
		Download: auth0.NewDownload(tenant), JobWait: time.Hour, Workers: 4,
	}
}

// newTenant returns a tenant that needs no token.
func newTenant(cfg auth0test.Config) *auth0test.Tenant {
	cfg.NoAuth, cfg.KeepLog = true, true
	return auth0test.New(cfg)
}

// asked returns how many requests went to paths of the API with a prefix.
func asked(tenant *auth0test.Tenant, prefix string) (n int) {
	for _, e := range tenant.Log() {
		if strings.HasPrefix(e.Path, "/api/v2/"+prefix) {
			n++
		}
	}
	return n
}

// export returns the tenant's export of users.
func export(t *testing.T, tenant http.RoundTripper, fields string) string {
	t.Helper()
	var state struct{ ID, Location string }
	ask := func(method, url, body string) []byte {
		req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := tenant.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		_ = json.Unmarshal(answer, &state) // the last answer is not JSON
		return answer
	}
	const jobs = "https://acme.eu.auth0.com/api/v2/jobs/"
	ask("POST", jobs+"users-exports", `{"fields":`+fields+`}`)
	ask("GET", jobs+state.ID, "")
	return string(ask("GET", state.Location, ""))
}

// outcome shows the result of a look-up of an address.
func outcome(t *testing.T, d *importer.Directory, address, connection string) string {
	t.Helper()
	rows := func(yield func(importer.Row, error) bool) {
		yield(importer.Row{OrgID: "org_a", Keys: &importer.Keys{
			User: importer.Key{Kind: importer.KindEmail, Value: address}, Connection: connection,
		}}, nil)
	}
	for row := range importer.Resolve(rows, d) {
		if e, ok := errors.AsType[*importer.Rejection](row.Err); ok {
			return e.Code
		}
		if row.Err == nil {
			return row.UserID
		}
	}
	return "?"
}

// Every way to look users up gives the same answers, except that requests for
// single users miss those with capitals in the address that the file does not have.
func TestUsersAreFoundInEveryWay(t *testing.T) {
	users := []auth0test.User{
		{ID: "auth0|one", Email: "one@acme.com", Connection: "db"},
		{ID: "auth0|two", Email: "two@acme.com", Connection: "db"},
		{ID: "waad|two", Email: "two@acme.com", Connection: "ad"},
		{ID: "auth0|unverified", Email: "unverified@acme.com", Connection: "db", Unverified: true},
		{ID: "auth0|lower", Email: "lower@acme.com", Connection: "db"},
		{ID: "waad|Upper", Email: "Upper@acme.com", Connection: "ad"},
		{ID: "waad|UPPER2", Email: "UPPER2@acme.com", Connection: "ad"},
		{ID: "auth0|mixed", Email: "mixed@acme.com", Connection: "db"},
		{ID: "waad|Mixed", Email: "Mixed@acme.com", Connection: "ad", Unverified: true},
		{ID: "auth0|young", Email: "young@acme.com", Connection: "db"},
	}
	cells := []struct{ address, connection, want, each string }{
		{"one@acme.com", "", "auth0|one", ""},
		{"nobody@acme.com", "", "user_not_found", ""},
		{"two@acme.com", "", "user_ambiguous", ""},
		{"two@acme.com", "ad", "waad|two", ""},
		{"two@acme.com", "elsewhere", "user_not_found", ""},
		{"unverified@acme.com", "", "email_unverified", ""},
		{"LOWER@acme.com", "", "auth0|lower", ""},
		{"Upper@acme.com", "", "waad|Upper", ""},
		{"upper2@acme.com", "", "waad|UPPER2", "user_not_found"},
		{"Upper2@Acme.com", "", "waad|UPPER2", "user_not_found"},
		{"Mixed@acme.com", "", "user_ambiguous", ""},
		{"young@acme.com", "", "auth0|young", ""},
	}
	ask := func() *importer.Directory {
		d := &importer.Directory{}
		for _, c := range cells {
			d.Want(importer.Row{OrgID: "org_a", Keys: &importer.Keys{
				User: importer.Key{Kind: importer.KindEmail, Value: c.address}, Connection: c.connection,
			}})
		}
		return d
	}
	check := func(t *testing.T, how string, d *importer.Directory) {
		t.Helper()
		for _, c := range cells {
			want := c.want
			if how == "each" && c.each != "" {
				want = c.each
			}
			if got := outcome(t, d, c.address, c.connection); got != want {
				t.Errorf("%s: %s of %q is %s, want %s", how, c.address, c.connection, got, want)
			}
		}
	}
	synctest.Test(t, func(t *testing.T) {
		for how, exports := range map[string]auth0test.Exports{
			"flat": {}, "nested": {Shape: auth0test.Nested, Nulls: true}, "omitted": {Shape: auth0test.Omitted, Plain: true},
		} {
			exports.Youngest = 1
			d, tenant := ask(), newTenant(auth0test.Config{Users: users, Exports: exports})
			if err := lookup(t, tenant).FindUsersByExport(t.Context(), d, map[string]string{"ad": "con_ad"}); err != nil {
				t.Fatal(err)
			}
			check(t, how, d)
		}
		d, tenant := ask(), newTenant(auth0test.Config{Users: users, Exports: auth0test.Exports{Youngest: 1}})
		l := lookup(t, tenant)
		if err := l.FindUsersSingly(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		check(t, "each", d)
		if got, want := asked(tenant, "users-by-email"), len(cells)+4-1; got > want {
			t.Errorf("each: %d requests for %d keys, want %d at most", got, len(cells), want)
		}
		d = ask()
		byHand := export(t, tenant, `[{"name":"user_id"},{"name":"email"},{"name":"email_verified"},{"name":"identities[0].connection"}]`)
		if err := errors.Join(l.ReadUsers(strings.NewReader(byHand), d), l.FindUsersSingly(t.Context(), d)); err != nil {
			t.Fatal(err)
		}
		check(t, "--users", d)
	})
}

// Users who are missing from the export are requested one by one, and no others.
func TestFreshUsersCostOneRequestEach(t *testing.T) {
	d := &importer.Directory{CheckUsers: true}
	users := auth0test.MakeUsers(1000)
	for _, u := range users {
		d.Want(importer.Row{OrgID: "org_a", UserID: u.ID})
	}
	d.Want(importer.Row{OrgID: "org_a", UserID: "auth0|nobody"})
	d.Want(importer.Row{OrgID: "org_a", UserID: ".."})
	tenant := newTenant(auth0test.Config{Users: users, Exports: auth0test.Exports{Youngest: 3}})
	synctest.Test(t, func(t *testing.T) {
		if err := lookup(t, tenant).FindUsersByExport(t.Context(), d, nil); err != nil {
			t.Fatal(err)
		}
	})
	if d.Users.Hits() != 1000 || asked(tenant, "users/") != 4 {
		t.Errorf("%d found by %d single requests", d.Users.Hits(), asked(tenant, "users/"))
	}
}

func TestATenantThatKnowsNobodyIsTheWrongOne(t *testing.T) {
	addresses := make([]string, 2000)
	for i := range addresses {
		addresses[i] = fmt.Sprintf("u%d@elsewhere.com", i)
	}
	known := auth0test.Config{Users: []auth0test.User{{ID: "auth0|one", Email: "one@acme.com"}}}
	synctest.Test(t, func(t *testing.T) {
		tenant := newTenant(known)
		err := lookup(t, tenant).FindUsersByExport(t.Context(), asking("", addresses...), nil)
		none, ok := errors.AsType[*auth0.NoneFoundError](err)
		if !ok || none.Keys != len(addresses) || asked(tenant, "users-by-email") != 100 {
			t.Errorf("%v after %d single requests", err, asked(tenant, "users-by-email"))
		}
		if err := lookup(t, tenant).FindUsersSingly(t.Context(), asking("", addresses[:99]...)); err != nil {
			t.Errorf("of few keys: %v", err)
		}
		tenant = newTenant(known)
		l := lookup(t, tenant)
		l.NoGuard = true
		if err := l.FindUsersSingly(t.Context(), asking("", addresses...)); err != nil || asked(tenant, "users-by-email") != len(addresses) {
			t.Errorf("without the guard: %v after %d single requests", err, asked(tenant, "users-by-email"))
		}
	})
}

// Organizations take no more requests than they should.
func TestOrganizationsAreAskedForInTheCheaperWay(t *testing.T) {
	tests := []struct {
		name          string
		tenant        int // organizations of the tenant, o0 and so on
		named, absent int // asked for: that exist, from the end of the list, and that don't
		kind          string
		list, single  int // requests at most
	}{
		{"few", 5000, 20, 0, "name", 0, 20},
		{"few by id", 5000, 15, 5, "org_id", 0, 20},
		{"all", 1000, 1000, 0, "name", 10, 0},
		{"all by id", 1000, 1000, 0, "org_id", 10, 0},
		{"some of many", 10_000, 100, 0, "name", 50, 100},
		{"just more than few", 10_000, 21, 0, "name", 10, 21},
		{"some that don't exist", 1000, 200, 5, "name", 11, 5},
		{"many that don't exist", 1000, 200, 300, "name", 11, 20},
		{"by a property", 1000, 1, 2, "metadata.nr", 11, 0},
		{"by the name people see", 1000, 2, 1, "display_name", 11, 0},
	}
	for _, tt := range tests {
		for _, next := range []auth0test.Next{auth0test.NextWhenMore, auth0test.NextAlways} {
			t.Run(fmt.Sprint(tt.name, next), func(t *testing.T) {
				value := map[string]func(o auth0test.Organization) string{
					"org_id":       func(o auth0test.Organization) string { return o.ID },
					"name":         func(o auth0test.Organization) string { return o.Name },
					"display_name": func(o auth0test.Organization) string { return o.DisplayName },
					"metadata.nr":  func(o auth0test.Organization) string { return o.Metadata["nr"] },
				}[tt.kind]
				var orgs []auth0test.Organization
				for i := range tt.tenant {
					n := strconv.Itoa(i)
					orgs = append(orgs, auth0test.Organization{ID: "org_" + n, Name: "o" + n, DisplayName: "O " + n, Metadata: map[string]string{"nr": "#" + n}})
				}
				d := &importer.Directory{CheckOrgs: true}
				want := func(value string) {
					row := importer.Row{UserID: "auth0|ann", OrgID: value}
					if tt.kind != "org_id" {
						row = importer.Row{UserID: "auth0|ann", Keys: &importer.Keys{Org: importer.Key{Kind: tt.kind, Value: value}}}
					}
					d.Want(row)
				}
				for i := range tt.absent {
					want(fmt.Sprint("gone", i))
				}
				for _, o := range orgs[tt.tenant-tt.named:] {
					want(value(o))
				}
				tenant := newTenant(auth0test.Config{Organizations: orgs, Undocumented: auth0test.Undocumented{Next: next}})
				if err := lookup(t, tenant).FindOrganizations(t.Context(), d); err != nil {
					t.Fatal(err)
				}
				single := asked(tenant, "organizations/")
				list := asked(tenant, "organizations") - single
				if d.Orgs.Hits() != tt.named || list > tt.list || single > tt.single {
					t.Errorf("%d of %d found by %d pages (at most %d) and %d single requests (at most %d)",
						d.Orgs.Hits(), tt.named, list, tt.list, single, tt.single)
				}
				if n := tt.named + tt.absent; tt.kind != "display_name" && tt.kind != "metadata.nr" && list+single > n+n/2 {
					t.Errorf("%d requests for %d organizations", list+single, n)
				}
			})
		}
	}
}

func TestOrganizationsOfAnotherTenantStopTheRun(t *testing.T) {
	d := &importer.Directory{}
	for i := range 100 {
		d.Want(importer.Row{UserID: "u", Keys: &importer.Keys{Org: importer.Key{Kind: "name", Value: fmt.Sprint("x", i)}}})
	}
	tenant := newTenant(auth0test.Config{Organizations: []auth0test.Organization{{ID: "org_a", Name: "acme"}}})
	err := lookup(t, tenant).FindOrganizations(t.Context(), d)
	if _, ok := errors.AsType[*auth0.NoneFoundError](err); !ok {
		t.Error(err)
	}
}

// Reading members never takes more requests than it can save.
func TestMembersAreReadWithinBounds(t *testing.T) {
	tenant := newTenant(auth0test.Config{KnownOrg: func(id string) bool { return id != "org_gone" }})
	tenant.AddMembers("org_all", people(1000)...)
	tenant.AddMembers("org_few", people(20_000)...)
	var pairs importer.Set
	rows := map[string]int{}
	add := func(org string, users ...string) {
		for i, u := range users {
			pairs.Add(importer.PairKey(importer.Row{OrgID: org, UserID: u}), i)
			rows[org]++
		}
	}
	add("org_all", people(1000)...)
	add("org_few", people(20_000)[19_955:]...)
	add("org_none", people(30)...)
	add("org_gone", people(5)...)
	d := &importer.Directory{}
	if err := lookup(t, tenant).FindMembers(t.Context(), d, &pairs, rows); err != nil {
		t.Fatal(err)
	}
	for org, want := range map[string]int{"org_all": 10, "org_few": 120, "org_none": 1, "org_gone": 1} {
		if n := asked(tenant, "organizations/"+org+"/members"); n != want {
			t.Errorf("%s: %d pages, want %d", org, n, want)
		}
	}
	if d.Members() != 1045 {
		t.Errorf("%d members found", d.Members())
	}
}

// An answer that does not say whether somebody exists fails the rows of that key, and
// no others.
func TestALookUpBelievesOnlyTheAPI(t *testing.T) {
	const envelope = `{"statusCode":%d,"error":"X","message":"%s","errorCode":"%s"}`
	for _, test := range []struct {
		status     int
		body, code string // of the row
		transient  bool
	}{
		{404, fmt.Sprintf(envelope, 404, "Not Found", ""), "", false},
		{403, fmt.Sprintf(envelope, 403, "The user is not visible", "hidden"), "hidden", false},
		{400, fmt.Sprintf(envelope, 400, "Bad Request", ""), "", false},
	} {
		synctest.Test(t, func(t *testing.T) {
			tenant := newTenant(auth0test.Config{})
			s := &sender{Answer: func(_ int, r *http.Request, _ string) (*http.Response, error) {
				if r.URL.Query().Get("email") == "bad@acme.com" || strings.HasSuffix(r.URL.Path, "/bad") {
					return reply(test.status, test.body), nil
				}
				return tenant.RoundTrip(r)
			}}
			l := lookup(t, s)
			d := asking("", "bad@acme.com", "ann@acme.com", "bob@acme.com", "eve@acme.com")
			row := func(org string) importer.Row {
				return importer.Row{UserID: "u", Keys: &importer.Keys{Org: importer.Key{Kind: "name", Value: org}}}
			}
			d.Want(row("bad"))
			d.Want(row("acme"))
			if err := errors.Join(l.FindUsersSingly(t.Context(), d), l.FindOrganizations(t.Context(), d)); err != nil {
				t.Fatal(err)
			}
			rows := func(yield func(importer.Row, error) bool) {
				_ = yield(importer.Row{OrgID: "org_a", Keys: &importer.Keys{User: importer.Key{Kind: importer.KindEmail, Value: "bad@acme.com"}}}, nil) && yield(row("bad"), nil)
			}
			for row := range importer.Resolve(rows, d) {
				if o := importer.Unsent(row); o.Status != importer.Failed || o.Code != test.code || o.Transient != test.transient {
					t.Errorf("%d %s: %+v", test.status, test.body, o)
				}
			}
			if got := outcome(t, d, "ann@acme.com", ""); !strings.HasPrefix(got, "auth0|") {
				t.Errorf("%d %s: the others are %s", test.status, test.body, got)
			}
		})
	}
	scope := newClient(t, &sender{Answer: always(403, `{"statusCode":403,"error":"Forbidden","message":"Insufficient scope, expected any of: read:users"}`)})
	if err := (&auth0.Lookup{Users: scope}).FindUsersSingly(t.Context(), asking("", "ann@acme.com")); importer.ReachOf(err) != importer.ReachRun || err == nil {
		t.Errorf("without the scope: %v", err)
	}
	malformed := newClient(t, &sender{Answer: always(400, `{"statusCode":400,"error":"Bad Request","message":"Query validation error","errorCode":"invalid_query_string"}`)})
	d := asking("", "no address")
	if err := (&auth0.Lookup{Users: malformed}).FindUsersSingly(t.Context(), d); err != nil || outcome(t, d, "no address", "") != "user_not_found" {
		t.Errorf("what can't be an address is %s: %v", outcome(t, d, "no address", ""), err)
	}
}

// If a list of organizations breaks off, each is requested.
func TestOrganizationsBesideABrokenList(t *testing.T) {
	var orgs []auth0test.Organization
	for i := range 40 {
		orgs = append(orgs, auth0test.Organization{ID: fmt.Sprintf("org_%016d", i), Name: fmt.Sprintf("customer-%d", i)})
	}
	tenant := newTenant(auth0test.Config{Organizations: orgs})
	s := &sender{Answer: func(_ int, r *http.Request, _ string) (*http.Response, error) {
		if r.URL.Path == "/api/v2/organizations" {
			return reply(403, `{"statusCode":403,"error":"Forbidden","message":"The user is not visible"}`), nil
		}
		return tenant.RoundTrip(r)
	}}
	d := &importer.Directory{}
	for i := range 30 {
		d.Want(importer.Row{UserID: "u", Keys: &importer.Keys{Org: importer.Key{Kind: "name", Value: fmt.Sprintf("customer-%d", i)}}})
	}
	if err := lookup(t, s).FindOrganizations(t.Context(), d); err != nil || d.Orgs.Hits() != 30 {
		t.Errorf("%d found, error %v", d.Orgs.Hits(), err)
	}
}
