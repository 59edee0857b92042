package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/cmd/orgimport/internal/job"
	"orgimport/cmd/orgimport/internal/tenancy"
	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/csvfile"
	"orgimport/ratelimit"
	"orgimport/report"
)

// operation is what a command does with the rows of a file.
type operation struct {
	file string // the input; - for standard input
	op   func(client *auth0.Client) importer.Op
	task job.Task // without its Op

	// skipMembers says that existing members are looked up before the operation.
	skipMembers bool

	// scope is what the operation needs. The token is checked for it before
	// anything is looked up.
	scope string

	// maxRows is the most distinct rows that may be sent; nil: any number.
	maxRows *int

	// check, if set, is called when everything is open, before the first request
	// of the operation. An error ends the run.
	check func(ctx context.Context, r *openRun) error

	// after is logged at the end of a run that has changed something.
	after string

	headline headline // of its forecast
}

// headline begins the forecast of an operation. The import has none: its forecast
// is the plan.
type headline struct {
	verb, noun string                      // for example, remove and membership
	limits     func(publishedPlan) []limit // of the operation; nil if a plan publishes none
	otherWay   string                      // what may spare requests
}

// config returns what the operation reads, and names the run that the requests of
// client belong to. host is that of the tenant; empty: any.
func (o operation) config(c *console, f *sourceFlags, client *auth0.Client, host string, log *slog.Logger) job.Config {
	task, dialect := o.task, f.dialect()
	task.Op = o.op(client)
	client.RunID = report.RunID(task.Op.Prefix, host, dialect.By())
	if o.skipMembers {
		client.RunID = report.Skipping(client.RunID)
	}
	lookups := f.lookups()
	lookups.SkipMembers = o.skipMembers
	return job.Config{
		Task: task, Path: o.file, Stdin: c.stdin, Dialect: dialect, Lookups: lookups,
		Tenant: host, Results: f.Results, Resume: f.Resume, Log: log,
	}
}

// session is a command that carries out an operation. It owns what a job does not:
// the lock, the signals, and what people see.
type session struct {
	*console
	*observer
	operation
	flags   *jobFlags
	outputs outputs
	ui      *ui
	started time.Time
	pinged  sync.WaitGroup
}

// operate carries out an operation, and reports how it went.
func (c *console) operate(flags *jobFlags, o operation) error {
	ui := c.openUI(flags.uiFlags)
	defer ui.Close()
	s := &session{
		console: c, observer: &observer{log: ui.log}, operation: o, flags: flags,
		outputs: flags.outputs(), ui: ui, started: time.Now(),
	}
	if err := s.outputs.check(c, flags, o.file); err != nil {
		return err // without writing the summary: its file may be the input
	}
	var sink atomic.Pointer[job.Sink]
	ctx, end := c.untilSignal(s.signalled, func(signal syscall.Signal) { s.abandon(signal, sink.Load()) })
	defer end()
	ctx, cancel := withMaxDuration(ctx, flags.MaxDuration)
	defer cancel()
	r, err := s.open(ctx)
	if err != nil {
		return s.ended(ctx, &report.Summary{}, false, err)
	}
	defer r.close()
	sink.Store(r.out)
	ui.watch(r.progress)
	err = r.send(ctx)
	if o.after != "" && r.out.Progress().Members > 0 {
		s.log.Info(o.after)
	}
	return s.ended(ctx, r.summary(), r.out.Wrote(), err)
}

// openRun is an operation under way: everything is open.
type openRun struct {
	*session
	tenant *tenancy.Tenant
	pace   *ratelimit.Transport // of the operation's own requests
	src    *job.Source
	out    *job.Sink
	close  func()
}

// open opens everything that a run needs, the cheapest first. It sends nothing and
// changes no file, and knows in the end that all files can be written.
func (s *session) open(ctx context.Context) (*openRun, error) {
	tenant, err := s.connect(ctx, &s.flags.tenantFlags, &s.flags.paceFlags, s.observer)
	if err != nil {
		return nil, err
	}
	client, pace := tenant.Class()
	config := s.config(s.console, &s.flags.sourceFlags, client, tenant.Host(), s.log)
	config.Op.Ready = pace.Ready
	if err := files.CheckWritable(append(s.outputs.files(), files.Named("--results", s.flags.Results))...); err != nil {
		return nil, err
	}
	unlock, err := files.Lock(files.Named("--lock", s.flags.lockPath()))
	if err != nil {
		return nil, err
	}
	src, err := job.Open(ctx, config)
	if err != nil {
		unlock()
		return nil, err
	}
	out, err := job.Create(job.SinkConfig{
		Extracts: s.outputs.extracts, MaxFailed: s.flags.maxErrors(), NoGuard: s.flags.NoGuard, MaxRows: s.maxRows,
		InFlight: func() int { return pace.State().MaxInFlight },
	}, src)
	if err != nil {
		src.Close()
		unlock()
		return nil, err
	}
	s.ui.showTenant(tenant.Host())
	if files.LostWithContainer(s.flags.Results) {
		s.log.Warn(s.flags.Results + " is in the container's own layer, and is lost with the container: mount a volume for it")
	}
	s.log.Info(src.Name()+": "+src.Table().String(), s.ui.fields("file", src.Name())...)
	return &openRun{session: s, tenant: tenant, pace: pace, src: src, out: out, close: func() { out.Close(); src.Close(); unlock() }}, nil
}

