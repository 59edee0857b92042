package main

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"orgimport/importer"
	"orgimport/importer/auth0/auth0test"
)

// newLookUpTenant returns a tenant in memory that has the users and organizations
// of cfg, and no others.
func newLookUpTenant(cfg auth0test.Config) *proofTenant {
	if cfg.Organizations == nil {
		cfg.Organizations = []auth0test.Organization{{ID: acme, Name: "acme"}}
	}
	return &proofTenant{Tenant: auth0test.New(cfg), address: "https://acme.eu.auth0.com"}
}

// serve serves the tenant by h over a socket, and its downloads over another.
func (p *proofTenant) serve(t *testing.T, h http.Handler) {
	t.Helper()
	server, downloads := httptest.NewServer(h), httptest.NewServer(p)
	t.Cleanup(server.Close)
	t.Cleanup(downloads.Close)
	if err := p.SetDownloadURL(downloads.URL); err != nil {
		t.Fatal(err)
	}
	p.address, p.served = server.URL, true
}

const acme = "org_000000000000acme"

// lookUpCell is a row that names a user by an address, and its expected outcome.
type lookUpCell struct {
	name       string
	users      []auth0test.User
	address    string
	connection string
	want       string // an id, or an error code
	each       string // if the outcome differs with --lookup each
}

func lookUpCells() []lookUpCell {
	user := func(id, email string) auth0test.User {
		connection := map[bool]string{true: "db", false: "ad"}[strings.HasPrefix(id, "auth0|")]
		return auth0test.User{ID: id, Email: email, Connection: connection}
	}
	unverified := func(u auth0test.User) auth0test.User { u.Unverified = true; return u }
	ann, other := user("auth0|ann", "ann@acme.com"), user("waad|ann", "ann@acme.com")
	capitals := user("waad|Ann", "Ann@Acme.com")
	two := []auth0test.User{ann, other}
	return []lookUpCell{
		{name: "one", users: []auth0test.User{ann}, address: "ann@acme.com", want: "auth0|ann"},
		{name: "unknown", address: "ann@acme.com", want: "user_not_found"},
		{name: "two", users: two, address: "ann@acme.com", want: "user_ambiguous"},
		{name: "two, a connection", users: two, address: "ann@acme.com", connection: "ad", want: "waad|ann"},
		{name: "two, the other connection", users: two, address: "ANN@acme.com", connection: "db", want: "auth0|ann"},
		{name: "two, a connection that neither has", users: append(two, user("samlp|x", "x@acme.com")), address: "ann@acme.com", connection: "nosuch", want: "connection_not_found"},
		{name: "one, of another connection", users: []auth0test.User{ann, user("waad|x", "x@acme.com")}, address: "ann@acme.com", connection: "ad", want: "user_not_found"},
		{name: "unverified", users: []auth0test.User{unverified(ann)}, address: "ann@acme.com", want: "email_unverified"},
		{name: "unverified beside verified", users: []auth0test.User{unverified(ann), other}, address: "ann@acme.com", want: "user_ambiguous"},
		{name: "unverified, a connection", users: []auth0test.User{unverified(ann), other}, address: "ann@acme.com", connection: "db", want: "email_unverified"},
		{name: "capitals in the file", users: []auth0test.User{ann}, address: "ANN@Acme.com", want: "auth0|ann"},
		{name: "capitals in the tenant", users: []auth0test.User{capitals}, address: "ann@acme.com", want: "waad|Ann", each: "user_not_found"},
		{name: "the same capitals in both", users: []auth0test.User{capitals}, address: "Ann@Acme.com", want: "waad|Ann"},
		{name: "other capitals in both", users: []auth0test.User{capitals}, address: "ANN@acme.com", want: "waad|Ann", each: "user_not_found"},
		{name: "two that differ in capitals", users: []auth0test.User{ann, capitals}, address: "Ann@Acme.com", want: "user_ambiguous"},
		{name: "two that differ in capitals, a connection", users: []auth0test.User{ann, capitals}, address: "Ann@Acme.com", connection: "ad", want: "waad|Ann"},
		{name: "a Kelvin sign in the file", users: []auth0test.User{user("auth0|k", "k@acme.com")}, address: "\u212a@acme.com", want: "user_not_found"},
		{name: "a Kelvin sign in the tenant", users: []auth0test.User{user("auth0|k", "\u212a@acme.com")}, address: "k@acme.com", want: "user_not_found"},
		{name: "a tag", users: []auth0test.User{ann}, address: "ann+acme@acme.com", want: "user_not_found"},
		{name: "dots", users: []auth0test.User{ann}, address: "a.nn@acme.com", want: "user_not_found"},
	}
}

