package importer

import (
	"encoding/binary"
	"hash/maphash"
)

// Pairs is a set of (organization, user) pairs with the line each was first
// seen on. The zero value is an empty set, ready for use.
//
// It keeps 96 bits of hash per pair and a line number, not the ids: 21 to 43
// bytes of memory a pair, whatever their length. Two different pairs of a
// million rows meet in 96 bits with a probability of 1 in 10^17, far below that
// of a fault in the machine's memory. The hash is seeded anew by every set, so
// that no file can be made in which they meet.
//
// A map of the same content takes twice the time, most of it while it grows,
// and finding duplicates is half of what is done with a row before it is sent.
type Pairs struct {
	slots []pairSlot // a power of two of them, probed one after the other
	len   int
	seeds [2]maphash.Seed
	buf   []byte
}

// pairSlot is flat, for a struct of the hash in it would be padded.
type pairSlot struct {
	low  uint64 // the hash
	high uint32
	line uint32 // plus 1; 0 if the slot is empty
}

// Add puts a pair into the set. If it is there already, Add returns the line it
// was added with and true, and changes nothing.
func (p *Pairs) Add(orgID, userID string, line int) (earlier int, found bool) {
	if 4*p.len >= 3*len(p.slots) {
		p.grow()
	}
	pair := p.hash(orgID, userID)
	s := p.find(pair)
	if s.line != 0 {
		return int(s.line) - 1, true
	}
	pair.line = uint32(line) + 1
	*s = pair
	p.len++
	return 0, false
}

// Has reports whether the pair is in the set.
func (p *Pairs) Has(orgID, userID string) bool {
	return p.len > 0 && p.find(p.hash(orgID, userID)).line != 0
}

// Len returns the number of pairs in the set.
func (p *Pairs) Len() int { return p.len }

// find returns the slot of the pair with this hash, or the empty one where it
// belongs. One slot of four is empty at least.
func (p *Pairs) find(pair pairSlot) *pairSlot {
	mask := uint64(len(p.slots) - 1)
	for i := pair.low & mask; ; i = (i + 1) & mask {
		if s := &p.slots[i]; s.line == 0 || s.low == pair.low && s.high == pair.high {
			return s
		}
	}
}

func (p *Pairs) grow() {
	old := p.slots
	if old == nil {
		p.seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	}
	p.slots = make([]pairSlot, max(64, 2*len(old)))
	for _, s := range old {
		if s.line != 0 {
			*p.find(s) = s
		}
	}
}

// hash hides both ids in one value. The length in front keeps ("ab", "c") and
// ("a", "bc") apart.
func (p *Pairs) hash(orgID, userID string) pairSlot {
	p.buf = binary.AppendUvarint(p.buf[:0], uint64(len(orgID)))
	p.buf = append(append(p.buf, orgID...), userID...)
	return pairSlot{
		low:  maphash.Bytes(p.seeds[0], p.buf),
		high: uint32(maphash.Bytes(p.seeds[1], p.buf)),
	}
}
