package auth0

import (
	"net/http"
	"regexp"
	"strings"

	"orgimport/importer"
)

// Reach says how far the refusal reaches. Auth0 documents neither what an unknown
// user in a batch is answered with nor whether the other users are added then,
// so a 4xx that does not speak of the organization is taken to mean that some
// row is bad.
func (e *Error) Reach() importer.Reach {
	switch {
	case temporary(e.Status):
		return importer.ReachBatch
	case e.Status < 400,
		e.refusesToken(),
		e.Status == http.StatusForbidden,
		e.Status == http.StatusMethodNotAllowed, // not this API at all
		e.Status == http.StatusProxyAuthRequired:
		return importer.ReachRun
	case e.speaksOfOrganization():
		return importer.ReachOrg
	}
	return importer.ReachRow
}

// Is reports whether the refusal is a conflict ([importer.ErrConflict]), and
// whether that of a single row means that the user is a member already
// ([importer.ErrMember]) or does not exist ([importer.ErrUnknownUser]).
func (e *Error) Is(target error) bool {
	switch target {
	case importer.ErrConflict:
		return e.Status == http.StatusConflict
	case importer.ErrMember:
		return e.Reach() == importer.ReachRow && e.member()
	case importer.ErrUnknownUser:
		return e.Reach() == importer.ReachRow && e.unknownUser()
	}
	return false
}

// temporary reports whether the same request may succeed later. 0 is no answer.
// 52x are Cloudflare's, which stands before Auth0.
func temporary(status int) bool {
	switch status {
	case 0, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status >= 500
}

// refusesToken reports whether it is the token that was refused.
func (e *Error) refusesToken() bool { return e.Status == http.StatusUnauthorized || e.badHeader() }

// badHeader reports whether the token was not even recognised as one, which the
// Management API answers with 400 and "Bad HTTP authentication header format".
func (e *Error) badHeader() bool {
	return e.Status == http.StatusBadRequest && e.Code == "Bearer"
}

// badPath reports whether an id in the path has a form that none can have.
func (e *Error) badPath() bool {
	return e.Code == "invalid_uri" || strings.Contains(e.Message, "Path validation error")
}

func (e *Error) speaksOfOrganization() bool {
	if e.Status != http.StatusNotFound && e.Status != http.StatusBadRequest {
		return false
	}
	if e.Method == http.MethodGet && e.Status == http.StatusNotFound {
		return true // the client reads nothing but organizations
	}
	if e.badPath() {
		return true // the id of the organization is all that the path varies in
	}
	words := e.words()
	if strings.Contains(words, "user") || strings.Contains(words, "member") {
		return false
	}
	return missingOrg.MatchString(words)
}

// missingOrg finds sentences that say that there is no such organization. Others
// may speak of one for any reason, and to take it for missing would fail rows
// that were never asked about.
var missingOrg = regexp.MustCompile(`\b(no|unknown|invalid|inexistent|non-?existent|such)[ _]organi[sz]ation` +
	`|organi[sz]ation\b.*\b(not|cannot be|can't be|doesn't) (exist|be found|found)` +
	`|organi[sz]ation_not_found` +
	`|organi[sz]ation (is|was) (unknown|invalid)`)

// quota finds what tells a limit that was reached from a user who is there.
var quota = regexp.MustCompile(`quota|limit|exceed|maximum|too many|no more|cannot add more`)

// there finds what says that a user is there, in a conflict. It is not known how
// the API words that one, if it has it at all.
var there = regexp.MustCompile(`already|duplicate|exists|is there|\bmember`)

func (e *Error) member() bool {
	words := e.words()
	switch {
	case quota.MatchString(words):
		return false
	case e.Status == http.StatusConflict:
		return words == "" || words == "conflict" || there.MatchString(words)
	}
	return strings.Contains(words, "already a member") || strings.Contains(words, "already member")
}

var (
	// unknown finds sentences in which the users are what is missing, such as
	// "The user does not exist." and "users not found: …".
	unknown = regexp.MustCompile(`\b(users?|user[_ ]ids?)\b[\s:,;'"()\[\]]*(does not|doesn't|do not|don't|did not) exist` +
		`|\b(users?|user[_ ]ids?)\b[\s:,;'"()\[\]]*((is|are|was|were|could|can) )?(not|not be|cannot be) found` +
		`|\b(users?|user[_ ]ids?)\b[\s:,;'"()\[\]]*(is|are) (unknown|not known)` +
		`|\b(unknown|no such|inexistent|nonexistent|non-existent) users?\b` +
		`|\bno users? (was |were )?found\b`)
	// otherThings are what such a sentence may speak of besides, and then it
	// is in doubt which of them is missing.
	otherThings = regexp.MustCompile(`organi[sz]ation|connection|role|client|tenant|member`)
)

func (e *Error) unknownUser() bool {
	if e.Code == "inexistent_user" {
		return true
	}
	words := e.words()
	return unknown.MatchString(words) && !otherThings.MatchString(words)
}

// words is code and message in lower case without the ids in them, for an id may
// be made of any words: auth0|organization-bot is a user. Neither is the place
// of a user in the request, members[3], a word about members.
func (e *Error) words() string {
	kept := strings.Fields(strings.ToLower(e.Code + " " + e.Message))
	words := kept[:0]
	for _, w := range kept {
		if !strings.Contains(w, "|") && !strings.Contains(w, "org_") && !strings.Contains(w, "members[") {
			words = append(words, w)
		}
	}
	return strings.Join(words, " ")
}
