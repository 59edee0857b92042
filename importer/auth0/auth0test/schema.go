package auth0test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// schema says what a value in the body of a request must be like.
type schema struct {
	kind        string // as typeName has it
	description string // quoted in a refusal

	// min and max bound an integer, the characters of a string or the items of
	// an array. A max of 0 or less is none.
	min, max int

	wrong func(string) string // string: what else is wrong with it, or ""

	items    *schema // array: what each item must be like
	tooMany  int     // array: the status for more than max items; 0: 400
	repeated int     // array: the status for an item that is there twice; 0: it may be

	properties []property // object: those that it may have, if there are any
	others     bool       // object: it may have others
	values     *schema    // object: what the values of all its properties must be like
}

// property is a property of an object.
type property struct {
	name     string
	required bool
	schema
}

// malformed returns a check of strings that are to have a format.
func malformed(format string, bad func(string) bool) func(string) string {
	return func(s string) string {
		if bad(s) {
			return "Object didn't pass validation for format " + format + ": " + s
		}
		return ""
	}
}

// refuse returns the refusal of a value that does not fit, in the words of the
// validator that Auth0 uses, or nil. The names of properties must match
// exactly.
func (s *schema) refuse(value any, at string) *reply {
	if kind := typeName(value); kind != s.kind {
		return invalidBody("Expected type "+s.kind+" but found type "+kind, at, s.description)
	}
	problem, status := "", 0
	switch v := value.(type) {
	case string:
		problem = s.length("String", utf8.RuneCountInString(v), " chars")
		if problem == "" && s.wrong != nil {
			problem = s.wrong(v)
		}
	case float64:
		problem = outOfRange(int(v), s.min, s.max)
	case []any:
		if problem = s.length("Array", len(v), ""); problem != "" {
			if len(v) >= s.min {
				status = s.tooMany
			}
			break
		}
		for i, item := range v {
			if rep := s.items.refuse(item, at+"["+strconv.Itoa(i)+"]"); rep != nil {
				return rep
			}
		}
		problem, status = s.repetition(v), s.repeated
	case map[string]any:
		if s.values != nil {
			return s.refuseValues(v, at)
		}
		if s.properties != nil {
			return s.refuseProperties(v, at)
		}
	}
	if problem != "" {
		return invalid(cmp.Or(status, http.StatusBadRequest), problem, at, s.description)
	}
	return nil
}

func (s *schema) length(what string, n int, unit string) string {
	switch {
	case n < s.min:
		return fmt.Sprintf("%s is too short (%d%s), minimum %d", what, n, unit, s.min)
	case s.max > 0 && n > s.max:
		return fmt.Sprintf("%s is too long (%d%s), maximum %d", what, n, unit, s.max)
	}
	return ""
}

func outOfRange(n, low, high int) string {
	switch {
	case n < low:
		return fmt.Sprintf("Value %d is less than minimum %d", n, low)
	case high > 0 && n > high:
		return fmt.Sprintf("Value %d is greater than maximum %d", n, high)
	}
	return ""
}

func (s *schema) repetition(items []any) string {
	if s.repeated == 0 {
		return ""
	}
	first := make(map[any]int, len(items))
	for i, item := range items {
		if earlier, found := first[item]; found {
			return fmt.Sprintf("Array items are not unique (indexes %d and %d)", earlier, i)
		}
		first[item] = i
	}
	return ""
}

func (s *schema) refuseProperties(object map[string]any, at string) *reply {
	var names []string
	for name := range object {
		if !slices.ContainsFunc(s.properties, func(p property) bool { return p.name == name }) {
			names = append(names, name)
		}
	}
	if len(names) > 0 && !s.others {
		slices.Sort(names)
		return invalidBody("Additional properties not allowed: "+strings.Join(names, ","), at, "")
	}
	for _, p := range s.properties {
		value, found := object[p.name]
		if !found {
			if p.required {
				return invalidBody("Missing required property: "+p.name, at, "")
			}
			continue
		}
		if rep := p.refuse(value, strings.TrimPrefix(at+"."+p.name, ".")); rep != nil {
			return rep
		}
	}
	return nil
}

func (s *schema) refuseValues(object map[string]any, at string) *reply {
	if problem := s.length("Object", len(object), " properties"); problem != "" {
		return invalidBody(problem, at, s.description)
	}
	for name, value := range object {
		if rep := s.values.refuse(value, at+"."+name); rep != nil {
			return rep
		}
	}
	return nil
}

// typeName is what the validator calls the type of a JSON value.
func typeName(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case []any:
		return "array"
	case float64:
		if v == math.Trunc(v) {
			return "integer"
		}
		return "number"
	}
	return "object"
}

// readBody reads the body of a write, which must fit a schema: JSON, or a form
// with a field for each item of a list.
func (t *Tenant) readBody(c *call, s *schema) (map[string]any, *reply) {
	var body any
	switch media := mediaType(c); {
	case media == "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(c.body))
		if err != nil {
			return nil, refuse(http.StatusBadRequest, "", "Invalid request payload format")
		}
		body = formObject(form)
	case media == "application/json", c.Header.Get("Content-Type") == "", t.cfg.Undocumented.AnyContentType:
		if err := json.Unmarshal(c.body, &body); err != nil {
			return nil, bare(http.StatusBadRequest, t.cfg.Undocumented.BadJSON, "Invalid request payload JSON format")
		}
	default:
		return nil, refuse(http.StatusUnsupportedMediaType, "", "Unsupported Media Type")
	}
	if rep := s.refuse(body, ""); rep != nil {
		return nil, rep
	}
	object, _ := body.(map[string]any)
	return object, nil
}

func formObject(form url.Values) map[string]any {
	object := make(map[string]any, len(form))
	for name, values := range form {
		list := make([]any, len(values))
		for i, v := range values {
			list[i] = v
		}
		object[strings.TrimSuffix(name, "[]")] = list
	}
	return object
}

// invalidBody, invalidQuery and invalidURI decorate a text of the schema
// validator as recorded: what is wrong, where, and the description of the
// property if the schema has one.
func invalidBody(text, property, description string) *reply {
	return invalid(http.StatusBadRequest, text, property, description)
}

// invalid is invalidBody with a status that may not be the documented one.
func invalid(status int, text, property, description string) *reply {
	return refuse(status, "invalid_body", decorate("Payload", text, property, description))
}

func invalidQuery(text, property, description string) *reply {
	return refuse(http.StatusBadRequest, "invalid_query_string", decorate("Query", text, property, description))
}

func invalidURI(text, property, description string) *reply {
	return refuse(http.StatusBadRequest, "invalid_uri", decorate("Path", text, property, description))
}

func decorate(part, text, property, description string) string {
	msg := part + " validation error: '" + text + "'"
	if property != "" {
		msg += " on property " + property
	}
	if description != "" {
		msg += " (" + description + ")"
	}
	return msg + "."
}

// readIDs reads a body whose first property is a list of ids, and checks that
// the organization exists.
func (t *Tenant) readIDs(c *call, s *schema) ([]string, *reply) {
	object, refused := t.readBody(c, s)
	if refused != nil {
		return nil, refused
	}
	if orgID := c.PathValue("org"); !t.knowsOrg(orgID) {
		return nil, t.unknownOrg(orgID)
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
