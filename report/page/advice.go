package page

import (
	"slices"
	"strings"

	"orgimport/importer"
	"orgimport/report"
)

// advice is what to do about a cause.
type advice struct {
	Title string // what it most likely is, in a few words
	Do    string
}

// adviceCase is a line of the table of advice: the first that matches counts.
type adviceCase struct {
	matches func(c report.Cause, message string) bool
	advice
}

// advise returns what to do about a cause. Auth0 documents little of what this
// endpoint answers, so most of it is read from the message, and says so where
// it could be read in another way.
func advise(c report.Cause) advice {
	message := strings.ToLower(c.Code + " " + c.Message)
	for _, known := range adviceCases() {
		if known.matches(c, message) {
			return known.advice
		}
	}
	return advice{
		"Not a cause this page knows",
		"Look the request up in the tenant's logs by its correlation id (references.correlation_id), with the message at hand.",
	}
}

// adviceCases returns the table of advice. Quotas come before all that speaks
// of organizations, and unknown users before unknown organizations, because
// their messages may name both.
func adviceCases() []adviceCase {
	return []adviceCase{
		{rejected("empty", "missing"), advice{"An id is missing",
			"Fill the cell in the input. Nothing was sent for these rows."}},
		{rejected("field"), advice{"The row does not fit the header",
			"It has more or fewer fields than the header has columns: often a comma in a value that is not in quotes. Mend the row in the input."}},
		{rejected("quote"), advice{"A quote without its partner",
			"Close the quote, or double it where it belongs to the value. Mend the row in the input."}},
		{rejected("utf-8", "encod"), advice{"Characters that can't be read",
			"The file is not UTF-8 here. Save it as UTF-8, or say what it is with --encoding."}},
		{rejected(""), advice{"The row can't be used",
			"The message says what is wrong with it. Nothing was sent; mend the row in the input."}},

		{says("quota", "limit of entities", "no more "), advice{"A quota of the tenant is full",
			"This is read from the message: what Auth0 answers when an organization is full is not documented. The published limit is 100,000 members in an organization; Auth0 raises it on request."}},
		{answered(401, 403), advice{"Credentials or permission",
			"The application needs the Management API permission create:organization_members. Grant it, then run again with --resume."}},
		{answered(429), advice{"The tenant's rate limit",
			"The rows are sound. Run again with --resume when the tenant has room, or leave more of it to others with --reserve."}},

		{says("inexistent_user", "user does not exist", "user not found", "no such user", "no user found", "unknown user", "users do not exist"),
			advice{"The tenant has no such user",
				"Look for a mistyped id, a user who was deleted, or one of another tenant. A user id has its provider in front, such as auth0| or google-oauth2|. Create or import the user first, then import the row again."}},
		{both("organization", "no ", "not found", "does not exist", "unknown"), advice{"The tenant has no such organization",
			"The column takes ids such as org_…, not names, and of this tenant. One wrong id fails all the rows that have it."}},
		{says("invalid_uri", "path validation"), advice{"The organization's id was refused for its form",
			"An id that Auth0 makes looks like org_ with 16 letters and digits behind it; names are not taken."}},
		{says("invalid_body", "payload validation", "format user-id", "malformed"), advice{"The ids were refused for their form",
			"It is not known which forms Auth0 takes here. A user id has the provider, a | and the rest, such as auth0|5f7c8ec7c33c6c004bbafe82; look for cut ids, spaces, or an e-mail address in its place."}},
		{temporary, advice{"The server failed on these rows",
			"It is not known whether they are in. To add a member twice is taken to be harmless: run again with --resume. If the same rows fail again, ask Auth0 with the correlation ids."}},
		{answered(404), advice{"Something was not found",
			"The message does not say whether it is the user or the organization. Look both up in the tenant's dashboard."}},
		{answered(409), advice{"A conflict",
			"Auth0 documents none for adding members. Check in the dashboard whether the user is a member already: then the row is done."}},
		{answered(400, 413, 422), advice{"The request was refused",
			"The message is all that Auth0 says. Check both ids in the tenant's dashboard."}},
	}
}

// rejected matches rows that were never sent, for a reason with one of the words.
func rejected(words ...string) func(report.Cause, string) bool {
	return func(c report.Cause, message string) bool {
		return c.Status == importer.Rejected && containsAny(message, words)
	}
}

// says matches refusals whose code or message has one of the words.
func says(words ...string) func(report.Cause, string) bool {
	return func(_ report.Cause, message string) bool { return containsAny(message, words) }
}

// both matches refusals that speak of a thing and have one of the words.
func both(thing string, words ...string) func(report.Cause, string) bool {
	return func(_ report.Cause, message string) bool {
		return strings.Contains(message, thing) && containsAny(message, words)
	}
}

func answered(statuses ...int) func(report.Cause, string) bool {
	return func(c report.Cause, _ string) bool {
		return slices.Contains(statuses, c.HTTPStatus)
	}
}

// temporary matches what the server may answer otherwise the next time, or did
// not answer at all.
func temporary(c report.Cause, _ string) bool {
	return c.HTTPStatus == 0 || c.HTTPStatus == 408 || c.HTTPStatus == 425 || c.HTTPStatus >= 500
}

func containsAny(s string, words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(s, w) })
}
