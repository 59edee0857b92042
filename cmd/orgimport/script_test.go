package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/rogpeppe/go-internal/testscript"

	"orgimport/importer/auth0/auth0test"
)

// tenantInScript serves a simulated tenant for the rest of a script, with the flags
// of orgimport tenant, and sets AUTH0_DOMAIN to it. They can be followed by the
// scopes of its tokens, as in scope read:organizations, or by how many requests get
// a 503 first, as in down 3.
func tenantInScript(ts *testscript.TestScript, neg bool, args []string) {
	var scopes []string
	var down int
	if i := slices.Index(args, "down"); i >= 0 {
		n, err := strconv.Atoi(args[i+1])
		ts.Check(err)
		args, down = args[:i], n
	}
	if i := slices.Index(args, "scope"); i >= 0 {
		args, scopes = args[:i], args[i+1:]
	}
	var cmd tenantCmd
	parser, err := kong.New(&cmd)
	ts.Check(err)
	quick := []string{"--latency=0s"}
	if !strings.Contains(strings.Join(args, " "), "--limits") { // the limiter would probe for a limit that is not shown
		quick = append(quick, "--limits=500/1s,other=500/1s")
	}
	_, err = parser.Parse(append(quick, args...))
	ts.Check(err)
	for _, file := range []*string{&cmd.Users, &cmd.Organizations} {
		if _, err := strconv.Atoi(*file); err != nil && *file != "" {
			*file = ts.MkAbs(*file)
		}
	}
	config, err := cmd.config()
	ts.Check(err)
	if scopes != nil {
		config.Applications = []auth0test.Application{{ClientID: "client", Secret: "s3cret", Scopes: scopes}}
	}
	if down > 0 {
		config.Incidents = append(config.Incidents, auth0test.Incident{Last: down, Fault: auth0test.Fault{Status: http.StatusServiceUnavailable}})
	}
	address, shut, err := serve(auth0test.New(config), "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(shut)
	ts.Setenv("AUTH0_DOMAIN", address)
}

// exitsInScript runs a program that must end with an exit code:
// exits 2 orgimport import.
func exitsInScript(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		ts.Fatalf("%v", err)
	}
	got := 0
	if exit != nil {
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// statusInScript checks how many lines of a results file have each status: status
// results.csv added=3 failed=1. There must be no others.
func statusInScript(ts *testscript.TestScript, neg bool, args []string) {
	f, err := os.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	ts.Check(err)
	got := map[string]int{}
	for _, r := range records[1:] {
		got[r[3]]++
	}
	want := map[string]int{}
	for _, arg := range args[1:] {
		name, n, _ := strings.Cut(arg, "=")
		var count int
		_, err := fmt.Sscan(n, &count)
		ts.Check(err)
		want[name] = count
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		ts.Fatalf("%s has %v, want %v", args[0], got, want)
	}
}
