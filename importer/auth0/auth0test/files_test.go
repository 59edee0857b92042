package auth0test_test

import (
	"reflect"
	"strings"
	"testing"

	"orgimport/importer/auth0/auth0test"
)

func TestUsersAreReadFromEitherFormat(t *testing.T) {
	want := []auth0test.User{
		{ID: "auth0|1", Email: "Ann@acme.com", Name: "Ann", Connection: "staff", AppMetadata: map[string]any{"nr": "7"}},
		{ID: "waad|2", Email: "bob@acme.com", Unverified: true, Username: "bob", Phone: "+1555", Nickname: "bobby"},
		{ID: "auth0|3"},
	}
	for name, file := range map[string]string{
		"NDJSON": `{"user_id":"auth0|1","email":"Ann@acme.com","name":"Ann","identities":[{"connection":"staff"}],"app_metadata":{"nr":"7"}}
{"user_id":"waad|2","email":"bob@acme.com","email_verified":false,"username":"bob","phone_number":"+1555","nickname":"bobby"}
{"user_id":"auth0|3","email_verified":true}
`,
		"CSV": `user_id,email,email_verified,name,connection,username,phone_number,nickname,app_metadata.nr
auth0|1,Ann@acme.com,,Ann,staff,,,,7
waad|2,bob@acme.com,false,,,bob,+1555,bobby,
auth0|3,,TRUE,,,,,,
`,
	} {
		if got, err := auth0test.ParseUsers(strings.NewReader(file)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, error %v", name, got, err)
		}
	}
}

func TestOrganizationsAreReadFromEitherFormat(t *testing.T) {
	want := []auth0test.Organization{{ID: "org_1", Name: "acme", DisplayName: "Acme", Metadata: map[string]string{"crm": "7"}}, {ID: "org_2"}}
	for name, file := range map[string]string{
		"NDJSON": `{"id":"org_1","name":"acme","display_name":"Acme","metadata":{"crm":"7"}}` + "\n" + `{"id":"org_2"}`,
		"CSV":    "id,name,display_name,metadata.crm\norg_1,acme,Acme,7\norg_2,,,\n",
	} {
		if got, err := auth0test.ParseOrganizations(strings.NewReader(file)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, error %v", name, got, err)
		}
	}
}

func TestAFileThatHoldsSomethingElseIsRefused(t *testing.T) {
	for _, file := range []string{"", "name\nx\n", `{"name":"x"}`, `{"user_id":"auth0|1"}{`, "user_id,email\nauth0|1\n"} {
		if users, err := auth0test.ParseUsers(strings.NewReader(file)); err == nil {
			t.Errorf("%q: %v", file, users)
		}
	}
	if orgs, err := auth0test.ParseOrganizations(strings.NewReader("name\nacme\n")); err == nil {
		t.Error(orgs)
	}
}