// of returns the cell with ids and addresses that no other cell has.
func (c lookUpCell) of(number int) lookUpCell {
	unlike := func(s string) string { return strings.ReplaceAll(s, "cme.com", fmt.Sprintf("cme%d.com", number)) }
	c.address, c.users = unlike(c.address), slices.Clone(c.users)
	for i := range c.users {
		c.users[i].ID = fmt.Sprint(c.users[i].ID, number)
		c.users[i].Email = unlike(c.users[i].Email)
	}
	for _, want := range []*string{&c.want, &c.each} {
		if strings.Contains(*want, "|") {
			*want = fmt.Sprint(*want, number)
		}
	}
	return c
}

// TestNobodyIsTakenForAnother compares every way to look up users with the expected
// outcome of each cell; nobody else becomes a member. PROOF=full also imports each
// cell by itself.
func TestNobodyIsTakenForAnother(t *testing.T) {
	for name, way := range map[string]struct {
		exports auth0test.Exports
		args    []string
		users   func(*testing.T, []auth0test.User) []byte // a file for --users
		scopes  []string
	}{
		"each":            {args: []string{"--lookup", "each"}},
		"export":          {args: []string{"--lookup", "export"}},
		"export, nested":  {args: []string{"--lookup", "export"}, exports: auth0test.Exports{Shape: auth0test.Nested, Nulls: true, Plain: true}},
		"export, omitted": {args: []string{"--lookup", "export"}, exports: auth0test.Exports{Shape: auth0test.Omitted, Redirects: 3, Cut: 2}},
		"export, folded":  {args: []string{"--lookup", "export"}, exports: auth0test.Exports{Fold: true, Fail: 1, Busy: 2}},
		"--users":         {args: []string{"--users", "users"}, users: ndjson},
		"--users, a CSV":  {args: []string{"--users", "users"}, users: auth0CSV},
		"--users, no scope": {
			args: []string{"--users", "users"}, users: ndjson,
			scopes: []string{"create:organization_members", "read:organizations", "read:connections"},
		},
	} {
		onFakeClock(t, name, func(t *testing.T) {
			var cells []lookUpCell
			for i, cell := range lookUpCells() {
				if way.exports.Fold && cell.name == "a Kelvin sign in the tenant" {
					continue // the export itself wrote it as a k
				}
				if name == "each" && cell.each != "" {
					cell.want = cell.each
				}
				cells = append(cells, cell.of(i))
			}
			together := [][]lookUpCell{cells}
			if proofInFull() {
				for i := range cells {
					together = append(together, cells[i:i+1])
				}
			}
			for _, cells := range together {
				crowd, file := auth0test.MakeUsers(20), "org_id,email,connection\n"
				for _, cell := range cells {
					crowd = append(crowd, cell.users...)
					file += fmt.Sprintf("%s,%s,%s\n", acme, cell.address, cell.connection)
				}
				p := newQuickProgram(t, newLookUpTenant(auth0test.Config{Users: crowd, Exports: way.exports, Scopes: way.scopes}), []byte(file))
				if way.users != nil {
					p.write("users", way.users(t, crowd))
				}
				p.findsOnly(cells, way.args...)
			}
		})
	}
}

