package importer

import (
	"encoding/binary"
	"iter"
	"slices"
	"strings"
)

// The kinds of keys that have rules of their own. Other kinds are names of
// properties, such as username or app_metadata.employee.
const (
	KindEmail  = "email"
	KindUserID = "user_id"
	KindOrgID  = "org_id"
)

// Directory maps the keys of a file to the ids of the tenant's users and
// organizations. It is filled before the first row is sent: [Directory.Want]
// collects the keys of each row, then [Index.Found] adds what the tenant has.
// [Resolve] only reads it.
//
// It holds the keys of the file and nothing else about the tenant. It is not safe
// for concurrent use.
type Directory struct {
	Users, Orgs Index

	// CheckUsers and CheckOrgs have ids looked up too.
	CheckUsers, CheckOrgs bool

	// KeepUsers leaves the keys of users unresolved, for an operation that takes
	// keys.
	KeepUsers bool

	// AllowUnverified accepts a user whose e-mail address is not verified.
	AllowUnverified bool

	// NoConnection holds the names of connections that the tenant does not have.
	NoConnection map[string]bool

	// NotFound says, by kind of key, how keys were looked up. It is appended to
	// the message for a key that was not found.
	NotFound map[string]string

	// Members holds the memberships that exist already, by PairKey.
	Members Set
}

// Want collects the keys of a row that have to be looked up, and reports whether
// it has any. A row with Err has none, because it is not sent.
func (d *Directory) Want(r Row) bool {
	if r.Err != nil {
		return false
	}
	org, user, connection := d.keys(r)
	if org.Kind != "" {
		d.Orgs.want(org, "")
	}
	if user.Kind != "" {
		d.Users.want(user, connection)
	}
	return org.Kind != "" || user.Kind != ""
}

// keys returns the keys of a row to look up. A Key without a Kind means that
// there is none.
func (d *Directory) keys(r Row) (org, user Key, connection string) {
	switch {
	case r.OrgID == "" && r.Keys != nil:
		org = r.Keys.Org
	case d.CheckOrgs && r.OrgID != "":
		org = Key{KindOrgID, r.OrgID}
	}
	switch {
	case r.UserID == "" && r.Keys != nil && !d.KeepUsers:
		user, connection = r.Keys.User, r.Keys.Connection
	case d.CheckUsers && r.UserID != "":
		user = Key{KindUserID, r.UserID}
	}
	return org, user, strings.TrimSpace(connection)
}

// Wanted is a key that is looked up.
type Wanted struct {
	Key
	Connection string // the user must have this connection; empty: any

	// Spellings are the spellings of the value in the file that differ from
	// Value, in which an e-mail address is in lower case.
	Spellings []string
}

// Index maps the keys of users, or of organizations, to their ids. Its zero
// value is empty and ready for use.
type Index struct {
	places      map[string]int32 // index in matches, by kind, connection and value
	matches     []match
	kinds       names
	connections names
	spellings   map[int32][]string // other spellings in the file, by place
	others      map[int32][]string // ids after the first, by place
	found       int                // matches with an id
	key         []byte             // buffer for pack
}

// match is the user or the organization that was found for a key.
type match struct {
	id       string
	count    int32 // how many share the key; maxIDs+1 stands for more
	verified bool  // the first of them has verified the address
	reused   bool  // known from an earlier run
}

// maxIDs is the largest number of ids that are kept for one key.
const maxIDs = 3

// want adds a key to be looked up. Keys differ if their kind, value or connection
// does.
func (x *Index) want(k Key, connection string) {
	if x.places == nil {
		x.places = make(map[string]int32)
	}
	value := canonical(k)
	x.key = pack(x.key[:0], x.kinds.add(k.Kind), x.connections.add(connection), value)
	place, known := x.places[string(x.key)]
	if !known {
		place = int32(len(x.matches))
		x.places[string(x.key)] = place
		x.matches = append(x.matches, match{})
	}
	x.spell(place, k)
}

// Found records that the tenant has a user of that connection, or an
// organization, with these keys. Keys that are not wanted are ignored, and
// recording one twice changes nothing.
func (x *Index) Found(id, connection string, verified bool, keys ...Key) {
	for _, k := range keys {
		kind, ok := x.kinds.number(k.Kind)
		if !ok || id == "" {
			continue
		}
		value := canonical(k)
		if value == "" {
			continue
		}
		for _, name := range [2]string{"", connection} {
			number, ok := x.connections.number(name)
			if !ok {
				continue
			}
			x.key = pack(x.key[:0], kind, number, value)
			if place, ok := x.places[string(x.key)]; ok {
				x.add(place, id, verified)
			}
			if connection == "" {
				break
			}
		}
	}
}

// Spelt records another spelling of a key's value in the file, for a user whose
// connection is not known. Keys that name a connection are then looked up in that
// spelling too.
func (x *Index) Spelt(k Key) {
	kind, ok := x.kinds.number(k.Kind)
	if !ok {
		return
	}
	for number := range x.connections.list {
		x.key = pack(x.key[:0], kind, number, canonical(k))
		if place, ok := x.places[string(x.key)]; ok {
			x.spell(place, k)
		}
	}
}

