package job

import (
	"errors"
	"hash/maphash"
	"sync"

	"orgimport/importer"
)

// batchCount counts rows by organization, and the batches they fill.
type batchCount struct {
	size int // maximum rows in a batch
	rows int
	orgs map[uint64]int32 // rows, by the hash of their organization
	seed maphash.Seed
}

func newBatchCount(size int) *batchCount {
	return &batchCount{size: size, orgs: make(map[uint64]int32), seed: maphash.MakeSeed()}
}

func (c *batchCount) add(org string) {
	c.rows++
	c.orgs[maphash.String(c.seed, org)]++
}

func (c *batchCount) batches() (n int) {
	for _, rows := range c.orgs {
		n += (int(rows) + c.size - 1) / c.size
	}
	return n
}

// saved counts the requests that look-ups make unnecessary: those for users who
// are members already and for ids that do not exist. It is locked because rows
// may still pass while a stopped run adds up its totals.
type saved struct {
	mu   sync.Mutex
	all  *batchCount // rows that need a request, or would without the look-ups
	sent *batchCount // rows that need a request
}

func newSaved(size int) *saved {
	return &saved{all: newBatchCount(size), sent: newBatchCount(size)}
}

// count yields rows unchanged and counts them as they pass.
func (s *saved) count(rows rowSeq) rowSeq {
	return importer.Each(rows, func(row *importer.Row) error {
		s.add(row)
		return nil
	})
}

func (s *saved) add(row *importer.Row) {
	settled, ok := errors.AsType[*importer.Decided](row.Err)
	member := ok && settled.Status == importer.AlreadyMember
	unknown := isUnresolved(*row) && row.OrgID != "" && row.UserID != ""
	s.mu.Lock()
	defer s.mu.Unlock()
	if row.Err == nil || member || unknown {
		s.all.add(row.OrgID)
	}
	if row.Err == nil {
		s.sent.add(row.OrgID)
	}
}

// requests returns the number of requests saved so far.
func (s *saved) requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.batches() - s.sent.batches()
}
