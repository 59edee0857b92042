package job

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"orgimport/importer"
	"orgimport/report"
)

// SinkConfig says where outcomes go, and when there are too many of the bad ones.
type SinkConfig struct {
	Extracts []*Extract

	MaxFailed Share      // stop when so many rows have failed; 0: never
	NoGuard   bool       // do not stop when the first rows have all failed
	InFlight  func() int // requests whose answers there must be room for

	MaxRows *int // most distinct rows that may be sent; nil: any number
}

// Sink takes the outcomes of rows: it writes and counts them, and decides when too
// many have failed. One goroutine records; the counts may be read concurrently.
type Sink struct {
	Summary report.Summary
	c       SinkConfig
	op      importer.Op
	results *results
	saved   *saved
	stop    context.CancelCauseFunc // ends the run; set by Run

	writing    sync.Mutex         // guards the writing of results
	held       []importer.Outcome // rows without a request, held until the first answer
	guard      guard
	broken     error // why a row could not be written; no later row counts
	unanswered int   // rows that failed because the server gave no usable answer

	skipped int64         // rows that were done before
	unended *importer.Row // the last one, if it may be cut off: see Row.Unended

	done, members, failed atomic.Int64

	total, ahead atomic.Int64 // rows of the input, and batches to send; 0: not known
	begun        atomic.Int64 // batches to send that have begun
	begunRows    atomic.Int64 // rows of all batches that have begun
}

// Create opens the results of the rows of src, and what is made from them. Nothing
// is changed before the first row is recorded.
func Create(c SinkConfig, src *Source) (*Sink, error) {
	out := &Sink{c: c, op: src.Op, saved: newSaved()}
	out.Summary.Started = time.Now()
	var err error
	if out.results, err = openResults(src.Results, src.Tenant, src.Resume, src.Op, src.Table().Kept); err != nil {
		return nil, err
	}
	before := out.results.before.Settled()
	out.guard = guard{most: c.MaxFailed, off: c.NoGuard || before > 0}
	out.Summary.ContinueFrom(out.results.before)
	out.done.Store(int64(before))
	out.total.Store(int64(src.rows))
	for _, x := range c.Extracts {
		if err := x.open(out.results); err != nil {
			out.Close()
			return nil, err
		}
	}
	return out, nil
}

// Close closes the files. It removes a new results file without lines.
func (s *Sink) Close() { s.results.close() }

// Before returns what earlier runs finished.
func (s *Sink) Before() *report.Journal { return s.results.before }

// Ahead is what is left to send, as far as that can be known before.
type Ahead struct {
	Total          int // rows of the input; 0: not known
	Rows, Requests int
	Foreign        bool // earlier runs have done rows, and none of these
	MayFail        bool // nobody has looked whether all users exist, and one of them may fail a request for several
}

// Ahead ranges over the rows of src, if that can be done twice, and counts what is
// left to send.
func (s *Sink) Ahead(ctx context.Context, src *Source) Ahead {
	if !src.IsFile() {
		return Ahead{}
	}
	var a Ahead
	left := make(orgCounts)
	a.Foreign = s.Before().Settled() > 0
	for row, err := range importer.Distinct(src.Rows(), s.op.KeyOf) {
		if err != nil || ctx.Err() != nil {
			return Ahead{} // the run reports the error when it gets there
		}
		a.Total++
		if s.Before().Done(row) {
			a.Foreign = false
		} else if row.Err == nil {
			left.add(row.OrgID)
			a.Rows++
		}
	}
	s.total.Store(int64(a.Total))
	a.Requests = left.batches(s.op.Size)
	a.MayFail = s.op.Size > 1 && !src.look.checked
	s.ahead.Store(int64(a.Requests))
	return a
}

// Progress is how far a run is.
type Progress struct {
	Total, Done int64 // rows; Total is 0 if it is not known
	Members     int64 // rows that this run did with a request
	Failed      int64

	// Batches is how many batches there are to send, 0 if that is not known; Answered
	// is how many of them are done.
	Batches  int64
	Answered float64
}

// Progress returns how far the run is. It may be called concurrently.
func (s *Sink) Progress() Progress {
	p := Progress{
		Total: s.total.Load(), Done: s.done.Load(), Members: s.members.Load(), Failed: s.failed.Load(), Batches: s.ahead.Load(),
	}
	if begun := s.begunRows.Load(); begun > 0 {
		p.Answered = float64(s.begun.Load()) * min(1, float64(p.Done-int64(s.Before().Settled()))/float64(begun))
	}
	return p
}

// batches packs the rows that are not done yet into batches. Rows that failed in
// an earlier run come after the rows that were never attempted.
func (s *Sink) batches(src *Source) iter.Seq2[importer.Batch, error] {
	rows := src.Rows()
	if src.look.found() {
		rows = s.saved.count(rows)
	}
	rows = limited(importer.Distinct(rows, s.op.KeyOf), s.c.MaxRows, src)
	return s.group(func(yield func(importer.Row, error) bool) {
		for row, err := range rows {
			if err == nil && row.Err == nil && row.Unended {
				s.unended = &row
			} else if !yield(row, err) {
				return
			}
		}
	})
}

// lastBatch packs the row that [Sink.batches] has left out because it may be cut off.
func (s *Sink) lastBatch() iter.Seq2[importer.Batch, error] {
	return s.group(func(yield func(importer.Row, error) bool) {
		if s.unended != nil {
			yield(*s.unended, nil)
		}
	})
}

