package importer

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// The kinds of keys that have rules of their own. Other kinds are names of
// properties, such as username or app_metadata.employee.
const (
	KindEmail   = "email"
	KindUserID  = "user_id"
	KindOrgID   = "org_id"
	KindOrgName = "name"
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

	// OrgNames are the names of the organizations that were found, by their ids.
	OrgNames map[string]string

	// NoConnection holds the names of connections that the tenant does not have.
	NoConnection map[string]bool

	// NotFound says, by kind of key, how keys were looked up. It is appended to
	// the message for a key that was not found.
	NotFound map[string]string

	// Resumed says that an earlier run may have added members that have no line in
	// its results.
	Resumed bool

	members  Set                 // memberships that exist already, by PairKey, with an index of pages
	pages    []string            // correlation ids of requests for members
	unlisted map[string]*Decided // the Err of rows that are not in members, by organization

	rows Set         // rows of earlier runs by rowKey, with an index of ids
	ids  [][2]string // organizations and users
}

// FoundMember records a membership that exists, by PairKey, and the correlation id of
// the request that found it.
func (d *Directory) FoundMember(pair, correlationID string) {
	if n := len(d.pages); n == 0 || d.pages[n-1] != correlationID {
		d.pages = append(d.pages, correlationID)
	}
	d.members.Add(pair, len(d.pages)-1)
}

// Members returns how many memberships of the file exist.
func (d *Directory) Members() int { return d.members.Len() }

// Unlisted records that an organization's members are not all known, and why. Its
// rows fail unless they were found.
func (d *Directory) Unlisted(orgID string, why error) {
	if d.unlisted == nil {
		d.unlisted = make(map[string]*Decided)
	}
	d.unlisted[strings.Clone(orgID)] = &Decided{
		Status: Failed, Code: CodeMembersUnlisted, Transient: ReachOf(why) == ReachBatch,
		Message: "not sent, because it could not be read whether it is needed: " + why.Error(),
	}
}

// Reuse records the ids that an earlier run found for the keys of a row that is done.
// They are those of such a row only: an address may belong to somebody else by now.
func (d *Directory) Reuse(r Row) {
	d.rows.Put(rowKey(r), len(d.ids))
	d.ids = append(d.ids, [2]string{strings.Clone(r.OrgID), strings.Clone(r.UserID)})
	for x, k := range map[*Index]Key{&d.Orgs: r.Keys.Org, &d.Users: r.Keys.User} {
		if !slices.Contains(x.reused, k.Kind) {
			x.reused = append(x.reused, strings.Clone(k.Kind))
		}
	}
}

// earlier returns the ids that an earlier run found for the keys of a row.
func (d *Directory) earlier(r Row) (ids [2]string, found bool) {
	if d.rows.Len() == 0 || r.Keys == nil {
		return ids, false
	}
	i, found := d.rows.Line(rowKey(r))
	if !found {
		return ids, false
	}
	return d.ids[i], true
}

// rowKey returns a key of what a row says about its organization and its user.
func rowKey(r Row) string {
	org, user := r.Keys.Org, r.Keys.User
	if org.Kind == "" {
		org = Key{KindOrgID, r.OrgID}
	}
	if user.Kind == "" {
		user = Key{KindUserID, r.UserID}
	}
	parts := []string{org.Kind, canonical(org), user.Kind, canonical(user), strings.TrimSpace(r.Keys.Connection)}
	return fmt.Sprintf("%q", parts)
}

// Want collects the keys of a row that have to be looked up, and reports whether
// it has any. A row with Err is not sent, so that only its organization may be worth
// a look-up: if the row has Keys.
func (d *Directory) Want(r Row) bool {
	if r.Err != nil && r.Keys == nil {
		return false
	}
	if _, found := d.earlier(r); found {
		return true
	}
	org, user, connection := d.keys(r)
	if r.Err != nil {
		user = Key{}
	}
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
	places      map[indexKey]int32 // index in matches
	matches     []match
	kinds       names
	connections names
	spellings   map[int32][]string // other spellings in the file, by place
	others      map[int32][]string // ids after the first, by place
	failures    map[int32]*Decided // of look-ups, by place
	reused      []string           // kinds of the keys that earlier runs found
	found       int                // matches with an id
}

