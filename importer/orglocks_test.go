package importer

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestExclusionIsNotStarved: requests for an organization follow each other without
// a gap, and a batch still gets the organization to itself.
func TestExclusionIsNotStarved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newOrgLocks()
		end := time.Now().Add(time.Minute)
		var all sync.WaitGroup
		for i := range 2 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * time.Second / 2)
				for time.Now().Before(end) {
					unlock := l.share("org_a")
					time.Sleep(time.Second)
					unlock()
				}
			})
		}
		time.Sleep(10 * time.Second)
		asked := time.Now()
		l.exclude("org_a")()
		if took := time.Since(asked); took > time.Second {
			t.Errorf("it took %s, want no longer than the requests that were under way", took)
		}
		all.Wait()
	})
}
