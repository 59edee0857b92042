package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"orgimport/importer/auth0/auth0test"
)

// What can't be undone is done only if it is certain: from lists that were read,
// and from explicit answers.

// refusing answers with that status and message if refuses is true, and otherwise
// like the tenant.
func refusing(tenant http.RoundTripper, status int, message string, refuses func(*http.Request) bool) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		if !refuses(r) {
			return tenant.RoundTrip(r)
		}
		return &http.Response{
			StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
			Body: io.NopCloser(strings.NewReader(fmt.Sprintf(`{"statusCode":%d,"error":"Refused","message":"%s"}`, status, message))),
		}, nil
	}
}

func numbered(n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("auth0|%05d", i))
	}
	return ids
}

// lines counts the lines of results by status and error code.
func lines(results string) map[string]int {
	counts := make(map[string]int)
	for line := range strings.Lines(results) {
		if values := strings.Split(line, ","); values[0] != "line" {
			counts[strings.TrimSpace(values[3]+" "+values[5])]++
		}
	}
	return counts
}

// doing runs a command against transport and returns its output. It must end with
// that exit code.
func (p *program) doing(transport http.RoundTripper, want int, args ...string) string {
	p.t.Helper()
	r := p.prepare(args...)
	r.transport = transport
	e := p.begin(r).end()
	if e.code != want {
		p.t.Fatalf("%q: exit code %d, want %d:\n%s", args, e.code, want, e.stderr)
	}
	return e.stderr
}

// export exports to out.csv.
func (p *program) export(transport http.RoundTripper, args ...string) (code int, stderr string) {
	r := p.prepare("export", "-")
	r.transport = transport
	s := r.surroundings()
	s.args = append([]string{"export", "-o", p.path("out.csv")}, args...)
	code = run(s)
	return code, r.stderr.String()
}

// TestAnUndoLeavesWhoWasThere: members at the end of the list of a large
// organization.
func TestAnUndoLeavesWhoWasThere(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		tenant := newProofTenant(auth0test.Config{})
		tenant.AddMembers("org_a", numbered(5000)...)
		p := newProgram(t, tenant, []byte("org_id,user_id\norg_a,auth0|04990\norg_a,auth0|04991\norg_a,auth0|new\n"))
		said := p.doing(tenant, exitDone, "import", "members.csv", "--skip-members")
		if got := lines(p.results()); got["already_member"] != 2 || got["added"] != 1 {
			t.Errorf("%v", got)
		}
		if !strings.Contains(said, "reading the members of org_a costs more than it saves: 10 pages so far for 3 rows") {
			t.Errorf("it does not say that the look costs more than it saves:\n%s", said)
		}
		for line := range strings.Lines(p.results()) {
			if strings.Contains(line, "already_member") && !strings.Contains(line, ",oi-") {
				t.Errorf("a member's line has no correlation id of the import: %s", line)
			}
		}
		p.doing(tenant, exitDone, "remove", "results.csv", "--max-removals", "1", "--results", "removed.csv")
		if n := len(tenant.Members("org_a")); n != 5000 {
			t.Errorf("%d members are left", n)
		}
	})
}

// TestMembersFoundOnAResume may have been added by a request whose answer was lost.
func TestMembersFoundOnAResume(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		tenant := newProofTenant(auth0test.Config{})
		tenant.AddMembers("org_a", "auth0|1", "auth0|2")
		p := newProgram(t, tenant, []byte("org_id,user_id\norg_a,auth0|1\norg_a,auth0|2\norg_a,auth0|3\n"))
		p.write("results.csv", []byte(proofResultsHeader))
		p.doing(tenant, exitDone, "import", "members.csv", "--skip-members", "--resume")
		if got := lines(p.results()); got["already_member unknown_origin"] != 2 || got["added"] != 1 {
			t.Errorf("%v", got)
		}
	})
}

