// Package importer is the pipeline between the rows of a file and an API: it
// packs the rows into batches, has the batches sent, and says of every row what
// became of it.
//
//	rows := importer.Skip(importer.Distinct(table.Rows(), op.KeyOf), done.Has)
//	for answered, err := range importer.Run(ctx, importer.Group(rows, op.Size), op, workers) { … }
//
// Every stage is pulled by the one after it. The range ends when the input
// ends; break, or a cancelled context, stops them all, and nothing flows back.
//
// A row that failed is data: it comes out at the end as an [Outcome] like any
// other row. An error in the range means that the run is broken and that no
// outcome follows.
//
// The package knows nothing of HTTP or CSV. What a run does is an [Op], which
// sends the batches; how far a refusal reaches is said by the error that it
// returns, see [Reach].
package importer

import "time"

// Row is one row of the input: a user and an organization.
//
// A row passes every stage whole: what a stage does not know of, it hands on.
type Row struct {
	OrgID, UserID string

	// Keys name the organization or the user where an id is empty, until
	// [Resolve] has found the ids. It is nil if the row has its ids.
	Keys *Keys

	// Args are what an operation takes beside the two ids, such as roles, in
	// the order of Op.Args.
	Args []string

	// Line is the physical line of the input where the row starts, counted
	// from 1. A quoted line break makes a row longer than a line.
	Line int

	// Kept are the values of the columns that are carried to the results, in
	// the order of their names in the header. It is nil unless there are any.
	Kept []string

	// Err is why the row is not to be sent; nil if it is to be. A *[Settled]
	// says that there is nothing to do for it. Any other error rejects the row;
	// if it has a method Code() string, that is the row's error code.
	Err error
}

// Keys say who a row is about by something other than ids. The Key of what the
// row names by its id is zero.
type Keys struct {
	Org, User  Key
	Connection string // the user's connection must have this name; empty: any
}

// Key is a property that an organization or a user is found by.
type Key struct {
	Kind  string // such as email, username or name
	Value string
}

// Settled is the Err of a row that needs no request, because what becomes of
// it is known: it repeats an earlier row, or the input is the results file of
// another run, which says that the row is in.
type Settled struct {
	Status  Status
	Message string

	// CorrelationID is that of the request which decided over the row in
	// another run; empty if there was none.
	CorrelationID string
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
