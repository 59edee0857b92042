package importer

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// A refusal says that something in the batch is bad, but seldom what. Finding
// out costs requests, and requests are the scarcest resource. The rules:
//
//   - A row fails only if it was refused alone, or if the refusal named it and
//     no other, and the rest of the batch was accepted without it. So a good row
//     gets in whatever the server's refusals mean: bad ids, a batch that is too
//     large, a batch of which half was accepted. Adding twice adds once.
//   - If the refusal names some of the users, the others are sent first. That
//     one request settles them; the named users are then sent one by one, unless
//     only one is named, which is then proved to be bad.
//   - If it names nobody, the batch is halved. If the first half is accepted, the
//     second holds the bad row and need not be sent whole.
//   - A conflict may mean that the user is a member, or that another batch for
//     the organization was under way. So from then on the batch has the
//     organization to itself, and a row counts as a member only if it conflicts
//     again.
//   - As soon as three separate parts are known to be bad, the rest is sent row
//     by row, because halving would cost more.
//
// Without names, a batch of ten costs these requests on average, including the
// first refusal: 6.3 for one bad row (7 at most), 9.6 (11) for two, 13.1 (15) for
// three, 14 for ten. Sending it row by row would always cost 11. With names, one
// bad row costs 2. TestCostOfBadRows checks these figures.

// singlyFrom is the number of parts that must be known to be bad before the rest
// of a batch is sent row by row.
const singlyFrom = 3

// sender sends batches for all who ask, and remembers what makes further requests
// pointless.
type sender struct {
	op    Op
	locks *orgLocks
	news  chan struct{} // that an organization has answered, or a batch has ended

	mu            sync.Mutex
	organizations map[string]*organization
	users         map[string]Receipt // refusals of users that do not exist
	answers       int                // of all organizations
	underWay      int                // batches
	aside         int                // batches that were put aside
}

// organization is what is known of an organization while it has batches, and for
// longer if it takes no rows.
type organization struct {
	underWay   int
	unanswered int     // of those, the ones begun since it answered last
	aside      []Batch // that wait until it answers

	failed  int     // requests in a row that got no usable answer
	failure Receipt // of the last of them
	answers int     // of all organizations when it answered last

	refusal *Receipt // of all its rows
	full    *Receipt // of rows that it has no room for
}

func newSender(op Op) *sender {
	return &sender{
		op: op, locks: newOrgLocks(), news: make(chan struct{}, 1),
		organizations: make(map[string]*organization), users: make(map[string]Receipt),
	}
}

// organization returns what is known of an organization. It is called with mu held.
func (s *sender) organization(id string) *organization {
	o := s.organizations[id]
	if o == nil {
		o = &organization{answers: s.answers}
		s.organizations[id] = o
	}
	return o
}

// silent reports whether an organization is taken not to answer. It is called with
// mu held.
func (s *sender) silent(o *organization) bool {
	return o.failed >= mostUnanswered && s.answers > o.answers
}

// open reports whether a batch of an organization may begin, if only to fail. It is
// called with mu held.
func (s *sender) open(o *organization) bool {
	return o.unanswered+o.failed < mostUnanswered || o.underWay == 0 || s.silent(o)
}

// count notes that a batch has begun (1) or ended (-1). It is called with mu held.
func (s *sender) count(o *organization, n int) {
	s.underWay += n
	o.underWay += n
	o.unanswered = max(0, o.unanswered+n)
	s.wake()
}

func (s *sender) wake() {
	select {
	case s.news <- struct{}{}:
	default: // the last is not heard yet
	}
}

// hear notes whether an organization has answered a request.
func (s *sender) hear(id string, receipt Receipt, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.organization(id)
	switch reach := ReachOf(err); {
	case err == nil, reach == ReachRow, reach == ReachOrg:
		s.answers++
		o.unanswered, o.failed, o.answers = 0, 0, s.answers
		s.wake()
	case reach == ReachBatch:
		o.failed++
		o.failure = receipt
	}
}

