package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"io"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/importer"
	"orgimport/importer/csvfile"
	"orgimport/report"
)

// planCmd prints what an import would do, and sends nothing.
type planCmd struct {
	File string `arg:"" help:"A CSV file with a header, or - for standard input." placeholder:"FILE"`

	JSON  bool `help:"Print the plan as JSON." group:"output"`
	Check bool `help:"Make the look-ups of the import, and check that the token is good and the organizations exist. Needs credentials." group:"output"`

	Results   string `help:"Results file, for --resume." default:"${results}" placeholder:"FILE" group:"results"`
	Resume    bool   `help:"Plan only what the results file leaves to be done." group:"results"`
	Failures  string `help:"File for the rows that would be rejected; it can be used as an input." placeholder:"FILE" group:"results"`
	Resolved  string `help:"With --check, file for the rows with the ids that were found; it can be used as an input." placeholder:"FILE" group:"results"`
	BatchSize int    `help:"Users in one request, 1 to 10." default:"10" placeholder:"N" group:"pace"`
	NoGuard   bool   `help:"Do not stop when the tenant has none of 100 or more keys." group:"look-ups"`

	SkipMembers  bool `help:"Look up existing members first; they cost no write." group:"look-ups"`
	lookupFlags  `embed:""`
	tenantFlags  `embed:""`
	dialectFlags `embed:""`
	paceFlags    `embed:""`
	uiFlags      `embed:""`
}

// Help returns what orgimport plan --help prints besides the flags.
func (planCmd) Help() string {
	return `Reads the whole file and sends nothing, so it needs no credentials; orgimport import --dry-run does the same. It ends with exit code 1 if rows would be rejected, and with --check also if organizations do not exist. Without --check, rows that an import looks up count as good.

Examples:

    orgimport plan members.csv
    orgimport plan members.csv --check --resolved resolved.csv

The times follow from the limits that Auth0 publishes. No import can be faster, and most are slower: others use the tenant too, and bad rows cost requests.

--json prints one object: input, dialect, columns {org_id, user_id, kept}, rows = sendable + rejected + duplicates + settled, organizations, batches, batch_size, requests (at least), estimates [{plan, limit, seconds}], at_rate {rate, seconds} with --rate, notes (sentences about the file), largest [{org_id, rows}], rejects [{line, org_id, user_id, reason}] (the first ten), and with --check check {tenant, scope, asked, skipped, unknown [{org_id, rows}], keys [{of, kind, keys, found}], unresolved [{error_code, rows, examples [{line, reason}]}], members, look_ups [{phase, requests, seconds}], reads, writes_saved}.`
}

// Validate is called by kong when all flags are read.
func (cmd *planCmd) Validate() error {
	if cmd.Resolved != "" && !cmd.Check {
		return errors.New("--resolved needs --check")
	}
	return errors.Join(cmd.dialectFlags.Validate(), cmd.lookupFlags.Validate(), cmd.paceFlags.Validate(), validBatchSize(cmd.BatchSize))
}

// Run prints the plan.
func (cmd *planCmd) Run(c *console) error {
	flags := &jobFlags{
		tenantFlags: cmd.tenantFlags, dialectFlags: cmd.dialectFlags, lookupFlags: cmd.lookupFlags, paceFlags: cmd.paceFlags, uiFlags: cmd.uiFlags,
		resultFlags: resultFlags{Results: cmd.Results, Failures: cmd.Failures, Resume: cmd.Resume},
		stopFlags:   stopFlags{NoGuard: cmd.NoGuard},
	}
	return cmd.print(c.newJob(flags, importing(cmd.File, cmd.BatchSize, cmd.SkipMembers)))
}

