package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
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
//			op:    func(_ *job, client *auth0.Client) importer.Op { return client.Remove() },
//			check: cmd.checkNumber,
//		})
//	}
//
// In the struct cli the command names its default for --results:
//
//	Remove removeCmd `cmd:"" help:"…" set:"results=removed.csv"`

// task is what a job does.
type task struct {
	file string // the input; - for standard input
	size int    // rows in a request at most; 0: as many as the operation can carry

	// op returns the operation. Its Send may call [job.note].
	op func(j *job, client *auth0.Client) importer.Op

	// twice says that the input is read before the first request too, so that
	// a pipe has to be spooled.
	twice bool

	// byAddress says that the operation takes users by their e-mail addresses,
	// so that nobody looks these up.
	byAddress bool

	// skipMembers has it read before the operation who is in already.
	skipMembers bool

	// scopes are those that the operation takes, where it asks for none itself.
	scopes []string

	// read, if set, adds to how the input is read beside what the flags say. If
	// the input is read twice and holds results, was says whose; otherwise it is
	// zero. An error refuses the input.
	read func(j *job, d *csvfile.Dialect, was origin) error

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

func (f *resultFlags) lockPath() string { return cmp.Or(f.Lock, f.Results+".lock") }

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

	conn  *connection
	in    *input
	was   origin
	table *csvfile.Table
	look  lookups
	saved *saved // nil: nothing is looked up
	pace  *ratelimit.Transport
	does  importer.Op
	most  *int // distinct rows that may be sent; nil: any number

	out     *results
	writing sync.Mutex         // held by whoever writes results
	held    []importer.Outcome // of rows without a request, while there was none
	derived []*derived
	closing []func()
	summary report.Summary
	guard   guard
	broken  error // a row could not be written: none after it counts
	chokes  int   // rows that failed because the server could not be brought to answer
	pinged  sync.WaitGroup

	total, done, members, failed atomic.Int64
}

