package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync/atomic"
	"time"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/cmd/orgimport/internal/job"
	"orgimport/cmd/orgimport/internal/tenancy"
	"orgimport/importer/auth0"
	"orgimport/importer/csvfile"
	"orgimport/report"
)

// exportCmd writes the members of organizations to a CSV file.
type exportCmd struct {
	Org []string `arg:"" optional:"" help:"Organizations, by id or name (default: all of the tenant)." placeholder:"ORG"`

	Orgs        string        `help:"CSV file with a column of organizations, by id or name." placeholder:"FILE" group:"input"`
	Output      string        `short:"o" help:"File to write to (default: standard output)." placeholder:"FILE" group:"output"`
	Roles       bool          `help:"Add a column with the ids of each member's roles." group:"output"`
	MaxDuration time.Duration `help:"Stop cleanly with exit code 10 after this time." placeholder:"DURATION" group:"limits"`

	tenantFlags `embed:""`
	paceFlags   `embed:""`
	uiFlags     `embed:""`
}

func (exportCmd) Help() string {
	return `Prints the members of organizations as CSV: org_id,org_name,user_id,email,name, sorted by the bytes of org_id and user_id. The file is an input of orgimport import, roles and remove.

Examples:

    orgimport export -o members.csv
    orgimport export acme org_a1b2c3d4e5f6g7h8 --roles
    orgimport export --orgs customers.csv

It needs the scopes read:organizations and read:organization_members, and with --roles also read:organization_member_roles. FILE changes only after everything has been read; standard output is written meanwhile. The exit code is 1 if a named organization does not exist; the others are still written.`
}

func (cmd *exportCmd) Validate() error { return cmd.paceFlags.Validate() }

// exporting is an export in progress.
type exporting struct {
	*console
	*observer
	cmd    *exportCmd
	ui     *ui
	tenant *tenancy.Tenant

	named   []string // organizations to export; empty: all
	unknown []string // named organizations that do not exist
	members int      // members written
	written int      // organizations written
	empty   int      // organizations without members
}

// Run exports the members.
func (cmd *exportCmd) Run(c *console) error {
	x := &exporting{console: c, observer: &observer{}, cmd: cmd, ui: c.openUI(cmd.uiFlags), named: cmd.Org}
	defer x.ui.Close()
	x.log = x.ui.log
	ctx, end := c.untilSignal(x.signalled, x.ui.abandon)
	defer end()
	ctx, stop := withMaxDuration(ctx, cmd.MaxDuration)
	defer stop()
	var err error
	if x.tenant, err = c.connect(ctx, &cmd.tenantFlags, &cmd.paceFlags, x.observer); err != nil {
		return err
	}
	if err := x.readOrgs(ctx); err != nil {
		return err
	}
	if err := x.tenant.RequireScopes(ctx, cmd.scopes()...); err != nil {
		return err
	}
	if err := files.CheckWritable(files.Named("--output", cmd.Output)); err != nil {
		return err
	}
	x.ui.showTenant(x.tenant.Host())
	started := time.Now()
	if cmd.Output == "" {
		err = x.write(ctx, c.stdout)
	} else {
		err = files.Replace(cmd.Output, 0o600, func(w io.Writer) error { return x.write(ctx, w) })
	}
	x.ui.Close()
	if file := (*fs.PathError)(nil); errors.As(err, &file) {
		err = x.cantWrite(err)
	}
	if err != nil && cmd.Output == "" {
		x.log.Warn("not all members were printed")
	}
	if err != nil {
		return stoppedOr(ctx, err)
	}
	e := exitOf(x.unknownError())
	c.printError(e)
	x.ui.closing(fmt.Sprintf("%s of %s, %s of them without members, in %s",
		report.Plural(x.members, "member"), report.Plural(x.written, "organization"), report.Number(x.empty), time.Since(started).Round(time.Second)))
	return e.silent()
}

