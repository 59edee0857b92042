package report

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"orgimport/importer"
)

// Journal is what an earlier run finished: the pairs that are in.
//
// It is not safe for concurrent use.
type Journal struct {
	// Kept are the kept columns of the file; Header says whether it had a
	// whole header at all. Without one, nothing was written to w and the run
	// starts anew.
	Kept   []string
	Header bool

	Dropped int  // whole lines that the next run tells anew, and repeated ones
	Damaged int  // lines that were no lines of a results file
	Torn    bool // the last line had no end

	added, members importer.Set
	kept           counts // lines by status
	found          counts // of them asked for
}

// OtherTenantError says that a results file was written against another tenant.
type OtherTenantError struct {
	Line          int // of the results file
	CorrelationID string
}

func (e *OtherTenantError) Error() string {
	return fmt.Sprintf("line %d was written by a run against another tenant (correlation id %s): "+
		"go on with its tenant, or name another results file", e.Line, e.CorrelationID)
}

// check returns an *[OtherTenantError] unless a whole line was written against
// the tenant with that fingerprint, or says nothing of it. An empty one is any
// tenant's.
func (l *line) check(ours string) error {
	correlationID := l.fields[columnCorrelation]
	if theirs, ok := fingerprintOf(correlationID); ok && ours != "" && theirs != ours {
		return &OtherTenantError{Line: l.number, CorrelationID: strings.Clone(correlationID)}
	}
	return nil
}

// Resume reads the results file that an earlier run left in r and writes to w
// what of it stays: the header and the lines of rows that are in, byte for
// byte. Lines of failed, rejected and duplicate rows are dropped, for the next
// run tells them anew, and so are lines that are not whole; their rows are
// attempted again, which does no harm. Of several lines for one pair the first
// stays.
//
// It returns a *[HeaderError] if r is not a results file and an
// *[OtherTenantError] if it is one of another tenant; an empty tenant is any.
// After any error, what is in w is of no use.
//
// Memory is some 50 bytes for each row that is in.
func Resume(r io.Reader, w io.Writer, tenant string) (*Journal, error) {
	j := &Journal{}
	s, err := newScanner(r)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return j, nil
	}
	j.Header, j.Kept = true, s.kept
	out := bufio.NewWriterSize(w, 64<<10)
	if _, err := out.Write(s.header); err != nil {
		return nil, fmt.Errorf("write results: %w", err)
	}
	ours := fingerprint(tenant)
	for {
		l, err := s.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		stays, err := j.take(l, ours)
		if err != nil {
			return nil, err
		}
		if stays {
			if _, err := out.Write(l.raw); err != nil {
				return nil, fmt.Errorf("write results: %w", err)
			}
		}
	}
	if err := out.Flush(); err != nil {
		return nil, fmt.Errorf("write results: %w", err)
	}
	return j, nil
}

// take notes one line and reports whether it stays.
func (j *Journal) take(l line, ours string) (stays bool, err error) {
	switch l.state {
	case lineTorn:
		j.Torn = true
		return false, nil
	case lineDamaged:
		j.Damaged++
		return false, nil
	}
	if err := l.check(ours); err != nil {
		return false, err
	}
	status := importer.Status(l.fields[columnStatus])
	if !status.Settled() || !j.keep(l.fields[columnOrg], l.fields[columnUser], status, l.number) {
		j.Dropped++
		return false, nil
	}
	j.kept.add(status)
	return true, nil
}

// keep puts a pair into the journal, unless it is there.
func (j *Journal) keep(orgID, userID string, status importer.Status, line int) bool {
	pairs, other := &j.added, &j.members
	if status == importer.AlreadyMember {
		pairs, other = other, pairs
	}
	key := importer.PairKey(importer.Row{OrgID: orgID, UserID: userID})
	if other.Has(key) {
		return false
	}
	_, found := pairs.Add(key, line)
	return !found
}

// In reports whether a pair is in already. It counts its hits, so that Gone can
// tell the lines without a row: it is to be asked once for each distinct pair.
//
// An id with control characters is never found. A results file has pictures of
// them, which could be another id.
func (j *Journal) In(r importer.Row) bool {
	if !isVisible(r.OrgID) || !isVisible(r.UserID) {
		return false
	}
	key := importer.PairKey(r)
	switch {
	case j.added.Has(key):
		j.found.add(importer.Added)
	case j.members.Has(key):
		j.found.add(importer.AlreadyMember)
	default:
		return false
	}
	return true
}

// Lines returns how many lines were kept.
func (j *Journal) Lines() int { return j.kept.sum() }

// Gone returns how many of the kept lines stand for a pair that In was never
// asked for: no row of the input has it any more. It means something only when
// the whole input was read.
func (j *Journal) Gone() int { return j.kept.sum() - j.found.sum() }

// CheckKept returns a *[HeaderError] unless the file has the kept columns that
// the next run is going to write. A file that starts anew has any.
func (j *Journal) CheckKept(kept []string) error {
	if now := visibleAll(kept); j.Header && !slices.Equal(j.Kept, now) {
		return &HeaderError{Found: j.Kept, Why: fmt.Sprintf(
			"the results file carries %s, but this run would carry %s: use the same input columns and flags as before, or name another results file",
			keptColumns(j.Kept), keptColumns(now))}
	}
	return nil
}

func keptColumns(names []string) string {
	if len(names) == 0 {
		return "no other column of the input"
	}
	return fmt.Sprintf("the columns %q", names)
}
