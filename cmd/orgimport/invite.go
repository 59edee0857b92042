package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"orgimport/cmd/orgimport/internal/job"
	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/csvfile"
	"orgimport/report"
)

// inviteCmd invites people who have no user yet.
type inviteCmd struct {
	File string `arg:"" help:"A CSV file with a header, or the failures of an import, or - for stdin." placeholder:"FILE"`

	jobFlags       `embed:""`
	Application    string        `help:"Client ID of the application that invited people log in to." required:"" placeholder:"ID" group:"invitation"`
	Inviter        string        `help:"Name of the inviter in the e-mail." required:"" placeholder:"NAME" group:"invitation"`
	TTL            time.Duration `help:"Lifetime of an invitation, up to 720h (default: 7 days)." placeholder:"DURATION" group:"invitation"`
	Role           []string      `help:"Role of invited people, by name or id; repeatable." placeholder:"NAME" group:"invitation"`
	NoEmail        bool          `help:"Create the invitations, but send no e-mail." group:"invitation"`
	MaxInvitations *int          `help:"Maximum number of invitations (required)." placeholder:"N" group:"limits"`
	DryRun         bool          `help:"Send nothing; show how many people would be invited."`
}

func (inviteCmd) Help() string {
	return `Each row has an e-mail address and an organization. Given the failures of an import, it invites only people who have no user in the tenant (user_not_found). --connection is the connection that they will log in with. Without --max-invitations, the error says how many people the file has.

Examples:

    orgimport invite people.csv --application CLIENT_ID --inviter "Acme" \
        --max-invitations 40
    orgimport invite failures.csv --application CLIENT_ID --inviter "Acme" \
        --max-invitations 12

An invitation sends an e-mail, so it is sent at most once. Before it is sent, the results get a line with the status sending. If the answer is lost, the tenant's list of invitations usually shows whether it was created. If not, the row fails with unknown_outcome, and is never sent again unless you remove its line by hand. An address with a pending invitation gets the status already_invited.

It needs the scopes create:organization_invitations and read:organization_invitations; also read:roles and read:connections if roles or the connection are given by name. The links of invitations are never read or written.`
}

// longestTTL is the longest that Auth0 accepts.
const longestTTL = 30 * 24 * time.Hour

func (cmd *inviteCmd) Validate() error {
	if cmd.TTL < 0 || cmd.TTL > longestTTL || cmd.TTL%time.Second != 0 {
		return errors.New("--ttl must be whole seconds, up to 720h")
	}
	return cmd.jobFlags.Validate()
}

// Run sends the invitations.
func (cmd *inviteCmd) Run(c *console) error {
	r := &inviteRun{inviteCmd: cmd}
	o := operation{
		file:     cmd.File,
		op:       r.begin,
		scope:    scopeInvite,
		maxRows:  cmd.MaxInvitations,
		task:     job.Task{ReadTwice: true, ByAddress: true, Columns: []string{"correlation_id", "error_code"}, Select: readInvitations, Rows: withAddresses},
		check:    r.check,
		headline: headline{verb: "send", noun: "invitation", limits: publishedPlan.inviting},
	}
	if cmd.DryRun {
		return c.dryRun(&cmd.jobFlags, o)
	}
	return c.operate(&cmd.jobFlags, o)
}

// inviteRun is the state of a run that sends invitations.
type inviteRun struct {
	*inviteCmd
	inviter *auth0.Inviter
}

// begin returns the operation, which check completes.
func (r *inviteRun) begin(client *auth0.Client) importer.Op {
	r.inviter = &auth0.Inviter{Client: client, Application: r.Application, Name: r.Inviter, TTL: r.TTL, NoEmail: r.NoEmail}
	return r.inviter.Op()
}

// invitePrefix begins the correlation ids of invitations.
var invitePrefix = new(auth0.Inviter).Op().Prefix

