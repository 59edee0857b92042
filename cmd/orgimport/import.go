package main

import (
	"context"
	"errors"
	"fmt"

	"orgimport/cmd/orgimport/internal/job"
	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/csvfile"
	"orgimport/report"
)

// importFlags are what import and plan share beside the flags of every operation.
type importFlags struct {
	File        string `arg:"" help:"A CSV file with a header, or - for standard input." placeholder:"FILE"`
	SkipMembers bool   `help:"Look up existing members; they then cost no write." group:"input"`
	BatchSize   int    `help:"Users in one request, 1 to 10." default:"10" placeholder:"N" group:"pace" hidden:""`
}

func (f *importFlags) Validate() error {
	if f.BatchSize < 1 || f.BatchSize > auth0.MaxMembers {
		return fmt.Errorf("--batch-size must be from 1 to %d", auth0.MaxMembers)
	}
	return nil
}

// importCmd adds members.
type importCmd struct {
	importFlags `embed:""`
	jobFlags    `embed:""`
	DryRun      bool `help:"Send nothing; show what would be done."`
}

func (importCmd) Help() string {
	return `Examples:

    orgimport import members.csv --failures failures.csv
    orgimport import members.csv --failures failures.csv --resume

Every flag can be set in the environment: --max-errors is ORGIMPORT_MAX_ERRORS. See also orgimport help environment, exit-codes, results and tuning.`
}

func (cmd *importCmd) Validate() error {
	return errors.Join(cmd.importFlags.Validate(), cmd.jobFlags.Validate())
}

// Run imports the file.
func (cmd *importCmd) Run(c *console) error {
	if cmd.DryRun {
		return c.dryRun(&cmd.jobFlags, cmd.operation(cmd.Domain))
	}
	return c.operate(&cmd.jobFlags, cmd.operation(cmd.Domain))
}

// planCmd prints what an import would do, and sends nothing.
type planCmd struct {
	importFlags `embed:""`
	sourceFlags `embed:""`

	JSON     bool   `help:"Print the plan as JSON." group:"output"`
	Check    bool   `help:"Make the look-ups of the import, and check the token and that the organizations exist; needs credentials." group:"output"`
	Resolved string `help:"With --check, file for the rows with the ids that were found; it is a valid input." placeholder:"FILE" group:"results"`
}

func (planCmd) Help() string {
	return `Reads the whole file and sends nothing, so it needs no credentials; orgimport import --dry-run does the same. The exit code is 1 if rows would be rejected or, with --check, if organizations do not exist. Without --check, rows that need look-ups count as good.

Examples:

    orgimport plan members.csv
    orgimport plan members.csv --check --resolved resolved.csv

The times follow from the limits that Auth0 publishes. They are the shortest possible: other clients use the tenant too, and bad rows cost requests.

See orgimport help plan-json for what --json prints.`
}

func (cmd *planCmd) Validate() error {
	if cmd.Resolved != "" && !cmd.Check {
		return errors.New("--resolved needs --check")
	}
	return errors.Join(cmd.importFlags.Validate(), cmd.sourceFlags.Validate())
}

// Run prints the plan.
func (cmd *planCmd) Run(c *console) error {
	return c.forecast(&cmd.sourceFlags, cmd.operation(cmd.Domain), forecastFlags{cmd.JSON, cmd.Check, cmd.Resolved})
}

// operation returns the operation of adding members to a tenant.
func (f *importFlags) operation(domain string) operation {
	host, _ := hostOf(domain) // whoever connects returns the error
	return operation{
		file: f.File,
		op: func(client *auth0.Client) importer.Op {
			op := client.Import()
			op.Size = f.BatchSize
			return op
		},
		skipMembers: f.SkipMembers,
		scope:       "create:organization_members",
		task: job.Task{
			Columns: []string{"correlation_id"},
			Select: func(d *csvfile.Dialect, _ job.Origin) error {
				d.Earlier = settledIn(host)
				return nil
			},
		},
		check:    f.warnRoles,
		headline: headline{limits: publishedPlan.adding},
	}
}

// importPrefix begins the correlation ids of imports.
var importPrefix = (*auth0.Client)(nil).Import().Prefix

// settledIn returns a function that returns what is known about a row from the
// results of an earlier import, or nil if nothing is: a line that no import into
// the tenant host has written settles nothing. An empty host matches any tenant.
// A duplicate goes with the line that it repeats.
func settledIn(host string) func(csvfile.Result) error {
	return func(r csvfile.Result) error {
		prefix, ours := report.Origin(r.CorrelationID, host)
		if r.Status != importer.Duplicate && (prefix != importPrefix || !ours) {
			return nil
		}
		return csvfile.SettledByImport(r)
	}
}

// warnRoles warns that an import does not assign the roles in a file.
func (f *importFlags) warnRoles(_ context.Context, r *openRun) error {
	name, file := r.src.Table().Roles(), f.File
	if name == "" {
		return nil
	}
	if file == "-" {
		file = "FILE"
	}
	r.log.Warn(fmt.Sprintf("the column %q is not imported: run orgimport roles %s after this", name, file))
	return nil
}