// runJob carries out a task, and tells people and whoever watches how it went.
func (c *console) runJob(flags *jobFlags, t task) error {
	j := &job{console: c, jobFlags: flags, task: t, ui: c.openUI(flags.uiFlags)}
	j.log = j.ui.log
	j.guard = guard{max: flags.MaxErrors, off: flags.NoGuard}
	j.look = lookups{lookupFlags: flags.lookupFlags, skipMembers: t.skipMembers, keepUsers: t.byAddress, noGuard: flags.NoGuard}
	j.summary.Started = time.Now()
	j.derived = j.derive()
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

// checkFiles holds all files of the run against each other.
func (j *job) checkFiles() error {
	inputs := []file{{"the input", j.file}}
	for _, name := range secretFiles() {
		inputs = append(inputs, file{name, j.getenv(name)})
	}
	inputs = append(inputs, file{"--users", j.Users})
	if special(j.Results) {
		return usagef("name a file", "--results %s is not a regular file, so no run could continue from it", j.Results)
	}
	return j.checkOutputs(inputs, append([]file{{"--results", j.Results}, {"--lock", j.lockPath()}}, j.besides()...))
}

// derive lists the files that are made of the results.
func (j *job) derive() []*derived {
	return []*derived{
		{file: file{"--failures", j.Failures}, header: j.writeHeader, rows: report.Failures},
	}
}

// besides lists the files that are written beside the results.
func (j *job) besides() []file {
	files := []file{{"--summary", j.watchFlags.Summary}, {"--metrics", j.Metrics}, {"--events", j.Events}}
	for _, d := range j.derived {
		files = append(files, d.file)
	}
	return files
}

// open opens everything, cheapest first: nothing is sent or written before the
// input is known to be readable, and nothing is sent before all files are known
// to be writable.
func (j *job) open(ctx context.Context) (err error) {
	if j.conn, err = j.connect(j.surroundings, j.paceFlags, &j.observer); err != nil {
		return err
	}
	var client *auth0.Client
	client, j.pace = j.conn.class()
	j.does = j.op(j, client)
	client.RunID = report.RunID(j.does.Prefix, j.conn.base.Host, j.jobFlags.dialect().By())
	if j.in, err = openInput(ctx, j.console, j.file); err != nil {
		return err
	}
	j.closing = append(j.closing, func() { _ = j.in.Close() })
	if j.Resume {
		j.look.keys = keptBefore(j.Results)
	}
	if err := j.openTable(ctx); err != nil {
		return cmp.Or(context.Cause(ctx), err)
	}
	for _, f := range j.besides() {
		if f.path != "" {
			if err := proveWritable(f, exitUsage); err != nil {
				j.unwritable = f.path
				return err
			}
		}
	}
	if err := proveWritable(file{"--results", j.Results}, exitStopped); err != nil {
		return err
	}
	unlock, err := lock(j.lockPath())
	if err != nil {
		return err
	}
	j.closing = append(j.closing, unlock)
	if err := j.collect(ctx); err != nil {
		return err
	}
	if err := j.openResults(); err != nil {
		return err
	}
	j.ui.notice("tenant "+j.conn.base.Host, j.ui.fields("tenant", j.conn.base.Host)...)
	j.log.Info(j.in.name+": "+j.table.String(), j.ui.fields("file", j.in.name)...)
	return nil
}

// openTable reads the header of the input. Results of an earlier run are read to
// their end first if the task asks whose they are.
func (j *job) openTable(ctx context.Context) (err error) {
	j.in.remember()
	if j.twice {
		if err := j.spool(); err != nil {
			return err
		}
	}
	j.table, err = csvfile.Open(j.in, j.dialect())
	if err != nil || !j.table.Results() || j.read == nil || !j.twice {
		return err
	}
	d := j.dialect()
	d.Settled = func(r csvfile.Result) error { return &told{r} }
	results, err := csvfile.Open(j.in.again(), d)
	if err == nil {
		j.was, err = readOrigin(ctx, results, j.does.KeyOf, j.host())
	}
	if err == nil {
		err = j.read(j, &d, j.was)
	}
	if err != nil {
		return usagef("", "%s: %w", j.in.name, err)
	}
	j.table, err = j.again()
	return err
}

// spool makes sure that the input can be read more than once.
func (j *job) spool() error {
	if err := j.in.spool(filepath.Dir(behindLinks(j.Results))); err != nil {
		return cantKeep(j.in, j.Results, err)
	}
	return nil
}

func cantKeep(in *input, results string, err error) error {
	return &exitError{exitStopped, fmt.Errorf("can't keep %s to read it twice: %w", in.name, err), "make room beside " + results}
}

// collect reads the input for what there is to look up, if there may be
// anything, and opens it anew with the columns of the keys.
func (j *job) collect(ctx context.Context) (err error) {
	j.table, err = j.look.prepare(ctx, j.in, j.table, j.spool, j.again)
	j.total.Store(int64(j.look.rows))
	return err
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
	j.look.isIn = j.out.before.Done
	if err := j.look.find(ctx, j.conn, &j.observer, j.again, scopes...); err != nil {
		return err
	}
	j.saved = newSaved(cmp.Or(j.size, j.does.Size))
	return nil
}

// host names the tenant; empty if the task needs none.
func (j *job) host() string {
	if j.conn == nil {
		return ""
	}
	return j.conn.base.Host
}

// again opens the input from its start. It takes a task that reads it twice.
func (j *job) again() (*csvfile.Table, error) { return csvfile.Open(j.in.again(), j.dialect()) }

// resolved returns the rows of the input with what was looked up.
func (j *job) resolved(table *csvfile.Table) rowSeq {
	return withIDs(importer.Resolve(table.Rows(), j.look.dir), j.byAddress)
}

// dialect says how the input is read.
func (j *job) dialect() csvfile.Dialect {
	d := j.jobFlags.dialect()
	d.KeepKeys = j.look.keys
	if j.read != nil {
		_ = j.read(j, &d, j.was) // openTable has asked for its error
	}
	return d
}

// keptBefore returns the columns behind the ten of a results file, if there is one.
func keptBefore(path string) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	r, err := report.NewReader(f)
	if err != nil {
		return nil // openResults says so
	}
	return r.Kept
}

