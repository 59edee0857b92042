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
	AlreadyMember   Status = "already_member"
	AlreadyAssigned Status = "already_assigned"
	AlreadyInvited  Status = "already_invited"
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

// StatusInfo describes a status. Code that depends on statuses ranges over
// [Statuses], so that a new status is one new line there.
type StatusInfo struct {
	Status  Status
	Meaning string // in a few words

	// Settled: nothing is left to do for the row. A duplicate is not settled by
	// its own line: what counts is the line it repeats.
	Settled bool
	// Failure: the row is not done, and its line says why.
	Failure bool
}

// statuses describes all statuses, in the order in which they are shown.
var statuses = []StatusInfo{
	{Added, "the server accepted the request with the row", true, false},
	{Removed, "the server accepted the request with the row", true, false},
	{Assigned, "the server accepted the request for the row", true, false},
	{Invited, "the server accepted the request for the row", true, false},
	{AlreadyMember, "known to have been a member before", true, false},
	{AlreadyAssigned, "known to have had the roles before", true, false},
	{AlreadyInvited, "an invitation to the address was pending", true, false},
	{Duplicate, "the same row is on an earlier line", false, false},
	{Failed, "the server refused the row", false, true},
	{Rejected, "never sent: the row is unusable, or names nobody the tenant knows", false, true},
	{Sending, "a request was under way when the run ended", false, true},
}

// Statuses returns all statuses, in the order in which they are shown.
func Statuses() []StatusInfo { return slices.Clone(statuses) }

// Known reports whether s is a status that a row can end with.
func (s Status) Known() bool { return s.info() != nil }

// Settled reports whether nothing is left to do for a row with this status.
func (s Status) Settled() bool { i := s.info(); return i != nil && i.Settled }

// Failure reports whether a row with this status is not done.
func (s Status) Failure() bool { i := s.info(); return i != nil && i.Failure }

func (s Status) info() *StatusInfo {
	for i := range statuses {
		if statuses[i].Status == s {
			return &statuses[i]
		}
	}
	return nil
}
