// Package doctor finds out how a tenant answers what Auth0 does not document. It
// makes an organization of its own, puts test users into it, and deletes it.
package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// MinUsers is how many test users it takes: each kind of question needs some who are
// not members yet.
const MinUsers = 40

// Doctor examines a tenant. Use it once.
type Doctor struct {
	Tenant *url.URL
	Base   http.RoundTripper // sends a request once, with a token
	Users  []string          // ids of test users, at least MinUsers
	Name   string            // of the organization; see NewName

	mayExist atomic.Bool // the organization
}

// MayExist reports whether the organization may exist. It may be called concurrently.
func (d *Doctor) MayExist() bool { return d.mayExist.Load() }

// Run examines the tenant and returns what it has found, also if it was stopped.
// The error is why it could not begin, or why it was stopped, or a
// [*LeftBehindError].
func (d *Doctor) Run(ctx context.Context) (*Report, error) {
	e := &examination{organization: d.organization(), fresh: slices.Clone(d.Users), report: Report{answers: make(map[*Question]Answer)}}
	err := e.create(ctx)
	if err == nil {
		err = e.examine(ctx)
	}
	most := timeToDelete
	if ctx.Err() != nil {
		most = timeToStop
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), most)
	defer cancel()
	if left := e.delete(ctx); left != nil {
		err = &LeftBehindError{d.Name, left, err}
	}
	e.report.complete()
	e.report.Requests, e.report.Refusals, e.report.Took = e.client.requests, e.client.refusals, time.Since(e.client.started)
	return &e.report, err
}

// Delete deletes an organization that was left behind. It reports whether there was
// one.
func (d *Doctor) Delete(ctx context.Context) (found bool, err error) {
	d.mayExist.Store(true)
	o := d.organization()
	ctx, cancel := context.WithTimeout(ctx, timeToDelete)
	defer cancel()
	if found, err = o.find(ctx); err != nil || !found {
		return false, err
	}
	return true, o.delete(ctx)
}

func (d *Doctor) organization() *organization {
	return &organization{client: newClient(d.Tenant, d.Base), name: d.Name, mayExist: &d.mayExist}
}

// examination is what is seen while the questions are asked.
type examination struct {
	*organization
	report Report

	// The test users: never asked to be added; added and not removed; removed; in a
	// request that was refused.
	fresh, members, removed, unclear []string

	headers         bool // a 204 has them
	singles, tens   []time.Duration
	additions       []change // of users who were not members
	listings        []listing
	unknownOthers   batch
	malformedOthers batch
	alternated      []reading
	limit           limit
}

// batch is a request that adds users, some of whom can't be added.
type batch struct {
	exchange
	bad  string   // the id that can't be
	good []string // the users who can be
}

// examine asks the questions. Those that are not answered get the reason.
func (e *examination) examine(ctx context.Context) error {
	for i, step := range []struct {
		do        func(context.Context, *examination) error
		questions []*Question // that it answers
	}{
		{addSome, []*Question{qHeaders, qLatency}},
		{addAgain, []*Question{qReadd}},
		{addUnknown, []*Question{qUnknown, qUnknownNamed, qUnknownOthers}},
		{addMalformed, []*Question{qMalformed, qMalformedNamed, qMalformedOthers}},
		{addTwice, []*Question{qTwice}},
		{addEleven, []*Question{qEleven}},
		{addElsewhere, []*Question{qMissingOrg, qMalformedOrg}},
		{waitForAdditions, []*Question{qLag}},
		{removeSome, []*Question{qRemovalLag}},
		{readPages, []*Question{qNext}},
		{alternate, []*Question{qShared}},
		{drain, []*Question{qLimit, qReset}},
		{readOnce, nil},
	} {
		err := step.do(ctx, e)
		if err == nil {
			continue
		}
		for _, q := range step.questions {
			e.report.noAnswer(q, err)
		}
		_, lacks := errors.AsType[*LacksScopeError](err)
		if ctx.Err() != nil || i == 0 || permanent(err) || lacks && slices.Contains(step.questions, qReadd) {
			return err
		}
	}
	e.conclude()
	return nil
}

