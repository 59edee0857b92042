package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/csvfile"
	"orgimport/ratelimit"
	"orgimport/report"
)

// A job carries out an operation on the rows of a file. It provides the results,
// the failures, --resume, the lock, the guard, the progress, the summary and the
// metrics. A command provides a [task]:
//
//	type removeCmd struct {
//		File     string `arg:"" help:"…" placeholder:"FILE"`
//		jobFlags `embed:""`
//		MaxRemovals int `help:"…" placeholder:"N" group:"stop"`
//	}
//
//	func (cmd *removeCmd) Run(c *console) error {
//		return c.runJob(&cmd.jobFlags, task{
//			file:  cmd.File,
//			newOp: func(_ *job, client *auth0.Client) importer.Op { return client.Remove() },
//			check: cmd.check,
//		})
//	}
//
// The command's line in [commands] sets the default of --results.

// task says what a job does.
type task struct {
	file string // the input; - for standard input
	size int    // most rows in a request; 0: as many as the operation can carry

	// newOp returns the operation. Its Send may call [job.note].
	newOp func(j *job, client *auth0.Client) importer.Op

	// readTwice says that the input is also read before the first request, so
	// that a pipe has to be spooled.
	readTwice bool

	// byAddress says that the operation names users by their e-mail addresses,
	// which are therefore not looked up.
	byAddress bool

	// skipMembers says that existing members are looked up before the operation.
	skipMembers bool

	// scopes are the scopes of which the operation needs one. The token is checked
	// for them before anything is looked up.
	scopes []string

	// resultColumns are the columns that the input must have if it holds results.
	resultColumns []string

	// adjustDialect, if set, changes the dialect that the flags give. If the input
	// is read twice and holds results, from says which operation wrote them;
	// otherwise it is zero. An error rejects the input.
	adjustDialect func(j *job, d *csvfile.Dialect, from origin) error

	// rows, if set, is a stage between the look-ups and the operation. It gets
	// every row of the input once, including rows that are done already.
	rows func(j *job, rows rowSeq) rowSeq

	// check, if set, is called when the tenant, the input and the results are
	// open, before the first request. An error ends the run.
	check func(ctx context.Context, j *job) error

	// after is logged at the end of a run that has changed something.
	after string
}

// jobFlags are the flags of every command that is a job.
type jobFlags struct {
	tenantFlags  `embed:""`
	resultFlags  `embed:""`
	dialectFlags `embed:""`
	lookupFlags  `embed:""`
	paceFlags    `embed:""`
	stopFlags    `embed:""`
	uiFlags      `embed:""`
	watchFlags   `embed:""`
}

// Validate is called by kong when all flags are read.
func (f *jobFlags) Validate() error {
	return errors.Join(f.dialectFlags.Validate(), f.lookupFlags.Validate(), f.paceFlags.Validate(), f.watchFlags.Validate())
}

// resultFlags say what is written, and where.
type resultFlags struct {
	Results  string `help:"File for the outcome of each row." default:"${results}" placeholder:"FILE" group:"results"`
	Failures string `help:"File for the rows that are not done; it can be used as an input." placeholder:"FILE" group:"results"`
	Resume   bool   `help:"Continue from the results file: skip rows that are done, and try failed rows again." group:"results"`
	Lock     string `help:"Lock file that keeps other runs out (default: RESULTS.lock)." placeholder:"FILE" group:"results"`
}

// lockPath returns the path of the lock file, which is the same for all links to
// a results file.
func (f *resultFlags) lockPath() string {
	return cmp.Or(f.Lock, files.Target(f.Results)+".lock")
}

// stopFlags say when to stop before the end.
type stopFlags struct {
	MaxErrors   maxErrors     `help:"Stop with exit code 4 when this number or percentage of rows has failed." placeholder:"N|N%" group:"stop"`
	NoGuard     bool          `help:"Do not stop when the first 100 answered rows have all failed." group:"stop"`
	MaxDuration time.Duration `help:"Stop cleanly with exit code 10 after this time." placeholder:"DURATION" group:"stop"`
}

