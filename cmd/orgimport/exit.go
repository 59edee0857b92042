package main

import (
	"errors"
	"fmt"
	"syscall"

	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/csvfile"
	"orgimport/ratelimit"
)

// The exit codes, as promised to people's crontabs.
const (
	exitDone      = 0  // every row is in
	exitRows      = 1  // finished, but some rows failed or were rejected
	exitUsage     = 2  // usage, configuration, input that can't be read
	exitStopped   = 3  // credentials or permission refused, disk full
	exitErrors    = 4  // --max-errors, or nothing but errors
	exitTemporary = 5  // gave up on something temporary
	exitLocked    = 6  // another run holds the lock
	exitDuration  = 10 // --max-duration reached
	exitSignal    = 128
)

// exitError is an error with the exit code it ends the program with, and what
// to type next.
type exitError struct {
	code int
	err  error
	hint string
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func usageError(err error, hint string) error { return &exitError{exitUsage, err, hint} }

func usagef(hint, format string, args ...any) error {
	return usageError(fmt.Errorf(format, args...), hint)
}

// said ends a run that has told all about itself already.
type said struct{ code int }

func (said) Error() string { return "the run has ended" }

// rowsError ends a run that is finished but left rows out. All of it has been
// said already, so it has no text.
type rowsError struct{}

func (rowsError) Error() string { return "some rows are not in" }

// signalError is why a run was stopped by a signal.
type signalError struct{ signal syscall.Signal }

func (e signalError) Error() string {
	return fmt.Sprintf("stopped by %s", map[syscall.Signal]string{syscall.SIGHUP: "SIGHUP", syscall.SIGINT: "SIGINT", syscall.SIGTERM: "SIGTERM"}[e.signal])
}

// verdict tells how the program ends: the exit code for err, and the hint that
// goes with it, if there is one to give.
func verdict(err error) (code int, hint string) {
	var (
		over        said
		exit        *exitError
		signal      signalError
		input       *csvfile.InputError
		credentials *auth0.CredentialsError
		config      *auth0.ConfigError
		gaveUp      *auth0.GaveUpError
		limit       *ratelimit.WaitError
		refusal     *auth0.Error
	)
	switch {
	case err == nil:
		return exitDone, ""
	case errors.As(err, &over):
		return over.code, ""
	case errors.As(err, &exit):
		return exit.code, exit.hint
	case errors.As(err, &rowsError{}):
		return exitRows, ""
	case errors.Is(err, errMaxDuration):
		return exitDuration, ""
	case errors.As(err, &signal):
		return exitSignal + int(signal.signal), ""
	case errors.As(err, &input):
		return exitUsage, input.Hint()
	case errors.As(err, &config):
		return exitUsage, config.Hint
	case errors.As(err, &credentials):
		return exitStopped, credentials.Hint
	case errors.As(err, &gaveUp), errors.As(err, &limit):
		return exitTemporary, ""
	case errors.As(err, &refusal) && refusal.Reach() == importer.ReachRun:
		return exitUsage, "" // it is not the Management API that answers at this address
	}
	return exitStopped, ""
}

// fail says what went wrong and what to do about it, and returns the exit code.
func (c *console) fail(err error) int {
	code, hint := verdict(err)
	if err == nil || errors.As(err, &said{}) || errors.As(err, &rowsError{}) {
		return code
	}
	if c.errors != nil {
		c.errors.Error(err.Error(), "hint", hint, "exit_code", code)
		return code
	}
	fmt.Fprintf(c.stderr, "orgimport: error: %v\n", err)
	if hint != "" {
		fmt.Fprintf(c.stderr, "orgimport: hint: %s\n", hint)
	}
	return code
}
