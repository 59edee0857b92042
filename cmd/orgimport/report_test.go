package main

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"orgimport/importer/auth0/auth0test"
)

// TestPageOfARunThatEndedEarly: the page is made of what a run left behind that
// was stopped, and of what it would have left had it been killed.
func TestPageOfARunThatEndedEarly(t *testing.T) {
	t.Parallel()
	dir := memoryDir(t)
	at := func(name string) string { return filepath.Join(dir, name) }
	const rows, killedAt = 200, 4
	synctest.Test(t, func(t *testing.T) {
		cfg := auth0test.Config{
			Latency: auth0test.Latency{RoundTrip: auth0test.Uniform(time.Second, 2*time.Second)},
			Limits:  proofLimit(auth0test.Limit{Size: 1, Per: 1, Interval: time.Second}),
		}
		cfg.Fault = func(_ *http.Request, n int) auth0test.Fault {
			if n == killedAt {
				for _, name := range []string{"results.csv", "events.jsonl"} {
					content, err := os.ReadFile(at(name))
					if err := errors.Join(err, os.WriteFile(at("killed-"+name), content, 0o600)); err != nil {
						t.Error(err)
					}
				}
			}
			return auth0test.Fault{}
		}
		r := &rehearsal{
			tenant: auth0test.New(cfg), in: newProofInput(proofLines(rows, 20)), results: at("results.csv"), timeout: 30 * time.Second,
			args: []string{"--events", at("events.jsonl"), "--ping", "https://hc.example/secret"},
		}
		pageOf := func(which string) string {
			var html, stderr bytes.Buffer
			code := run(surroundings{
				args:   []string{"report", at(which + "results.csv"), "--events", at(which + "events.jsonl"), "-o", "-"},
				getenv: func(string) string { return "" }, stdin: strings.NewReader(""), stdout: &html, stderr: &stderr,
				signals: func() <-chan os.Signal { return nil },
			})
			if code != exitDone {
				t.Fatalf("exit code %d: %s", code, &stderr)
			}
			return html.String()
		}
		stop := make(chan os.Signal, 1)
		timer := time.AfterFunc(12*time.Second, func() { stop <- syscall.SIGTERM })
		defer timer.Stop()
		if code, said, err := r.run(stop); code != exitSignal+15 || err != nil {
			t.Fatalf("exit code %d: %v\n%s", code, err, said)
		}
		for which, want := range map[string]string{
			"":        "stopped with exit code 143: stopped by SIGTERM",
			"killed-": "killed, or is still going on",
		} {
			page := pageOf(which)
			if !strings.Contains(page, want) || !strings.Contains(page, "of 200 rows still to be attempted") || strings.Contains(page, "Every row") {
				t.Errorf("the page of %sresults.csv: %.1000s", which, page[strings.Index(page, "<header>"):])
			}
		}
		if code, said, err := r.run(nil); code != exitDone || err != nil {
			t.Fatalf("exit code %d: %v\n%s", code, err, said)
		}
		page := pageOf("")
		for _, want := range []string{"<h1>Every row is done</h1>", "200 rows, and nothing is left to do", "<dt>Exit code</dt><dd><bdi>0</bdi></dd>", "--ping …", version()} {
			if !strings.Contains(page, want) {
				t.Errorf("%q is not in the page of a run that was gone on with", want)
			}
		}
		if strings.Contains(page, "hc.example") {
			t.Error("the page holds the address of the ping")
		}
	})
}
