package auth0test

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
)

const picture = "https://example.com/picture.png"

// MakeUsers returns n users with predictable ids and addresses: the first is
// auth0|000000000000000000000001 with user1@example.com.
func MakeUsers(n int) []User {
	users := make([]User, n)
	for i := range users {
		email := fmt.Sprintf("user%d@example.com", i+1)
		users[i] = User{ID: fmt.Sprintf("auth0|%024d", i+1), Email: email, Name: email}
	}
	return users
}

// userList holds the tenant's users in the order in which they came. Users never
// change.
type userList struct {
	list    []User
	byID    map[string]int
	byEmail map[string][]int
}

func newUserList(users []User) userList {
	l := userList{
		list: slices.Clip(users), // as long as nobody signs up, they are not copied
		byID: make(map[string]int, len(users)), byEmail: make(map[string][]int, len(users)),
	}
	for i := range users {
		l.index(i)
	}
	return l
}

func (l *userList) index(i int) {
	u := &l.list[i]
	l.byID[u.ID] = i
	l.byEmail[u.Email] = append(l.byEmail[u.Email], i)
}

// AddUsers lets users sign up.
func (t *Tenant) AddUsers(users ...User) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, u := range users {
		t.users.list = append(t.users.list, u)
		t.users.index(len(t.users.list) - 1)
	}
}

func (t *Tenant) knowsUser(id string) bool {
	if _, listed := t.users.byID[id]; listed {
		return true
	}
	if t.cfg.KnownUser != nil {
		return t.cfg.KnownUser(id)
	}
	return id != "" && len(t.cfg.Users) == 0
}

// profile returns a user, made up from the id if it is not listed.
func (t *Tenant) profile(id string) User {
	if i, listed := t.users.byID[id]; listed {
		return t.users.list[i]
	}
	local := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '-'
	}, id[strings.LastIndexByte(id, '|')+1:])
	email := strings.ToLower(local) + "@example.com"
	return User{ID: id, Email: email, Name: email}
}

// user is GET /users/{id}.
func (t *Tenant) user(c *call) *reply {
	id := c.PathValue("id")
	if !t.knowsUser(id) {
		return noUser()
	}
	u := t.profile(id)
	return respond(http.StatusOK, pick(u.body(), c.URL.Query()))
}

func noUser() *reply {
	return refuse(http.StatusNotFound, "inexistent_user", "The user does not exist.")
}

// usersByEmail is GET /users-by-email: the users with exactly this address, case
// included. If none is listed, one is made up for the address, unless KnownUser
// does not know it.
func (t *Tenant) usersByEmail(c *call) *reply {
	query := c.URL.Query()
	email := query.Get("email")
	if email == "" {
		return invalidQuery("Missing required property: email", "", "")
	}
	var found []User
	for _, i := range t.users.byEmail[email] {
		found = append(found, t.users.list[i])
	}
	if len(found) == 0 {
		sum := sha256.Sum256([]byte(email))
		made := User{ID: "auth0|" + hex.EncodeToString(sum[:12]), Email: email, Name: email}
		if t.knowsUser(made.ID) {
			found = []User{made}
		}
	}
	users := make([]map[string]any, len(found))
	for i, u := range found {
		users[i] = pick(u.body(), query)
	}
	return respond(http.StatusOK, users)
}

// body returns a user as the API does, without what the user does not have.
func (u *User) body() map[string]any {
	return present(map[string]any{
		"user_id": u.ID, "email": u.Email, "email_verified": !u.Unverified, "username": u.Username, "phone_number": u.Phone,
		"name": u.Name, "nickname": u.Nickname, "picture": picture, "identities": u.identities(),
		"app_metadata": u.AppMetadata, "user_metadata": u.UserMetadata,
	})
}

// identities returns what a user logs in with. "In some cases" that includes a
// token of the identity provider; here, whenever the provider is not Auth0.
func (u *User) identities() []map[string]any {
	provider, id, _ := strings.Cut(u.ID, "|")
	identity := map[string]any{"provider": provider, "user_id": id, "connection": u.connection(), "isSocial": false}
	if provider != "auth0" {
		identity["access_token"] = "a-token-of-" + provider
	}
	return []map[string]any{identity}
}

// connection returns the name of the first identity's connection.
func (u *User) connection() string {
	provider, _, _ := strings.Cut(u.ID, "|")
	if provider == "auth0" {
		provider = "Username-Password-Authentication" // as recorded
	}
	return cmp.Or(u.Connection, provider)
}

// connections returns those that are listed, or else those that users have, in
// the order of their names.
func (t *Tenant) connections() []Connection {
	if t.cfg.Connections != nil {
		return t.cfg.Connections
	}
	names := make(map[string]bool)
	for _, u := range t.users.list {
		names[u.connection()] = true
	}
	var all []Connection
	for _, name := range slices.Sorted(maps.Keys(names)) {
		all = append(all, madeConnection(name))
	}
	return all
}

