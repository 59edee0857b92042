package csvfile

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"orgimport/importer"
)

// field is what a column can mean.
type field int

const (
	fieldNone field = iota
	fieldOrgID
	fieldOrg // an id or a name, as Dialect.OrgBy says or the value shows
	fieldOrgName
	fieldUserID
	fieldUser // an id or an e-mail, as Dialect.UserBy says or the value shows
	fieldEmail
	fieldConnection
	fieldRoles

	// Only results files have these.
	fieldStatus
	fieldCode
	fieldMessage
	fieldCorrelationID

	fieldCount
)

// fields has the name of each field's column in a results file, and its names in
// other files, as fold returns them. A field has at most one column in a file.
var fields = [fieldCount]struct {
	name  string
	names []string
}{
	fieldOrgID:         {"org_id", []string{"orgid", "organizationid"}},
	fieldOrg:           {"org", []string{"org", "organization"}},
	fieldOrgName:       {"org_name", []string{"orgname", "organizationname"}},
	fieldUserID:        {"user_id", []string{"userid", "sub"}},
	fieldUser:          {"user", []string{"user"}},
	fieldEmail:         {"email", []string{"email", "mail", "useremail", "emailaddress"}},
	fieldConnection:    {"connection", []string{"connection"}},
	fieldRoles:         {"roles", []string{"roles", "role", "roleids", "rolenames"}},
	fieldStatus:        {"status", nil},
	fieldCode:          {"error_code", nil},
	fieldMessage:       {"message", nil},
	fieldCorrelationID: {"correlation_id", nil},
}

// named reports whether a column of that name has the field.
func (f field) named(name string) bool { return slices.Contains(fields[f].names, fold(name)) }

// values are the values of a record by field.
type values [fieldCount]string

// clean cleans the values that name an organization or a user.
func (v *values) clean() {
	for f := fieldOrgID; f <= fieldConnection; f++ {
		v[f] = clean(v[f])
	}
}

// record is a record as gocsv reads it. The number is fieldCount.
type record struct {
	Values values `csv:"field" csv[]:"13"`
}

// party is one of the two that a row names: its organization or its user. The first
// of its fields that is not empty counts.
type party struct {
	title  string
	flag   string // --FLAG-column; empty: it has none
	fields [3]field
	kinds  [3]string // of keys in the fields; empty: an id if isID, otherwise the last
	isID   func(value string) bool
}

var (
	orgParty = party{
		title: "organization", flag: "org",
		fields: [3]field{fieldOrgID, fieldOrg, fieldOrgName},
		kinds:  [3]string{importer.KindOrgID, "", importer.KindOrgName},
		isID:   isOrgShaped,
	}
	userParty = party{
		title: "user", flag: "user",
		fields: [3]field{fieldUserID, fieldUser, fieldEmail},
		kinds:  [3]string{importer.KindUserID, "", importer.KindEmail},
		isID:   func(v string) bool { return !strings.Contains(v, "@") || strings.Contains(v, "|") },
	}
)

// by returns the party with keys of this kind in its second field.
func (p party) by(kind string) party {
	p.kinds[1] = kind
	return p
}

// identifier is how a row names its organization or its user.
type identifier struct {
	kind, value string
	from        field // fieldNone: Dialect.OrgID
}

func (r identifier) isID() bool { return r.kind == importer.KindOrgID || r.kind == importer.KindUserID }

// id returns the id, empty if it is a key. It is copied, because the values of a
// record share their memory, which a row that waits must not keep.
func (r identifier) id() string {
	if !r.isID() {
		return ""
	}
	return strings.Clone(r.value)
}

// key returns the key, empty if it is an id.
func (r identifier) key() importer.Key {
	if r.isID() || r.value == "" {
		return importer.Key{}
	}
	return importer.Key{Kind: r.kind, Value: strings.Clone(r.value)}
}

// title names the kind in a message.
func (r identifier) title() string {
	switch {
	case r.isID():
		return "id"
	case r.kind == importer.KindEmail:
		return "e-mail"
	}
	return strings.ReplaceAll(r.kind, "_", " ")
}

// identify returns what a value of the field f names.
func (p *party) identify(f field, value string) identifier {
	kind := p.kinds[slices.Index(p.fields[:], f)]
	switch {
	case kind != "":
	case p.isID(value):
		kind = p.kinds[0]
	default:
		kind = p.kinds[2]
	}
	return identifier{kind, value, f}
}

// find returns the first value of a party that is not empty.
func (v *values) find(p *party) identifier {
	for _, f := range p.fields {
		if v[f] != "" {
			return p.identify(f, v[f])
		}
	}
	return identifier{}
}

// findKey returns the first value of a party that is not empty and not an id.
func (v *values) findKey(p *party) identifier {
	for _, f := range p.fields {
		if r := p.identify(f, v[f]); r.value != "" && !r.isID() {
			return r
		}
	}
	return identifier{}
}

