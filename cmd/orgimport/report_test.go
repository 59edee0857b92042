package main

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"orgimport/importer"
	"orgimport/importer/auth0/auth0test"
	"orgimport/report"
)

// TestPageOfARunThatEndedEarly makes the page of a run that was stopped, and of one
// that was killed. It was reported that the page of a stopped run said that every
// row was done.
func TestPageOfARunThatEndedEarly(t *testing.T) {
	t.Parallel()
	dir := memoryDir(t)
	at := func(name string) string { return filepath.Join(dir, name) }
	const rows, killedAt = 200, 4
	synctest.Test(t, func(t *testing.T) {
		cfg := auth0test.Config{
			Latency: auth0test.Uniform(time.Second, 2*time.Second),
			Limits:  proofLimit(auth0test.Limit{Size: 1, Per: 1, Interval: time.Second}),
		}
		cfg.Fault = func(_ *http.Request, n int) auth0test.Fault {
			if n == killedAt {
				content, err := os.ReadFile(at("results.csv"))
				if err := errors.Join(err, os.WriteFile(at("killed.csv"), content, 0o600)); err != nil {
					t.Error(err)
				}
			}
			return auth0test.Fault{}
		}
		tenant := auth0test.New(cfg)
		if err := os.WriteFile(at("members.csv"), newProofInput(proofLines(rows, 20)).csv, 0o600); err != nil {
			t.Fatal(err)
		}
		members := []string{
			"import", at("members.csv"), "--results", at("results.csv"), "--resume",
			"--summary", at("summary.json"), "--ping", "https://hc.example/secret",
		}
		pageOf := func(args ...string) string {
			code, html, stderr := inMemory(tenant, nil, append([]string{"report", "-o", "-"}, args...)...)
			if code != exitDone {
				t.Fatalf("exit code %d: %s", code, stderr)
			}
			return html
		}
		stop := make(chan os.Signal, 1)
		timer := time.AfterFunc(12*time.Second, func() { stop <- syscall.SIGTERM })
		defer timer.Stop()
		if code, _, said := inMemory(tenant, stop, members...); code != exitSignal+15 {
			t.Fatalf("exit code %d:\n%s", code, said)
		}
		for want, page := range map[string]string{
			"ended with exit code 143: stopped by SIGTERM":             pageOf(at("results.csv"), "--summary", at("summary.json")),
			"of 200 rows still to be attempted":                        pageOf(at("results.csv"), "--summary", at("summary.json")),
			"Rows that were not attempted have no line in the results": pageOf(at("killed.csv")),
		} {
			if !strings.Contains(page, want) || strings.Contains(page, "Every row") {
				t.Errorf("%q is not in %.1000s", want, page[strings.Index(page, "<header>"):])
			}
		}
		if code, _, said := inMemory(tenant, nil, members...); code != exitDone {
			t.Fatalf("exit code %d:\n%s", code, said)
		}
		page := pageOf(at("results.csv"), "--summary", at("summary.json"))
		for _, want := range []string{"<h1>Every row is done</h1>", "200 rows, and nothing is left to do", "<dt>Exit code</dt><dd>0</dd>"} {
			if !strings.Contains(page, want) {
				t.Errorf("%q is not in the page of a run that was gone on with", want)
			}
		}
		if strings.Contains(page, "hc.example") {
			t.Error("the page holds the address of the ping")
		}
	})
}

func TestPageSaysWhatToType(t *testing.T) {
	for _, tt := range []struct {
		status  int
		message string
		want    string // the end of the advice
	}{
		{429, "", "--reserve."},
		{503, "", "ids. Run again with --resume."},
		{401, "", "Then run again with --resume."},
		{404, "No such organization.", "Names are taken with --org-by."},
		{403, "The organization is suspended.", "tenant's dashboard."},
		{400, "No.", "tenant's dashboard."},
	} {
		if title, do := advise(report.Cause{Status: importer.Failed, HTTPStatus: tt.status, Message: tt.message}); !strings.HasSuffix(do, tt.want) {
			t.Errorf("%d %s: %s: %s; it should end with %s", tt.status, tt.message, title, do, tt.want)
		}
	}
}

func TestPageAdvisesOnEachCause(t *testing.T) {
	for _, tt := range []struct {
		status importer.Status
		code   string
		want   string
	}{
		{importer.Rejected, importer.CodeRowUnreadable, "The row can't be read with certainty"},
		{importer.Rejected, importer.CodeUserNotFound, "The tenant has no such user"},
		{importer.Rejected, importer.CodeUserAmbiguous, "Several users have the same key"},
		{importer.Rejected, importer.CodeEmailUnverified, "The e-mail address is not verified"},
		{importer.Rejected, importer.CodeConnectionNotFound, "The tenant has no such connection"},
		{importer.Rejected, importer.CodeOrgNotFound, "The tenant has no such organization"},
		{importer.Rejected, importer.CodeOrgAmbiguous, "Several organizations have the same key"},
		{importer.Rejected, "", "The row can't be used"},
		{importer.Sending, "", "The run ended while the request was under way"},
		{importer.Failed, "inexistent_user", "The tenant has no such user"},
	} {
		if title, do := advise(report.Cause{Status: tt.status, HTTPStatus: 400, Code: tt.code}); title != tt.want || do == "" {
			t.Errorf("%s %s: %q, %q; want %q", tt.status, tt.code, title, do, tt.want)
		}
	}
}