// indexKey is a key in the form in which keys are compared. Names are numbers in the
// lists of an Index, which takes less memory.
type indexKey struct {
	kind, connection int32
	value            string
}

// match is the user or the organization that was found for a key.
type match struct {
	id       string // empty if none was found
	verified bool   // the address
}

// want adds a key to be looked up. Keys differ if their kind, value or connection
// does.
func (x *Index) want(k Key, connection string) {
	if x.places == nil {
		x.places = make(map[indexKey]int32)
		x.spellings, x.others = make(map[int32][]string), make(map[int32][]string)
		x.failures = make(map[int32]*Decided)
	}
	key := indexKey{x.kinds.add(k.Kind), x.connections.add(connection), canonical(k)}
	place, known := x.places[key]
	if !known {
		key.value = strings.Clone(key.value)
		place = int32(len(x.matches))
		x.places[key] = place
		x.matches = append(x.matches, match{})
	}
	x.spell(place, k)
}

// Found records that the tenant has a user of that connection, or an
// organization, with these keys, and reports whether any of them is wanted. The
// others are ignored, and recording one twice changes nothing.
func (x *Index) Found(id, connection string, verified bool, keys ...Key) (wanted bool) {
	for _, k := range keys {
		if id == "" || canonical(k) == "" {
			continue
		}
		for _, name := range [2]string{"", connection} {
			if place, ok := x.place(k, name); ok {
				x.add(place, id, verified)
				wanted = true
			}
		}
	}
	return wanted
}

