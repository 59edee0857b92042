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
	"time"
)

// What an examination may take. Of the requests, some are kept for the end: one
// that deletes the organization, and what that takes if it is refused at first.
const (
	MaxRequests   = 80
	MaxTime       = 100 * time.Second
	longestWindow = 61 * time.Second // limits come back within a minute
	requestsToEnd = 4
	timeToEnd     = 7 * time.Second
	timeUnlimited = MaxTime - timeToEnd - longestWindow // to ask if no limit is shown: a refusal takes a window to pass
	maxRefusals   = 1                                   // of questions, for a limit that headers do not show; the deletion may get another

	// MinUsers is how many test users it takes: each kind of question needs some
	// who are no members yet.
	MinUsers = 40
)

// Doctor examines a tenant. Set the fields of what [New] returns before the first
// call, and use it once.
type Doctor struct {
	Tenant *url.URL
	Base   http.RoundTripper // sends a request once, with a token
	Users  []string          // ids of test users, at least MinUsers
	Name   string            // of the organization; New makes one up

	clients  [classes]*http.Client
	last     [classes]exchange // the last answers that showed a limit
	started  time.Time
	requests int
	taken    [classes]int // successes, each of which took a permission
	refusals int          // with a 429

	refusedAt time.Time // the last time
	ending    bool

	timeToAsk time.Duration // since the start

	orgID    string
	mayExist bool // the organization

	people
	found Report

	headers         bool // a 204 has them
	singles, tens   []time.Duration
	additions       []change // of users who were no members
	removals        []change
	sights          []sight // while additions were waited for, and at the end
	after           []sight // since the removal
	unknownOthers   batch
	malformedOthers batch
	alternated      []reading
	limit           limit
}

// New returns a Doctor with test users and a new name for its organization.
func New(users []string) *Doctor { return &Doctor{Users: users, Name: newName()} }

func (d *Doctor) begin() {
	d.started, d.timeToAsk = time.Now(), MaxTime-timeToEnd
	d.clients = newClients(d.Base)
}

// Run examines the tenant and returns what it has found, also if it was stopped.
// The error is why it could not begin, or why it was stopped, or a
// [*LeftBehindError].
func (d *Doctor) Run(ctx context.Context) (*Report, error) {
	d.begin()
	d.people = people{fresh: slices.Clone(d.Users)}
	err := d.makeOrganization(ctx)
	if err == nil {
		err = d.examine(ctx)
	}
	err = d.end(ctx, err)
	d.found.complete()
	d.found.Requests, d.found.Refusals, d.found.Took = d.requests, d.refusals, time.Since(d.started)
	return &d.found, err
}

// step is a part of the examination, with the questions that it answers.
type step struct {
	do        func(context.Context) error
	questions []*Question
}

// examine asks the questions. Those that are not answered get the reason.
func (d *Doctor) examine(ctx context.Context) error {
	for i, s := range []step{
		{d.addSome, []*Question{qHeaders, qLatency}},
		{d.addAgain, []*Question{qReadd}},
		{d.addUnknown, []*Question{qUnknown, qUnknownNamed, qUnknownOthers}},
		{d.addMalformed, []*Question{qMalformed, qMalformedNamed, qMalformedOthers}},
		{d.addTwice, []*Question{qTwice}},
		{d.addEleven, []*Question{qEleven}},
		{d.addElsewhere, []*Question{qMissingOrg, qMalformedOrg}},
		{d.waitForAdditions, []*Question{qLag}},
		{d.removeSome, []*Question{qRemovalLag}},
		{d.readPages, []*Question{qNext}},
		{d.alternate, []*Question{qShared}},
		{d.drain, []*Question{qLimit, qReset}},
		{d.readOnce, nil},
	} {
		err := s.do(ctx)
		if err == nil {
			continue
		}
		for _, q := range s.questions {
			d.found.untold(q, err)
		}
		var lacks *LacksScopeError
		if ctx.Err() != nil || i == 0 || permanent(err) {
			return err
		}
		if errors.As(err, &lacks) && slices.Contains(s.questions, qReadd) {
			return err
		}
	}
	d.conclude()
	return nil
}

// batch is a request that adds users, some of whom can't be added.
type batch struct {
	exchange
	bad  string   // the id that can't be
	good []string // the users who can be
}

func (d *Doctor) members() string { return "/organizations/" + url.PathEscape(d.orgID) + "/members" }

