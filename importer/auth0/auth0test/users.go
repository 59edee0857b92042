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

// AddUsers lets users sign up.
func (t *Tenant) AddUsers(users ...User) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, u := range users {
		t.users = append(t.users, u)
		t.indexUser(len(t.users) - 1)
	}
}

func (t *Tenant) indexUser(i int) {
	u := &t.users[i]
	t.userByID[u.ID] = i
	t.usersByMail[u.Email] = append(t.usersByMail[u.Email], i)
}

func (t *Tenant) knowsUser(id string) bool {
	if _, listed := t.userByID[id]; listed {
		return true
	}
	if t.cfg.KnownUser != nil {
		return t.cfg.KnownUser(id)
	}
	return id != "" && len(t.cfg.Users) == 0
}

// profile returns a user, made up from the id if it is not listed.
func (t *Tenant) profile(id string) User {
	if i, listed := t.userByID[id]; listed {
		return t.users[i]
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
	for _, i := range t.usersByMail[email] {
		found = append(found, t.users[i])
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
	for _, u := range t.users {
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
	ids := make([]string, len(found))
	for i, c := range found {
		ids[i] = c.ID
	}
	item := func(id string) map[string]any {
		i := slices.Index(ids, id)
		return map[string]any{"id": id, "name": found[i].Name, "strategy": "auth0"}
	}
	return t.show(list{name: "connections", order: inOrder(ids), item: item, checkpoint: true}, query)
}

// ParseUsers reads users from a file: JSON objects one after the other, with the
// fields of Auth0's users exports, or a CSV with columns of the same names. The
// connection is that of the first identity, or in a column connection; a field
// of the metadata is in a column such as app_metadata.employee.
func ParseUsers(r io.Reader) ([]User, error) {
	return parse(r, func(u User) error {
		if u.ID == "" {
			return errors.New("a user has no user_id")
		}
		return nil
	})
}

// UnmarshalJSON reads a user as the API writes it. A boolean may be a word, as in a
// CSV, in capitals after Excel.
func (u *User) UnmarshalJSON(b []byte) error {
	type fields User
	var more struct {
		Verified   any `json:"email_verified"`
		Identities []struct{ Connection string }
	}
	if err := errors.Join(json.Unmarshal(b, (*fields)(u)), json.Unmarshal(b, &more)); err != nil {
		return err
	}
	u.Unverified = more.Verified != nil && !strings.EqualFold(fmt.Sprint(more.Verified), "true")
	if len(more.Identities) > 0 {
		u.Connection = cmp.Or(u.Connection, more.Identities[0].Connection)
	}
	return nil
}

// ParseOrganizations reads organizations from a file: JSON objects one after the
// other, with id, name, display_name and metadata as in the API, or a CSV with
// columns of the same names, such as metadata.crm.
func ParseOrganizations(r io.Reader) ([]Organization, error) {
	return parse(r, func(o Organization) error {
		if o.ID == "" {
			return errors.New("an organization has no id")
		}
		return nil
	})
}

// parse reads the values in a file, which must pass a check.
func parse[T any](r io.Reader, check func(T) error) (values []T, err error) {
	in := bufio.NewReader(r)
	first, err := in.Peek(1)
	if err != nil {
		return nil, errors.New("the file is empty")
	}
	next := csvObjects(in)
	if first[0] == '{' {
		objects := json.NewDecoder(in)
		next = func() (object map[string]any, err error) { return object, objects.Decode(&object) }
	}
	for n := 1; ; n++ {
		object, err := next()
		if errors.Is(err, io.EOF) {
			return values, nil
		}
		var value T
		if err == nil {
			nested := make(map[string]any)
			for path, v := range object {
				if v != "" {
					nest(nested, path, v)
				}
			}
			err = json.Unmarshal(marshal(nested), &value)
		}
		if err == nil {
			err = check(value)
		}
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", n, err)
		}
		values = append(values, value)
	}
}

// nest puts v at a path into an object.
func nest(object map[string]any, path string, v any) {
	head, rest, deep := strings.Cut(path, ".")
	if !deep {
		object[head] = v
		return
	}
	inner := make(map[string]any)
	if name, indexed := strings.CutSuffix(head, "[0]"); indexed {
		object[name] = []map[string]any{inner}
	} else if known, ok := object[head].(map[string]any); ok {
		inner = known
	} else {
		object[head] = inner
	}
	nest(inner, rest, v)
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