// Spelt records another spelling of a key's value in the file, for a user whose
// connection is not known. Keys that name a connection are then looked up in that
// spelling too.
func (x *Index) Spelt(k Key) {
	for _, connection := range x.connections.list {
		if place, ok := x.place(k, connection); ok {
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
	x.spellings[place] = append(x.spellings[place], strings.Clone(written))
}

func (x *Index) add(place int32, id string, verified bool) {
	m := &x.matches[place]
	switch {
	case m.id == "":
		x.found++
		m.id, m.verified = strings.Clone(id), verified
	case m.id != id:
		x.others[place] = append(x.others[place], strings.Clone(id))
	}
}

// Failed records that the look-up of a key failed for good. Rows with the key fail
// with the code of err, as [Rejection] has it.
func (x *Index) Failed(k Key, connection, code string, err error) {
	place, ok := x.place(k, connection)
	if !ok || x.matches[place].id != "" {
		return
	}
	x.failures[place] = &Decided{Status: Failed, Code: code, Transient: ReachOf(err) == ReachBatch, Message: "looking up " + strings.TrimSpace(k.Value) + ": " + err.Error()}
}

// Reused reports whether earlier runs found keys of a kind.
func (x *Index) Reused(kind string) bool { return slices.Contains(x.reused, kind) }

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
// were added.
func (x *Index) Missing() iter.Seq[Wanted] {
	return func(yield func(Wanted) bool) {
		keys := make([]indexKey, len(x.matches))
		for key, place := range x.places {
			keys[place] = key
		}
		for place, key := range keys {
			w := Wanted{Key{x.kinds.list[key.kind], key.value}, x.connections.list[key.connection], x.spellings[int32(place)]}
			if x.matches[place].id == "" && !yield(w) {
				return
			}
		}
	}
}

// Count returns the number of keys of a kind, and how many of them were found.
func (x *Index) Count(kind string) (keys, hits int) {
	for key, place := range x.places {
		if x.kinds.list[key.kind] == kind {
			keys++
			if x.matches[place].id != "" {
				hits++
			}
		}
	}
	return keys, hits
}

// place returns the index of a key in matches, and false if the key is not wanted.
func (x *Index) place(k Key, connection string) (place int32, wanted bool) {
	kind, known := x.kinds.numbers[k.Kind]
	number, named := x.connections.numbers[connection]
	if !known || !named {
		return 0, false
	}
	place, wanted = x.places[indexKey{kind, number, canonical(k)}]
	return place, wanted
}

// canonical returns the form of a key's value in which keys are compared.
func canonical(k Key) string {
	if k.Kind == KindEmail || k.Kind == KindOrgName { // Auth0 has names in lower case only
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
	numbers map[string]int32
}

func (n *names) add(name string) int32 {
	if number, ok := n.numbers[name]; ok {
		return number
	}
	if n.numbers == nil {
		n.numbers = make(map[string]int32)
	}
	name = strings.Clone(name)
	n.numbers[name] = int32(len(n.list))
	n.list = append(n.list, name)
	return n.numbers[name]
}

// The error codes of rows that can't be resolved: those of a *[Rejection].
const (
	CodeUserNotFound       = "user_not_found"
	CodeUserAmbiguous      = "user_ambiguous"
	CodeEmailUnverified    = "email_unverified"
	CodeConnectionNotFound = "connection_not_found"
	CodeOrgNotFound        = "organization_not_found"
	CodeOrgAmbiguous       = "organization_ambiguous"
)

const (
	// CodeMembersUnlisted is the error code of a row that failed because the list of
	// its organization's members could not be read to its end.
	CodeMembersUnlisted = "members_unlisted"
	// CodeUnknownOrigin is the error code of a row whose user is a member, and may
	// be one because of a request of an earlier run whose answer was lost.
	CodeUnknownOrigin = "unknown_origin"
)

// Rejection is the Err of a row that names something that the tenant does not have,
// or nothing in particular. The row is rejected.
type Rejection struct {
	Code    string
	Message string

	// Candidates are the ids of all users, or organizations, that the row may
	// mean. The message shows at most three.
	Candidates []string
}

func (e *Rejection) Error() string { return e.Message }

// Unresolved reports whether the row's keys or ids do not lead to one organization
// and one user of the tenant.
func (e *Rejection) Unresolved() bool {
	switch e.Code {
	case CodeUserNotFound, CodeUserAmbiguous, CodeEmailUnverified, CodeConnectionNotFound, CodeOrgNotFound, CodeOrgAmbiguous:
		return true
	}
	return false
}

// errNotLookedUp is the Err of a row that was not in the file when the keys were
// collected.
var errNotLookedUp = errors.New("the file has changed: this row's keys were not in it when they were looked up")

// Resolve fills in the ids of the organization and the user that the keys of a
// row name according to d. Rows that are members already, and those for which
// something could not be read, are marked as [Decided]. A row whose keys match
// nothing, or more than one, is rejected with a *[Rejection]; so is one whose id the
// tenant does not have, if ids were looked up. A row with Err gets only the id of its
// organization. If d is nil, the rows pass unchanged.
func Resolve(rows iter.Seq2[Row, error], d *Directory) iter.Seq2[Row, error] {
	if d == nil {
		return rows
	}
	return Each(rows, func(row *Row) error {
		switch {
		case row.Err == nil:
			d.resolve(row)
		case row.Keys != nil:
			org, _, _ := d.keys(*row)
			id, _ := d.organization(org)
			row.OrgID = cmp.Or(row.OrgID, id)
		}
		return nil
	})
}

func (d *Directory) resolve(row *Row) {
	if ids, found := d.earlier(*row); found {
		row.OrgID, row.UserID = ids[0], ids[1]
	} else {
		org, user, connection := d.keys(*row)
		orgID, orgErr := d.organization(org)
		userID, userErr := d.user(user, connection)
		row.OrgID, row.UserID = cmp.Or(row.OrgID, orgID), cmp.Or(row.UserID, userID)
		row.Err = cmp.Or(orgErr, userErr)
	}
	if m := d.Member(*row); m != nil && row.Err == nil {
		row.Err = m
	}
	if row.OrgID != "" && row.UserID != "" {
		row.Keys = nil
	}
}

// Member returns the outcome of a row whose user is a member, or may be one as far as
// could be read; nil if the user is none.
func (d *Directory) Member(row Row) *Decided {
	page, found := 0, false
	if d.members.Len() > 0 {
		page, found = d.members.Line(PairKey(row))
	}
	if !found {
		return d.unlisted[row.OrgID]
	}
	m := &Decided{Status: AlreadyMember, Message: "a member already, according to the organization's list of members", CorrelationID: d.pages[page]}
	if d.Resumed {
		m.Code = CodeUnknownOrigin
		m.Message += "; an earlier run may have added the user"
	}
	return m
}

// organization returns the id of the organization that a key names. The error
// says why there is none.
func (d *Directory) organization(k Key) (string, error) {
	if k.Kind == "" {
		return "", nil
	}
	place, wanted := d.Orgs.place(k, "")
	if !wanted {
		return "", errNotLookedUp
	}
	m := d.Orgs.matches[place]
	switch {
	case d.Orgs.failures[place] != nil:
		return "", d.Orgs.failures[place]
	case m.id == "":
		return "", &Rejection{Code: CodeOrgNotFound, Message: "no organization " + having(k, KindOrgID) + d.NotFound[k.Kind]}
	case d.Orgs.others[place] != nil:
		return "", d.Orgs.ambiguous(place, CodeOrgAmbiguous, "organizations", "give the organization id")
	}
	return m.id, nil
}

// user returns the id of the user that a key names. The error says why there is
// none.
func (d *Directory) user(k Key, connection string) (string, error) {
	if k.Kind == "" {
		return "", nil
	}
	if d.NoConnection[connection] {
		return "", &Rejection{Code: CodeConnectionNotFound, Message: "there is no connection " + connection}
	}
	place, wanted := d.Users.place(k, connection)
	if !wanted {
		return "", errNotLookedUp
	}
	m := d.Users.matches[place]
	switch {
	case d.Users.failures[place] != nil:
		return "", d.Users.failures[place]
	case m.id == "":
		who := "no user "
		if connection != "" {
			who = "no user of the connection " + connection + " "
		}
		return "", &Rejection{Code: CodeUserNotFound, Message: who + having(k, KindUserID) + d.NotFound[k.Kind]}
	case d.Users.others[place] != nil:
		way := "give a connection or the user id"
		if connection != "" {
			way = "give the user id"
		}
		return "", d.Users.ambiguous(place, CodeUserAmbiguous, "users", way)
	case k.Kind == KindEmail && !m.verified && !d.AllowUnverified:
		return "", &Rejection{Code: CodeEmailUnverified, Message: m.id + " has not verified it (--allow-unverified)", Candidates: []string{m.id}}
	}
	return m.id, nil
}

// maxShown is the largest number of candidates that a message shows.
const maxShown = 3

// ambiguous returns the Err of a row with the key at a place, which several share.
func (x *Index) ambiguous(place int32, code, who, way string) *Rejection {
	ids := append([]string{x.matches[place].id}, x.others[place]...)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	shown := strings.Join(ids[:min(len(ids), maxShown)], ", ")
	return &Rejection{code, fmt.Sprintf("%d %s have it: %s: %s", len(ids), who, shown, way), ids}
}

// having returns the end of a message such as "no user has the e-mail
// ann@acme.com"; for a key of the kind id, only the value.
func having(k Key, id string) string {
	value := strings.TrimSpace(k.Value)
	switch k.Kind {
	case id:
		return value
	case KindEmail:
		return "has the e-mail " + value
	case "phone_number", "display_name":
		return "has the " + strings.Replace(k.Kind, "_", " ", 1) + " " + value
	}
	return "has the " + k.Kind + " " + value
}
