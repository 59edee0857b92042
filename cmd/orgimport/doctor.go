package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"orgimport/cmd/orgimport/internal/doctor"
	"orgimport/cmd/orgimport/internal/files"
	"orgimport/cmd/orgimport/internal/job"
	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/csvfile"
	"orgimport/report"
)

// doctorCmd finds out how the tenant answers what Auth0 does not document.
type doctorCmd struct {
	TestUsers string `help:"CSV file with the ids of at least 40 test users." placeholder:"FILE" group:"input"`
	File      string `help:"CSV file: say what the answers mean for its import." placeholder:"MEMBERS.csv" group:"input"`
	JSON      bool   `name:"json" help:"Print a report to send; it names nothing of the tenant." group:"output"`
	Yes       bool   `help:"Do it. Without this flag, only print what would be done."`
	Delete    string `help:"Only delete an organization that an earlier run left." placeholder:"NAME"`

	tenantFlags `embed:""`
}

func (doctorCmd) Help() string {
	return `Creates an organization orgimport-doctor-…, adds the test users to it and removes them in different ways, and deletes it. This takes at most 80 requests and 100 seconds, touches no other organization, and leaves the reserve of the rate limits to other clients. While it runs, the test users are members of that organization and would see it when they log in.

Examples:

    orgimport doctor --test-users test-users.csv
    orgimport doctor --test-users test-users.csv --yes --file members.csv

It needs the scopes create:organizations, delete:organizations, read:organizations, create:organization_members, read:organization_members and delete:organization_members, and read:roles for one question. At the end it prints the flags of orgimport tenant for a simulated tenant that answers alike. The exit code is 0 if all questions were answered, and 1 if some were not. orgimport help unknowns lists what else is not documented.`
}

func (cmd *doctorCmd) Validate() error {
	switch {
	case cmd.Delete != "" && cmd.TestUsers != "":
		return errors.New("--delete can't be used with --test-users")
	case cmd.Delete == "" && cmd.TestUsers == "":
		return errors.New("--test-users names a file with the ids of at least 40 test users")
	case cmd.Delete != "" && !doctor.IsName(cmd.Delete):
		return errors.New("--delete takes the name of an organization that doctor created, such as orgimport-doctor-0123abcd")
	}
	return nil
}

// Run examines the tenant, or deletes what was left behind.
func (cmd *doctorCmd) Run(c *console) error {
	ui := c.openUI(uiFlags{Progress: "off"})
	defer ui.Close()
	o := &observer{log: ui.log}
	d := &doctor.Doctor{Name: cmp.Or(cmd.Delete, doctor.NewName())}
	ctx, end := c.untilSignal(o.signalled, func(syscall.Signal) {
		if d.MayExist() {
			fmt.Fprintln(c.stderr, leftBehind(d.Name))
		}
	})
	defer end()
	var err error
	if cmd.Delete == "" {
		if d.Users, err = cmd.users(ctx, c); err != nil {
			return err
		}
	}
	survey, err := cmd.survey(ctx, c)
	if err != nil {
		return err
	}
	if cmd.Delete == "" && !cmd.Yes {
		return cmd.explain(c)
	}
	if err := cmd.reach(ctx, c, d, o); err != nil {
		return err
	}
	ui.showTenant(d.Tenant.Host)
	if cmd.Delete != "" {
		return deleteLeft(ctx, c, d)
	}
	ui.notice("creating the organization " + d.Name + "; it is deleted at the end")
	found, err := d.Run(ctx)
	found.Version = version()
	if left, isLeft := errors.AsType[*doctor.LeftBehindError](err); err == nil || isLeft && left.Before == nil {
		if err := cmd.print(c.stdout, found, survey); err != nil {
			return &exitError{exitStopped, fmt.Errorf("can't write the report: %w", err), ""}
		}
	}
	ui.notice(fmt.Sprintf("%s in %s, %s answered 429", report.Plural(found.Requests, "request"), found.Took.Round(time.Second), report.Number(found.Refusals)))
	if err == nil && !found.Complete() {
		return errRows
	}
	return doctorError(err)
}

// users reads the ids of the test users.
func (cmd *doctorCmd) users(ctx context.Context, c *console) (users []string, err error) {
	seen := make(map[string]bool)
	err = readRows(ctx, c, cmd.TestUsers, csvfile.Dialect{OrgID: "org_0000000000000000"}, func(row importer.Row) {
		if row.Err == nil && row.UserID != "" && !seen[row.UserID] {
			seen[row.UserID] = true
			users = append(users, row.UserID)
		}
	})
	if err == nil && len(users) < doctor.MinUsers {
		err = usagef("name test users only: while it runs they are members of an organization", "--test-users %s has %s, and %d are needed", cmd.TestUsers, report.Plural(len(users), "id"), doctor.MinUsers)
	}
	return users, err
}

// readRows calls each with the rows of a CSV file.
func readRows(ctx context.Context, c *console, name string, d csvfile.Dialect, each func(importer.Row)) error {
	in, err := files.Open(ctx, name, c.stdin)
	if err != nil {
		return err
	}
	defer in.Close()
	table, err := csvfile.Open(in, d)
	if err != nil {
		return stoppedOr(ctx, fmt.Errorf("%s: %w", name, err))
	}
	for row, err := range table.Rows() {
		if err != nil {
			return stoppedOr(ctx, fmt.Errorf("%s: %w", name, err))
		}
		each(row)
	}
	return nil
}

