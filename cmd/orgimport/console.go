package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"orgimport/importer/csvfile"
)

// surroundings hold everything that a command gets from outside, so that a test
// can run the command itself, on a fake clock and against a tenant in memory.
// Only main takes them from the process.
type surroundings struct {
	args   []string // as typed, without the name of the program
	getenv func(name string) string
	// environ lists the environment, like os.Environ; nil if nobody has to be warned
	// of what has no meaning there.
	environ func() []string

	// stdout carries only what was asked for; everything else goes to stderr.
	stdin          io.Reader
	stdout, stderr io.Writer

	// transport returns a transport for that many concurrent requests.
	transport func(requests int) http.RoundTripper

	signals func() <-chan os.Signal // delivers the signals that stop a command
	exit    func(code int)          // ends the program at once

	// setGCPercent is debug.SetGCPercent; nil if the process is shared with others.
	setGCPercent func(percent int) int
}

// console is a command's view of its surroundings.
type console struct {
	surroundings
	program  func(surroundings) (code int)     // runs the program in other surroundings
	model    func() (*kong.Application, error) // of all commands
	env      *environment
	warnings []string     // of the environment, for the log
	errors   *slog.Logger // receives the errors if the log is JSON; otherwise nil
}

// printError prints what went wrong, and what to do about it.
func (c *console) printError(e *exitError) {
	if e.err == nil {
		return
	}
	text, hint := c.env.asGiven(e.Error()), e.hint
	if _, ok := errors.AsType[*csvfile.InputError](e.err); ok { // other hints hold commands
		hint = c.env.asGiven(hint)
	}
	if c.errors != nil {
		c.errors.Error(text, "hint", hint, "exit_code", e.code)
		return
	}
	fmt.Fprintf(c.stderr, "orgimport: error: %s\n", text)
	if hint != "" {
		fmt.Fprintf(c.stderr, "orgimport: hint: %s\n", hint)
	}
}

// fail prints err, and returns its exit code.
func (c *console) fail(err error) int {
	e := exitOf(err)
	c.printError(e)
	return e.code
}

// resumeCommand returns the command that continues where this run stopped.
func (c *console) resumeCommand() string {
	args := withoutSecrets(c.args)
	if !slices.Contains(args, "--resume") {
		args = append(args, "--resume")
	}
	return commandLine(args)
}

// stopSignals delivers the signals that stop a command. A SIGHUP that was
// ignored when the program began, as under nohup, stays ignored.
func stopSignals() <-chan os.Signal {
	all := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		all = append(all, syscall.SIGHUP)
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, all...)
	return signals
}

// untilSignal returns a context that the first signal cancels, with the error of
// [stoppedBy] as its cause. A second signal ends the program at once; this loses
// no answer that counts as done, because it is in the results already. If the run
// is stopping by itself, the first signal still lets it finish what is on the
// wire.
//
// The functions first and second, unless nil, are called before that.
func (s *surroundings) untilSignal(first func(syscall.Signal), second func(syscall.Signal)) (ctx context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals, ended := s.signals(), make(chan struct{})
	next := func() (syscall.Signal, bool) {
		select {
		case signal := <-signals:
			return signal.(syscall.Signal), true
		case <-ended:
			return 0, false
		}
	}
	go func() {
		signal, came := next()
		if !came {
			return // the command has ended
		}
		if first != nil {
			first(signal)
		}
		cancel(stoppedBy(signal))
		if signal, came := next(); came {
			if second != nil {
				second(signal)
			}
			s.exit(exitSignal + int(signal))
		}
	}()
	return ctx, func() {
		cancel(nil)
		close(ended)
	}
}

// withMaxDuration returns a copy of ctx that is cancelled with [errMaxDuration]
// after d, or never if d is 0.
func withMaxDuration(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, d, errMaxDuration)
}

// stoppedOr returns why ctx ended, or err if it has not.
func stoppedOr(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