// readOrgs reads the organizations in the file of --orgs.
func (x *exporting) readOrgs(ctx context.Context) error {
	if err := files.Check(x.stdin, append(x.settings(), files.Named("--orgs", x.cmd.Orgs)), []files.File{files.Named("--output", x.cmd.Output)}); err != nil {
		return err
	}
	if x.cmd.Orgs == "" {
		return nil
	}
	in, err := files.Open(ctx, x.cmd.Orgs, x.stdin)
	if err != nil {
		return err
	}
	defer in.Close()
	orgs, err := csvfile.Organizations(in)
	if err != nil {
		return stoppedOr(ctx, err)
	}
	if x.named = append(x.named, orgs...); len(x.named) == 0 {
		return usagef("leave it out to export all organizations of the tenant", "--orgs %s names no organization", x.cmd.Orgs)
	}
	return nil
}

// scopes returns the scopes that the token must have: one of each group.
func (cmd *exportCmd) scopes() [][]string {
	scopes := [][]string{job.ScopesReadOrganization(), {"read:organization_members"}}
	if cmd.Roles {
		scopes = append(scopes, []string{"read:organization_member_roles"})
	}
	return scopes
}

// write writes the members to w.
func (x *exporting) write(ctx context.Context, w io.Writer) error {
	client, _ := x.tenant.Class()
	orgs, unknown, err := client.Named(ctx, x.named)
	if err != nil {
		return lookUpError(err)
	}
	x.unknown = unknown
	fields := []string{auth0.FieldEmail, auth0.FieldName}
	header := []string{"org_id", "org_name", "user_id", "email", "name"}
	if x.cmd.Roles {
		fields, header = append(fields, auth0.FieldRoles), append(header, "roles")
	}
	members, _ := x.tenant.Class()
	rosters := &auth0.Rosters{Client: members, Workers: x.tenant.Workers(), Fields: fields}
	var done atomic.Int64
	started := time.Now()
	x.ui.watch(func() progress {
		return progress{
			done: done.Load(), total: int64(len(orgs)), elapsed: time.Since(started), waiting: x.waiting(), pace: x.tenant.Latest(),
			words: fmt.Sprintf("%s of %s, %s", report.Number(int(done.Load())), report.Plural(len(orgs), "organization"), report.Plural(int(rosters.Read.Load()), "member")),
		}
	})
	out := csv.NewWriter(w)
	_ = out.Write(header) // out.Error returns the error later
	for r, err := range rosters.Of(ctx, orgs) {
		if err != nil {
			return lookUpError(err)
		}
		if r.Absent == nil {
			x.put(out, r)
		} else {
			x.noteDeleted(r)
		}
		if out.Flush(); out.Error() != nil {
			return x.cantWrite(out.Error())
		}
		done.Add(1)
	}
	out.Flush()
	return x.cantWrite(out.Error())
}

// put writes the members of an organization that exists.
func (x *exporting) put(out *csv.Writer, r auth0.Roster) {
	for _, m := range r.Members {
		record := []string{r.ID, r.Name, m.UserID, m.Email, m.Name}
		if x.cmd.Roles {
			record = append(record, strings.Join(m.Roles, "|"))
		}
		_ = out.Write(record)
	}
	x.written++
	x.members += len(r.Members)
	if len(r.Members) == 0 {
		x.empty++
	}
}

// noteDeleted notes an organization that was deleted from the tenant during the
// export.
func (x *exporting) noteDeleted(r auth0.Roster) {
	if len(x.named) > 0 {
		x.unknown = append(x.unknown, r.ID)
		return
	}
	x.log.Warn("the organization " + r.ID + " no longer exists: " + r.Absent.Error())
}

func (x *exporting) cantWrite(err error) error {
	if err == nil {
		return nil
	}
	return files.CantWrite(cmp.Or(x.cmd.Output, "standard output"), err)
}

// unknownError returns an error that names the organizations that do not exist, or
// nil.
func (x *exporting) unknownError() error {
	const most = 10
	n := len(x.unknown)
	if n == 0 {
		return nil
	}
	names := strings.Join(x.unknown[:min(n, most)], ", ")
	if n > most {
		names += fmt.Sprintf(" and %d more", n-most)
	}
	return &exitError{exitRows, fmt.Errorf("no such organization: %s", report.Printable(names)), "the others were written; name an organization by its id (org_…) or name"}
}
