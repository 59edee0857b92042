package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"orgimport/cmd/orgimport/internal/tenancy"
	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/auth0/auth0test"
	"orgimport/report"
)

// operate starts a command other than import.
func (p *program) operate(args ...string) *running {
	p.t.Helper()
	if !p.tenant.served {
		return p.begin(p.prepare(args...))
	}
	return p.begin(p.command(args...))
}

// operated runs a command to its end, which must have the exit code want.
func (p *program) operated(want int, args ...string) ended {
	p.t.Helper()
	e := p.operate(args...).end()
	if e.code != want {
		p.t.Fatalf("%q: exit code %d, want %d:\n%s", args, e.code, want, e.stderr)
	}
	return e
}

// newQuickProgram is newProgram with a folder in memory, because on a fake clock
// results are synced all the time.
func newQuickProgram(t *testing.T, tenant *proofTenant, input []byte) *program {
	t.Helper()
	dir := memoryDir(t)
	p := newProgram(t, tenant, nil)
	p.dir = dir
	p.write("members.csv", input)
	return p
}

// untilDone runs a command again and again, killing it at most that often at random
// moments, and returns the exit code of the run that was not killed.
func (p *program) untilDone(rng *rand.Rand, kills int, within time.Duration, args ...string) int {
	p.t.Helper()
	for {
		r := p.operate(args...)
		if kills == 0 {
			return r.end().code
		}
		kill := time.AfterFunc(time.Duration(rng.Int64N(int64(within))), func() { _ = r.Process.Kill() })
		e := r.end()
		kill.Stop()
		if e.code != -1 {
			return e.code
		}
		kills--
	}
}

// outcomes returns the lines of a results file.
func (p *program) outcomes(name string, args int) []importer.Outcome {
	p.t.Helper()
	r, err := report.NewReader(strings.NewReader(p.read(name)))
	if err != nil {
		p.t.Fatal(err)
	}
	var all []importer.Outcome
	for o, err := range r.Outcomes() {
		if err != nil {
			p.t.Fatal(err)
		}
		o.Row.Args, o.Row.Kept = o.Row.Kept[:args], o.Row.Kept[args:]
		all = append(all, o)
	}
	if r.Damaged > 0 || r.Torn {
		p.t.Errorf("%s has %d damaged lines, torn: %v", name, r.Damaged, r.Torn)
	}
	return all
}

// rosterOf returns the members of each organization.
func rosterOf(tenant *proofTenant, orgs []string) map[string][]string {
	members := make(map[string][]string)
	for _, org := range orgs {
		members[org] = tenant.Members(org)
	}
	return members
}

// TestUndoLeavesTheMembersOfBefore kills the undo of an import at random moments.
// Some of the file's users were members before, which the import has read.
// PROOF=full kills it 50 times.
func TestUndoLeavesTheMembersOfBefore(t *testing.T) {
	t.Parallel()
	kills := 4
	if proofInFull() {
		kills = 50
	}
	u := newUndo(t)
	u.program.run(exitRows, "--skip-members")
	added := strings.Count(u.program.results(), ",added,")
	if added == 0 || !strings.Contains(u.program.results(), ",already_member,") {
		t.Fatalf("the results have not what is to be undone:\n%s", u.program.results())
	}
	if code := u.undo(added, kills); code != exitDone {
		t.Fatalf("exit code %d", code)
	}
	if !maps.EqualFunc(u.before, rosterOf(u.tenant, u.orgs), slices.Equal) {
		t.Error("the members are not those of before")
	}
	removed := u.program.outcomes("removed.csv", 0)
	if len(removed) != added || slices.ContainsFunc(removed, func(o importer.Outcome) bool { return o.Status != importer.Removed }) {
		t.Errorf("%d lines, want %d of them, all removed", len(removed), added)
	}
}

// TestUndoOfAKilledImport removes nobody who was a member before. Users of requests
// in flight at a kill may stay.
func TestUndoOfAKilledImport(t *testing.T) {
	t.Parallel()
	kills := 2
	if proofInFull() {
		kills = 20
	}
	u := newUndo(t)
	if code := u.program.untilDone(u.rng, kills, 500*time.Millisecond, "import", "members.csv", "--results", "results.csv", "--skip-members", "--resume"); code != exitRows {
		t.Fatalf("exit code %d", code)
	}
	if code := u.undo(100_000, 0); code != exitDone {
		t.Fatalf("exit code %d", code)
	}
	stayed := 0
	for org, members := range rosterOf(u.tenant, u.orgs) {
		for _, id := range u.before[org] {
			if !slices.Contains(members, id) {
				t.Errorf("%s was in %s before, and is removed", id, org)
			}
		}
		stayed += len(members) - len(u.before[org])
	}
	t.Logf("%d stay in after %d kills", stayed, kills)
	if most := kills * tenancy.DefaultWorkers * auth0.MaxMembers; stayed > most {
		t.Errorf("%d stay in, and at most %d were under way", stayed, most)
	}
}