// findsOnly imports the rows of the cells, and checks that exactly the users with
// their expected ids are members.
func (p *program) findsOnly(cells []lookUpCell, args ...string) {
	p.t.Helper()
	e := p.operate(append([]string{"import", "members.csv", "--summary", "summary.json", "--metrics", "metrics.prom"}, args...)...).end()
	outcomes := p.outcomes("results.csv", 0)
	if len(outcomes) != len(cells) {
		p.t.Fatalf("%d lines for %d rows:\n%s", len(outcomes), len(cells), e.stderr)
	}
	code, members := exitDone, []string{}
	for _, o := range outcomes {
		cell := cells[o.Row.Line-2]
		if strings.Contains(cell.want, "|") {
			members = append(members, cell.want)
			if o.Status != importer.Added || o.Row.UserID != cell.want {
				p.t.Errorf("%s: %s %s, want %s to be added", cell.name, o.Row.UserID, o.Status, cell.want)
			}
			continue
		}
		code = exitRows
		if o.Status != importer.Rejected || o.Code != cell.want || o.Attempts != 0 || o.HTTPStatus != 0 || o.Row.UserID != "" {
			p.t.Errorf("%s: %+v, want %s", cell.name, o, cell.want)
		}
	}
	slices.Sort(members)
	if got := p.tenant.Members(acme); e.code != code || !slices.Equal(got, members) {
		p.t.Errorf("exit code %d, want %d; %q are members, want %q", e.code, code, got, members)
	}
	p.tellsNobody(e)
}

// tellsNobody checks that neither an address nor a link is logged, and that no
// download got a token. The results contain the addresses, because they are in the
// input.
func (p *program) tellsNobody(e ended) {
	p.t.Helper()
	said := map[string]string{"stderr": e.stderr}
	for _, name := range p.files() {
		if strings.HasSuffix(name, ".json") || strings.HasSuffix(name, ".prom") {
			said[name] = p.read(name)
		}
	}
	for where, text := range said {
		for _, secret := range []string{"@", "Signature", "exports.auth0test"} {
			if strings.Contains(text, secret) {
				p.t.Errorf("%s holds %q:\n%s", where, secret, text)
			}
		}
	}
	if n := p.tenant.Stats().Leaks; n > 0 {
		p.t.Errorf("%d downloads carried a token", n)
	}
}

