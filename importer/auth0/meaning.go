package auth0

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"orgimport/importer"
)

// meaning is a line of the table of what the answers of the Management API mean:
// how far a refusal reaches, and what people can do about it. A condition that a
// line leaves out always holds.
type meaning struct {
	statuses []int
	answer   func(*Error) bool
	code     string         // errorCode
	words    *regexp.Regexp // in code and message; see Error.words
	but      *regexp.Regexp // not beside these words

	reach importer.Reach
	is    error // one of importer's, if the refusal reaches a row

	title string // what it most likely is, in a few words
	do    string
}

// meanings is the table. The first line that matches counts: quotas come before
// anything about organizations, and unknown users before unknown organizations,
// because their messages may name both.
//
// Auth0 documents neither how an unknown user in a batch is answered nor whether the
// other users are added then. So a 4xx that does not mention the organization is
// taken to mean that some row is bad.
var meanings = []meaning{
	{code: importer.CodeUnknownOutcome, reach: importer.ReachRow, title: "Whether the invitation was made is not known",
		do: "It is not sent again. See in the tenant's dashboard whether the organization shows it, and invite the person by hand if not."},
	{code: codeTooManyRoles, reach: importer.ReachRow, title: "The member has as many roles as there can be",
		do: "Auth0 allows 50 roles in an organization. Take some of the member's roles away first."},
	{statuses: []int{http.StatusTooManyRequests}, reach: importer.ReachBatch, title: "The tenant's rate limit",
		do: "The rows are sound."},
	{answer: (*Error).transient, reach: importer.ReachBatch, title: "The server failed on these rows",
		do: "It is not known whether they are in; adding a member twice is taken to be harmless. If the same rows fail again and again, ask Auth0 with the correlation ids."},
	{answer: (*Error).noRefusal, reach: importer.ReachRun, title: notAuth0, do: doNotAuth0},

	{statuses: []int{http.StatusForbidden}, words: full, but: thisUser, reach: importer.ReachRow, is: importer.ErrOrgFull, title: orgFull, do: doOrgFull},
	{statuses: []int{http.StatusForbidden}, words: thisOrg, but: callerOrUser, reach: importer.ReachOrg, title: orgForbids, do: doOrgForbids},
	{statuses: []int{http.StatusForbidden}, words: thisUser, but: permission, reach: importer.ReachRow, title: "Forbidden", do: doForbids},
	{statuses: []int{http.StatusForbidden}, but: permission, reach: importer.ReachRow, title: "Forbidden", do: doForbids},
	{statuses: []int{http.StatusUnauthorized, http.StatusForbidden}, reach: importer.ReachRun, title: "Credentials or permission",
		do: "The application needs the Management API permission that the message names; to add members it is create:organization_members. Grant it."},
	{statuses: []int{http.StatusBadRequest}, code: codeBadHeader, reach: importer.ReachRun, title: "Credentials or permission",
		do: "The token was not even recognised as one. Check the token."},
	{statuses: []int{http.StatusMethodNotAllowed, http.StatusProxyAuthRequired}, reach: importer.ReachRun, title: notAuth0, do: doNotAuth0},

	{statuses: []int{http.StatusConflict}, words: quota, but: thisUser, reach: importer.ReachRow, is: importer.ErrOrgFull, title: orgFull, do: doOrgFull},
	{statuses: []int{http.StatusBadRequest}, words: full, but: thisUser, reach: importer.ReachRow, is: importer.ErrOrgFull, title: orgFull, do: doOrgFull},
	{statuses: notThere, words: missingRole, reach: importer.ReachRow, title: "There is no such role",
		do: "Look for a mistyped name or id, or a role of another tenant or organization."},
	{code: "inexistent_user", reach: importer.ReachRow, is: importer.ErrUnknownUser, title: noSuchUser, do: doNoSuchUser},
	{words: unknownUser, but: otherThings, reach: importer.ReachRow, is: importer.ErrUnknownUser, title: noSuchUser, do: doNoSuchUser},
	{statuses: notThere, words: badPath, reach: importer.ReachOrg, title: "The organization's id was refused for its form",
		do: "An id that Auth0 makes looks like org_ followed by 16 letters and digits."},
	{statuses: notThere, words: missingOrg, but: people, reach: importer.ReachOrg, title: "The tenant has no such organization",
		do: "The column takes ids such as org_… of this tenant. One wrong id fails all the rows that have it."},
	{words: alreadyMember, reach: importer.ReachRow, is: importer.ErrMember, title: "A member already", do: doConflict},
	{statuses: []int{http.StatusConflict}, words: there, reach: importer.ReachRow, is: importer.ErrMember, title: "A conflict", do: doConflict},
	{words: badForm, reach: importer.ReachRow, title: "The ids were refused for their form",
		do: "It is not known which forms Auth0 takes here. A user id has the provider, a | and the rest, such as auth0|5f7c8ec7c33c6c004bbafe82; look for cut ids, spaces, or an e-mail address in its place."},
	{statuses: []int{http.StatusNotFound}, reach: importer.ReachRow, title: "Something was not found",
		do: "The message does not say whether it is the user or the organization. Look both up in the tenant's dashboard."},
	{statuses: []int{http.StatusConflict}, reach: importer.ReachRow, title: "A conflict", do: doConflict},
	{reach: importer.ReachRow, title: "The request was refused",
		do: "The message is all that Auth0 says. Check both ids in the tenant's dashboard."},
}

