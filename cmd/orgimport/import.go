package main

import (
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

// importCmd is the job.
type importCmd struct {
	File string `arg:"" help:"CSV file with a header, or - for standard input." placeholder:"FILE"`

	tenantFlags  `embed:""`
	resultFlags  `embed:""`
	dialectFlags `embed:""`
	paceFlags    `embed:""`
	stopFlags    `embed:""`
	uiFlags      `embed:""`
	watchFlags   `embed:""`

	BatchSize int  `help:"Users in one request, 1 to 10." default:"10" placeholder:"N" group:"pace"`
	DryRun    bool `help:"Send nothing; say what would be done, as orgimport plan does."`
}

// resultFlags say what is written, and where.
type resultFlags struct {
	Results  string `help:"What became of each row." default:"results.csv" placeholder:"FILE" group:"results"`
	Failures string `help:"The rows that are not in: a valid input as it is." placeholder:"FILE" group:"results"`
	Resume   bool   `help:"Go on where the results file stands." group:"results"`
	Lock     string `help:"Lock that keeps other runs off; default: beside the results." placeholder:"FILE" group:"results"`
}

// stopFlags say when to stop before the end.
type stopFlags struct {
	MaxErrors   maxErrors     `help:"Stop with exit code 4 once so many rows failed." placeholder:"N|N%" group:"stop"`
	MaxDuration time.Duration `help:"Stop cleanly with exit code 10 after that time." placeholder:"DURATION" group:"stop"`
}

// Help is what orgimport import --help says beside the flags.
func (importCmd) Help() string {
	return `orgimport import members.csv --failures failures.csv

orgimport import members.csv --failures failures.csv --resume

zcat members.csv.gz | orgimport import - --results results.csv

Every flag has a twin in the environment: --max-errors is ORGIMPORT_MAX_ERRORS. See also orgimport help exit-codes, orgimport help environment and orgimport help results.`
}

// Validate is called by kong when all flags are read.
func (cmd *importCmd) Validate() error {
	return errors.Join(cmd.dialectFlags.Validate(), cmd.paceFlags.Validate(), cmd.watchFlags.Validate(), validBatchSize(cmd.BatchSize))
}

func validBatchSize(n int) error {
	if n < 1 || n > auth0.MaxMembers {
		return fmt.Errorf("--batch-size must be from 1 to %d", auth0.MaxMembers)
	}
	return nil
}

// Run imports the file, and tells whoever watches how it went.
func (cmd *importCmd) Run(c *console) error {
	if cmd.DryRun {
		return cmd.plan().Run(c)
	}
	r := &importRun{console: c, cmd: cmd, ui: c.openUI(cmd.uiFlags)}
	r.relations.log = r.ui.log
	r.guard.max = cmd.MaxErrors
	r.summary.Started = time.Now()
	err := r.run()
	r.ui.Close()
	if code, _ := verdict(err); !r.reckoned && code != exitLocked { // the run that holds the lock tells of itself
		r.summary.ExitCode, r.summary.Stopped, r.summary.Finished = code, err.Error(), time.Now()
		cmd.tell(&r.summary, cmd.Domain, cmd.Results, r.transport(1), r.warn)
	}
	return err
}

// run opens everything, cheapest first: nothing is sent or written before the
// input is known to be readable, and nothing is sent before the results are
// known to be writable.
func (r *importRun) run() error {
	cmd := r.cmd
	ctx, end := r.untilSignal()
	defer end()
	ctx, cancel := withMaxDuration(ctx, cmd.MaxDuration)
	defer cancel()
	ctx, r.stop = context.WithCancelCause(ctx)
	defer r.stop(nil)

	conn, err := cmd.connect(r.surroundings, cmd.paceFlags)
	if err != nil {
		return err
	}
	r.in, err = openInput(ctx, r.console, cmd.File)
	if err != nil {
		return err
	}
	defer r.in.Close()
	table, err := csvfile.Open(r.in, cmd.dialect())
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	if err := cmd.keepOffInput(r.in); err != nil {
		return err
	}
	unlock, err := lock(cmd.lockPath())
	if err != nil {
		return err
	}
	defer unlock()
	if err := r.openResults(conn.base.Host, table.Kept); err != nil {
		return err
	}
	r.ui.notice("tenant " + conn.base.Host)
	r.ui.log.Info(r.in.name + ": " + table.String())
	return r.send(ctx, conn, table)
}

// send is the program.
func (r *importRun) send(ctx context.Context, conn *connection, table *csvfile.Table) error {
	client, pace := conn.class(&r.relations)
	r.pace = pace
	r.watch(conn.base.Host)

	op := client.Import()
	rows := importer.Skip(importer.Distinct(table.Rows(), op.KeyOf), r.before.In)
	batches := importer.Group(rows, r.cmd.BatchSize)
	for answered, err := range importer.Run(ctx, batches, op, conn.pace.workers()) {
		if err != nil {
			return r.finish(err)
		}
		r.record(answered)
	}
	return r.finish(nil)
}

// watch shows and notes where the run stands until finish.
func (r *importRun) watch(tenant string) {
	go func() { r.total.Store(r.in.count(r.cmd.dialect())) }()
	r.pinged.Go(func() { r.cmd.ping(r.transport(1), "start", r.warn) })
	r.ui.watch(r.progress)
	r.diary.start(r, tenant)
}

// warn says what went wrong beside the run.
func (r *importRun) warn(text string) { r.ui.log.Warn(text) }

func (f *resultFlags) lockPath() string {
	if f.Lock != "" {
		return f.Lock
	}
	return f.Results + ".lock"
}

// keepOffInput refuses to write into the file that is read.
func (f *resultFlags) keepOffInput(in *input) error {
	for flag, path := range map[string]string{"--results": f.Results, "--failures": f.Failures, "--lock": f.lockPath()} {
		if path != "" && in.is(path) {
			return usagef("give it another name", "%s %s is the input itself", flag, path)
		}
	}
	return nil
}

// importRun is an import under way. Outcomes are recorded by one goroutine;
// what the progress looks at is atomic.
type importRun struct {
	*console
	relations
	cmd  *importCmd
	ui   *ui
	in   *input
	stop context.CancelCauseFunc
	pace *ratelimit.Transport

	journal  *journal
	before   *report.Journal
	results  *report.Writer
	failures *os.File
	refused  *report.Writer // writes failures
	summary  report.Summary
	guard    guard
	broken   error // a row could not be written: none after it counts
	chokes   int   // rows that failed because the server could not be brought to answer
	reckoned bool  // the run has ended and said so
	pinged   sync.WaitGroup

	total, done, members, failed atomic.Int64
}

// openResults opens what the run writes to, and proves that it can be written.
func (r *importRun) openResults(tenant string, kept []string) (err error) {
	f := r.cmd.resultFlags
	r.before = &report.Journal{}
	_, statErr := os.Stat(f.Results)
	resume := f.Resume && !errors.Is(statErr, fs.ErrNotExist)
	if resume {
		r.journal, r.before, err = resumeJournal(f.Results, tenant, kept)
	} else {
		r.journal, err = createJournal(f.Results)
	}
	if err != nil {
		return err
	}
	r.results = report.NewWriter(r.journal, kept)
	if r.journal.size == 0 {
		if err := r.results.WriteHeader(); err != nil {
			return err
		}
	}
	r.summary.Resumed(r.before)
	r.summary.Files = []string{f.Results}
	r.done.Store(int64(r.before.Lines()))
	if err := r.diary.open(r.cmd.Events, resume); err != nil {
		return err
	}
	if f.Failures == "" {
		return nil
	}
	r.failures, err = os.OpenFile(f.Failures, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return writeError(f.Failures, err)
	}
	r.summary.Files = append(r.summary.Files, f.Failures)
	r.refused = report.NewWriter(r.failures, kept)
	if err := r.refused.WriteHeader(); err != nil {
		return writeError(f.Failures, err)
	}
	return nil
}

// record writes what became of some rows, and only then counts them. What goes
// wrong stops the run but not the recording: answers that are on their way
// still come.
func (r *importRun) record(answered []importer.Outcome) {
	if r.broken != nil {
		return
	}
	r.broken = r.write(answered)
	if r.broken != nil {
		r.stop(r.broken)
		return
	}
	r.summary.Add(answered)
	for _, o := range answered {
		switch o.Status {
		case importer.Added:
			r.members.Add(1)
		case importer.Failed, importer.Rejected:
			r.failed.Add(1)
		}
		if o.Passing {
			r.chokes++
		}
	}
	r.done.Add(int64(len(answered)))
	if err := r.guard.add(answered); err != nil {
		r.stop(err)
	}
	if err := r.journal.Room(); err != nil {
		r.stop(err)
	}
}

func (r *importRun) write(answered []importer.Outcome) error {
	if err := r.results.Write(answered); err != nil {
		return err
	}
	if r.refused == nil {
		return nil
	}
	var refused []importer.Outcome
	for _, o := range answered {
		if o.Status == importer.Failed || o.Status == importer.Rejected {
			refused = append(refused, o)
		}
	}
	if len(refused) == 0 {
		return nil
	}
	if err := r.refused.Write(refused); err != nil {
		return writeError(r.failures.Name(), err)
	}
	return nil
}

// finish closes the files, says how it ended and adds up.
func (r *importRun) finish(err error) error {
	r.ui.Close()
	err = errors.Join(err, r.closeFiles())
	r.summary.Finished = time.Now()
	r.summary.Total = int(r.total.Load())
	state := r.pace.State()
	r.summary.Requests, r.summary.Refused, r.summary.Waited = state.Sent, state.Refused, state.Waited
	switch {
	case err != nil:
		r.summary.Stopped = err.Error()
		r.summary.GoOn = r.goOn()
	case r.chokes > 0:
		err = &exitError{exitTemporary, fmt.Errorf("the server gave no usable answer for %d rows", r.chokes), "they are told as failed: try them again with --resume"}
		r.summary.GoOn = r.goOn()
	case r.summary.Failures() > 0:
		err = rowsError{}
	}
	r.summary.ExitCode, _ = verdict(err)
	r.reckoned = true
	r.diary.stop(r)
	r.pinged.Wait() // the start is told before the end, and nothing after the reckoning
	r.cmd.tell(&r.summary, r.cmd.Domain, r.cmd.Results, r.transport(1), r.warn)
	r.fail(err)
	r.ui.reckon(&r.summary, r.cmd.Quiet)
	return said{r.summary.ExitCode}
}

func (r *importRun) closeFiles() error {
	err := r.journal.Close()
	if r.failures != nil {
		if e := errors.Join(r.failures.Sync(), r.failures.Close()); e != nil {
			err = errors.Join(err, writeError(r.failures.Name(), e))
		}
	}
	return err
}

// progress is asked for by the ui, from its own goroutine.
func (r *importRun) progress() progress {
	p := progress{
		done: r.done.Load(), total: r.total.Load(), before: int64(r.before.Lines()),
		members: r.members.Load(), failed: r.failed.Load(),
		elapsed: time.Since(r.summary.Started),
		waiting: r.waiting(r.pace),
	}
	if p.total == 0 {
		p.bytes, p.total, p.done, p.before = true, r.in.size(), r.in.read.Load(), 0
	}
	if s := r.pace.State(); s.Sent > 0 && !p.bytes {
		p.learnt = s.Refill * float64(p.done-p.before) / float64(s.Sent)
	}
	return p
}
