package importer

import (
	"crypto/sha256"
	"encoding/binary"
)

// Pairs is a set of (organization, user) pairs with the line each was first
// seen on. The zero value is an empty set, ready for use.
//
// It keeps 16 bytes of a SHA-256 per pair and a line number, not the ids: about
// 40 bytes of memory a pair, whatever their length, so that a million rows cost
// 40 MB. Two different pairs meet in 128 bits with a probability of 1 in 10^26
// for a million rows, far below that of a fault in the machine's memory.
type Pairs struct {
	lines map[pairHash]uint32
	buf   []byte
}

type pairHash [16]byte

// Add puts a pair into the set. If it is there already, Add returns the line it
// was added with and true, and changes nothing.
func (p *Pairs) Add(orgID, userID string, line int) (earlier int, found bool) {
	h := p.hash(orgID, userID)
	if l, ok := p.lines[h]; ok {
		return int(l), true
	}
	if p.lines == nil {
		p.lines = make(map[pairHash]uint32)
	}
	p.lines[h] = uint32(line)
	return 0, false
}

// Has reports whether the pair is in the set.
func (p *Pairs) Has(orgID, userID string) bool {
	_, ok := p.lines[p.hash(orgID, userID)]
	return ok
}

// Len returns the number of pairs in the set.
func (p *Pairs) Len() int { return len(p.lines) }

// hash hides both ids in one value. The length in front keeps ("ab", "c") and
// ("a", "bc") apart.
func (p *Pairs) hash(orgID, userID string) pairHash {
	p.buf = binary.AppendUvarint(p.buf[:0], uint64(len(orgID)))
	p.buf = append(append(p.buf, orgID...), userID...)
	sum := sha256.Sum256(p.buf)
	return pairHash(sum[:16])
}