// openResults opens the results, and what is made of them.
func (j *job) openResults() (err error) {
	_, statErr := os.Stat(j.Results)
	if j.Resume && !errors.Is(statErr, fs.ErrNotExist) {
		j.out, err = resumeResults(j.Results, j.conn.base.Host, j.does, j.table.Kept)
	} else {
		j.out, err = createResults(j.Results, j.conn.base.Host, j.does, j.table.Kept)
	}
	if err != nil {
		return err
	}
	j.closing = append(j.closing, j.out.close)
	before := j.out.before.Settled()
	j.guard.in = before > 0
	j.summary.Resumed(j.out.before)
	j.done.Store(int64(before))
	for _, d := range j.derived {
		if err := d.begin(); err != nil {
			return err
		}
	}
	return nil
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
	ahead := newAhead(cmp.Or(j.size, j.does.Size))
	rowCount, notes := j.in.survey(ctx, j.dialect(), j.resolved, ahead.add)
	j.total.Store(rowCount)
	if rowCount > 0 {
		j.eventLog.write(report.Event{Kind: report.EventRows, Rows: int(rowCount)})
	}
	j.sayNotes(notes)
	if rowCount > 0 {
		j.announce(ahead)
	}
	rows := j.resolved(j.table)
	if j.saved != nil {
		rows = j.saved.count(rows)
	}
	if j.rows != nil {
		rows = j.rows(j, rows)
	}
	batches := j.out.order(j.noMore(importer.Distinct(rows, j.does.KeyOf)), cmp.Or(j.size, j.does.Size))
	for answered, err := range importer.Run(ctx, batches, j.does, j.conn.pace.workers()) {
		if err != nil {
			return err
		}
		j.record(answered)
	}
	if j.in.file == nil { // there was no reading it before
		j.sayNotes(j.table.Notes())
	}
	return nil
}

// sayNotes says what there is to know about the input.
func (j *job) sayNotes(notes []csvfile.Note) {
	for _, n := range notes {
		if n.Loud {
			j.log.Warn(n.Text)
		} else {
			j.log.Info(n.Text)
		}
	}
}

// warn says what went wrong beside the run.
func (j *job) warn(text string) { j.log.Warn(text) }

// record writes what became of some rows, and only then counts them. What goes
// wrong stops the run but not the recording: answers that are on their way
// still come.
//
// Nothing is written before the first answer to a request, so that a run which
// can send none leaves everything as it was. Rows that need no request are held
// until then.
func (j *job) record(answered []importer.Outcome) {
	j.writing.Lock()
	defer j.writing.Unlock()
	if j.broken != nil {
		return
	}
	if !j.out.begun {
		j.held = append(j.held, answered...)
		if len(j.held) < maxHeld && !sentAny(answered) {
			return
		}
		answered = j.release()
	}
	j.write(answered)
}

// note writes a line at once and has it on the disk when it returns, for an
// operation that must not forget what it is about to do. It may be called
// concurrently.
func (j *job) note(o importer.Outcome) error {
	j.writing.Lock()
	defer j.writing.Unlock()
	if !j.out.begun {
		j.write(j.release())
	}
	if j.broken == nil {
		if j.broken = j.out.note(o); j.broken != nil {
			j.stop(j.broken)
		}
	}
	return j.broken
}

// maxHeld bounds the rows that are held. They take some 300 bytes each.
const maxHeld = 20_000

func sentAny(outcomes []importer.Outcome) bool {
	for i := range outcomes {
		if outcomes[i].Attempts > 0 {
			return true
		}
	}
	return false
}

// release begins to write, and returns what was held.
func (j *job) release() []importer.Outcome {
	held := j.held
	j.held = nil
	if j.broken = j.out.begin(); j.broken == nil {
		j.broken = j.eventLog.open(j.Events, j.out.resumed)
	}
	if j.broken != nil {
		j.stop(j.broken)
	}
	return held
}

func (j *job) write(answered []importer.Outcome) {
	if j.broken != nil {
		return
	}
	if j.broken = j.out.write(answered); j.broken != nil {
		j.stop(j.broken)
		return
	}
	j.summary.Add(answered)
	for i := range answered {
		o := &answered[i]
		switch {
		case o.Attempts > 0 && o.Status.Settled():
			j.members.Add(1)
		case o.Status.Failure():
			j.failed.Add(1)
		}
		if o.Passing {
			j.chokes++
		}
	}
	j.done.Add(int64(len(answered)))
	if err := cmp.Or(j.guard.add(answered), j.out.room()); err != nil {
		j.stop(err)
	}
}

// end closes the files, says how it ended and adds up.
func (j *job) end(err error) error {
	j.ui.Close()
	if err == nil && j.out != nil && !j.out.begun {
		j.write(j.release())
	}
	err = j.settle(err)
	e := exitOf(j.verdict(err))
	j.count(e, err)
	j.eventLog.stop(j, e)
	j.pinged.Wait()           // the start is told before the end, and nothing after the summary
	if e.code != exitLocked { // the run that holds the lock tells of itself
		j.tell(&j.summary, j.host(), j.Results, j.transport(1), j.warn)
	}
	if j.after != "" && j.members.Load() > 0 {
		j.log.Info(j.after)
	}
	j.say(e)
	if e.code != exitLocked && e.code != exitUsage {
		j.ui.summarize(&j.summary, j.Quiet)
	}
	return e.said()
}

