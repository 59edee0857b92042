package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/csvfile"
	"orgimport/ratelimit"
	"orgimport/report"
)

// A job has an operation carried out over the rows of a file: it brings the
// results, the failures and going on with them, the lock, the guard, the
// progress, the summary and whoever watches. A command brings a [task]:
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
//			check: cmd.checkNumber,
//		})
//	}
//
// Its line in [commands] has its default for --results.

// task is what a job does.
type task struct {
	file string // the input; - for standard input
	size int    // rows in a request at most; 0: as many as the operation can carry

	// op returns the operation. Its Send may call [job.note].
	newOp func(j *job, client *auth0.Client) importer.Op

	// twice says that the input is read before the first request too, so that
	// a pipe has to be spooled.
	readTwice bool

	// byAddress says that the operation takes users by their e-mail addresses,
	// so that nobody looks these up.
	byAddress bool

	// skipMembers has it read before the operation who is in already.
	skipMembers bool

	// scopes are those of which the operation takes one. They are asked for before
	// anything is looked up.
	scopes []string

	// read, if set, adds to how the input is read beside what the flags say. If
	// the input is read twice and holds results, was says whose; otherwise it is
	// zero. An error refuses the input.
	adjustDialect func(j *job, d *csvfile.Dialect, from origin) error

	// rows, if set, is the stage between the look-ups and the operation. It
	// sees every row of the input once, those included that are done already.
	rows func(j *job, rows rowSeq) rowSeq

	// check, if set, is asked when the tenant, the input and the results are
	// open, and before the first request. An error ends the run.
	check func(ctx context.Context, j *job) error

	// after is said at the end of a run that has done something.
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
	Failures string `help:"File for the rows that are not done; it can be an input as it is." placeholder:"FILE" group:"results"`
	Resume   bool   `help:"Continue from the results file: skip what is done, try again what failed." group:"results"`
	Lock     string `help:"Lock file that keeps a second run out (default: RESULTS.lock)." placeholder:"FILE" group:"results"`
}

// lockPath is one for all links to a results file.
func (f *resultFlags) lockPath() string {
	results := f.Results
	if info, err := os.Lstat(results); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		results = linkTarget(results)
	}
	return cmp.Or(f.Lock, results+".lock")
}

// stopFlags say when to stop before the end.
type stopFlags struct {
	MaxErrors   maxErrors     `help:"Stop with exit code 4 when this many rows have failed, or this share of them." placeholder:"N|N%" group:"stop"`
	NoGuard     bool          `help:"Do not stop when the first 100 rows that were answered all failed." group:"stop"`
	MaxDuration time.Duration `help:"Stop cleanly with exit code 10 after this time." placeholder:"DURATION" group:"stop"`
}

// job is a task under way. Outcomes are recorded by one goroutine; what the
// progress looks at is atomic.
type job struct {
	*console
	*jobFlags
	task
	observer
	ui   *ui
	stop context.CancelCauseFunc

	conn    *connection
	in      *input
	from    origin
	table   *csvfile.Table
	look    lookups
	saved   *saved // nil: nothing is looked up
	pace    *ratelimit.Transport
	op      importer.Op
	maxRows *int // distinct rows that may be sent; nil: any number

	out        *results
	writing    sync.Mutex         // held by whoever writes results
	held       []importer.Outcome // of rows without a request, while there was none
	derived    []*derived
	closing    []func()
	summary    report.Summary
	guard      guard
	broken     error // a row could not be written: none after it counts
	unanswered int   // rows that failed because the server could not be brought to answer
	pinged     sync.WaitGroup

	total, done, members, failed atomic.Int64
}

// newJob returns a job that has opened nothing but its ui.
func (c *console) newJob(flags *jobFlags, t task) *job {
	j := &job{console: c, jobFlags: flags, task: t, ui: c.openUI(flags.uiFlags)}
	j.log = j.ui.log
	j.guard = guard{max: flags.MaxErrors, off: flags.NoGuard}
	j.look = lookups{lookupFlags: flags.lookupFlags, skipMembers: t.skipMembers, keepUsers: t.byAddress, noGuard: flags.NoGuard}
	j.summary.Started = time.Now()
	j.derived = j.derive()
	return j
}