// send looks up and sends the rows of the input.
func (r *openRun) send(ctx context.Context) error {
	if err := r.src.LookUp(ctx, r.tenant, r.out.Before(), []string{r.scope}); err != nil {
		return err
	}
	if r.check != nil {
		if err := r.check(ctx, r); err != nil {
			return err
		}
	}
	r.pinged.Go(func() { r.flags.ping(ctx, r.transport(1), "start", r.log) })
	ahead := r.out.Ahead(ctx, r.src)
	if ahead.Total > 0 {
		logNotes(r.log, r.src.Table())
		if ahead.Foreign {
			r.log.Warn(fmt.Sprintf("%s has no row of %s: does it hold the results of another file?", r.flags.Results, r.src.Name()))
		}
		r.announce(ahead)
	}
	err := job.Run(ctx, r.src, r.out, ratelimit.MostInFlight)
	if err == nil && !r.src.IsFile() { // Ahead could not read it
		logNotes(r.log, r.src.Table())
	}
	return err
}

// logNotes logs the notes about the input.
func logNotes(log *slog.Logger, table *csvfile.Table) {
	for _, n := range table.Notes() {
		if n.Loud {
			log.Warn(n.Text)
		} else {
			log.Info(n.Text)
		}
	}
}

// announce logs how much is about to be sent, and about how long it takes.
func (r *openRun) announce(ahead job.Ahead) {
	if ahead.Rows == 0 {
		r.log.Info("nothing is left to send")
		return
	}
	n, usual := float64(ahead.Requests), usualLimit(r.headline.limits)
	takes, at := duration(n, usual...), "Auth0's usual limit of "+sustained(usual)
	if rate := r.flags.Rate; rate > 0 && duration(n, steadily(rate)) > takes {
		takes, at = duration(n, steadily(rate)), fmt.Sprintf("%g requests a second", rate)
	}
	about := "about"
	if ahead.MayFail {
		about = "at least" // a refused batch takes more than one request
	}
	text := fmt.Sprintf("%s to send: %s %s, %s at %s",
		report.Plural(ahead.Rows, "row"), about, report.Plural(ahead.Requests, "request"), brief(max(takes, time.Second)), at)
	r.log.Info(text, r.ui.fields("rows", ahead.Rows, "requests", ahead.Requests, "seconds", takes.Seconds())...)
}

// isConnectionName reports whether a connection is given by name, not by id.
func isConnectionName(connection string) bool { return !strings.HasPrefix(connection, "con_") }