// spell records a spelling of the key at a place.
func (x *Index) spell(place int32, k Key) {
	written := strings.TrimSpace(k.Value)
	if written == canonical(k) || slices.Contains(x.spellings[place], written) {
		return
	}
	if x.spellings == nil {
		x.spellings = make(map[int32][]string)
	}
	x.spellings[place] = append(x.spellings[place], strings.Clone(written))
}

func (x *Index) add(place int32, id string, verified bool) {
	m := &x.matches[place]
	switch {
	case m.reused || m.id == id || slices.Contains(x.others[place], id):
		return
	case m.count == 0:
		x.found++
		m.id, m.verified = strings.Clone(id), verified
	case m.count < maxIDs:
		if x.others == nil {
			x.others = make(map[int32][]string)
		}
		x.others[place] = append(x.others[place], strings.Clone(id))
	}
	m.count = min(m.count+1, maxIDs+1)
}

// Reuse records the id that an earlier run found for a key, which is then not
// looked up again.
func (x *Index) Reuse(k Key, connection, id string) {
	if m, _ := x.match(k, connection); m != nil && m.count == 0 {
		x.found++
		*m = match{id: strings.Clone(id), count: 1, verified: true, reused: true}
	}
}

// Len returns the number of keys.
func (x *Index) Len() int { return len(x.matches) }

// Hits returns the number of keys that were found.
func (x *Index) Hits() int { return x.found }

// Kinds returns the kinds of the keys, in the order in which they were added.
func (x *Index) Kinds() []string { return x.kinds.list }

// Connections returns the connections of the keys, in the order in which they
// were added. An empty name stands for any connection.
func (x *Index) Connections() []string { return x.connections.list }

// Missing yields the keys that have not been found, in the order in which they
// were added. Keys that are found while it runs are still yielded.
func (x *Index) Missing() iter.Seq[Wanted] {
	return func(yield func(Wanted) bool) {
		missing := make([]string, len(x.matches))
		for packed, place := range x.places {
			if x.matches[place].count == 0 {
				missing[place] = packed
			}
		}
		for place, packed := range missing {
			if packed != "" && !yield(x.wanted(packed, int32(place))) {
				return
			}
		}
	}
}

func (x *Index) wanted(packed string, place int32) Wanted {
	kind, connection, value := unpack(packed)
	return Wanted{Key{x.kinds.list[kind], value}, x.connections.list[connection], x.spellings[place]}
}

// Count returns the number of keys of a kind, and how many of them were found.
func (x *Index) Count(kind string) (keys, hits int) {
	for packed, place := range x.places {
		if k, _, _ := unpack(packed); x.kinds.list[k] == kind {
			keys++
			hits += int(min(x.matches[place].count, 1))
		}
	}
	return keys, hits
}

// match returns the match of a key and its place, or nil if the key is not
// wanted.
func (x *Index) match(k Key, connection string) (*match, int32) {
	kind, known := x.kinds.number(k.Kind)
	number, named := x.connections.number(connection)
	if !known || !named {
		return nil, 0
	}
	x.key = pack(x.key[:0], kind, number, canonical(k))
	place, ok := x.places[string(x.key)]
	if !ok {
		return nil, 0
	}
	return &x.matches[place], place
}

// pack appends to key the map key of a kind, a connection and a value.
func pack(key []byte, kind, connection int, value string) []byte {
	key = binary.AppendUvarint(key, uint64(kind))
	key = binary.AppendUvarint(key, uint64(connection))
	return append(key, value...)
}

func unpack(key string) (kind, connection int, value string) {
	head := []byte(key[:min(len(key), 2*binary.MaxVarintLen64)])
	k, n := binary.Uvarint(head)
	c, m := binary.Uvarint(head[n:])
	return int(k), int(c), key[n+m:]
}

// canonical returns the form of a key's value in which keys are compared.
func canonical(k Key) string {
	if k.Kind == KindEmail {
		return FoldAddress(k.Value)
	}
	return strings.TrimSpace(k.Value)
}

// FoldAddress returns an e-mail address in the form in which addresses are compared:
// without white space around it, and with ASCII letters in lower case. Unicode
// folding would make a Kelvin sign a k, and so take one person for another.
func FoldAddress(s string) string {
	s = strings.TrimSpace(s)
	if !strings.ContainsFunc(s, func(r rune) bool { return 'A' <= r && r <= 'Z' }) {
		return s
	}
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] += 'a' - 'A'
		}
	}
	return string(b)
}

// names assigns small numbers to names.
type names struct {
	list    []string
	numbers map[string]int
}

func (n *names) add(name string) int {
	if number, ok := n.numbers[name]; ok {
		return number
	}
	if n.numbers == nil {
		n.numbers = make(map[string]int)
	}
	name = strings.Clone(name)
	n.numbers[name] = len(n.list)
	n.list = append(n.list, name)
	return len(n.list) - 1
}

func (n *names) number(name string) (int, bool) {
	number, ok := n.numbers[name]
	return number, ok
}
