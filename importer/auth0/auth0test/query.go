package auth0test

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// pick leaves the fields of body that the query's fields and include_fields
// ask for.
func pick(body map[string]any, query url.Values) map[string]any {
	if query.Get("fields") == "" {
		return body
	}
	named := strings.Split(query.Get("fields"), ",")
	include := query.Get("include_fields") != "false"
	for field := range body {
		if slices.Contains(named, field) != include {
			delete(body, field)
		}
	}
	return body
}

// integer reads a parameter between low and high; absent it is fallback.
func integer(query url.Values, name, description string, low, high, fallback int) (int, reply, bool) {
	if !query.Has(name) {
		return fallback, reply{}, true
	}
	n, err := strconv.Atoi(query.Get(name))
	problem := ""
	switch {
	case err != nil:
		problem = "Expected type integer but found type string"
	case n < low:
		problem = fmt.Sprintf("Value %d is less than minimum %d", n, low)
	case n > high:
		problem = fmt.Sprintf("Value %d is greater than maximum %d", n, high)
	}
	if problem != "" {
		return 0, invalidQuery(problem, name, description), false
	}
	return n, reply{}, true
}