// connectionIDs returns the ids of the connections that a flag gives by name or id.
func (r *openRun) connectionIDs(ctx context.Context, flag string, connections []string) (ids []string, err error) {
	client, _ := r.tenant.Class()
	names := slices.DeleteFunc(slices.Clone(connections), func(c string) bool { return !isConnectionName(c) })
	found, err := (&auth0.Lookup{Connections: client}).FindConnections(ctx, names)
	if err != nil {
		return nil, stoppedOr(ctx, lookUpError(err))
	}
	for _, connection := range connections {
		id := connection
		if isConnectionName(connection) {
			id = found[connection]
		}
		if id == "" {
			return nil, usagef("name a connection of the tenant, or its id (con_…)", "%s: there is no connection %s", flag, connection)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// listRoles returns the roles of the tenant, or none unless some are given by name.
func (r *openRun) listRoles(ctx context.Context, named bool) (*auth0.Roles, error) {
	if !named {
		return &auth0.Roles{}, nil
	}
	client, _ := r.tenant.Class()
	roles, err := client.Roles(ctx)
	if err != nil {
		return nil, stoppedOr(ctx, lookUpError(err))
	}
	return roles, nil
}

// checkLimit returns an error if the flag that limits the rows is missing, or if
// the file has more rows than it allows. The sink enforces the limit later, in case
// the file changes during the run.
func (r *openRun) checkLimit(rows int, flag, noun string) error {
	file := fmt.Sprintf("this file names %s", report.Plural(rows, noun))
	switch {
	case r.maxRows == nil:
		return usagef("", "%s: add %s %d", file, flag, rows)
	case *r.maxRows < rows:
		return &exitError{exitErrors, fmt.Errorf("%s, and %s is %d: nothing was sent", file, flag, *r.maxRows), fmt.Sprintf("look at the file; if it is right, give %s %d", flag, rows)}
	}
	return nil
}

// summary completes the summary by what was sent.
func (r *openRun) summary() *report.Summary {
	s := &r.out.Summary
	state, found := r.tenant.State(), r.src.Findings()
	s.Requests, s.Refused, s.Waited, s.Held = state.Sent+found.Unlimited, state.Refused, state.Waited.Seconds(), state.Held.Seconds()
	s.Reads, s.Total = found.Reads, int(r.out.Progress().Total)
	return s
}

// progress returns how far the run is. The ui calls it from its own goroutine.
func (r *openRun) progress() progress {
	if p, looking := lookUpProgress(r.src); looking {
		p.waiting = r.waiting()
		return p
	}
	now := r.out.Progress()
	p := progress{
		done: now.Done, total: now.Total,
		members: now.Members, did: string(r.src.Op.Done), failed: now.Failed,
		elapsed: time.Since(r.started),
		waiting: r.waiting(), pace: r.pace.State(),
	}
	if p.total == 0 {
		p.done, p.total, p.bytes = r.src.Progress()
	} else {
		p.answered, p.batches = now.Answered, now.Batches
	}
	return p
}

// lookUpProgress returns the progress of the look-ups, and false if none is under
// way.
func lookUpProgress(src *job.Source) (progress, bool) {
	p := src.Phase()
	if p == nil {
		return progress{}, false
	}
	now := progress{done: int64(p.Done), total: int64(p.Of), elapsed: time.Since(p.Began), pace: p.Tenant.Latest(), words: "looking up " + p.Name}
	export := p.Name == auth0.PhaseExport // its progress, if known, is a percentage
	switch {
	case export:
		now.words = "waiting for the tenant's export of users"
		if p.Done > 0 {
			took := p.At.Sub(p.Began)
			now.left = max(0, took*time.Duration(p.Of)/time.Duration(p.Done)-now.elapsed)
		}
	case p.Of > 0:
		now.words += ": " + report.Number(p.Done) + "/" + report.Number(p.Of)
	case p.Done > 0:
		now.words += ": " + report.Number(p.Done)
	}
	if export || p.Of == 0 {
		now.words += ", " + brief(now.elapsed) + " so far"
	}
	return now, true
}

// ended reports how a run ended, because of err if it is not nil; wrote says that it
// has written lines. The error that it returns carries only the exit code, because
// the rest has been printed.
func (s *session) ended(ctx context.Context, sum *report.Summary, wrote bool, err error) error {
	s.ui.Close()
	e := exitOf(err)
	if n := sum.Failures(); err == nil && n > 0 {
		e = s.tolerate(sum, n)
	}
	if sum.Stopped != "" || err != nil && !wrote {
		sum.Stopped = e.Error()
	}
	sum.Started, sum.Finished, sum.ExitCode = s.started, time.Now(), e.code
	host, _ := hostOf(s.flags.Domain)
	sum.Results, sum.Tenant, sum.Outages = s.flags.Results, host, time.Duration(s.outages.Load()).Seconds()
	if e.err != nil && (e.code != exitUsage || wrote) {
		sum.ResumeCommand = s.resumeCommand()
	}
	if e.code == exitRows {
		page := []string{"report", s.flags.Results}
		if s.flags.Summary != "" {
			page = append(page, "--summary", s.flags.Summary)
		}
		sum.Next = "look at what failed: " + commandLine(page) + "\ntry it again: " + s.resumeCommand()
	}
	s.pinged.Wait()           // the start ping comes before the end ping, and no warning after the summary
	if e.code != exitLocked { // the files belong to the run that holds the lock
		s.outputs.publish(sum, err, s.log)
		if ctx.Err() != nil {
			ctx = context.WithoutCancel(ctx) // the end of a run that was stopped is told too
		}
		s.flags.ping(ctx, s.transport(1), fmt.Sprint(e.code), s.log)
	}
	s.printError(e)
	if e.code != exitLocked && e.code != exitUsage || wrote {
		s.ui.summarize(sum, s.flags.Quiet)
	}
	return e.silent()
}

// tolerate returns how a run ends that has finished, although so many of its rows are
// not done.
func (s *session) tolerate(sum *report.Summary, failures int) *exitError {
	if sum.Unknown() || float64(failures) > s.flags.Tolerate.Of(sum.All()) {
		return errRows
	}
	sum.Tolerated = failures
	s.log.Warn(fmt.Sprintf("tolerated: %s not done, and --tolerate is %s", report.Plural(failures, "row"), s.flags.Tolerate))
	return exitOf(nil)
}

// abandon is called before a second signal ends the program. It clears the
// progress line, and prints what is known and how to continue. The sink is nil if
// there is none yet.
func (s *session) abandon(signal syscall.Signal, out *job.Sink) {
	s.ui.abandon(signal)
	var now job.Progress
	if out != nil {
		now = out.Progress()
	}
	known := report.Plural(int(now.Done), "row")
	if now.Total > 0 {
		known = fmt.Sprintf("%s of %s", report.Number(int(now.Done)), report.Plural(int(now.Total), "row"))
	}
	s.printError(&exitError{
		code: exitSignal + int(signal),
		err:  fmt.Errorf("stopped without waiting for the requests in flight, which may have been carried out: %s accounts for %s", s.flags.Results, known),
		hint: "continue with: " + s.resumeCommand(),
	})
}
