package importer

import "sync"

// turns lets requests to one organization go side by side, or one batch have it
// to itself. It remembers only organizations that somebody holds or waits for.
type turns struct {
	mu      sync.Mutex
	changed *sync.Cond // not a lock an organization: a fake clock goes on while it is waited for
	orgs    map[string]*turn
}

type turn struct {
	beside  int  // requests under way
	alone   bool // one batch has it to itself
	waiting int  // batches that want to, before whom no further request goes
	holders int  // all of these, and the requests that wait
}

func newTurns() *turns {
	t := &turns{orgs: make(map[string]*turn)}
	t.changed = sync.NewCond(&t.mu)
	return t
}

// beside waits until no batch has the organization to itself, or wants to. The
// returned function ends the turn.
func (t *turns) beside(orgID string) (end func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	org := t.enter(orgID)
	for org.alone || org.waiting > 0 {
		t.changed.Wait()
	}
	org.beside++
	return t.leave(orgID, org, func() { org.beside-- })
}

// alone waits until no other request to the organization is under way.
func (t *turns) alone(orgID string) (end func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	org := t.enter(orgID)
	org.waiting++
	for org.alone || org.beside > 0 {
		t.changed.Wait()
	}
	org.waiting--
	org.alone = true
	return t.leave(orgID, org, func() { org.alone = false })
}

func (t *turns) enter(orgID string) *turn {
	org := t.orgs[orgID]
	if org == nil {
		org = &turn{}
		t.orgs[orgID] = org
	}
	org.holders++
	return org
}

func (t *turns) leave(orgID string, org *turn, end func()) func() {
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		end()
		if org.holders--; org.holders == 0 {
			delete(t.orgs, orgID)
		}
		t.changed.Broadcast()
	}
}
