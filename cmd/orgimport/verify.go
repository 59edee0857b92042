package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/cmd/orgimport/internal/job"
	"orgimport/cmd/orgimport/internal/tenancy"
	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/retry"
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

// firstPause is the pause before the first repeated look. Each further pause is
// twice as long as the one before.
const firstPause = time.Second

// verifier compares the lines of a results file with the tenant.
type verifier struct {
	*observer
	members func(ctx context.Context, orgID string) iter.Seq2[auth0.Member, error]
	settle  time.Duration // how long the list of members may lag
	workers int           // most organizations read at a time
	expectations
	damaged int // lines that could not be read

	// For the progress: organizations that were read, lines that are true.
	asked, found atomic.Int64
}

// minRepeats is how many requests the repeated looks may make even if the first
// look made fewer.
const minRepeats = 100

// verify reads the members of each organization. Where a line is not true yet, it
// reads them again, until all lines are true or the time to settle is over. An
// error means that it was stopped.
//
// All repeated looks together make no more requests than the first look, unless a
// list is longer than what could be read of it then. If the lists are long, the
// looks are few and far apart; the last one is always at the end of the time to
// settle.
func (v *verifier) verify(ctx context.Context) error {
	pending, err := v.look(ctx, v.all)
	if err != nil {
		return err
	}
	budget := max(minRepeats, countPages(v.all))
	end := time.Now().Add(v.settle)
	for pause := firstPause; len(pending) > 0; pause *= 2 {
		left := time.Until(end)
		if left <= 0 {
			return nil
		}
		looks := max(1, budget/max(1, countPages(pending)))
		if needed := bits.Len64(uint64(left / pause)); looks < needed {
			pause = max(pause, left/time.Duration(looks))
		}
		pause = min(pause, left)
		v.log.Info(fmt.Sprintf("%s %s %s, in %s: checking again in %s", report.Plural(countOpen(pending), "line"), report.Verb(countOpen(pending), "is", "are"), v.yet, report.Plural(len(pending), "organization"), pause.Round(100*time.Millisecond)))
		if !retry.Sleep(ctx, pause, nil) {
			return context.Cause(ctx)
		}
		if pending, err = v.look(ctx, pending); err != nil {
			return err
		}
	}
	return nil
}

// look reads the members of all organizations, several at a time, and returns the
// organizations that are worth another look.
func (v *verifier) look(ctx context.Context, all []*expected) (again []*expected, err error) {
	looks, ctx := errgroup.WithContext(ctx)
	looks.SetLimit(v.workers)
	for _, e := range all {
		looks.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return v.ask(ctx, e)
		})
	}
	if err := looks.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(all), func(e *expected) bool { return !e.pending() }), nil
}

// ask reads the members of one organization. An error means that no other
// organization can be read either.
func (v *verifier) ask(ctx context.Context, e *expected) error {
	before := len(e.open)
	err := e.look(v.members(ctx, e.orgID))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	first := e.state == unasked
	list, ok := errors.AsType[*auth0.ListError](err)
	switch {
	case err == nil:
		e.state, e.why = read, nil
	case !ok:
		return err
	case list.Extent == auth0.Absent:
		e.absent(err)
	case list.Reach() == importer.ReachBatch: // try again later
		e.state, e.why = unread, err
	default:
		e.state, e.why = unlisted, err
	}
	v.found.Add(int64(before - len(e.open)))
	if first {
		v.asked.Add(1)
	}
	return nil
}

func countOpen(all []*expected) (n int) {
	for _, e := range all {
		n += len(e.open)
	}
	return n
}

func countPages(all []*expected) (n int) {
	for _, e := range all {
		n += e.pages
	}
	return n
}

// progress returns how far the verifier is. The ui calls it from its own
// goroutine.
func (v *verifier) progress() progress {
	asked, all := v.asked.Load(), int64(len(v.all))
	return progress{
		done: asked, total: all,
		words: fmt.Sprintf("%s of %s, %s of %s %s", report.Number(int(asked)), report.Plural(int(all), "organization"), report.Number(int(v.found.Load())), report.Plural(v.lines, "line"), v.holds),
	}
}

// expectations are what a results file claims about the tenant: the lines of rows
// that are done, by organization, in the order of the file.
type expectations struct {
	*claim
	all   []*expected
	byOrg map[string]*expected
	lines int
}

// claim is what the lines of one operation claim about a user and an organization,
// as the words for lines that turn out true or false.
type claim struct {
	holds  string // for lines that are true
	fails  string // for lines that are false
	yet    string // for lines that are false but may still become true
	reason string // why a line is false
}

var (
	claimMember  = &claim{"there", "missing", "not there yet", "not a member"}
	claimGone    = &claim{"gone", "still there", "still there", "still a member"}
	claimRoles   = &claim{"there", "missing", "not there yet", "not a member with these roles"}
	claimInvited = &claim{"invited or there", "missing", "not there yet", "neither invited nor a member"}
	claimExists  = &claim{"there", "missing", "not there yet", "no such organization"}
)

