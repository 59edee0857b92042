package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/cmd/orgimport/internal/job"
	"orgimport/cmd/orgimport/internal/tenancy"
	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/report"
)

// verifyCmd compares the results of a run with the tenant.
type verifyCmd struct {
	File   string        `arg:"" name:"results" help:"The results file of a run, or - for standard input." placeholder:"FILE"`
	Settle time.Duration `help:"How long to keep checking." default:"60s" placeholder:"DURATION" group:"limits"`

	tenantFlags `embed:""`
	paceFlags   `embed:""`
	uiFlags     `embed:""`
}

func (verifyCmd) Help() string {
	return `Checks every row that is done against the tenant, and prints the lines that do not hold as CSV: line,org_id,user_id,reason. The exit code is 0 if all hold, and 1 if some do not or could not be read. After an import, the users must be members; after a removal, they must not be; after roles, they must be members with these roles; after invitations, they must be invited, or be members by now.

Examples:

    orgimport verify results.csv
    orgimport verify removed.csv --settle 5m

Auth0's lists may lag, so lines that do not hold are checked again, at growing intervals and with no more requests than the first time, until --settle has passed. It needs the scope read:organization_members; for roles also read:organization_member_roles, and for invitations read:organization_invitations.`
}

func (cmd *verifyCmd) Validate() error {
	if cmd.Settle < 0 {
		return errors.New("--settle must be 0 or more, such as 60s")
	}
	return cmd.paceFlags.Validate()
}

// Run verifies the file.
func (cmd *verifyCmd) Run(c *console) error {
	ui := c.openUI(cmd.uiFlags)
	defer ui.Close()
	v := &verifier{observer: &observer{log: ui.log}, expectations: expectations{claim: claimMember}, settle: cmd.Settle, workers: cmp.Or(cmd.Workers, tenancy.DefaultWorkers)}
	ctx, end := c.untilSignal(v.signalled, ui.abandon)
	defer end()
	tenant, err := c.connect(ctx, &cmd.tenantFlags, &cmd.paceFlags, v.observer)
	if err != nil {
		return err
	}
	if err := v.readResults(ctx, c, cmd.File, tenant.Host()); err != nil {
		return err
	}
	ui.showTenant(tenant.Host())
	v.members = v.reader(tenant)
	started := time.Now()
	ui.watch(func() progress {
		p := v.progress()
		p.elapsed, p.waiting, p.pace = time.Since(started), v.waiting(), tenant.Latest()
		return p
	})
	err = v.verify(ctx)
	ui.Close()
	return cmd.finish(c, ui, v, err)
}

// reader returns the function that reads the members of an organization, with the
// fields that the lines are compared with.
func (v *verifier) reader(tenant *tenancy.Tenant) func(ctx context.Context, orgID string) iter.Seq2[auth0.Member, error] {
	client, _ := tenant.Class()
	switch v.claim {
	case claimRoles:
		return func(ctx context.Context, orgID string) iter.Seq2[auth0.Member, error] {
			return client.Members(ctx, orgID, auth0.FieldRoles)
		}
	case claimInvited:
		invitations, _ := tenant.Class()
		return func(ctx context.Context, orgID string) iter.Seq2[auth0.Member, error] {
			return byAddress(invitations.Invitees(ctx, orgID), client.Members(ctx, orgID, auth0.FieldEmail))
		}
	}
	return func(ctx context.Context, orgID string) iter.Seq2[auth0.Member, error] {
		return client.Members(ctx, orgID)
	}
}

// byAddress yields the invited people and then the members, with their e-mail
// addresses instead of ids. Even if not all invitations are listed, the members are.
func byAddress(invited iter.Seq2[string, error], members iter.Seq2[auth0.Member, error]) iter.Seq2[auth0.Member, error] {
	return func(yield func(auth0.Member, error) bool) {
		var unlisted error
		for address, err := range invited {
			if list, ok := errors.AsType[*auth0.ListError](err); ok && list.Extent == auth0.Capped {
				unlisted = err
				break
			}
			if !yield(auth0.Member{UserID: importer.FoldAddress(address)}, err) || err != nil {
				return
			}
		}
		for m, err := range members {
			m.UserID = importer.FoldAddress(m.Email)
			if !yield(m, err) || err != nil {
				return
			}
		}
		if unlisted != nil {
			yield(auth0.Member{}, unlisted)
		}
	}
}