// sendBatch sends a batch and returns the outcome of each of its rows. If it also
// returns an error, the run is over, and rows without an outcome are undecided.
func (s *sender) sendBatch(ctx context.Context, b Batch) ([]Outcome, error) {
	n := &narrowing{sender: s, ctx: ctx, orgID: b.OrgID, unlock: func() {}, outcomes: make([]Outcome, 0, len(b.Rows))}
	rows := make([]pending, 0, len(b.Rows))
	for _, r := range b.Rows {
		if r.Err != nil {
			n.outcomes = append(n.outcomes, Unsent(r))
		} else {
			rows = append(rows, pending{Row: r})
		}
	}
	defer func() { n.unlock() }()
	err := n.decideAll(rows)
	return n.outcomes, err
}

// narrowing is the state of one batch until each of its rows is decided.
type narrowing struct {
	*sender
	ctx      context.Context
	orgID    string
	stack    []part // what is left to decide, the next one last
	badRows  int    // rows that proved to be bad
	outcomes []Outcome

	exclusive bool   // the batch has the organization to itself
	unlock    func() // releases the organization; does nothing before
}

// part is a group of rows of a batch that are decided together.
type part struct {
	rows    []pending
	bad     bool    // at least one of them is known to be bad
	refusal error   // the refusal of exactly these rows; nil if they were not sent together
	receipt Receipt // the receipt of that refusal
}

// pending is a row that is not decided yet.
type pending struct {
	Row
	attempts int // requests that carried it
}

