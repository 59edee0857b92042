package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"time"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/csvfile"
	"orgimport/report"
)

// exportCmd writes the members of organizations to a CSV file.
type exportCmd struct {
	Org []string `arg:"" optional:"" help:"Organizations, by id or name (default: all organizations of the tenant)." placeholder:"ORG"`

	Orgs        string        `help:"CSV file with a column of organizations, by id or name." placeholder:"FILE" group:"input"`
	Output      string        `short:"o" help:"File to write once everything has been read (default: standard output, written while reading)." placeholder:"FILE" group:"output"`
	Roles       bool          `help:"Add a column with the ids of each member's roles in the organization." group:"output"`
	MaxDuration time.Duration `help:"Stop cleanly with exit code 10 after this time." placeholder:"DURATION" group:"stop"`

	tenantFlags `embed:""`
	paceFlags   `embed:""`
	uiFlags     `embed:""`
}

// Help returns what orgimport export --help prints besides the flags.
func (exportCmd) Help() string {
	return `Prints the members of organizations as CSV: org_id,org_name,user_id,email,name, sorted by the bytes of org_id and user_id. The file can be an input of orgimport import, roles and remove.

Examples:

    orgimport export -o members.csv
    orgimport export acme org_a1b2c3d4e5f6g7h8 --roles
    orgimport export --orgs customers.csv

It needs the scopes read:organizations and read:organization_members, and with --roles also read:organization_member_roles. FILE is not changed unless everything could be read. The exit code is 1 if a named organization does not exist; the others are still written.`
}

// Validate is called by kong when all flags are read.
func (cmd *exportCmd) Validate() error { return cmd.paceFlags.Validate() }

// export is an export in progress.
type export struct {
	*console
	observer
	cmd  *exportCmd
	ui   *ui
	conn *connection

	named   []string // organizations to export; empty: all
	unknown []string // named organizations that do not exist
	members int      // members written
	written int      // organizations written
	empty   int      // organizations without members
}

// Run exports the members.
func (cmd *exportCmd) Run(c *console) error {
	x := &export{console: c, cmd: cmd, ui: c.openUI(cmd.uiFlags), named: cmd.Org}
	defer x.ui.Close()
	x.log = x.ui.log
	ctx, end := c.untilSignal(x.signalled, x.ui.abandon)
	defer end()
	ctx, stop := withMaxDuration(ctx, cmd.MaxDuration)
	defer stop()
	var err error
	if x.conn, err = cmd.connect(c.surroundings, cmd.paceFlags, &x.observer); err != nil {
		return err
	}
	if err := x.readOrgs(ctx); err != nil {
		return err
	}
	if err := x.conn.requireScopes(ctx, cmd.scopes()...); err != nil {
		return err
	}
	if err := files.Prove(files.Named("--output", cmd.Output)); err != nil {
		return err
	}
	x.ui.notice("tenant " + x.conn.base.Host)
	started := time.Now()
	if cmd.Output == "" {
		err = x.run(ctx, c.stdout)
	} else {
		err = files.Replace(cmd.Output, 0o600, func(w io.Writer) error { return x.run(ctx, w) })
	}
	x.ui.Close()
	if file := (*fs.PathError)(nil); errors.As(err, &file) {
		err = x.cantWrite(err)
	}
	if err != nil {
		return err
	}
	e := exitOf(x.unknownError())
	c.printError(e)
	x.ui.closing(fmt.Sprintf("%s of %s, %s of them without members, in %s",
		report.Plural(x.members, "member"), report.Plural(x.written, "organization"), report.Number(x.empty), time.Since(started).Round(time.Second)))
	return e.silent()
}

