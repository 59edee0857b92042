// Package job carries out an operation on the rows of a file:
//
//	src, err := job.Open(ctx, …)    // the rows as they would be sent; a plan needs only this
//	out, err := job.Create(…)       // results, failures, counts
//	err = src.LookUp(ctx, tenant, out.Before())
//	err = job.Run(ctx, src, out, workers)
//
// It is a function of values: it owns no signals and no lock, prints nothing, and
// knows the name of no flag, so that a command can be made of several jobs.
package job

import (
	"context"
	"fmt"
	"iter"

	"orgimport/importer"
)

type rowSeq = iter.Seq2[importer.Row, error]

// Reason says why a job can't begin or go on.
type Reason int

const (
	WrongInput      Reason = iota // the input does not suit the operation
	NothingPiped                  // standard input is empty
	WrongResults                  // the results are of another operation, tenant or input
	NoResults                     // the results can't be read
	NoUsers                       // the file of users can't be read
	WrongUsers                    // the file of users holds no users
	CutUsers                      // the file of users is cut off
	PackedResults                 // the results are compressed
	NotSingly                     // users can't be looked up one by one by such keys
	ManyConnections               // the rows name too many connections
	LookUpFailed                  // the tenant could not be asked
	AllFailed                     // the first rows all failed
	TooManyFailed                 // so many rows failed that the run stops
	TooManyRows                   // the input has grown beyond what was allowed
	InputChanged                  // the input changed while it was read
	NoAnswer                      // some rows got no usable answer
)

// Error is why a job can't begin or go on.
type Error struct {
	Reason  Reason
	Path    string // of PackedResults, the file
	Unpack  string // of PackedResults, the program that unpacks it
	Most    string // of TooManyFailed, the limit
	Swapped bool   // of AllFailed and TooManyFailed: the columns look swapped
	Err     error  // what happened
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns what happened.
func (e *Error) Unwrap() error { return e.Err }

func failed(reason Reason, format string, args ...any) error {
	return &Error{Reason: reason, Err: fmt.Errorf(format, args...)}
}

// stoppedOr returns why ctx ended, or err if it has not.
func stoppedOr(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// EachSendable calls f with each row that is to be sent, before it yields it.
func EachSendable(rows rowSeq, f func(*importer.Row)) rowSeq {
	return importer.Each(rows, func(row *importer.Row) error {
		if row.Err == nil {
			f(row)
		}
		return nil
	})
}
