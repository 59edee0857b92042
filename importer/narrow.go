package importer

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// A refused batch says that something in it is bad, seldom what. To find out
// costs requests, and requests are what there is least of. The rules:
//
//   - A row fails only if it was refused alone, or if the refusal named it, and
//     it only, and its fellows were taken without it. So a good row gets in
//     whatever the server's refusals mean: bad ids, a batch that is too large
//     for it, a batch that it took half of. Adding twice adds once.
//   - If the refusal names some of the users, the others are sent first. That
//     one request settles them; those named are asked about singly, unless
//     there is just one, for then it is proved already.
//   - If it names nobody, the batch is halved. When the first half is taken the
//     second need not be sent whole: it holds the bad row.
//   - A refusal that speaks of a conflict may mean that the user is a member, or
//     that another batch for the organization was under way. So from then on
//     the batch has the organization to itself, and a row is taken for a member
//     only if it conflicts then.
//   - As soon as three separate parts are known to be bad the rest goes singly,
//     for then halving would cost more.
//
// Without names that is, for a batch of ten, the first refusal included: 6.3
// requests on average for one bad row (7 at most), 9.6 (11) for two, 13.1 (15)
// for three, 14 for ten; singly it would be 11 each time. With names it is 2
// for one bad row. TestCostOfBadRows holds these figures.

// singlyFrom is how many parts of a batch must be known to be bad for the rest
// of it to be sent row by row.
const singlyFrom = 3

// sender sends batches for all workers and remembers what makes further
// requests needless.
type sender struct {
	op    Op
	turns *turns

	mu    sync.Mutex
	orgs  map[string]Receipt // of the refusals of organizations that take nobody
	full  map[string]Receipt // of those that take nobody more
	users map[string]Receipt // of the refusals of users that do not exist
}

func newSender(op Op) *sender {
	return &sender{op: op, turns: newTurns(), orgs: map[string]Receipt{}, full: map[string]Receipt{}, users: map[string]Receipt{}}
}

// settle sends a batch and returns the outcome of each of its rows. If it
// returns an error too, the run is over and the rows that are missing among the
// outcomes have not been decided.
func (s *sender) settle(ctx context.Context, b Batch) ([]Outcome, error) {
	n := &narrowing{sender: s, ctx: ctx, orgID: b.OrgID, endTurn: func() {}, outcomes: make([]Outcome, 0, len(b.Rows))}
	rows := make([]pending, 0, len(b.Rows))
	for _, r := range b.Rows {
		if r.Err != nil {
			n.outcomes = append(n.outcomes, Unsent(r))
		} else {
			rows = append(rows, pending{Row: r})
		}
	}
	defer func() { n.endTurn() }()
	err := n.resolve(rows)
	return n.outcomes, err
}

// narrowing is the way of one batch until each of its rows is decided.
type narrowing struct {
	*sender
	ctx      context.Context
	orgID    string
	stack    []part // what is left to decide, the next one last
	found    int    // rows that proved to be the cause of a refusal
	endTurn  func() // set while the batch has the organization to itself, and does nothing otherwise
	alone    bool
	outcomes []Outcome
}

// part is some rows of a batch that are decided together.
type part struct {
	rows    []pending
	bad     bool    // one of them at least is known to be bad
	refusal error   // of exactly these rows; nil if they have not been sent as they are
	receipt Receipt // of that refusal
}

// pending is a row that is not decided yet.
type pending struct {
	Row
	attempts int // requests that carried it
}

