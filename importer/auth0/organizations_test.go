package auth0_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/auth0/auth0test"
)

func named(name string) importer.Row { return importer.Row{Line: 2, Args: []string{name}} }

func TestOrganizationsAreMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := newTenant(auth0test.Config{
			Organizations: []auth0test.Organization{{ID: "org_0000000000000001", Name: "acme"}},
			Connections:   []auth0test.Connection{{ID: "con_0000000000000001", Name: "db"}},
			Fault: func(r *http.Request, n int) auth0test.Fault {
				if r.Method == http.MethodPost && n == 1 { // made, and the answer is lost
					return auth0test.Fault{Cut: auth0test.Close, Applied: true}
				}
				return auth0test.Fault{}
			},
		})
		c := newClient(t, tenant)
		cr := &auth0.Creator{
			Client: c, Lists: c, Connections: []string{"con_0000000000000001"}, AutoMembership: true,
			Details: func(importer.Row) (string, map[string]string) { return "Beta Ltd", map[string]string{"key": "7"} },
		}
		if err := cr.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
		rows := []importer.Row{named("Acme"), named("beta"), named("gamma"), {Line: 5, OrgID: "org_0000000000000001", Args: []string{""}}, {Line: 6, OrgID: "org_0000000000000002", Args: []string{""}}}
		for i := range rows {
			cr.Check(&rows[i])
		}
		outcomes := assign(t, cr.Op(), 1, rows...)
		if got, want := statuses(outcomes), []string{"already_exists", "created", "created", "already_exists", "rejected organization_not_found"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		made := tenant.Organizations()
		if len(made) != 3 || made[1].Name != "beta" || made[1].DisplayName != "Beta Ltd" || made[1].Metadata["key"] != "7" || len(made[1].Connections) != 1 {
			t.Errorf("%+v", made)
		}
		if by := outcomes[3].Row; by.OrgID != made[0].ID || by.Args[0] != "acme" || outcomes[4].Code != importer.CodeOrgNotFound {
			t.Errorf("%+v, %+v", outcomes[3], outcomes[4])
		}
		for i, o := range outcomes[:3] {
			if o.Row.OrgID != made[i].ID {
				t.Errorf("line of %s has the id %q, want %q", made[i].Name, o.Row.OrgID, made[i].ID)
			}
		}
		if n := asked(tenant, "organizations"); n != 5 { // the list, three to make two, and the lost one by name
			t.Errorf("%d requests", n)
		}
	})
}

// TestANameThatIsTaken: the name was free when the list was read.
func TestANameThatIsTaken(t *testing.T) {
	tenant := newTenant(auth0test.Config{Organizations: []auth0test.Organization{{ID: "org_0000000000000001", Name: "acme"}}})
	c := newClient(t, tenant)
	got := assign(t, (&auth0.Creator{Client: c, Lists: c}).Op(), 1, named("acme"))
	if got[0].Status != importer.AlreadyExists || got[0].Row.OrgID != "org_0000000000000001" {
		t.Errorf("%+v", got[0])
	}
}

// TestANameThatIsTakenBySomebody: if the organization can't be looked up, the row
// is not refused.
func TestANameThatIsTakenBySomebody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, newTenant(auth0test.Config{
			Organizations: []auth0test.Organization{{ID: "org_0000000000000001", Name: "acme"}},
			Incidents:     []auth0test.Incident{{Class: auth0test.OrganizationNames, Fault: auth0test.Fault{Status: 503}}},
		}))
		got := assign(t, (&auth0.Creator{Client: c, Lists: c}).Op(), 1, named("acme"))
		if got[0].Status != importer.Failed || !got[0].Transient {
			t.Errorf("%+v", got[0])
		}
	})
}

func TestNamesOfOrganizations(t *testing.T) {
	for name, could := range map[string]string{
		"acme": "", "a": "", "acme-2_b": "", strings.Repeat("a", 50): "",
		"Acme Corp": "acme-corp", "acme-": "acme", "org_acme": "acme", strings.Repeat("a", 51): strings.Repeat("a", 50), "-": "none", "": "none",
	} {
		row := named(name)
		(&auth0.Creator{}).Check(&row)
		e, rejected := errors.AsType[*importer.Rejection](row.Err)
		switch {
		case rejected != (could != ""):
			t.Errorf("%q: %v", name, row.Err)
		case rejected && could != "none" && !strings.HasSuffix(e.Message, ": it could be "+could):
			t.Errorf("%q: %s", name, e.Message)
		}
	}
}
