package importer

import (
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
)

// Each calls f with each row before it yields it, so that f can count or change
// it. An error of f ends the range.
func Each(rows iter.Seq2[Row, error], f func(*Row) error) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for row, err := range rows {
			if err == nil {
				err = f(&row)
			}
			if err != nil {
				yield(Row{}, err)
				return
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}

// Distinct marks every row whose key occurs on an earlier line as [Decided], a
// [Duplicate] that names that line. Rows with Err that are not decided pass
// unchanged and do not count as an occurrence: a row that is never sent can't
// make another one unnecessary.
//
// It keeps a [Set] of the keys of the whole input.
func Distinct(rows iter.Seq2[Row, error], key func(Row) string) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		var seen Set
		Each(rows, func(row *Row) error {
			if row.Err == nil || isDecided(*row) {
				if line, found := seen.Add(key(*row), row.Line); found {
					row.Err = &Decided{Status: Duplicate, Message: fmt.Sprintf("same pair as line %d", line)}
				}
			}
			return nil
		})(yield)
	}
}

// isDecided reports whether a row needs no request because its outcome is known, and
// holds for every row of its key: of one that failed before both of its ids were
// known, the key does not tell it from others.
func isDecided(row Row) bool {
	decided, ok := errors.AsType[*Decided](row.Err)
	return ok && (decided.Status.Settled() || decided.Status == Failed && row.OrgID != "" && row.UserID != "")
}

// Skip drops the rows for which done returns true, such as the ones that an
// earlier run finished. Rows that are rejected or repeat others are never dropped:
// they have an outcome of their own, even if the same pair is done.
func Skip(rows iter.Seq2[Row, error], done func(Row) bool) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for row, err := range rows {
			decided, ok := errors.AsType[*Decided](row.Err)
			if err == nil && (row.Err == nil || ok && decided.Status != Duplicate) && done(row) {
				continue
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

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
