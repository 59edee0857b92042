package auth0_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"orgimport/importer"
	"orgimport/importer/auth0"
)

// directory is a tenant that only answers look-ups.
type directory struct {
	users   []directoryUser
	orgs    []auth0.Organization
	members map[string][]string

	fresh    int  // so many of the last users are too young for the export
	nested   bool // the export nests what it has of identities; else it is flat
	omitted  bool // it has nothing of identities
	alwaysOn bool // the last page of a list has a next

	mu    sync.Mutex
	asked map[string]int // requests by path, and by what of users-by-email is asked for
}

type directoryUser struct {
	id, email, connection string
	verified              bool
}

func (d *directory) RoundTrip(r *http.Request) (*http.Response, error) {
	path := strings.TrimPrefix(r.URL.Path, "/api/v2/")
	d.mu.Lock()
	d.asked[path]++
	d.mu.Unlock()
	element := path[strings.LastIndex(path, "/")+1:]
	switch {
	case path == "jobs/users-exports":
		return reply(200, `{"id":"job_1","status":"pending"}`), nil
	case path == "jobs/job_1":
		return reply(200, `{"id":"job_1","status":"completed","location":"https://exports.example/1"}`), nil
	case r.URL.Host == "exports.example":
		return reply(200, d.export()), nil
	case path == "connections":
		return d.json([]map[string]string{{"id": "con_" + r.URL.Query().Get("name"), "name": r.URL.Query().Get("name")}})
	case path == "users-by-email":
		return d.byEmail(r.URL.Query().Get("email"))
	case strings.HasPrefix(path, "users/"):
		if !slices.ContainsFunc(d.users, func(u directoryUser) bool { return u.id == element }) {
			return reply(404, `{"statusCode":404,"error":"Not Found","message":"The user does not exist.","errorCode":"inexistent_user"}`), nil
		}
		return d.json(map[string]string{"user_id": element})
	case path == "organizations":
		return d.page(r, "organizations", len(d.orgs), func(i int) any { return d.orgs[i] })
	case strings.HasSuffix(path, "/members"):
		members := d.members[strings.Split(path, "/")[1]]
		return d.page(r, "members", len(members), func(i int) any { return map[string]string{"user_id": members[i]} })
	}
	for _, o := range d.orgs {
		if path == "organizations/"+o.ID || path == "organizations/name/"+o.Name {
			return d.json(o)
		}
	}
	return reply(404, `{"statusCode":404,"error":"Not Found","message":"No organization found by that id or name"}`), nil
}

func (d *directory) json(v any) (*http.Response, error) {
	b, err := json.Marshal(v)
	return reply(200, string(b)), err
}

// byEmail finds an address only as it is written, as the API does.
func (d *directory) byEmail(address string) (*http.Response, error) {
	found := []map[string]any{}
	for _, u := range d.users {
		if u.email == address {
			found = append(found, map[string]any{
				"user_id": u.id, "email": u.email, "email_verified": u.verified,
				"identities": []map[string]string{{"connection": u.connection, "access_token": "s3cret"}},
			})
		}
	}
	return d.json(found)
}

func (d *directory) page(r *http.Request, name string, n int, item func(int) any) (*http.Response, error) {
	from, _ := strconv.Atoi(r.URL.Query().Get("from"))
	to := min(from+100, n)
	items := []any{}
	for i := from; i < to; i++ {
		items = append(items, item(i))
	}
	page := map[string]any{name: items}
	if to < n || d.alwaysOn && len(items) > 0 {
		page["next"] = strconv.Itoa(to)
	}
	return d.json(page)
}

func (d *directory) export() string {
	var lines strings.Builder
	for _, u := range d.users[:len(d.users)-d.fresh] {
		user := map[string]any{"user_id": u.id, "email": u.email, "email_verified": u.verified}
		switch {
		case d.nested:
			user["identities"] = []map[string]string{{"connection": u.connection}}
		case !d.omitted:
			user["identities[0].connection"] = u.connection
		}
		b, _ := json.Marshal(user)
		lines.Write(append(b, '\n'))
	}
	return lines.String()
}

// lookup returns the way to look things up in d.
func (d *directory) lookup(t *testing.T) *auth0.Lookup {
	d.asked = make(map[string]int)
	c := newClient(t, d)
	return &auth0.Lookup{
		Connections: c, Jobs: c, Users: c, OrgByID: c, OrgByName: c, OrgList: c, Members: c,
		Download: auth0.NewDownload(d), JobWait: time.Hour, Workers: 4,
	}
}

