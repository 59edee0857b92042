package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/csvfile"
	"orgimport/report"
)

// rolesCmd gives members roles in organizations.
type rolesCmd struct {
	File string `arg:"" help:"A CSV file with a header and a column roles, or - for standard input." placeholder:"FILE"`

	jobFlags      `embed:""`
	Role          []string `help:"Role to assign in every row, by name or id, if the file has no column of roles." sep:"none" placeholder:"NAME" group:"input"`
	RoleSeparator string   `help:"Characters that separate the roles of a row." default:",;|" placeholder:"CHARS" group:"input"`
	SkipAssigned  bool     `help:"Look up the members' roles; members who have theirs already cost no request." group:"look-ups"`
	DryRun        bool     `help:"Send nothing; show how many requests it would take, and how long."`
}

// Help returns what orgimport roles --help prints besides the flags.
func (rolesCmd) Help() string {
	return `The column with the roles is named roles, role, role_ids or role_names. It holds names or ids (rol_…), separated by a comma, a semicolon, | or a line break; a value that is the name of a role as a whole is one role. A row with a role that is unknown, ambiguous or empty is rejected as a whole. Members keep the roles that they have.

Examples:

    orgimport roles members.csv
    orgimport roles members.csv --role Editor

A request takes one member only, so a million rows take 83 hours at the 200 requests a minute of most plans. It can run before the users are members, and at the same time as an import: each has a rate limit of its own.

It needs the scope create:organization_member_roles; for names also read:roles, and for --skip-assigned read:organization_members and read:organization_member_roles. The results have the ids of the roles in an eleventh column, roles.`
}

// Validate is called by kong when all flags are read.
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
	t := task{
		file:          cmd.File,
		newOp:         func(_ *job, client *auth0.Client) importer.Op { return client.AssignRoles(r.roles) },
		readTwice:     true,
		scopes:        []string{scopeAssign},
		resultColumns: []string{"correlation_id", "error_code"},
		adjustDialect: r.adjustDialect,
		rows:          r.rows,
		check:         r.check,
	}
	if cmd.DryRun {
		t.rows = r.rolesByName
		return c.dryRun(&cmd.jobFlags, t, forecast{verb: "assign the roles of", noun: "row", limits: publishedPlan.adding})
	}
	return c.runJob(&cmd.jobFlags, t)
}

// roleRun is the state of a run that assigns roles.
type roleRun struct {
	*rolesCmd
	roles *auth0.Roles
	has   map[string]auth0.RoleIDs // roles of the members in the file, by PairKey; nil: not looked up
	read  importer.Directory       // the members who were read
}

// adjustDialect reads the column of roles. Rows that an earlier run of roles has
// finished are done; the results of other operations say nothing about roles.
func (r *roleRun) adjustDialect(j *job, d *csvfile.Dialect, from origin) error {
	d.Roles = true
	d.Earlier = func(csvfile.Result) error { return nil }
	if from.prefix != prefixRoles {
		return nil
	}
	d.Only = func(l csvfile.Result) bool { return !from.current.Replaced(l.Line) }
	d.Earlier = func(l csvfile.Result) error {
		if l.CorrelationID == "" && l.Status != importer.Duplicate {
			return nil // it does not say which run wrote it
		}
		switch l.Status {
		case importer.Assigned, importer.AlreadyAssigned:
			return &importer.Decided{Status: importer.AlreadyAssigned, Message: "assigned already, according to the results of an earlier run", CorrelationID: l.CorrelationID}
		case importer.Duplicate:
			return errRepeated
		}
		return nil
	}
	return nil
}

// value returns the roles of a row, as the file or --role gives them.
func (r *roleRun) value(row importer.Row) string {
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

// eachSendable calls f with each row that is to be sent, before it yields it.
func eachSendable(rows rowSeq, f func(*importer.Row)) rowSeq {
	return importer.Each(rows, func(row *importer.Row) error {
		if row.Err == nil {
			f(row)
		}
		return nil
	})
}

// rows replaces the roles of each row with their ids, and settles the rows of
// members who have them. A row with a role that can't be assigned is rejected.
func (r *roleRun) rows(_ *job, rows rowSeq) rowSeq {
	return eachSendable(rows, func(row *importer.Row) {
		value := r.value(*row)
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

// rolesByName is the stage for a dry run, which looks up no roles: each name counts
// as a role.
func (r *roleRun) rolesByName(_ *job, rows rowSeq) rowSeq {
	return eachSendable(rows, func(row *importer.Row) {
		value := r.value(*row)
		names, err := auth0.RoleNames(value, r.separators(value))
		row.Args, row.Err = []string{strings.Join(names, auth0.RoleSeparator)}, err
	})
}

const scopeAssign = "create:organization_member_roles"

// check makes sure that the rows have roles, and looks up what is needed to
// assign them.
func (r *roleRun) check(ctx context.Context, j *job) error {
	column := j.table.Roles()
	switch {
	case column == "" && r.Role == nil:
		return usagef("name the column roles, or give every row a role with --role", "%s has no column for the roles", j.in.Name())
	case column != "" && r.Role != nil && !j.table.Results():
		return usagef("leave --role out, or take the column out of the file", "--role is given, but %s has the column %q", j.in.Name(), column)
	}
	names, err := r.needNames(ctx, j)
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
	if err := j.conn.requireScopes(ctx, scopes...); err != nil {
		return err
	}
	if names {
		client, _ := j.conn.class()
		listed, err := client.Roles(ctx)
		if err != nil {
			return stoppedOr(ctx, lookupError(err))
		}
		*r.roles = *listed
	}
	if r.SkipAssigned {
		return r.findAssigned(ctx, j)
	}
	return nil
}

// needNames reports whether any row names a role by something other than its id.
func (r *roleRun) needNames(ctx context.Context, j *job) (bool, error) {
	table, err := j.reopenTable()
	if err != nil {
		return false, err
	}
	for row, err := range table.Rows() {
		if err != nil || ctx.Err() != nil {
			return false, stoppedOr(ctx, err)
		}
		if value := r.value(row); row.Err == nil && auth0.NeedsNames(value, r.separators(value)) {
			return true, nil
		}
	}
	return false, nil
}

// findAssigned looks up the roles of the members in the file.
func (r *roleRun) findAssigned(ctx context.Context, j *job) error {
	table, err := j.reopenTable()
	if err != nil {
		return err
	}
	var pairs importer.Set
	wanted := make(map[string]int)
	for row, err := range r.rows(j, j.resolved(table)) {
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
	client, _ := j.conn.class()
	client.RunID = report.RunID(j.op.Prefix, j.conn.base.Host, j.jobFlags.dialect().By())
	look := &auth0.Lookup{Members: client, Workers: j.conn.pace.workers()}
	r.has, err = look.FindAssigned(ctx, &r.read, &pairs, wanted)
	return stoppedOr(ctx, lookupError(err))
}