// add adds users, and notes those who were not members.
func (e *examination) add(ctx context.Context, users ...string) (exchange, error) {
	x, err := e.client.write(ctx, http.MethodPost, e.id, users...)
	if err != nil || !x.ok() {
		return x, err
	}
	for _, u := range users {
		known := slices.Contains(slices.Concat(e.members, e.removed, e.unclear), u)
		e.move(u, &e.members)
		if !known && !x.lost {
			e.additions = append(e.additions, change{user: u, sent: x.sent, received: x.received})
		}
	}
	if took := x.received.Sub(x.sent); len(users) == 1 {
		e.singles = append(e.singles, took)
	} else if len(users) == batchSize {
		e.tens = append(e.tens, took)
	}
	return x, nil
}

// remove removes users, at most ten.
func (e *examination) remove(ctx context.Context, users ...string) (exchange, error) {
	x, err := e.client.write(ctx, http.MethodDelete, e.id, users...)
	if err := x.refusal(err, "the removal of members"); err != nil {
		return x, err
	}
	for _, u := range users {
		e.move(u, &e.removed)
		for i := range e.additions {
			if e.additions[i].user == u {
				e.additions[i].undone = x.sent
			}
		}
	}
	return x, nil
}

// take returns n users who are not members and never were.
func (e *examination) take(n int) []string {
	n = min(n, len(e.fresh))
	taken := e.fresh[:n:n]
	e.fresh = e.fresh[n:]
	return taken
}

// move moves a user to another list.
func (e *examination) move(user string, to *[]string) {
	for _, list := range []*[]string{&e.members, &e.removed, &e.unclear} {
		*list = slices.DeleteFunc(*list, func(u string) bool { return u == user })
	}
	*to = append(*to, user)
}

// list reads the list of members.
func (e *examination) list(ctx context.Context) (listing, error) {
	x, ids, _, err := e.page(ctx, url.Values{"take": {"100"}})
	if err != nil {
		return listing{}, err
	}
	l := listing{sent: x.sent, received: x.received, users: make(map[string]bool)}
	for _, id := range ids {
		l.users[id] = true
	}
	e.listings = append(e.listings, l)
	return l, nil
}

func (e *examination) page(ctx context.Context, query url.Values) (x exchange, ids []string, next string, err error) {
	x, err = e.client.ask(ctx, request{class: reads, method: http.MethodGet, path: membersOf(e.id) + "?" + query.Encode()})
	if err := x.refusal(err, "the list of members"); err != nil {
		return x, nil, "", err
	}
	var page struct {
		Members []struct {
			UserID string `json:"user_id"`
		}
		Next string
	}
	if json.Unmarshal(x.body, &page) != nil && json.Unmarshal(x.body, &page.Members) != nil {
		return x, nil, "", errors.New("the list of members can't be read")
	}
	for _, m := range page.Members {
		ids = append(ids, m.UserID)
	}
	return x, ids, page.Next, nil
}

var errLost = errors.New("an answer was lost")

// certain returns an error if the answer to an earlier try was lost, which may have
// done the work.
func certain(x exchange, err error) (exchange, error) {
	if err == nil && x.lost {
		err = errLost
	}
	return x, err
}

const batchSize = 10 // users, the most in one request that Auth0 documents

// addSome adds one user, then ten.
func addSome(ctx context.Context, e *examination) error {
	for _, n := range []int{1, batchSize} {
		x, err := e.add(ctx, e.take(n)...)
		if err := x.refusal(err, "test users"); err != nil {
			return err
		}
		e.headers = e.headers || x.shows
	}
	if err := readOnce(ctx, e); err != nil && permanent(err) {
		return err
	}
	if e.headers {
		e.report.answer(qHeaders, "false", "there")
	} else {
		e.report.answer(qHeaders, "true", "none")
		e.client.timeToAsk = timeUnlimited
	}
	return nil
}

func addAgain(ctx context.Context, e *examination) error {
	x, err := e.add(ctx, e.members[1:1+batchSize]...)
	if err == nil {
		e.report.answerStatus(qReadd, x)
	}
	return err
}

