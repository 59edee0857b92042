package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"orgimport/importer/auth0/auth0test"
)

// samplesDir has the samples for cron, systemd, Compose and Kubernetes. They are
// tested here because they use the flags.
const samplesDir = "../../samples"

const sampleRows = "org_id,user_id\norg_a,auth0|1\norg_b,auth0|2\norg_a,auth0|2\n"

// TestCommandsOfSamplesRun runs the independent commands of the samples against a
// simulated tenant, twice, because a retry must continue from the first try.
// .ci/manifests runs the steps of nights, and the pods of many tenants.
func TestCommandsOfSamplesRun(t *testing.T) {
	server := httptest.NewServer(auth0test.New(auth0test.Config{}))
	t.Cleanup(server.Close)
	found := map[string]int{}
	for file, args := range commandsOfSamples(t) {
		found[file]++
		t.Run(file+" "+args[0], func(t *testing.T) {
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, "members.csv"), sampleRows)
			if args[0] == "tenant" {
				args = append(args, "--listen=127.0.0.1:0", "--for=1ms") // the last one of a repeated flag counts
			}
			for range 2 {
				cmd := exec.Command("orgimport", args...) // TestMain puts it into PATH
				cmd.Dir = dir
				cmd.Env = []string{
					"AUTH0_DOMAIN=" + server.URL, "AUTH0_CLIENT_ID=client", "AUTH0_CLIENT_SECRET=s3cret",
					"GORACE=atexit_sleep_ms=0", // otherwise the race detector sleeps for a second at the end of each program
				}
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("orgimport %s: %v\n%s", strings.Join(args, " "), err, out)
				}
			}
			if args[0] == "import" {
				checkResults(t, dir)
			}
		})
	}
	want := map[string]int{
		"compose.yaml": 3, "kubernetes/job.yaml": 1, "kubernetes/tenants.yaml": 1,
	}
	if !maps.Equal(found, want) {
		t.Errorf("command lines by file: %v, want %v", found, want)
	}
}

// commandsOfSamples returns the arguments of the calls of orgimport in the samples
// that have no variables, by file.
func commandsOfSamples(t *testing.T) iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		err := fs.WalkDir(os.DirFS(samplesDir), ".", func(path string, _ fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".yaml" {
				return err
			}
			for _, args := range argsInManifest(t, path) {
				if !strings.Contains(strings.Join(args, " "), "$(") && !yield(path, args) {
					return fs.SkipAll
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// checkResults checks that there is one results file, with a line for each member.
func checkResults(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.csv"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%q are left, not members.csv and the results: %v", files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if lines := bytes.Count(content, []byte("\n")); lines != 4 {
			t.Errorf("%s has %d lines, want 4:\n%s", file, lines, content)
		}
	}
}

// TestCronMailsOnlyTrouble runs the line as cron does and checks what cron would
// send.
func TestCronMailsOnlyTrouble(t *testing.T) {
	for _, code := range []int{0, 1, 2, 3, 4, 5, 6, 10, 130, 143} {
		mail := runCrontab(t, code)
		if quiet := code == 0 || code == 6; quiet && mail != "" {
			t.Errorf("exit code %d sends mail: %q", code, mail)
		} else if want := fmt.Sprintf("the summary\nexit code %d\n", code); !quiet && mail != want {
			t.Errorf("exit code %d sends %q, want %q", code, mail, want)
		}
	}
}

// runCrontab gives the line of the crontab to the shell, with a program in place of
// the nightly steps that ends with code, and returns what is printed.
func runCrontab(t *testing.T, code int) (output string) {
	t.Helper()
	bin, home := t.TempDir(), t.TempDir()
	writeFile(t, filepath.Join(bin, "orgimport-nightly"), fmt.Sprintf("#!/bin/sh\n>ran\necho the summary >&2\nexit %d\n", code))
	if err := os.Chmod(filepath.Join(bin, "orgimport-nightly"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", strings.ReplaceAll(crontabCommand(t), "/var/lib/orgimport", home))
	cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin"}
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(home, "ran")); err != nil {
		t.Fatalf("the crontab does not run the steps in its folder: %v\n%s", err, out)
	}
	return string(out)
}

// crontabCommand returns what cron passes to the shell: the text after the five
// time fields and the user, up to a % without a backslash.
func crontabCommand(t *testing.T) string {
	t.Helper()
	var commands []string
	for line := range strings.Lines(readSample(t, "crontab")) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0][0] == '#' || strings.Contains(fields[0], "=") {
			continue
		}
		if len(fields) < 7 {
			t.Fatalf("crontab: %q is neither a variable nor a job", line)
		}
		command := line
		for _, field := range fields[:6] {
			command = strings.TrimSpace(strings.TrimPrefix(command, field))
		}
		if strings.Contains(strings.ReplaceAll(command, `\%`, ""), "%") {
			t.Fatalf("crontab: cron cuts %q at the %%", command)
		}
		commands = append(commands, strings.ReplaceAll(command, `\%`, "%"))
	}
	if len(commands) != 1 {
		t.Fatalf("crontab has %d jobs, want 1", len(commands))
	}
	return commands[0]
}

// argsInManifest returns the arguments of every container in a YAML file whose
// image is orgimport: args in Kubernetes, command in Compose.
func argsInManifest(t *testing.T, name string) (lines [][]string) {
	t.Helper()
	for d := yaml.NewDecoder(strings.NewReader(readSample(t, name))); ; {
		var document any
		err := d.Decode(&document)
		if errors.Is(err, io.EOF) {
			return lines
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		lines = append(lines, argsIn(document)...)
	}
}

func argsIn(node any) (lines [][]string) {
	switch node := node.(type) {
	case []any:
		for _, child := range node {
			lines = append(lines, argsIn(child)...)
		}
	case map[string]any:
		image, _ := node["image"].(string)
		for key, child := range node {
			words, isList := child.([]any)
			if strings.Contains(image, "orgimport") && isList && (key == "args" || key == "command") {
				lines = append(lines, texts(words))
			} else {
				lines = append(lines, argsIn(child)...)
			}
		}
	}
	return lines
}

func texts(words []any) []string {
	all := make([]string, len(words))
	for i, word := range words {
		all[i] = fmt.Sprint(word)
	}
	return all
}

func readSample(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(samplesDir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
