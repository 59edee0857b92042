package importer

import (
	"context"
	"encoding/binary"
	"errors"
)

// Op is an operation on rows, such as adding members.
type Op struct {
	Name   string // as in the command, the summary and the page
	Prefix string // of the correlation ids of its requests, such as oi
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
	// reach counts as [ReachRun]. Send is called concurrently.
	//
	// When ctx is cancelled, a request that waits to be sent is dropped at once;
	// one that is on the wire is finished, because its answer would be lost.
	Send func(ctx context.Context, b Batch) (Receipt, error)
}

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

// Blame returns the given users that err names as the cause of a refusal: the result of the first error in its tree with a method
// Blame([]string) []string, or nothing if none has one.
func Blame(err error, userIDs []string) []string {
	var b interface {
		Blame(userIDs []string) []string
	}
	if errors.As(err, &b) {
		return b.Blame(userIDs)
	}
	return nil
}
