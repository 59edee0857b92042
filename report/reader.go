package report

import (
	"errors"
	"io"
	"iter"
	"slices"
	"strconv"
	"time"

	"orgimport/importer"
)

// Reader reads a results file back. It is as tolerant as [Resume]: a line that
// is not whole costs itself only.
type Reader struct {
	Kept []string // names of the kept columns

	// Tenant, if set, is the only one whose results are read: a line that was
	// written against another ends the range with an *[OtherTenantError].
	Tenant string

	// What the file holds beside whole lines, known when it has been read.
	Damaged int
	Torn    bool

	scanner *scanner // nil if the file has no lines
}

// NewReader reads the header of r. It returns a *[HeaderError] if r is not a
// results file. A file without a whole header has no lines.
func NewReader(r io.Reader) (*Reader, error) {
	s, err := newScanner(r)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return &Reader{}, nil
	}
	return &Reader{Kept: s.kept, scanner: s}, nil
}

// Outcomes returns the outcome of each whole line, in the order of the file. An
// error ends it: the file can't be read any further.
func (r *Reader) Outcomes() iter.Seq2[importer.Outcome, error] {
	return func(yield func(importer.Outcome, error) bool) {
		ours := fingerprint(r.Tenant)
		for r.scanner != nil {
			l, err := r.scanner.next()
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				yield(importer.Outcome{}, err)
				return
			case l.state == lineTorn:
				r.Torn = true
			case l.state == lineDamaged:
				r.Damaged++
			default:
				if err := l.check(ours); err != nil {
					yield(importer.Outcome{}, err)
					return
				}
				if !yield(outcomeOf(l.fields), nil) {
					return
				}
			}
		}
	}
}

// outcomeOf is what Writer.fields was made of. The fields are plausible; a
// number that is none counts as 0.
func outcomeOf(fields []string) importer.Outcome {
	number := func(column int) int {
		n, _ := strconv.Atoi(fields[column])
		return n
	}
	o := importer.Outcome{Status: importer.Status(fields[columnStatus])}
	o.Row.Line = number(columnLine)
	o.Row.OrgID, o.Row.UserID = fields[columnOrg], fields[columnUser]
	if len(fields) > columnKept {
		o.Row.Kept = slices.Clone(fields[columnKept:])
	}
	o.HTTPStatus, o.Attempts = number(columnHTTPStatus), number(columnAttempts)
	o.Code, o.Message = fields[columnCode], fields[columnMessage]
	o.CorrelationID = fields[columnCorrelation]
	o.Time, _ = time.Parse(time.RFC3339, fields[columnTime])
	return o
}