// TestMembersOfRowsThatAreDoneAreNotRead: a resume asks nothing for them.
func TestMembersOfRowsThatAreDoneAreNotRead(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		tenant := newProofTenant(auth0test.Config{})
		p := newProgram(t, tenant, []byte("org_id,user_id\norg_a,auth0|1\n"))
		p.doing(tenant, exitDone, "import", "members.csv")
		p.write("members.csv", []byte("org_id,user_id\norg_a,auth0|1\norg_b,auth0|2\n"))
		read := make(map[string]int)
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodGet {
				read[r.URL.Path]++
			}
			return tenant.RoundTrip(r)
		})
		p.doing(transport, exitDone, "import", "members.csv", "--skip-members", "--resume")
		if len(read) != 1 || read["/api/v2/organizations/org_b/members"] != 1 {
			t.Errorf("it reads %v", read)
		}
	})
}

// TestOneListThatCantBeRead fails the rows of its organization, and no others.
func TestOneListThatCantBeRead(t *testing.T) {
	list := func(r *http.Request) bool {
		return r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/org_a/members")
	}
	for _, test := range []struct {
		status         int
		message        string
		export, verify int
	}{
		{403, "You are not allowed to read this organization", exitStopped, exitRows},
		{404, "Not Found", exitStopped, exitRows},
	} {
		onFakeClock(t, fmt.Sprint(test.status), func(t *testing.T) {
			tenant := newProofTenant(auth0test.Config{})
			tenant.AddMembers("org_b", "auth0|1")
			p := newProgram(t, tenant, []byte("org_id,user_id,roles\norg_a,auth0|1,rol_1\norg_b,auth0|1,rol_1\norg_a,auth0|2,rol_1\norg_b,auth0|2,rol_1\n"))
			transport := refusing(tenant, test.status, test.message, list)
			p.doing(transport, exitRows, "import", "members.csv", "--skip-members")
			if got := lines(p.results()); got["failed members_unlisted"] != 2 || got["already_member"] != 1 || got["added"] != 1 {
				t.Errorf("import: %v", got)
			}
			p.doing(transport, exitRows, "import", "members.csv", "--skip-members", "--resume")
			if got := lines(p.results()); len(tenant.Members("org_a")) != 0 || got["failed members_unlisted"] != 2 {
				t.Errorf("resume: %v", got)
			}
			p.doing(transport, exitRows, "roles", "members.csv", "--skip-assigned", "--results", "assigned.csv")
			if got := lines(p.read("assigned.csv")); got["failed members_unlisted"] != 2 || got["assigned"] != 2 {
				t.Errorf("roles: %v", got)
			}
			p.write("out.csv", []byte("yesterday"))
			p.write("orgs.csv", []byte("org_id\norg_a\norg_b\n"))
			code, said := p.export(transport, "--orgs", p.path("orgs.csv"))
			if got := p.read("out.csv"); code != test.export || got != "yesterday" || !strings.Contains(said, "org_a") || !strings.Contains(said, test.message) {
				t.Errorf("export has replaced its file, or says %q", said)
			}
			run := p.prepare("verify", "results.csv")
			p.write("results.csv", []byte(proofResultsHeader+"2,org_a,auth0|1,added,204,,,1,,2026-05-04T10:00:00Z\n3,org_b,auth0|1,added,204,,,1,,2026-05-04T10:00:00Z\n"))
			run.transport = transport
			if code := <-p.begin(run).ended; code != test.verify || !strings.HasSuffix(run.stderr.String(), "2 lines = 1 there + 1 not checked\n") {
				t.Errorf("verify ends with %d: %s", code, run.stderr.String())
			}
		})
	}
}

// TestAnAddressMayMove: the id that an earlier run found is not given to a new row.
func TestAnAddressMayMove(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		night := func(p *program, tenant *proofTenant, input string) {
			p.tenant = tenant
			p.write("members.csv", []byte(input))
			p.doing(tenant, exitDone, "import", "members.csv", "--resume")
		}
		tenant := func(id string) *proofTenant {
			return newProofTenant(auth0test.Config{Users: []auth0test.User{{ID: id, Email: "ann@acme.com"}}})
		}
		first, second := tenant("auth0|old"), tenant("auth0|new")
		p := newProgram(t, first, nil)
		night(p, first, "org_id,email\norg_a,ann@acme.com\n")
		night(p, second, "org_id,email\norg_a,ann@acme.com\norg_b,ann@acme.com\n")
		if a, b := second.Members("org_a"), second.Members("org_b"); len(a) != 0 || len(b) != 1 || b[0] != "auth0|new" {
			t.Errorf("added %q and %q on the second night", a, b)
		}
	})
}