// runJob carries out a task, and tells people and whoever watches how it went.
func (c *console) runJob(flags *jobFlags, t task) error {
	j := c.newJob(flags, t)
	defer j.close()
	if err := j.checkFiles(); err != nil {
		j.ui.Close()
		return err // nothing is written, for it might be the input that is
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

// send is the program.
func (j *job) send(ctx context.Context) error {
	if j.Events != "" {
		j.eventLog.start(j)
	}
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
	rowCount, notes := j.in.survey(ctx, j.dialect(), j.prepared, func(row importer.Row) {
		if row.Err == nil && !j.out.before.Done(row) {
			ahead.add(row.OrgID)
		}
	})
	j.total.Store(rowCount)
	if rowCount > 0 {
		j.eventLog.write(report.Event{Kind: report.EventRows, Rows: int(rowCount)})
	}
	j.logNotes(notes)
	if rowCount > 0 {
		j.announce(ahead)
	}
	rows := j.prepared(j.table)
	if j.saved != nil {
		rows = j.saved.count(rows)
	}
	batches := j.out.batches(j.limited(importer.Distinct(rows, j.op.KeyOf)), j.batchSize())
	for answered, err := range importer.Run(ctx, batches, j.op, j.conn.pace.workers()) {
		if err != nil {
			return err
		}
		j.record(answered)
	}
	if j.in.file == nil { // there was no reading it before
		j.logNotes(j.table.Notes())
	}
	return nil
}

// logNotes says what there is to know about the input.
func (j *job) logNotes(notes []csvfile.Note) {
	for _, n := range notes {
		if n.Loud {
			j.log.Warn(n.Text)
		} else {
			j.log.Info(n.Text)
		}
	}
}

// announce says how much is about to be sent, and about how long that takes.
func (j *job) announce(ahead *batchCount) {
	if ahead.rows == 0 {
		j.log.Info("nothing is left to send")
		return
	}
	requests := ahead.batches()
	takes, at := duration(requests, endpoint(20, 200)), "Auth0's usual limit of 200 requests a minute"
	if j.Rate > 0 && durationAt(requests, j.Rate) > takes {
		takes, at = durationAt(requests, j.Rate), fmt.Sprintf("%g requests a second", j.Rate)
	}
	text := fmt.Sprintf("%s to send in about %s: %s or so at %s",
		report.Plural(ahead.rows, "row"), report.Plural(requests, "request"), brief(max(takes, time.Second)), at)
	j.log.Info(text, j.ui.fields("rows", ahead.rows, "requests", requests, "seconds", takes.Seconds())...)
}

// lookUp finds out what the rows name, before anything is sent.
func (j *job) lookUp(ctx context.Context) error {
	if j.look.dir == nil {
		return nil
	}
	if err := j.look.settle(ctx, j.Results, j.dialect()); err != nil {
		return err
	}
	var scopes [][]string
	if len(j.scopes) > 0 {
		scopes = append(scopes, j.scopes)
	}
	j.look.isDone = j.out.before.Done
	if err := j.look.find(ctx, j.conn, &j.observer, j.reopenTable, scopes...); err != nil {
		return err
	}
	j.saved = newSaved(j.batchSize())
	return nil
}

// host names the tenant; empty if none is given.
func (j *job) host() string {
	host, _ := hostOf(j.Domain) // connect says what is wrong with it
	return host
}

// again opens the input from its start. It takes a task that reads it twice.
func (j *job) reopenTable() (*csvfile.Table, error) { return csvfile.Open(j.in.reread(), j.dialect()) }

// resolved returns the rows of the input with what was looked up.
func (j *job) resolved(table *csvfile.Table) rowSeq {
	return withIDs(importer.Resolve(table.Rows(), j.look.dir), j.byAddress)
}

// prepared returns the rows as the operation takes them.
func (j *job) prepared(table *csvfile.Table) rowSeq {
	if j.rows == nil {
		return j.resolved(table)
	}
	return j.rows(j, j.resolved(table))
}

// batchSize is how many rows a request carries at most.
func (j *job) batchSize() int { return cmp.Or(j.size, j.op.Size) }

// dialect says how the input is read.
func (j *job) dialect() csvfile.Dialect {
	d := j.jobFlags.dialect()
	d.KeepKeys = j.look.keys
	if j.adjustDialect != nil {
		_ = j.adjustDialect(j, &d, j.from) // openTable has asked for its error
	}
	return d
}

// warn says what went wrong beside the run.
func (j *job) warn(text string) { j.log.Warn(text) }

// progress is asked for by the ui, from its own goroutine.
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
		p.bytes, p.total, p.done, p.before = true, j.in.size(), j.in.read.Load(), 0
	}
	if s := j.pace.State(); s.Sent > 0 && !p.bytes {
		p.learnt = s.Refill * float64(p.done-p.before) / float64(s.Sent)
	}
	return p
}