// undoing is an import to be undone.
type undoing struct {
	tenant  *proofTenant
	program *program
	rng     *rand.Rand
	orgs    []string
	before  map[string][]string
}

// newUndo returns a tenant with members, and a file that has some of them.
func newUndo(t *testing.T) *undoing {
	tenant := newServedTenant(t, auth0test.Config{
		Latency: auth0test.Uniform(5*time.Millisecond, 40*time.Millisecond),
		Limits:  auth0test.Limits{Global: []auth0test.Limit{{Size: 1000, Per: 1000, Interval: time.Second}}},
	})
	in := newProofInput(mixed(7, proofLines(400, 16), 3, 2, 3, 4))
	u := &undoing{tenant: tenant, program: newProgram(t, tenant, in.csv), rng: rand.New(rand.NewPCG(7, 1))}
	for i, org := range slices.Sorted(maps.Keys(in.members)) {
		u.orgs = append(u.orgs, org)
		tenant.AddMembers(org, append(slices.Clone(in.members[org][:5]), fmt.Sprintf("auth0|before%d", i))...)
	}
	u.before = rosterOf(tenant, u.orgs)
	return u
}

// undo removes the users whom the import added, by its results.
func (u *undoing) undo(most, kills int) (code int) {
	return u.program.untilDone(u.rng, kills, 500*time.Millisecond, "remove", "results.csv", "--max-removals", strconv.Itoa(most), "--results", "removed.csv", "--resume")
}

// inviting is a tenant that loses its answers to invitations, before or after the
// work is done.
func inviting(lost bool) auth0test.Config {
	fault := func(p float64, f auth0test.Fault) auth0test.Incident {
		return auth0test.Incident{Share: p, Class: auth0test.WriteInvitations, Fault: f}
	}
	cfg := auth0test.Config{
		Latency: auth0test.Uniform(5*time.Millisecond, 60*time.Millisecond),
		Limits: auth0test.Limits{Endpoints: map[auth0test.Class][]auth0test.Limit{
			auth0test.WriteInvitations: {{Size: 100, Per: 100, Interval: time.Second}},
		}},
		Incidents: []auth0test.Incident{
			fault(0.04, auth0test.Fault{Cut: auth0test.Reset, Applied: true}),
			fault(0.04, auth0test.Fault{Status: http.StatusServiceUnavailable, Applied: true}),
		},
	}
	if lost {
		cfg.Incidents = append(cfg.Incidents,
			fault(0.04, auth0test.Fault{Cut: auth0test.Reset}),
			fault(0.04, auth0test.Fault{Status: http.StatusBadGateway, Body: auth0test.BodyHTML}),
			fault(0.04, auth0test.Fault{Status: http.StatusTooManyRequests}),
			fault(0.01, auth0test.Fault{Hang: true}),
			fault(0.01, auth0test.Fault{Hang: true, Applied: true}),
		)
	}
	return cfg
}

// newInvitations returns a program with a file of that many people.
func newInvitations(t *testing.T, tenant *proofTenant, people int) (p *program, args []string) {
	var in strings.Builder
	in.WriteString("org_id,email\n")
	for i := range people {
		fmt.Fprintf(&in, "org_%016d,user%d@acme.com\n", i%7, i)
	}
	return newQuickProgram(t, tenant, []byte(in.String())), []string{
		"--application", "app", "--inviter", "Acme", "--max-invitations", strconv.Itoa(people), "--request-timeout", "5s",
	}
}

// invitedOnce compares the results with the invitations that the tenant sent, and
// returns how many rows have each status.
func (p *program) invitedOnce(name string, people int) map[importer.Status]int {
	p.t.Helper()
	lines := p.outcomes(name, 1)
	if len(lines) != people {
		p.t.Errorf("%d lines for %d people", len(lines), people)
	}
	found := make(map[importer.Status]int)
	for _, o := range lines {
		email := o.Row.Args[0]
		mails := p.tenant.Mails(email)
		found[o.Status]++
		switch {
		case mails > 1:
			p.t.Errorf("%s: %d invitations", email, mails)
		case o.Status.Settled() && mails == 1:
		case o.Status == importer.Failed && o.Code == importer.CodeUnknownOutcome && mails == 0:
		default:
			p.t.Errorf("%s: %s %s after %d invitations: %s", email, o.Status, o.Code, mails, o.Message)
		}
	}
	for org := range 7 {
		for _, invitation := range p.tenant.Invitations(fmt.Sprintf("org_%016d", org)) {
			for _, name := range p.files() {
				if strings.Contains(p.read(name), invitation.Ticket) {
					p.t.Fatalf("%s holds the ticket of an invitation", name)
				}
			}
		}
	}
	p.t.Logf("%v; requests by status: %v", found, p.tenant.Stats().Requests[auth0test.WriteInvitations])
	return found
}

