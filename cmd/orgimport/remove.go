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

// removeCmd takes members out of organizations.
type removeCmd struct {
	File string `arg:"" help:"A CSV file with a header, or the results of an import, or - for stdin." placeholder:"FILE"`

	jobFlags    `embed:""`
	MaxRemovals *int `help:"Maximum number of removals (required)." placeholder:"N" group:"limits"`
	DryRun      bool `help:"Send nothing; show how many members would be removed."`
}

func (removeCmd) Help() string {
	return `Given the results of an import, it removes only the users that the import added: the lines with status added. These include users who were members before, unless the import ran with --skip-members, because Auth0 accepts a member again without saying so. Given its own results or failures, it removes the users who are not removed yet. Without --max-removals, the error says how many users the file has.

Examples:

    orgimport remove leavers.csv --max-removals 120
    orgimport remove results.csv --max-removals 8123

It needs the scope delete:organization_members. The users themselves are not deleted. Auth0's lists show a removal after 5 to 10 seconds, so wait 30 seconds before orgimport diff or orgimport import --skip-members.`
}

// Run removes the members.
func (cmd *removeCmd) Run(c *console) error {
	o := operation{
		file:     cmd.File,
		op:       (*auth0.Client).Remove,
		scope:    "delete:organization_members",
		maxRows:  cmd.MaxRemovals,
		task:     job.Task{ReadTwice: true, Columns: []string{"correlation_id", "error_code"}, Select: selectRemovals},
		check:    checkRemovals,
		after:    "Auth0's lists take 5 to 10 seconds to show that members are gone: wait 30 s before orgimport diff or orgimport import --skip-members",
		headline: headline{verb: "remove", noun: "membership", limits: publishedPlan.adding},
	}
	if cmd.DryRun {
		return c.dryRun(&cmd.jobFlags, o)
	}
	return c.operate(&cmd.jobFlags, o)
}

// removePrefix begins the correlation ids of removals.
var removePrefix = (*auth0.Client)(nil).Remove().Prefix

// selectRemovals selects lines if the input holds results: of an import, the lines
// of users who were added; of a removal, those of users who are not removed yet.
func selectRemovals(d *csvfile.Dialect, from job.Origin) error {
	d.Earlier = func(csvfile.Result) error { return nil }
	switch from.Prefix {
	case "":
		if from.Current != nil {
			return errors.New("these results do not say whether an import added anybody: to remove the users in them, give a file that has only their ids")
		}
	case importPrefix:
		d.Only = func(r csvfile.Result) bool {
			prefix, _ := report.Origin(r.CorrelationID, "")
			return r.Status == importer.Added && prefix == importPrefix
		}
	case removePrefix:
		d.Only = func(r csvfile.Result) bool {
			return r.Status.Claim() != importer.ClaimNoMember && r.Status != importer.Duplicate && !from.Current.Replaced(r.Line)
		}
	default:
		return errors.New("these are the results of neither an import nor a removal")
	}
	return nil
}

// checkRemovals prints what is going to be removed, and compares it with
// --max-removals.
func checkRemovals(ctx context.Context, r *openRun) error {
	if err := r.tenant.RequireScopes(ctx, []string{r.scope}); err != nil {
		return err
	}
	found, err := r.src.Survey(ctx, &report.Journal{}, nil)
	if err != nil {
		return err
	}
	from := r.src.From
	if from.Prefix == importPrefix {
		added := report.Plural(from.Added, "user") + " that the import added"
		if from.Skipped {
			r.ui.notice("none of the " + added + " may have been members before it")
		} else {
			r.ui.notice("all of the " + added + " may have been members before it: it did not run with --skip-members from its first run on")
		}
	}
	if n := from.UnknownOrigin; n > 0 {
		r.ui.notice(fmt.Sprintf("%s left: members when the import was resumed, and perhaps before it", report.Plural(n, "user")+report.Verb(n, " is", " are")))
	}
	if n := from.Unread; n > 0 {
		r.ui.notice(fmt.Sprintf("%s left: the results do not say what became of %s", report.Plural(n, "line")+report.Verb(n, " is", " are"), report.Verb(n, "its row", "their rows")))
	}
	r.ui.notice(fmt.Sprintf("%s of %s to remove", report.Plural(found.Sendable, "membership"), report.Plural(found.Organizations, "organization")))
	return r.checkLimit(found.Sendable, "--max-removals", "membership")
}
