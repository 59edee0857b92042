package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/importer/auth0"
	"orgimport/importer/csvfile"
	"orgimport/report"
	"orgimport/report/page"
)

// reportCmd makes a page of a results file.
type reportCmd struct {
	File   string `arg:"" name:"results" help:"The results file of a run, or - for standard input." placeholder:"FILE"`
	Output string `short:"o" help:"The page to write, or - for standard output." default:"report.html" placeholder:"FILE" group:"output"`
	Events string `help:"Event log of the run (--events): the page then shows limits, waits and outages too." placeholder:"FILE" group:"input"`
}

// Help returns what orgimport report --help prints besides the flags.
func (reportCmd) Help() string {
	return `The page is a single HTML file: it can be mailed, and opens without a network. It shows how the run went, what failed, and what to do about each cause.

Examples:

    orgimport report results.csv
    orgimport report results.csv --events events.jsonl -o run.html`
}

// Run makes the page.
func (cmd *reportCmd) Run(c *console) error {
	inputs := []files.File{files.Named("the results file", cmd.File), files.Named("the event log", cmd.Events)}
	if cmd.Output != "-" {
		out := files.Named("--output", cmd.Output)
		if err := cmp.Or(files.Check(c.stdin, inputs, []files.File{out}), files.Prove(out)); err != nil {
			return err
		}
	}
	ctx, end := c.untilSignal(nil, nil)
	defer end()
	results, err := files.Open(ctx, cmd.File, c.stdin)
	if err != nil {
		return err
	}
	defer results.Close()
	var events io.Reader
	if cmd.Events != "" {
		in, err := files.Open(ctx, cmd.Events, c.stdin)
		if err != nil {
			return err
		}
		defer in.Close()
		events = in
	}
	about := page.Page{Results: results.Name(), Version: version(), Made: time.Now(), Advise: auth0.Advise}
	beside := cmd.Output
	if beside == "-" {
		beside = ""
	}
	if err := results.Spool(beside); err != nil {
		return stoppedOr(ctx, err)
	}
	open := func() (io.Reader, error) { return csvfile.Decompress(results.Again()) }
	write := func(w io.Writer) error { return page.Write(w, open, events, about) }
	if cmd.Output == "-" {
		return resultsError(results.Name(), write(c.stdout))
	}
	if err := files.Replace(cmd.Output, 0o600, write); err != nil {
		return resultsError(results.Name(), err)
	}
	_, err = fmt.Fprintln(c.stdout, cmd.Output)
	return err
}

// resultsError returns the error of a command that can't read a results file
// because of err.
func resultsError(name string, err error) error {
	if wrong, ok := errors.AsType[*report.WrongFileError](err); ok {
		hint := unpackHint(name, wrong)
		if hint == "" && wrong.Line == 0 {
			hint = "name a file that a run wrote as its --results"
		}
		return usagef(hint, "%s: %w", name, err)
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return &exitError{exitStopped, err, "make sure that the files can be read, and that there is room to write"}
	}
	return err
}

// unpackHint returns what to type if a results file is compressed, or "" if it is
// not.
func unpackHint(name string, wrong *report.WrongFileError) string {
	if wrong.Unpack == "" {
		return ""
	}
	return fmt.Sprintf("unpack it and continue with the unpacked file: %s < %s > FILE, then --results FILE", wrong.Unpack, shellQuote(name))
}
