package main

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"

	"orgimport/cmd/orgimport/internal/job"
	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/csvfile"
	"orgimport/report"
)

// rolesCmd gives members roles in organizations.
type rolesCmd struct {
	File string `arg:"" help:"A CSV file with a header and a column roles, or - for stdin." placeholder:"FILE"`

	jobFlags      `embed:""`
	Role          []string `help:"Role for every row, by name or id, if the file has none." sep:"none" placeholder:"NAME" group:"input"`
	RoleSeparator string   `help:"Characters that separate roles." default:",;|" placeholder:"CHARS" group:"input"`
	SkipAssigned  bool     `help:"Look up who has the roles already; they cost no request." group:"input"`
	DryRun        bool     `help:"Send nothing; show how long it would take."`
}

func (rolesCmd) Help() string {
	return `The column with the roles is named roles, role, role_ids or role_names. It holds names or ids (rol_…), separated by a comma, a semicolon, | or a line break. If the whole value is the name of a role, it is one role. If a role is unknown, ambiguous or empty, the whole row is rejected. Members keep the roles that they have.

Examples:

    orgimport roles members.csv
    orgimport roles members.csv --role Editor

Each member takes a request, so a million rows take 83 hours at the 200 requests a minute of most plans. You can assign roles before the users are members, and at the same time as an import: each has a rate limit of its own.

It needs the scope create:organization_member_roles; for names of roles also read:roles; for --skip-assigned also read:organization_members and read:organization_member_roles. The results have the ids of the roles in a column roles.`
}

func (cmd *rolesCmd) Validate() error {
	if len(cmd.Role) > 1 {
		return errors.New("--role can be given once: name several roles as in --role 'Editor,Viewer'")
	}
	if cmd.RoleSeparator == "" {
		return errors.New("--role-separator must name at least one character")
	}
	return cmd.jobFlags.Validate()
}

// Run gives the roles.
func (cmd *rolesCmd) Run(c *console) error {
	r := &roleRun{rolesCmd: cmd, roles: &auth0.Roles{}}
	o := operation{
		file:  cmd.File,
		op:    func(client *auth0.Client) importer.Op { return client.AssignRoles(r.roles) },
		scope: scopeAssign,
		task:  job.Task{ReadTwice: true, Columns: []string{"correlation_id", "error_code"}, Select: r.selectRows, Rows: r.resolve},
		check: r.check,
		headline: headline{verb: "assign the roles of", noun: "row", limits: publishedPlan.adding,
			otherWay: "each request assigns roles to one member; orgimport help should-i-import has faster ways for many"},
	}
	if cmd.DryRun {
		r.roles = nil // no role is looked up: each name counts as one
		return c.dryRun(&cmd.jobFlags, o)
	}
	return c.operate(&cmd.jobFlags, o)
}

// rolesPrefix begins the correlation ids of assignments.
var rolesPrefix = (*auth0.Client)(nil).AssignRoles(nil).Prefix

// roleRun is the state of a run that assigns roles.
type roleRun struct {
	*rolesCmd
	roles *auth0.Roles
	has   map[string]auth0.RoleIDs // roles of the members in the file, by PairKey; nil: not looked up
	read  importer.Directory       // the members who were read
	named bool                     // a row that was ranged over names a role by something other than its id
}

// selectRows reads the column of roles. Rows that an earlier run of roles has
// finished are done; the results of other operations say nothing about roles.
func (r *roleRun) selectRows(d *csvfile.Dialect, from job.Origin) error {
	d.Roles = true
	d.Earlier = func(csvfile.Result) error { return nil }
	if from.Prefix != rolesPrefix {
		return nil
	}
	d.Only = func(l csvfile.Result) bool { return !from.Current.Replaced(l.Line) }
	d.Earlier = func(l csvfile.Result) error {
		if l.CorrelationID == "" && l.Status != importer.Duplicate {
			return nil // it does not say which run wrote it
		}
		switch {
		case l.Status.Claim() == importer.ClaimRoles:
			return &importer.Decided{Status: importer.AlreadyAssigned, Message: "assigned already, according to the results of an earlier run", CorrelationID: l.CorrelationID}
		case l.Status == importer.Duplicate:
			return job.ErrRepeated
		}
		return nil
	}
	return nil
}

