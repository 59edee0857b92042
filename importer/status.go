package importer

import "slices"

// Status is what became of a row, spelt as in the results file.
type Status string

// The statuses a row can end with. A row that was never attempted has none.
const (
	Added           Status = "added"
	Removed         Status = "removed"
	Assigned        Status = "assigned"
	Invited         Status = "invited"
	Created         Status = "created"
	AlreadyMember   Status = "already_member"
	AlreadyAssigned Status = "already_assigned"
	AlreadyInvited  Status = "already_invited"
	AlreadyExists   Status = "already_exists"
	Duplicate       Status = "duplicate"
	Failed          Status = "failed"
	Rejected        Status = "rejected"
	Sending         Status = "sending"
)

// CodeUnknownOutcome is the error code of a failed row that may have been done
// after all and must not be done twice: no later run sends it.
const CodeUnknownOutcome = "unknown_outcome"

// CodeRowUnreadable is the error code of a rejected row whose ids could not be
// read with certainty. Its message quotes the input.
const CodeRowUnreadable = "row_unreadable"

// CodeOtherOrg is the error code of a rejected row that names another organization
// than the one given for all rows.
const CodeOtherOrg = "other_organization"

// StatusInfo describes a status. Code that depends on statuses ranges over
// [Statuses], so that a new status is one new line there.
type StatusInfo struct {
	Status  Status
	Meaning string // in a few words

	// Settled: nothing is left to do for the row. A duplicate is not settled by
	// its own line: what counts is the line it repeats.
	Settled bool
	// Before: the row is settled, and not by a request of ours.
	Before bool
	// Failure: the row is not done, and its line says why.
	Failure bool
	// Unsent: no request carried the row, which may lack its ids.
	Unsent bool
	// NoUser: the row may lack the id of its user, who has none yet.
	NoUser bool
	// Claim is what the line says of the tenant. Only a settled row has one.
	Claim Claim
}

// Claim is what the line of a row says of the tenant, which its organization's lists
// bear out or not.
type Claim int

// The claims. The zero value is none.
const (
	_             Claim = iota
	ClaimMember         // the user is a member of the organization
	ClaimNoMember       // the user is none
	ClaimRoles          // the user is a member with the roles of the line
	ClaimInvited        // the address is invited, or a member has it
	ClaimExists         // the organization exists
)

// statuses describes all statuses, in the order in which they are shown.
var statuses = []StatusInfo{
	{Status: Added, Settled: true, Claim: ClaimMember, Meaning: "the server accepted the request with the row"},
	{Status: Removed, Settled: true, Claim: ClaimNoMember, Meaning: "the server accepted the request with the row"},
	{Status: Assigned, Settled: true, Claim: ClaimRoles, Meaning: "the server accepted the request for the row"},
	{Status: Invited, Settled: true, Claim: ClaimInvited, NoUser: true, Meaning: "the server accepted the request for the row"},
	{Status: Created, Settled: true, Claim: ClaimExists, NoUser: true, Meaning: "the server accepted the request for the row"},
	{Status: AlreadyMember, Settled: true, Before: true, Claim: ClaimMember, Meaning: "known to have been a member before"},
	{Status: AlreadyAssigned, Settled: true, Before: true, Claim: ClaimRoles, Meaning: "known to have had the roles before"},
	{Status: AlreadyInvited, Settled: true, Before: true, Claim: ClaimInvited, NoUser: true, Meaning: "an invitation to the address was pending"},
	{Status: AlreadyExists, Settled: true, Before: true, Claim: ClaimExists, NoUser: true, Meaning: "the organization was there before"},
	{Status: Duplicate, Unsent: true, NoUser: true, Meaning: "the same row is on an earlier line"},
	{Status: Failed, Failure: true, NoUser: true, Meaning: "the server refused the row"},
	{Status: Rejected, Failure: true, Unsent: true, NoUser: true, Meaning: "never sent: the row is unusable, or names nobody the tenant knows"},
	{Status: Sending, Failure: true, NoUser: true, Meaning: "a request was under way when the run ended"},
}

// Statuses returns all statuses, in the order in which they are shown.
func Statuses() []StatusInfo { return slices.Clone(statuses) }

// Known reports whether s is a status that a row can end with.
func (s Status) Known() bool { return s.info() != StatusInfo{} }

// Settled reports whether nothing is left to do for a row with this status.
func (s Status) Settled() bool { return s.info().Settled }

// Before reports whether a row with this status is settled, and not by a request of
// ours.
func (s Status) Before() bool { return s.info().Before }

// Failure reports whether a row with this status is not done.
func (s Status) Failure() bool { return s.info().Failure }

// Unsent reports whether no request carried a row with this status.
func (s Status) Unsent() bool { return s.info().Unsent }

// NoUser reports whether a row with this status may lack the id of its user.
func (s Status) NoUser() bool { return s.info().NoUser }

// Claim returns what the line of a row with this status says of the tenant.
func (s Status) Claim() Claim { return s.info().Claim }

func (s Status) info() StatusInfo {
	for _, i := range statuses {
		if i.Status == s {
			return i
		}
	}
	return StatusInfo{}
}
