package csvfile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"orgimport/importer"
)

// columns says which column of a file has which field.
type columns struct {
	names []string        // of all columns, as written
	own   int             // how many at the front are those of a results file
	at    [fieldCount]int // index of the column; -1: none
	kept  []int           // columns that are copied to the results

	org, user side // with the kinds of keys that this file has
}

// results reports whether the file holds the results of an earlier run.
func (c *columns) results() bool { return c.own > 0 }

// findColumns finds the columns that a header names. Its errors are *InputErrors.
func findColumns(header []string, d Dialect) (columns, error) {
	c := columns{names: make([]string, len(header))}
	for i, name := range header {
		c.names[i] = trim(name)
	}
	for f := range c.at {
		c.at[f] = -1
	}
	if isResults(c.names) {
		c.own = len(resultsHeader)
		for f := range c.at {
			c.at[f] = slices.Index(resultsHeader, fields[f].tag)
		}
	}
	if err := c.find(d); err != nil {
		return columns{}, err
	}
	c.keep(d)
	return c, nil
}

func (c *columns) find(d Dialect) (err error) {
	if c.user, err = c.findSide(userSide, d.UserColumn, d.UserBy); err != nil {
		return err
	}
	if d.Emails {
		c.at[fieldUserID] = -1
	}
	if c.org, err = c.findSide(orgSide, d.OrgColumn, d.OrgBy); err != nil {
		return err
	}
	if c.at[fieldConnection], err = c.byName(fieldConnection, side{title: "connection"}); err != nil {
		return err
	}
	if d.Roles {
		if c.at[fieldRoles], err = c.byName(fieldRoles, side{title: "roles"}); err != nil {
			return err
		}
	}
	orgs, users := c.of(&c.org), c.of(&c.user)
	switch {
	case len(users) == 0:
		return c.missing("user", "name it with --user-column")
	case len(orgs) == 0 && d.OrgID == "":
		return c.missing("organization", "name it with --org-column, or give every row one organization with --org")
	}
	for _, i := range orgs {
		if slices.Contains(users, i) {
			return inputError("name two columns with --org-column and --user-column",
				"column %q is given for both the organization and the user", c.names[i])
		}
	}
	return nil
}

// findSide finds the columns of a side: the one called name, otherwise all that
// are known by their names. If by is given, one column has keys of that kind,
// which becomes the second field.
func (c *columns) findSide(s side, name, by string) (side, error) {
	if name != "" {
		i, err := c.named(&s, name)
		if err != nil || i < 0 {
			return s.by(by), err
		}
		c.at[s.fields[1]] = i
		if f := slices.IndexFunc(s.fields[:], func(f field) bool { return f.named(name) }); by == "" && f >= 0 {
			by = s.kinds[f]
		}
		return s.by(by), nil
	}
	for _, f := range s.fields {
		if c.results() && f == s.fields[0] && by == "" {
			continue // a copied column does not replace the ids at the front
		}
		i, err := c.byName(f, s)
		switch {
		case err != nil:
			return s, err
		case i >= 0 && by != "":
			c.at[s.fields[1]] = i
			return s.by(by), nil
		case i >= 0:
			c.at[f] = i
		}
	}
	return s.by(by), nil
}

// named returns the index of the column called name. In a results file it may be
// missing, because the ids are at the front: then named returns -1.
func (c *columns) named(s *side, name string) (int, error) {
	found := c.where(func(n string) bool { return n == trim(name) })
	if found == nil {
		found = c.where(func(n string) bool { return fold(n) == fold(name) })
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case c.results():
		return -1, nil
	case len(found) > 1:
		return -1, c.ambiguous(s.title, hintRename, found)
	}
	return -1, noHeader(fmt.Sprintf("name one of them with --%s-column", s.flag),
		"there is no column %q: the header has %s", name, quoted(c.names))
}

// byName returns the index of the column that is known as the field f of the side,
// or -1 if there is none. Of several, the one spelt org_id or user_id wins. A
// results file may hold copies of columns that were not used.
func (c *columns) byName(f field, s side) (int, error) {
	found := c.where(f.named)
	exact := c.where(func(n string) bool { return n == fields[f].tag && (f == fieldOrgID || f == fieldUserID) })
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(exact) == 1:
		return exact[0], nil
	case len(found) == 0 || c.results():
		return -1, nil
	}
	hint := hintRename
	names := slices.Sorted(slices.Values(c.namesAt(found)))
	if s.flag != "" && len(slices.Compact(names)) == len(found) {
		hint = fmt.Sprintf("name the right one with --%s-column", s.flag)
	}
	return -1, c.ambiguous(s.title, hint, found)
}

const hintRename = "rename all but one of them in the file"

func (c *columns) ambiguous(title, hint string, found []int) error {
	return inputError(hint, "more than one column could be the %s: %s", title, quoted(c.namesAt(found)))
}

