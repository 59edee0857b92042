package auth0test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// parseBody reads the body of a write: JSON, or a form with a field members
// for each user. The names of fields must match to the letter.
func (t *Tenant) parseBody(c *call) (map[string]any, reply, bool) {
	switch media := mediaType(c); {
	case media == "application/x-www-form-urlencoded":
		return parseForm(c.body)
	case media == "application/json", c.Header.Get("Content-Type") == "", t.cfg.Undocumented.AnyContentType:
	default:
		return nil, refuse(http.StatusUnsupportedMediaType, "", "Unsupported Media Type"), false
	}
	var body any
	if err := json.Unmarshal(c.body, &body); err != nil {
		return nil, badJSON(t.cfg.Undocumented.BadJSON), false
	}
	object, isObject := body.(map[string]any)
	if !isObject {
		return nil, invalidBody("Expected type object but found type "+typeName(body), "", ""), false
	}
	return object, reply{}, true
}

func badJSON(body Body) reply {
	return bare(http.StatusBadRequest, body, "Invalid request payload JSON format")
}

func parseForm(body []byte) (map[string]any, reply, bool) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "", "Invalid request payload format"), false
	}
	object := make(map[string]any, len(form))
	for name, values := range form {
		list := make([]any, len(values))
		for i, v := range values {
			list[i] = v
		}
		object[strings.TrimSuffix(name, "[]")] = list
	}
	return object, reply{}, true
}

// idList is what the schema says of a list of ids in a body.
type idList struct {
	name, description string
	format            string // of an id
	malformed         func(id string) bool
	most              int  // ids; negative: any number
	unique            bool // no id may be there twice
}

// membersList is the list of members of a body.
func (u Undocumented) membersList(description string) idList {
	return idList{"members", description, "user-id-with-max-length", u.malformed, u.maxMembers(), u.Duplicate == http.StatusBadRequest}
}

// check holds a body against the schema, with the texts of the validator that
// Auth0 uses, and returns its ids in their order, so that an error can point at
// their places.
func (l idList) check(body map[string]any) ([]string, reply, bool) {
	refuse := func(text, property, description string) ([]string, reply, bool) {
		return nil, invalidBody(text, property, description), false
	}
	value, present := body[l.name]
	if !present {
		return refuse("Missing required property: "+l.name, "", "")
	}
	list, isList := value.([]any)
	if !isList {
		return refuse("Expected type array but found type "+typeName(value), l.name, l.description)
	}
	if len(list) == 0 {
		return refuse("Array is too short (0), minimum 1", l.name, l.description)
	}
	if l.most >= 0 && len(list) > l.most {
		return refuse(fmt.Sprintf("Array is too long (%d), maximum %d", len(list), l.most), l.name, l.description)
	}
	ids := make([]string, 0, len(list))
	first := make(map[string]int, len(list))
	for i, item := range list {
		id, isString := item.(string)
		if !isString {
			return refuse("Expected type string but found type "+typeName(item), fmt.Sprintf("%s[%d]", l.name, i), "")
		}
		if l.malformed(id) {
			return refuse("Object didn't pass validation for format "+l.format+": "+id, fmt.Sprintf("%s[%d]", l.name, i), "")
		}
		ids = append(ids, id)
		earlier, repeated := first[id]
		if !repeated {
			first[id] = i
		} else if l.unique {
			return refuse(fmt.Sprintf("Array items are not unique (indexes %d and %d)", earlier, i), l.name, l.description)
		}
	}
	return ids, reply{}, true
}

// checkNames refuses names that the schema of a body, or of a property of it,
// does not have.
func checkNames(body map[string]any, property string, known ...string) (reply, bool) {
	var others []string
	for name := range body {
		if !slices.Contains(known, name) {
			others = append(others, name)
		}
	}
	slices.Sort(others)
	return invalidBody("Additional properties not allowed: "+strings.Join(others, ","), property, ""), len(others) > 0
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

// userIDs returns the strings of the body's members, for the log.
func userIDs(body []byte) []string {
	var object struct{ Members []any }
	if json.Unmarshal(body, &object) != nil {
		return nil
	}
	var ids []string
	for _, item := range object.Members {
		if id, isString := item.(string); isString {
			ids = append(ids, id)
		}
	}
	return ids
}