// claims maps what a line says of the tenant to the words for it.
var claims = map[importer.Claim]*claim{
	importer.ClaimMember: claimMember, importer.ClaimNoMember: claimGone,
	importer.ClaimRoles: claimRoles, importer.ClaimInvited: claimInvited,
	importer.ClaimExists: claimExists,
}

// expected holds the lines of one organization. It keeps only what is needed to
// look them up: a million lines with ids of Auth0's usual length take 60 MB.
type expected struct {
	*claim
	orgID string
	lines int        // all of its lines
	roles []string   // the roles of each line; only for claimRoles
	open  []openLine // the lines not known to be true

	pages int // pages that the last look read, at most
	state lookState
	why   error // why state is unread or unlisted or, if it is read, why there is no such organization
}

// openLine is a line that is not known to be true.
type openLine struct {
	place uint32 // among the lines of its organization
	line  uint32 // of the input
	user  string // an id or an e-mail address
}

type lookState int

const (
	unasked  lookState = iota
	unread             // the members could not be read, but may be later
	unlisted           // the members can't be read, or not all of them
	read               // the members were read as far as needed
)

// add adds a line of the results if its row is done. It returns an error if the
// line is of another operation than those before it.
func (es *expectations) add(o importer.Outcome) error {
	c, done := claims[o.Status.Claim()]
	if !done {
		return nil
	}
	if c == claimExists {
		return fmt.Errorf("the line of row %d has the status %s: it is of an organization, which has no user to look for", o.Row.Line, o.Status)
	}
	if es.lines > 0 && c != es.claim {
		return fmt.Errorf("the line of row %d has the status %s, which is of another operation than the lines before it", o.Row.Line, o.Status)
	}
	es.claim = c
	e := es.byOrg[o.Row.OrgID]
	if e == nil {
		if es.byOrg == nil {
			es.byOrg = make(map[string]*expected)
		}
		e = &expected{claim: c, orgID: strings.Clone(o.Row.OrgID)} // a clone, so as not to keep the whole line
		es.byOrg[e.orgID] = e
		es.all = append(es.all, e)
	}
	user, argument := o.Row.UserID, ""
	if len(o.Row.Kept) > 0 {
		argument = o.Row.Kept[0] // the reader returns arguments as kept columns
	}
	switch c {
	case claimRoles:
		e.roles = append(e.roles, strings.Clone(argument))
	case claimInvited:
		user = importer.FoldAddress(argument)
	}
	e.open = append(e.open, openLine{uint32(e.lines), uint32(o.Row.Line), strings.Clone(user)})
	e.lines++
	es.lines++
	return nil
}

// pageSize is the number of members on a page of a list.
const pageSize = 100

// look compares the open lines with the members of the organization, and closes
// those that are true. It stops reading members once all lines are decided. It
// returns the first error of members.
func (e *expected) look(members iter.Seq2[auth0.Member, error]) error {
	slices.SortFunc(e.open, func(a, b openLine) int { return strings.Compare(a.user, b.user) })
	seen := make([]bool, len(e.open))
	left, n := len(e.open), 0
	var failed error
	for m, err := range members {
		if failed = err; err != nil {
			break
		}
		n++
		i, _ := slices.BinarySearchFunc(e.open, m.UserID, func(l openLine, id string) int { return strings.Compare(l.user, id) })
		for ; i < len(seen) && e.open[i].user == m.UserID; i++ { // a user may have several lines
			if !seen[i] && e.fits(e.open[i], m) {
				seen[i] = true
				left--
			}
		}
		if left == 0 {
			break
		}
	}
	e.pages = n/pageSize + 1
	if e.claim != claimGone {
		e.keep(seen, false)
	} else if failed == nil {
		e.keep(seen, true)
	}
	return failed
}

// fits reports whether m has the roles that a line claims, if any.
func (e *expected) fits(l openLine, m auth0.Member) bool {
	if e.claim != claimRoles {
		return true
	}
	for role := range strings.SplitSeq(e.roles[l.place], auth0.RoleSeparator) {
		if !slices.Contains(m.Roles, role) {
			return false
		}
	}
	return true
}

// keep leaves only those lines open whose seen is which, in the order of the file.
func (e *expected) keep(seen []bool, which bool) {
	i := -1
	e.open = slices.DeleteFunc(e.open, func(openLine) bool { i++; return seen[i] != which })
	slices.SortFunc(e.open, func(a, b openLine) int { return cmp.Compare(a.place, b.place) })
}

// absent records that the organization does not exist: it has no members.
func (e *expected) absent(why error) {
	e.state, e.why = read, why
	if e.claim == claimGone {
		e.open = nil
	}
}

// pending reports whether another look may close more lines.
func (e *expected) pending() bool {
	return e.state == unread || e.state == read && e.why == nil && len(e.open) > 0
}

// whyOpen returns why the open lines are not true.
func (e *expected) whyOpen() string {
	if e.why != nil {
		if refusal := (*auth0.Error)(nil); errors.As(e.why, &refusal) {
			return "no such organization: " + refusal.Message
		}
		return "no such organization: " + e.why.Error()
	}
	return e.claim.reason
}
