package auth0test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
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

// checkMembers holds a body against the schema, with the texts of the
// validator that Auth0 uses, and returns its users in their order, so that an
// error can point at their places.
func (t *Tenant) checkMembers(body map[string]any, description string) ([]string, reply, bool) {
	refuse := func(text, property, description string) ([]string, reply, bool) {
		return nil, invalidBody(text, property, description), false
	}
	members, present := body["members"]
	if !present {
		return refuse("Missing required property: members", "", "")
	}
	list, isList := members.([]any)
	if !isList {
		return refuse("Expected type array but found type "+typeName(members), "members", description)
	}
	if len(list) == 0 {
		return refuse("Array is too short (0), minimum 1", "members", description)
	}
	if most := t.cfg.Undocumented.maxMembers(); most >= 0 && len(list) > most {
		return refuse(fmt.Sprintf("Array is too long (%d), maximum %d", len(list), most), "members", description)
	}
	ids := make([]string, 0, len(list))
	first := make(map[string]int, len(list))
	for i, item := range list {
		id, isString := item.(string)
		if !isString {
			return refuse("Expected type string but found type "+typeName(item), fmt.Sprintf("members[%d]", i), "")
		}
		if t.cfg.Undocumented.malformed(id) {
			return refuse("Object didn't pass validation for format user-id-with-max-length: "+id, fmt.Sprintf("members[%d]", i), "")
		}
		ids = append(ids, id)
		earlier, repeated := first[id]
		if !repeated {
			first[id] = i
		} else if t.cfg.Undocumented.Duplicate == http.StatusBadRequest {
			return refuse(fmt.Sprintf("Array items are not unique (indexes %d and %d)", earlier, i), "members", description)
		}
	}
	return ids, reply{}, true
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
	var object map[string]any
	if json.Unmarshal(body, &object) != nil {
		return nil
	}
	list, _ := object["members"].([]any)
	var ids []string
	for _, item := range list {
		if id, isString := item.(string); isString {
			ids = append(ids, id)
		}
	}
	return ids
}
