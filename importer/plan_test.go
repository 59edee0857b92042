package importer_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"orgimport/importer"
)

func TestSurveyCountsWhatAnImportWouldDo(t *testing.T) {
	var rows []importer.Row
	add := func(org, user string, err error) {
		rows = append(rows, importer.Row{OrgID: org, UserID: user, Line: len(rows) + 2, Err: err})
	}
	for i := range 21 {
		add("org_big", fmt.Sprint("u", i), nil)
	}
	for i := range 12 {
		add(fmt.Sprintf("org_%02d", i), "u", nil)
	}
	add("org_big", "u0", nil) // again
	add("org_in", "u", &importer.Decided{Status: importer.AlreadyMember, Message: "m"})
	for range 11 {
		add("", "u", errBad)
	}

	var called []importer.Row
	plan, err := importer.Survey(importer.Distinct(rowsOf(rows...), importer.PairKey), 10, func(r importer.Row) { called = append(called, r) })
	if err != nil {
		t.Fatal(err)
	}
	if len(called) != 11 || !reflect.DeepEqual(called[:10], plan.Rejects) {
		t.Errorf("called with %v, kept %v", called, plan.Rejects)
	}
	got, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"rows":46,"sendable":33,"rejected":11,"duplicates":1,"settled":1,"organizations":13,"batches":15,` +
		`"largest":[{"org_id":"org_big","rows":21},{"org_id":"org_00","rows":1},{"org_id":"org_01","rows":1},` +
		`{"org_id":"org_02","rows":1},{"org_id":"org_03","rows":1},{"org_id":"org_04","rows":1},{"org_id":"org_05","rows":1},` +
		`{"org_id":"org_06","rows":1},{"org_id":"org_07","rows":1},{"org_id":"org_08","rows":1}]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSurveyOfNothing(t *testing.T) {
	plan, err := importer.Survey(rowsOf(), 10, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"rows":0,"sendable":0,"rejected":0,"duplicates":0,"settled":0,"organizations":0,"batches":0,"largest":[]}`
	if string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSurveyReturnsTheErrorOfTheRange(t *testing.T) {
	if _, err := importer.Survey(broken(errBad), 10, nil); !errors.Is(err, errBad) {
		t.Errorf("got %v, want %v", err, errBad)
	}
}
