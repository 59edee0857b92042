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
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"time"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/importer"
	"orgimport/importer/csvfile"
	"orgimport/report"
)

type rowSeq = iter.Seq2[importer.Row, error]

// Task is what an operation makes of its input.
type Task struct {
	Op importer.Op

	// ReadTwice says that the input is also read before the first request, so
	// that a pipe has to be spooled.
	ReadTwice bool

	// Columns are the columns that the input must have if it holds results.
	Columns []string

	// ByAddress says that the operation names users by their e-mail addresses,
	// which are therefore not looked up.
	ByAddress bool

	// Select, if set, changes the dialect that the input is read with. If the input
	// is read twice and holds results, from says which operation wrote them;
	// otherwise it is zero. An error rejects the input.
	Select func(d *csvfile.Dialect, from Origin) error

	// Rows, if set, is a stage between the look-ups and the operation. It gets
	// every row of the input once, including rows that are done already.
	Rows func(rowSeq) rowSeq
}

// Origin says which operation wrote the results in an input.
type Origin struct {
	Prefix  string          // of the correlation ids, such as oi; empty if no line has one
	Current *report.Current // nil if the input is not results

	Added         int  // lines that say that an import added the user
	Skipped       bool // all runs that wrote these skipped who was a member before
	UnknownOrigin int  // lines of members whom an earlier run may have added
	Unread        int  // lines that do not say what became of their rows
}

// ErrRepeated is the Err of a row that repeats an earlier one according to the
// results of an earlier run: only the row that it repeats counts.
var ErrRepeated = &importer.Decided{Status: importer.Duplicate, Message: "same as an earlier line, according to the results of an earlier run"}

// Config says what a [Source] reads, and how.
type Config struct {
	Task

	Path    string // of the input; - for Stdin
	Stdin   io.Reader
	Dialect csvfile.Dialect
	Lookups Lookups
	Assume  bool   // look nothing up: the keys of rows count as ids
	Tenant  string // host of the tenant; empty: any

	// Results is the path of the results file. A pipe that is read twice is
	// spooled beside it. With Resume, ids are taken from it, if it exists.
	Results string
	Resume  bool

	Log *slog.Logger
}

// Lookups say what is looked up before anything is sent. Rows without ids always
// are.
type Lookups struct {
	SkipMembers     bool          // existing members, who then need no request
	CheckUsers      bool          // the ids of users
	CheckOrgs       bool          // the ids of organizations, to tell which do not exist
	AllowUnverified bool          // accept users whose e-mail address is not verified
	NoGuard         bool          // continue even if the tenant has none of many keys
	How             string        // auto, export or each
	Users           files.File    // look users up in this export first
	OtherWay        string        // for a message: how else to look users up
	SkipName        string        // for a message: what asks for SkipMembers
	Wait            time.Duration // for an export job, at most
}

// Reason says why a job can't begin or go on.
type Reason int

const (
	Unusable        Reason = iota // a file can't be read, or does not suit the operation
	NothingPiped                  // standard input is empty
	WrongResults                  // the results are of another operation, tenant or input
	WrongUsers                    // the file of users holds no users
	CutUsers                      // the file of users is cut off
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
	Path    string // of compressed results
	Unpack  string // of compressed results, the program that unpacks them
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

// isUnresolved reports whether the user or the organization of a row is unknown or
// ambiguous.
func isUnresolved(r importer.Row) bool {
	e, ok := errors.AsType[*importer.Rejection](r.Err)
	return ok && e.Unresolved()
}
