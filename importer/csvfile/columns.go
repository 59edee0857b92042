package csvfile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"orgimport/importer"
)

// field is what a column of the input can mean to us.
type field int

const (
	fieldNone field = iota
	fieldOrgID
	fieldOrg // an id or a name, by its looks, or what Dialect.OrgBy says
	fieldOrgName
	fieldUserID
	fieldUser // an id or an e-mail, by its looks, or what Dialect.UserBy says
	fieldEmail
	fieldConnection
	fieldRoles

	// These are of results files alone.
	fieldStatus
	fieldCode
	fieldMessage
	fieldCorrelationID
	fieldCount
)

// The names by which the columns are known, without case, spaces, hyphens and
// underscores. Those of one field exclude each other.
var fieldNames = [fieldCount][]string{
	fieldOrgID:      {"orgid", "organizationid"},
	fieldOrg:        {"org", "organization"},
	fieldOrgName:    {"orgname", "organizationname"},
	fieldUserID:     {"userid", "sub"},
	fieldUser:       {"user"},
	fieldEmail:      {"email", "mail", "useremail", "emailaddress"},
	fieldConnection: {"connection"},
	fieldRoles:      {"roles", "role", "roleids", "rolenames"},
}

// side is what a row names: an organization or a user. Of its fields the first
// that is not empty counts.
type side struct {
	title  string
	flag   string // --org-column, --org-by
	fields [3]field
	kinds  [3]string // what the fields hold; the second by its looks
	isID   func(value string) bool
}

var (
	orgSide = side{
		title: "organization", flag: "org",
		fields: [3]field{fieldOrgID, fieldOrg, fieldOrgName},
		kinds:  [3]string{importer.KindOrgID, "", "name"},
		isID:   isOrgShaped,
	}
	userSide = side{
		title: "user", flag: "user",
		fields: [3]field{fieldUserID, fieldUser, fieldEmail},
		kinds:  [3]string{importer.KindUserID, "", importer.KindEmail},
		isID:   func(v string) bool { return !strings.Contains(v, "@") || strings.Contains(v, "|") },
	}
)

// kindOf returns what a value of the field f names the side by. by is what the
// second field holds, if that is said.
func (s *side) kindOf(f field, by, value string) string {
	if f != s.fields[1] {
		return s.kinds[slices.Index(s.fields[:], f)]
	}
	switch {
	case by != "":
		return by
	case s.isID(value):
		return s.kinds[0]
	}
	return s.kinds[2]
}

// columns says where in a record things are.
type columns struct {
	names []string // of all columns, as written
	own   int      // so many in front are those of a results file
	at    [fieldCount]int
	kept  []int

	orgBy, userBy string // what the fields org and user hold; empty: told by its looks
}

// results reports whether the file holds the results of an earlier run.
func (c *columns) results() bool { return c.own > 0 }

// findColumns looks through the header. Its errors are *InputErrors.
func findColumns(header []string, d Dialect) (columns, error) {
	c := columns{names: make([]string, len(header))}
	for i, name := range header {
		c.names[i] = cleanName(name)
	}
	for f := range c.at {
		c.at[f] = -1
	}
	if isResults(c.names) {
		c.own = len(resultsHeader)
		c.at[fieldOrgID], c.at[fieldUserID] = resultsOrg, resultsUser
		c.at[fieldStatus], c.at[fieldCode], c.at[fieldMessage] = resultsStatus, resultsCode, resultsMessage
		c.at[fieldCorrelationID] = resultsCorrelationID
	}
	if err := c.find(d); err != nil {
		return columns{}, err
	}
	c.keep(d)
	return c, nil
}

func (c *columns) find(d Dialect) (err error) {
	if c.userBy, err = c.findSide(&userSide, d.UserColumn, d.UserBy); err != nil {
		return err
	}
	if d.Emails {
		c.at[fieldUserID] = -1
	}
	if c.orgBy, err = c.findSide(&orgSide, d.OrgColumn, d.OrgBy); err != nil {
		return err
	}
	if c.at[fieldConnection], err = c.byName(fieldConnection, "connection"); err != nil {
		return err
	}
	if d.Roles {
		if c.at[fieldRoles], err = c.byName(fieldRoles, "roles"); err != nil {
			return err
		}
	}
	orgs, users := c.of(&orgSide), c.of(&userSide)
	switch {
	case len(users) == 0:
		return c.missing("user", "name it with --user-column")
	case len(orgs) == 0 && d.OrgID == "":
		return c.missing("organization", "name it with --org-column, or give every row one organization with --org")
	}
	for _, i := range orgs {
		if slices.Contains(users, i) {
			return &InputError{
				text: fmt.Sprintf("column %q is given for both the organization and the user", c.names[i]),
				hint: "name two columns with --org-column and --user-column",
			}
		}
	}
	return nil
}

// findSide finds the columns of a side: the one that is called name, or all that
// are known by their names. It returns what its second field holds.
//
// What by says is said of one column, which becomes that field.
func (c *columns) findSide(s *side, name, by string) (string, error) {
	if name != "" {
		i, err := c.named(s, name)
		if err != nil || i < 0 {
			return by, err
		}
		c.at[s.fields[1]] = i
		if by == "" {
			by = s.kindByName(name)
		}
		return by, nil
	}
	for _, f := range s.fields {
		if c.results() && f == s.fields[0] && by == "" {
			continue // a copied column does not replace the ids in front
		}
		i, err := c.byName(f, s.title)
		if err != nil {
			return by, err
		}
		if i < 0 {
			continue
		}
		if by != "" {
			c.at[s.fields[1]] = i
			return by, nil
		}
		c.at[f] = i
	}
	return by, nil
}

