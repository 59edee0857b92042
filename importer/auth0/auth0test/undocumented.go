package auth0test

import "time"

// Undocumented has a switch for each thing that neither the documentation nor a
// recorded answer settles. A client must do right whichever way they are set.
// The zero value is the mildest reading; it says nothing about the real API.
type Undocumented struct {
	// UnknownUser is the status for a batch with users that do not exist: 400
	// (also if 0), 404, or 204 to leave them out silently.
	UnknownUser int

	// Partial adds the users that do exist, although the batch is answered with
	// an error for the others.
	Partial bool

	// Naming is how precise the message of such an error is, and that of one
	// about roles that do not exist.
	Naming Naming

	// Duplicate is the status for a user who is twice in one body: 204 (also if
	// 0) or 400.
	Duplicate int

	// MaxMembers is how many users one body may hold. 0 means 10, the number in
	// the documentation's prose; a negative number means any.
	MaxMembers int

	// Readd is the status for a batch with a user who is a member already: 204
	// (also if 0), or 409 and nobody is added.
	Readd int

	// UnknownRole is the status for roles that do not exist: 400 (also if 0) or
	// 404.
	UnknownRole int

	// Reassign is the status for a role that the member has: 204 (also if 0) or
	// 409.
	Reassign int

	// MaxRoles is how many roles one request may give. 0 means any number.
	MaxRoles int

	// InviteAgain is what happens to the second invitation of an address to an
	// organization.
	InviteAgain InviteAgain

	// UnknownOrg is the answer of the endpoints below an organization for one
	// that does not exist.
	UnknownOrg UnknownOrg

	// Malformed says which user ids fail validation. Nil means those that
	// have nothing before or after a |, hold white space or control
	// characters, or are longer than 1024 characters, close to what the My
	// Organization API documents.
	Malformed func(id string) bool

	// MemberQuota is how many members an organization may have; a batch that
	// would exceed it gets a 409. 0 means any number. Auth0's entity limit is
	// 100,000, and its answer is not known.
	MemberQuota int

	// Concurrent is what happens to a write while another to the same
	// organization is under way.
	Concurrent Concurrent

	// AnyContentType reads a body of any content type as JSON instead of
	// answering 415.
	AnyContentType bool

	// BadJSON is the body of the 400 for a body that is not JSON.
	BadJSON Body

	// HeadersOn403 sends the X-RateLimit headers with a 403, too.
	HeadersOn403 bool

	// Next says whether the last page of a checkpoint listing has a next.
	Next Next

	// Totals is what include_totals gives a page.
	Totals Totals

	// NamesByID makes GET /organizations/{id} also find an organization by its
	// name, as the words of its 404 suggest.
	NamesByID bool

	// OtherEmails makes GET /users-by-email find users by [User.OtherEmails].
	OtherEmails bool

	// AddDelay and RemoveDelay are how far the list of members lags behind. The
	// documentation says that it may, and 5 to 10 seconds for removals. The
	// list of invitations lags behind by AddDelay.
	AddDelay, RemoveDelay time.Duration
}

// Naming is how precisely an error names the users or roles that it is about.
type Naming int

const (
	NameNone  Naming = iota // it only says that there are some
	NameAll                 // the ids of all
	NameFirst               // the id of the first
	NameIndex               // the place of the first, such as members[3]
)

// Next says whether the last page of a checkpoint listing has a next, which
// leads to an empty page.
type Next int

const (
	NextAsRecorded Next = iota // for members, as until April 2026, but not for organizations
	NextAlways                 // always
	NextWhenMore               // never, as recorded of members since August 2026
)

// Totals is the total of a page. It was recorded as right, as 0 beside one item,
// and as absent for invitations, for which it is always absent here.
type Totals int

const (
	TotalsRight Totals = iota
	TotalsZero
	TotalsAbsent
)

// UnknownOrg is a way to say that an organization does not exist.
type UnknownOrg int

const (
	NoSuchOrganization UnknownOrg = iota // the 404 recorded of GET and DELETE /organizations/{id}
	PlainNotFound                        // a 404 that does not say what was not found
	BadOrganization                      // a 400
	GoneOrganization                     // a 404 in the words documented for GET members
)

// InviteAgain is what happens to an invitation of somebody already invited.
type InviteAgain int

const (
	InviteTwice    InviteAgain = iota // there are two
	InviteReplaces                    // it replaces the first, as documented for the My Organization API
	InviteRefused                     // it gets a 409
)

// Concurrent is what happens to a write to an organization while another is
// under way.
type Concurrent int

const (
	Parallel Concurrent = iota // nothing
	Serial                     // it waits until the other is answered
	Conflict                   // it gets a 409
)