// columns says which column of a file has which field.
type columns struct {
	names []string        // of all columns, as written
	own   []int           // of findResults; nil: it is no results file
	twice error           // of findResults
	lacks []string        // columns that Dialect names and a file with ids lacks
	ids   bool            // org_id and user_id are ids, whatever Dialect says of them
	at    [fieldCount]int // index of the column; -1: none
	kept  []int           // columns that are copied to the results

	org, user party // with the kinds of keys that this file has
}

// results reports whether the file holds the results of an earlier run.
func (c *columns) results() bool { return c.own != nil }

// newColumns returns columns with these names, none of which has a field yet.
func newColumns(names []string) columns {
	c := columns{names: make([]string, len(names))}
	for i, name := range names {
		c.names[i] = trim(name)
	}
	for f := range c.at {
		c.at[f] = -1
	}
	return c
}

// findColumns finds the columns that a header names. Its errors are *InputErrors.
func findColumns(header []string, d Dialect) (columns, error) {
	c := newColumns(header)
	if err := c.findOwn(d); err != nil {
		return columns{}, err
	}
	if err := c.find(d); err != nil {
		return columns{}, err
	}
	c.keep(d)
	return c, nil
}

// ownHeaders begin the files that orgimport export and diff write.
var ownHeaders = [][]string{{"org_id", "org_name", "user_id", "email", "name"}, {"org_id", "user_id"}}

// findOwn finds the columns of a file that a run has written.
func (c *columns) findOwn(d Dialect) (err error) {
	if !d.Plain {
		c.own, c.twice = findResults(c.names)
		isStatus := func(name string) bool { return fold(name) == fields[fieldStatus].name }
		if c.twice != nil && len(c.where(isStatus)) > 0 {
			return c.twice // either could say whether these are results
		}
	}
	if c.results() {
		for f := range c.at {
			if k := slices.Index(importer.ResultColumns(), fields[f].name); k >= 0 {
				c.at[f] = c.own[k]
			}
		}
		c.ids = true
		return nil
	}
	for _, header := range ownHeaders {
		if len(c.names) >= len(header) && slices.Equal(c.names[:len(header)], header) {
			c.ids = true
			c.at[fieldOrgID], c.at[fieldUserID] = slices.Index(header, "org_id"), slices.Index(header, "user_id")
			break
		}
	}
	return nil
}