// print prints the plan of an import.
func (cmd *planCmd) print(j *job) error {
	defer j.close()
	defer j.ui.Close()
	inputs := []files.File{files.Named("the input", j.file), files.Named("the results file", j.Results), files.Named("--users", j.Users)}
	if err := files.Check(j.stdin, inputs, []files.File{files.Named("--failures", j.Failures), files.Named("--resolved", cmd.Resolved)}); err != nil {
		return err
	}
	if err := cmp.Or(files.Prove(files.Named("--failures", j.Failures)), files.Prove(files.Named("--resolved", cmd.Resolved))); err != nil {
		return err
	}
	ctx, end := j.untilSignal(nil, nil)
	defer end()
	plan, err := cmd.plan(ctx, j)
	if err != nil {
		return stoppedOr(ctx, err)
	}
	j.ui.Close()
	if cmd.JSON {
		err = plan.printJSON(j.stdout)
	} else {
		err = plan.print(j.stdout)
	}
	if err != nil {
		return err
	}
	if plan.Rejected > 0 || plan.Check != nil && len(plan.Check.Unknown) > 0 {
		return errRows
	}
	return nil
}

// plan reads the whole input, and with --check asks the tenant.
func (cmd *planCmd) plan(ctx context.Context, j *job) (*plan, error) {
	var check *finding
	if cmd.Check {
		var err error
		if check, err = j.openCheck(ctx); err != nil {
			return nil, err
		}
	}
	rows, err := j.surveyed(ctx, check)
	if err != nil {
		return nil, err
	}
	found, err := j.keepRejects(func(rejected func(importer.Row)) (importer.Plan, error) {
		return importer.Survey(rows, j.batchSize(), rejected)
	})
	if err == nil {
		err = cmd.writeResolved(ctx, j)
	}
	if err != nil {
		return nil, err
	}
	plan := newPlan(j, found, publishedPlan.adding)
	if check != nil {
		plan.Check = j.conclude(check, &found)
	}
	return plan, nil
}

// writeResolved writes the input with the ids that were found to the file of
// --resolved, if it is given. A row without ids keeps the columns of its keys.
func (cmd *planCmd) writeResolved(ctx context.Context, j *job) error {
	if cmd.Resolved == "" {
		return nil
	}
	if err := j.in.Spool(j.Results); err != nil { // an empty pipe may not be spooled yet
		return err
	}
	d := j.dialect()
	d.Keep = true
	table, err := csvfile.Open(j.in.Again(), d)
	if err != nil {
		return err
	}
	var broken error
	err = files.Replace(cmd.Resolved, 0o600, func(w io.Writer) error {
		out := csv.NewWriter(w)
		if err := out.Write(append([]string{"org_id", "user_id"}, table.Kept...)); err != nil {
			return err
		}
		for row, err := range importer.Resolve(table.Rows(), j.look.dir) {
			if err != nil || ctx.Err() != nil {
				broken = stoppedOr(ctx, err)
				return broken
			}
			if isUnreadable(row) {
				row.OrgID, row.UserID = "", "" // it must not become a row that can be sent
			}
			if err := out.Write(append([]string{row.OrgID, row.UserID}, row.Kept...)); err != nil {
				return err
			}
		}
		out.Flush()
		return out.Error()
	})
	if err != nil && broken == nil {
		return files.CantWrite(cmd.Resolved, err)
	}
	return err
}

// isUnreadable reports whether a row is rejected for its content, and not because
// of what the tenant has.
func isUnreadable(r importer.Row) bool {
	_, settled := errors.AsType[*importer.Decided](r.Err)
	return r.Err != nil && !settled && !isUnresolved(r)
}

// keepRejects calls survey, and writes the rows that it rejects to the file of
// --failures, if it is given.
func (j *job) keepRejects(survey func(rejected func(importer.Row)) (importer.Plan, error)) (found importer.Plan, err error) {
	if j.Failures == "" {
		return survey(nil)
	}
	err = files.Replace(j.Failures, 0o600, func(w io.Writer) error {
		buffered := bufio.NewWriter(w)
		rejects := report.NewWriter(buffered, nil, j.table.Kept)
		if err := rejects.WriteHeader(); err != nil {
			return err
		}
		var broken error
		found, err = survey(func(row importer.Row) {
			broken = rejects.Write([]importer.Outcome{importer.Unsent(row)})
		})
		return cmp.Or(err, broken, buffered.Flush())
	})
	var input *csvfile.InputError
	if err != nil && !errors.As(err, &input) {
		return found, files.CantWrite(j.Failures, err)
	}
	return found, err
}
