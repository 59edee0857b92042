package auth0

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode"

	"orgimport/importer"
	"orgimport/importer/retry"
)

// Inviter invites people to organizations by their e-mail addresses, with
// POST /api/v2/organizations/{id}/invitations.
//
// An invitation sends a mail, and a second one may send it again. So it is sent at
// most once: a request is repeated only after a 429. If its answer is lost, or is a
// 5xx, the list of invitations shows whether it was made; if it does not show it, the
// row fails with [importer.CodeUnknownOutcome].
//
// The answer contains a link that lets anyone in. The link is not read, and the list
// is asked for without it.
type Inviter struct {
	Client *Client // sends invitations; its transport must pass through Transport
	Lists  *Client // reads the existing ones

	Application string        // client id of the application that people will log in to
	Name        string        // of the inviter
	Connection  string        // id of the connection to log in with; empty: any
	TTL         time.Duration // how long an invitation lasts; 0: Auth0's 7 days
	Roles       []string      // ids of the roles that members will have
	NoEmail     bool          // Auth0 sends no mail

	// Note writes a line about a row and returns once the line is durable. It is
	// called with [importer.Sending] right before an invitation is sent.
	Note func(importer.Outcome) error

	// Begun returns the outcome of a row whose invitation an earlier run was about
	// to send when it ended, and whether there is one.
	Begun func(importer.Row) (importer.Outcome, bool)

	mu      sync.Mutex
	sending map[string]*dispatch    // by correlation id
	pending map[string]*pendingList // by organization
	refused *importer.Receipt       // a refusal that every other invitation would get too
}

// pendingList holds the addresses that an organization has invited already. It is
// read once.
type pendingList struct {
	ready     chan struct{}
	addresses map[string]bool
	unlisted  *ListError // some addresses are not listed; nil if all are
	err       error
}

// codeInvitationsUnlisted is the error code of a row whose organization has more
// pending invitations than the API lists.
const codeInvitationsUnlisted = "invitations_unlisted"

// Op returns the operation. A row has one Arg, the address.
func (v *Inviter) Op() importer.Op {
	v.sending, v.pending = make(map[string]*dispatch), make(map[string]*pendingList)
	return importer.Op{
		Name: "invite", Prefix: "ov", Size: 1, Done: importer.Invited, Already: importer.AlreadyInvited,
		Args: []string{"email"},
		Key: func(r importer.Row) string {
			return importer.PairKey(importer.Row{OrgID: r.OrgID, UserID: address(r)})
		},
		Send: v.send,
	}
}

// address returns the address of a row in the form in which it is compared.
func address(r importer.Row) string {
	if len(r.Args) == 0 {
		return ""
	}
	return importer.FoldAddress(r.Args[0])
}

// IsAddress reports whether s may be the e-mail address of one person: what else it
// must be, the API says.
func IsAddress(s string) bool {
	name, host, found := strings.Cut(s, "@")
	return found && name != "" && host != "" && !strings.ContainsAny(host, "@") &&
		!strings.ContainsFunc(s, func(r rune) bool { return r == '|' || unicode.IsSpace(r) || unicode.IsControl(r) })
}

func (v *Inviter) send(ctx context.Context, b importer.Batch) (importer.Receipt, error) {
	row := b.Rows[0]
	if begun, ok := v.Begun(row); ok {
		receipt := importer.Receipt{CorrelationID: begun.CorrelationID, Message: "an earlier run ended before the answer was here"}
		return v.findOut(ctx, row, receipt, begun.Time, begun.Time.Add(time.Second))
	}
	v.mu.Lock()
	refused := v.refused
	v.mu.Unlock()
	if refused != nil {
		return *refused, reaching(importer.ReachRow, refused.Message)
	}
	pending, err := v.invited(ctx, row.OrgID)
	switch {
	case err != nil: // the receipt has no correlation id: no invitation was sent
		var receipt importer.Receipt
		if e, ok := errors.AsType[*Error](err); ok {
			receipt.HTTPStatus = e.Status
		}
		receipt.Code, receipt.Message = reason(err)
		return receipt, err
	case pending.addresses[address(row)]:
		return importer.Receipt{}, errPending
	case pending.unlisted != nil:
		return importer.Receipt{Code: codeInvitationsUnlisted, Message: "not sent, because an invitation may be pending: " + pending.unlisted.Error()}, pending.unlisted
	}
	return v.invite(ctx, row)
}

