package main

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"orgimport/cmd/orgimport/internal/files"
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
		{"anything else", errors.New("broken pipe"), exitStopped, ""},
	} {
		if e := exitOf(test.err); e.code != test.code || e.hint != test.hint {
			t.Errorf("%s: exit code %d, hint %q; want %d, %q", test.name, e.code, e.hint, test.code, test.hint)
		}
	}
}
