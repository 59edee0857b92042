package auth0test

import (
	"slices"
	"time"
)

// roster is who is in an organization. Tenant.mu guards it. It keeps the id
// of a member and two times, about 100 bytes in all.
type roster struct {
	members map[string]stay
	size    int // members now; members holds also those whose removal is not visible yet
	order   []place
	stale   bool          // order has to be made anew
	busy    chan struct{} // holds one value while a write is under way
}

// stay is from when to when a user is a member, in Unix milliseconds of the
// tenant's clock; removed is 0 for those who are in.
type stay struct{ added, removed int64 }

// Members returns the ids of an organization's members in ascending order, as
// they are now, whatever a listing shows.
func (t *Tenant) Members(orgID string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	roster, exists := t.rosters[orgID]
	if !exists {
		return nil
	}
	ids := make([]string, 0, roster.size)
	for id, stay := range roster.members {
		if stay.removed == 0 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// AddMembers makes users members of an organization without a request.
func (t *Tenant) AddMembers(orgID string, userIDs ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.roster(orgID).add(userIDs, t.now())
}

// roster returns that of an organization; t.mu is held.
func (t *Tenant) roster(orgID string) *roster {
	r, exists := t.rosters[orgID]
	if !exists {
		r = &roster{members: make(map[string]stay), busy: make(chan struct{}, 1)}
		t.rosters[orgID] = r
	}
	return r
}

func (r *roster) has(id string) bool {
	stay, found := r.members[id]
	return found && stay.removed == 0
}

// sizeWith is the number of members after adding users.
func (r *roster) sizeWith(ids []string) int {
	added := make(map[string]bool)
	for _, id := range ids {
		if !r.has(id) {
			added[id] = true
		}
	}
	return r.size + len(added)
}

func (r *roster) add(ids []string, now time.Time) {
	for _, id := range ids {
		if !r.has(id) {
			r.members[id] = stay{added: now.UnixMilli()}
			r.size++
			r.stale = true
		}
	}
}

func (r *roster) remove(ids []string, now time.Time, delay time.Duration) {
	for _, id := range ids {
		if !r.has(id) {
			continue
		}
		r.size--
		r.stale = true
		if delay == 0 {
			delete(r.members, id)
			continue
		}
		r.members[id] = stay{added: r.members[id].added, removed: now.UnixMilli()}
	}
}

// visible returns what a listing shows that is late by the given times.
func (r *roster) visible(now time.Time, addDelay, removeDelay time.Duration) []place {
	if r.stale {
		r.sort()
	}
	if addDelay == 0 && removeDelay == 0 {
		return r.order
	}
	added, removed := now.Add(-addDelay).UnixMilli(), now.Add(-removeDelay).UnixMilli()
	var seen []place
	for _, p := range r.order {
		stay := r.members[p.id]
		switch {
		case stay.removed != 0 && stay.removed <= removed:
			delete(r.members, p.id)
			r.stale = true
		case stay.added <= added:
			seen = append(seen, p)
		}
	}
	return seen
}

// sort makes a new order and leaves the old one alone, which a request may
// still be reading.
func (r *roster) sort() {
	r.order = make([]place, 0, len(r.members))
	for id, stay := range r.members {
		r.order = append(r.order, place{stay.added, id})
	}
	slices.SortFunc(r.order, place.compare)
	r.stale = false
}

// claim gives a write the organization for as long as it is under way, if
// writes to one organization get in each other's way. busy says that another
// one has it.
func (t *Tenant) claim(c *call) (busy bool, err error) {
	mode := t.cfg.Undocumented.Concurrent
	if mode == Parallel {
		return false, nil
	}
	t.mu.Lock()
	slot := t.roster(c.arg).busy
	t.mu.Unlock()
	select {
	case slot <- struct{}{}:
	default:
		if mode == Conflict {
			return true, nil
		}
		select {
		case slot <- struct{}{}:
		case <-c.Context().Done():
			return false, c.Context().Err()
		}
	}
	c.release = func() { <-slot }
	return false, nil
}
