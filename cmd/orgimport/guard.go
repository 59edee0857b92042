package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"orgimport/importer"
	"orgimport/report"
)

// guardRows is the number of answered rows after which a run stops if all of them
// have failed: it probably has the wrong tenant or the wrong columns.
const guardRows = 100

// maxErrors is the value of --max-errors: a number of failed rows, or a percentage
// of the rows so far. The zero value sets no limit.
type maxErrors struct {
	rows    int
	percent float64
}

// UnmarshalText reads "25" or "2.5%".
func (m *maxErrors) UnmarshalText(text []byte) error {
	s, isShare := strings.CutSuffix(strings.TrimSpace(string(text)), "%")
	if isShare {
		share, err := strconv.ParseFloat(s, 64)
		if err != nil || !(share > 0 && share <= 100) {
			return fmt.Errorf("%q is not a percentage between 0 and 100", text)
		}
		*m = maxErrors{percent: share}
		return nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return fmt.Errorf("%q is neither a number of rows, 1 or more, nor a percentage", text)
	}
	*m = maxErrors{rows: n}
	return nil
}

func (m maxErrors) String() string {
	if m.percent > 0 {
		return strconv.FormatFloat(m.percent, 'g', -1, 64) + "%"
	}
	return strconv.Itoa(m.rows)
}

// guard counts outcomes, and decides when too many rows have failed.
type guard struct {
	max      maxErrors
	off      bool           // --no-guard: guardRows does not apply
	anyDone  bool           // rows of an earlier run are done, so guardRows does not apply
	answered int            // rows that a request was sent for
	failed   int            // answered rows that failed
	unsent   int            // rows that failed or were not found, without a request of their own
	first    []importer.Row // the first answered rows, at most guardRows
}

// add counts outcomes and returns the reason to stop, if there is one.
func (g *guard) add(outcomes []importer.Outcome) error {
	for _, o := range outcomes {
		failed := o.Status == importer.Failed
		switch {
		case o.Attempts > 0:
			g.answered++
			if failed {
				g.failed++
			}
			if len(g.first) < guardRows {
				g.first = append(g.first, o.Row)
			}
		case failed, isUnresolved(o.Row):
			g.unsent++
		}
		if !g.off && !g.anyDone && g.answered == guardRows && g.failed == guardRows {
			return g.stop(fmt.Errorf("the first %d rows that were answered all failed (--no-guard continues anyway)", guardRows))
		}
	}
	return g.check(guardRows) // a percentage of a handful of rows means little
}

// check returns an error if as many rows have failed as --max-errors says. A
// percentage applies only from least rows on.
func (g *guard) check(least int) error {
	all := g.failed + g.unsent
	if g.max.rows > 0 && all >= g.max.rows {
		return g.stop(fmt.Errorf("%s failed, and --max-errors is %s", report.Plural(all, "row"), g.max))
	}
	seen := g.answered + g.unsent
	if g.max.percent > 0 && seen >= least && float64(all) >= g.max.percent/100*float64(seen) {
		return g.stop(fmt.Errorf("%s of %s failed, and --max-errors is %s", report.Number(all), report.Plural(seen, "row"), g.max))
	}
	return nil
}

func (g *guard) stop(why error) error {
	hint := "look at the failed lines in the results: is it the right tenant (--domain), and are these its organizations and users?"
	if looksSwapped(g.first) {
		hint = "the columns look swapped (the organizations contain a |): name them with --org-column and --user-column"
	}
	return &exitError{exitErrors, why, hint}
}

// isUnresolved reports whether the user or the organization of a row is unknown or
// ambiguous.
func isUnresolved(r importer.Row) bool {
	e, ok := errors.AsType[*importer.Rejection](r.Err)
	return ok && e.Unresolved()
}

// looksSwapped reports whether most of the rows have a user id as their
// organization. User ids contain a "|", and organization ids never do.
func looksSwapped(rows []importer.Row) bool {
	n := 0
	for _, r := range rows {
		if strings.Contains(r.OrgID, "|") && !strings.Contains(r.UserID, "|") {
			n++
		}
	}
	return n > len(rows)/2
}
