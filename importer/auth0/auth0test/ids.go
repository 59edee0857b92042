package auth0test

import (
	"fmt"
	"net/http"
	"strings"
)

// readIDs reads a body whose first property is a list of ids, and checks that
// the organization exists.
func (t *Tenant) readIDs(c *call, s *schema) ([]string, *reply) {
	object, refused := t.readBody(c, s)
	if refused != nil {
		return nil, refused
	}
	if !t.knowsOrg(c.PathValue("org")) {
		return nil, t.unknownOrg()
	}
	return stringsIn(object[s.properties[0].name]), nil
}

// stringsIn returns the strings in a JSON array.
func stringsIn(array any) (texts []string) {
	items, _ := array.([]any)
	for _, item := range items {
		if s, isString := item.(string); isString {
			texts = append(texts, s)
		}
	}
	return texts
}

// unknown is the refusal of a list of ids that names what does not exist, users
// or roles, at the given places. Its words follow those documented for an
// invitation with unknown roles.
func (u *Undocumented) unknown(status int, what, list string, ids []string, at []int) *reply {
	code := "inexistent_" + what
	if status == http.StatusBadRequest {
		code = "invalid_body"
	}
	return refuse(status, code, u.Naming.message("of the specified "+what+"s do not exist", what+" does not exist", list, ids, at))
}

// message says what is wrong with the ids at the given places of a list.
func (n Naming) message(many, one, list string, ids []string, at []int) string {
	switch n {
	case NameAll:
		names := make([]string, len(at))
		for i, place := range at {
			names[i] = ids[place]
		}
		return "One or more " + many + ": " + strings.Join(names, ", ")
	case NameFirst:
		return "The " + one + ": " + ids[at[0]]
	case NameIndex:
		return fmt.Sprintf("The %s: %s[%d]", one, list, at[0])
	}
	return "One or more " + many
}

// places returns where in ids the condition holds.
func places(ids []string, holds func(string) bool) []int {
	var at []int
	for i, id := range ids {
		if holds(id) {
			at = append(at, i)
		}
	}
	return at
}
