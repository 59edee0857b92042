package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/cmd/orgimport/internal/job"
	"orgimport/cmd/orgimport/internal/tenancy"
	"orgimport/importer/auth0"
	"orgimport/importer/csvfile"
	"orgimport/importer/retry"
	"orgimport/ratelimit"
)

func TestExitOf(t *testing.T) {
	unavailable := &auth0.Error{Status: 503, Message: "503 with an empty body"}
	for _, test := range []struct {
		name string
		err  error
		code int
		hint string
	}{
		{"every row is in", nil, exitDone, ""},
		{"some rows are not", errRows, exitRows, ""},
		{"a usage error", usageError(errors.New("no tenant is given"), "name it"), exitUsage, "name it"},
		{"an input that can't be read", &csvfile.InputError{}, exitUsage, ""},
		{"no such host", &auth0.ConfigError{Err: errors.New("no such host"), Hint: "check the domain"}, exitUsage, "check the domain"},
		{"a login page", &auth0.Error{Status: 200, Message: "200 with an HTML page"}, exitUsage, ""},
		{"a redirect", &auth0.Error{Status: 302, Message: "302 with a redirect"}, exitUsage, ""},
		{"not this API", &auth0.Error{Status: 405, Message: "405 with an HTML page"}, exitUsage, ""},
		{"refused credentials", &auth0.CredentialsError{Status: 401, Hint: "check the secret"}, exitStopped, "check the secret"},
		{"a full disk", files.CantWrite("results.csv", syscall.ENOSPC), exitStopped, "make room, and make sure that the folder is writable"},
		{"the guard", &exitError{exitErrors, errors.New("all failed"), "look"}, exitErrors, "look"},
		{"an outage", &retry.GaveUpError{What: "no answer", Err: unavailable}, exitTemporary, ""},
		{"an outage that began with a login page", &retry.GaveUpError{Err: &auth0.Error{Status: 200}}, exitTemporary, ""},
		{"a limit", &ratelimit.WaitError{}, exitTemporary, ""},
		{"the time", fmt.Errorf("stopped: %w", errMaxDuration), exitDuration, ""},
		{"SIGINT", stoppedBy(syscall.SIGINT), 130, ""},
		{"SIGTERM", fmt.Errorf("stopped: %w", stoppedBy(syscall.SIGTERM)), 143, ""},
		{"SIGHUP", stoppedBy(syscall.SIGHUP), 129, ""},
		{"a full disk when the time is over", fmt.Errorf("%w; %w", files.CantWrite("failures.csv", syscall.ENOSPC), errMaxDuration), exitStopped, "make room, and make sure that the folder is writable"},
		{"too many failed rows", &job.Error{Reason: job.TooManyFailed, Most: "5%", Err: errors.New("9 rows failed")}, exitErrors, hintFailed},
		{"swapped columns", &job.Error{Reason: job.AllFailed, Swapped: true, Err: errors.New("all failed")}, exitErrors, hintSwapped},
		{"an input that changed", &job.Error{Reason: job.InputChanged, Err: errors.New("it changed")}, exitTemporary, "run again with --resume once nothing writes to it any more"},
		{"a look-up without an answer", &job.Error{Reason: job.LookUpFailed, Err: &auth0.JobError{}}, exitTemporary, "nothing was written: try again later"},
		{"a scope that is lacking", &tenancy.ScopeError{Lacking: []string{"read:users"}}, exitStopped, "grant the application that scope for the Auth0 Management API"},
		{"anything else", errors.New("broken pipe"), exitStopped, ""},
	} {
		if e := exitOf(test.err); e.code != test.code || e.hint != test.hint {
			t.Errorf("%s: exit code %d, hint %q; want %d, %q", test.name, e.code, e.hint, test.code, test.hint)
		}
	}
}

// TestDocumentsHaveTheExitCodes compares the constants and the documents with the
// table, and the samples with its advice: they retry what the table says, and nothing
// else.
func TestDocumentsHaveTheExitCodes(t *testing.T) {
	again := make(map[int]bool)
	for _, e := range exitCodes {
		again[e.code] = strings.HasPrefix(e.again, "yes")
	}
	codesIn := func(text string) (codes []int) {
		for _, number := range regexp.MustCompile(`\d+`).FindAllString(text, -1) {
			code, _ := strconv.Atoi(number)
			if _, known := again[code]; !known {
				t.Errorf("there is no exit code %d, which %q has", code, text)
			}
			codes = append(codes, code)
		}
		return codes
	}
	read := func(path string) string {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}

	constants := regexp.MustCompile(`(?m)^\texit\w+ += (\d+)$`).FindAllStringSubmatch(read("exit.go"), -1)
	if len(constants) < 8 {
		t.Errorf("only %d exit codes were found", len(constants))
	}
	for _, constant := range constants {
		codesIn(constant[1])
	}

	told := make(map[int]bool)
	for _, line := range regexp.MustCompile(`(?m)^\| ([\d, ]+) \| .* \| (.*) \|$`).FindAllStringSubmatch(read("README.md"), -1) {
		for _, code := range codesIn(line[1]) {
			told[code] = strings.HasPrefix(line[2], "yes")
		}
	}
	if !maps.Equal(told, again) {
		t.Errorf("the README says %v, and the table %v", told, again)
	}

	for _, name := range []string{"cronjob.yaml", "job.yaml", "tenants.yaml"} {
		lists := regexp.MustCompile(`values: \[(.*)\]`).FindAllStringSubmatch(read(samplesDir+"/kubernetes/"+name), -1)
		if len(lists) != 2 {
			t.Fatalf("%s has %d lists of exit codes", name, len(lists))
		}
		for i, list := range lists {
			codes := codesIn(list[1])
			for _, code := range codes {
				if again[code] != (i == 1) {
					t.Errorf("%s: exit code %d is in the wrong list", name, code)
				}
			}
			for code, worth := range again {
				if code != exitDone && code < exitSignal && worth == (i == 1) && !slices.Contains(codes, code) {
					t.Errorf("%s: exit code %d is in no list", name, code)
				}
			}
		}
	}

	for _, list := range regexp.MustCompile(`(?m)^(?:Success|RestartForce)ExitStatus=(.*)$`).FindAllStringSubmatch(read(samplesDir+"/systemd/orgimport.service"), -1) {
		for _, code := range codesIn(list[1]) {
			if !again[code] {
				t.Errorf("the service takes exit code %d as worth running again", code)
			}
		}
	}
}

// TestEveryProblemHasAnExitCode: a new problem can't silently be a success.
func TestEveryProblemHasAnExitCode(t *testing.T) {
	for p := files.IsFolder; p <= files.LockFailed; p++ {
		if fileProblems[p].code == exitDone {
			t.Errorf("problem %d with a file has no exit code", p)
		}
	}
	for r := job.Unusable; r <= job.NoAnswer; r++ {
		if jobReasons[r].code == exitDone && r != job.LookUpFailed {
			t.Errorf("reason %d of a job has no exit code", r)
		}
	}
}
