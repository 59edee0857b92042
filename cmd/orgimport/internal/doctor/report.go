package doctor

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
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
	qMalformedOrg = &Question{"an organization id that can't exist", "adds a user to an id that can't be an organization's", "--malformed-org", qMissingOrg.Known}
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

// Answer is what was found about a question.
type Answer struct {
	Question string `json:"question"`
	Answer   string `json:"answer"`
	Told     bool   `json:"told"`
	WhyNot   string `json:"why_not"`
	Import   string `json:"import"`

	Words string `json:"-"` // of the tenant's refusal, which may hold ids

	value string // of the flag; empty: none
}

// Limit is what was found about the limit of writing members.
type Limit struct {
	Size      int     `json:"size"`
	Refill    string  `json:"refill,omitempty"` // drip or window
	AtLeast   float64 `json:"per_second_at_least"`
	AtMost    float64 `json:"per_second_at_most,omitempty"` // 0: not told
	WindowSec float64 `json:"window_seconds,omitempty"`
}

// Report is what an examination has found. It holds no domain, id, name, address or
// token, apart from the Words of answers.
type Report struct {
	Version   string         `json:"version"`
	Questions []Answer       `json:"questions"`
	LatencyMS map[string]int `json:"latency_ms"` // by the number of users in the request
	Limit     *Limit         `json:"limit"`      // nil: not told
	Tenant    []string       `json:"tenant"`     // flags of orgimport tenant that behaves alike

	Requests int           `json:"-"`
	Refusals int           `json:"-"` // with a 429
	Took     time.Duration `json:"-"`

	answers map[*Question]Answer
	limits  string // of the flag for the limit, without its class; empty: none
}

// Complete reports whether all questions were answered.
func (r *Report) Complete() bool {
	return !slices.ContainsFunc(r.Questions, func(a Answer) bool { return !a.Told })
}

// complete puts the answers in order, and gives each question one.
func (r *Report) complete() {
	for _, q := range Questions() {
		r.noAnswer(q, errors.New("the examination ended before"))
		a := r.answers[q]
		r.Questions = append(r.Questions, a)
		if q.flag != "" && a.value != "" {
			r.Tenant = append(r.Tenant, q.flag+"="+a.value)
		}
	}
	switch {
	case r.limits == "":
	case r.answers[qShared].value == "true":
		r.Tenant = append(r.Tenant, "--limits=global="+r.limits)
	default:
		r.Tenant = append(r.Tenant, "--limits="+r.limits)
	}
}

// answer notes an answer, and the value of the question's flag.
func (r *Report) answer(q *Question, value, says string) {
	r.answers[q] = Answer{Question: q.Name, Answer: says, Told: true, Import: q.importDoes(value), value: value}
}

// noAnswer notes why there is no answer, unless there is one, or a reason already.
// What the tenant said is left out: it may name things.
func (r *Report) noAnswer(q *Question, why error) {
	if _, known := r.answers[q]; known {
		return
	}
	reason := why.Error()
	if _, lacks := errors.AsType[*LacksScopeError](why); lacks {
		reason = "not asked: " + reason
	} else if refused, ok := errors.AsType[*RefusedError](why); ok {
		reason = fmt.Sprintf("the tenant refused %s: %d", refused.What, refused.Status)
	}
	r.answers[q] = Answer{Question: q.Name, Answer: "not told", WhyNot: reason, Import: q.importDoes("?")}
}

// answerRefused notes an answer that is the status of a response, and the words of it.
func (r *Report) answerRefused(q *Question, x exchange, value, says string) {
	r.answer(q, value, says)
	a := r.answers[q]
	a.Words, a.Import = x.message, q.importDoes(cmp.Or(value, strconv.Itoa(x.status)))
	r.answers[q] = a
}

// answerStatus notes the status of a response.
func (r *Report) answerStatus(q *Question, x exchange) {
	if status := strconv.Itoa(x.status); x.status == http.StatusNoContent || x.status/100 == 4 {
		r.answerRefused(q, x, status, status)
	} else {
		r.noAnswer(q, fmt.Errorf("it was answered %d", x.status))
	}
}

