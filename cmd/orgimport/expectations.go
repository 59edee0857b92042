package main

import (
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"

	"orgimport/importer"
	"orgimport/importer/auth0"
)

// expectations are what a results file claims about the tenant: the lines of rows
// that are done, by organization, in the order of the file.
type expectations struct {
	*claim
	all   []*expected
	byOrg map[string]*expected
	lines int
}

// claim is what the lines of an operation say about a user and an organization,
// with the words for it.
type claim struct {
	holds, fails string // words for lines that are true, and that are not
	yet          string // words for lines that may become true
	reason       string // why a line is not true
}

var (
	claimMember  = &claim{"there", "missing", "not there yet", "not a member"}
	claimGone    = &claim{"gone", "still there", "still there", "still a member"}
	claimRoles   = &claim{"there", "missing", "not there yet", "not a member with these roles"}
	claimInvited = &claim{"invited or there", "missing", "not there yet", "neither invited nor a member"}
)

// claims maps a status to what its lines say.
var claims = map[importer.Status]*claim{
	importer.Added: claimMember, importer.AlreadyMember: claimMember,
	importer.Removed:  claimGone,
	importer.Assigned: claimRoles, importer.AlreadyAssigned: claimRoles,
	importer.Invited: claimInvited, importer.AlreadyInvited: claimInvited,
}

// expected is what is expected of one organization. It keeps only what is needed
// to check the lines: a million lines with ids as Auth0 makes them are 40 MB.
type expected struct {
	*claim
	orgID string
	users strings.Builder // ids, or e-mail addresses, one after the other
	ends  []uint32        // where each user ends in users
	lines []uint32        // line of the input of each user
	roles []string        // roles of each user, if they are claimed

	open  []uint32 // indexes of the users whose lines are not known to be true
	pages int      // most pages that the last look read
	state lookState
	why   error // why it is unread, or, if it is read, why it does not exist
}

type lookState int

const (
	unasked lookState = iota
	unread            // the tenant gave no answer
	read              // the members were read
)

// add adds a line of the results if it says that its row is done. Lines of two
// operations in one file are an error.
func (es *expectations) add(o importer.Outcome) error {
	c, done := claims[o.Status]
	if !done {
		return nil
	}
	if es.lines > 0 && c != es.claim {
		return fmt.Errorf("the line of row %d says %s, which is not of the same operation as the lines before", o.Row.Line, o.Status)
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
	e.open = append(e.open, uint32(len(e.ends)))
	e.users.WriteString(user)
	e.ends = append(e.ends, uint32(e.users.Len()))
	e.lines = append(e.lines, uint32(o.Row.Line))
	es.lines++
	return nil
}

// user returns the id or the address of a user. It is a substring of users.
func (e *expected) user(place uint32) string {
	start := uint32(0)
	if place > 0 {
		start = e.ends[place-1]
	}
	return e.users.String()[start:e.ends[place]]
}

// pageSize is the number of members on a page of a list.
const pageSize = 100

// look closes the lines that are true according to the members of the
// organization. It stops reading when every line is decided. It returns the
// first error of members.
func (e *expected) look(members iter.Seq2[auth0.Member, error]) error {
	slices.SortFunc(e.open, func(a, b uint32) int { return strings.Compare(e.user(a), e.user(b)) })
	seen := make([]bool, len(e.open))
	left, n := len(e.open), 0
	var failed error
	for m, err := range members {
		if failed = err; err != nil {
			break
		}
		n++
		i, _ := slices.BinarySearchFunc(e.open, m.UserID, func(place uint32, id string) int { return strings.Compare(e.user(place), id) })
		for ; i < len(seen) && e.user(e.open[i]) == m.UserID; i++ { // a user may have several lines
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

// fits reports whether the member has the roles that a line says.
func (e *expected) fits(place uint32, m auth0.Member) bool {
	if e.claim != claimRoles {
		return true
	}
	for role := range strings.SplitSeq(e.roles[place], auth0.RoleSeparator) {
		if !slices.Contains(m.Roles, role) {
			return false
		}
	}
	return true
}

// keep leaves those places open for which seen is which, in the order of the
// file.
func (e *expected) keep(seen []bool, which bool) {
	var open []uint32
	for i, place := range e.open {
		if seen[i] == which {
			open = append(open, place)
		}
	}
	slices.Sort(open)
	e.open = open
}

// absent records that the organization does not exist: it has no members.
func (e *expected) absent(why error) {
	e.state, e.why = read, why
	if e.claim == claimGone {
		e.open = nil
	}
}

// pending reports whether another look may find more.
func (e *expected) pending() bool {
	return e.state == unread || e.state == read && e.why == nil && len(e.open) > 0
}

// whyOpen returns why the open lines are not true.
func (e *expected) whyOpen() string {
	if e.why != nil {
		if refusal := (*auth0.Error)(nil); errors.As(e.why, &refusal) && refusal.Status == http.StatusNotFound {
			return "no such organization: " + refusal.Message
		}
		return e.why.Error()
	}
	return e.claim.reason
}
