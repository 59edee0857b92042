package doctor

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Question is something that Auth0 does not document. One table holds for all who
// speak of it: what is asked, which answers exist, and what orgimport import does.
type Question struct {
	Name  string
	Asks  string // the requests that a Doctor finds out by; empty: it can't
	flag  string // of orgimport tenant, for the answer
	Known []Known
}

// Known is an answer that exists, and what orgimport import does then.
type Known struct {
	Answer string
	value  string // of the flag; 4xx: any error; empty: any other
	Import string
}

// What import does in several cases.
const (
	narrows  = "sends the other rows of the batch, so that only this row fails"
	searches = "halves the batch until the row is found: about 6 requests for one in 10"
	counts   = "does not notice, and writes added: --check-users finds such rows before"
)

// The questions that a Doctor asks, in the order of the report.
var (
	qLatency = &Question{"the latency of one attempt", "adds 1 user, then 10", "--latency", []Known{
		{"any", "", "keeps as many requests in flight as the limit can use"}}}
	qHeaders = &Question{"limit headers on a 204", "the same requests", "--hide-limits", []Known{
		{"there", "false", "learns the pace from them"},
		{"none", "true", "starts at 4 requests a second and goes faster until it is refused"}}}
	qReadd = &Question{"a member once more", "adds the same 10 again", "--readd", []Known{
		{"204", "204", "writes added, unless --skip-members has found the member before"},
		{"an error", "4xx", searches + ", and writes already_member for a 409 that says so"}}}
	qUnknown = &Question{"an unknown user in a batch", "adds an id that nobody has and 2 users", "--refuse", []Known{
		{"an error", "4xx", "fails the row with the message of the answer"},
		{"204", "204", counts}}}
	qUnknownNamed = &Question{"whether the answer names the user", "the same request", "--name", []Known{
		{"by the id", "id", narrows},
		{"by the place in the batch", "index", narrows},
		{"no", "none", searches}}}
	qUnknownOthers = &Question{"whether the others of that batch are added", "reads the members until later additions show", "--partly", []Known{
		{"yes", "true", "sends them once more, and writes what is answered then"},
		{"no", "false", "sends them once more without the unknown user"}}}
	qMalformed = &Question{"a malformed user id in a batch", "adds an id without a provider alone, then with another user", "--malformed", []Known{
		{"an error", "4xx", "fails the row with the message of the answer"},
		{"204", "204", counts}}}
	qMalformedNamed = &Question{"whether the answer names the id", "the same requests", "--malformed-name", []Known{
		{"yes", "id", narrows},
		{"no", "none", searches}}}
	qMalformedOthers = &Question{"whether the other of that batch is added", "reads the members until later additions show", "--malformed-partly", []Known{
		{"yes", "true", "sends the row once more, and writes what is answered then"},
		{"no", "false", "sends the row once more without the malformed id"}}}
	qTwice = &Question{"an id twice in a batch", "adds a user who is in the request twice", "--twice", []Known{
		{"204", "204", "never sends one: the second row is a duplicate"},
		{"an error", "4xx", "never sends one: the second row is a duplicate"}}}
	qEleven = &Question{"11 ids in a batch", "adds 11 users", "--eleven", []Known{
		{"an error", "4xx", "never sends more than 10"},
		{"204", "204", "never sends more than 10"}}}
	qMissingOrg = &Question{"an organization that does not exist", "adds a user to an organization that nobody has", "--missing-org", []Known{
		{"404 that says so", "404", "fails all rows of the organization after one request"},
		{"404 that says so in other words", "gone", "fails all rows of the organization after one request"},
		{"404 that does not say what is missing", "plain", "asks for each row, because it may be the user"},
		{"400 that says so", "400", "fails all rows of the organization after one request"},
		{"another error", "4xx", "fails its rows with the words of the answer"}}}
	qMalformedOrg = &Question{"an organization id that can't exist", "adds a user to an id that is none of an organization", "--malformed-org", qMissingOrg.Known}
	qNext         = &Question{"next on the last page of members", "reads the members by take=2 to the end", "--next", []Known{
		{"yes, to an empty page", "always", "reads until there is no next"},
		{"no", "never", "reads until there is no next"}}}
	qLag = &Question{"how long additions lag in the list", "reads the members until all additions show", "--lag", []Known{
		{"any time", "", "does not read the list after it adds; verify waits up to --settle"}}}
	qRemovalLag = &Question{"how long removals lag in the list", "removes 10 members and reads until they are gone", "--removal-lag", []Known{
		{"any time", "", "takes a member who is still listed for one with --skip-members: wait 30s after a removal"}}}
	qLimit = &Question{"the limit of writing members", fmt.Sprintf("adds single users as fast as answers come (at most %d), then one every %s", drainMost, probeEvery), "--window", []Known{
		{"it drips", "false", "goes as fast as it comes back, and leaves the reserve"},
		{"it comes back at the end of a window", "true", "spreads what a window holds over the time to its end, and leaves the reserve"}}}
	qReset = &Question{"what X-RateLimit-Reset means", "the same requests", "--reset", []Known{
		{"when the limit is full again", "full", "does not rely on it: it measures"},
		{"when the next request can be sent", "next", "does not rely on it: it measures"},
		{"the end of the window", "", "does not rely on it: it measures"}}}
	qShared = &Question{"whether other requests draw on that limit", "lists the roles and adds a user, in turn, 6 times", "", []Known{
		{"yes", "true", "looks up before it writes, so that neither slows the other"},
		{"no", "false", "paces each kind of request by itself"}}}
)

