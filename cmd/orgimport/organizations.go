package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"orgimport/cmd/orgimport/internal/job"
	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/csvfile"
	"orgimport/report"
)

// organizationsCmd creates the organizations that the tenant lacks.
type organizationsCmd struct {
	File string `arg:"" help:"A CSV file of organizations or of their members, or - for stdin." placeholder:"FILE"`

	jobFlags         `embed:""`
	MaxOrganizations *int     `help:"Maximum number of organizations (required)." placeholder:"N" group:"limits"`
	EnableConnection []string `help:"Connection to enable for new ones; repeatable, up to 10." sep:"none" placeholder:"NAME" group:"input"`
	AutoMembership   bool     `help:"Whoever logs in with such a connection becomes a member." group:"input"`
	DryRun           bool     `help:"Send nothing; show the organizations of the file."`
}

func (organizationsCmd) Help() string {
	return `Each distinct name in the file is an organization. The column is the same as for an import (org, organization, org_name or organization_name), or name if the file has no users. display_name and metadata.KEY are read from columns of these names. Further rows with the same name are duplicates. Without --max-organizations, the error says how many organizations the file has.

Examples:

    orgimport organizations members.csv --max-organizations 40
    orgimport organizations customers.csv --max-organizations 40 \
        --enable-connection acme-saml --auto-membership

An organization that exists gets the status already_exists and is not changed. Names are permanent, so none is guessed: a new name with capitals or spaces is rejected, and the message suggests a valid one.

It needs the scopes create:organizations and read:organizations, and read:connections if a connection is given by name. Whether enabling connections also needs create:organization_connections is not known. The results have the new ids in org_id and the names in a column name.`
}

// maxConnections is the largest number of connections in a request, by the OpenAPI
// description of the Management API.
const maxConnections = 10

func (cmd *organizationsCmd) Validate() error {
	switch {
	case len(cmd.EnableConnection) > maxConnections:
		return fmt.Errorf("--enable-connection can be given up to %d times", maxConnections)
	case cmd.AutoMembership && len(cmd.EnableConnection) == 0:
		return errors.New("--auto-membership needs --enable-connection")
	case cmd.OrgBy != "" && cmd.OrgBy != importer.KindOrgName && cmd.OrgBy != importer.KindOrgID:
		return errors.New("--org-by must be name or org_id: no other key gives the name of a new organization")
	}
	return cmd.jobFlags.Validate()
}

// Run creates the organizations.
func (cmd *organizationsCmd) Run(c *console) error {
	r := &creation{organizationsCmd: cmd}
	o := operation{
		file:    cmd.File,
		op:      r.begin,
		scope:   scopeCreate,
		maxRows: cmd.MaxOrganizations,
		task:    job.Task{ReadTwice: true, Columns: []string{"correlation_id", "error_code"}, Select: selectNames, Rows: r.distinct},
		check:   r.check,
		headline: headline{verb: "create", noun: "organization", limits: publishedPlan.creating,
			otherWay: "organizations that exist need no request; those with capitals or spaces in the name must exist"},
	}
	if cmd.DryRun {
		r.decide = showName
		return c.dryRun(&cmd.jobFlags, o)
	}
	return c.operate(&cmd.jobFlags, o)
}

// selectNames reads the names of organizations. The results of another operation say
// nothing of them.
func selectNames(d *csvfile.Dialect, _ job.Origin) error {
	d.OrgNames = true
	d.Earlier = func(csvfile.Result) error { return nil }
	return nil
}

const scopeCreate = "create:organizations"

// creation is the state of a run that creates organizations.
type creation struct {
	*organizationsCmd
	creator *auth0.Creator
	decide  func(*importer.Row) // settles or rejects a row that needs no request
}

// begin returns the operation, which check completes.
func (r *creation) begin(client *auth0.Client) importer.Op {
	r.creator = &auth0.Creator{Client: client, AutoMembership: r.AutoMembership}
	if r.decide == nil {
		r.decide = r.creator.Check
	}
	return r.creator.Op()
}

// showName is for a dry run, which asks for no organization: each is shown by its name.
func showName(row *importer.Row) {
	if row.OrgID == "" {
		row.OrgID = row.Args[0]
	}
}

// distinct decides the rows that need no request. Of the rows of one organization
// that is the first one at most.
func (r *creation) distinct(rows iter.Seq2[importer.Row, error]) iter.Seq2[importer.Row, error] {
	var seen importer.Set
	key := r.creator.Op().KeyOf
	return job.EachSendable(rows, func(row *importer.Row) {
		r.decide(row)
		if line, found := seen.Add(key(*row), row.Line); found {
			row.Err = &importer.Decided{Status: importer.Duplicate, Message: fmt.Sprintf("same organization as line %d", line)}
		}
	})
}

// check reads which organizations there are, prints how many are going to be created,
// and compares the number of names with --max-organizations.
func (r *creation) check(ctx context.Context, o *openRun) error {
	scopes := [][]string{{scopeCreate}, {"read:organizations"}}
	if slices.ContainsFunc(r.EnableConnection, isConnectionName) {
		scopes = append(scopes, []string{"read:connections"})
	}
	if err := o.tenant.RequireScopes(ctx, scopes...); err != nil {
		return err
	}
	var err error
	if r.creator.Connections, err = o.connectionIDs(ctx, "--enable-connection", r.EnableConnection); err != nil {
		return err
	}
	r.creator.Details = o.src.Table().OrgDetails
	r.creator.Lists, _ = o.tenant.Class()
	if err := r.creator.Read(ctx); err != nil {
		return stoppedOr(ctx, lookUpError(err))
	}
	names, missing, existing := 0, 0, 0
	for row, err := range o.src.Rows() {
		if err != nil || ctx.Err() != nil {
			return stoppedOr(ctx, err)
		}
		decided, _ := errors.AsType[*importer.Decided](row.Err)
		exists := decided != nil && decided.Status == importer.AlreadyExists
		if row.Err != nil && !exists {
			continue
		}
		names++
		switch {
		case o.out.Before().Done(row): // an earlier run has created it
		case exists:
			existing++
		default:
			missing++
		}
	}
	text := report.Plural(missing, "organization") + " to create"
	if existing > 0 {
		text += fmt.Sprintf(", %s there already", report.Number(existing)+report.Verb(existing, " is", " are"))
		if len(r.EnableConnection) > 0 {
			text += report.Verb(existing, " and is not changed", " and are not changed") + ": connections are enabled for new ones only"
		}
	}
	o.ui.notice(text)
	return o.checkLimit(names, "--max-organizations", "organization")
}