// group packs the rows that are not done yet.
func (s *Sink) group(rows rowSeq) iter.Seq2[importer.Batch, error] {
	rows = importer.Skip(rows, func(row importer.Row) bool {
		done := s.Before().Has(row)
		if done {
			s.skipped++
		}
		return done
	})
	return func(yield func(importer.Batch, error) bool) {
		for b, err := range importer.Group(rows, s.op.Size, s.Before().Late) {
			s.begunRows.Add(int64(len(b.Rows)))
			if err == nil && b.Rows[0].Err == nil {
				s.begun.Add(1)
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

// Run sends the rows of src with the operation of out, at most so many requests at
// a time, and records the outcomes. A row that may be cut off, because somebody still
// writes the input, is sent after all others, if the input is unchanged. It returns
// why the run ended before its input did, or what is wrong with it although it is
// complete. Rows that failed are no error: the summary of out has them.
func Run(ctx context.Context, src *Source, out *Sink, workers int) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	out.stop = stop
	send := func(batches iter.Seq2[importer.Batch, error]) error {
		for answered, err := range importer.Run(ctx, batches, out.op, workers) {
			if err != nil {
				return err
			}
			out.record(answered)
		}
		return nil
	}
	err := send(out.batches(src))
	if err == nil && !src.Changed() {
		err = send(out.lastBatch())
	}
	return out.finish(err, src)
}

// limited ends the range of distinct rows of src with an error when more than most
// are to be sent, if most is not nil. The rows were counted before, but the file may
// change.
func limited(rows rowSeq, most *int, src *Source) rowSeq {
	if most == nil {
		return rows
	}
	n := 0
	return importer.Each(rows, func(row *importer.Row) error {
		if row.Err == nil {
			n++
		}
		if n > *most {
			return failed(TooManyRows, "%s changed while it was read: it names more than the %d that are allowed", src.Name(), *most)
		}
		return nil
	})
}

// finish finishes the files, and returns why the run ended before its input did,
// which err says, or what is wrong with it although it is complete.
func (s *Sink) finish(err error, src *Source) error {
	if err == nil && !s.Wrote() {
		s.write(s.begin())
	}
	if err = s.finishFiles(cmp.Or(s.broken, err), src); err != nil {
		s.Summary.Stopped = err.Error()
	}
	if src.look.found() {
		s.Summary.WritesSaved = s.saved.requests(s.op.Size)
	}
	tooMany := s.guard.check(1)
	switch {
	case err != nil:
		return err
	case src.Changed():
		return failed(InputChanged, "%s changed while it was being read: some of its rows may be missing", src.Name())
	case tooMany != nil:
		return tooMany
	case s.unanswered > 0:
		return failed(NoAnswer, "the server gave no usable answer for %s", report.Plural(s.unanswered, "row"))
	}
	return nil
}

// finishFiles finishes the files of a run that ended because of err, if it is not
// nil.
func (s *Sink) finishFiles(err error, src *Source) error {
	if !s.Wrote() {
		return err
	}
	seen := s.skipped + s.done.Load() - int64(s.Before().Settled())
	e := s.results.finish(err == nil && !src.Changed() && seen == int64(src.Passed()))
	s.Summary.Files = []string{src.Results}
	for _, x := range s.c.Extracts {
		if e = cmp.Or(e, x.write(s.results)); x.Path != "" {
			s.Summary.Files = append(s.Summary.Files, x.Path)
		}
	}
	switch {
	case e == nil:
		return err
	case err == nil, errors.Is(err, e): // the same failure stopped the run
		return e
	default:
		return fmt.Errorf("%w; %w", e, err) // e comes first: it decides the exit code
	}
}

// Wrote reports whether the run has written lines.
func (s *Sink) Wrote() bool { return s.results.started }

// record writes the outcomes of some rows, and only then counts them. A failed
// guard stops the run, but later outcomes are still recorded: answers to requests
// in flight still arrive.
//
// Nothing is written before the first answer to a request, so that a run that can
// send none leaves all files unchanged. Until then, rows that need no request are
// held.
func (s *Sink) record(answered []importer.Outcome) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.broken != nil {
		return
	}
	if !s.Wrote() {
		s.held = append(s.held, answered...)
		sent := slices.ContainsFunc(answered, func(o importer.Outcome) bool { return o.Attempts > 0 })
		if len(s.held) < maxHeld && !sent {
			return
		}
		answered = s.begin()
	}
	s.write(answered)
}

// Note writes a line, which is on the disk when it returns. It is for an operation
// that must not forget what it is about to do. It may be called concurrently.
func (s *Sink) Note(o importer.Outcome) error {
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

// begin opens the results for writing, and returns the held rows.
func (s *Sink) begin() []importer.Outcome {
	held := s.held
	s.held = nil
	s.fail(s.results.begin())
	return held
}

// fail stops the run if err, of writing a row, is not nil.
func (s *Sink) fail(err error) {
	if s.broken = err; err != nil {
		s.stop(err)
	}
}

func (s *Sink) write(answered []importer.Outcome) {
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
	if err := cmp.Or(s.guard.add(answered), s.results.log.EnsureRoom(s.c.InFlight())); err != nil {
		s.stop(err)
	}
}

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
	off      bool           // guardRows does not apply, as when rows of an earlier run are done
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
		if !g.off && g.answered == guardRows && g.failed == guardRows {
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