// ndjson is an export as Auth0 makes it, compressed.
func ndjson(t *testing.T, users []auth0test.User) []byte {
	t.Helper()
	var file bytes.Buffer
	zip := gzip.NewWriter(&file)
	out := json.NewEncoder(zip)
	for _, u := range users {
		err := out.Encode(map[string]any{"user_id": u.ID, "email": u.Email, "email_verified": !u.Unverified, "identities[0].connection": connectionOf(u)})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// auth0CSV is an export as Auth0 makes it, with an apostrophe before each text.
func auth0CSV(t *testing.T, users []auth0test.User) []byte {
	t.Helper()
	var file bytes.Buffer
	out := csv.NewWriter(&file)
	records := [][]string{{"user_id", "email", "email_verified", "identities[0].connection"}}
	for _, u := range users {
		records = append(records, []string{"'" + u.ID, "'" + u.Email, fmt.Sprint(!u.Unverified), "'" + connectionOf(u)})
	}
	if err := out.WriteAll(records); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func connectionOf(u auth0test.User) string {
	if u.Connection == "" {
		return "db"
	}
	return u.Connection
}

// lookUpCrowd are the users and organizations of [keyedInput].
type lookUpCrowd struct {
	users []auth0test.User
	orgs  []auth0test.Organization
}

// keyedInput is a file of n rows that name users and organizations by keys, and the
// expected members. Every tenth user does not exist, is ambiguous or is unverified,
// in turn, and every seventh row has ids.
func keyedInput(n, orgs int) (c lookUpCrowd, in *proofInput) {
	c.users = auth0test.MakeUsers(n)
	for i := range orgs {
		c.orgs = append(c.orgs, auth0test.Organization{ID: fmt.Sprintf("org_%016d", i), Name: fmt.Sprint("customer-", i)})
	}
	in = &proofInput{want: map[int]importer.Status{}, members: map[string][]string{}}
	lines := []string{"organization,user,connection"}
	for i := range n {
		org, user := c.orgs[i%orgs], &c.users[i]
		line := fmt.Sprintf("%s,%s,", org.Name, user.Email)
		status := importer.Added
		switch {
		case i%30 == 9:
			status, line = importer.Rejected, fmt.Sprintf("%s,gone%d@example.com,", org.Name, i)
		case i%30 == 19:
			status = importer.Rejected
			c.users = append(c.users, auth0test.User{ID: fmt.Sprintf("waad|%d", i), Email: user.Email})
		case i%30 == 29:
			status, user.Unverified = importer.Rejected, true
		case i%7 == 0:
			line = fmt.Sprintf("%s,%s,", org.ID, user.ID)
		}
		in.want[i+2] = status
		if status == importer.Added {
			in.members[org.ID] = append(in.members[org.ID], user.ID)
		}
		lines = append(lines, line)
	}
	for _, users := range in.members {
		slices.Sort(users)
	}
	in.csv = []byte(strings.Join(lines, "\n") + "\n")
	return c, in
}

// holds compares results and members with the expected outcome of the rows.
func (p *program) holds(in *proofInput, complete bool) {
	p.t.Helper()
	if err := in.checkMembers(p.tenant.Tenant); complete && err != nil {
		p.t.Error(err)
	}
	for org, users := range in.members {
		for _, id := range p.tenant.Members(org) {
			if !slices.Contains(users, id) {
				p.t.Errorf("%s is a wrong member of %s", id, org)
			}
		}
	}
	seen := map[int]bool{}
	for _, o := range p.outcomes("results.csv", 0) {
		status := o.Status
		if status == importer.AlreadyMember { // a run before this one has added it, and was killed
			status = importer.Added
		}
		// Of a run that was killed, a row that it has rejected again has two lines.
		twice := seen[o.Row.Line] && (complete || status != importer.Rejected)
		if want := in.want[o.Row.Line]; twice || status != want {
			p.t.Errorf("line %d is told as %s, not as %s, or twice", o.Row.Line, o.Status, want)
		}
		seen[o.Row.Line] = true
	}
	if complete && len(seen) != len(in.want) {
		p.t.Errorf("%d lines for %d rows", len(seen), len(in.want))
	}
}

// countdown serves a tenant, and calls a function in the middle of the nth request.
type countdown struct {
	http.Handler
	left atomic.Int64
	then func()
}

func (c *countdown) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c.left.Add(-1) == 0 {
		c.then()
	}
	c.Handler.ServeHTTP(w, r)
}

// TestKilledLookUpsLoseNothing kills the program at random requests of any phase,
// and resumes it until it ends by itself. PROOF=full kills it 50 times in each way
// of looking up.
func TestKilledLookUpsLoseNothing(t *testing.T) {
	t.Parallel()
	for i, way := range [][]string{{"--lookup", "each"}, {"--lookup", "export", "--skip-members", "--check-users"}} {
		t.Run(way[1], func(t *testing.T) {
			t.Parallel()
			kills := 1
			if proofInFull() {
				kills = 50
			}
			rng := rand.New(rand.NewPCG(uint64(i), 5))
			c, in := keyedInput(150, 25)
			tenant := newLookUpTenant(auth0test.Config{
				Users: c.users, Organizations: c.orgs, Exports: auth0test.Exports{Cut: 1},
				Limits: auth0test.Limits{Global: []auth0test.Limit{{Size: 2000, Per: 2000, Interval: time.Second}}},
			})
			killer := &countdown{Handler: tenant}
			tenant.serve(t, killer)
			p := newProgram(t, tenant, in.csv)
			args := append([]string{"--resume"}, way...)
			most := 60 // requests of a run, about
			if i == 0 {
				most = 200
			}
			for killed := 0; killed < kills; {
				r := p.start(args...)
				killer.then = func() { _ = r.Process.Kill() }
				killer.left.Store(int64(1 + rng.IntN(most)))
				e := r.end()
				killer.left.Store(0)
				if e.code == -1 {
					killed++
				} else if e.code != exitRows {
					t.Fatalf("exit code %d:\n%s", e.code, e.stderr)
				}
				if p.results() != "" {
					p.holds(in, e.code != -1)
				}
				if t.Failed() {
					t.Fatal(e.stderr)
				}
				if e.code != -1 || rng.IntN(8) == 0 {
					_ = os.Remove(p.path("results.csv")) // and from the start
				}
			}
			e := p.start(args...).end()
			if e.code != exitRows {
				t.Fatalf("exit code %d:\n%s", e.code, e.stderr)
			}
			p.holds(in, true)
			p.tellsNobody(e)
		})
	}
}

// TestResumeAsksOnlyForWhoIsMissing: keys of rows that are done have their ids in
// the results.
func TestResumeAsksOnlyForWhoIsMissing(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		c, in := keyedInput(60, 60)
		limits := proofLimit(auth0test.Limit{Size: 1, Per: 1, Interval: time.Minute})
		tenant := newLookUpTenant(auth0test.Config{Users: c.users, Organizations: c.orgs, Limits: limits})
		p := newQuickProgram(t, tenant, in.csv)
		p.run(exitDuration, "--max-duration", "20m", "--max-wait", "1h")
		p.holds(in, false)
		rows := 0
		for _, o := range p.outcomes("results.csv", 0) {
			if o.Status == importer.Added {
				rows++
			}
		}
		if rows < 5 {
			t.Fatalf("only %d rows are in", rows)
		}
		users, orgs := p.asked(auth0test.ReadUsers), p.asked(auth0test.OrganizationNames)+p.asked(auth0test.ListOrganizations)
		p.run(exitRows, "--resume", "--max-wait", "1h")
		p.holds(in, true)
		if now := p.asked(auth0test.ReadUsers) - users; now > 60-rows {
			t.Errorf("%d users were asked for, with %d of 60 rows in", now, rows)
		}
		if now := p.asked(auth0test.OrganizationNames) + p.asked(auth0test.ListOrganizations) - orgs; now > (60-rows)*3/2 {
			t.Errorf("%d requests for organizations, with %d of 60 rows in", now, rows)
		}
	})
}

