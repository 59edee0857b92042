package main

import (
	"cmp"
	"errors"
	"fmt"
	"syscall"
	"time"

	"orgimport/report"
)

// end closes the files and reports how the run ended; err is what stopped it, or
// nil. The error that end returns carries only the exit code of the run, because
// the rest has been printed.
func (j *job) end(err error) error {
	j.ui.Close()
	if err == nil && !j.wrote() {
		j.write(j.release())
	}
	err = j.settle(err)
	e := exitOf(j.verdict(err))
	j.count(e, err)
	j.pinged.Wait()           // the start ping comes before the end ping, and no warning after the summary
	if e.code != exitLocked { // the files belong to the run that holds the lock
		j.publish(&j.summary, j.host(), j.Results, j.transport(1), j.warn)
	}
	if j.after != "" && j.members.Load() > 0 {
		j.log.Info(j.after)
	}
	j.printError(e)
	if e.code != exitLocked && e.code != exitUsage || j.wrote() {
		j.ui.summarize(&j.summary, j.Quiet)
	}
	return e.silent()
}

// abandon is called before a second signal ends the program. It clears the
// progress line, and prints what is known and how to continue.
func (j *job) abandon(signal syscall.Signal) {
	j.ui.abandon(signal)
	known := report.Plural(int(j.done.Load()), "row")
	if total := j.total.Load(); total > 0 {
		known = fmt.Sprintf("%s of %s", report.Number(int(j.done.Load())), report.Plural(int(total), "row"))
	}
	j.printError(&exitError{
		code: exitSignal + int(signal),
		err:  fmt.Errorf("stopped without waiting for the requests in flight, which may have been carried out: %s accounts for %s", j.Results, known),
		hint: "continue with: " + j.resumeCommand(),
	})
}

// wrote reports whether the run has written lines.
func (j *job) wrote() bool { return j.out != nil && j.out.begun }

// settle finishes the files that were written, and returns why the run ended
// before its input did, or nil.
func (j *job) settle(err error) error {
	err = cmp.Or(j.broken, err)
	if !j.wrote() {
		return err
	}
	e := j.out.finish()
	if e == nil {
		e = j.out.compact(err == nil && !j.in.Changed())
	}
	for _, d := range j.derived {
		e = cmp.Or(e, d.write(j.Results))
	}
	switch {
	case e == nil:
		return err
	case err == nil, errors.Is(err, e): // the same failure stopped the run
		return e
	default:
		return fmt.Errorf("%w; %w", e, err) // e comes first: it decides the exit code
	}
}

// verdict returns the error that the run ends with: err if that stopped it,
// otherwise what is wrong with a finished run.
func (j *job) verdict(err error) error {
	tooMany := j.guard.check(1)
	switch {
	case err != nil:
		return err
	case j.in.Changed():
		return &exitError{exitTemporary, fmt.Errorf("%s changed while it was being read: some of its rows may be missing", j.in.Name()), "run again with --resume once nothing writes to it any more"}
	case tooMany != nil:
		return tooMany
	case j.unanswered > 0:
		return &exitError{exitTemporary, fmt.Errorf("the server gave no usable answer for %s", report.Plural(j.unanswered, "row")), "they count as failed: try them again with --resume"}
	case j.summary.Failures() > 0:
		return errRows
	}
	return nil
}

// count completes the summary of a run that ended with e; err is what stopped it,
// or nil.
func (j *job) count(e *exitError, err error) {
	s := &j.summary
	s.Results, s.Tenant, s.Outages = j.Results, j.host(), time.Duration(j.outages.Load())
	s.ExitCode, s.Finished, s.Total = e.code, time.Now(), int(j.total.Load())
	if err != nil {
		s.Stopped = err.Error()
	}
	if e.err != nil && (e.code != exitUsage || j.wrote()) {
		s.ResumeCommand = j.resumeCommand()
	}
	if e.code == exitRows {
		s.Next = "look at what failed: " + commandLine(j.reportArgs()) + "\ntry it again: " + j.resumeCommand()
	}
	if j.conn != nil {
		state := j.conn.state()
		s.Requests, s.Refused, s.Waited, s.Held = state.Sent+int(j.look.jobs.Load()), state.Refused, state.Waited, state.Held
	}
	s.Reads = int(j.look.sent.Load())
	if j.saved != nil {
		s.WritesSaved = j.saved.requests()
	}
	if j.wrote() {
		s.Files = []string{j.Results}
		for _, d := range j.derived {
			if d.Path != "" {
				s.Files = append(s.Files, d.Path)
			}
		}
	}
}

// reportArgs returns the arguments of the command that makes a page of the run.
func (j *job) reportArgs() []string {
	args := []string{"report", j.Results}
	if j.watchFlags.Summary != "" {
		args = append(args, "--summary", j.watchFlags.Summary)
	}
	return args
}
