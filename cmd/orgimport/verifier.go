package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/bits"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/retry"
	"orgimport/report"
)

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
