package job

import (
	"errors"
	"fmt"
	"testing"

	"orgimport/importer"
)

// TestGuardRecognisesSwappedColumns with names of organizations, by refusals and
// the form of the users only.
func TestGuardRecognisesSwappedColumns(t *testing.T) {
	var g guard
	for i := range guardRows {
		err := g.add([]importer.Outcome{{
			Row:     importer.Row{OrgID: fmt.Sprintf("auth0|%d", i), UserID: "acme"},
			Status:  importer.Failed,
			Receipt: importer.Receipt{HTTPStatus: 400, Attempts: 1},
		}})
		if (err != nil) != (i == guardRows-1) {
			t.Fatalf("after %d rows: %v", i+1, err)
		}
		if why, _ := errors.AsType[*Error](err); err != nil && (why.Reason != AllFailed || !why.Swapped) {
			t.Errorf("the run stops with %+v", why)
		}
	}
}

// TestShareCountsFromTheHundredthRowOn, because a percentage of a few rows means
// little. At the end it counts however few rows there are.
func TestShareCountsFromTheHundredthRowOn(t *testing.T) {
	var most Share
	if err := most.UnmarshalText([]byte("5%")); err != nil {
		t.Fatal(err)
	}
	g := guard{most: most}
	answer := func(status importer.Status) error {
		return g.add([]importer.Outcome{{Status: status, Receipt: importer.Receipt{Attempts: 1}}})
	}
	for i := range 99 {
		status := importer.Added
		if i < 10 {
			status = importer.Failed
		}
		if err := answer(status); err != nil {
			t.Fatalf("row %d: %v", i+1, err)
		}
	}
	if why, _ := errors.AsType[*Error](g.check(1)); why == nil || why.Reason != TooManyFailed || why.Error() != "10 of 99 rows failed" {
		t.Errorf("at the end of 99 rows: %v", why)
	}
	if why, _ := errors.AsType[*Error](answer(importer.Added)); why == nil || why.Reason != TooManyFailed || why.Most != "5%" {
		t.Errorf("at the hundredth row: %v", why)
	}
}

func TestShareReads(t *testing.T) {
	for text, want := range map[string]string{"25": "25", "2.5%": "2.5%", " 3 % ": "", "0": "0", "-1": "", "101%": "", "x": "", "100%": "100%"} {
		var s Share
		err := s.UnmarshalText([]byte(text))
		if want == "" != (err != nil) || err == nil && s.String() != want {
			t.Errorf("%q is read as %s: %v", text, s, err)
		}
	}
}