// total is how many requests went to paths that begin so.
func (d *directory) total(prefix string) (n int) {
	for path, times := range d.asked {
		if strings.HasPrefix(path, prefix) {
			n += times
		}
	}
	return n
}

// outcome shows where an address leads after a look-up.
func outcome(t *testing.T, d *importer.Directory, address, connection string) string {
	t.Helper()
	rows := func(yield func(importer.Row, error) bool) {
		yield(importer.Row{OrgID: "org_a", Keys: &importer.Keys{
			User: importer.Key{Kind: importer.KindEmail, Value: address}, Connection: connection,
		}}, nil)
	}
	for row := range importer.Resolve(rows, d) {
		var coded interface{ Code() string }
		if errors.As(row.Err, &coded) {
			return coded.Code()
		}
		if row.Err == nil {
			return row.UserID
		}
	}
	return "?"
}

// Every way to look users up gives the same answers, but that one by one nobody
// is found who writes capitals that the file does not.
func TestUsersAreFoundInEveryWay(t *testing.T) {
	tenant := directory{users: []directoryUser{
		{"auth0|one", "one@acme.com", "db", true},
		{"auth0|two", "two@acme.com", "db", true},
		{"waad|two", "two@acme.com", "ad", true},
		{"auth0|unverified", "unverified@acme.com", "db", false},
		{"auth0|lower", "lower@acme.com", "db", true},
		{"waad|Upper", "Upper@acme.com", "ad", true},
		{"waad|UPPER2", "UPPER2@acme.com", "ad", true},
		{"auth0|mixed", "mixed@acme.com", "db", true},
		{"waad|Mixed", "Mixed@acme.com", "ad", false},
		{"auth0|young", "young@acme.com", "db", true},
	}, fresh: 1}
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
		for how, set := range map[string]func(*directory){
			"flat": func(*directory) {}, "nested": func(d *directory) { d.nested = true }, "omitted": func(d *directory) { d.omitted = true },
		} {
			d, tenant := ask(), directory{users: tenant.users, fresh: tenant.fresh}
			set(&tenant)
			if err := tenant.lookup(t).FindUsersByExport(t.Context(), d, map[string]string{"ad": "con_ad"}); err != nil {
				t.Fatal(err)
			}
			check(t, how, d)
		}
		d := ask()
		l := tenant.lookup(t)
		if err := l.FindUsersAlone(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		check(t, "each", d)
		if got, want := tenant.asked["users-by-email"], len(cells)+4-1; got > want {
			t.Errorf("each: %d requests for %d keys, want %d at most", got, len(cells), want)
		}
		d = ask()
		if err := errors.Join(l.ReadUsers(strings.NewReader(tenant.export()), d), l.FindUsersAlone(t.Context(), d)); err != nil {
			t.Fatal(err)
		}
		check(t, "--users", d)
	})
}

// What the export lacks is asked for singly, and nothing else is.
func TestFreshUsersCostOneRequestEach(t *testing.T) {
	tenant := directory{fresh: 3}
	d := &importer.Directory{CheckUsers: true}
	for i := range 1000 {
		u := directoryUser{fmt.Sprint("auth0|", i), fmt.Sprintf("u%d@acme.com", i), "db", true}
		tenant.users = append(tenant.users, u)
		d.Want(importer.Row{OrgID: "org_a", UserID: u.id})
	}
	d.Want(importer.Row{OrgID: "org_a", UserID: "auth0|nobody"})
	d.Want(importer.Row{OrgID: "org_a", UserID: ".."})
	synctest.Test(t, func(t *testing.T) {
		if err := tenant.lookup(t).FindUsersByExport(t.Context(), d, nil); err != nil {
			t.Fatal(err)
		}
	})
	if d.Users.Hits() != 1000 || tenant.total("users/") != 4 {
		t.Errorf("%d found by %d single requests", d.Users.Hits(), tenant.total("users/"))
	}
}