func (c *columns) find(d Dialect) (err error) {
	if c.org, err = c.findParty(orgParty, d.OrgColumn, d.OrgBy); err != nil {
		return err
	}
	switch {
	case d.orgsOnly:
		return c.findOrgs()
	case d.OrgNames:
		return c.findOrgNames(d)
	}
	if c.user, err = c.findParty(userParty, d.UserColumn, d.UserBy); err != nil {
		return err
	}
	if d.Emails {
		c.at[fieldUserID] = -1
	}
	if c.at[fieldConnection], err = c.byName(fieldConnection, party{title: "connection"}); err != nil {
		return err
	}
	if d.Roles {
		if c.at[fieldRoles], err = c.byName(fieldRoles, party{title: "roles"}); err != nil {
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

// errNoNames says that a list of organizations has no header.
var errNoNames = errors.New("no column is called like one of organizations")

// unnamed returns n columns without names. The first has the organizations.
func unnamed(n int) columns {
	c := newColumns(make([]string, n))
	c.org, c.at[fieldOrg] = orgParty, 0
	return c
}

// findOrgs finds the column of a list of organizations, which may be called id or
// name too.
func (c *columns) findOrgs() error {
	if len(c.of(&c.org)) == 0 {
		found := c.where(func(name string) bool { return fold(name) == "id" || fold(name) == "name" })
		if len(found) == 0 {
			return errNoNames
		}
		c.at[fieldOrg] = found[0]
	}
	return nil
}

// findOrgNames finds the columns with the names of organizations. In a file with
// users, the column called name has theirs.
func (c *columns) findOrgNames(d Dialect) error {
	isUser := func(name string) bool {
		return d.UserColumn != "" && fold(name) == fold(d.UserColumn) ||
			slices.ContainsFunc(userParty.fields[:], func(f field) bool { return f.named(name) })
	}
	if c.at[fieldOrg] < 0 && c.at[fieldOrgName] < 0 && d.OrgID == "" && len(c.where(isUser)) == 0 {
		switch found := c.where(func(name string) bool { return fold(name) == "name" }); len(found) {
		case 0:
		case 1:
			c.at[fieldOrgName] = found[0]
		default:
			return c.ambiguous("organization", hintRename, found)
		}
	}
	if len(c.of(&c.org)) == 0 && d.OrgID == "" {
		return c.missing("organization", "name it with --org-column")
	}
	for i, name := range c.names {
		if found := c.where(func(n string) bool { return fold(n) == fold(name) }); isOrgDetail(name) && len(found) > 1 && found[0] == i {
			return c.ambiguous("organization's "+name, hintRename, found)
		}
	}
	return nil
}

// isOrgDetail reports whether a column describes an organization besides its name.
func isOrgDetail(name string) bool {
	_, isMetadata := metadataKey(name)
	return isMetadata || fold(name) == "displayname"
}

// metadataKey returns the key of a column of metadata.
func metadataKey(name string) (key string, ok bool) {
	const prefix = "metadata."
	if len(name) <= len(prefix) || !strings.EqualFold(name[:len(prefix)], prefix) {
		return "", false
	}
	return name[len(prefix):], true
}

// findParty finds the columns of a party: the one called name, or else all that
// have its fields. If by is given, one column has keys of that kind, and becomes the
// second field.
func (c *columns) findParty(p party, name, by string) (party, error) {
	if name != "" {
		i, err := c.named(&p, name)
		if err != nil || i < 0 {
			return p.by(by), err
		}
		if f := slices.IndexFunc(p.fields[:], func(f field) bool { return f.named(name) }); by == "" && f >= 0 {
			by = p.kinds[f]
		}
		return c.take(p, i, by), nil
	}
	for _, f := range p.fields {
		if c.results() && f == p.fields[0] && by == "" {
			continue // a copied column does not replace the ids of the results
		}
		i, err := c.byName(f, p)
		switch {
		case err != nil:
			return p, err
		case i >= 0 && by != "":
			return c.take(p, i, by), nil
		case i >= 0:
			c.at[f] = i
		}
	}
	return p.by(by), nil
}

// take makes the column i, with keys of the kind by, the second field of a party.
// What looks like an id is one if a run has filled the column with ids.
func (c *columns) take(p party, i int, by string) party {
	if c.ids && i == c.at[p.fields[0]] {
		c.at[p.fields[0]] = -1
		p.kinds[2], by = cmp.Or(by, p.kinds[0]), ""
		p.isID = func(v string) bool { return isUserShaped(v) || isOrgShaped(v) }
	}
	c.at[p.fields[1]] = i
	return p.by(by)
}

// named returns the index of the column called name, or -1 if it is missing from a
// file that a run has written, where the ids will do.
func (c *columns) named(p *party, name string) (int, error) {
	found := c.where(func(n string) bool { return n == trim(name) })
	if found == nil {
		found = c.where(func(n string) bool { return fold(n) == fold(name) })
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case c.results():
		return -1, nil
	case c.ids && len(found) == 0:
		c.lacks = append(c.lacks, name)
		return -1, nil
	case len(found) > 1:
		return -1, c.ambiguous(p.title, hintRename, found)
	}
	return -1, noHeader(fmt.Sprintf("name one of them with --%s-column", p.flag),
		"there is no column %q: the header has %s", name, quoted(c.names))
}

// byName returns the index of the column that has the field f of the party, or -1 if
// there is none. Of several, the one spelt org_id or user_id wins. A results file
// may hold copies of columns that were not used.
func (c *columns) byName(f field, p party) (int, error) {
	found := c.where(f.named)
	names := slices.Compact(slices.Sorted(slices.Values(c.namesAt(found))))
	differ := len(names) == len(found)
	exact := c.where(func(n string) bool { return n == fields[f].name && (f == fieldOrgID || f == fieldUserID) })
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(exact) == 1 && (differ || c.results()):
		return exact[0], nil
	case len(found) == 0 || c.results():
		return -1, nil
	}
	hint := hintRename
	if p.flag != "" && differ {
		hint = fmt.Sprintf("name the right one with --%s-column", p.flag)
	}
	return -1, c.ambiguous(p.title, hint, found)
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

// isHeader reports whether a record repeats the names of columns: those of the party
// orgs where the organization should be, and of the party users where the user
// should be.
func (c *columns) isHeader(v *values, orgs, users *party) bool {
	hasUsers, hasOrgs := len(c.of(&c.user)) > 0, len(c.of(&c.org)) > 0
	return (hasUsers || hasOrgs) && (!hasUsers || c.namesColumn(v, &c.user, users)) && (!hasOrgs || c.namesColumn(v, &c.org, orgs))
}

// namesColumn reports whether the record has, in a column of the party p, the name
// of a column of the party named.
func (c *columns) namesColumn(v *values, p, named *party) bool {
	return slices.ContainsFunc(p.fields[:], func(f field) bool {
		return v[f] != "" && slices.ContainsFunc(named.fields[:], func(n field) bool {
			name := c.name(n)
			return len(name) == len(v[f]) && strings.EqualFold(name, v[f])
		})
	})
}

// of returns the indexes of the columns of a party, in the order of its fields.
func (c *columns) of(p *party) (places []int) {
	for _, f := range p.fields {
		if c.at[f] >= 0 {
			places = append(places, c.at[f])
		}
	}
	return places
}

// keep finds the columns that are copied to the results: with Keep, all but those
// whose values have columns of their own there.
func (c *columns) keep(d Dialect) {
	for i := range c.names {
		wanted := d.Keep && !c.leads(i) && c.names[i] != "" || slices.Contains(d.KeepKeys, c.names[i]) && c.fieldAt(i) != fieldNone ||
			d.OrgNames && isOrgDetail(c.names[i])
		passed := i == c.at[fieldRoles] || d.Emails && slices.Contains(c.of(&c.user), i) || d.OrgNames && slices.Contains(c.of(&c.org), i)
		if wanted && !passed && !slices.Contains(c.own, i) {
			c.kept = append(c.kept, i)
		}
	}
}

// leads reports whether the column i is the first of its party and may hold ids.
func (c *columns) leads(i int) bool {
	for _, p := range []*party{&c.org, &c.user} {
		if places := c.of(p); len(places) > 0 && places[0] == i {
			kind := p.kinds[slices.Index(p.fields[:], c.fieldAt(i))]
			return kind == "" || kind == p.kinds[0]
		}
	}
	return false
}

// fieldAt returns the field of the column i.
func (c *columns) fieldAt(i int) field {
	return max(fieldNone, field(slices.Index(c.at[:], i)))
}

// where returns the indexes of the columns whose names match, except those of every
// results file.
func (c *columns) where(is func(name string) bool) (found []int) {
	for i := range c.names {
		if is(c.names[i]) && !slices.Contains(c.own, i) {
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

// tags names the columns for gocsv: those with a field after the element of record,
// all others after their index, so that no two have the same name.
func (c *columns) tags() []string {
	tags := make([]string, len(c.names))
	for i := range tags {
		tags[i] = strconv.Itoa(i)
		if f := c.fieldAt(i); f != fieldNone {
			tags[i] = fmt.Sprintf("field[%d]", f)
		}
	}
	return tags
}

// title describes the columns of a party.
func (c *columns) title(p *party) string {
	var parts []string
	for i, f := range p.fields {
		if c.at[f] < 0 || c.results() && i > 0 && c.at[p.fields[0]] >= 0 {
			continue
		}
		part := strconv.Quote(c.name(f))
		switch kind := p.kinds[i]; kind {
		case "", p.kinds[0]:
		case importer.KindEmail:
			part += " (e-mail)"
		default:
			part += " (" + kind + ")"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " or ")
}

// How many of its ten columns a header must have to be that of a results file. No log
// or list has as many by chance without a status.
const (
	leastResultColumns = 3
	leastWithoutStatus = 7
)

// findResults returns the indexes of the columns of a results file in a header, -1
// for one that it lacks; nil if it is the header of another file. If the columns
// stand together in their order, others of the same names are copies of columns of
// the input. Otherwise twice says which name stands twice; the first counts.
func findResults(names []string) (at []int, twice error) {
	have, want := folded(names), folded(importer.ResultColumns())
	at = make([]int, len(want))
	for begin := range len(have) - len(want) + 1 {
		if slices.Equal(have[begin:begin+len(want)], want) {
			for k := range at {
				at[k] = begin + k
			}
			return at, nil
		}
	}
	found := 0
	for k, name := range want {
		if at[k] = slices.Index(have, name); at[k] < 0 {
			continue
		}
		found++
		if again := slices.Index(have[at[k]+1:], name); again >= 0 && twice == nil {
			twice = inputError(hintRename, "more than one column could be the %s: %s", importer.ResultColumns()[k], quoted([]string{names[at[k]], names[at[k]+1+again]}))
		}
	}
	least := leastResultColumns
	if at[slices.Index(want, fields[fieldStatus].name)] < 0 {
		least = leastWithoutStatus
	}
	if found < least {
		return nil, nil
	}
	return at, twice
}

// resultsHeader returns the delimiter and the names of the header that head begins
// with, and what findResults returns for them.
func resultsHeader(head []byte) (delimiter rune, names []string, at []int, twice error) {
	for _, delimiter = range delimiters {
		names = splitHeader(head, delimiter)
		if at, twice = findResults(names); at != nil {
			break
		}
	}
	return delimiter, names, at, twice
}

// lacks returns an error if a results file lacks one of the columns; at is of
// findResults.
func lacks(at []int, names []string) error {
	for _, name := range names {
		if at != nil && at[slices.Index(importer.ResultColumns(), name)] < 0 {
			return inputError("give the file as the run wrote it", "these results lack the column %q", name)
		}
	}
	return nil
}
