package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/cmd/orgimport/internal/job"
	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/report"
	"orgimport/report/page"
)

// reportCmd makes a page of a results file.
type reportCmd struct {
	File    string `arg:"" name:"results" help:"The results file of a run, or - for standard input." placeholder:"FILE"`
	Output  string `short:"o" help:"Page to write, or - for standard output." default:"report.html" placeholder:"FILE" group:"output"`
	Summary string `help:"Summary of the last run, as --summary of the run wrote it." placeholder:"FILE" group:"input"`
}

func (reportCmd) Help() string {
	return `The page is one self-contained HTML file. It shows how the run went, what failed, and what to do about each cause; with --summary also whether the last run finished, and what it waited for.

Examples:

    orgimport report results.csv
    orgimport report results.csv --summary summary.json -o run.html`
}

// Run makes the page.
func (cmd *reportCmd) Run(c *console) error {
	inputs := append(c.settings(), files.Named("the results file", cmd.File), files.Named("the summary", cmd.Summary))
	if cmd.Output != "-" {
		out := files.Named("--output", cmd.Output)
		if err := cmp.Or(files.Check(c.stdin, inputs, []files.File{out}), files.CheckWritable(out)); err != nil {
			return err
		}
	}
	ctx, end := c.untilSignal(nil, nil)
	defer end()
	results, err := files.Open(ctx, cmd.File, c.stdin)
	if err != nil {
		return err
	}
	defer results.Close()
	about := page.Page{
		Results: results.Name(), Version: version(), Made: time.Now(), Resume: "--resume", Advise: advise,
		ToSummarize: "run with --summary FILE, and give that file to orgimport report",
	}
	if cmd.Summary != "" {
		if about.Summary, err = openSummary(ctx, c, cmd.Summary); err != nil {
			return err
		}
	}
	beside := cmd.Output
	if beside == "-" {
		beside = ""
	}
	if err := results.Spool(beside); err != nil {
		return stoppedOr(ctx, err)
	}
	write := func(w io.Writer) error {
		text, err := job.OpenResults(results.Again(), claimColumns()...)
		if err == nil {
			err = page.Write(w, text, about)
		}
		if errors.Is(err, page.ErrOtherResults) {
			return usagef("name the summary of the last run that wrote the results, or leave it out", "%s: %w", cmd.Summary, err)
		}
		return err
	}
	if cmd.Output == "-" {
		return resultsError(results.Name(), write(c.stdout))
	}
	if err := files.Replace(cmd.Output, 0o600, write); err != nil {
		return resultsError(results.Name(), err)
	}
	_, err = fmt.Fprintln(c.stdout, cmd.Output)
	return err
}

// openSummary reads the summary of a run.
func openSummary(ctx context.Context, c *console, path string) (*report.SummaryFile, error) {
	in, err := files.Open(ctx, path, c.stdin)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	summary, err := report.ReadSummary(in)
	if err != nil {
		return nil, usagef("name a file that a run wrote as its --summary", "%s: %w", in.Name(), err)
	}
	return summary, nil
}

// advice is what the cause of rows that are not done most likely is, and what to do
// about it.
type advice struct{ title, do string }

// rejections is the advice about rows that were never sent, by error code.
var rejections = map[string]advice{
	importer.CodeUserNotFound:       {"The tenant has no such user", "Look for a spelling mistake, a user who was deleted, or one of another tenant. Create the user first, then run again with --resume."},
	importer.CodeUserAmbiguous:      {"Several users have the same key", "The message names some of them. Give the row a connection, or the id of the right user."},
	importer.CodeEmailUnverified:    {"The e-mail address is not verified", "Anybody can sign up with the address of somebody else. Have the user verify it, give the user's id, or accept such users with --allow-unverified."},
	importer.CodeConnectionNotFound: {"The tenant has no such connection", "Connections are named as in the dashboard. Correct the name in the input."},
	importer.CodeOrgNotFound:        {"The tenant has no such organization", "Look for a spelling mistake, or an organization of another tenant. One wrong name rejects all the rows that have it."},
	importer.CodeOrgAmbiguous:       {"Several organizations have the same key", "The message names some of them. Give the id of the right one."},
	importer.CodeRowUnreadable:      {"The row can't be read with certainty", "The message of each row shows what is in the file: often an empty cell, a quote without its partner, or a comma in a value that is not in quotes. Correct the row in the input; nothing was sent for it."},
}

// advise returns what a cause most likely is, and what to do about it.
func advise(c report.Cause) (title, do string) {
	switch c.Status {
	case importer.Sending:
		return "The run ended while the request was under way", "It is not known whether it was done. Continue with --resume: the next run finds out, as far as it can be found out."
	case importer.Rejected:
		a := cmp.Or(rejections[c.Code], advice{"The row can't be used", "The message says what is wrong with it. Nothing was sent; correct the row in the input."})
		return a.title, a.do
	}
	title, do, reach := auth0.Advise(c.HTTPStatus, c.Code, c.Message)
	switch {
	case c.HTTPStatus == http.StatusTooManyRequests:
		do += " Run again with --resume when the tenant has room, or leave more of it to others with --reserve."
	case reach == importer.ReachBatch:
		do += " Run again with --resume."
	case reach == importer.ReachRun:
		do += " Then run again with --resume."
	case reach == importer.ReachOrg && c.HTTPStatus != http.StatusForbidden: // there is none with that id
		do += " Names are taken with --org-by."
	}
	return title, do
}

// claimColumns returns the columns without which a line of a results file says of
// nobody what became of him.
func claimColumns() []string { return []string{"org_id", "user_id", "status"} }