// answerNamed notes whether a refusal names an id, or its place in the request.
func (r *Report) answerNamed(q *Question, x exchange, id, place string) {
	named, placed := strings.Contains(x.message, id), strings.Contains(x.message, place)
	value := "index"
	if named || q == qMalformedNamed {
		value = "id"
	}
	switch {
	case x.ok():
		r.answer(q, "", "there is no error to name it")
	case named && placed:
		r.answer(q, value, "by the id and the place in the batch")
	case named:
		r.answer(q, value, "by the id")
	case placed:
		r.answer(q, value, "by the place in the batch")
	default:
		r.answer(q, "none", "no")
	}
}

// answerOrg notes the answer for an organization that is not there.
func (r *Report) answerOrg(q *Question, x exchange) {
	words := strings.ToLower(x.message)
	about := strings.Contains(words, "organization")
	switch {
	case x.ok():
		r.noAnswer(q, fmt.Errorf("it was answered %d, as if it were there", x.status))
	case x.status == http.StatusNotFound && !about:
		r.answerRefused(q, x, "plain", "404 that does not say what is missing")
	case x.status == http.StatusNotFound && strings.Contains(words, "does not exist"):
		r.answerRefused(q, x, "gone", "404 that says so in other words")
	case x.status == http.StatusNotFound:
		r.answerRefused(q, x, "404", "404 that says so")
	case x.status == http.StatusBadRequest && about:
		r.answerRefused(q, x, "400", "400 that says so")
	default:
		r.answerRefused(q, x, "", strconv.Itoa(x.status))
	}
}

// answerLag notes how long a list lags.
func (r *Report) answerLag(q *Question, l lag) {
	if d, says, err := l.value(); err != nil {
		r.noAnswer(q, err)
	} else {
		r.answer(q, d.String(), says)
	}
}

func (r *Report) answerLatency(singles, tens []time.Duration) {
	r.LatencyMS = make(map[string]int)
	if len(singles) == 0 || len(tens) == 0 {
		return
	}
	one, ten := median(singles), median(tens)
	r.LatencyMS["1"], r.LatencyMS["10"] = int(one.Milliseconds()), int(ten.Milliseconds())
	r.answer(qLatency, one.String(), fmt.Sprintf("%s with 1 user, %s with 10", one, ten))
}

// median returns the median of times in whole milliseconds.
func median(times []time.Duration) time.Duration {
	times = slices.Sorted(slices.Values(times))
	return times[len(times)/2].Round(time.Millisecond)
}

// answerLimit notes what was found about the limit of writing members.
func (r *Report) answerLimit(l limit) {
	if l.size == 0 {
		return
	}
	r.Limit = &Limit{Size: l.size, Refill: string(l.kind), AtLeast: l.rate.low}
	most := ""
	if l.rate.high < 1e6 {
		r.Limit.AtMost = l.rate.high
		most = ", at most " + perMinute(l.rate.high)
	}
	switch l.kind {
	case fixed:
		r.Limit.WindowSec = l.window.interval.Seconds()
		n, least := min(l.window.per, l.size), ""
		if l.window.filled {
			n, least = l.size, "at least "
		}
		r.limits = fmt.Sprintf("%d:%d/%s", l.size, n, short(l.window.interval))
		r.answer(qLimit, "true", fmt.Sprintf("%d at once; %s%d come back at the end of each %s", l.size, least, l.window.per, short(l.window.interval)))
		r.answer(qReset, "", "the end of the window")
	case drip:
		n, interval := l.rate.round()
		r.limits = fmt.Sprintf("%d:%d/%s", l.size, n, short(interval))
		r.answer(qLimit, "false", fmt.Sprintf("%d at once; they drip, about %d in %s (at least %s a minute%s)", l.size, n, short(interval), perMinute(l.rate.low), most))
	default:
		r.noAnswer(qLimit, fmt.Errorf("%d at once; how they come back did not show", l.size))
	}
	switch l.reset {
	case "full":
		r.answer(qReset, "full", "when the limit is full again")
	case "next":
		r.answer(qReset, "next", "when the next request can be sent")
	case "":
		r.noAnswer(qReset, errors.New("the limit came back too fast to tell"))
	}
}

// short leaves out the zeros of 1m0s.
func short(d time.Duration) string {
	return strings.NewReplacer("h0m0s", "h", "m0s", "m").Replace(d.String())
}

func perMinute(perSecond float64) string { return strconv.FormatFloat(perSecond*60, 'f', 0, 64) }