// finish prints the lines that are not true and the totals, and returns how the
// command ends.
func (cmd *verifyCmd) finish(c *console, ui *ui, v *verifier, err error) error {
	sum := v.totals()
	switch {
	case err != nil:
	case sum.unread != nil && importer.ReachOf(sum.unread) == importer.ReachBatch:
		err = &exitError{exitTemporary, fmt.Errorf("%s could not be checked: %w", report.Plural(sum.unchecked, "line"), sum.unread), "try again in a while"}
	case sum.unread != nil:
		err = &exitError{exitRows, fmt.Errorf("%s could not be checked: %w", report.Plural(sum.unchecked, "line"), sum.unread), ""}
	case sum.missing > 0, v.damaged > 0:
		err = errRows
	}
	if e := v.list(c.stdout); e != nil {
		err = &exitError{exitStopped, fmt.Errorf("can't write the list: %w", e), ""}
	}
	e := exitOf(err)
	c.printError(e)
	ui.closing(sum.String())
	return e.silent()
}

// readResults reads the lines that say that a row is done.
func (v *verifier) readResults(ctx context.Context, c *console, path, tenant string) error {
	in, err := files.Open(ctx, path, c.stdin)
	if err != nil {
		return err
	}
	defer in.Close()
	var r *report.Reader
	text, err := job.OpenResults(in, claimColumns()...)
	if err == nil {
		r, err = report.NewReader(text)
	}
	if err == nil {
		r.Tenant = tenant
		for o, e := range r.Outcomes() {
			if err = e; err == nil {
				if err = v.add(o); err != nil {
					err = usageError(err, "verify the results of one run")
				}
			}
			if err != nil || ctx.Err() != nil {
				break
			}
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return resultsError(in.Name(), err)
	}
	v.damaged = r.Damaged
	if r.Torn {
		v.damaged++
	}
	if v.damaged > 0 {
		v.log.Warn(fmt.Sprintf("%s: %s damaged and not checked; import --resume repairs the file", in.Name(), report.Plural(v.damaged, "line")+report.Verb(v.damaged, " is", " are")))
	}
	return nil
}

// list prints the lines that are not true.
func (v *verifier) list(w io.Writer) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{"line", "org_id", "user_id", "reason"}) // out.Error returns the error
	for _, r := range v.all {
		if r.state != read {
			continue
		}
		for _, l := range r.open {
			_ = out.Write([]string{strconv.FormatUint(uint64(l.line), 10), r.orgID, l.user, r.whyOpen()})
		}
	}
	out.Flush()
	return out.Error()
}

// verdicts count the lines by what was found.
type verdicts struct {
	*claim
	lines, missing, unchecked int
	unread                    error // why an organization could not be read, or nil
}

func (v *verifier) totals() verdicts {
	sum := verdicts{claim: v.claim, lines: v.lines}
	for _, r := range v.all {
		switch r.state {
		case read:
			sum.missing += len(r.open)
		case unread, unlisted:
			if len(r.open) > 0 && (sum.unread == nil || r.state == unread) {
				sum.unread = r.why
			}
			sum.unchecked += len(r.open)
		case unasked:
			sum.unchecked += len(r.open)
		}
	}
	return sum
}

// String returns the line that adds up the lines.
func (s verdicts) String() string {
	terms := []string{report.Number(s.lines-s.missing-s.unchecked) + " " + s.holds}
	if s.missing > 0 {
		terms = append(terms, report.Number(s.missing)+" "+s.fails)
	}
	if s.unchecked > 0 {
		terms = append(terms, report.Number(s.unchecked)+" not checked")
	}
	return report.Plural(s.lines, "line") + " = " + strings.Join(terms, " + ")
}