// readOrgs reads the organizations in the file of --orgs.
func (x *export) readOrgs(ctx context.Context) error {
	if x.cmd.Orgs == "" {
		return nil
	}
	if err := files.Check(x.stdin, []files.File{files.Named("--orgs", x.cmd.Orgs)}, []files.File{files.Named("--output", x.cmd.Output)}); err != nil {
		return err
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
	scopes := [][]string{scopesReadOrganization(), {"read:organization_members"}}
	if cmd.Roles {
		scopes = append(scopes, []string{"read:organization_member_roles"})
	}
	return scopes
}

// eachUpTo is the largest number of organizations that are looked up one by one.
// A larger number is looked up in the list of all organizations.
const eachUpTo = 20

// organizations returns the organizations to export, in the order of their ids.
func (x *export) organizations(ctx context.Context) ([]auth0.Organization, error) {
	client, _ := x.conn.class()
	var orgs []auth0.Organization
	var err error
	if named := x.named; 0 < len(named) && len(named) <= eachUpTo {
		orgs, err = x.each(ctx, client, named)
	} else {
		orgs, err = x.listed(ctx, client, named)
	}
	slices.SortFunc(orgs, func(a, b auth0.Organization) int { return strings.Compare(a.ID, b.ID) })
	return slices.CompactFunc(orgs, func(a, b auth0.Organization) bool { return a.ID == b.ID }), err
}

// each looks up organizations one by one.
func (x *export) each(ctx context.Context, client *auth0.Client, named []string) (orgs []auth0.Organization, err error) {
	for _, name := range named {
		ask := client.OrganizationNamed
		if isOrgID(name) {
			ask = client.Organization
		}
		switch org, err := ask(ctx, name); {
		case err == nil:
			orgs = append(orgs, org)
		case importer.ReachOf(err) == importer.ReachOrg:
			x.unknown = append(x.unknown, name)
		default:
			return nil, err
		}
	}
	return orgs, nil
}

// listed reads the list of all organizations, and returns the named ones, or all
// of them if none is named.
func (x *export) listed(ctx context.Context, client *auth0.Client, named []string) (orgs []auth0.Organization, err error) {
	missing := make(map[string]bool)
	for _, name := range named {
		missing[name] = true
	}
	for org, err := range client.Organizations(ctx) {
		if err != nil {
			return nil, err
		}
		if len(named) == 0 || missing[org.ID] || missing[org.Name] {
			orgs = append(orgs, org)
			delete(missing, org.ID)
			delete(missing, org.Name)
		}
	}
	for _, name := range named {
		if missing[name] {
			x.unknown = append(x.unknown, name)
		}
	}
	return orgs, nil
}

// isOrgID reports whether s is an organization's id: names can't begin with org_.
func isOrgID(s string) bool { return strings.HasPrefix(s, "org_") }

// lookupError gives the error of a look-up its exit code and a hint.
func lookupError(err error) error {
	if none, ok := errors.AsType[*auth0.NoneFoundError](err); ok {
		return &exitError{exitErrors, none, "is it the right tenant, connection and column? --no-guard continues anyway"}
	}
	if job, ok := errors.AsType[*auth0.JobError](err); ok {
		return &exitError{exitTemporary, job, "nothing was written: try again later"}
	}
	if importer.ReachOf(err) == importer.ReachBatch {
		return &exitError{exitTemporary, err, "try again later"}
	}
	return err
}

// maxMembersAhead is how many members may be held of organizations whose turn to
// be written has not come. They take about 40 MB.
const maxMembersAhead = 200_000

// run writes the members to w.
func (x *export) run(ctx context.Context, w io.Writer) error {
	orgs, err := x.organizations(ctx)
	if err != nil {
		return lookupError(err)
	}
	client, _ := x.conn.class()
	fields := []string{auth0.FieldEmail, auth0.FieldName}
	header := []string{"org_id", "org_name", "user_id", "email", "name"}
	if x.cmd.Roles {
		fields, header = append(fields, auth0.FieldRoles), append(header, "roles")
	}
	e := &exporter{workers: x.conn.pace.workers(), maxAhead: maxMembersAhead}
	e.members = func(ctx context.Context, orgID string) iter.Seq2[auth0.Member, error] {
		return client.Members(ctx, orgID, fields...)
	}
	started := time.Now()
	x.ui.watch(func() progress {
		done := e.organizations.Load()
		return progress{
			done: done, total: int64(len(orgs)), elapsed: time.Since(started), waiting: x.waiting(),
			words: fmt.Sprintf("%s of %s, %s", report.Number(int(done)), report.Plural(len(orgs), "organization"), report.Plural(int(e.read.Load()), "member")),
		}
	})
	out := csv.NewWriter(w)
	_ = out.Write(header) // out.Error returns the error later
	if err = e.run(ctx, orgs, func(r *roster) error { return x.write(out, r) }); err != nil {
		return lookupError(err)
	}
	out.Flush()
	return x.cantWrite(out.Error())
}

// write writes the members of one organization.
func (x *export) write(out *csv.Writer, r *roster) error {
	if r.err == nil {
		x.put(out, r)
	} else {
		x.noteDeleted(r) // some of its members may have been read
	}
	out.Flush()
	return x.cantWrite(out.Error())
}

// put writes the members of an organization that exists.
func (x *export) put(out *csv.Writer, r *roster) {
	for _, m := range r.members {
		record := []string{r.org.ID, r.org.Name, m.UserID, m.Email, m.Name}
		if x.cmd.Roles {
			record = append(record, strings.Join(m.Roles, "|"))
		}
		_ = out.Write(record)
	}
	x.written++
	x.members += len(r.members)
	if len(r.members) == 0 {
		x.empty++
	}
}

// noteDeleted notes an organization that was deleted from the tenant during the
// export.
func (x *export) noteDeleted(r *roster) {
	if len(x.named) > 0 {
		x.unknown = append(x.unknown, r.org.ID)
		return
	}
	x.log.Warn("the organization " + r.org.ID + " no longer exists: " + r.err.Error())
}

func (x *export) cantWrite(err error) error {
	if err == nil {
		return nil
	}
	return files.CantWrite(cmp.Or(x.cmd.Output, "standard output"), err)
}

// unknownError returns an error that names the organizations that do not exist, or
// nil.
func (x *export) unknownError() error {
	const most = 10
	n := len(x.unknown)
	if n == 0 {
		return nil
	}
	names := strings.Join(x.unknown[:min(n, most)], ", ")
	if n > most {
		names += fmt.Sprintf(" and %d more", n-most)
	}
	return &exitError{exitRows, fmt.Errorf("no such organization: %s", printable(names)), "the others were written; name an organization by its id (org_…) or name"}
}