func (d *Doctor) write(ctx context.Context, method, path string, users ...string) (exchange, error) {
	return d.ask(ctx, request{class: writes, method: method, path: path, body: map[string][]string{"members": users}})
}

// add adds users, and notes those who were no members.
func (d *Doctor) add(ctx context.Context, users ...string) (exchange, error) {
	x, err := d.write(ctx, http.MethodPost, d.members(), users...)
	if err != nil || !x.ok() {
		return x, err
	}
	for _, u := range users {
		if d.joined(u) && !x.lost {
			d.additions = append(d.additions, change{user: u, sent: x.sent, received: x.received})
		}
	}
	if took := x.received.Sub(x.sent); len(users) == 1 {
		d.singles = append(d.singles, took)
	} else if len(users) == 10 {
		d.tens = append(d.tens, took)
	}
	return x, nil
}

// remove removes users, at most ten.
func (d *Doctor) remove(ctx context.Context, users ...string) (exchange, error) {
	x, err := d.write(ctx, http.MethodDelete, d.members(), users...)
	if err != nil || !x.ok() {
		return x, cmpRefused(err, "the removal of members", x)
	}
	for _, u := range users {
		d.left(u)
		for i := range d.additions {
			if d.additions[i].user == u {
				d.additions[i].undone = x.sent
			}
		}
	}
	return x, nil
}

func cmpRefused(err error, what string, x exchange) error {
	if err != nil {
		return err
	}
	return &RefusedError{what, x.status, x.message}
}

// look reads the list of members.
func (d *Doctor) look(ctx context.Context) (sight, error) {
	s := sight{users: make(map[string]bool)}
	x, ids, _, err := d.page(ctx, url.Values{"take": {"100"}})
	for _, id := range ids {
		s.users[id] = true
	}
	s.sent, s.received = x.sent, x.received
	return s, err
}

func (d *Doctor) page(ctx context.Context, query url.Values) (x exchange, ids []string, next string, err error) {
	x, err = d.ask(ctx, request{class: reads, method: http.MethodGet, path: d.members(), query: query})
	if err != nil || !x.ok() {
		return x, nil, "", cmpRefused(err, "the list of members", x)
	}
	type member struct {
		UserID string `json:"user_id"`
	}
	var page struct {
		Members []member
		Next    string
	}
	if json.Unmarshal(x.body, &page) != nil && json.Unmarshal(x.body, &page.Members) != nil {
		return x, nil, "", errors.New("the list of members can't be read")
	}
	for _, m := range page.Members {
		ids = append(ids, m.UserID)
	}
	return x, ids, page.Next, nil
}

// people are the test users by what is known of them.
type people struct {
	fresh   []string // never asked to be added
	members []string // those added and not removed
	free    []string // those removed
	unclear []string // those in a request that was refused
}

// take returns n users who are no members and never were.
func (p *people) take(n int) []string {
	n = min(n, len(p.fresh))
	taken := p.fresh[:n:n]
	p.fresh = p.fresh[n:]
	return taken
}

// joined notes a member, and reports whether the user is one for the first time.
func (p *people) joined(user string) bool {
	was := slices.Contains(slices.Concat(p.members, p.free, p.unclear), user)
	p.leave(user)
	p.members = append(p.members, user)
	return !was
}

func (p *people) left(user string) {
	p.leave(user)
	p.free = append(p.free, user)
}

func (p *people) leave(user string) {
	for _, list := range []*[]string{&p.members, &p.free, &p.unclear} {
		*list = slices.DeleteFunc(*list, func(u string) bool { return u == user })
	}
}

const ofABatch = 10 // users, the most in one request that Auth0 documents

// addSome adds one user, then ten.
func (d *Doctor) addSome(ctx context.Context) error {
	for _, n := range []int{1, ofABatch} {
		x, err := d.add(ctx, d.take(n)...)
		if err != nil || !x.ok() {
			return cmpRefused(err, "test users", x)
		}
		d.headers = d.headers || x.shows
	}
	if err := d.readOnce(ctx); err != nil && permanent(err) {
		return err
	}
	if d.headers {
		d.found.tell(qHeaders, "false", "there")
	} else {
		d.found.tell(qHeaders, "true", "none")
		d.timeToAsk = timeUnlimited
	}
	return nil
}

func (d *Doctor) addAgain(ctx context.Context) error {
	x, err := d.add(ctx, d.people.members[1:1+ofABatch]...)
	if err != nil {
		return err
	}
	d.found.tellStatus(qReadd, x)
	return nil
}