// canReadd reports whether members can be added once more without harm.
func (e *examination) canReadd() bool { return e.report.answers[qReadd].value == "204" }

// addUnknown adds a user who does not exist between two who do.
func addUnknown(ctx context.Context, e *examination) error {
	unknown := unknownID(e.members[0])
	b, err := e.addBad(ctx, unknown, e.take(2))
	if err != nil {
		return err
	}
	e.unknownOthers = b
	if !b.ok() {
		e.report.answerStatus(qUnknown, b.exchange)
	}
	e.report.answerNamed(qUnknownNamed, b.exchange, unknown, "members[1]")
	return nil
}

// addMalformed adds an id that has not the form of a user's, alone and beside a
// user who exists.
func addMalformed(ctx context.Context, e *examination) error {
	malformed := "malformed " + randomHex(8)
	alone, err := e.addBad(ctx, malformed, nil)
	if err != nil {
		return err
	}
	b, err := e.addBad(ctx, malformed, e.take(1))
	if err != nil {
		return err
	}
	if alone.status != b.status {
		return fmt.Errorf("alone it is answered %d, beside another user %d", alone.status, b.status)
	}
	e.malformedOthers = b
	if !b.ok() {
		e.report.answerStatus(qMalformed, b.exchange)
	}
	e.report.answerNamed(qMalformedNamed, b.exchange, malformed, fmt.Sprintf("members[%d]", len(b.good)))
	return nil
}

// addBad adds an id that can't be added, after the first of some users who can.
func (e *examination) addBad(ctx context.Context, bad string, others []string) (batch, error) {
	e.unclear = append(e.unclear, others...)
	x, err := certain(e.client.write(ctx, http.MethodPost, e.id, slices.Insert(slices.Clone(others), min(1, len(others)), bad)...))
	return batch{x, bad, others}, err
}

// unknownID returns an id of the same form as a user's that nobody has.
func unknownID(user string) string {
	provider, rest, _ := strings.Cut(user, "|")
	n := max(len(rest), 16)
	return provider + "|" + randomHex(n/2 + 1)[:n]
}

// addTwice adds a user who is in the request twice.
func addTwice(ctx context.Context, e *examination) error {
	user := e.members[0]
	if !e.canReadd() {
		user = e.take(1)[0]
	}
	x, err := certain(e.add(ctx, user, user))
	if err == nil {
		e.report.answerStatus(qTwice, x)
	}
	return err
}

func addEleven(ctx context.Context, e *examination) error {
	users := slices.Clone(e.members[:min(len(e.members), batchSize+1)])
	if !e.canReadd() {
		users = e.take(batchSize + 1)
	}
	if len(users) <= batchSize {
		return errors.New("there were not enough test users")
	}
	x, err := certain(e.add(ctx, users...))
	if err != nil {
		return err
	}
	if !x.ok() {
		e.unclear = append(e.unclear, slices.DeleteFunc(users, func(u string) bool { return slices.Contains(e.members, u) })...)
	}
	e.report.answerStatus(qEleven, x)
	return nil
}

// addElsewhere adds a user to an organization that does not exist, and to one that
// can't.
func addElsewhere(ctx context.Context, e *examination) error {
	for _, o := range []struct {
		question *Question
		id       string
	}{{qMissingOrg, "org_unknown" + randomHex(5)[:9]}, {qMalformedOrg, "org_unknown-" + randomHex(4)}} {
		x, err := e.client.write(ctx, http.MethodPost, o.id, e.members[0])
		if _, lacks := errors.AsType[*LacksScopeError](err); lacks {
			e.report.noAnswer(o.question, err)
		} else if err != nil {
			return err
		} else {
			e.report.answerOrg(o.question, x)
		}
	}
	return nil
}

// The list of members is read about every pollEvery, and after slowAfter more
// rarely, for at most as long as pollFor.
const (
	pollEvery = 800 * time.Millisecond
	slowAfter = 11 * time.Second
	pollFor   = 16 * time.Second
)

