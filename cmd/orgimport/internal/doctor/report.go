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