const (
	codeBadHeader = "Bearer"

	noSuchUser   = "The tenant has no such user"
	doNoSuchUser = "Look for a mistyped id, a user who was deleted, or one of another tenant. A user id has its provider in front, such as auth0| or google-oauth2|. Create or import the user first, then import the row again."
	notAuth0     = "Not the Management API"
	doNotAuth0   = "Something else than Auth0 answers at this address. Check the domain, and whether a proxy stands in between."
	orgFull      = "A quota of the organization or the tenant is full"
	doOrgFull    = "This is read from the message: what Auth0 answers when an organization is full is not documented. The published limit is 100,000 members in an organization; Auth0 raises it on request."
	doForbids    = "Auth0 does not say what is forbidden to whom. Look at the message, and at the user and the organization in the tenant's dashboard."
	orgForbids   = "The organization takes no changes"
	doOrgForbids = "Other organizations do. Look at this one in the tenant's dashboard."
	doConflict   = "Auth0 documents none for adding members. Check in the dashboard whether the user is a member already: then the row is done."
)

// codeTooManyRoles is the error code of a row whose user already has the 50 roles
// in the organization that Auth0 allows.
const codeTooManyRoles = "too_many_roles"

// notThere are the statuses for something in the request that does not exist.
var notThere = []int{http.StatusNotFound, http.StatusBadRequest}

