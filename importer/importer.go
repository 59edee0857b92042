// Package importer is the pipeline between a CSV file and an API that adds
// users to organizations: it reads rows, packs them into batches, has the
// batches sent, and says of every row what became of it.
//
//	table, err := importer.Open(in, importer.Dialect{})
//	rows := importer.Without(importer.Distinct(table.Rows()), done.Has)
//	batches := importer.Group(rows, auth0.MaxMembers)
//	for answered, err := range importer.Run(ctx, batches, client.AddMembers, workers) { … }
//
// Every stage is pulled by the one after it. The range ends when the input
// ends; break, or a cancelled context, stops them all, and nothing flows back.
//
// A row that failed is data: it comes out at the end as an [Outcome] like any
// other row. An error in the range means that the run is broken and that no
// outcome follows.
//
// The package knows nothing of HTTP. What sends a batch is an [Op]; how far a
// refusal reaches is said by the error it returns, see [Reach].
package importer

import (
	"context"
	"errors"
	"time"
)

// Row is one row of the input: a user who is to become a member of an
// organization.
type Row struct {
	OrgID  string `csv:"org_id"`
	UserID string `csv:"user_id"`

	// Line is the physical line of the input where the row starts, counted
	// from 1. A quoted line break makes a row longer than a line.
	Line int `csv:"-"`

	// Kept are the values of the columns that are carried to the results, in
	// the order of Table.Kept. It is nil unless the caller asked for them.
	Kept []string `csv:"-"`

	// Err is why the row is not to be sent; nil if it is to be. A *[Settled]
	// says that there is nothing to do for it. Any other error rejects the row.
	Err error `csv:"-"`
}

// Settled is the Err of a row that needs no request, because what becomes of
// it is known: it repeats an earlier row, or the input is the results file of
// another run, which says that the row is in.
type Settled struct {
	Status  Status
	Message string
}

func (s *Settled) Error() string { return s.Message }

// Batch is what one request carries: rows of one organization, each user once.
type Batch struct {
	OrgID string
	Rows  []Row
}

// UserIDs returns the users of the batch, in the order of its rows.
func (b Batch) UserIDs() []string {
	ids := make([]string, len(b.Rows))
	for i, r := range b.Rows {
		ids[i] = r.UserID
	}
	return ids
}

// Status is what became of a row, spelt as in the results file.
type Status string

// The statuses a row can end with. A row that was never attempted has none.
const (
	Added         Status = "added"          // the server took the batch it was in
	AlreadyMember Status = "already_member" // known to have been a member before
	Duplicate     Status = "duplicate"      // the same pair stands on an earlier line
	Failed        Status = "failed"         // the server refused this row
	Rejected      Status = "rejected"       // never sent: the row itself is unusable
)

// In reports whether a row with this status is a member now by its own line.
// A duplicate is not: what counts is the line it repeats.
func (s Status) In() bool { return s == Added || s == AlreadyMember }

// Receipt is what is kept of the request that decided over a row, and goes to
// the results file with it. Its zero value says that there was no request.
type Receipt struct {
	HTTPStatus    int       // as answered; 0 if no answer came
	Code          string    // the API's own error code, if it gave one
	Message       string    // why not; empty for a row that is in
	Attempts      int       // requests sent, this one and those it repeats
	CorrelationID string    // finds the request in the tenant's logs
	Time          time.Time // when the answer was here
}

// Outcome is what became of one row. A complete run has exactly one per row.
// In it, Attempts counts every request that carried the row, and Time is never
// zero.
type Outcome struct {
	Row    Row
	Status Status
	// Passing says of a failed row that the server did not refuse it, but
	// could not be brought to answer: it may well get in later.
	Passing bool
	Receipt
}

// Op sends one batch. A nil error says that all its rows are in; otherwise the
// error says how far the refusal reaches, and an error that does not is taken
// as [ReachRun]. It is called concurrently.
//
// Cancelling ctx ends what waits to be sent at once; what is on the wire is
// finished, for its answer would be lost.
type Op func(ctx context.Context, b Batch) (Receipt, error)

// Reach is how far a refusal reaches beyond the request that got it, as
// net.Error says Timeout: the importer asks the error and never sees a status
// code.
type Reach int

const (
	// ReachRun: nothing else can succeed either, such as with credentials
	// that are refused. The run ends. It is also what an error without a
	// Reach has.
	ReachRun Reach = iota
	// ReachOrg: no row of this organization can succeed, such as when there
	// is none with this id. Its other rows need no request.
	ReachOrg
	// ReachBatch: the rows of this batch fail together and none is to blame,
	// such as when the server could not be brought to answer. Asking about
	// them one by one would not help.
	ReachBatch
	// ReachRow: some row of the batch is refused, and the others would be
	// taken without it. It is found by sending less.
	ReachRow
)

// ReachOf returns how far err reaches: the answer of the first error in its
// tree that has a method Reach() Reach, and [ReachRun] if none has.
func ReachOf(err error) Reach {
	var r interface{ Reach() Reach }
	if errors.As(err, &r) {
		return r.Reach()
	}
	return ReachRun
}

// What an error of an [Op] may be, asked with errors.Is.
var (
	// ErrConflict: the batch conflicts with what is there, or with another
	// request for the same organization that is under way.
	ErrConflict = errors.New("conflict")

	// The others are asked about where a batch of one row was refused.

	// ErrMember: the user has been a member already.
	ErrMember = errors.New("already a member")
	// ErrUnknownUser: the tenant has no such user, so that no other
	// organization will take the id either.
	ErrUnknownUser = errors.New("no such user")
)

// Blame returns those of the given users whom err names as the cause of a
// refusal: what the first error in its tree with a method Blame([]string)
// []string returns, and nothing if none has.
func Blame(err error, userIDs []string) []string {
	var b interface {
		Blame(userIDs []string) []string
	}
	if errors.As(err, &b) {
		return b.Blame(userIDs)
	}
	return nil
}