// asked is how many requests of a class the tenant has counted.
func (p *program) asked(class auth0test.Class) (n int) {
	for _, k := range p.tenant.Stats().Requests[class] {
		n += k
	}
	return n
}

// TestFailuresOfLookUpsAreAnInput: users who were not found are found once they
// exist, and no others.
func TestFailuresOfLookUpsAreAnInput(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		c, in := keyedInput(60, 5)
		tenant := newLookUpTenant(auth0test.Config{Users: c.users, Organizations: c.orgs})
		p := newQuickProgram(t, tenant, in.csv)
		p.run(exitRows, "--failures", "failures.csv")
		p.holds(in, true)
		p.write("first.csv", []byte(p.read("results.csv")))
		var fresh []auth0test.User
		for line, status := range in.want {
			if i := line - 2; status == importer.Rejected && i%30 == 9 {
				fresh = append(fresh, auth0test.User{ID: fmt.Sprintf("auth0|fresh%d", i), Email: fmt.Sprintf("gone%d@example.com", i)})
				org := c.orgs[i%5].ID
				in.members[org] = append(in.members[org], fresh[len(fresh)-1].ID)
				slices.Sort(in.members[org])
			}
		}
		tenant.AddUsers(fresh...)
		e := p.operated(exitRows, "import", "failures.csv", "--results", "second.csv")
		if terms, err := readSummary(e.stderr); err != nil || terms["added"] != len(fresh) {
			t.Errorf("%v, %v: %d have signed up", terms, err, len(fresh))
		}
		if err := in.checkMembers(tenant.Tenant); err != nil {
			t.Error(err)
		}
	})
}