func (n *narrowing) resolve(rows []pending) error {
	n.push(part{rows: rows})
	for len(n.stack) > 0 {
		p := n.pop()
		var err error
		switch {
		case len(p.rows) == 1: // also if it is bad by deduction: it has not been refused yet
			_, err = n.try(p.rows)
		case p.refusal != nil && blamesSome(p):
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

// try sends rows and reports whether they were taken. If they were not, they
// are failed, or put back as a part known to be bad. An error ends the run.
func (n *narrowing) try(rows []pending) (taken bool, err error) {
	rows = n.withoutHopeless(rows)
	if len(rows) == 0 {
		return false, nil
	}
	receipt, err := n.send(rows)
	if errors.Is(err, ErrConflict) && !n.alone {
		n.endTurn = n.turns.alone(n.orgID)
		n.alone = true
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
		for _, r := range rows {
			n.decide(r, Failed, receipt)
			n.outcomes[len(n.outcomes)-1].Passing = true
		}
	case reach == ReachOrg:
		n.mu.Lock()
		n.orgs[n.orgID] = receipt
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
	if !n.alone {
		defer n.turns.beside(n.orgID)()
	}
	receipt, err := n.op.Send(n.ctx, n.batch(rows))
	for i := range rows {
		rows[i].attempts += receipt.Attempts
	}
	return receipt, err
}

// withoutHopeless decides those rows of which an earlier refusal says that they
// can't succeed, and returns the others. The outcome of such a row has the
// answer and the correlation id of that refusal, and no attempts.
func (n *narrowing) withoutHopeless(rows []pending) []pending {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.orgs) == 0 && len(n.full) == 0 && len(n.users) == 0 {
		return rows
	}
	hopeful := rows[:0:0]
	for _, r := range rows {
		f, known := n.orgs[r.OrgID]
		if !known && r.attempts == 0 { // a request that was refused may have let some in
			f, known = n.full[r.OrgID]
		}
		if !known {
			f, known = n.users[r.UserID]
		}
		if !known {
			hopeful = append(hopeful, r)
			continue
		}
		n.decide(r, Failed, f)
	}
	return hopeful
}

// setAside sends the rows that a refusal does not name without those it names.
func (n *narrowing) setAside(p part) error {
	var suspects, others []pending
	blamed := Blame(p.refusal, userIDs(p.rows))
	for _, r := range p.rows {
		if slices.Contains(blamed, r.UserID) {
			suspects = append(suspects, r)
		} else {
			others = append(others, r)
		}
	}
	taken, err := n.try(others)
	if err != nil {
		return err
	}
	if taken && len(suspects) == 1 {
		n.refuse(suspects[0], p.receipt, p.refusal)
		return nil
	}
	n.singly(suspects)
	return nil
}

// blamesSome reports whether the refusal of p names some of its rows and not
// all of them.
func blamesSome(p part) bool {
	blamed := len(Blame(p.refusal, userIDs(p.rows)))
	return 0 < blamed && blamed < len(p.rows)
}

// halve sends the first half of p. If that is taken the bad row is in the
// second, which then need not be sent whole.
func (n *narrowing) halve(p part) error {
	half := len(p.rows) / 2
	n.push(part{rows: p.rows[half:]})
	rest := len(n.stack) - 1
	taken, err := n.try(p.rows[:half])
	if taken {
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

// knownBad counts what is known to be bad, each in rows that the others don't
// have: rows found, and parts that hold one, next among them.
func (n *narrowing) knownBad(next part) int {
	bad := n.found
	for _, p := range append(n.stack, next) {
		if p.bad {
			bad++
		}
	}
	return bad
}

// refuse decides over a row that is to blame for err.
func (n *narrowing) refuse(r pending, receipt Receipt, err error) {
	n.found++
	if n.op.Already != "" && errors.Is(err, ErrMember) {
		n.decide(r, n.op.Already, receipt)
		return
	}
	n.mu.Lock()
	switch {
	case errors.Is(err, ErrUnknownUser):
		n.users[r.UserID] = receipt
	case errors.Is(err, ErrOrgFull):
		n.full[n.orgID] = receipt
	}
	n.mu.Unlock()
	n.decide(r, Failed, receipt)
}

func (n *narrowing) decide(r pending, s Status, receipt Receipt) {
	receipt.Attempts = r.attempts
	if receipt.Time.IsZero() {
		receipt.Time = time.Now()
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
