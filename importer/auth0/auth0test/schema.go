package auth0test

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

//go:embed bodies.json
var bodiesJSON []byte

// bodies are the schemas of the bodies of requests, by the patterns of routes. They
// are excerpts of the API's OpenAPI document.
var bodies = sync.OnceValue(func() (byPattern map[string]*schema) {
	if err := json.Unmarshal(bodiesJSON, &byPattern); err != nil {
		panic(err)
	}
	return byPattern
})

// schema describes valid JSON values. Its fields are keywords of JSON Schema. A
// maximum of 0 means none.
type schema struct {
	Type, Description string

	MinLength, MaxLength int // string
	Format, Pattern      string
	Enum                 []string

	Minimum, Maximum int // integer

	MinItems, MaxItems int // array
	Items              *schema

	Required      []string // object
	Properties    map[string]*schema
	MaxProperties int
	Others        *schema `json:"additionalProperties"`

	never bool // nothing fits
}

// UnmarshalJSON reads a schema, or false, which no value fits.
func (s *schema) UnmarshalJSON(b []byte) error {
	type object schema
	if s.never = string(b) == "false"; s.never {
		return nil
	}
	return json.Unmarshal(b, (*object)(s))
}

// formats report whether a string is malformed. The format of user ids is not
// known: see [Undocumented].
var formats = map[string]func(string) bool{
	"email": func(s string) bool {
		local, domain, _ := strings.Cut(s, "@")
		return local == "" || domain == "" || strings.ContainsAny(s, " \t\r\n")
	},
	"organization-name": func(s string) bool { return !organizationName.MatchString(s) || strings.HasPrefix(s, "org_") },
	"role-id":           func(s string) bool { return len(s) <= len("rol_") || !strings.HasPrefix(s, "rol_") },
}

var organizationName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-_]*[a-z0-9])?$`)

// refuse returns the refusal of a value that does not fit, in the words of the
// validator that Auth0 uses, or nil. The names of properties must match
// exactly.
func (s *schema) refuse(value any, at string) *reply {
	if kind := typeName(value); kind != s.Type {
		return invalidBody("Expected type "+s.Type+" but found type "+kind, at, s.Description)
	}
	problem := ""
	switch v := value.(type) {
	case string:
		problem = s.text(v)
	case float64:
		problem = outOfRange(int(v), s.Minimum, s.Maximum)
	case []any:
		if problem = wrongLength("Array", len(v), "", s.MinItems, s.MaxItems); problem != "" {
			break
		}
		for i, item := range v {
			if rep := s.Items.refuse(item, fmt.Sprintf("%s[%d]", at, i)); rep != nil {
				return rep
			}
		}
	case map[string]any:
		if problem = wrongLength("Object", len(v), " properties", 0, s.MaxProperties); problem == "" {
			return s.refuseProperties(v, at)
		}
	}
	if problem != "" {
		return invalidBody(problem, at, s.Description)
	}
	return nil
}

// text returns what is wrong with a string, or "".
func (s *schema) text(v string) string {
	problem := wrongLength("String", utf8.RuneCountInString(v), " chars", s.MinLength, s.MaxLength)
	switch malformed := formats[s.Format]; {
	case problem != "":
	case malformed != nil && malformed(v):
		problem = "Object didn't pass validation for format " + s.Format + ": " + v
	case s.Enum != nil && !slices.Contains(s.Enum, v):
		problem = "No enum match for: " + v
	case s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(v):
		problem = "String does not match pattern " + s.Pattern + ": " + v
	}
	return problem
}

func wrongLength(what string, n int, unit string, least, most int) string {
	switch {
	case n < least:
		return fmt.Sprintf("%s is too short (%d%s), minimum %d", what, n, unit, least)
	case most > 0 && n > most:
		return fmt.Sprintf("%s is too long (%d%s), maximum %d", what, n, unit, most)
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

func (s *schema) refuseProperties(object map[string]any, at string) *reply {
	names := slices.Sorted(maps.Keys(object))
	if s.Others != nil && s.Others.never {
		others := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return s.Properties[name] != nil })
		if len(others) > 0 {
			return invalidBody("Additional properties not allowed: "+strings.Join(others, ","), at, "")
		}
	}
	for _, name := range s.Required {
		if _, found := object[name]; !found {
			return invalidBody("Missing required property: "+name, at, "")
		}
	}
	for _, name := range names {
		property := cmp.Or(s.Properties[name], s.Others)
		if property == nil {
			continue
		}
		if rep := property.refuse(object[name], strings.TrimPrefix(at+"."+name, ".")); rep != nil {
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

// read reads the body of a request into v. It must be JSON that fits the schema of
// the endpoint.
func (t *Tenant) read(c *call, v any) *reply {
	if c.Header.Get("Content-Type") != "" && c.mediaType() != "application/json" && !t.cfg.Undocumented.AnyContentType {
		return refuse(http.StatusUnsupportedMediaType, "", "Unsupported Media Type")
	}
	var body any
	if json.Unmarshal(c.body, &body) != nil {
		return bare(http.StatusBadRequest, t.cfg.Undocumented.BadJSON, "Invalid request payload JSON format")
	}
	if rep := bodies()[c.pattern].refuse(body, ""); rep != nil {
		return rep
	}
	if err := json.Unmarshal(c.body, v); err != nil {
		return invalidBody(err.Error(), "", "")
	}
	return nil
}

// invalidBody, invalidQuery and invalidURI word a refusal as recorded: what the
// schema validator says, where, and the description of the property if the schema
// has one.
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

// unknown refuses a list of ids because users or roles at the given indexes do not
// exist. Its words follow those documented for an invitation with unknown roles.
func (u *Undocumented) unknown(status int, what, list string, ids []string, at []int) *reply {
	code := "inexistent_" + what
	if status == http.StatusBadRequest {
		code = "invalid_body"
	}
	return refuse(status, code, u.Naming.message("of the specified "+what+"s do not exist", what+" does not exist", list, ids, at))
}

// message says what is wrong with the ids at the given indexes of a list.
func (n Naming) message(many, one, list string, ids []string, at []int) string {
	switch n {
	case NameAll:
		names := make([]string, len(at))
		for i, index := range at {
			names[i] = ids[index]
		}
		return "One or more " + many + ": " + strings.Join(names, ", ")
	case NameFirst:
		return "The " + one + ": " + ids[at[0]]
	case NameIndex:
		return fmt.Sprintf("The %s: %s[%d]", one, list, at[0])
	}
	return "One or more " + many
}

// indexes returns the indexes of the ids for which the condition holds.
func indexes(ids []string, holds func(string) bool) []int {
	var at []int
	for i, id := range ids {
		if holds(id) {
			at = append(at, i)
		}
	}
	return at
}