// invite sends the invitation of a row.
func (v *Inviter) invite(ctx context.Context, row importer.Row) (importer.Receipt, error) {
	path, err := organizationPath(row.OrgID, "invitations")
	call := v.Client.newCall(http.MethodPost, path, nil)
	call.MaxAttempts, call.into = 1, new(invitation) // without it, nobody knows that one was made
	if err == nil {
		call.body, err = json.Marshal(v.body(row))
	}
	if err != nil {
		return call.receipt(err), err
	}
	v.mu.Lock()
	v.sending[call.correlationID] = &dispatch{row: row}
	v.mu.Unlock()
	_, err = v.Client.do(ctx, call, http.StatusCreated, http.StatusOK)
	v.mu.Lock()
	sent := *v.sending[call.correlationID]
	delete(v.sending, call.correlationID)
	v.mu.Unlock()
	receipt := call.receipt(err)
	refusal, _ := errors.AsType[*Error](err)
	switch {
	case err == nil:
		return receipt, nil
	case refusal != nil && (sent.noted.IsZero() || unsent(refusal)):
		return receipt, err // nothing left the program
	case refusal != nil && refusal.transient() && refusal.Status != http.StatusTooManyRequests:
		return v.findOut(ctx, row, receipt, sent.noted, time.Now())
	case refusal != nil && importer.ReachOf(err) != importer.ReachRun:
		return receipt, v.reachOf(refusal, receipt)
	}
	// The run ends. If the last thing that was sent is known to have been refused,
	// the row can be tried again.
	if sent.refused() {
		receipt.HTTPStatus = sent.status
		if sent.status == http.StatusTooManyRequests {
			receipt.Code, receipt.Message = "", "429 Too Many Requests, and the run ended before it was sent again"
		}
		err = errors.Join(err, v.Note(importer.Outcome{Row: row, Status: importer.Failed, Receipt: receipt}))
	}
	return receipt, err
}

// dispatch is an invitation that has been sent, or is about to be.
type dispatch struct {
	row    importer.Row
	noted  time.Time // zero until then
	status int       // of the last answer; 0 if it has not come
}

// refused reports whether no invitation was made.
func (d *dispatch) refused() bool {
	return d.status >= 400 && d.status < 500 && (d.status == http.StatusTooManyRequests || !temporary(d.status))
}

// unsent reports whether a request failed before any of it was sent.
func unsent(e *Error) bool {
	op, ok := errors.AsType[*net.OpError](e)
	return e.Status == 0 && ok && op.Op == "dial"
}

// body returns the body of the request.
func (v *Inviter) body(row importer.Row) any {
	type name struct {
		Name string `json:"name"`
	}
	type invitee struct {
		Email string `json:"email"`
	}
	return struct {
		Inviter     name     `json:"inviter"`
		Invitee     invitee  `json:"invitee"`
		Application string   `json:"client_id"`
		Connection  string   `json:"connection_id,omitempty"`
		TTL         int      `json:"ttl_sec,omitempty"`
		Roles       []string `json:"roles,omitempty"`
		Mail        bool     `json:"send_invitation_email"`
	}{name{v.Name}, invitee{row.Args[0]}, v.Application, v.Connection, int(v.TTL / time.Second), v.Roles, !v.NoEmail}
}

var (
	// commonFault matches refusals that every other invitation would get too.
	commonFault = regexp.MustCompile(`client_id|login route|specified roles|specified connection does not exist|passwordless|inviter|ttl_sec`)
	// foreignConnection matches those that all of an organization would get.
	foreignConnection = regexp.MustCompile(`connection .*not enabled for the organization`)
)

// reachOf says how far a refusal reaches.
func (v *Inviter) reachOf(e *Error, receipt importer.Receipt) error {
	words := e.words()
	switch {
	case e.Status == http.StatusBadRequest && foreignConnection.MatchString(words):
		return reaching(importer.ReachOrg, e.Error())
	case e.Status == http.StatusBadRequest && commonFault.MatchString(words):
		receipt.Attempts = 0
		v.mu.Lock()
		v.refused = &receipt
		v.mu.Unlock()
		return reaching(importer.ReachRow, e.Error())
	case e.Status == http.StatusConflict && there.MatchString(words):
		return errPending
	case e.Reach() == importer.ReachOrg:
		return e
	}
	return reaching(importer.ReachRow, e.Error())
}

// errPending is the error of a row whose address has been invited already.
var errPending = already("an invitation to the address is pending")

// Transport returns attempt with a base that notes each invitation right before it
// sends it for the first time. An attempt that has begun is finished even if the run
// is stopped, so nothing is noted and then not sent: that would be taken for an
// invitation whose answer was lost.
func (v *Inviter) Transport(attempt retry.Attempt) http.RoundTripper {
	attempt.Base = &noting{attempt.Base, v}
	return &attempt
}

type noting struct {
	base    http.RoundTripper
	inviter *Inviter
}

// RoundTrip notes and sends req.
func (n *noting) RoundTrip(req *http.Request) (*http.Response, error) {
	id := req.Header.Get("X-Correlation-ID")
	if err := n.inviter.note(req.Context(), id); err != nil {
		retry.CloseBody(req)
		return nil, err
	}
	n.inviter.answered(id, 0)
	resp, err := n.base.RoundTrip(req)
	if err == nil {
		n.inviter.answered(id, resp.StatusCode)
	}
	return resp, err
}