// poll reads the list until it is as wanted, or for long enough.
func (e *examination) poll(ctx context.Context, wanted func(listing) bool) error {
	began := time.Now()
	for {
		l, err := e.list(ctx)
		if err != nil || wanted(l) {
			return err
		}
		every := pollEvery
		switch since := time.Since(began); {
		case since > pollFor, e.client.requests > MaxRequests-requestsToEnd-requestsForLimits:
			return nil
		case since > slowAfter:
			every = 2 * pollEvery
		}
		if err := sleep(ctx, time.Until(l.sent.Add(every))); err != nil {
			return err
		}
	}
}

// waitForAdditions reads the members until all additions show.
func waitForAdditions(ctx context.Context, e *examination) error {
	return e.poll(ctx, func(l listing) bool { return l.hasAll(e.additions) })
}

// readPages reads the members in pages of two.
func readPages(ctx context.Context, e *examination) error {
	const most = 12 // pages: as many members are there only if 11 at a time could be added
	query, read := url.Values{"take": {"2"}}, 0
	for range most {
		_, ids, next, err := e.page(ctx, query)
		switch {
		case err != nil:
			return err
		case len(ids) == 0 && !query.Has("from"):
			return errors.New("no member was listed")
		case len(ids) == 0:
			if l, err := e.list(ctx); err != nil {
				return err
			} else if len(l.users) != read {
				return errors.New("the list changed while it was read")
			}
			e.report.answer(qNext, "always", "yes, to an empty page")
			return nil
		case next == "":
			e.report.answer(qNext, "never", "no")
			return nil
		}
		read += len(ids)
		query.Set("from", next)
	}
	return errors.New("there were too many pages")
}

// removeSome removes ten members and reads on until they are gone.
func removeSome(ctx context.Context, e *examination) error {
	if len(e.listings) == 0 || !e.listings[len(e.listings)-1].hasAll(e.additions) {
		return errors.New("additions did not show in time")
	}
	users := slices.Clone(e.members[1 : 1+batchSize])
	x, err := certain(e.remove(ctx, users...))
	if err != nil {
		return err
	}
	var removals []change
	for _, u := range users {
		removals = append(removals, change{user: u, sent: x.sent, received: x.received})
	}
	before := len(e.listings)
	err = e.poll(ctx, func(l listing) bool {
		return !slices.ContainsFunc(users, func(u string) bool { return l.users[u] })
	})
	if err != nil {
		return err
	}
	e.report.answerLag(qRemovalLag, lagOf(removals, e.listings[before:], false))
	return nil
}

// another returns a user who can be added, after making one.
func (e *examination) another(ctx context.Context) (user string, err error) {
	switch {
	case len(e.fresh) > 0:
		return e.take(1)[0], nil
	case len(e.removed) > 0:
		return e.removed[0], nil
	case e.canReadd():
		return e.members[0], nil
	}
	if _, err := e.remove(ctx, slices.Clone(e.members[:min(batchSize, len(e.members))])...); err != nil {
		return "", err
	}
	return e.removed[0], nil
}

// single adds one user and returns what the answer shows of the limit.
func (e *examination) single(ctx context.Context) (reading, error) {
	user, err := e.another(ctx)
	if err != nil {
		return reading{}, err
	}
	x, err := e.add(ctx, user)
	switch {
	case err != nil:
		return reading{}, err
	case !x.ok():
		e.move(user, &e.unclear)
		return reading{}, x.refusal(nil, "a test user")
	case !x.shows || x.tries > 1:
		return reading{}, errors.New("an answer showed no limit")
	}
	return x.reading, nil
}

// How the limit is drained: as fast as answers come, then one request every
// probeEvery.
const (
	drainFor          = 8 * time.Second
	alternations      = 6
	requestsForLimits = drainMost + probes + 2*alternations + 2
)

