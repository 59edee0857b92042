package main

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/csvfile"
	"orgimport/importer/retry"
	"orgimport/ratelimit"
)

// The exit codes. Users' crontabs depend on them.
const (
	exitDone      = 0  // every row is done
	exitRows      = 1  // finished, but some rows failed or were rejected
	exitUsage     = 2  // usage, configuration, input that can't be read
	exitStopped   = 3  // credentials or permission refused, disk full
	exitErrors    = 4  // --max-errors, another limit or a guard
	exitTemporary = 5  // gave up on something temporary
	exitLocked    = 6  // another run holds the lock
	exitDuration  = 10 // --max-duration reached
	exitSignal    = 128
)

// exitError says how a command ends: its exit code, why, and what to do next.
// Commands return it as their error; [exitOf] makes one from the errors of other
// packages.
type exitError struct {
	code int
	err  error  // nil if there is nothing to print
	hint string // may be empty
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usageError returns an error with the exit code [exitUsage].
func usageError(err error, hint string) error { return &exitError{exitUsage, err, hint} }

func usagef(hint, format string, args ...any) error {
	return usageError(fmt.Errorf(format, args...), hint)
}

// errRows ends a run that has finished and reported that rows failed.
var errRows = &exitError{code: exitRows}

// errMaxDuration stops a run when --max-duration has passed.
var errMaxDuration = &exitError{code: exitDuration, err: errors.New("--max-duration is reached")}

// stoppedBy returns the error of a command that a signal stopped.
func stoppedBy(signal syscall.Signal) error {
	names := map[syscall.Signal]string{syscall.SIGHUP: "SIGHUP", syscall.SIGINT: "SIGINT", syscall.SIGTERM: "SIGTERM"}
	return &exitError{code: exitSignal + int(signal), err: fmt.Errorf("stopped by %s", names[signal])}
}

// exitOf returns how err ends a command. A nil err is success.
func exitOf(err error) *exitError {
	if err == nil {
		return &exitError{code: exitDone}
	}
	if exit, ok := errors.AsType[*exitError](err); ok {
		if exit.err == nil {
			return exit
		}
		return &exitError{exit.code, err, exit.hint} // err, not exit.err: keep what wraps it
	}
	exit := &exitError{code: exitStopped, err: err}
	if file, ok := errors.AsType[*files.Error](err); ok {
		ends := fileProblems[file.Problem]
		exit.code, exit.hint = ends.code, strings.NewReplacer("NAME", file.File.Name, "PATH", file.File.Path).Replace(ends.hint)
		return exit
	}
	var (
		input       *csvfile.InputError
		credentials *auth0.CredentialsError
		config      *auth0.ConfigError
		lost        *retry.UnreachableError
		gaveUp      *retry.GaveUpError
		limit       *ratelimit.WaitError
		refusal     *auth0.Error
	)
	switch {
	case errors.As(err, &input):
		exit.code, exit.hint = exitUsage, input.Hint()
	case errors.As(err, &lost):
		exit.code, exit.hint = exitUsage, hintFor(lost.Obstacle)
	case errors.As(err, &config):
		exit.code, exit.hint = exitUsage, config.Hint
	case errors.As(err, &credentials):
		exit.hint = credentials.Hint
	case errors.As(err, &gaveUp), errors.As(err, &limit):
		exit.code = exitTemporary
	case errors.As(err, &refusal) && refusal.Reach() == importer.ReachRun:
		exit.code = exitUsage // the server at this address is not the Management API
	}
	return exit
}

// fileProblems says how a problem with a file ends a command, and what to do about
// it: NAME and PATH are those of the file.
var fileProblems = map[files.Problem]struct {
	code int
	hint string
}{
	files.IsFolder:     {exitUsage, "name a file in it"},
	files.IsInput:      {exitUsage, "give it another name"},
	files.IsOutput:     {exitUsage, "give each its own file"},
	files.NotRegular:   {exitUsage, "name a file that is not there yet"},
	files.NoFolder:     {exitUsage, "make the folder, or name another file with NAME"},
	files.NotWritable:  {exitUsage, "make sure that the folder is writable, or name another file with NAME"},
	files.WriteFailed:  {exitStopped, "make room, and make sure that the folder is writable"},
	files.Disturbed:    {exitStopped, "leave the file alone during a run; run again with --resume"},
	files.NotReadable:  {exitUsage, ""},
	files.NotSpooled:   {exitStopped, "make room NAME PATH"},
	files.Exists:       {exitUsage, "continue with --resume, or name another file with --results"},
	files.LockHeld:     {exitLocked, "wait for it to end, or give this run its own --results"},
	files.LockNoFolder: {exitUsage, "make the folder, or name another file with NAME"},
	files.LockFailed:   {exitStopped, "make the folder writable, or name another file with NAME"},
}

// printError prints what went wrong, and what to do about it.
func (c *console) printError(e *exitError) {
	if e.err == nil {
		return
	}
	if c.errors != nil {
		c.errors.Error(e.Error(), "hint", e.hint, "exit_code", e.code)
		return
	}
	fmt.Fprintf(c.stderr, "orgimport: error: %v\n", e)
	if e.hint != "" {
		fmt.Fprintf(c.stderr, "orgimport: hint: %s\n", e.hint)
	}
}

// fail prints err, and returns its exit code.
func (c *console) fail(err error) int {
	e := exitOf(err)
	c.printError(e)
	return e.code
}

// silent returns e without its error, for a command that has printed it already.
func (e *exitError) silent() error { return &exitError{code: e.code} }

// hintFor returns what to do about an obstacle on the way to the tenant.
func hintFor(o retry.Obstacle) string {
	switch o {
	case retry.NoSuchHost:
		return "check the spelling of the domain, which looks like acme.eu.auth0.com, and this machine's network connection"
	case retry.NoSuchProxy:
		return "check the spelling of the proxy in HTTPS_PROXY"
	case retry.ProxyLogin:
		return "give the proxy its user name and password: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"
	case retry.ProxyRefusal:
		return "ask the proxy's administrator to allow connections to the tenant, or bypass the proxy: NO_PROXY=DOMAIN"
	case retry.Untrusted:
		return "if a proxy in your network inspects TLS, make this machine trust its root certificate: SSL_CERT_FILE=FILE"
	case retry.OtherName:
		return "check the domain: the server's certificate is for another name"
	case retry.NotValid:
		return "check this machine's clock, and the server's certificate"
	case retry.NoTLS:
		return "check the domain and the port: the server there does not speak TLS"
	case retry.Handshake:
		return "check the domain, and whether there is a proxy in between: TLS 1.2 or later is required"
	}
	return ""
}
