package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"orgimport/importer/auth0/auth0test"
	"orgimport/samples"
)

// demoCmd is the whole job with no account: a simulated tenant on the loopback,
// the embedded sample, and the command that one would type.
type demoCmd struct {
	Dir      string `help:"Folder for the files (default: a new temporary one)." placeholder:"DIR" group:"output"`
	Progress string `help:"How progress is shown: bar, log (a line now and then), off, or auto: a bar on a terminal, a log elsewhere." enum:"auto,bar,log,off" default:"auto" placeholder:"HOW" group:"output"`
}

// The demo's limit is low, so that one sees it being respected, and high enough
// for it to end in some ten seconds.
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
	limit := auth0test.Limit{Size: demoBurst, Per: demoPerSecond, Interval: time.Second}
	tenant := auth0test.New(auth0test.Config{
		KnownOrg: exists,
		// Nobody else, or it would make up a user for an address.
		KnownUser: func(id string) bool { return exists(id) && bytes.Contains(samples.Members, []byte(id)) },
		Latency:   auth0test.Latency{RoundTrip: auth0test.Recorded()},
		Limits: auth0test.Limits{Endpoints: map[auth0test.Class]*auth0test.Limiter{
			auth0test.WriteMembers: auth0test.NewLimiter("Endpoint", limit),
		}},
	})
	address, shut, err := serve(tenant, "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer shut()
	fmt.Fprintf(c.stderr, "a simulated tenant listens on %s; it lets %d requests through, then %d a second\n", address, demoBurst, demoPerSecond)

	args := []string{"import", members, "--results", filepath.Join(dir, "results.csv"), "--failures", filepath.Join(dir, "failures.csv")}
	fmt.Fprintf(c.stderr, "$ %s\n", commandLine(args))
	rehearsal := c.surroundings
	rehearsal.args = args
	rehearsal.getenv = demoEnv(c.getenv, map[string]string{
		"AUTH0_DOMAIN": address, "AUTH0_CLIENT_ID": "demo", "AUTH0_CLIENT_SECRET": "demo",
		"ORGIMPORT_PROGRESS": cmd.Progress,
	})
	started := time.Now()
	code := run(rehearsal)
	if code != exitRows { // the sample has rows that can't get in
		return &exitError{code: code}
	}
	stats := tenant.Stats()
	fmt.Fprintf(c.stderr, "\nthe tenant saw %d requests in %s, at most %d at a time, and refused %d of them for its limit\n",
		stats.Total(), time.Since(started).Round(time.Second), stats.PeakInFlight, stats.Status(http.StatusTooManyRequests))
	if err := checkDemo(tenant); err != nil {
		return err
	}
	fmt.Fprintf(c.stderr, "every user of %s who exists is a member now; the others are in %s with the reason\n", members, filepath.Join(dir, "failures.csv"))
	return nil
}

// createFile writes a new file. It is an error if there is one of that name.
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
		return writeError(path, err)
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
		return "", writeError(cmd.Dir, err)
	}
	return cmd.Dir, nil
}

// exists tells the ids of the sample that the tenant knows from the others.
func exists(id string) bool { return !strings.Contains(strings.ToLower(id), "unknown") }

// checkDemo compares what the tenant holds with what the sample asks for.
func checkDemo(tenant *auth0test.Tenant) error {
	r := csv.NewReader(bytes.NewReader(samples.Members))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil {
		return err
	}
	want := map[string]map[string]bool{}
	for _, row := range rows[1:] {
		if len(row) < 2 || row[1] == "" || !exists(row[0]) || !exists(row[1]) {
			continue
		}
		if want[row[0]] == nil {
			want[row[0]] = map[string]bool{}
		}
		want[row[0]][row[1]] = true
	}
	for orgID, users := range want {
		members := tenant.Members(orgID)
		if len(members) != len(users) {
			return fmt.Errorf("%s has %d members, not the %d of the sample", orgID, len(members), len(users))
		}
		for _, id := range members {
			if !users[id] {
				return fmt.Errorf("%s has a member %s who is not in the sample", orgID, id)
			}
		}
	}
	return nil
}

// demoEnv is an environment with these of orgimport's variables and no others,
// so that the demo meets no tenant of the one who tries it.
func demoEnv(getenv func(string) string, vars map[string]string) func(string) string {
	return func(name string) string {
		if strings.HasPrefix(name, "ORGIMPORT_") || strings.HasPrefix(name, "AUTH0_") {
			return vars[name]
		}
		return getenv(name)
	}
}

// serve serves a tenant over a socket until shut is called, and what it lets
// download over another one.
func serve(tenant *auth0test.Tenant, address string) (url string, shut func(), err error) {
	url, shutTenant, err := listen(tenant, address)
	if err != nil {
		return "", nil, err
	}
	host, _, _ := net.SplitHostPort(address) // it was listened at
	downloads, shutDownloads, err := listen(tenant, net.JoinHostPort(host, "0"))
	if err == nil {
		err = tenant.SetDownloadURL(downloads)
	}
	if err != nil {
		shutTenant()
		return "", nil, err
	}
	return url, func() { shutTenant(); shutDownloads() }, nil
}

func listen(tenant *auth0test.Tenant, address string) (url string, shut func(), err error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	if err != nil {
		return "", nil, usagef("name a free address with --listen", "the simulated tenant can't listen: %w", err)
	}
	server := &http.Server{Handler: tenant, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // ends by Close
	}()
	return "http://" + listener.Addr().String(), func() {
		_ = server.Close()
		<-done
	}, nil
}
