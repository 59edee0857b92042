package csvfile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The names by which the columns are known, without case, spaces, hyphens and
// underscores.
var (
	orgNames  = []string{"orgid", "organizationid", "org", "organization"}
	userNames = []string{"userid", "user", "sub"}
)

// columns says where in a record things are.
type columns struct {
	names     []string // of all columns, as written
	org, user int      // org is -1 if the file has users only
	status    int      // of an earlier run's results, otherwise -1
	kept      []int
}

// findColumns looks through the header. Its errors are *InputErrors.
func findColumns(header []string, d Dialect) (columns, error) {
	c := columns{names: make([]string, len(header)), status: -1}
	for i, name := range header {
		c.names[i] = cleanName(name)
	}
	own := 0 // columns in front that are not to be kept
	if isResults(c.names) && d.OrgColumn == "" && d.UserColumn == "" {
		c.org, c.user, c.status = resultsOrg, resultsUser, resultsStatus
		own = len(resultsHeader)
	} else if err := c.find(d); err != nil {
		return columns{}, err
	}
	if d.Keep {
		for i := own; i < len(c.names); i++ {
			if i != c.org && i != c.user && c.names[i] != "" {
				c.kept = append(c.kept, i)
			}
		}
	}
	return c, nil
}

func (c *columns) find(d Dialect) (err error) {
	if c.user, err = c.column("user", d.UserColumn, userNames); err != nil {
		return err
	}
	if c.org, err = c.column("org", d.OrgColumn, orgNames); err != nil {
		return err
	}
	switch {
	case c.user < 0:
		return c.missing("user", "name it with --user-column")
	case c.org < 0 && d.OrgID == "":
		return c.missing("organization", "name it with --org-column, or give every row one organization with --org")
	case c.org == c.user:
		return &InputError{
			text: fmt.Sprintf("column %q is named for both the organization and the user", c.names[c.org]),
			hint: "name two columns with --org-column and --user-column",
		}
	}
	return nil
}

// column returns the place of the column that is called name, or, if that is
// empty, one of aliases; -1 if none has an alias.
func (c *columns) column(flag, name string, aliases []string) (int, error) {
	var found []int
	if name == "" {
		found = c.where(func(n string) bool { return slices.Contains(aliases, fold(n)) })
	} else {
		found = c.where(func(n string) bool { return n == cleanName(name) })
		if found == nil {
			found = c.where(func(n string) bool { return fold(n) == fold(name) })
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return 0, &InputError{
			text: fmt.Sprintf("more than one column could be the %s: %s", columnOf(flag), quoted(c.at(found))),
			hint: c.settle(flag, found),
		}
	case name != "":
		return 0, &InputError{
			text: fmt.Sprintf("there is no column %q: the header has %s", name, quoted(c.names)),
			hint: fmt.Sprintf("name one of them with --%s-column", flag),
		}
	}
	return -1, nil
}

// settle is the way out of an ambiguity: a flag, unless the names are the same.
func (c *columns) settle(flag string, found []int) string {
	names := c.at(found)
	slices.Sort(names)
	if len(slices.Compact(names)) < len(found) {
		return "rename all but one of them in the file"
	}
	return fmt.Sprintf("name the right one with --%s-column", flag)
}

func (c *columns) missing(what, hint string) error {
	if looksLikeRow(c.names) {
		return &InputError{
			text: fmt.Sprintf("the first line looks like a row, not like a header: %s", quoted(c.names)),
			hint: "put a line above it that names the columns, such as org_id,user_id",
		}
	}
	return &InputError{
		text: fmt.Sprintf("no column for the %s: the header has %s", what, quoted(c.names)),
		hint: hint,
	}
}

func (c *columns) where(is func(name string) bool) (found []int) {
	for i, name := range c.names {
		if is(name) {
			found = append(found, i)
		}
	}
	return found
}

func (c *columns) at(places []int) []string {
	names := make([]string, len(places))
	for i, p := range places {
		names[i] = c.names[p]
	}
	return names
}

// width is the number of columns up to the last one with a name. Spreadsheets
// write empty ones behind it, sometimes not in every row.
func (c *columns) width() int {
	n := len(c.names)
	for n > 0 && c.names[n-1] == "" {
		n--
	}
	return n
}

// tags names the columns for gocsv: those it is to find by the tags of record,
// all others by their place, so that no two have the same name.
func (c *columns) tags(header []string) []string {
	tags := make([]string, len(header))
	for i := range tags {
		switch i {
		case c.org:
			tags[i] = "org_id"
		case c.user:
			tags[i] = "user_id"
		case c.status:
			tags[i] = "status"
		default:
			tags[i] = strconv.Itoa(i)
		}
	}
	return tags
}

// columnOf is the thing in the column that a flag names.
func columnOf(flag string) string {
	if flag == "org" {
		return "organization"
	}
	return flag
}

// cleanName returns a header as people see it.
func cleanName(name string) string {
	return strings.TrimFunc(name, func(r rune) bool { return unicode.IsSpace(r) || isInvisible(r) })
}

// fold makes names equal that people take for the same.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || isInvisible(r) || r == '_' || r == '-' {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
}

// isInvisible reports whether r is a byte order mark or one of the characters
// of no width that are pasted along with a text.
func isInvisible(r rune) bool {
	return r == '\uFEFF' || r >= '\u200B' && r <= '\u200D'
}

// looksLikeRow reports whether there are ids where the names should be. The ids
// that Auth0 makes for organizations are "org_" and 16 characters.
func looksLikeRow(names []string) bool {
	return slices.ContainsFunc(names, func(s string) bool {
		return isUserShaped(s) || isOrgShaped(s) && len(s) == len("org_")+16
	})
}

// quoted returns names for a message, with an end to it.
func quoted(names []string) string {
	const most, longest = 20, 40
	var b strings.Builder
	for i, name := range names {
		if i == most {
			fmt.Fprintf(&b, " and %d more", len(names)-most)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		if utf8.RuneCountInString(name) > longest {
			name = string([]rune(name)[:longest]) + "…"
		}
		fmt.Fprintf(&b, "%q", name)
	}
	return b.String()
}
