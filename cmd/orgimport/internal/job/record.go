package job

import (
	"cmp"
	"context"
	"sync"
	"sync/atomic"

	"orgimport/importer"
	"orgimport/report"
)

// recorder writes outcomes, and counts them.
type recorder struct {
	Summary  report.Summary
	results  *results
	inFlight func() int              // requests whose answers there must be room for
	stop     context.CancelCauseFunc // ends the run; set by Run

	writing    sync.Mutex         // guards the writing of results
	held       []importer.Outcome // rows without a request, held until the first answer
	guard      guard
	broken     error // why a row could not be written; no later row counts
	unanswered int   // rows that failed because the server gave no usable answer

	done, members, failed atomic.Int64
}

// Wrote reports whether the run has written lines.
func (s *recorder) Wrote() bool { return s.results.started }

// record writes the outcomes of some rows, and only then counts them. A failed
// guard stops the run, but later outcomes are still recorded: answers to requests
// in flight still arrive.
//
// Nothing is written before the first answer to a request, so that a run that can
// send none leaves all files unchanged. Until then, rows that need no request are
// held.
func (s *recorder) record(answered []importer.Outcome) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.broken != nil {
		return
	}
	if !s.Wrote() {
		s.held = append(s.held, answered...)
		if len(s.held) < maxHeld && !sentAny(answered) {
			return
		}
		answered = s.begin()
	}
	s.write(answered)
}

// Note writes a line, which is on the disk when it returns. It is for an operation
// that must not forget what it is about to do. It may be called concurrently.
func (s *recorder) Note(o importer.Outcome) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if !s.Wrote() {
		s.write(s.begin())
	}
	switch {
	case s.broken != nil:
	case o.Status != importer.Sending: // a final outcome counts, and need not be synced
		s.write([]importer.Outcome{o})
	default:
		s.fail(s.results.note(o))
	}
	return s.broken
}

// maxHeld is the most rows that are held, at some 300 bytes each.
const maxHeld = 20_000

func sentAny(outcomes []importer.Outcome) bool {
	for i := range outcomes {
		if outcomes[i].Attempts > 0 {
			return true
		}
	}
	return false
}

// begin opens the results for writing, and returns the held rows.
func (s *recorder) begin() []importer.Outcome {
	held := s.held
	s.held = nil
	s.fail(s.results.begin())
	return held
}

// fail stops the run if err, of writing a row, is not nil.
func (s *recorder) fail(err error) {
	if s.broken = err; err != nil {
		s.stop(err)
	}
}

func (s *recorder) write(answered []importer.Outcome) {
	if s.broken != nil {
		return
	}
	if s.fail(s.results.writer.Write(answered)); s.broken != nil {
		return
	}
	s.Summary.Add(answered)
	for i := range answered {
		o := &answered[i]
		switch {
		case o.Attempts > 0 && o.Status.Settled():
			s.members.Add(1)
		case o.Status.Failure():
			s.failed.Add(1)
		}
		if o.Transient {
			s.unanswered++
		}
	}
	s.done.Add(int64(len(answered)))
	if err := cmp.Or(s.guard.add(answered), s.results.log.EnsureRoom(s.inFlight())); err != nil {
		s.stop(err)
	}
}