// readdable reports whether members can be added once more without harm.
func (d *Doctor) readdable() bool { return d.found.value(qReadd) == "204" }

// addUnknown adds a user who does not exist between two who do.
func (d *Doctor) addUnknown(ctx context.Context) error {
	unknown := likeness(d.Users[0])
	b, err := d.addBad(ctx, unknown, d.take(2))
	if err != nil {
		return err
	}
	d.unknownOthers = b
	if !b.ok() {
		d.found.tellStatus(qUnknown, b.exchange)
	}
	d.found.tellNamed(qUnknownNamed, b.exchange, unknown, "members[1]")
	return nil
}

// addMalformed adds an id that has not the form of a user's, alone and beside a
// user who exists.
func (d *Doctor) addMalformed(ctx context.Context) error {
	malformed := "malformed " + randomHex(8)
	alone, err := d.addBad(ctx, malformed, nil)
	if err != nil {
		return err
	}
	b, err := d.addBad(ctx, malformed, d.take(1))
	if err != nil {
		return err
	}
	if alone.status != b.status {
		return fmt.Errorf("alone it is answered %d, beside another user %d", alone.status, b.status)
	}
	d.malformedOthers = b
	if !b.ok() {
		d.found.tellStatus(qMalformed, b.exchange)
	}
	place := "members[0]"
	if len(b.good) == 1 {
		place = "members[1]"
	}
	d.found.tellNamed(qMalformedNamed, b.exchange, malformed, place)
	return nil
}

// addBad adds an id that can't be added, after the first of some users who can.
func (d *Doctor) addBad(ctx context.Context, bad string, others []string) (batch, error) {
	users := slices.Concat(others[:min(1, len(others))], []string{bad}, others[min(1, len(others)):])
	d.unclear = append(d.unclear, others...)
	x, err := d.write(ctx, http.MethodPost, d.members(), users...)
	if err == nil && x.lost {
		err = errors.New("an answer was lost")
	}
	return batch{x, bad, others}, err
}

// likeness returns an id of the same form as a user's that nobody has.
func likeness(user string) string {
	provider, rest, _ := strings.Cut(user, "|")
	n := max(len(rest), 16)
	return provider + "|" + randomHex(n/2 + 1)[:n]
}

// addTwice adds a user who is in the request twice.
func (d *Doctor) addTwice(ctx context.Context) error {
	user := d.people.members[0]
	if !d.readdable() {
		user = d.take(1)[0]
	}
	x, err := d.add(ctx, user, user)
	if err == nil && x.lost {
		err = errors.New("an answer was lost")
	}
	if err != nil {
		return err
	}
	d.found.tellStatus(qTwice, x)
	return nil
}

func (d *Doctor) addEleven(ctx context.Context) error {
	users := d.people.members[:min(len(d.people.members), ofABatch+1)]
	if !d.readdable() {
		users = d.take(ofABatch + 1)
	}
	if len(users) <= ofABatch {
		return errors.New("there were not enough test users")
	}
	x, err := d.add(ctx, slices.Clone(users)...)
	if err == nil && x.lost {
		err = errors.New("an answer was lost")
	}
	if err != nil {
		return err
	}
	if !x.ok() {
		for _, u := range users {
			if !slices.Contains(d.people.members, u) {
				d.unclear = append(d.unclear, u)
			}
		}
	}
	d.found.tellStatus(qEleven, x)
	return nil
}

