package report_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"orgimport/importer"
	"orgimport/report"
)

// Of the lines of one row, the first that settles it counts, otherwise the last,
// whatever the statuses are.
func TestOneLineOfARowCounts(t *testing.T) {
	unknown := outcome(7, "org_a", "auth0|1", importer.Failed)
	unknown.Code = importer.CodeUnknownOutcome
	sent, unsent := []importer.Outcome{unknown}, []importer.Outcome(nil)
	for _, s := range importer.Statuses() {
		if o := outcome(7, "org_a", "auth0|1", s.Status); s.Unsent {
			unsent = append(unsent, o)
		} else {
			sent = append(sent, o)
		}
	}
	for _, all := range [][]importer.Outcome{sent, unsent} {
		for _, first := range all {
			for _, second := range all {
				for _, third := range all {
					checkCurrent(t, first, second, third)
				}
			}
		}
	}
}

func checkCurrent(t *testing.T, lines ...importer.Outcome) {
	t.Helper()
	c := report.NewCurrent(importer.PairKey)
	for i := range lines {
		c.Add(i+2, &lines[i])
	}
	want := slices.IndexFunc(lines, func(o importer.Outcome) bool {
		return o.Status.Settled() || o.Code == importer.CodeUnknownOutcome
	})
	if want < 0 {
		want = len(lines) - 1
	}
	for i := range lines {
		if c.Replaced(i+2) != (i != want) {
			t.Errorf("of %s, %s, %s, line %d is replaced: %v", lines[0].Status, lines[1].Status, lines[2].Status, i, i == want)
		}
	}
}

func TestTheREADMEHasEveryStatus(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range importer.Statuses() {
		if !strings.Contains(string(readme), "`"+string(s.Status)+"`") {
			t.Errorf("it lacks %s", s.Status)
		}
	}
}
