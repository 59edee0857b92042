package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
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
	Progress string `help:"How progress is shown: bar, log (a line every 30 seconds), off, or auto: a bar on a terminal, a log elsewhere." enum:"auto,bar,log,off" default:"auto" placeholder:"HOW" group:"output"`
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
	limit := auth0test.Limit{Size: demoBurst, Per: demoPerSecond, Interval: time.Second}
	rows, err := demoRows()
	if err != nil {
		return err
	}
	tenant := auth0test.New(auth0test.Config{
		Users: demoUsers(rows), Organizations: demoOrganizations(),
		Latency: auth0test.Recorded(),
		Limits: auth0test.Limits{Endpoints: map[auth0test.Class]*auth0test.Limiter{
			auth0test.WriteMembers: auth0test.NewLimiter("Endpoint", limit),
			auth0test.Other:        auth0test.NewLimiter("Endpoint", auth0test.Limit{Size: 50, Per: 50, Interval: time.Second}),
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
	if err := checkDemo(tenant, rows); err != nil {
		return err
	}
	fmt.Fprintf(c.stderr, "every user of %s who could be identified is a member now; the other rows are in %s with the reason\n", members, filepath.Join(dir, "failures.csv"))
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

// exists reports whether the tenant knows an id of the sample.
func exists(id string) bool { return !strings.Contains(strings.ToLower(id), "unknown") }

// demoOrganizations are those of the sample that exist.
func demoOrganizations() []auth0test.Organization {
	return []auth0test.Organization{
		{ID: "org_1Bkkz7T3hSiXLBwo", Name: "globex"},
		{ID: "org_5URYX45jqRO25g3u", Name: "northwind"},
		{ID: "org_K5kbAAegiuE8LCAn", Name: "contoso"},
		{ID: "org_Nh5brTo21oKpdaZP", Name: "umbra"},
		{ID: "org_NtriSPvMUC6j7OrJ", Name: "hooli"},
		{ID: "org_muO6RvvBfOHZ1Fzf", Name: "fabrikam"},
		{ID: "org_nKpcmgfmqSWstSqk", Name: "initech"},
	}
}

// demoUsers are the users of the sample that exist: those that it names by id,
// and those that it names by an address only. Two of them share an address, and
// one address is not verified.
func demoUsers(rows []sampleRow) []auth0test.User {
	users := []auth0test.User{
		{ID: "auth0|4a7d1ed414474e4033ac29cc", Email: "ada.7@globex.example"},
		{ID: "auth0|0b5c2e7a9d3f48615c7e9a21", Email: "team@hooli.example"},
		{ID: "google-oauth2|118206745390124786533", Email: "team@hooli.example"},
		{ID: "auth0|7f3e1c8b2a6d495047b1e9c3", Email: "new.hire@initech.example", Unverified: true},
	}
	seen := make(map[string]bool)
	for _, r := range rows {
		if r.user != "" && exists(r.user) && !seen[r.user] {
			seen[r.user] = true
			users = append(users, auth0test.User{ID: r.user, Email: r.email})
		}
	}
	return users
}

// sampleRow is a row of the sample.
type sampleRow struct{ org, user, email string }

func demoRows() (rows []sampleRow, err error) {
	r := csv.NewReader(bytes.NewReader(samples.Members))
	r.FieldsPerRecord = -1
	records, err := r.ReadAll()
	if err != nil {
		return nil, err
	}
	for _, record := range records[1:] {
		record = append(record, "", "") // some are cut short
		rows = append(rows, sampleRow{record[0], record[1], record[2]})
	}
	return rows, nil
}

// checkDemo compares what the tenant holds with what the sample asks for.
func checkDemo(tenant *auth0test.Tenant, rows []sampleRow) error {
	byAddress := make(map[string][]auth0test.User)
	for _, u := range demoUsers(rows) {
		byAddress[u.Email] = append(byAddress[u.Email], u)
	}
	orgs := make(map[string]string)
	for _, o := range demoOrganizations() {
		orgs[o.ID], orgs[o.Name] = o.ID, o.ID
	}
	want := make(map[[2]string]bool) // an organization and a user
	for _, r := range rows {
		if r.user == "" && len(byAddress[r.email]) == 1 && !byAddress[r.email][0].Unverified {
			r.user = byAddress[r.email][0].ID
		}
		if org := orgs[r.org]; org != "" && r.user != "" && exists(r.user) {
			want[[2]string{org, r.user}] = true
		}
	}
	members := 0
	for _, o := range demoOrganizations() {
		for _, id := range tenant.Members(o.ID) {
			if !want[[2]string{o.ID, id}] {
				return fmt.Errorf("%s has a member %s who is not in the sample", o.ID, id)
			}
			members++
		}
	}
	if members != len(want) {
		return fmt.Errorf("the tenant has %d members, not the %d of the sample", members, len(want))
	}
	return nil
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