func TestATenantThatKnowsNobodyIsTheWrongOne(t *testing.T) {
	addresses := make([]string, 2000)
	for i := range addresses {
		addresses[i] = fmt.Sprintf("u%d@elsewhere.com", i)
	}
	tenant := directory{users: []directoryUser{{"auth0|one", "one@acme.com", "db", true}}}
	synctest.Test(t, func(t *testing.T) {
		l := tenant.lookup(t)
		err := l.FindUsersByExport(t.Context(), asking("", addresses...), nil)
		none, ok := errors.AsType[*auth0.NoneFoundError](err)
		if !ok || none.Keys != len(addresses) || tenant.asked["users-by-email"] != 100 {
			t.Errorf("%v after %d single requests", err, tenant.asked["users-by-email"])
		}
		if err := l.FindUsersAlone(t.Context(), asking("", addresses[:99]...)); err != nil {
			t.Errorf("of few keys: %v", err)
		}
		l = tenant.lookup(t)
		l.NoGuard = true
		if err := l.FindUsersAlone(t.Context(), asking("", addresses...)); err != nil || tenant.asked["users-by-email"] != len(addresses) {
			t.Errorf("without the guard: %v after %d single requests", err, tenant.asked["users-by-email"])
		}
	})
}

// The requests for organizations are no more than those that are due.
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
		for _, alwaysOn := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.name, alwaysOn), func(t *testing.T) {
				tenant := directory{alwaysOn: alwaysOn}
				value := map[string]func(o auth0.Organization) string{
					"org_id":       func(o auth0.Organization) string { return o.ID },
					"name":         func(o auth0.Organization) string { return o.Name },
					"display_name": func(o auth0.Organization) string { return o.DisplayName },
					"metadata.nr":  func(o auth0.Organization) string { return o.Metadata["nr"] },
				}[tt.kind]
				for i := range tt.tenant {
					n := strconv.Itoa(i)
					tenant.orgs = append(tenant.orgs, auth0.Organization{ID: "org_" + n, Name: "o" + n, DisplayName: "O " + n, Metadata: map[string]string{"nr": "#" + n}})
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
				for _, o := range tenant.orgs[tt.tenant-tt.named:] {
					want(value(o))
				}
				if err := tenant.lookup(t).FindOrganizations(t.Context(), d); err != nil {
					t.Fatal(err)
				}
				list, single := tenant.asked["organizations"], tenant.total("organizations/")
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
	tenant := directory{orgs: []auth0.Organization{{ID: "org_a", Name: "acme"}}}
	err := tenant.lookup(t).FindOrganizations(t.Context(), d)
	if _, ok := errors.AsType[*auth0.NoneFoundError](err); !ok {
		t.Error(err)
	}
}

// Reading who is in never takes more requests than it can save.
func TestMembersAreReadWithinBounds(t *testing.T) {
	tenant := directory{members: map[string][]string{"org_all": people(1000), "org_few": people(20_000), "org_none": nil}}
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
	if err := tenant.lookup(t).FindMembers(t.Context(), d, &pairs, rows); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"organizations/org_all/members": 10, "organizations/org_few/members": 5, "organizations/org_none/members": 1, "organizations/org_gone/members": 1}
	if !maps.Equal(tenant.asked, want) {
		t.Errorf("asked %v, want %v", tenant.asked, want)
	}
	if d.Members.Len() != 1000 || !d.Members.Has(importer.PairKey(importer.Row{OrgID: "org_all", UserID: "auth0|0007"})) {
		t.Errorf("%d members found", d.Members.Len())
	}
}

// An answer that says nothing of whether somebody exists ends the look-up.
func TestALookUpBelievesOnlyTheAPI(t *testing.T) {
	for status, body := range map[int]string{404: "<html>", 400: "", 403: `{"statusCode":403,"error":"Forbidden","message":"Insufficient scope, expected any of: read:users"}`} {
		c := newClient(t, &sender{answer: always(status, body)})
		l := &auth0.Lookup{Users: c, OrgByName: c, Workers: 1}
		d := asking("", "ann@acme.com")
		d.Want(importer.Row{UserID: "u", Keys: &importer.Keys{Org: importer.Key{Kind: "name", Value: "acme"}}})
		if l.FindUsersAlone(t.Context(), d) == nil || l.FindOrganizations(t.Context(), d) == nil {
			t.Errorf("%d %q is believed", status, body)
		}
	}
	malformed := newClient(t, &sender{answer: always(400, `{"statusCode":400,"error":"Bad Request","message":"Query validation error","errorCode":"invalid_query_string"}`)})
	if err := (&auth0.Lookup{Users: malformed}).FindUsersAlone(t.Context(), asking("", "no address")); err != nil {
		t.Errorf("what can't be an address ends the look-up: %v", err)
	}
}