// TestFilesOfIDsAskForNothing more than they did without look-ups.
func TestFilesOfIDsAskForNothing(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		tenant := newLookUpTenant(auth0test.Config{
			Users: auth0test.MakeUsers(30), Scopes: []string{"create:organization_members"},
		})
		var file strings.Builder
		file.WriteString("org_id,user_id,email\n")
		for _, u := range auth0test.MakeUsers(30) {
			fmt.Fprintf(&file, "%s,%s,%s\n", acme, u.ID, u.Email)
		}
		p := newQuickProgram(t, tenant, []byte(file.String()))
		p.run(exitDone)
		if s := tenant.Stats(); s.Total() != 4 || s.Count(auth0test.WriteMembers, http.StatusNoContent) != 3 {
			t.Errorf("%v, want 3 writes and a token", s.Requests)
		}
		if header, _, _ := strings.Cut(p.results(), "\n"); header+"\n" != proofResultsHeader {
			t.Errorf("the results begin with %s", header)
		}
	})
}

// TestLookUpsStayWithinTheirFloors counts at the tenant.
func TestLookUpsStayWithinTheirFloors(t *testing.T) {
	type most map[auth0test.Class]int
	for name, test := range map[string]struct {
		rows, orgs int
		exports    auth0test.Exports
		args       []string
		most       most // of each class; else nothing
	}{
		"each": {30, 15, auth0test.Exports{}, []string{"--lookup", "each"}, most{auth0test.ReadUsers: 30, auth0test.OrganizationNames: 15}},
		"a short export": {
			600, 100, auth0test.Exports{Duration: 20 * time.Second}, nil,
			most{auth0test.Jobs: 12, auth0test.Downloads: 1, auth0test.ReadUsers: 20, auth0test.ListOrganizations: 2},
		},
		"a long export": {
			600, 20, auth0test.Exports{Duration: 29 * time.Minute, TimeLeft: true}, nil,
			most{auth0test.Jobs: 75, auth0test.Downloads: 1, auth0test.ReadUsers: 20, auth0test.OrganizationNames: 20},
		},
		"members": {
			600, 10, auth0test.Exports{}, []string{"--skip-members"},
			most{auth0test.Jobs: 12, auth0test.Downloads: 1, auth0test.ReadUsers: 20, auth0test.OrganizationNames: 10, auth0test.ReadMembers: 10},
		},
	} {
		onFakeClock(t, name, func(t *testing.T) {
			c, in := keyedInput(test.rows, test.orgs)
			tenant := newLookUpTenant(auth0test.Config{Users: c.users, Organizations: c.orgs, Exports: test.exports})
			p := newQuickProgram(t, tenant, in.csv)
			p.run(exitRows, test.args...)
			p.holds(in, true)
			for _, class := range auth0test.Classes() {
				if n := p.asked(class); n > test.most[class] && class != auth0test.Tokens && class != auth0test.WriteMembers {
					t.Errorf("%d requests of %s, at most %d are due", n, class, test.most[class])
				}
			}
			batches := 0
			for _, users := range in.members {
				batches += (len(users) + 9) / 10
			}
			if n := p.asked(auth0test.WriteMembers); n != batches {
				t.Errorf("%d writes, not %d", n, batches)
			}
		})
	}
}

// TestMembersOfBeforeKeepTheirLines, even if no run adds anybody, so that no line
// has a correlation id.
func TestMembersOfBeforeKeepTheirLines(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		c, in := keyedInput(60, 5)
		tenant := newLookUpTenant(auth0test.Config{Users: c.users, Organizations: c.orgs})
		for org, users := range in.members {
			tenant.AddMembers(org, users...)
		}
		p := newQuickProgram(t, tenant, in.csv)
		p.write("results.csv", []byte(proofResultsHeader)) // a run was killed early
		for range 2 {
			e := p.run(exitRows, "--resume", "--skip-members")
			p.holds(in, true)
			if terms, err := readSummary(e.stderr); err != nil || terms["already_member"] != 54 || p.asked(auth0test.WriteMembers) > 0 {
				t.Errorf("%v, %v, %d writes", terms, err, p.asked(auth0test.WriteMembers))
			}
		}
	})
}