var (
	// full matches a quota that is used up, with any status.
	full = regexp.MustCompile(`quota|limit of entities|reached the (limit|maximum)|limit .*reached|entity_limit|no more .* can be|cannot add more`)
	// quota matches the same in a conflict, where no other limit is expected.
	quota = regexp.MustCompile(`quota|limit|exceed|maximum|too many|no more|cannot add more`)

	// thisOrg matches what is about one organization, not about the feature, and
	// permission what is about the caller.
	thisOrg    = regexp.MustCompile(`\b(this|the|that|an?) organi[sz]ation\b|\borgani[sz]ation (is|has|was|can)`)
	permission = regexp.MustCompile(`scope|permission|authori[sz]|grant|token|client|application|subscription|\bplan\b|entitlement|this tenant`)
	// thisUser matches what is about one user, and callerOrUser that and permission.
	thisUser = regexp.MustCompile(`\b(the|this|that) user\b|\buser (has|is|was|can|cannot|may|must|reached|exceeds)\b`)
	// somebody matches whatever a 403 may be about.
	somebody     = regexp.MustCompile(permission.String() + "|" + thisUser.String() + "|" + thisOrg.String() + "|" + full.String())
	callerOrUser = regexp.MustCompile(permission.String() + "|" + thisUser.String())

	// missingOrg matches sentences that say that there is no such organization.
	// Others may mention one for any reason; taking it for missing would fail rows
	// that were never sent.
	missingOrg = regexp.MustCompile(`\b(no|unknown|invalid|inexistent|non-?existent|such)[ _]organi[sz]ation` +
		`|organi[sz]ation\b.*\b(not|cannot be|can't be|doesn't) (exist|be found|found)` +
		`|organi[sz]ation_not_found` +
		`|organi[sz]ation (is|was) (unknown|invalid)`)
	people = regexp.MustCompile(`user|member`)

	badPath  = regexp.MustCompile(`^invalid_uri\b|path validation error`)
	badValue = regexp.MustCompile(`^invalid_(uri|query_string|body)\b|(path|query|payload) validation error`)
	badForm  = regexp.MustCompile(`invalid_body|payload validation|format user-id|malformed`)

	// there matches a conflict that says that the user is a member already. How
	// the API words it, if it has it at all, is not known.
	there         = regexp.MustCompile(`^(conflict)?$|already|duplicate|exists|is there|\bmember`)
	alreadyMember = regexp.MustCompile(`already (a )?member`)

	// unknownUser matches sentences in which users are missing, such as "The user
	// does not exist." and "users not found: …".
	unknownUser = regexp.MustCompile(`\b(users?|user[_ ]ids?)\b[\s:,;'"()\[\]]*(does not|doesn't|do not|don't|did not) exist` +
		`|\b(users?|user[_ ]ids?)\b[\s:,;'"()\[\]]*((is|are|was|were|could|can) )?(not|not be|cannot be) found` +
		`|\b(users?|user[_ ]ids?)\b[\s:,;'"()\[\]]*(is|are) (unknown|not known)` +
		`|\b(unknown|no such|inexistent|nonexistent|non-existent) users?\b` +
		`|\bno users? (was |were )?found\b`)
	// otherThings matches what such a sentence may mention besides, so that it is
	// in doubt which is missing.
	otherThings = regexp.MustCompile(`organi[sz]ation|connection|role|client|tenant|member`)
)

// missingRole matches sentences that say that a role does not exist.
var missingRole = regexp.MustCompile(`\broles?\b.*\b(not exist|not found|unknown|doesn't exist|don't exist)|\b(no such|unknown|inexistent) roles?\b`)

// meaning returns the line of the table for a refusal.
func (e *Error) meaning() meaning {
	words := e.words()
	i := slices.IndexFunc(meanings, func(m meaning) bool {
		return (m.statuses == nil || slices.Contains(m.statuses, e.Status)) &&
			(m.answer == nil || m.answer(e)) &&
			(m.code == "" || m.code == e.Code) &&
			(m.words == nil || m.words.MatchString(words)) &&
			(m.but == nil || !m.but.MatchString(words))
	})
	return meanings[i] // the last line fits everything
}

// Advise returns what an answer of the Management API most likely means, what people
// can do about it, and how far it reaches. The status is 0 if no answer came; ids may
// be left out of the message.
func Advise(status int, code, message string) (title, do string, reach importer.Reach) {
	m := (&Error{Status: status, Code: code, Message: message}).meaning()
	return m.title, m.do, m.reach
}

// Reach says how far the refusal reaches.
func (e *Error) Reach() importer.Reach { return e.meaning().reach }

// Is reports whether the refusal is a conflict ([importer.ErrConflict]), and what
// that of a single row means: that the user is a member already
// ([importer.ErrMember]) or does not exist ([importer.ErrUnknownUser]), or that
// the organization takes no more members ([importer.ErrOrgFull]).
func (e *Error) Is(target error) bool {
	return target == importer.ErrConflict && e.Status == http.StatusConflict || target == e.meaning().is
}

