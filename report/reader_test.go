package report_test

import (
	"errors"
	"io"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

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

// A line that never ends, as a disk may leave it, costs itself only.
func TestReaderGivesUpALongLine(t *testing.T) {
	file := results(t, nil, outcome(2, "org_a", "auth0|1", importer.Added), outcome(3, "org_a", "auth0|2", importer.Added))
	at := strings.LastIndex(file, "3,org_a")
	r, err := report.NewReader(io.MultiReader(strings.NewReader(file[:at]+"3,org_a,auth0|2,failed,,,"),
		strings.NewReader(strings.Repeat("x", 17<<20)), strings.NewReader(",0,,\n"+file[at:])))
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for _, err := range r.Outcomes() {
		if lines++; err != nil {
			t.Fatal(err)
		}
	}
	if lines != 2 || r.Damaged != 1 {
		t.Errorf("%d lines, %d damaged", lines, r.Damaged)
	}
}

// Every field of an outcome is written and read back, unless it is named here. A
// new field fails the test until it is one or the other.
func TestEveryFieldIsWrittenAndReadBack(t *testing.T) {
	left := map[string]bool{
		"Keys":      true, // the ids found by them are written
		"Err":       true, // the status and the message are written
		"Transient": true, // the run says so at its end
		"Unended":   true, // of the input
		"FoundOrg":  true, // it is the OrgID of the row by then
	}
	var o importer.Outcome
	fill(t, left, reflect.ValueOf(&o).Elem())
	o.Status = importer.Failed
	var file strings.Builder
	w := report.NewWriter(&file, []string{"arg"}, []string{"kept"})
	if err := errors.Join(w.WriteHeader(), w.Write([]importer.Outcome{o})); err != nil {
		t.Fatal(err)
	}
	r, err := report.NewReader(strings.NewReader(file.String()))
	if err != nil {
		t.Fatal(err)
	}
	o.Row.Args, o.Row.Kept = nil, append(o.Row.Args, o.Row.Kept...) // the reader knows no operation
	for got, err := range r.Outcomes() {
		if err != nil || !reflect.DeepEqual(got, o) {
			t.Errorf("got  %+v, %v\nwant %+v", got, err, o)
		}
	}
}

// fill gives every field of a struct a value of its own, unless it is left out.
func fill(t *testing.T, left map[string]bool, v reflect.Value) {
	t.Helper()
	for i := range v.NumField() {
		name, f := v.Type().Field(i).Name, v.Field(i)
		switch {
		case left[name]:
		case f.Type() == reflect.TypeFor[time.Time]():
			f.Set(reflect.ValueOf(noon))
		case f.Kind() == reflect.Struct:
			fill(t, left, f)
		case f.Kind() == reflect.String:
			f.SetString("the " + name)
		case f.Kind() == reflect.Int:
			f.SetInt(int64(100 + i))
		case f.Type() == reflect.TypeFor[[]string]():
			f.Set(reflect.ValueOf([]string{"the " + name}))
		default:
			t.Fatalf("%s has a type that this test does not fill", name)
		}
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
			t.Errorf("continues at line %d, want 3", o.Row.Line)
		}
	}
}

func TestReaderEndsAtALineOfAnotherTenant(t *testing.T) {
	const other = "other.eu.auth0.com"
	foreign := outcome(3, "org_a", "auth0|2", importer.Failed)
	foreign.CorrelationID = report.RunID("oi", other, "") + "-1"
	file := results(t, nil, outcome(2, "org_a", "auth0|1", importer.Added), foreign, outcome(4, "org_a", "auth0|3", importer.Added))
	for name, want := range map[string]int{"": 3, tenant: 1, other: 0} {
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
		bad := new(report.WrongFileError)
		if n != want || errors.As(err, &bad) != (name != "") || name != "" && bad.Line != want+2 {
			t.Errorf("%q: %d lines, then %v", name, n, err)
		}
	}
}

// A status that no run writes says nothing about its row, and guesses would take
// people out of organizations.
func TestReaderNamesAStatusThatNoRunWrites(t *testing.T) {
	file := results(t, nil, outcome(2, "org_a", "auth0|1", importer.Added), outcome(3, "org_a", "auth0|2", importer.Added))
	for said, want := range map[string]string{"perhaps": "perhaps", " Ok": " Ok", "ADDED": "", "  added ": "", "": ""} {
		r, err := report.NewReader(strings.NewReader(strings.Replace(file, "auth0|2,added", "auth0|2,"+said, 1)))
		if err != nil {
			t.Fatal(err)
		}
		for _, err = range r.Outcomes() { //nolint:revive // the last error counts
		}
		bad := new(report.WrongFileError)
		if errors.As(err, &bad) != (want != "") || want != "" && (bad.Line != 3 || !strings.Contains(err.Error(), strconv.Quote(want))) {
			t.Errorf("%q: got %v", said, err)
		}
	}
}
