package main

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"orgimport/importer/retry"
)

// TestDemoEndsWithWhatComesNext ends with the page of the run and commands that work
// when its tenant is gone.
func TestDemoEndsWithWhatComesNext(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "demo")
	var stdout, stderr strings.Builder
	start := func(args ...string) int {
		return run(surroundings{
			args: args, getenv: func(string) string { return "" },
			stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr,
			transport: func(requests int) http.RoundTripper { return retry.NewTransport(requests) },
			signals:   func() <-chan os.Signal { return nil },
			exit:      func(int) {},
		})
	}
	if code := start("demo", "--dir", dir, "--progress", "off"); code != exitDone {
		t.Fatalf("exit code %d\n%s", code, stderr.String())
	}
	if stdout.Len() > 0 {
		t.Errorf("a demo prints to standard output: %s", stdout.String())
	}
	said := stderr.String()
	ending := said[strings.LastIndex(said, "\n$ "):]
	page := regexp.MustCompile(`(?m)^the page about the run, to open in a browser: (.*)$`).FindStringSubmatch(ending)
	if page == nil {
		t.Fatalf("no page:\n%s", ending)
	}
	if content, err := os.ReadFile(page[1]); err != nil || !strings.Contains(string(content), "</html>") {
		t.Errorf("%s is no page: %v", page[1], err)
	}
	for _, gone := range []string{"127.0.0.1", "--resume", "--domain"} {
		if strings.Contains(ending, gone) {
			t.Errorf("%s is of the demo's tenant, which is gone:\n%s", gone, ending)
		}
	}
	next := regexp.MustCompile(`(?m)^  orgimport (.*)$`).FindAllStringSubmatch(ending, -1)
	if len(next) != 2 {
		t.Fatalf("%d commands come next, not a plan and an import:\n%s", len(next), ending)
	}
	stderr.Reset()
	plan := strings.Fields(strings.ReplaceAll(next[0][1], "FILE.csv", filepath.Join(dir, "members.csv")))
	if code := start(plan...); code != exitDone && code != exitRows {
		t.Errorf("orgimport %s: exit code %d\n%s", strings.Join(plan, " "), code, stderr.String())
	}
}
