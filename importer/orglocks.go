package importer

import "sync"

// orgLocks holds one readers-writer lock for each organization: requests share
// it, unless one batch holds it exclusively. It keeps only the locks that are
// held or waited for.
type orgLocks struct {
	mu      sync.Mutex
	changed *sync.Cond // not a mutex per organization: synctest's clock advances while a Cond waits
	locks   map[string]*orgLock
}

type orgLock struct {
	shared    int  // requests that hold it
	exclusive bool // one batch holds it
	waiting   int  // batches that wait for it; they go before further requests
	users     int  // requests and batches that hold it or wait for it
}

func newOrgLocks() *orgLocks {
	l := &orgLocks{locks: make(map[string]*orgLock)}
	l.changed = sync.NewCond(&l.mu)
	return l
}

// share waits until no batch holds the lock exclusively or waits to do so.
func (l *orgLocks) share(orgID string) (unlock func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	org := l.acquire(orgID)
	for org.exclusive || org.waiting > 0 {
		l.changed.Wait()
	}
	org.shared++
	return l.unlocker(orgID, org, func() { org.shared-- })
}

// exclude waits until no other request to the organization is under way, and
// keeps others away until unlock is called.
func (l *orgLocks) exclude(orgID string) (unlock func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	org := l.acquire(orgID)
	org.waiting++
	for org.exclusive || org.shared > 0 {
		l.changed.Wait()
	}
	org.waiting--
	org.exclusive = true
	return l.unlocker(orgID, org, func() { org.exclusive = false })
}

func (l *orgLocks) acquire(orgID string) *orgLock {
	org := l.locks[orgID]
	if org == nil {
		org = &orgLock{}
		l.locks[orgID] = org
	}
	org.users++
	return org
}

func (l *orgLocks) unlocker(orgID string, org *orgLock, release func()) func() {
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		release()
		if org.users--; org.users == 0 {
			delete(l.locks, orgID)
		}
		l.changed.Broadcast()
	}
}