// The limit is drained as fast as answers come, and then by a request every
// probeEvery.
const (
	drainMost  = 22
	probes     = 6
	probeEvery = 5 * time.Second
)

// Questions returns the questions that a Doctor asks, in the order of the report.
func Questions() []*Question {
	return []*Question{
		qLatency, qHeaders, qReadd, qUnknown, qUnknownNamed, qUnknownOthers, qMalformed, qMalformedNamed, qMalformedOthers,
		qTwice, qEleven, qMissingOrg, qMalformedOrg, qNext, qLag, qRemovalLag, qLimit, qReset, qShared,
	}
}

// Request is a kind of request that a Doctor sends.
type Request struct{ Method, Path, Does string }

// Requests returns what a Doctor sends.
func Requests() []Request {
	const organizations, members = "/api/v2/organizations", "/api/v2/organizations/…/members"
	asks := func(method, path string, questions ...*Question) (requests []Request) {
		for _, q := range questions {
			requests = append(requests, Request{method, path, q.Asks})
		}
		return requests
	}
	return slices.Concat(
		[]Request{{http.MethodPost, organizations, "creates an organization orgimport-doctor-…"}},
		asks(http.MethodPost, members, qLatency, qReadd, qUnknown, qMalformed, qTwice, qEleven, qMissingOrg, qMalformedOrg),
		asks(http.MethodGet, members, qLag),
		asks(http.MethodDelete, members, qRemovalLag),
		asks(http.MethodGet, members, qNext),
		asks(http.MethodGet, "/api/v2/roles", qShared),
		asks(http.MethodPost, members, qLimit),
		[]Request{{http.MethodDelete, organizations + "/…", "deletes it, also on errors and signals"}},
	)
}

// Unasked returns what is not documented either, and can't be found out without
// harm, or not by an organization of one's own.
func Unasked() []*Question {
	return []*Question{
		{Name: "an organization that is full", Known: []Known{
			{Answer: "an error that mentions a quota", Import: "fails the organization's other new rows without a request"},
			{Answer: "any other error", Import: "fails each row with the message of the answer"}}},
		{Name: "two writes to one organization at a time", Known: []Known{
			{Answer: "204 for both", Import: "sends them as they come"},
			{Answer: "409 for one", Import: "sends it again with the organization to itself"}}},
		{Name: "Retry-After on a 429", Known: []Known{
			{Answer: "there", Import: "holds all requests until then"},
			{Answer: "not there", Import: "sends again when the limit headers leave room"}}},
		{Name: "a limit that no header shows", Known: []Known{
			{Answer: "429", Import: "measures it by the refusals, and keeps to 97 % of it"}}},
		{Name: "a role that does not exist", Known: []Known{
			{Answer: "400 or 404", Import: "nothing: orgimport roles fails the row, and does not send the role again"}}},
		{Name: "a role that the member has", Known: []Known{
			{Answer: "204", Import: "nothing: orgimport roles writes assigned"},
			{Answer: "409", Import: "nothing: orgimport roles writes already_assigned"}}},
		{Name: "a second invitation of an address", Known: []Known{
			{Answer: "it is made, replaces the first, or is refused", Import: "nothing: orgimport invite looks for the first one before"}}},
		{Name: "how an export of users looks", Known: []Known{
			{Answer: "fields flat or nested, null or left out, compressed or not", Import: "reads them all"}}},
		{Name: "whether an export has the newest users", Known: []Known{
			{Answer: "yes, or no", Import: "asks for users that it lacks one by one"}}},
		{Name: "users-by-email and addresses of linked identities", Known: []Known{
			{Answer: "found, or not found", Import: "rejects a row that names nobody, or more than one user"}}},
	}
}

// importDoes returns what import does after an answer, which may be unknown.
func (q *Question) importDoes(value string) string {
	for _, k := range q.Known {
		n, err := strconv.Atoi(value)
		if k.value == value || k.value == "" || k.value == "4xx" && err == nil && n >= 400 && n <= 499 {
			return k.Import
		}
	}
	return "is right under each answer"
}