// addElsewhere adds a user to an organization that does not exist, and to one that
// can't.
func (d *Doctor) addElsewhere(ctx context.Context) error {
	for _, o := range []struct {
		question *Question
		id       string
	}{{qMissingOrg, "org_unknown" + randomHex(5)[:9]}, {qMalformedOrg, "org_unknown-" + randomHex(4)}} {
		x, err := d.write(ctx, http.MethodPost, "/organizations/"+o.id+"/members", d.people.members[0])
		if err != nil {
			d.found.untold(o.question, err)
			if _, forbidden := errors.AsType[*LacksScopeError](err); forbidden {
				continue
			}
			return err
		}
		d.found.tellOrg(o.question, x)
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
func (d *Doctor) poll(ctx context.Context, wanted func(sight) bool) error {
	began := time.Now()
	for {
		s, err := d.look(ctx)
		if err != nil || wanted(s) {
			return err
		}
		every := pollEvery
		switch since := time.Since(began); {
		case since > pollFor, d.requests > MaxRequests-requestsToEnd-requestsForLimits:
			return nil
		case since > slowAfter:
			every = 2 * pollEvery
		}
		if err := sleep(ctx, time.Until(s.sent.Add(every))); err != nil {
			return err
		}
	}
}

// waitForAdditions reads the members until all additions show.
func (d *Doctor) waitForAdditions(ctx context.Context) error {
	return d.poll(ctx, func(s sight) bool {
		d.sights = append(d.sights, s)
		return !slices.ContainsFunc(d.additions, func(c change) bool { return !s.users[c.user] })
	})
}

// shown reports whether all additions were listed.
func (d *Doctor) shown() bool {
	return len(d.sights) > 0 && !slices.ContainsFunc(d.additions, func(c change) bool { return !d.sights[len(d.sights)-1].users[c.user] })
}

// readPages reads the members in pages of two.
func (d *Doctor) readPages(ctx context.Context) error {
	const most = 12 // pages: as many members are there only if 11 at a time could be added
	query, read := url.Values{"take": {"2"}}, 0
	for range most {
		_, ids, next, err := d.page(ctx, query)
		switch {
		case err != nil:
			return err
		case len(ids) == 0 && !query.Has("from"):
			return errors.New("no member was listed")
		case len(ids) == 0:
			if err := d.readOnce(ctx); err != nil {
				return err
			}
			if len(d.sights[len(d.sights)-1].users) != read {
				return errors.New("the list changed while it was read")
			}
			d.found.tell(qNext, "always", "yes, to an empty page")
			return nil
		case next == "":
			d.found.tell(qNext, "never", "no")
			return nil
		}
		read += len(ids)
		query.Set("from", next)
	}
	return errors.New("there were too many pages")
}

// removeSome removes ten members and reads on until they are gone.
func (d *Doctor) removeSome(ctx context.Context) error {
	if !d.shown() {
		return errors.New("additions did not show in time")
	}
	users := slices.Clone(d.people.members[1 : 1+ofABatch])
	x, err := d.remove(ctx, users...)
	if err == nil && x.lost {
		err = errors.New("an answer was lost")
	}
	if err != nil {
		return err
	}
	for _, u := range users {
		d.removals = append(d.removals, change{user: u, sent: x.sent, received: x.received})
	}
	err = d.poll(ctx, func(s sight) bool {
		d.after = append(d.after, s)
		return !slices.ContainsFunc(users, func(u string) bool { return s.users[u] })
	})
	if err != nil {
		return err
	}
	d.found.tellLag(qRemovalLag, lagOf(d.removals, d.after, false))
	return nil
}

// another returns a user who can be added, after making one.
func (d *Doctor) another(ctx context.Context) (user string, err error) {
	switch {
	case len(d.fresh) > 0:
		return d.take(1)[0], nil
	case len(d.free) > 0:
		return d.free[0], nil
	case d.readdable():
		return d.people.members[0], nil
	}
	if _, err := d.remove(ctx, slices.Clone(d.people.members[:min(ofABatch, len(d.people.members))])...); err != nil {
		return "", err
	}
	return d.free[0], nil
}

// single adds one user and returns what the answer shows of the limit.
func (d *Doctor) single(ctx context.Context) (reading, error) {
	user, err := d.another(ctx)
	if err != nil {
		return reading{}, err
	}
	x, err := d.add(ctx, user)
	switch {
	case err != nil:
		return reading{}, err
	case !x.ok():
		d.leave(user)
		d.unclear = append(d.unclear, user)
		return reading{}, &RefusedError{"a test user", x.status, x.message}
	case !x.shows || x.tries > 1:
		return reading{}, errors.New("an answer showed no limit")
	}
	return x.reading, nil
}

// How the limit is drained: as fast as answers come, then one request every
// probeEvery.
const (
	drainMost  = 22
	drainFor   = 8 * time.Second
	probes     = 6
	probeEvery = 5 * time.Second

	alternations      = 6
	requestsForLimits = drainMost + probes + 2*alternations + 2
)

// drain takes permissions until few are left, and sees how they come back.
func (d *Doctor) drain(ctx context.Context) error {
	if !d.headers {
		return errors.New("a 204 shows no limit")
	}
	var series []reading
	defer func() { d.tellLimit(series) }()
	burst, cancel := context.WithTimeout(ctx, drainFor)
	defer cancel()
	for range min(drainMost, MaxRequests-requestsToEnd-probes-3-d.requests) {
		r, err := d.single(burst)
		if err != nil && burst.Err() != nil && ctx.Err() == nil {
			break
		}
		if err != nil {
			return err
		}
		series = append(series, r)
	}
	for range probes {
		if err := sleep(ctx, probeEvery); err != nil {
			return err
		}
		r, err := d.single(ctx)
		if err != nil {
			return err
		}
		series = append(series, r)
	}
	// A window may only end later.
	if last := series[len(series)-1]; limitOf(series).kind == unknown && last.date != 0 {
		wait := time.Duration(last.reset-last.date+1) * time.Second
		if end := last.received.Add(wait); wait > 0 && end.Before(d.started.Add(d.timeToAsk-5*time.Second)) {
			if err := sleep(ctx, time.Until(end)); err != nil {
				return err
			}
			for range 2 {
				r, err := d.single(ctx)
				if err != nil {
					return err
				}
				series = append(series, r)
			}
		}
	}
	return nil
}

// alternate lists the tenant's roles and adds a user, in turn.
func (d *Doctor) alternate(ctx context.Context) error {
	if !d.headers {
		return errors.New("a 204 shows no limit")
	}
	var series []reading
	for range alternations {
		x, err := d.ask(ctx, request{class: roles, method: http.MethodGet, path: "/roles"})
		if err != nil || !x.ok() {
			return cmpRefused(err, "the list of roles", x)
		}
		r, err := d.single(ctx)
		if err != nil {
			return err
		}
		series = append(series, r)
	}
	d.alternated = series
	return nil
}

// readOnce reads the members once.
func (d *Doctor) readOnce(ctx context.Context) error {
	s, err := d.look(ctx)
	if err == nil {
		d.sights = append(d.sights, s)
	}
	return err
}

// tellShared answers whether the requests of alternate shared a limit.
func (d *Doctor) tellShared() {
	shared, told := d.limit.shares(d.alternated)
	switch {
	case d.limit.kind == unknown:
		d.found.untold(qShared, errors.New("it is not known how the limit comes back"))
	case !told:
		d.found.untold(qShared, errors.New("too much came back in between"))
	case shared:
		d.found.tell(qShared, "true", "yes")
	default:
		d.found.tell(qShared, "false", "no")
	}
}

// conclude answers what follows from all that was seen.
func (d *Doctor) conclude() {
	d.found.tellLatency(d.singles, d.tens)
	d.tellShared()
	d.found.tellLag(qLag, lagOf(d.additions, d.sights, true))
	for _, b := range []struct {
		of, others *Question
		batch
	}{{qUnknown, qUnknownOthers, d.unknownOthers}, {qMalformed, qMalformedOthers, d.malformedOthers}} {
		are, told := d.others(b.batch)
		d.found.tellOthers(b.others, are, told, b.ok())
		if b.ok() && !slices.ContainsFunc(d.sights, func(s sight) bool { return s.users[b.bad] }) {
			d.found.tellStatus(b.of, b.exchange)
		} else if b.ok() {
			d.found.untold(b.of, errors.New("the tenant takes any id for a user's"))
		}
	}
}

// others tells whether the users beside one who can't be added are members. They
// are not if they are not listed where later additions are, or all additions, and
// after more time than those took.
func (d *Doctor) others(b batch) (are, told bool) {
	if len(b.good) == 0 {
		return false, false
	}
	l := lagOf(d.additions, d.sights, true)
	listed, absent := 0, false
	for _, u := range b.good {
		if slices.ContainsFunc(d.sights, func(s sight) bool { return s.users[u] }) {
			listed++
		}
	}
	for _, s := range d.sights {
		some, all := false, true
		for _, c := range d.additions {
			listed := s.users[c.user]
			some = some || listed
			absent = absent || listed && c.sent.After(b.received)
			all = all && (listed || !c.undone.IsZero())
		}
		absent = absent || some && all && s.sent.Sub(b.received) > max(l.low, l.high)+time.Second
	}
	return listed > 0, listed == len(b.good) || listed == 0 && absent
}

func (d *Doctor) tellLimit(series []reading) {
	series = slices.DeleteFunc(series, func(r reading) bool { return r.limit != series[0].limit })
	d.limit = limitOf(series)
	d.found.tellLimit(d.limit)
}