// decideAll sends rows, and parts of them, until each is decided.
func (n *narrowing) decideAll(rows []pending) error {
	n.push(part{rows: rows})
	for len(n.stack) > 0 {
		p := n.pop()
		var err error
		switch {
		case len(p.rows) == 1: // even if it must be the bad row: it has not been refused alone yet
			_, err = n.try(p.rows)
		case p.refusal != nil && p.blamesSome():
			err = n.setAside(p)
		case n.knownBad(p) >= singlyFrom:
			n.singly(p.rows)
		case p.bad:
			err = n.halve(p)
		default:
			_, err = n.try(p.rows)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// try sends rows and reports whether they were accepted. If not, they fail, or
// are put back as a part known to be bad. An error ends the run.
func (n *narrowing) try(rows []pending) (accepted bool, err error) {
	rows = n.withoutHopeless(rows)
	if len(rows) == 0 {
		return false, nil
	}
	receipt, err := n.send(rows)
	if errors.Is(err, ErrConflict) && !n.exclusive {
		n.unlock = n.locks.exclude(n.orgID)
		n.exclusive = true
		if len(rows) == 1 {
			receipt, err = n.send(rows)
		}
	}
	if err == nil {
		for _, r := range rows {
			n.decide(r, n.op.Done, receipt)
		}
		return true, nil
	}
	switch reach := ReachOf(err); {
	case reach == ReachRow && len(rows) > 1:
		n.push(part{rows: rows, bad: true, refusal: err, receipt: receipt})
	case reach == ReachRow:
		n.refuse(rows[0], receipt, err)
	case reach == ReachBatch:
		n.failAll(rows, receipt)
	case reach == ReachOrg:
		n.mu.Lock()
		n.organization(n.orgID).refusal = &receipt
		n.mu.Unlock()
		for _, r := range rows {
			n.decide(r, Failed, receipt)
		}
	default:
		return false, err
	}
	return false, nil
}

// send makes one request.
func (n *narrowing) send(rows []pending) (Receipt, error) {
	if n.ctx.Err() != nil {
		return Receipt{}, context.Cause(n.ctx)
	}
	if !n.exclusive {
		defer n.locks.share(n.orgID)()
	}
	receipt, err := n.op.Send(n.ctx, n.batch(rows))
	n.hear(n.orgID, receipt, err)
	for i := range rows {
		rows[i].attempts += receipt.Attempts
	}
	return receipt, err
}

// withoutHopeless fails the rows that can't succeed after an earlier answer, or after
// none, and returns the others. The outcome of such a row has the answer and the
// correlation id of that request, and no attempts.
func (n *narrowing) withoutHopeless(rows []pending) []pending {
	n.mu.Lock()
	defer n.mu.Unlock()
	o := n.organization(n.orgID)
	if o.refusal == nil && n.silent(o) {
		n.failAll(rows, o.failure)
		return nil
	}
	if o.refusal == nil && o.full == nil && len(n.users) == 0 {
		return rows
	}
	hopeful := rows[:0:0]
	for _, r := range rows {
		refusal, unknown := n.users[r.UserID]
		switch {
		case o.refusal != nil:
			n.decide(r, Failed, *o.refusal)
		case o.full != nil && r.attempts == 0: // a refused request may have let some of its rows in
			n.decide(r, Failed, *o.full)
		case unknown:
			n.decide(r, Failed, refusal)
		default:
			hopeful = append(hopeful, r)
		}
	}
	return hopeful
}

// failAll fails rows that the server gave no usable answer for.
func (n *narrowing) failAll(rows []pending, receipt Receipt) {
	for _, r := range rows {
		n.decide(r, Failed, receipt)
		n.outcomes[len(n.outcomes)-1].Transient = true
	}
}

// setAside first sends the rows that a refusal does not name.
func (n *narrowing) setAside(p part) error {
	var suspects, others []pending
	blamed := p.blamed()
	for _, r := range p.rows {
		if slices.Contains(blamed, r.UserID) {
			suspects = append(suspects, r)
		} else {
			others = append(others, r)
		}
	}
	accepted, err := n.try(others)
	if err != nil {
		return err
	}
	if accepted && len(suspects) == 1 {
		n.refuse(suspects[0], p.receipt, p.refusal)
		return nil
	}
	n.singly(suspects)
	return nil
}

// blamed returns the users that the refusal of p names, or nothing if it names
// none.
func (p *part) blamed() []string {
	var b interface {
		Blame(userIDs []string) []string
	}
	if errors.As(p.refusal, &b) {
		return b.Blame(userIDs(p.rows))
	}
	return nil
}

// blamesSome reports whether the refusal of p names some of its rows, but not
// all.
func (p *part) blamesSome() bool {
	blamed := len(p.blamed())
	return 0 < blamed && blamed < len(p.rows)
}

// halve sends the first half of p. If that is accepted, the bad row is in the
// second half, which then need not be sent whole.
func (n *narrowing) halve(p part) error {
	half := len(p.rows) / 2
	n.push(part{rows: p.rows[half:]})
	rest := len(n.stack) - 1
	accepted, err := n.try(p.rows[:half])
	if accepted {
		n.stack[rest].bad = true
	}
	return err
}

// singly puts rows back as parts of one row each.
func (n *narrowing) singly(rows []pending) {
	for i := range slices.Backward(rows) {
		n.push(part{rows: rows[i : i+1]})
	}
}

// knownBad counts the bad rows found so far and the separate parts, including
// next, that are known to hold another.
func (n *narrowing) knownBad(next part) int {
	bad := n.badRows
	for _, p := range append(n.stack, next) {
		if p.bad {
			bad++
		}
	}
	return bad
}

// refuse decides the outcome of a row that caused err.
func (n *narrowing) refuse(r pending, receipt Receipt, err error) {
	n.badRows++
	if n.op.Already != "" && errors.Is(err, ErrMember) {
		n.decide(r, n.op.Already, receipt)
		return
	}
	n.mu.Lock()
	switch {
	case errors.Is(err, ErrUnknownUser):
		n.users[r.UserID] = receipt
	case errors.Is(err, ErrOrgFull):
		n.organization(n.orgID).full = &receipt
	}
	n.mu.Unlock()
	n.decide(r, Failed, receipt)
}

func (n *narrowing) decide(r pending, s Status, receipt Receipt) {
	receipt.Attempts = r.attempts
	if receipt.Time.IsZero() {
		receipt.Time = time.Now()
	}
	if receipt.FoundOrg != "" {
		r.OrgID = receipt.FoundOrg
	}
	n.outcomes = append(n.outcomes, Outcome{Row: r.Row, Status: s, Receipt: receipt})
}

func (n *narrowing) push(p part) { n.stack = append(n.stack, p) }

func (n *narrowing) pop() part {
	last := len(n.stack) - 1
	p := n.stack[last]
	n.stack = n.stack[:last]
	return p
}

func (n *narrowing) batch(rows []pending) Batch {
	b := Batch{OrgID: n.orgID, Rows: make([]Row, len(rows))}
	for i, r := range rows {
		b.Rows[i] = r.Row
	}
	return b
}

func userIDs(rows []pending) []string {
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = r.UserID
	}
	return ids
}