// TestATenantThatHasNobodyIsTheWrongOne: nothing is written if none of a hundred
// keys is found, unless --no-guard is given.
func TestATenantThatHasNobodyIsTheWrongOne(t *testing.T) {
	for _, way := range []string{"each", "export"} {
		onFakeClock(t, way, func(t *testing.T) {
			var file strings.Builder
			fmt.Fprintf(&file, "org_id,email\n%s,%s\n", acme, auth0test.MakeUsers(1)[0].Email)
			for i := range 150 {
				fmt.Fprintf(&file, "%s,nobody%d@elsewhere.com\n", acme, i)
			}
			p := newQuickProgram(t, newLookUpTenant(auth0test.Config{Users: auth0test.MakeUsers(3)[1:]}), []byte(file.String()))
			e := p.run(exitErrors, "--lookup", way)
			e.says(t, "--no-guard")
			if p.results() != "" || p.asked(auth0test.WriteMembers) > 0 || p.asked(auth0test.ReadUsers) != 100 {
				t.Errorf("%d users were asked for, %d writes, results %q", p.asked(auth0test.ReadUsers), p.asked(auth0test.WriteMembers), p.results())
			}
			p.run(exitRows, "--lookup", way, "--no-guard")
			if n := len(p.outcomes("results.csv", 0)); n != 151 {
				t.Errorf("%d lines", n)
			}
		})
	}
}

// TestStoppedLookUpsWriteNothing: if a run ends during its look-ups, there are no
// results, and the next run starts from the beginning.
func TestStoppedLookUpsWriteNothing(t *testing.T) {
	for name, test := range map[string]struct {
		exports auth0test.Exports
		args    []string
		signal  time.Duration // after which there is one
		code    int
	}{
		"a signal":               {exports: auth0test.Exports{Duration: time.Hour}, signal: time.Minute, code: exitSignal + int(syscall.SIGTERM)},
		"--max-duration":         {exports: auth0test.Exports{Duration: time.Hour}, args: []string{"--max-duration", "5m"}, code: exitDuration},
		"a job that takes long":  {exports: auth0test.Exports{Duration: time.Hour}, code: exitTemporary},
		"--lookup-wait":          {exports: auth0test.Exports{Duration: 5 * time.Minute}, args: []string{"--lookup-wait", "1m"}, code: exitTemporary},
		"a job that fails":       {exports: auth0test.Exports{Fail: 9}, code: exitTemporary},
		"other jobs":             {exports: auth0test.Exports{Busy: 1000}, code: exitTemporary},
		"a download that breaks": {exports: auth0test.Exports{Cut: 99}, code: exitTemporary},
	} {
		onFakeClock(t, name, func(t *testing.T) {
			c, in := keyedInput(60, 5)
			p := newQuickProgram(t, newLookUpTenant(auth0test.Config{Users: c.users, Organizations: c.orgs, Exports: test.exports}), in.csv)
			r := p.start(append([]string{"--lookup", "export"}, test.args...)...)
			if test.signal > 0 {
				time.AfterFunc(test.signal, func() { r.signals <- syscall.SIGTERM })
			}
			e := r.end()
			if e.code != test.code {
				t.Errorf("exit code %d, want %d:\n%s", e.code, test.code, e.stderr)
			}
			if files := p.files(); !slices.Equal(files, []string{"members.csv"}) || p.asked(auth0test.WriteMembers) > 0 {
				t.Errorf("%q are there, and %d writes were sent", files, p.asked(auth0test.WriteMembers))
			}
			p.tellsNobody(e)
			p.run(exitRows, "--lookup", "each", "--resume")
			p.holds(in, true)
		})
	}
}

