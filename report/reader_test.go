package report_test

import (
	"errors"
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

func TestReaderEndsAtALineOfAnotherTenant(t *testing.T) {
	foreign := outcome(3, "org_a", "auth0|2", importer.Failed)
	foreign.CorrelationID = report.RunID("oi", "other.eu.auth0.com", "") + "-1"
	file := results(t, nil, outcome(2, "org_a", "auth0|1", importer.Added), foreign, outcome(4, "org_a", "auth0|3", importer.Added))
	for name, want := range map[string]int{"": 3, tenant: 1, "other.eu.auth0.com": 3} {
		r, err := report.NewReader(strings.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		r.Tenant = name
		n := 0
		for _, err = range r.Outcomes() {
			if err == nil {
				n++
			}
		}
		other := new(report.OtherTenantError)
		if n != want || errors.As(err, &other) != (want == 1) || want == 1 && other.Line != 3 {
			t.Errorf("%q: %d lines, then %v", name, n, err)
		}
	}
}