// survey returns what an import of --file would do, or nil without one.
func (cmd *doctorCmd) survey(ctx context.Context, c *console) (*job.Survey, error) {
	if cmd.File == "" {
		return nil, nil
	}
	src, err := job.Open(ctx, job.Config{Task: job.Task{Op: (&auth0.Client{}).Import()}, Path: cmd.File, Stdin: c.stdin, Assume: true})
	if err != nil {
		return nil, err
	}
	defer src.Close()
	return src.Survey(ctx, &report.Journal{}, nil)
}

// explain prints what would be done.
func (cmd *doctorCmd) explain(c *console) error {
	table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	for _, r := range doctor.Requests() {
		fmt.Fprintf(table, "%s\t%s\t%s\n", r.Method, r.Path, r.Does)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "at most %d requests in %.0f seconds\n", doctor.MaxRequests, doctor.MaxTime.Seconds())
	return usagef("add --yes if these are test users, and this is the tenant", "nothing was sent")
}

// reach connects the doctor to the tenant, and sees that the token permits what it
// can't do without.
func (cmd *doctorCmd) reach(ctx context.Context, c *console, d *doctor.Doctor, o *observer) error {
	pace := paceFlags{MaxAttempts: 3, RequestTimeout: 10 * time.Second, MaxWait: time.Minute}
	tenant, err := c.connect(ctx, &cmd.tenantFlags, &pace, o)
	if err != nil {
		return err
	}
	scopes := []string{"read:organizations", "delete:organizations"}
	if cmd.Delete == "" {
		scopes = append(scopes, "create:organizations", "create:organization_members", "read:organization_members", "delete:organization_members")
	}
	groups := make([][]string, len(scopes))
	for i := range scopes {
		groups[i] = scopes[i : i+1]
	}
	if err := tenant.RequireScopes(ctx, groups...); err != nil {
		return err
	}
	d.Tenant, d.Base = tenant.URL, &auth0.Bearer{Source: tenant.Tokens, Base: tenant.Attempt}
	return nil
}

// deleteLeft deletes an organization that was left behind.
func deleteLeft(ctx context.Context, c *console, d *doctor.Doctor) error {
	found, err := d.Delete(ctx)
	switch {
	case err != nil:
		return doctorError(err)
	case found:
		fmt.Fprintf(c.stderr, "deleted %s\n", d.Name)
	default:
		fmt.Fprintf(c.stderr, "there is no organization %s\n", d.Name)
	}
	return nil
}

func leftBehind(name string) string {
	return fmt.Sprintf("left behind: %s: orgimport doctor --delete %s", name, name)
}

// doctorError gives an error of a doctor its exit code.
func doctorError(err error) error {
	if left, ok := errors.AsType[*doctor.LeftBehindError](err); ok {
		return &exitError{exitStopped, errors.New(leftBehind(left.Name)), "it could not be deleted: " + left.Err.Error()}
	}
	if _, ok := errors.AsType[doctor.GaveUpError](err); ok {
		return &exitError{exitTemporary, err, "try again later"}
	}
	if lacks, ok := errors.AsType[*doctor.LacksScopeError](err); ok {
		return &exitError{exitStopped, lacks, "grant the application that scope for the Auth0 Management API"}
	}
	if refused, ok := errors.AsType[*doctor.RefusedError](err); ok {
		return usagef("each id of --test-users must be that of an existing user", "%w", refused)
	}
	return err
}

// print prints the report, and what it means for a file.
func (cmd *doctorCmd) print(w io.Writer, found *doctor.Report, survey *job.Survey) error {
	if cmd.JSON {
		out := json.NewEncoder(w)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		return out.Encode(found)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "QUESTION\tANSWER\tWHAT IMPORT DOES")
	for _, a := range found.Questions {
		says := a.Answer
		if a.WhyNot != "" {
			says += ": " + a.WhyNot
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", a.Question, says, a.Import)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w, "\nin the tenant's words:")
	for _, a := range found.Questions {
		if a.Words != "" {
			fmt.Fprintf(w, "  %s: %s\n", a.Question, report.Printable(a.Words))
		}
	}
	if survey != nil {
		fmt.Fprintf(w, "\n%s: %s of %s take %s%s\n", cmd.File, report.Plural(survey.Sendable, "row"), report.Plural(survey.Organizations, "organization"),
			report.Plural(survey.Batches, "request"), takes(survey.Batches, found))
	}
	_, err := fmt.Fprintf(w, "\na simulated tenant that answers alike:\n  orgimport tenant %s\n", strings.Join(found.Tenant, " "))
	return err
}

// takes returns how long requests take, in words. It follows from what comes back
// of the limit, not from what it holds at first.
func takes(requests int, found *doctor.Report) string {
	if found.Limit == nil || found.Limit.AtLeast <= 0 {
		return "; how long that takes is not known, because the limit is not"
	}
	return fmt.Sprintf(", at most %s at the limit that the headers show, if nobody else uses it", duration(float64(requests+1), steadily(found.Limit.AtLeast)))
}
