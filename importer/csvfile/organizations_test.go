package csvfile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"orgimport/importer/csvfile"
)

func TestOrganizations(t *testing.T) {
	for _, text := range []string{
		"org_id\norg_a\nacme\n",
		"\uFEFFname;Org ID\nx;org_a\ny;acme\n\n",
		"org_a\n\nacme",
		"id,name\norg_a,Acme\nacme,\n",
		"org_id,user_id\norg_a,auth0|1\nacme,auth0|2\n",
	} {
		got, err := csvfile.Organizations(strings.NewReader(text))
		if err != nil || !slices.Equal(got, []string{"org_a", "acme"}) {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	if _, err := csvfile.Organizations(strings.NewReader("PK\x03\x04xl/")); err == nil {
		t.Error("a workbook is read")
	}
	_, err := csvfile.Organizations(strings.NewReader(gzipped("org_id\n" + strings.Repeat("org_a\n", 1000))[:30]))
	want := "error: line 1: the gzip data ends too early: unexpected EOF; hint: the file is cut off: get the file again"
	if got := failure(err); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestNamesOfOrganizations(t *testing.T) {
	const header = "line,org_id,user_id,status,http_status,error_code,message,attempts,correlation_id,timestamp"
	for _, test := range []struct{ text, want string }{
		{"name,display_name,Metadata.tier\nacme,Acme Inc,gold\nbeta\n", "acme Acme Inc map[tier:gold]|beta  map[]"},
		{"name,email,organization\nAnn,ann@acme.com,acme\nBob,bob@acme.com,\n", "acme  map[]|error: the organization is empty"},
		{"org_id,name\norg_a,Acme\n,beta\n", "org_a  map[]|beta  map[]"},
		{"org,name\nacme,Acme\n,Beta\n", "acme  map[]|error: the organization is empty"},
		{"organization\nacme\norganization\nbeta\n", "acme  map[]|beta  map[]"},
		{"name,email\nAnn,ann@acme.com\n", `error: line 1: no column for the organization: the header has "name", "email"; hint: name it with --org-column`},
		{"firm\nacme\n", `error: line 1: no column for the organization: the header has "firm"; hint: name it with --org-column`},
		{"name,display_name,Display Name\nacme,a,b\n", `error: line 1: more than one column could be the organization's display_name: "display_name", "Display Name"; hint: rename all but one of them in the file`},
		// What failed is an input again: in a file of an import, name is a user's.
		{header + ",name,display_name\n2,,,failed,500,,,1,oo-1,,acme,Acme Inc\n", "acme Acme Inc map[]"},
		{header + ",organization,name\n2,,auth0|1,rejected,,organization_not_found,,0,,,acme,Ann\n", "acme  map[]"},
		{header + ",email,name\n2,,,rejected,,,,0,,,ann@acme.com,Ann\n", "error: the organization is empty"},
	} {
		table, err := csvfile.Open(strings.NewReader(test.text), csvfile.Dialect{OrgNames: true, Earlier: func(csvfile.Result) error { return nil }})
		var got []string
		if err != nil {
			got = []string{failure(err)}
		} else {
			for row, err := range table.Rows() {
				name, metadata := table.OrgDetails(row)
				switch {
				case err != nil:
					got = append(got, failure(err))
				case row.Err != nil:
					got = append(got, "error: "+row.Err.Error())
				default:
					got = append(got, fmt.Sprint(row.OrgID+row.Args[0], " ", name, " ", metadata))
				}
			}
		}
		if got := strings.Join(got, "|"); got != test.want {
			t.Errorf("%q:\n%s, want\n%s", test.text, got, test.want)
		}
	}
}