// job is a task under way. One goroutine records the outcomes; the fields that
// the progress reads are atomic.
type job struct {
	*console
	*jobFlags
	task
	observer
	ui   *ui
	stop context.CancelCauseFunc

	conn    *connection
	in      *files.Input
	from    origin
	table   *csvfile.Table
	plain   bool // the input is a list, although its header is that of results
	look    lookups
	saved   *saved // nil: nothing is looked up
	pace    *ratelimit.Transport
	op      importer.Op
	maxRows *int // distinct rows that may be sent; nil: any number

	out        *results
	writing    sync.Mutex         // guards the writing of results
	held       []importer.Outcome // rows without a request, held until the first answer
	derived    []*derived
	closing    []func()
	summary    report.Summary
	guard      guard
	broken     error // why a row could not be written; no later row counts
	unanswered int   // rows that failed because the server gave no usable answer
	pinged     sync.WaitGroup

	total, done, members, failed atomic.Int64
}

// newJob returns a job for a task. Of what the job needs, only its ui is open.
func (c *console) newJob(flags *jobFlags, t task) *job {
	j := &job{console: c, jobFlags: flags, task: t, ui: c.openUI(flags.uiFlags)}
	j.log = j.ui.log
	j.guard = guard{max: flags.MaxErrors, off: flags.NoGuard}
	j.look = lookups{lookupFlags: flags.lookupFlags, skipMembers: t.skipMembers, keepUsers: t.byAddress, noGuard: flags.NoGuard}
	j.summary.Started = time.Now()
	j.derived = j.derive()
	return j
}

// runJob carries out a task, and reports how it went.
func (c *console) runJob(flags *jobFlags, t task) error {
	j := c.newJob(flags, t)
	defer j.close()
	if err := j.checkFiles(); err != nil {
		j.ui.Close()
		return err // without writing the summary: its file may be the input
	}
	ctx, end := c.untilSignal(j.signalled, j.abandon)
	defer end()
	ctx, cancel := withMaxDuration(ctx, flags.MaxDuration)
	defer cancel()
	ctx, j.stop = context.WithCancelCause(ctx)
	defer j.stop(nil)
	err := j.open(ctx)
	if err == nil {
		err = j.send(ctx)
	}
	return j.end(err)
}

// send looks up and sends the rows of the input.
func (j *job) send(ctx context.Context) error {
	j.ui.watch(j.progress)
	if err := j.lookUp(ctx); err != nil {
		return err
	}
	if j.check != nil {
		if err := j.check(ctx, j); err != nil {
			return err
		}
	}
	j.pinged.Go(func() { j.ping(j.transport(1), "start", j.warn) })
	ahead := newBatchCount(j.batchSize())
	rowCount, notes := scan(ctx, j.in, j.dialect(), j.prepared, func(row importer.Row) {
		if row.Err == nil && !j.out.before.Done(row) {
			ahead.add(row.OrgID)
		}
	})
	j.total.Store(rowCount)
	j.logNotes(notes)
	if rowCount > 0 {
		j.announce(ahead)
	}
	rows := j.prepared(j.table)
	if j.saved != nil {
		rows = j.saved.count(rows)
	}
	batches := j.out.batches(j.limited(importer.Distinct(rows, j.op.KeyOf)), j.batchSize())
	for answered, err := range importer.Run(ctx, batches, j.op, ratelimit.MostInFlight) {
		if err != nil {
			return err
		}
		j.record(answered)
	}
	if !j.in.IsFile() { // a pipe, which survey could not read
		j.logNotes(j.table.Notes())
	}
	return nil
}

// logNotes logs the notes about the input.
func (j *job) logNotes(notes []csvfile.Note) {
	for _, n := range notes {
		if n.Loud {
			j.log.Warn(n.Text)
		} else {
			j.log.Info(n.Text)
		}
	}
}

