package main

import (
	"context"
	"errors"
	"fmt"

	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/csvfile"
	"orgimport/report"
)

// importCmd adds members.
type importCmd struct {
	File string `arg:"" help:"A CSV file with a header, or - for standard input." placeholder:"FILE"`

	jobFlags    `embed:""`
	SkipMembers bool `help:"Look up existing members first; they cost no write." group:"look-ups"`
	BatchSize   int  `help:"Users in one request, 1 to 10." default:"10" placeholder:"N" group:"pace"`
	DryRun      bool `help:"Send nothing; show what would be done, like orgimport plan."`
}

// Help returns what orgimport import --help prints besides the flags.
func (importCmd) Help() string {
	return `Examples:

    orgimport import members.csv --failures failures.csv
    orgimport import members.csv --failures failures.csv --resume
    zcat members.csv.gz | orgimport import - --results results.csv

Every flag can be set in the environment: --max-errors is ORGIMPORT_MAX_ERRORS. See also orgimport help exit-codes, orgimport help environment and orgimport help results.`
}

// Validate is called by kong when all flags are read.
func (cmd *importCmd) Validate() error {
	return errors.Join(cmd.jobFlags.Validate(), validBatchSize(cmd.BatchSize))
}

func validBatchSize(n int) error {
	if n < 1 || n > auth0.MaxMembers {
		return fmt.Errorf("--batch-size must be from 1 to %d", auth0.MaxMembers)
	}
	return nil
}

// Run imports the file.
func (cmd *importCmd) Run(c *console) error {
	t := importing(cmd.File, cmd.BatchSize, cmd.SkipMembers)
	if cmd.DryRun {
		return (&planCmd{}).print(c.newJob(&cmd.jobFlags, t))
	}
	return c.runJob(&cmd.jobFlags, t)
}

// importing returns the task of adding members.
func importing(file string, batchSize int, skipMembers bool) task {
	return task{
		file: file,
		size: batchSize,

		skipMembers: skipMembers,
		scopes:      []string{scopeAdd},

		resultColumns: []string{"correlation_id"},

		newOp: func(_ *job, client *auth0.Client) importer.Op { return client.Import() },
		adjustDialect: func(j *job, d *csvfile.Dialect, _ origin) error {
			d.Earlier = settledIn(j.host())
			return nil
		},
		check: func(_ context.Context, j *job) error {
			j.warnRoles()
			return nil
		},
	}
}

// settledIn returns a function that returns what is known about a row from the
// results of an earlier import, or nil if nothing is: a line that no import into
// the tenant host has written settles nothing. An empty host matches any tenant.
// A duplicate goes with the line that it repeats.
func settledIn(host string) func(csvfile.Result) error {
	return func(r csvfile.Result) error {
		prefix, ours := report.Origin(r.CorrelationID, host)
		if r.Status != importer.Duplicate && (prefix != prefixImport || !ours) {
			return nil
		}
		return csvfile.SettledByImport(r)
	}
}

// warnRoles warns that an import does not assign the roles in a file.
func (j *job) warnRoles() {
	name, file := j.table.Roles(), j.file
	if name == "" {
		return
	}
	if file == "-" {
		file = "FILE"
	}
	j.log.Warn(fmt.Sprintf("the column %q is not imported: run orgimport roles %s after this", name, file))
}