// rolesOf returns the roles of a row, as the file or --role gives them.
func (r *roleRun) rolesOf(row importer.Row) string {
	if len(row.Args) > 0 && row.Args[0] != "" {
		return row.Args[0]
	}
	return strings.Join(r.Role, "")
}

// separators returns the characters that separate the roles of a value. A value
// of ids only may come from the results, which have their own separator.
func (r *roleRun) separators(value string) string {
	for id := range strings.SplitSeq(value, auth0.RoleSeparator) {
		if !strings.HasPrefix(id, "rol_") {
			return r.RoleSeparator + "\n"
		}
	}
	return r.RoleSeparator + "\n" + auth0.RoleSeparator
}

// resolve replaces the roles of each row with their ids, and settles the rows of
// members who have them. A row with a role that can't be assigned is rejected.
func (r *roleRun) resolve(rows iter.Seq2[importer.Row, error]) iter.Seq2[importer.Row, error] {
	return job.EachSendable(rows, func(row *importer.Row) {
		value := r.rolesOf(*row)
		r.named = r.named || auth0.NeedsNames(value, r.separators(value))
		ids, err := r.roles.IDs(value, r.separators(value))
		if err != nil {
			row.Args, row.Err = []string{value}, err
			return
		}
		row.Args = []string{strings.Join(ids, auth0.RoleSeparator)}
		m := r.read.Member(*row)
		has := r.has[importer.PairKey(*row)]
		switch {
		case m == nil:
		case m.Status == importer.Failed:
			row.Err = m
		case !slices.ContainsFunc(ids, func(id string) bool { return !slices.Contains(has, id) }):
			row.Err = &importer.Decided{Status: importer.AlreadyAssigned, Message: "has the roles already, according to the organization's list of members", CorrelationID: m.CorrelationID}
		}
	})
}

const scopeAssign = "create:organization_member_roles"

// check makes sure that the rows have roles, and looks up what is needed to
// assign them.
func (r *roleRun) check(ctx context.Context, o *openRun) error {
	column := o.src.Table().Roles()
	switch {
	case column == "" && r.Role == nil:
		return usagef("name the column roles, or give every row a role with --role", "%s has no column for the roles", o.src.Name())
	case column != "" && r.Role != nil && !o.src.Table().Results():
		return usagef("leave --role out, or take the column out of the file", "--role is given, but %s has the column %q", o.src.Name(), column)
	}
	names, err := r.needNames(ctx, o.src)
	if err != nil {
		return err
	}
	scopes := [][]string{{scopeAssign}}
	if names {
		scopes = append(scopes, []string{"read:roles"})
	}
	if r.SkipAssigned {
		scopes = append(scopes, []string{"read:organization_members"}, []string{"read:organization_member_roles"})
	}
	if err := o.tenant.RequireScopes(ctx, scopes...); err != nil {
		return err
	}
	listed, err := o.listRoles(ctx, names)
	if err != nil {
		return err
	}
	*r.roles = *listed
	if r.SkipAssigned {
		return r.findAssigned(ctx, o)
	}
	return nil
}

// needNames reports whether any row names a role by something other than its id.
func (r *roleRun) needNames(ctx context.Context, src *job.Source) (bool, error) {
	for _, err := range src.Rows() {
		if err != nil || ctx.Err() != nil {
			return false, stoppedOr(ctx, err)
		}
		if r.named { // as resolve has seen
			return true, nil
		}
	}
	return false, nil
}

// findAssigned looks up the roles of the members in the file.
func (r *roleRun) findAssigned(ctx context.Context, o *openRun) error {
	var pairs importer.Set
	wanted := make(map[string]int)
	for row, err := range o.src.Rows() {
		if err != nil || ctx.Err() != nil {
			return stoppedOr(ctx, err)
		}
		if row.Err != nil {
			continue
		}
		if _, found := pairs.Add(importer.PairKey(row), row.Line); !found {
			wanted[strings.Clone(row.OrgID)]++
		}
	}
	client, _ := o.tenant.Class()
	client.RunID = report.RunID(o.src.Op.Prefix, o.tenant.Host(), o.src.Dialect.By())
	look := &auth0.Lookup{Members: client, Workers: o.tenant.Workers()}
	var err error
	r.has, err = look.FindAssigned(ctx, &r.read, &pairs, wanted)
	return stoppedOr(ctx, lookUpError(err))
}
