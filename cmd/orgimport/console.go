package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"

	"github.com/alecthomas/kong"
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
	text := c.env.asGiven(e.Error())
	if c.errors != nil {
		c.errors.Error(text, "hint", e.hint, "exit_code", e.code)
		return
	}
	fmt.Fprintf(c.stderr, "orgimport: error: %s\n", text)
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

// resumeCommand returns the command that continues where this run stopped.
func (c *console) resumeCommand() string {
	args := withoutSecrets(c.args)
	if !slices.Contains(args, "--resume") {
		args = append(args, "--resume")
	}
	return commandLine(args)
}
