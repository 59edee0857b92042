// Package importer is the pipeline between the rows of a file and an API. It
// packs the rows into batches, sends the batches, and reports the outcome of
// every row.
//
//	rows := importer.Skip(importer.Distinct(table.Rows(), op.KeyOf), done.Has)
//	for answered, err := range importer.Run(ctx, importer.Group(rows, op.Size), op, workers) { … }
//
// Each stage pulls from the one before it. The range ends when the input ends;
// break, or a cancelled context, stops all stages.
//
// A row that failed is data: it comes out at the end as an [Outcome] like any
// other row. An error in the range means that the run is broken and that no
// outcome follows.
//
// The package knows nothing about HTTP or CSV. An [Op] sends the batches; the
// error that it returns says how far a refusal reaches, see [Reach].
package importer

import "time"

// Row is one row of the input: a user and an organization.
//
// A row passes through every stage whole: each stage keeps the fields that it
// does not use.
type Row struct {
	OrgID, UserID string

	// Keys name the organization or the user where an id is empty, until
	// [Resolve] has found the ids. It is nil if the row has its ids.
	Keys *Keys

	// Args are the operation's other arguments, such as roles, in the order of
	// Op.Args.
	Args []string

	// Line is the physical line of the input where the row starts, counted
	// from 1. A row with a quoted line break spans several lines.
	Line int

	// Kept holds the values of the columns that are copied to the results, in
	// the order of the header. It is nil if there are none.
	Kept []string

	// Err says why the row must not be sent; nil if it may be sent. A *[Settled]
	// means that nothing is left to do for the row. Any other error rejects it; if
	// the error has a method Code() string, that returns the row's error code.
	Err error
}

// Keys name the organization and the user of a row by properties other than
// their ids. The Key of one that the row names by id is zero.
type Keys struct {
	Org, User  Key
	Connection string // the user's connection must have this name; empty: any
}

// Key is a property by which an organization or a user is found.
type Key struct {
	Kind  string // such as email, username or name
	Value string
}

// Settled is the Err of a row that needs no request because its outcome is
// known: it repeats an earlier row, or it is done according to the results of
// another run or to the tenant.
type Settled struct {
	Status  Status
	Message string

	// CorrelationID is the correlation id of the request that decided the row in
	// another run; empty if there was none.
	CorrelationID string
}

func (s *Settled) Error() string { return s.Message }

// Batch holds the rows that one request carries: rows of one organization, each
// user once.
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

// Receipt describes the request that decided a row, as it is written to the
// results file. The zero value means that there was no request.
type Receipt struct {
	HTTPStatus    int       // as answered; 0 if no answer came
	Code          string    // the API's own error code, if it gave one
	Message       string    // why it failed; empty for a row that is done
	Attempts      int       // requests sent, including the ones that this one repeats
	CorrelationID string    // identifies the request in the tenant's logs
	Time          time.Time // when the answer arrived
}

// Outcome is what became of one row. A complete run has exactly one per row. Its
// Attempts count every request that carried the row, and its Time is never zero.
type Outcome struct {
	Row    Row
	Status Status
	// Transient reports that the row failed without being refused: the server gave
	// no usable answer, so the row may well succeed later.
	Transient bool
	Receipt
}
