package importer

import "hash/maphash"

// Set is a set of keys, each with the line it was first seen on. The zero value
// is an empty set, ready for use.
//
// It keeps 96 bits of hash per key instead of the key: 16 bytes and the map's
// overhead, whatever the length. Among a million keys, two collide with a
// probability of 1 in 10^17, far below that of a memory error. Each set has its
// own seeds, so no file can be crafted to collide.
type Set struct {
	lines map[[3]uint32]uint32
	seeds [2]maphash.Seed
}

// Add adds a key to the set. If it is there already, Add returns the line that it
// was added with and true, and changes nothing.
func (s *Set) Add(key string, line int) (earlier int, found bool) {
	if s.lines == nil {
		s.lines = make(map[[3]uint32]uint32)
		s.seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	}
	h := s.hash(key)
	if first, found := s.lines[h]; found {
		return int(first), true
	}
	s.lines[h] = uint32(line)
	return 0, false
}

// Put adds a key to the set, or changes its line if it is there already.
func (s *Set) Put(key string, line int) {
	if _, found := s.Add(key, line); found {
		s.lines[s.hash(key)] = uint32(line)
	}
}

// Line returns the line of the key, and false if the key is not in the set.
func (s *Set) Line(key string) (line int, found bool) {
	if len(s.lines) == 0 {
		return 0, false
	}
	first, found := s.lines[s.hash(key)]
	return int(first), found
}

// Has reports whether the key is in the set.
func (s *Set) Has(key string) bool {
	_, found := s.Line(key)
	return found
}

// Len returns the number of keys in the set.
func (s *Set) Len() int { return len(s.lines) }

func (s *Set) hash(key string) [3]uint32 {
	low := maphash.String(s.seeds[0], key)
	return [3]uint32{uint32(low), uint32(low >> 32), uint32(maphash.String(s.seeds[1], key))}
}
