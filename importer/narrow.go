package importer

import (
	"context"
	"errors"
	"slices"
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

// sendBatch sends a batch and returns the outcome of each of its rows. If it also
// returns an error, the run is over, and rows without an outcome are undecided.
func (r *run) sendBatch(b Batch) ([]Outcome, error) {
	n := &narrowing{run: r, orgID: b.OrgID, outcomes: make([]Outcome, 0, len(b.Rows))}
	rows := make([]pending, 0, len(b.Rows))
	for _, row := range b.Rows {
		if row.Err != nil {
			n.outcomes = append(n.outcomes, Unsent(row))
		} else {
			rows = append(rows, pending{Row: row})
		}
	}
	if len(rows) == 0 {
		return n.outcomes, nil
	}
	r.mu.Lock()
	n.org = r.organization(b.OrgID)
	r.mu.Unlock()
	defer n.share()
	err := n.decideAll(rows)
	return n.outcomes, err
}

// Unsent returns the outcome of a row with Err, which no request carries.
func Unsent(r Row) Outcome {
	o := Outcome{Row: r, Status: Rejected, Receipt: Receipt{Message: r.Err.Error(), Time: time.Now()}}
	if d, ok := errors.AsType[*Decided](r.Err); ok {
		o.Status, o.Code, o.Transient, o.CorrelationID = d.Status, d.Code, d.Transient, d.CorrelationID
	}
	if e, ok := errors.AsType[*Rejection](r.Err); ok {
		o.Code = e.Code
	}
	return o
}

// narrowing is the state of one batch until each of its rows is decided.
type narrowing struct {
	*run
	orgID     string
	org       *organization
	exclusive bool   // the batch has the organization to itself
	stack     []part // what is left to decide, the next one last
	badRows   int    // rows that proved to be bad
	outcomes  []Outcome
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
	n.stack = []part{{rows: rows}}
	for len(n.stack) > 0 {
		last := len(n.stack) - 1
		p := n.stack[last]
		n.stack = n.stack[:last]
		named, others := n.split(p)
		var err error
		switch {
		case len(p.rows) == 1: // even if it must be the bad row: it has not been refused alone yet
			_, err = n.try(p.rows)
		case len(named) > 0 && len(others) > 0:
			err = n.setAside(p, named, others)
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
		n.exclude()
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
			n.decide(r, Failed, receipt).Transient = true
		}
	case reach == ReachOrg:
		n.mu.Lock()
		n.org.refusal = &receipt
		n.mu.Unlock()
		n.withoutHopeless(rows)
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
	b := Batch{OrgID: n.orgID, Rows: rowsOf(rows)}
	n.mu.Lock()
	for !n.exclusive && (n.org.exclusive || n.org.claims > 0) {
		n.changed.Wait()
	}
	n.org.requests++
	n.mu.Unlock()
	receipt, err := n.op.Send(n.ctx, b)
	n.ended(receipt, err)
	for i := range rows {
		rows[i].attempts += receipt.Attempts
	}
	return receipt, err
}

// ended notes that a request has ended, and whether the organization has answered it.
func (n *narrowing) ended(receipt Receipt, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.org.requests--
	switch reach := ReachOf(err); {
	case err == nil, reach == ReachRow, reach == ReachOrg:
		n.answers++
		n.org.unanswered, n.org.failed, n.org.answers = 0, 0, n.answers
	case reach == ReachBatch:
		n.org.failed++
		n.org.failure = receipt
	}
	n.changed.Broadcast()
}

// exclude waits until no other request to the organization is under way, and keeps
// others away until share is called.
func (n *narrowing) exclude() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.org.claims++
	for n.org.exclusive || n.org.requests > 0 {
		n.changed.Wait()
	}
	n.org.claims--
	n.org.exclusive, n.exclusive = true, true
}

// share lets other batches send to the organization again.
func (n *narrowing) share() {
	if n.exclusive {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.org.exclusive = false
		n.changed.Broadcast()
	}
}

// withoutHopeless fails the rows that can't succeed after an earlier answer, or after
// none, and returns the others. The outcome of such a row has the answer and the
// correlation id of that request.
func (n *narrowing) withoutHopeless(rows []pending) (hopeful []pending) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range rows {
		refusal, unknown := n.users[r.UserID]
		switch {
		case n.org.refusal != nil:
			n.decide(r, Failed, *n.org.refusal)
		case n.silent(n.org):
			n.decide(r, Failed, n.org.failure).Transient = true
		case n.org.full != nil && r.attempts == 0: // a refused request may have let some of its rows in
			n.decide(r, Failed, *n.org.full)
		case unknown:
			n.decide(r, Failed, refusal)
		default:
			hopeful = append(hopeful, r)
		}
	}
	return hopeful
}

// split returns the rows of a part that its refusal names, and the others.
func (n *narrowing) split(p part) (named, others []pending) {
	var refusal interface {
		Blame(userIDs []string) []string
	}
	if !errors.As(p.refusal, &refusal) {
		return nil, p.rows
	}
	users := refusal.Blame(Batch{Rows: rowsOf(p.rows)}.UserIDs())
	for _, r := range p.rows {
		if slices.Contains(users, r.UserID) {
			named = append(named, r)
		} else {
			others = append(others, r)
		}
	}
	return named, others
}

// setAside first sends the rows that the refusal of p does not name.
func (n *narrowing) setAside(p part, named, others []pending) error {
	accepted, err := n.try(others)
	switch {
	case err != nil:
		return err
	case accepted && len(named) == 1:
		n.refuse(named[0], p.receipt, p.refusal)
	default:
		n.singly(named)
	}
	return nil
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
		n.org.full = &receipt
	}
	n.mu.Unlock()
	n.decide(r, Failed, receipt)
}

func (n *narrowing) decide(r pending, s Status, receipt Receipt) *Outcome {
	receipt.Attempts = r.attempts
	if receipt.Time.IsZero() {
		receipt.Time = time.Now()
	}
	if receipt.FoundOrg != "" {
		r.OrgID = receipt.FoundOrg
	}
	n.outcomes = append(n.outcomes, Outcome{Row: r.Row, Status: s, Receipt: receipt})
	return &n.outcomes[len(n.outcomes)-1]
}

func (n *narrowing) push(p part) { n.stack = append(n.stack, p) }

func rowsOf(rows []pending) []Row {
	all := make([]Row, len(rows))
	for i, r := range rows {
		all[i] = r.Row
	}
	return all
}
