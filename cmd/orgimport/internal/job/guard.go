package job

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

// Share is a number, or a percentage of something. The zero value is the number 0.
type Share struct {
	n       int
	percent float64
}

// UnmarshalText reads "25" or "2.5%".
func (s *Share) UnmarshalText(text []byte) error {
	number, isPercent := strings.CutSuffix(strings.TrimSpace(string(text)), "%")
	if isPercent {
		percent, err := strconv.ParseFloat(number, 64)
		if err != nil || !(percent >= 0 && percent <= 100) {
			return fmt.Errorf("%q is not a percentage between 0 and 100", text)
		}
		*s = Share{percent: percent}
		return nil
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 {
		return fmt.Errorf("%q is neither a number, 0 or more, nor a percentage", text)
	}
	*s = Share{n: n}
	return nil
}

// Of returns how many of all the share is: a percentage may have a fraction.
func (s Share) Of(all int) float64 { return float64(s.n) + s.percent*float64(all)/100 }

func (s Share) String() string {
	if s.percent > 0 {
		return strconv.FormatFloat(s.percent, 'g', -1, 64) + "%"
	}
	return strconv.Itoa(s.n)
}

// guard counts outcomes, and decides when too many rows have failed.
type guard struct {
	most     Share          // 0: any number
	off      bool           // guardRows does not apply
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
			return g.stop(AllFailed, "the first %d rows that were answered all failed", guardRows)
		}
	}
	return g.check(guardRows) // a percentage of a handful of rows means little
}

// check returns an error if as many rows have failed as the share says. A
// percentage applies only from least rows on.
func (g *guard) check(least int) error {
	all := g.failed + g.unsent
	if g.most.n > 0 && all >= g.most.n {
		return g.stop(TooManyFailed, "%s failed", report.Plural(all, "row"))
	}
	seen := g.answered + g.unsent
	if g.most.percent > 0 && seen >= least && float64(all) >= g.most.Of(seen) {
		return g.stop(TooManyFailed, "%s of %s failed", report.Number(all), report.Plural(seen, "row"))
	}
	return nil
}

func (g *guard) stop(reason Reason, format string, args ...any) error {
	return &Error{Reason: reason, Most: g.most.String(), Swapped: looksSwapped(g.first), Err: fmt.Errorf(format, args...)}
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
