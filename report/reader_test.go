package report_test

import (
	"reflect"
	"strings"
	"testing"

	"orgimport/importer"
	"orgimport/report"
)

func TestReaderReturnsWhatWasWritten(t *testing.T) {
	want := []importer.Outcome{
		outcome(2, "org_a", `auth0|"1", x`, importer.Added),
		outcome(3, "org_a", "auth0|2", importer.Failed),
		outcome(4, "", "", importer.Rejected),
	}
	for i := range want {
		want[i].Row.Kept = []string{"a", ""}
	}
	r, err := report.NewReader(strings.NewReader(results(t, []string{"x", "y"}, want...) + "damaged\n2,org"))
	if err != nil {
		t.Fatal(err)
	}
	var got []importer.Outcome
	for o, err := range r.Outcomes() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, o)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if r.Damaged != 1 || !r.Torn || !reflect.DeepEqual(r.Kept, []string{"x", "y"}) {
		t.Errorf("damaged %d, torn %v, kept %q", r.Damaged, r.Torn, r.Kept)
	}
}

func TestReaderStopsWhereItsRangeDoes(t *testing.T) {
	file := results(t, nil, outcome(2, "org_a", "auth0|1", importer.Added), outcome(3, "org_a", "auth0|2", importer.Added))
	r, err := report.NewReader(strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	for range r.Outcomes() {
		break
	}
	for o := range r.Outcomes() {
		if o.Row.Line != 3 {
			t.Errorf("goes on with line %d, want 3", o.Row.Line)
		}
	}
}