// TestNobodyIsInvitedTwice: answers are lost before and after the work is done.
// Neither another run nor an import of the failures sends again what may have been
// sent.
func TestNobodyIsInvitedTwice(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		const people = 400
		tenant := newProofTenant(inviting(true))
		p, args := newInvitations(t, tenant, people)
		e := p.operated(exitRows, slices.Concat([]string{"invite", "members.csv", "--results", "invited.csv", "--failures", "failures.csv"}, args)...)
		found := p.invitedOnce("invited.csv", people)
		if found[importer.Failed] == 0 || found[importer.Invited] < people/2 {
			t.Errorf("it was no storm: %v\n%s", found, e.stderr)
		}
		p.operated(exitRows, slices.Concat([]string{"invite", "members.csv", "--results", "invited.csv", "--resume"}, args)...)
		p.operated(exitRows, slices.Concat([]string{"invite", "failures.csv", "--results", "again.csv"}, args)...)
		if again := p.invitedOnce("invited.csv", people); again[importer.Failed] != found[importer.Failed] {
			t.Errorf("%v, and before %v", again, found)
		}
	})
}

// TestNobodyIsInvitedTwiceByKilledRuns kills the program at random moments.
// PROOF=full kills it 50 times.
func TestNobodyIsInvitedTwiceByKilledRuns(t *testing.T) {
	t.Parallel()
	people, kills := 60, 2
	if proofInFull() {
		people, kills = 1000, 50
	}
	tenant := newServedTenant(t, inviting(false))
	p, args := newInvitations(t, tenant, people)
	args = slices.Concat([]string{"invite", "members.csv", "--results", "invited.csv", "--resume"}, args)
	code := p.untilDone(rand.New(rand.NewPCG(11, 1)), kills, 700*time.Millisecond, args...)
	if code != exitDone && code != exitRows {
		t.Fatalf("exit code %d", code)
	}
	p.invitedOnce("invited.csv", people)
}

