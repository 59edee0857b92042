package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/csvfile"
	"orgimport/report"
)

// inviteCmd invites people who have no user yet.
type inviteCmd struct {
	File string `arg:"" help:"A CSV file with a header, the failures of an import, or - for standard input." placeholder:"FILE"`

	jobFlags       `embed:""`
	Application    string        `help:"Client ID of the application that invited people will log in to." required:"" placeholder:"ID" group:"invitation"`
	Inviter        string        `help:"Name of the inviter, as the mail shows it." required:"" placeholder:"NAME" group:"invitation"`
	TTL            time.Duration `help:"How long an invitation is valid, up to 720h (default: Auth0's 7 days)." placeholder:"DURATION" group:"invitation"`
	Role           []string      `help:"Role, by name or id, that invited people get in the organization; may be repeated." placeholder:"NAME" group:"invitation"`
	NoEmail        bool          `help:"Create the invitations, but send no mail." group:"invitation"`
	MaxInvitations *int          `help:"Maximum number of invitations; required. Without it, the error says how many the file names." placeholder:"N" group:"stop"`
	DryRun         bool          `help:"Send nothing; show how many people would be invited, by organization."`
}

// Help returns what orgimport invite --help prints besides the flags.
func (inviteCmd) Help() string {
	return `The file has an e-mail address and an organization in each row. From the failures of an import, only people who have no user in the tenant (user_not_found) are invited. --connection names the connection that they will log in with.

Examples:

    orgimport invite people.csv --application CLIENT_ID --inviter "Acme" \
        --max-invitations 40
    orgimport invite failures.csv --application CLIENT_ID --inviter "Acme" \
        --max-invitations 12

An invitation sends a mail, so it is sent at most once. Before it is sent, the results get a line with status sending. If its answer is lost, the tenant's list of invitations usually shows whether it was made. If it does not, the row fails as unknown_outcome, and neither --resume nor a file of failures sends it again, unless you remove its line by hand. An address with a pending invitation gets the status already_invited.

It needs the scopes create:organization_invitations and read:organization_invitations, also read:roles if a role is given by name, and read:connections if the connection is. The links of invitations are never read or written.`
}

// longestTTL is the longest that Auth0 accepts.
const longestTTL = 30 * 24 * time.Hour

// Validate is called by kong when all flags are read.
func (cmd *inviteCmd) Validate() error {
	if cmd.TTL < 0 || cmd.TTL > longestTTL || cmd.TTL%time.Second != 0 {
		return errors.New("--ttl must be whole seconds, up to 720h")
	}
	return cmd.jobFlags.Validate()
}

// Run sends the invitations.
func (cmd *inviteCmd) Run(c *console) error {
	r := &inviteRun{inviteCmd: cmd}
	t := task{
		file:          cmd.File,
		newOp:         r.op,
		readTwice:     true,
		byAddress:     true,
		scopes:        []string{scopeInvite},
		resultColumns: []string{"correlation_id", "error_code"},
		adjustDialect: readInvitations,
		rows:          withAddresses,
		check:         r.check,
	}
	if cmd.DryRun {
		return c.dryRun(&cmd.jobFlags, t, forecast{verb: "send", noun: "invitation", limits: publishedPlan.inviting})
	}
	return c.runJob(&cmd.jobFlags, t)
}

// inviteRun is the state of a run that sends invitations.
type inviteRun struct {
	*inviteCmd
	inviter *auth0.Inviter
}

// op returns the operation. It notes a row only when the pace has let its request
// through, so that another run can send a row that was still waiting.
func (r *inviteRun) op(j *job, client *auth0.Client) importer.Op {
	r.inviter = &auth0.Inviter{
		Client: client, Application: r.Application, Name: r.Inviter, TTL: r.TTL, NoEmail: r.NoEmail,
		Note:  j.note,
		Begun: func(row importer.Row) (importer.Outcome, bool) { return j.out.before.Sending(row) },
	}
	if j.conn != nil {
		j.pace.Base = &auth0.Bearer{Source: j.conn.tokens, Base: r.inviter.Transport(*j.conn.attempt)}
	}
	return r.inviter.Op()
}

// readInvitations selects the lines to read if the input is a results file. Of an
// import, they are the lines of users that the tenant does not know. Of
// invitations, they are the last line of each row, which is settled if it must not
// be sent again.
func readInvitations(_ *job, d *csvfile.Dialect, from origin) error {
	d.Emails = true
	d.Earlier = func(csvfile.Result) error { return nil }
	switch {
	case from.prefix == prefixInvite:
		d.Only = func(l csvfile.Result) bool { return !from.current.Replaced(l.Line) }
		d.Earlier = settledInvitation
	case from.prefix != "" && from.prefix != prefixImport:
		return errors.New("these are the results of neither an import nor invitations")
	case from.current != nil:
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
		return errRepeated
	case l.Status == importer.Invited, l.Status == importer.AlreadyInvited:
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
func withAddresses(_ *job, rows rowSeq) rowSeq {
	return eachSendable(rows, func(row *importer.Row) {
		if row.Args[0] == "" {
			row.Err = errNoAddress
		}
		row.UserID = ""
	})
}

const scopeInvite = "create:organization_invitations"

// check prints how many invitations are going to be sent, compares their number
// with --max-invitations, and looks up what they need.
func (r *inviteRun) check(ctx context.Context, j *job) error {
	scopes := [][]string{{scopeInvite}, {"read:organization_invitations"}}
	named := r.Connection != "" && !strings.HasPrefix(r.Connection, "con_")
	if named {
		scopes = append(scopes, []string{"read:connections"})
	}
	var roleNames bool
	for _, role := range r.Role {
		roleNames = roleNames || auth0.NeedsNames(role, "")
	}
	if roleNames {
		scopes = append(scopes, []string{"read:roles"})
	}
	if err := j.conn.requireScopes(ctx, scopes...); err != nil {
		return err
	}
	r.inviter.Lists, _ = j.conn.class()
	if err := r.findConnection(ctx, j, named); err != nil {
		return err
	}
	if err := r.findRoles(ctx, j, roleNames); err != nil {
		return err
	}
	n, err := j.countRows(ctx)
	if err != nil {
		return err
	}
	j.ui.notice(fmt.Sprintf("%s to %s", report.Plural(n.rows, "invitation"), report.Plural(n.organizations, "organization")))
	return j.checkLimit(n, r.MaxInvitations, "--max-invitations", "invitation")
}

func (r *inviteRun) findConnection(ctx context.Context, j *job, named bool) error {
	r.inviter.Connection = r.Connection
	if !named {
		return nil
	}
	client, _ := j.conn.class()
	ids, err := (&auth0.Lookup{Connections: client}).FindConnections(ctx, []string{r.Connection})
	switch {
	case err != nil:
		return stoppedOr(ctx, lookupError(err))
	case ids[r.Connection] == "":
		return usagef("name a connection of the tenant, or its id (con_…)", "--connection: there is no connection %s", r.Connection)
	}
	r.inviter.Connection = ids[r.Connection]
	return nil
}

func (r *inviteRun) findRoles(ctx context.Context, j *job, named bool) error {
	roles := &auth0.Roles{}
	if named {
		client, _ := j.conn.class()
		listed, err := client.Roles(ctx)
		if err != nil {
			return stoppedOr(ctx, lookupError(err))
		}
		roles = listed
	}
	for _, role := range r.Role {
		ids, err := roles.IDs(role, "")
		if err != nil {
			return usagef("name a role of the tenant, or its id (rol_…)", "--role: %w", err)
		}
		r.inviter.Roles = append(r.inviter.Roles, ids...)
	}
	return nil
}
