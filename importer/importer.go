// Package importer is the pipeline between the rows of a file and an API. It
// packs the rows into batches, sends the batches, and reports the outcome of
// every row.
//
//	rows := importer.Skip(importer.Distinct(table.Rows(), op.KeyOf), done.Has)
//	for answered, err := range importer.Run(ctx, importer.Group(rows, op.Size, nil), op, workers) { … }
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

import (
	"context"
	"encoding/binary"
	"errors"
	"time"
)

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

	// Unended says that the row is the end of the input, which lacks a line end: it
	// may be cut off.
	Unended bool

	// Kept holds the values of the columns that are copied to the results, in
	// the order of the header. It is nil if there are none.
	Kept []string

	// Err says why the row must not be sent; nil if it may be sent. A *[Decided]
	// is what became of the row. Any other error rejects it; a *[Rejection] has the
	// row's error code.
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

// Decided is the Err of a row that needs no request because its outcome is
// known: it repeats an earlier row, or it is done according to the results of
// another run or to the tenant, or it failed because something could not be read.
type Decided struct {
	Status        Status
	Code          string // as of [Receipt]
	Message       string
	Transient     bool   // as of [Outcome]
	CorrelationID string // of the request that decided the row; empty if there was none
}

func (d *Decided) Error() string { return d.Message }

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
	FoundOrg      string    // id of the organization of a row that has none; empty if it is not known
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

// ResultColumns returns the names of the columns that every results file begins
// with, in their order.
func ResultColumns() []string {
	return []string{
		"line", "org_id", "user_id", "status", "http_status",
		"error_code", "message", "attempts", "correlation_id", "timestamp",
	}
}

// Op is an operation on rows, such as adding members.
type Op struct {
	Name   string // as in the command, the summary and the page
	Prefix string // of the correlation ids of its requests, such as oi; see IsPrefix
	Size   int    // rows that one request can carry
	Done   Status // of a row that succeeded

	// Already is the status of a row that turns out to have been done before. It
	// is empty for an operation that can't know.
	Already Status

	// Args are the names of the columns of Row.Args in the results. They follow
	// the columns that all operations have.
	Args []string

	// Key returns the key by which rows are compared: rows with the same key
	// repeat each other. If it is nil, that is their organization and user. See
	// KeyOf.
	Key func(Row) string

	// Send sends one batch. A nil error means that all its rows are done;
	// otherwise the error says how far the refusal reaches. An error without a
	// reach counts as [ReachRun]. If it has a method Blame([]string) []string, that
	// returns those of the given users that the refusal names. Send is called
	// concurrently.
	//
	// When ctx is cancelled, a request that waits to be sent is dropped at once;
	// one that is on the wire is finished, because its answer would be lost.
	Send func(ctx context.Context, b Batch) (Receipt, error)

	// Ready, if set, waits until a request could be the next to be sent, or until ctx
	// is done. A batch is read only then, so that as little as possible has been read
	// when the run ends or an organization turns out to take no rows.
	Ready func(ctx context.Context)
}

// IsPrefix reports whether correlation ids with this prefix are those of our runs: it
// is an o and the letter of an operation.
func IsPrefix(s string) bool { return len(s) == 2 && s[0] == 'o' }

// KeyOf returns the key that the row shares with the rows that repeat it.
func (op Op) KeyOf(r Row) string {
	if op.Key != nil {
		return op.Key(r)
	}
	return PairKey(r)
}

// PairKey returns a key of the organization and the user of the row. The length
// in front keeps ("ab", "c") and ("a", "bc") apart.
func PairKey(r Row) string {
	key := make([]byte, 0, binary.MaxVarintLen16+len(r.OrgID)+len(r.UserID))
	key = binary.AppendUvarint(key, uint64(len(r.OrgID)))
	return string(append(append(key, r.OrgID...), r.UserID...))
}

// Reach says how far a refusal reaches beyond the request that got it. The
// importer asks the error for its reach, as a caller asks a net.Error for Timeout,
// and never sees a status code.
type Reach int

const (
	// ReachRun: nothing else can succeed either, for example because the
	// credentials are refused. The run ends. An error without a Reach counts as
	// ReachRun.
	ReachRun Reach = iota
	// ReachOrg: no row of this organization can succeed, for example because it
	// does not exist. Its other rows need no request.
	ReachOrg
	// ReachBatch: the rows of this batch fail together and none is to blame, for
	// example because the server gave no usable answer. Sending them one by one
	// would not help.
	ReachBatch
	// ReachRow: some row of the batch is refused, and the others would be
	// accepted without it. It is found by sending parts of the batch.
	ReachRow
)

// ReachOf returns how far err reaches: the result of the first error in its
// tree with a method Reach() Reach, or [ReachRun] if none has one.
func ReachOf(err error) Reach {
	var r interface{ Reach() Reach }
	if errors.As(err, &r) {
		return r.Reach()
	}
	return ReachRun
}

// Errors that an [Op] may return or wrap.
var (
	// ErrConflict: the batch conflicts with the tenant's state, or with another
	// request for the same organization that is under way.
	ErrConflict = errors.New("conflict")

	// The errors below count only for a batch of one row.

	// ErrMember: the user was a member already.
	ErrMember = errors.New("already a member")
	// ErrUnknownUser: the tenant has no such user, so no other organization will
	// accept the id either.
	ErrUnknownUser = errors.New("no such user")
	// ErrOrgFull: the organization accepts no more members, so its other rows
	// need no request. A larger batch that is refused for this reason may still
	// hold rows that fit.
	ErrOrgFull = errors.New("the organization is full")
)