// TestRolesOfManyRows assigns roles to 5,000 members by name and id, with unknown
// roles, users and organizations among them, during an import.
func TestRolesOfManyRows(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		const rows, perMinute = 5000, 200
		limits := []auth0test.Limit{{Size: 20, Per: 20, Interval: time.Second}, {Size: perMinute, Per: perMinute, Interval: time.Minute}}
		tenant := newProofTenant(auth0test.Config{
			Latency: auth0test.Uniform(50*time.Millisecond, 200*time.Millisecond),
			Limits: auth0test.Limits{Endpoints: map[auth0test.Class][]auth0test.Limit{
				auth0test.WriteRoles: limits, auth0test.WriteMembers: limits,
			}},
			Roles: []auth0test.Role{{ID: "rol_1111111111111111", Name: "Admin"}, {ID: "rol_2222222222222222", Name: "Sales, EMEA"}, {ID: "rol_3333333333333333", Name: "Twin"}, {ID: "rol_4444444444444444", Name: "Twin"}, {ID: "rol_5555555555555555", Name: "Guest"}},
		})
		values := []string{"Admin", "rol_1111111111111111", `"Sales, EMEA"`, "Admin|Guest", "Guest;rol_1111111111111111"}
		sets := []string{"rol_1111111111111111", "rol_1111111111111111", "rol_2222222222222222", "rol_1111111111111111|rol_5555555555555555", "rol_1111111111111111|rol_5555555555555555"}
		in, members := strings.Builder{}, strings.Builder{}
		in.WriteString("org_id,user_id,roles\n")
		members.WriteString(proofHeader)
		want := make(map[int]string)
		requests := 0
		add := func(line int, org, user, value, status string) {
			fmt.Fprintf(&in, "%s,%s,%s\n", org, user, value)
			fmt.Fprintf(&members, "%s,%s\n", org, user)
			want[line] = status
		}
		for i := range rows {
			org, user := fmt.Sprintf("org_%016d", i%40), fmt.Sprintf("auth0|%024x", i)
			line := i + 2
			switch i % 500 {
			case 7:
				add(line, org, user, "Boss", "rejected role_not_found")
			case 8:
				add(line, org, user, "Twin", "rejected role_ambiguous")
			case 9:
				add(line, org, user, "Admin|", "rejected roles_empty")
			case 10:
				add(line, org, user, "rol_9999999999999999", "failed invalid_body")
			case 11:
				add(line, org, "auth0|unknown", "Admin", "failed inexistent_user")
			case 12:
				add(line, "org_unknown", user, "Admin", "failed ")
			case 13: // the row before the last, in other words
				fmt.Fprintf(&in, "org_%016d,auth0|%024x,%s\n", (i-8)%40, i-8, values[3])
				want[line] = "duplicate "
			case 5:
				add(line, org, user, values[4], "assigned ")
				requests++
			default:
				add(line, org, user, values[i%5], "assigned ")
				requests++
			}
		}
		p := newQuickProgram(t, tenant, []byte(in.String()))
		p.write("import.csv", []byte(members.String()))
		beside := p.operate("import", "import.csv", "--results", "results.csv", "--reserve", "0")
		e := p.operated(exitRows, "roles", "members.csv", "--results", "assigned.csv", "--reserve", "0")
		_ = beside.end()

		for _, o := range p.outcomes("assigned.csv", 1) {
			got := string(o.Status) + " " + o.Code
			if got != want[o.Row.Line] && (o.Row.UserID != "auth0|unknown" || o.Status != importer.Failed && o.Status != importer.Duplicate) {
				t.Errorf("line %d (%s): %s, want %s: %s", o.Row.Line, o.Row.Args, got, want[o.Row.Line], o.Message)
			}
			delete(want, o.Row.Line)
			if o.Status == importer.Assigned {
				roles := tenant.Roles(o.Row.OrgID, o.Row.UserID)
				slices.Sort(roles)
				if got := strings.Join(roles, "|"); got != o.Row.Args[0] || !slices.Contains(sets, got) {
					t.Errorf("line %d: has %s, the results say %s", o.Row.Line, got, o.Row.Args[0])
				}
			}
		}
		if len(want) > 0 {
			t.Errorf("%d rows have no line", len(want))
		}
		stats := tenant.Stats()
		all := 0
		for _, n := range stats.Requests[auth0test.WriteRoles] {
			all += n
		}
		// The unknown user and organization cost one request each, and so does the unknown role.
		if good := stats.Count(auth0test.WriteRoles, http.StatusNoContent); good != requests || all > requests+3 {
			t.Errorf("%d requests, %d of them taken; want %d and 3 more", all, good, requests)
		}
		if n := stats.Status(http.StatusTooManyRequests); n > 0 {
			t.Errorf("%d answered 429", n)
		}
		least := time.Duration(float64(requests-perMinute) / perMinute * float64(time.Minute))
		if pace := float64(least) / float64(e.took); pace < 0.98 {
			t.Errorf("%s for %d requests: %.3f of the limit", e.took, requests, pace)
		}
	})
}

// TestExportGivesBackWhatWasImported exports members, imports them elsewhere and
// exports them again, through storms. PROOF=full has 100,000 of them.
func TestExportGivesBackWhatWasImported(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		members := 4000
		if proofInFull() {
			members = 100_000
		}
		var orgs []auth0test.Organization
		for i := range 40 {
			orgs = append(orgs, auth0test.Organization{ID: fmt.Sprintf("org_%016d", i), Name: fmt.Sprintf("acme-%d", i)})
		}
		storm := func() auth0test.Config {
			cfg := auth0test.Config{Organizations: orgs, Limits: proofLimit(auth0test.Limit{Size: 50, Per: 50, Interval: time.Second})}
			for _, class := range []auth0test.Class{auth0test.ReadMembers, auth0test.WriteMembers, auth0test.ListOrganizations} {
				cfg.Incidents = append(cfg.Incidents,
					auth0test.Incident{Share: 0.03, Class: class, Fault: auth0test.Fault{Status: http.StatusServiceUnavailable}},
					auth0test.Incident{Share: 0.03, Class: class, Fault: auth0test.Fault{Cut: auth0test.Reset, Applied: true}},
				)
			}
			for n := range 200 {
				status := []int{http.StatusTooManyRequests, http.StatusServiceUnavailable}[n%2]
				from := time.Duration(n) * 10 * time.Second
				cfg.Incidents = append(cfg.Incidents, auth0test.Incident{From: from + 200*time.Millisecond, Until: from + 2*time.Second, Fault: auth0test.Fault{Status: status}})
			}
			return cfg
		}
		first, second := newProofTenant(storm()), newProofTenant(storm())
		for i := range members {
			first.AddMembers(orgs[i*i%len(orgs)].ID, fmt.Sprintf("auth0|%024x", i))
		}
		export := func(tenant *proofTenant) []byte {
			p := newQuickProgram(t, tenant, nil)
			p.operatedIn(exitDone, "export", "-o", p.path("export.csv"))
			return []byte(p.read("export.csv"))
		}
		exported := export(first)
		if n := bytes.Count(exported, []byte("\n")); n != members+1 {
			t.Fatalf("%d lines, want %d", n, members+1)
		}
		p := newQuickProgram(t, second, exported)
		p.run(exitDone)
		if !bytes.Equal(export(second), exported) {
			t.Error("what was imported is not what was exported")
		}
		for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
			if a, b := first.Stats(), second.Stats(); a.Status(status)+b.Status(status) == 0 {
				t.Errorf("it was no storm: %v, %v", a.Requests, b.Requests)
			}
		}
	})
}

