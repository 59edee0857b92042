package auth0test_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"orgimport/importer/auth0/auth0test"
)

const organizations = "/api/v2/organizations"

// makeOrganization makes an organization and returns the status and its id, if any.
func makeOrganization(t *testing.T, tenant *auth0test.Tenant, body string) (status int, id, answer string) {
	t.Helper()
	resp, answer := send(t, tenant, "POST", organizations, body, nil)
	var o struct{ ID string }
	if err := json.Unmarshal([]byte(answer), &o); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, o.ID, answer
}

func TestAnOrganizationIsMadeAndDeleted(t *testing.T) {
	tenant := auth0test.New(auth0test.Config{NoAuth: true, Organizations: []auth0test.Organization{{ID: orgID, Name: "acme"}}})
	status, id, answer := makeOrganization(t, tenant, `{"name":"globex","display_name":"Globex","metadata":{"crm":"7"}}`)
	if want := fmt.Sprintf(`{"display_name":"Globex","id":%q,"metadata":{"crm":"7"},"name":"globex"}`, id); status != 201 || answer != want {
		t.Fatalf("%d %s, want %s", status, answer, want)
	}
	for _, path := range []string{"/" + id, "/name/globex"} {
		if resp, body := send(t, tenant, "GET", organizations+path, "", nil); resp.StatusCode != 200 || body != answer {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	if resp, _ := send(t, tenant, "POST", organizations+"/"+id+"/members", bodyOf("auth0|1"), nil); resp.StatusCode != 204 {
		t.Errorf("a member of it: %d", resp.StatusCode)
	}
	if _, list := send(t, tenant, "GET", organizations, "", nil); !strings.Contains(list, id) {
		t.Error(list)
	}
	for i, want := range []int{204, 404} {
		if resp, body := send(t, tenant, "DELETE", organizations+"/"+id, "", nil); resp.StatusCode != want {
			t.Errorf("deletion %d: %d %s", i+1, resp.StatusCode, body)
		}
	}
	if all := tenant.Organizations(); len(all) != 1 || all[0].ID != orgID || tenant.Members(id) != nil {
		t.Errorf("%v, members %v", all, tenant.Members(id))
	}
	if resp, _ := send(t, tenant, "GET", organizations+"/name/globex", "", nil); resp.StatusCode != 404 {
		t.Errorf("found after its deletion: %d", resp.StatusCode)
	}
	if status, again, _ := makeOrganization(t, tenant, `{"name":"globex"}`); status != 201 || again == id {
		t.Errorf("made again: %d %s", status, again)
	}
}

func TestAnOrganizationThatCantBeMade(t *testing.T) {
	eleven := strings.TrimSuffix(strings.Repeat(`{"connection_id":"con_1234567890abcdef"},`, 11), ",")
	for body, want := range map[string]string{
		`{"name":"acme"}`:     `409 "organization_conflict" An organization with this name already exists.`,
		`{}`:                  `400 "invalid_body" Missing required property: name`,
		`{"name":""}`:         `400 "invalid_body" String is too short (0 chars), minimum 1`,
		`{"name":"Acme"}`:     `400 "invalid_body" Object didn't pass validation for format organization-name: Acme`,
		`{"name":"org_acme"}`: `400 "invalid_body" Object didn't pass validation for format organization-name: org_acme`,
		`{"name":"acme-"}`:    `400 "invalid_body" Object didn't pass validation for format organization-name: acme-`,
		`{"name":"` + strings.Repeat("a", 51) + `"}`:                           `400 "invalid_body" String is too long (51 chars), maximum 50`,
		`{"name":"b","nickname":"c"}`:                                          `400 "invalid_body" Additional properties not allowed: nickname`,
		`{"name":"b","metadata":{"crm":7}}`:                                    `400 "invalid_body" Expected type string but found type integer' on property metadata.crm`,
		`{"name":"b","enabled_connections":[` + eleven + `]}`:                  `400 "invalid_body" Array is too long (11), maximum 10`,
		`{"name":"b","enabled_connections":[{"connection_id":"con_unknown"}]}`: `400 "invalid_body" The specified connection does not exist.`,
	} {
		cfg := aTenant()
		cfg.NoAuth = true
		tenant := auth0test.New(cfg)
		status, _, answer := makeOrganization(t, tenant, body)
		if got := fmt.Sprint(status); !strings.HasPrefix(want, got+" ") || !strings.Contains(answer, strings.Fields(want)[1]) || !strings.Contains(answer, strings.SplitN(want, " ", 3)[2]) {
			t.Errorf("%s: %d %s, want %s", body, status, answer, want)
		}
		if n := len(tenant.Organizations()); n != 1 {
			t.Errorf("%s: %d organizations", body, n)
		}
	}
}

func TestConnectionsAreEnabledForAnOrganization(t *testing.T) {
	staff := auth0test.Connection{ID: "con_1234567890abcdef", Name: "staff"}
	for scope, want := range map[bool]int{false: 201, true: 403} {
		tenant := auth0test.New(auth0test.Config{
			Connections: []auth0test.Connection{staff}, Organizations: []auth0test.Organization{{ID: orgID}},
			Undocumented: auth0test.Undocumented{ConnectionScope: scope},
		})
		token := map[string]string{"Authorization": "Bearer " + tenant.Token("create:organizations")}
		body := `{"name":"globex","enabled_connections":[{"connection_id":"con_1234567890abcdef","assign_membership_on_login":true}]}`
		resp, answer := send(t, tenant, "POST", organizations, body, token)
		if resp.StatusCode != want {
			t.Errorf("%d %s, want %d", resp.StatusCode, answer, want)
		}
		enabled := []auth0test.EnabledConnection{{ID: staff.ID, AutoMembership: true}}
		if all := tenant.Organizations(); want == 201 && !slices.Equal(all[1].Connections, enabled) {
			t.Errorf("%+v", all)
		}
	}
}

// A page may be shorter than requested.
func TestPagesAreAsTheSwitchesSay(t *testing.T) {
	cfg := auth0test.Config{NoAuth: true, Organizations: []auth0test.Organization{{ID: "org_1"}, {ID: "org_2"}, {ID: "org_3"}}}
	cfg.Undocumented.PageSize = 2
	for query, want := range map[string]string{
		"?include_totals=true&per_page=100&page=1": `"start":2,"total":3}`,
		"?include_totals=true&per_page=1":          `"start":0,"total":3}`,
		"?per_page=100":                            `"name":"org-2"}]`,
		"?take=100":                                `"next":`,
	} {
		for i := range cfg.Organizations {
			cfg.Organizations[i].Name = fmt.Sprint("org-", i+1)
		}
		if _, body := send(t, auth0test.New(cfg), "GET", organizations+query, "", nil); !strings.Contains(body, want) {
			t.Errorf("%s: %s, want %s", query, body, want)
		}
	}
}
