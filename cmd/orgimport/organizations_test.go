package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"orgimport/importer"
	"orgimport/importer/auth0/auth0test"
)

// TestOrganizationsAndThenTheirMembers creates the organizations of a file of
// members, and then imports the file. Both programs are killed at random moments,
// and answers are lost before and after the work is done. PROOF=full kills each 50
// times.
func TestOrganizationsAndThenTheirMembers(t *testing.T) {
	t.Parallel()
	orgs, kills := 60, 3
	if proofInFull() {
		orgs, kills = 1000, 50
	}
	fault := func(f auth0test.Fault) auth0test.Incident {
		return auth0test.Incident{Share: 0.04, Class: auth0test.WriteOrganizations, Fault: f}
	}
	tenant := newServedTenant(t, auth0test.Config{
		Latency:       auth0test.Uniform(5*time.Millisecond, 60*time.Millisecond),
		Organizations: []auth0test.Organization{{ID: "org_0000000000000001", Name: "firm0"}},
		Limits: auth0test.Limits{Endpoints: map[auth0test.Class][]auth0test.Limit{
			auth0test.WriteOrganizations: {{Size: 60, Per: 60, Interval: time.Second}},
		}},
		Incidents: []auth0test.Incident{
			fault(auth0test.Fault{Cut: auth0test.Reset, Applied: true}),
			fault(auth0test.Fault{Status: http.StatusServiceUnavailable, Applied: true}),
			fault(auth0test.Fault{Cut: auth0test.Reset}),
		},
	})
	var in strings.Builder
	in.WriteString("user_id,organization\n")
	for user := range 3 {
		for org := range orgs {
			fmt.Fprintf(&in, "auth0|%d-%d,Firm%d\n", user, org, org)
		}
	}
	file := strings.Replace(in.String(), "Firm", "firm", orgs) // the first row with a name counts
	p := newProgram(t, tenant, []byte(file))
	rng := rand.New(rand.NewPCG(21, 3))
	args := []string{"organizations", "members.csv", "--max-organizations", fmt.Sprint(orgs), "--results", "organizations.csv", "--resume"}
	if code := p.untilDone(rng, kills, time.Second, args...); code != exitDone {
		t.Fatalf("exit code %d", code)
	}
	ids := make(map[string]string)
	for _, o := range tenant.Organizations() {
		if ids[o.Name] != "" {
			t.Errorf("%s is there twice", o.Name)
		}
		ids[o.Name] = o.ID
	}
	lines := make(map[int]importer.Status)
	for _, o := range p.outcomes("organizations.csv", 1) {
		name, org := strings.ToLower(o.Row.Args[0]), (o.Row.Line-2)%orgs
		want := []importer.Status{importer.Created, importer.AlreadyExists}
		if o.Row.Line-2 >= orgs {
			want = []importer.Status{importer.Duplicate}
		}
		if lines[o.Row.Line] != "" || !slices.Contains(want, o.Status) || name != fmt.Sprint("firm", org) || o.Status != importer.Duplicate && o.Row.OrgID != ids[name] {
			t.Errorf("%+v, and its organization is %s", o, ids[name])
		}
		lines[o.Row.Line] = o.Status
	}
	if len(ids) != orgs || len(lines) != 3*orgs {
		t.Errorf("%d organizations and %d lines, want %d and %d", len(ids), len(lines), orgs, 3*orgs)
	}
	if code := p.untilDone(rng, kills, time.Second, "import", "members.csv", "--results", "results.csv", "--resume"); code != exitDone {
		t.Fatalf("exit code %d", code)
	}
	for org := range orgs {
		want := []string{fmt.Sprintf("auth0|0-%d", org), fmt.Sprintf("auth0|1-%d", org), fmt.Sprintf("auth0|2-%d", org)}
		if got := tenant.Members(ids[fmt.Sprint("firm", org)]); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
			t.Errorf("firm%d has %q", org, got)
		}
	}
	t.Logf("requests by status: %v", tenant.Stats().Requests[auth0test.WriteOrganizations])
}