// temporary reports whether the same request may succeed later. 0 is no answer. 52x
// are those of Cloudflare, which is in front of Auth0.
func temporary(status int) bool {
	switch status {
	case 0, http.StatusRequestTimeout, http.StatusLocked, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status >= 500
}

// transient reports whether the same request may succeed later.
func (e *Error) transient() bool { return e.Foreign || temporary(e.Status) }

// aboutRows reports whether the message says that a user or an organization does not
// exist.
func (e *Error) aboutRows() bool {
	words := e.words()
	return unknownUser.MatchString(words) || missingOrg.MatchString(words)
}

// aboutNobody reports whether a refusal says that something is forbidden, and not to
// whom.
func (e *Error) aboutNobody() bool {
	return e.Status == http.StatusForbidden && !e.Foreign && !somebody.MatchString(e.words())
}

// noRefusal reports whether the answer is neither a refusal nor a success of the API.
func (e *Error) noRefusal() bool { return e.Status > 0 && e.Status < 400 }

// refusesToken reports whether the token was refused or, with a 400, not recognised
// as one.
func (e *Error) refusesToken() bool {
	return !e.Foreign && (e.Status == http.StatusUnauthorized || e.Status == http.StatusBadRequest && e.Code == codeBadHeader)
}

// words returns code and message in lower case without ids and addresses, which may
// contain any words: auth0|organization-bot is a user. The place of a user in the request,
// members[3], is left out too: it is not about members.
func (e *Error) words() string {
	kept := strings.Fields(strings.ToLower(e.Code + " " + e.Message))
	words := kept[:0]
	for _, w := range kept {
		if !strings.ContainsAny(w, "|@") && !strings.Contains(w, "org_") && !strings.Contains(w, "members[") {
			words = append(words, w)
		}
	}
	return strings.Join(words, " ")
}

// Blame returns the users of the refused batch that the refusal names, in their
// order: by their id, or by their place in the request, as in "on property
// members[3]". A refusal that names all of them, or none, blames nobody.
func (e *Error) Blame(userIDs []string) []string {
	if e.Reach() != importer.ReachRow {
		return nil
	}
	blamed := namedIn(e.Message, memberPlace, userIDs)
	if len(blamed) == len(userIDs) {
		return nil
	}
	return blamed
}

// How the validator of the Management API names an item of the request.
var (
	memberPlace = regexp.MustCompile(`(?:^|[\s'"(])members\[(\d{1,6})\]`)
	rolePlace   = regexp.MustCompile(`(?:^|[\s'"(])roles\[(\d{1,6})\]`)
)

// namedIn returns the ids that a message names, by themselves or by their place in
// the request.
//
// An id may contain anything but white space, even other ids, so the longest is looked
// for first, and its text is taken out: it names no other.
func namedIn(message string, place *regexp.Regexp, ids []string) []string {
	named := make(map[string]bool)
	for _, m := range place.FindAllStringSubmatch(message, -1) {
		if i, err := strconv.Atoi(m[1]); err == nil && i < len(ids) {
			named[ids[i]] = true
		}
	}
	longest := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return id == "" })
	slices.SortFunc(longest, func(a, b string) int { return len(b) - len(a) })
	for _, id := range longest {
		for from := 0; ; {
			at := strings.Index(message[from:], id)
			if at < 0 {
				break
			}
			start, end := from+at, from+at+len(id)
			from = start + 1
			if opens(message[:start]) && closes(message[end:]) {
				named[id] = true
				message = message[:start] + strings.Repeat("\x00", len(id)) + message[end:]
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !named[id] })
}

// opens reports whether an id may begin after this text.
func opens(before string) bool {
	r, _ := utf8.DecodeLastRuneInString(before)
	return before == "" || separates(r)
}

// closes reports whether an id may end before this text: where a separator
// follows, or the punctuation that ends a sentence and then a separator.
func closes(after string) bool {
	after = strings.TrimLeft(after, `.:!?\`)
	r, _ := utf8.DecodeRuneInString(after)
	return after == "" || separates(r)
}

func separates(r rune) bool {
	return unicode.IsSpace(r) || strings.ContainsRune(`'"`+"`"+`,;()[]{}<>‘’“”«»`, r)
}

// absent reports whether err says in the API's own words that what was asked for
// does not exist, or that nothing can have such a name. No other refusal says so.
func absent(err error) bool {
	if errors.Is(err, errNoPath) {
		return true
	}
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok || e.Foreign:
		return false
	case e.Status == http.StatusNotFound:
		return e.aboutRows()
	case e.Status == http.StatusBadRequest:
		return badValue.MatchString(e.words())
	}
	return e.Status == http.StatusRequestURITooLong
}