func (c *columns) missing(what, hint string) error {
	if looksLikeRow(c.names) {
		return inputError("put a line above it that names the columns, such as org_id,user_id",
			"the first line looks like a row, not like a header: %s", quoted(c.names))
	}
	return noHeader(hint, "no column for the %s: the header has %s", what, quoted(c.names))
}

// isHeader reports whether a record has names of columns as its values: those
// of the side orgs where the organization should be, and of the side users where
// the user should be.
func (c *columns) isHeader(v *values, orgs, users *side) bool {
	return c.namesColumn(v, &c.user, users) && (len(c.of(&c.org)) == 0 || c.namesColumn(v, &c.org, orgs))
}

// namesColumn reports whether the record has, in a column of the side s, the name
// of a column of the side named.
func (c *columns) namesColumn(v *values, s, named *side) bool {
	return slices.ContainsFunc(s.fields[:], func(f field) bool {
		return v[f] != "" && slices.ContainsFunc(named.fields[:], func(n field) bool {
			name := c.name(n)
			return len(name) == len(v[f]) && strings.EqualFold(name, v[f])
		})
	})
}

// of returns the indexes of the columns of a side, in the order in which they
// count.
func (c *columns) of(s *side) (places []int) {
	for _, f := range s.fields {
		if c.at[f] >= 0 {
			places = append(places, c.at[f])
		}
	}
	return places
}

// keep finds the columns that are copied to the results: with Keep, all but those
// whose values a results file has at its front.
func (c *columns) keep(d Dialect) {
	for i := c.own; i < len(c.names); i++ {
		wanted := d.Keep && !c.leads(i) && c.names[i] != "" || slices.Contains(d.KeepKeys, c.names[i]) && c.fieldAt(i) != fieldNone
		passed := i == c.at[fieldRoles] || d.Emails && slices.Contains(c.of(&c.user), i)
		if wanted && !passed {
			c.kept = append(c.kept, i)
		}
	}
}

// leads reports whether the column is the first of its side and may hold ids.
func (c *columns) leads(i int) bool {
	for _, s := range []*side{&c.org, &c.user} {
		if places := c.of(s); len(places) > 0 && places[0] == i {
			kind := s.kinds[slices.Index(s.fields[:], c.fieldAt(i))]
			return kind == "" || kind == s.kinds[0]
		}
	}
	return false
}

// fieldAt returns the field of the column i.
func (c *columns) fieldAt(i int) field {
	return max(fieldNone, field(slices.Index(c.at[:], i)))
}

// where returns the indexes of the columns whose names match, except those that
// every results file has.
func (c *columns) where(is func(name string) bool) (found []int) {
	for i := c.own; i < len(c.names); i++ {
		if is(c.names[i]) {
			found = append(found, i)
		}
	}
	return found
}

func (c *columns) namesAt(places []int) []string {
	names := make([]string, len(places))
	for i, p := range places {
		names[i] = c.names[p]
	}
	return names
}

// name returns the name of the column with the field f; empty if there is none.
func (c *columns) name(f field) string {
	if c.at[f] < 0 {
		return ""
	}
	return c.names[c.at[f]]
}

// width returns the number of columns up to the last one with a name.
// Spreadsheets write empty ones after it, sometimes not in every row.
func (c *columns) width() int {
	n := len(c.names)
	for n > 0 && c.names[n-1] == "" {
		n--
	}
	return n
}

// tags names the columns for gocsv: those with a field by its tag in record, all
// others by their index, so that no two have the same name.
func (c *columns) tags() []string {
	tags := make([]string, len(c.names))
	for i := range tags {
		tags[i] = strconv.Itoa(i)
		if f := c.fieldAt(i); f != fieldNone {
			tags[i] = fields[f].tag
		}
	}
	return tags
}

// title describes the columns of a side.
func (c *columns) title(s *side) string {
	var parts []string
	for i, f := range s.fields {
		if c.at[f] < 0 || c.results() && i > 0 && c.at[s.fields[0]] >= 0 {
			continue
		}
		part := strconv.Quote(c.name(f))
		switch kind := s.kinds[i]; kind {
		case "", s.kinds[0]:
		case importer.KindEmail:
			part += " (e-mail)"
		default:
			part += " (" + kind + ")"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " or ")
}

// fold makes names equal that people take for the same: case, white space,
// hyphens and underscores don't count.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		if isUnseen(r) || r == '_' || r == '-' {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
}

// looksLikeRow reports whether there are ids where the names should be. The ids
// that Auth0 makes for organizations are "org_" and 16 characters.
func looksLikeRow(names []string) bool {
	return slices.ContainsFunc(names, func(s string) bool {
		return isUserShaped(s) || isOrgShaped(s) && len(s) == len("org_")+16
	})
}

// quoted returns names for a message, shortened if they are many or long.
func quoted(names []string) string {
	const most = 20
	var list []string
	for _, name := range names[:min(len(names), most)] {
		list = append(list, strconv.Quote(truncate(name, 40)))
	}
	text := strings.Join(list, ", ")
	if len(names) > most {
		text += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return text
}