// knowsConnection reports whether a connection exists; if there are none, every
// one does.
func (t *Tenant) knowsConnection(id string) bool {
	all := t.connections()
	return len(all) == 0 || slices.ContainsFunc(all, func(c Connection) bool { return c.ID == id })
}

func madeConnection(name string) Connection { return Connection{"con_" + alnum(name, 16), name} }

// listConnections is GET /connections.
func (t *Tenant) listConnections(c *call) *reply {
	query := c.URL.Query()
	found := t.connections()
	if name := query.Get("name"); name != "" {
		if len(found) == 0 {
			found = []Connection{madeConnection(name)}
		}
		found = slices.DeleteFunc(slices.Clone(found), func(c Connection) bool { return c.Name != name })
	}
	names := make(map[string]string, len(found))
	ids := make([]string, len(found))
	for i, c := range found {
		names[c.ID], ids[i] = c.Name, c.ID
	}
	item := func(id string) map[string]any {
		return map[string]any{"id": id, "name": names[id], "strategy": "auth0"}
	}
	return t.show(list{name: "connections", order: inOrder(ids), item: item, checkpoint: true}, query)
}

// ParseUsers reads users from a file: JSON objects one after the other, with the
// fields of Auth0's users exports, or a CSV with columns of the same names. The
// connection is that of the first identity, or in a column connection; a field
// of the metadata is in a column such as app_metadata.employee.
func ParseUsers(r io.Reader) ([]User, error) {
	var users []User
	err := readObjects(r, func(object map[string]any) error {
		u := User{Unverified: !boolean(object, "email_verified", true)}
		texts(object, map[string]*string{
			"user_id": &u.ID, "email": &u.Email, "name": &u.Name, "username": &u.Username,
			"phone_number": &u.Phone, "nickname": &u.Nickname, "connection": &u.Connection,
		})
		if identities, ok := object["identities"].([]any); ok && len(identities) > 0 && u.Connection == "" {
			if first, ok := identities[0].(map[string]any); ok {
				u.Connection, _ = first["connection"].(string)
			}
		}
		u.AppMetadata = below(object, "app_metadata")
		u.UserMetadata = below(object, "user_metadata")
		if u.ID == "" {
			return errors.New("a user has no user_id")
		}
		users = append(users, u)
		return nil
	})
	return users, err
}

// ParseOrganizations reads organizations from a file: JSON objects one after the
// other, with id, name, display_name and metadata as in the API, or a CSV with
// columns of the same names, such as metadata.crm.
func ParseOrganizations(r io.Reader) ([]Organization, error) {
	var orgs []Organization
	err := readObjects(r, func(object map[string]any) error {
		var o Organization
		texts(object, map[string]*string{"id": &o.ID, "name": &o.Name, "display_name": &o.DisplayName})
		for name, v := range below(object, "metadata") {
			if o.Metadata == nil {
				o.Metadata = make(map[string]string)
			}
			o.Metadata[name] = fmt.Sprint(v)
		}
		if o.ID == "" {
			return errors.New("an organization has no id")
		}
		orgs = append(orgs, o)
		return nil
	})
	return orgs, err
}

func texts(object map[string]any, into map[string]*string) {
	for name, text := range into {
		*text, _ = object[name].(string)
	}
}

// boolean returns a boolean, which in a CSV is a word, in capitals after Excel.
func boolean(object map[string]any, name string, absent bool) bool {
	switch v := object[name].(type) {
	case bool:
		return v
	case string:
		return strings.EqualFold(v, "true") || v == "" && absent
	}
	return absent
}

// below returns the object of that name in another, or what the other has under
// names such as metadata.crm.
func below(object map[string]any, name string) map[string]any {
	if inner, ok := object[name].(map[string]any); ok {
		return inner
	}
	var inner map[string]any
	for key, v := range object {
		if rest, ok := strings.CutPrefix(key, name+"."); ok && v != "" {
			if inner == nil {
				inner = make(map[string]any)
			}
			inner[rest] = v
		}
	}
	return inner
}

// readObjects calls each with every object of a file.
func readObjects(r io.Reader, each func(map[string]any) error) error {
	in := bufio.NewReader(r)
	first, err := in.Peek(1)
	if err != nil {
		return errors.New("the file is empty")
	}
	next := csvObjects(in)
	if first[0] == '{' {
		objects := json.NewDecoder(in)
		next = func() (object map[string]any, err error) { return object, objects.Decode(&object) }
	}
	for n := 1; ; n++ {
		object, err := next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = each(object)
		}
		if err != nil {
			return fmt.Errorf("record %d: %w", n, err)
		}
	}
}

// csvObjects returns a function that returns the next record of a CSV as an
// object.
func csvObjects(in io.Reader) func() (map[string]any, error) {
	records := csv.NewReader(in)
	var header []string
	return func() (map[string]any, error) {
		if header == nil {
			var err error
			if header, err = records.Read(); err != nil {
				return nil, err
			}
		}
		record, err := records.Read()
		if err != nil {
			return nil, err
		}
		object := make(map[string]any, len(header))
		for i, name := range header {
			object[strings.TrimSpace(name)] = record[i]
		}
		return object, nil
	}
}
