package report

import (
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

	// Args is how many of the columns behind the ten are those of Row.Args.
	// Kept are all of them.
	Args int

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
		if r.scanner == nil {
			return
		}
		ours := fingerprint(r.Tenant)
		for l, err := range r.scanner.lines() {
			var o importer.Outcome
			switch {
			case err != nil:
			case l.state == lineTorn:
				r.Torn = true
				continue
			case l.state == lineDamaged:
				r.Damaged++
				continue
			default:
				if err = l.check(ours); err == nil {
					o = outcomeOf(l, r.Args)
				}
			}
			if !yield(o, err) || err != nil {
				return
			}
		}
	}
}

// outcomeOf is what Writer.fields was made of. The fields are plausible; a
// number that is none counts as 0.
func outcomeOf(l line, args int) importer.Outcome {
	number := func(column int) int {
		n, _ := strconv.Atoi(l.fields[column])
		return n
	}
	o := importer.Outcome{Row: l.row(args), Status: l.status()}
	o.Row.Args, o.Row.Kept = clone(o.Row.Args), clone(o.Row.Kept)
	o.HTTPStatus, o.Attempts = number(columnHTTPStatus), number(columnAttempts)
	o.Code, o.Message = l.fields[columnCode], l.fields[columnMessage]
	o.CorrelationID = l.fields[columnCorrelation]
	o.Time, _ = time.Parse(time.RFC3339, l.fields[columnTime])
	return o
}

func clone(values []string) []string {
	if len(values) == 0 {
		return nil
	}
	return slices.Clone(values)
}