// abandon is called before a second signal ends the program: it leaves a clean
// line, and says what is known and how to go on.
func (j *job) abandon() {
	j.ui.abandon()
	known := report.Plural(int(j.done.Load()), "row")
	if total := j.total.Load(); total > 0 {
		known = fmt.Sprintf("%s of %s", report.Number(int(j.done.Load())), report.Plural(int(total), "row"))
	}
	j.say(&exitError{
		err:  fmt.Errorf("stopped without waiting for the requests in flight: %s accounts for %s; those in flight may have been carried out", j.Results, known),
		hint: "go on with: " + j.goOn(),
	})
}

// settle closes what was written, and returns why the run ended before its
// input did, if it did.
func (j *job) settle(err error) error {
	err = cmp.Or(j.broken, err)
	if j.out == nil || !j.out.begun {
		return err
	}
	e := j.out.finish()
	if e == nil {
		e = j.out.compact(err == nil && !j.in.changed())
	}
	for _, d := range j.derived {
		e = cmp.Or(e, d.write(j.Results))
	}
	switch {
	case e == nil:
		return err
	case err == nil:
		return e
	default:
		return fmt.Errorf("%w; %w", e, err) // what could not be written decides
	}
}

// verdict returns how the run ended, which was stopped by err if it is not nil.
func (j *job) verdict(err error) error {
	switch {
	case err != nil:
		return err
	case j.in.changed():
		return &exitError{exitTemporary, fmt.Errorf("%s changed while it was read: rows of it may be missing", j.in.name), "run again with --resume when nobody writes to it any more"}
	case j.chokes > 0:
		return &exitError{exitTemporary, fmt.Errorf("the server gave no usable answer for %s", report.Plural(j.chokes, "row")), "they count as failed: try them again with --resume"}
	case j.summary.Failures() > 0:
		return errRows
	}
	return nil
}

// count fills in the summary of a run that ended with e, and was stopped by err
// if it is not nil.
func (j *job) count(e *exitError, err error) {
	s := &j.summary
	s.ExitCode, s.Finished, s.Total = e.code, time.Now(), int(j.total.Load())
	if err != nil {
		s.Stopped = err.Error()
	}
	if e.err != nil && e.code != exitUsage {
		s.GoOn = j.goOn()
	}
	if e.code == exitRows {
		s.Next = "look at what failed: " + commandLine(j.reportArgs()) + "\ntry it again: " + j.goOn()
	}
	if j.conn != nil {
		state := j.conn.state()
		s.Requests, s.Refused, s.Waited, s.Held = state.Sent+int(j.look.jobs.Load()), state.Refused, state.Waited, state.Held
	}
	s.Reads = int(j.look.sent.Load())
	if j.saved != nil {
		s.WritesSaved = j.saved.requests()
		j.eventLog.write(report.Event{Kind: report.EventLookup, WritesSaved: s.WritesSaved})
	}
	if j.out != nil && j.out.begun {
		s.Files = []string{j.Results}
		for _, d := range j.derived {
			if d.path != "" {
				s.Files = append(s.Files, d.path)
			}
		}
	}
}

// reportArgs make a page of the run.
func (j *job) reportArgs() []string {
	args := []string{"report", j.Results}
	if j.Events != "" {
		args = append(args, "--events", j.Events)
	}
	return args
}

// close lets go of everything, the last thing first.
func (j *job) close() {
	for i := len(j.closing) - 1; i >= 0; i-- {
		j.closing[i]()
	}
}

// progress is asked for by the ui, from its own goroutine.
func (j *job) progress() progress {
	if p, looking := j.look.progress(); looking {
		p.waiting = j.waiting()
		return p
	}
	before := int64(j.out.before.Settled())
	p := progress{
		done: j.done.Load(), total: j.total.Load(), before: before,
		members: j.members.Load(), did: string(j.does.Done), failed: j.failed.Load(),
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

func (j *job) writeHeader(w io.Writer) error {
	return report.NewWriter(w, j.does.Args, j.table.Kept).WriteHeader()
}