// drain takes permissions until few are left, and then watches how they come back.
func drain(ctx context.Context, e *examination) error {
	if !e.headers {
		return errNoHeaders
	}
	var series []reading
	defer func() {
		series = slices.DeleteFunc(series, func(r reading) bool { return r.limit != series[0].limit })
		e.limit = limitOf(series)
		e.report.answerLimit(e.limit)
	}()
	more := func(ctx context.Context) error {
		r, err := e.single(ctx)
		if err == nil {
			series = append(series, r)
		}
		return err
	}
	c := e.client
	burst, cancel := context.WithTimeout(ctx, drainFor)
	defer cancel()
	for range min(drainMost, MaxRequests-requestsToEnd-probes-3-c.requests) {
		err := more(burst)
		if err != nil && burst.Err() != nil && ctx.Err() == nil {
			break
		}
		if err != nil {
			return err
		}
	}
	for range probes {
		if err := sleep(ctx, probeEvery); err != nil {
			return err
		}
		if err := more(ctx); err != nil {
			return err
		}
	}
	// A window may only end later.
	last := series[len(series)-1]
	wait := time.Duration(last.reset-last.date+1) * time.Second
	end := last.received.Add(wait)
	if limitOf(series).kind != unknown || last.date == 0 || wait <= 0 || !end.Before(c.started.Add(c.timeToAsk-5*time.Second)) {
		return nil
	}
	if err := sleep(ctx, time.Until(end)); err != nil {
		return err
	}
	if err := more(ctx); err != nil {
		return err
	}
	return more(ctx)
}

var errNoHeaders = errors.New("a 204 shows no limit")

// alternate lists the tenant's roles and adds a user, in turn.
func alternate(ctx context.Context, e *examination) error {
	if !e.headers {
		return errNoHeaders
	}
	var series []reading
	for range alternations {
		x, err := e.client.ask(ctx, request{class: roles, method: http.MethodGet, path: "/roles"})
		if err := x.refusal(err, "the list of roles"); err != nil {
			return err
		}
		r, err := e.single(ctx)
		if err != nil {
			return err
		}
		series = append(series, r)
	}
	e.alternated = series
	return nil
}

// readOnce reads the members once.
func readOnce(ctx context.Context, e *examination) error {
	_, err := e.list(ctx)
	return err
}

// conclude answers what follows from all that was seen.
func (e *examination) conclude() {
	r := &e.report
	r.answerLatency(e.singles, e.tens)
	shared, known := e.limit.shares(e.alternated)
	switch {
	case e.limit.kind == unknown:
		r.noAnswer(qShared, errors.New("it is not known how the limit comes back"))
	case !known:
		r.noAnswer(qShared, errors.New("too much came back in between"))
	case shared:
		r.answer(qShared, "true", "yes")
	default:
		r.answer(qShared, "false", "no")
	}
	r.answerLag(qLag, lagOf(e.additions, e.listings, true))
	for _, b := range []struct {
		of, others *Question
		batch
	}{{qUnknown, qUnknownOthers, e.unknownOthers}, {qMalformed, qMalformedOthers, e.malformedOthers}} {
		in, known := e.othersIn(b.batch)
		switch {
		case !known:
			r.noAnswer(b.others, errors.New("additions did not show in time, or not all alike"))
		case b.ok() && in:
			r.answer(b.others, "", "yes")
		case in:
			r.answer(b.others, "true", "yes")
		default:
			r.answer(b.others, "false", "no")
		}
		if b.ok() && !listed(e.listings, b.bad) {
			r.answerStatus(b.of, b.exchange)
		} else if b.ok() {
			r.noAnswer(b.of, errors.New("the tenant takes any id for a user's"))
		}
	}
}

// othersIn tells whether the users beside one who can't be added are members, if that
// is known. They are not if they are not listed where later additions are, or all
// additions, and after more time than those took.
func (e *examination) othersIn(b batch) (in, known bool) {
	if len(b.good) == 0 {
		return false, false
	}
	lag := lagOf(e.additions, e.listings, true)
	n, absent := 0, false
	for _, u := range b.good {
		if listed(e.listings, u) {
			n++
		}
	}
	for _, l := range e.listings {
		some, all := false, true
		for _, c := range e.additions {
			there := l.users[c.user]
			some = some || there
			absent = absent || there && c.sent.After(b.received)
			all = all && (there || !c.undone.IsZero())
		}
		absent = absent || some && all && l.sent.Sub(b.received) > max(lag.low, lag.high)+time.Second
	}
	return n > 0, n == len(b.good) || n == 0 && absent
}