// TestOtherExportsAreWaitedFor longer than a limit: the refusal does not say how
// long.
func TestOtherExportsAreWaitedFor(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		c, in := keyedInput(60, 5)
		p := newQuickProgram(t, newLookUpTenant(auth0test.Config{Users: c.users, Organizations: c.orgs, Exports: auth0test.Exports{Busy: 60}}), in.csv)
		e := p.run(exitRows, "--lookup", "export")
		p.holds(in, true)
		if e.took < 10*time.Minute || e.took > 30*time.Minute {
			t.Errorf("it took %s", e.took)
		}
		e.says(t, "progress: looking up users")
		if writes, sent := p.asked(auth0test.WriteMembers), p.tenant.Stats().Total(); !strings.Contains(e.stderr, fmt.Sprintf("\n%d requests", sent-2)) || writes != 9 {
			t.Errorf("the tenant has counted %d requests, a token and a download among them:\n%s", sent, e.stderr)
		}
	})
}

// TestPhasesAreShown as long as they take.
func TestPhasesAreShown(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		c, in := keyedInput(600, 5)
		tenant := newLookUpTenant(auth0test.Config{
			Users: c.users, Organizations: c.orgs,
			Exports: auth0test.Exports{Duration: 2 * time.Minute, TimeLeft: true},
		})
		newQuickProgram(t, tenant, in.csv).run(exitRows).says(t, "progress: waiting for the tenant's export of users, 29s so far, about 1m")
		newQuickProgram(t, tenant, in.csv).run(exitRows, "--lookup", "each", "--rate", "10").says(t, "progress: looking up users: ")
	})
}

// TestStoppedRunsOfMixedFilesEndAlike imports files with any mixture of ids, names
// and addresses, even an id beside the address of another user. A run that is
// stopped and resumed ends with the same statuses as a run that is not stopped.
func TestStoppedRunsOfMixedFilesEndAlike(t *testing.T) {
	runs := 6
	if proofInFull() {
		runs = 200
	}
	for seed := range runs {
		onFakeClock(t, fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(seed), 9))
			c, _ := keyedInput(12, 4)
			pick := func(n int) int { return rng.IntN(n) }
			in := []string{"org_id,org_name,user_id,email"}
			for range 10 + pick(50) {
				row := []string{"", c.orgs[pick(4)].Name, "", c.users[pick(12)].Email}
				if pick(2) == 0 {
					row[0] = c.orgs[pick(4)].ID
				}
				if pick(2) == 0 {
					row[2] = c.users[pick(12)].ID
				}
				in = append(in, strings.Join(row, ","))
			}
			p := newQuickProgram(t, newLookUpTenant(auth0test.Config{Users: c.users, Organizations: c.orgs}), []byte(strings.Join(in, "\n")+"\n"))
			args := []string{"--resume", "--lookup", []string{"each", "export"}[seed%2]}
			become := func() map[int]string {
				if e := p.start(args...).end(); e.code != exitDone && e.code != exitRows {
					t.Fatalf("exit code %d:\n%s", e.code, e.stderr)
				}
				rows := make(map[int]string)
				for _, o := range p.outcomes("results.csv", 0) {
					if rows[o.Row.Line] != "" {
						t.Errorf("row %d has two lines", o.Row.Line)
					}
					status := o.Status
					if status == importer.AlreadyMember || status == importer.Duplicate {
						status = importer.Added // which of two rows comes first may differ
					}
					rows[o.Row.Line] = fmt.Sprint(o.Row.OrgID, " ", o.Row.UserID, " ", status, " ", o.Code)
				}
				return rows
			}
			want := become()
			lines := strings.SplitAfter(p.results(), "\n")
			p.write("results.csv", []byte(strings.Join(slices.DeleteFunc(lines, func(line string) bool { return !strings.HasPrefix(line, "line") && pick(2) == 0 }), "")))
			if got := become(); !maps.Equal(got, want) {
				t.Errorf("%v\nwant\n%v", got, want)
			}
		})
	}
}
