package importer

import (
	"context"
	"encoding/binary"
	"errors"
)

// Op is what a run does with rows, such as adding members. A new operation is
// one value of it.
type Op struct {
	Name   string // as in the command, the summary and the page
	Prefix string // how the correlation ids of its requests begin, such as oi
	Size   int    // rows that one request can carry
	Done   Status // what a success makes of a row

	// Already is what becomes of a row that turns out to have been done before;
	// empty for an operation that can't tell.
	Already Status

	// Args are the names of the columns of Row.Args in the results, where they
	// stand behind the columns that every operation has.
	Args []string

	// Key returns what makes two rows the same; nil means their organization
	// and user. See KeyOf.
	Key func(Row) string

	// Send sends one batch. A nil error says that all its rows are done;
	// otherwise the error says how far the refusal reaches, and an error that
	// does not is taken as [ReachRun]. It is called concurrently.
	//
	// Cancelling ctx ends what waits to be sent at once; what is on the wire is
	// finished, for its answer would be lost.
	Send func(ctx context.Context, b Batch) (Receipt, error)
}

// KeyOf returns what the row has in common with the rows that repeat it.
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
	// ErrOrgFull: the organization takes nobody more, so that its other rows
	// need no request. A batch that is refused so may still hold rows that fit.
	ErrOrgFull = errors.New("the organization is full")
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