// note notes the row of a request that is about to leave, unless it was noted before.
func (v *Inviter) note(ctx context.Context, correlationID string) error {
	v.mu.Lock()
	d := v.sending[correlationID]
	v.mu.Unlock()
	if d == nil || !d.noted.IsZero() {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	now := time.Now()
	err := v.Note(importer.Outcome{
		Row: d.row, Status: importer.Sending,
		Receipt: importer.Receipt{Attempts: 1, CorrelationID: correlationID, Time: now},
	})
	if err != nil {
		return &reachError{err: err, reach: importer.ReachRun} // nothing would record it
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	d.noted = now
	return nil
}

// answered notes the status of the answer to a request; 0 if it is being sent.
func (v *Inviter) answered(correlationID string, status int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if d := v.sending[correlationID]; d != nil {
		d.status = status
	}
}

const (
	// clockSlack is how exactly the seconds of a Date header and of a line in the
	// results tell two clocks apart.
	clockSlack = 2 * time.Second
	// listLag is how long the list is given to show a new invitation.
	listLag = 5 * time.Second
)

// findOut finds out whether an invitation that was sent between since and until, if at
// all, was made.
func (v *Inviter) findOut(ctx context.Context, row importer.Row, receipt importer.Receipt, since, until time.Time) (importer.Receipt, error) {
	for try := range 2 {
		if try > 0 && !retry.Sleep(ctx, time.Until(until.Add(listLag)), nil) {
			return receipt, retry.Stopped(ctx)
		}
		made, err := v.madeSince(ctx, row, since)
		switch {
		case importer.ReachOf(err) == importer.ReachRun && err != nil:
			return receipt, err // the line with status sending stays
		case err != nil:
			receipt.Message += "; the list of invitations could not be read: " + err.Error()
		case made:
			receipt.Code, receipt.Message = "", ""
			return receipt, nil
		}
	}
	receipt.Code = importer.CodeUnknownOutcome
	receipt.Message = "whether the invitation was made is not known, and it is not sent again: " + receipt.Message
	return receipt, reaching(importer.ReachRow, receipt.Message)
}

// madeSince reports whether the list shows an invitation to the row's address made
// after since, by this machine's clock.
func (v *Inviter) madeSince(ctx context.Context, row importer.Row, since time.Time) (bool, error) {
	for page, err := range v.Lists.invitations(ctx, row.OrgID) {
		if err != nil {
			return false, err
		}
		for _, i := range page.items {
			if !i.Created.Before(since.Add(page.ahead-clockSlack)) && importer.FoldAddress(i.Invitee.Email) == address(row) {
				return true, nil
			}
		}
	}
	return false, nil
}

// invited returns the addresses that the organization has invited already.
func (v *Inviter) invited(ctx context.Context, orgID string) (*pendingList, error) {
	v.mu.Lock()
	p := v.pending[orgID]
	if p != nil {
		v.mu.Unlock()
		select {
		case <-p.ready:
			return p, p.err
		case <-ctx.Done():
			return nil, retry.Stopped(ctx)
		}
	}
	p = &pendingList{ready: make(chan struct{}), addresses: make(map[string]bool)}
	v.pending[orgID] = p
	v.mu.Unlock()
	defer close(p.ready)
	if p.err = v.listPending(ctx, orgID, p); p.err != nil { // the next row asks again
		v.mu.Lock()
		delete(v.pending, orgID)
		v.mu.Unlock()
	}
	return p, p.err
}

// listPending reads the addresses whose invitations have not expired.
func (v *Inviter) listPending(ctx context.Context, orgID string, p *pendingList) error {
	for page, err := range v.Lists.invitations(ctx, orgID) {
		if part, ok := errors.AsType[*ListError](err); ok && (part.Extent == Capped || part.Extent == Lagging) {
			p.unlisted = part
			return nil
		}
		if err != nil {
			return err
		}
		for _, i := range page.items {
			if i.Expires.IsZero() || i.Expires.After(time.Now().Add(page.ahead)) {
				p.addresses[importer.FoldAddress(i.Invitee.Email)] = true
			}
		}
	}
	return nil
}

// invitation is the part of an invitation that is read: not its link or ticket.
type invitation struct {
	Invitee struct {
		Email string `json:"email"`
	} `json:"invitee"`
	Created time.Time `json:"created_at"`
	Expires time.Time `json:"expires_at"`
}

// UnmarshalJSON refuses an invitation without an address: it does not say who is
// invited.
func (i *invitation) UnmarshalJSON(data []byte) error {
	type plain invitation
	return unmarshalItem(data, (*plain)(i), &i.Invitee.Email, "an invitation without an address")
}

// Invitees yields the addresses that an organization has invited and that have not
// accepted. It requires the scope read:organization_invitations. An error ends the
// sequence, as that of [Client.Members]: of more than 2,000, some are not listed.
func (c *Client) Invitees(ctx context.Context, orgID string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for i, err := range items(c.invitations(ctx, orgID)) {
			if !yield(i.Invitee.Email, err) {
				return
			}
		}
	}
}

// invitations yields the pages of an organization's invitations, the newest first.
func (c *Client) invitations(ctx context.Context, orgID string) iter.Seq2[page[invitation], error] {
	path, err := organizationPath(orgID, "invitations")
	return pages[invitation](ctx, c, list{
		what: "the invitations of " + orgID, path: path, err: err, name: "invitations", query: url.Values{
			"sort": {"created_at:-1"}, "fields": {"id,invitee,created_at,expires_at"}, "include_fields": {"true"},
		},
		byNumber: true, backwards: "created_at:1",
	})
}
