package csvfile_test

import (
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
