package auth0test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
)

func (t *Tenant) knowsUser(id string) bool {
	if _, listed := t.users[id]; listed {
		return true
	}
	if t.cfg.KnownUser != nil {
		return t.cfg.KnownUser(id)
	}
	return id != "" && len(t.cfg.Users) == 0
}

// profile returns a user that exists, made up from the id if it is not listed.
func (t *Tenant) profile(id string) User {
	if u, listed := t.users[id]; listed {
		return u
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
func (t *Tenant) user(c *call) reply {
	if !t.knowsUser(c.arg) {
		return refuse(http.StatusNotFound, "inexistent_user", "The user does not exist.")
	}
	return ok(http.StatusOK, pick(t.profile(c.arg).body(), c.URL.Query()))
}

// usersByEmail is GET /users-by-email: the users with just this address, upper
// and lower case told apart. Where users are known by a predicate only, one is
// made up for the address.
func (t *Tenant) usersByEmail(c *call) reply {
	query := c.URL.Query()
	email := query.Get("email")
	if email == "" {
		return invalidQuery("Missing required property: email", "", "")
	}
	found := t.emails[email]
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
	return ok(http.StatusOK, users)
}

// body has the fields recorded of users that a client of members needs.
func (u User) body() map[string]any {
	provider, id, _ := strings.Cut(u.ID, "|")
	return map[string]any{
		"user_id": u.ID, "email": u.Email, "email_verified": true, "name": u.Name,
		"identities": []map[string]any{{"provider": provider, "user_id": id, "connection": provider, "isSocial": false}},
	}
}
