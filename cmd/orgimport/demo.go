package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/importer/auth0/auth0test"
	"orgimport/samples"
)

// demoCmd is the whole job without an account: a simulated tenant on the
// loopback, the embedded sample, and the command as one would type it.
type demoCmd struct {
	Dir      string `help:"Folder for the files (default: a new temporary one)." placeholder:"DIR" group:"output"`
	Progress string `help:"How progress is shown: bar, log (a line every 30 seconds), off, or auto: a bar on a terminal, a log elsewhere." enum:"auto,bar,log,off" default:"auto" placeholder:"HOW" group:"output" hidden:""`
}

// The demo's limit is low enough to be seen respected, and high enough for the
// demo to end in some ten seconds.
const (
	demoBurst     = 10
	demoPerSecond = 5
)

func (cmd *demoCmd) Run(c *console) error {
	dir, err := cmd.makeDir()
	if err != nil {
		return err
	}
	members := filepath.Join(dir, "members.csv")
	if err := createFile(members, samples.Members); err != nil {
		return err
	}
	users, err := auth0test.ParseUsers(bytes.NewReader(samples.Users))
	if err != nil {
		return err
	}
	organizations, err := auth0test.ParseOrganizations(bytes.NewReader(samples.Organizations))
	if err != nil {
		return err
	}
	limit := auth0test.Limit{Size: demoBurst, Per: demoPerSecond, Interval: time.Second}
	tenant := auth0test.New(auth0test.Config{
		Users: users, Organizations: organizations,
		Latency: auth0test.Recorded(),
		Limits: auth0test.Limits{Endpoints: map[auth0test.Class][]auth0test.Limit{
			auth0test.WriteMembers: {limit},
			auth0test.Other:        {{Size: 50, Per: 50, Interval: time.Second}},
		}},
	})
	address, shut, err := serve(tenant, "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer shut()
	fmt.Fprintf(c.stderr, "a simulated tenant listens on %s; it lets %d requests through, then %d a second\n", address, demoBurst, demoPerSecond)

	rehearsal := c.surroundings
	rehearsal.getenv = demoEnv(c.getenv, map[string]string{
		"AUTH0_DOMAIN": address, "AUTH0_CLIENT_ID": "demo", "AUTH0_CLIENT_SECRET": "demo",
		"ORGIMPORT_PROGRESS": cmd.Progress,
	})
	step := func(want int, args ...string) error {
		fmt.Fprintf(c.stderr, "$ %s\n", commandLine(args))
		rehearsal.args = args
		if code := c.program(rehearsal); code != want {
			return &exitError{code: code}
		}
		return nil
	}
	results, failures := filepath.Join(dir, "results.csv"), filepath.Join(dir, "failures.csv")
	started := time.Now()
	if err := step(exitRows, "import", members, "--results", results, "--failures", failures); err != nil { // some rows can't get in
		return err
	}
	stats := tenant.Stats()
	fmt.Fprintf(c.stderr, "\nthe tenant saw %d requests in %s, at most %d at a time, and refused %d of them for its limit\n\n",
		stats.Total(), time.Since(started).Round(time.Second), stats.PeakInFlight, stats.Status(http.StatusTooManyRequests))
	rehearsal.stdout = io.Discard // the lines that are not true, of which there are none, and the name of the page
	if err := step(exitDone, "verify", results); err != nil {
		return err
	}
	page := filepath.Join(dir, "report.html")
	if err := step(exitDone, "report", results, "--output", page); err != nil {
		return err
	}
	fmt.Fprintf(c.stderr, `
every user of %s who could be identified is a member now; the other rows are in %s with the reason
the page about the run, to open in a browser: %s
next, with a file of your own; plan sends nothing:
  orgimport plan FILE.csv
  export AUTH0_DOMAIN=… AUTH0_CLIENT_ID=… AUTH0_CLIENT_SECRET=…
  orgimport import FILE.csv --failures failures.csv
`, members, failures, page)
	return nil
}

// createFile writes a new file. It is an error if the file exists.
func createFile(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return usagef("name an empty folder with --dir", "%s exists", path)
	}
	if err == nil {
		_, err = f.Write(content)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return files.CantWrite(path, err)
	}
	return nil
}

func (cmd *demoCmd) makeDir() (string, error) {
	if cmd.Dir == "" {
		dir, err := os.MkdirTemp("", "orgimport-demo-")
		if err != nil {
			return "", &exitError{exitStopped, fmt.Errorf("can't make a temporary folder: %w", err), "name a folder that can be written with --dir"}
		}
		return dir, nil
	}
	if err := os.MkdirAll(cmd.Dir, 0o700); err != nil {
		return "", files.CantWrite(cmd.Dir, err)
	}
	return cmd.Dir, nil
}

// demoEnv is an environment with only these of orgimport's variables, so that
// the demo meets no real tenant.
func demoEnv(getenv func(string) string, vars map[string]string) func(string) string {
	return func(name string) string {
		if strings.HasPrefix(name, "ORGIMPORT_") || strings.HasPrefix(name, "AUTH0_") {
			return vars[name]
		}
		return getenv(name)
	}
}
