package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"orgimport/importer"
	"orgimport/report"
)

// guardRows is how many answered rows may all fail before the run is taken to
// be aimed at the wrong thing: the wrong tenant, the wrong columns.
const guardRows = 100

// maxErrors is the value of --max-errors: a number of failed rows, or a share
// of those that were answered. The zero value sets no limit.
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
		return fmt.Errorf("%q is neither a number of rows from 1 on nor a percentage", text)
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

// guard watches the outcomes and says when to stop.
type guard struct {
	max      maxErrors
	off      bool // whatever the first rows come to
	anyDone  bool // an earlier run got rows in, so it is aimed right
	answered int  // rows that a request was made for
	failed   int  // those of them that failed
	unsent   int  // rows that failed without a request, told from another's answer
	first    []importer.Row
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
			return g.stop(fmt.Errorf("the first %d rows that were answered all failed (--no-guard goes on all the same)", guardRows))
		}
	}
	return g.check(guardRows) // a share says nothing of a handful of rows
}

// check returns an error if more rows failed than --max-errors allows. A share is
// held against that many rows or more.
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
	hint := "look at the failed lines in the results: is it the right tenant (--domain), are these its organizations and users?"
	if looksSwapped(g.first) {
		hint = "the columns look swapped (there is a | in the organizations): name them with --org-column and --user-column"
	}
	return &exitError{exitErrors, why, hint}
}

// isUnresolved reports whether a row names nobody, or nobody for certain.
func isUnresolved(r importer.Row) bool {
	_, ok := errors.AsType[*importer.Unresolved](r.Err)
	return ok
}

// looksSwapped reports whether most of the rows have a user's id where the
// organization's should be: a "|" is what user ids have and organizations'
// never.
func looksSwapped(rows []importer.Row) bool {
	n := 0
	for _, r := range rows {
		if strings.Contains(r.OrgID, "|") && !strings.Contains(r.UserID, "|") {
			n++
		}
	}
	return n > len(rows)/2
}