// kindByName returns what the column of that name holds; empty if only the
// values tell.
func (s *side) kindByName(name string) string {
	for i, f := range s.fields {
		if slices.Contains(fieldNames[f], fold(name)) {
			return s.kinds[i]
		}
	}
	return ""
}

// named returns the place of the column that is called name. A results file
// need not have it: its ids stand in front.
func (c *columns) named(s *side, name string) (int, error) {
	found := c.where(func(n string) bool { return n == cleanName(name) })
	if found == nil {
		found = c.where(func(n string) bool { return fold(n) == fold(name) })
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case c.results():
		return -1, nil
	case len(found) > 1:
		return -1, c.ambiguous(s.title, "rename all but one of them in the file", found)
	}
	return -1, &InputError{
		text: fmt.Sprintf("there is no column %q: the header has %s", name, quoted(c.names)),
		hint: fmt.Sprintf("name one of them with --%s-column", s.flag),

		elsewhere: true,
	}
}

// byName returns the place of the column that is known as the field f; -1 if
// there is none. Of several, the one that is spelt org_id or user_id wins. A
// results file may hold copies of columns that were not used.
func (c *columns) byName(f field, title string) (int, error) {
	found := c.where(func(n string) bool { return slices.Contains(fieldNames[f], fold(n)) })
	exact := c.where(func(n string) bool { return f == fieldOrgID && n == "org_id" || f == fieldUserID && n == "user_id" })
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(exact) == 1:
		return exact[0], nil
	case len(found) == 0 || c.results():
		return -1, nil
	}
	hint := "rename all but one of them in the file"
	if all := c.namesAt(found); !slices.Equal(slices.Compact(slices.Sorted(slices.Values(all))), slices.Sorted(slices.Values(all))) {
		return -1, c.ambiguous(title, hint, found)
	}
	switch f {
	case fieldOrgID, fieldOrg, fieldOrgName:
		hint = "name the right one with --org-column"
	case fieldUserID, fieldUser, fieldEmail:
		hint = "name the right one with --user-column"
	}
	return -1, c.ambiguous(title, hint, found)
}

func (c *columns) ambiguous(title, hint string, found []int) error {
	return &InputError{
		text: fmt.Sprintf("more than one column could be the %s: %s", title, quoted(c.namesAt(found))),
		hint: hint,
	}
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

		elsewhere: true,
	}
}

// of returns the places of the columns of a side, the first to count first.
func (c *columns) of(s *side) (places []int) {
	for _, f := range s.fields {
		if c.at[f] >= 0 {
			places = append(places, c.at[f])
		}
	}
	return places
}

// by returns what the second field of a side is said to hold.
func (c *columns) by(s *side) string {
	if s == &orgSide {
		return c.orgBy
	}
	return c.userBy
}

// key reports whether the column with the field f may name something otherwise
// than by its id.
func (c *columns) key(s *side, f field) bool {
	return f != s.fields[0] && c.at[f] >= 0 && c.by(s) != s.kinds[0]
}

// keep finds the columns that are copied to the results: with Keep all but
// those that go to the columns in front of a results file.
func (c *columns) keep(d Dialect) {
	for i := c.own; i < len(c.names); i++ {
		wanted := d.Keep && !c.leads(i) && c.names[i] != "" || slices.Contains(d.KeepKeys, c.names[i]) && c.fieldAt(i) != fieldNone
		passed := i == c.at[fieldRoles] || d.Emails && slices.Contains(c.of(&userSide), i)
		if wanted && !passed {
			c.kept = append(c.kept, i)
		}
	}
}

// leads reports whether the column is the first of its side and holds ids.
func (c *columns) leads(i int) bool {
	for _, s := range []*side{&orgSide, &userSide} {
		places := c.of(s)
		if len(places) > 0 && places[0] == i {
			return i == c.at[s.fields[0]] || i == c.at[s.fields[1]] && (c.by(s) == "" || c.by(s) == s.kinds[0])
		}
	}
	return false
}

// fieldAt returns what the column means to us.
func (c *columns) fieldAt(i int) field {
	return max(fieldNone, field(slices.Index(c.at[:], i)))
}

// where returns the places of the columns with such names, beside those that
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
func (c *columns) tags() []string {
	tags := make([]string, len(c.names))
	for i := range tags {
		tags[i] = strconv.Itoa(i)
		if f := c.fieldAt(i); f != fieldNone {
			tags[i] = fieldTags[f]
		}
	}
	return tags
}

// title says what the columns of a side are.
func (c *columns) title(s *side) string {
	var parts []string
	for _, f := range s.fields {
		if c.at[f] < 0 || c.results() && f != s.fields[0] && c.at[s.fields[0]] >= 0 {
			continue
		}
		part := strconv.Quote(c.name(f))
		switch kind := c.by(s); {
		case f == fieldEmail:
			part += " (e-mail)"
		case f == fieldOrgName:
			part += " (name)"
		case f == s.fields[1] && kind == importer.KindEmail:
			part += " (e-mail)"
		case f == s.fields[1] && kind != "" && kind != s.kinds[0]:
			part += " (" + kind + ")"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " or ")
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