// TestOneLookUpThatFails fails its row, which is named, and no others.
func TestOneLookUpThatFails(t *testing.T) {
	for status, want := range map[int]int{403: exitRows, 500: exitTemporary} {
		onFakeClock(t, fmt.Sprint(status), func(t *testing.T) {
			var users []auth0test.User
			input := "org_id,email\n"
			for i := range 30 {
				users = append(users, auth0test.User{ID: fmt.Sprintf("auth0|%d", i), Email: fmt.Sprintf("u%d@acme.com", i)})
				input += fmt.Sprintf("org_a,u%d@acme.com\n", i)
			}
			tenant := newProofTenant(auth0test.Config{Users: users})
			p := newProgram(t, tenant, []byte(input))
			p.doing(refusing(tenant, status, "The user is not visible", func(r *http.Request) bool {
				return r.URL.Query().Get("email") == "u7@acme.com"
			}), want, "import", "members.csv")
			if got := lines(p.results()); got["added"] != 29 || got["failed"] != 1 || !strings.Contains(p.results(), "looking up u7@acme.com: ") {
				t.Errorf("%v:\n%s", got, p.results())
			}
		})
	}
}

// TestAnInvitationOfAnUnknownOrganization leaves results that a run can continue
// from.
func TestAnInvitationOfAnUnknownOrganization(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		tenant := newProofTenant(auth0test.Config{Undocumented: auth0test.Undocumented{UnknownOrg: auth0test.GoneOrganization}})
		p := newProgram(t, tenant, []byte("org_id,email\norg_a,a@acme.com\norg_unknown,b@acme.com\n"))
		args := []string{"invite", "members.csv", "--application", "app", "--inviter", "Acme", "--max-invitations", "2", "--results", "invited.csv"}
		for range 3 {
			p.doing(tenant, exitRows, args...)
			args = append(args, "--resume")
		}
		if got := lines(p.read("invited.csv")); got["invited"] != 1 || got["failed"] != 1 || tenant.Mails("a@acme.com") != 1 {
			t.Errorf("%v with %d mails", got, tenant.Mails("a@acme.com"))
		}
	})
}

// TestAnExportTellsWhatIsGone: an organization is deleted during the export.
func TestAnExportTellsWhatIsGone(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		tenant := newProofTenant(auth0test.Config{Organizations: []auth0test.Organization{{ID: "org_a", Name: "acme"}, {ID: "org_b", Name: "beta"}}})
		tenant.AddMembers("org_a", "auth0|1")
		tenant.AddMembers("org_b", "auth0|2")
		p := newProgram(t, tenant, nil)
		p.write("orgs.csv", []byte("org\nacme\nbeta\n"))
		gone := refusing(tenant, 404, "No organization found by that id or name", func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/org_b/members") })
		for code, args := range map[int][]string{exitDone: nil, exitRows: {"--orgs", p.path("orgs.csv")}} {
			got, said := p.export(gone, args...)
			if got != code || !strings.Contains(said, "org_b") || !strings.HasSuffix(p.read("out.csv"), "name\norg_a,acme,auth0|1,1@example.com,1@example.com\n") {
				t.Errorf("exit code %d, want %d: %s\n%s", got, code, said, p.read("out.csv"))
			}
		}
	})
}

// TestOnlyAddressesAreInvited: other values are rejected, and don't count.
func TestOnlyAddressesAreInvited(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		tenant := newProofTenant(auth0test.Config{})
		p := newProgram(t, tenant, []byte("org_id,email\norg_a,a@acme.com\norg_a,nobody\norg_a,\"b@acme.com, c@acme.com\"\norg_a,auth0|d@acme.com\n"))
		p.doing(tenant, exitRows, "invite", "members.csv", "--application", "app", "--inviter", "Acme", "--max-invitations", "1", "--results", "invited.csv")
		if got := p.read("invited.csv"); strings.Count(got, ",rejected,") != 3 || strings.Count(got, ",invited,") != 1 {
			t.Errorf("%s", got)
		}
	})
}