// announce logs how much is about to be sent, and about how long it takes.
func (j *job) announce(ahead *batchCount) {
	if ahead.rows == 0 {
		j.log.Info("nothing is left to send")
		return
	}
	requests := ahead.batches()
	takes, at := duration(requests, endpointLimit(20, 200)), "Auth0's usual limit of 200 requests a minute"
	if j.Rate > 0 && durationAt(requests, j.Rate) > takes {
		takes, at = durationAt(requests, j.Rate), fmt.Sprintf("%g requests a second", j.Rate)
	}
	text := fmt.Sprintf("%s to send in about %s: about %s at %s",
		report.Plural(ahead.rows, "row"), report.Plural(requests, "request"), brief(max(takes, time.Second)), at)
	j.log.Info(text, j.ui.fields("rows", ahead.rows, "requests", requests, "seconds", takes.Seconds())...)
}

// lookUp looks up what the rows name, before anything is sent.
func (j *job) lookUp(ctx context.Context) error {
	if j.look.dir == nil {
		return nil
	}
	if j.out.resumed {
		if err := j.look.reuseIDs(ctx, j.in, j.Results, j.dialect()); err != nil {
			return err
		}
	}
	var scopes [][]string
	if len(j.scopes) > 0 {
		scopes = append(scopes, j.scopes)
	}
	j.look.isDone, j.look.resumed = j.out.before.Done, j.out.resumed
	j.look.runID = report.RunID(j.op.Prefix, j.conn.base.Host, j.jobFlags.dialect().By())
	if err := j.look.find(ctx, j.conn, &j.observer, j.reopenTable, scopes...); err != nil {
		return err
	}
	j.saved = newSaved(j.batchSize())
	return nil
}

// host returns the host of the tenant; empty if none is given.
func (j *job) host() string {
	host, _ := hostOf(j.Domain) // connect returns the error
	return host
}

// reopenTable opens the input from its start. The input must be a regular file or
// spooled.
func (j *job) reopenTable() (*csvfile.Table, error) { return csvfile.Open(j.in.Again(), j.dialect()) }

// resolved returns the rows of the input with the ids that were looked up.
func (j *job) resolved(table *csvfile.Table) rowSeq {
	return withIDs(importer.Resolve(table.Rows(), j.look.dir), j.byAddress)
}

// prepared returns the rows as the operation needs them.
func (j *job) prepared(table *csvfile.Table) rowSeq {
	if j.rows == nil {
		return j.resolved(table)
	}
	return j.rows(j, j.resolved(table))
}

// batchSize returns how many rows a request can carry.
func (j *job) batchSize() int { return cmp.Or(j.size, j.op.Size) }

// dialect returns how the input is read.
func (j *job) dialect() csvfile.Dialect {
	d := j.jobFlags.dialect()
	d.KeepKeys = j.look.keys
	d.Plain = j.plain
	if j.adjustDialect != nil {
		_ = j.adjustDialect(j, &d, j.from) // openTable has checked the error
	}
	return d
}

// warn logs a problem that does not stop the run.
func (j *job) warn(text string) { j.log.Warn(text) }

// progress returns how far the run is. The ui calls it from its own goroutine.
func (j *job) progress() progress {
	if p, looking := j.look.progress(); looking {
		p.waiting = j.waiting()
		return p
	}
	before := int64(j.out.before.Settled())
	p := progress{
		done: j.done.Load(), total: j.total.Load(), before: before,
		members: j.members.Load(), did: string(j.op.Done), failed: j.failed.Load(),
		elapsed: time.Since(j.summary.Started),
		waiting: j.waiting(),
	}
	if p.total == 0 {
		p.done, p.total = j.in.Progress()
		p.bytes, p.before = true, 0
	}
	if s := j.pace.State(); s.Sent > 0 && !p.bytes {
		p.learnt = s.Refill * float64(p.done-p.before) / float64(s.Sent)
	}
	return p
}
