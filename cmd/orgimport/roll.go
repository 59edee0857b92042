package main

import (
	"slices"
	"strings"

	"orgimport/importer"
)

// roll is the lines of a results file that say that users are in an
// organization. It keeps no more of them than it takes to look them up: a million
// lines with ids as Auth0 makes them are 40 MB.
type roll struct {
	orgID string
	users strings.Builder // the ids, one behind the other
	ends  []uint32        // of each of them
	lines []uint32        // of the input, of each of them

	missing []uint32 // places in ends and lines of those not seen yet
	state   rollState
	why     error // of unread, and of read if there is no such organization
}

type rollState int

const (
	unasked rollState = iota
	unread            // no answer could be got
	read              // the members were gone through
)

// rolls gathers the lines by organization, in the order of the file.
type rolls struct {
	all   []*roll
	byOrg map[string]*roll
	lines int
}

// add notes a line of the results if it says that its row is in.
func (rs *rolls) add(o importer.Outcome) {
	if !o.Status.Settled() {
		return
	}
	r := rs.byOrg[o.Row.OrgID]
	if r == nil {
		if rs.byOrg == nil {
			rs.byOrg = make(map[string]*roll)
		}
		r = &roll{orgID: strings.Clone(o.Row.OrgID)} // not the line with it
		rs.byOrg[r.orgID] = r
		rs.all = append(rs.all, r)
	}
	r.missing = append(r.missing, uint32(len(r.ends)))
	r.users.WriteString(o.Row.UserID)
	r.ends = append(r.ends, uint32(r.users.Len()))
	r.lines = append(r.lines, uint32(o.Row.Line))
	rs.lines++
}

// user returns an id. It is a part of a longer string, which it keeps.
func (r *roll) user(place uint32) string {
	start := uint32(0)
	if place > 0 {
		start = r.ends[place-1]
	}
	return r.users.String()[start:r.ends[place]]
}

// call strikes those off whom members holds, and ends where nobody is missing.
// It returns the first error of members.
func (r *roll) call(members func(yield func(string, error) bool)) error {
	slices.SortFunc(r.missing, func(a, b uint32) int { return strings.Compare(r.user(a), r.user(b)) })
	seen := make([]bool, len(r.missing))
	left := len(r.missing)
	defer func() { r.missing = unseen(r.missing, seen) }()
	for userID, err := range members {
		if err != nil {
			return err
		}
		i, _ := slices.BinarySearchFunc(r.missing, userID, func(place uint32, id string) int { return strings.Compare(r.user(place), id) })
		for ; i < len(seen) && r.user(r.missing[i]) == userID; i++ { // of several lines for one user, each
			if !seen[i] {
				seen[i] = true
				left--
			}
		}
		if left == 0 {
			break
		}
	}
	return nil
}

// unseen returns the places that are not seen, in the order of the file.
func unseen(places []uint32, seen []bool) []uint32 {
	var left []uint32
	for i, place := range places {
		if !seen[i] {
			left = append(left, place)
		}
	}
	slices.Sort(left)
	return left
}