// operatedIn runs a command with exactly these arguments.
func (p *program) operatedIn(want int, args ...string) {
	p.t.Helper()
	var stdout, stderr bytes.Buffer
	s := p.prepare("import", "members.csv").surroundings()
	s.args, s.stdout, s.stderr = args, &stdout, &stderr
	if code := run(s); code != want {
		p.t.Fatalf("%q: exit code %d, want %d:\n%s", args, code, want, stderr.String())
	}
}

// TestExportWhileMembersCome: members are added during the export. It has everybody
// who was a member before, and nobody twice.
func TestExportWhileMembersCome(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		var pages atomic.Int64
		var tenant *proofTenant
		cfg := auth0test.Config{
			Organizations: []auth0test.Organization{{ID: "org_0000000000000001", Name: "acme"}},
			Fault: func(r *http.Request, _ int) auth0test.Fault {
				if strings.HasSuffix(r.URL.Path, "/members") {
					if n := pages.Add(1); n < 40 {
						tenant.AddMembers("org_0000000000000001", fmt.Sprintf("auth0|new%d", n))
					}
				}
				return auth0test.Fault{}
			},
		}
		tenant = newProofTenant(cfg)
		for i := range 950 {
			tenant.AddMembers("org_0000000000000001", fmt.Sprintf("auth0|%024x", i))
		}
		p := newProgram(t, tenant, nil)
		p.operatedIn(exitDone, "export", "-o", p.path("export.csv"))
		records, err := csv.NewReader(strings.NewReader(p.read("export.csv"))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		seen, old := make(map[string]bool), 0
		for _, r := range records[1:] {
			if seen[r[2]] {
				t.Errorf("%s stands twice", r[2])
			}
			seen[r[2]] = true
			if !strings.Contains(r[2], "new") {
				old++
			}
		}
		if old != 950 {
			t.Errorf("%d of those who were there, want 950", old)
		}
	})
}

// TestNothingIsRemovedUnlessItsNumberIsTyped tests the guard with inputs of all
// kinds.
func TestNothingIsRemovedUnlessItsNumberIsTyped(t *testing.T) {
	tenant := newProofTenant(auth0test.Config{})
	lines := proofLines(25, 3)
	p := newProgram(t, tenant, newProofInput(append(lines, lines[:5]...)).csv)
	p.run(exitDone)
	sent := tenant.writes()
	for _, file := range []string{"members.csv", "results.csv"} {
		for _, args := range [][]string{{}, {"--max-removals", "0"}, {"--max-removals", "24"}, {"--max-removals", "24", "--resume"}, {"--max-removals", "24", "--no-guard"}} {
			want := exitErrors
			if len(args) == 0 {
				want = exitUsage
			}
			e := p.operated(want, slices.Concat([]string{"remove", file, "--results", "removed.csv"}, args)...)
			if !regexp.MustCompile(`this file names 25 memberships.*[ :]`).MatchString(e.stderr) {
				t.Errorf("%s", e.stderr)
			}
		}
	}
	if n := tenant.writes(); n != sent {
		t.Errorf("%d requests were sent", n-sent)
	}
	if _, err := os.Stat(p.path("removed.csv")); err == nil {
		t.Error("there are results")
	}
	p.operated(exitDone, "remove", "results.csv", "--max-removals", "25", "--results", "removed.csv")
	p.operated(exitDone, "remove", "results.csv", "--max-removals", "25", "--results", "removed.csv", "--resume")
}
