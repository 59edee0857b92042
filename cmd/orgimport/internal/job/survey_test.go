package job

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"sync"
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
	plan, err := surveyOf(importer.Distinct(rowsOf(rows...), importer.PairKey), 10, func(r importer.Row) error {
		called = append(called, r)
		return nil
	})
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
	plan, err := surveyOf(rowsOf(), 10, nil)
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
	broken := func(yield func(importer.Row, error) bool) { yield(importer.Row{}, errBad) }
	if _, err := surveyOf(broken, 10, nil); !errors.Is(err, errBad) {
		t.Errorf("got %v, want %v", err, errBad)
	}
}

var errBad = errors.New("bad")

func rowsOf(rows ...importer.Row) rowSeq {
	return func(yield func(importer.Row, error) bool) {
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
	}
}

// TestStoppedRunAddsUpWhileItsInputIsStillRead: a stopped run does not wait for its
// reader, but uses what it has counted.
func TestStoppedRunAddsUpWhileItsInputIsStillRead(t *testing.T) {
	s := newSaved()
	row := importer.Row{OrgID: "org_a", UserID: "auth0|1", Err: &importer.Decided{Status: importer.AlreadyMember}}
	rows := func(yield func(importer.Row, error) bool) {
		for i := range 1000 {
			row.OrgID = fmt.Sprint("org_", i)
			if !yield(row, nil) {
				return
			}
		}
	}
	var reader sync.WaitGroup
	reader.Go(func() {
		for range s.count(rows) {
			continue
		}
	})
	for s.requests(10) < 1000 {
		runtime.Gosched()
	}
	reader.Wait()
}