// readInvitations selects the lines to read if the input is a results file. Of an
// import, they are the lines of users that the tenant does not know. Of
// invitations, they are the last line of each row, which is settled if it must not
// be sent again.
func readInvitations(d *csvfile.Dialect, from job.Origin) error {
	d.Emails = true
	d.Earlier = func(csvfile.Result) error { return nil }
	switch {
	case from.Prefix == invitePrefix:
		d.Only = func(l csvfile.Result) bool { return !from.Current.Replaced(l.Line) }
		d.Earlier = settledInvitation
	case from.Prefix != "" && from.Prefix != importPrefix:
		return errors.New("these are the results of neither an import nor invitations")
	case from.Current != nil:
		d.Only = func(l csvfile.Result) bool {
			return l.Status == importer.Rejected && l.Code == importer.CodeUserNotFound
		}
	}
	return nil
}

// settledInvitation returns what is known about a row from the results of an
// earlier run; nil if it is to be sent.
func settledInvitation(l csvfile.Result) error {
	switch {
	case l.Status == importer.Duplicate: // only the line that it repeats counts
		return job.ErrRepeated
	case l.Status.Claim() == importer.ClaimInvited:
		return &importer.Decided{Status: importer.AlreadyInvited, Message: "invited already, according to the results of an earlier run", CorrelationID: l.CorrelationID}
	case l.Status == importer.Sending, l.Code == importer.CodeUnknownOutcome:
		return &importer.Decided{
			Status:        importer.Failed,
			Code:          importer.CodeUnknownOutcome,
			CorrelationID: l.CorrelationID,
			Message:       "it is not known whether an earlier run sent it, so it is not sent again: take the row out of the file, or invite the address with another file",
		}
	}
	return nil
}

var errNoAddress = errors.New("the row has no e-mail address to invite")

// withAddresses rejects rows that have no address to invite.
func withAddresses(rows iter.Seq2[importer.Row, error]) iter.Seq2[importer.Row, error] {
	return job.EachSendable(rows, func(row *importer.Row) {
		switch address := strings.TrimSpace(row.Args[0]); {
		case address == "":
			row.Err = errNoAddress
		case !auth0.IsAddress(address):
			row.Err = &importer.Rejection{Code: "no_address", Message: "not the e-mail address of one person: " + address}
		}
		row.UserID = ""
	})
}

const scopeInvite = "create:organization_invitations"

// check prints how many invitations are going to be sent, compares their number
// with --max-invitations, and looks up what they need.
func (r *inviteRun) check(ctx context.Context, o *openRun) error {
	// A row is noted only when the pace has let its request through, so that another
	// run can send a row that was still waiting.
	r.inviter.Note, r.inviter.Begun = o.out.Note, o.out.Before().Sending
	o.pace.Base = &auth0.Bearer{Source: o.tenant.Tokens, Base: r.inviter.Transport(*o.tenant.Attempt)}
	scopes := [][]string{{scopeInvite}, {"read:organization_invitations"}}
	var connections []string
	if r.Connection != "" {
		connections = []string{r.Connection}
	}
	if slices.ContainsFunc(connections, isConnectionName) {
		scopes = append(scopes, []string{"read:connections"})
	}
	named := slices.ContainsFunc(r.Role, func(role string) bool { return auth0.NeedsNames(role, "") })
	if named {
		scopes = append(scopes, []string{"read:roles"})
	}
	if err := o.tenant.RequireScopes(ctx, scopes...); err != nil {
		return err
	}
	r.inviter.Lists, _ = o.tenant.Class()
	connections, err := o.connectionIDs(ctx, "--connection", connections)
	if err != nil {
		return err
	}
	if len(connections) > 0 {
		r.inviter.Connection = connections[0]
	}
	roles, err := o.listRoles(ctx, named)
	if err != nil {
		return err
	}
	for _, role := range r.Role {
		ids, err := roles.IDs(role, "")
		if err != nil {
			return usagef("name a role of the tenant, or its id (rol_…)", "--role: %w", err)
		}
		r.inviter.Roles = append(r.inviter.Roles, ids...)
	}
	found, err := o.src.Survey(ctx, &report.Journal{}, nil)
	if err != nil {
		return err
	}
	o.ui.notice(fmt.Sprintf("%s to %s", report.Plural(found.Sendable, "invitation"), report.Plural(found.Organizations, "organization")))
	return o.checkLimit(found.Sendable, "--max-invitations", "invitation")
}
