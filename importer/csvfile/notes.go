package csvfile

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"orgimport/importer"
)

// Note is something that a reader of a file should know about it.
type Note struct {
	Text string
	Loud bool // the file may not be what it seems
}

// findings are what is known about the rows that were ranged over.
type findings struct {
	spans, swallowed, misread, stay, changed tally

	users, orgs forms

	idColumn string // see unnamedIDs

	keys [fieldCount]bool // fields that a row took a key from
}

// forms are those of what rows name their users or their organizations by.
type forms struct {
	ids, keys shapes
	kind      string // of the keys, for a message
}

func (f *forms) add(line int, r identifier, idShape func(string) shape) {
	switch {
	case r.isID():
		f.ids[idShape(r.value)].add(1, line, r.value)
	case r.value != "":
		f.kind = r.title()
		f.keys[keyShape(r)].add(1, line, r.value)
	}
}

// tally counts something and keeps the first as an example.
type tally struct {
	n, line int
	example string
}

func (c *tally) add(n, line int, example string) {
	if c.n == 0 {
		c.line, c.example = line, strings.Clone(example)
	}
	c.n += n
}

// noteRow notes what a row that is to be sent names its user and organization by.
func (t *Table) noteRow(row importer.Row, org, user identifier) {
	keys := &t.found.keys
	for _, r := range []identifier{org, user} {
		keys[r.from] = keys[r.from] || !r.isID()
	}
	keys[fieldConnection] = keys[fieldConnection] || row.Keys != nil && row.Keys.Connection != t.dialect.Connection
	t.found.users.add(row.Line, user, userShape)
	t.found.orgs.add(row.Line, org, orgShape)
}

// noteChanged notes a key if an earlier run has found nobody for another one,
// according to its message.
func (t *Table) noteChanged(said Result, org, user identifier) {
	key := user
	switch said.Code {
	case importer.CodeOrgNotFound:
		key = org
	case importer.CodeUserNotFound:
	default:
		return
	}
	if key.value != "" && said.Message != "" && !mentions(said.Message, key.value) {
		t.found.changed.add(1, said.Line, shorten(key.value)+", and its message: "+truncate(said.Message, 80))
	}
}

// mentions reports whether a text has a value in it, not as a part of another.
func mentions(text, value string) bool {
	text, value = " "+strings.ToLower(text), " "+strings.ToLower(value)
	for found := true; found; {
		_, text, found = strings.Cut(text, value)
		if found && (text == "" || strings.IndexByte(" ,;:", text[0]) >= 0) {
			return true
		}
	}
	return false
}

// Notes returns the notes on the rows that were ranged over.
func (t *Table) Notes() []Note {
	var notes []Note
	say := func(loud bool, format string, args ...any) {
		notes = append(notes, Note{fmt.Sprintf(format, args...), loud})
	}
	f := &t.found
	if t.headerLine > 0 {
		say(false, "the header is line %d: what stands above it is not read", t.headerLine)
	}
	if lacks := t.columns.lacks; len(lacks) > 0 {
		say(true, "no column is called %s: the ids in org_id and user_id count", quoted(lacks))
	}
	if s := f.swallowed; s.n > 0 {
		say(true, "line %d: a value in quotes goes over several lines, of which %s: is a quote missing?", s.line, count(s.n, "looks like a row of its own", "look like rows of their own"))
	}
	if s := f.spans; s.n > 0 {
		say(false, "%s over several lines, the first on line %d", count(s.n, "row goes", "rows go"), s.line)
	}
	if s := f.misread; s.n > 0 {
		say(false, "%s not UTF-8, the first on line %d, column %q: give the encoding of the file, such as --encoding windows-1252", count(s.n, "value to be carried is", "values to be carried are"), s.line, s.example)
	}
	if s := f.stay; s.n > 0 {
		say(false, "%s as by the earlier run, the first on line %d: give them their ids, or empty their status", count(s.n, "row is rejected", "rows are rejected"), s.line)
	}
	if t.lines.unended {
		say(false, "line %d, the last, has no line end: the file may be cut off", t.lines.last())
	}
	if s := f.changed; s.n > 0 {
		say(true, "%s for which the earlier run found nobody, the first on line %d: it is %s: did a spreadsheet change it?", count(s.n, "key is not the one", "keys are not those"), s.line, s.example)
	}
	if f.idColumn != "" && f.users.ids == (shapes{}) {
		say(true, "the column %q has ids of users, which are not read: add --user-column %s", f.idColumn, shellWord(f.idColumn))
	}
	for _, of := range []struct {
		shapes *shapes
		what   string
	}{{&f.users.ids, "user id"}, {&f.orgs.ids, "organization id"}, {&f.users.keys, f.users.kind}, {&f.orgs.keys, "organization " + f.orgs.kind}} {
		for _, text := range of.shapes.texts(of.what) {
			say(true, "%s", text)
		}
	}
	return notes
}

func count(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// shape is what an id looks like.
type shape int

const (
	shapeID    shape = iota // as Auth0 makes it, or whoever imported the user
	shapeAuth0              // with as many characters as Auth0 makes
	shapeShort              // the same with fewer
	shapeWord               // without what every id has
	shapeNumber

	// Nobody makes such ids, however many there are.
	shapeEmail
	shapeEncoded
	shapeEscaped
	shapeSeveral
	shapeNull
	shapeRule
	shapeScientific
	shapeCount
)

// shapes counts the ids of each shape.
type shapes [shapeCount]tally

// userShape returns the shape of a user's id. Those that Auth0 makes for its own
// connections end in 24 hexadecimal digits.
func userShape(id string) shape {
	provider, own, ok := strings.Cut(id, "|")
	switch {
	case holdsSeveral(id, isUserShaped):
		return shapeSeveral
	case !ok && percentEncoded.MatchString(id):
		return shapeEncoded
	case strings.Contains(id, `\|`), strings.Contains(id, `\,`), strings.Contains(id, `\"`):
		return shapeEscaped
	case !ok && strings.Contains(id, "@"):
		return shapeEmail
	case !ok:
		return otherShape(id)
	}
	return idShape(own, 24, provider == "auth0" && strings.Trim(own, "0123456789abcdef") == "")
}

// orgShape returns the shape of an organization's id. Those that Auth0 makes have 16
// letters and digits after org_.
func orgShape(id string) shape {
	own, ok := strings.CutPrefix(id, "org_")
	switch {
	case holdsSeveral(id, isOrgShaped):
		return shapeSeveral
	case !ok:
		return otherShape(id)
	}
	return idShape(own, 16, !strings.ContainsFunc(own, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }))
}

// keyShape returns the shape of a key.
func keyShape(key identifier) shape {
	isEmail := func(v string) bool { return strings.Contains(v, "@") }
	switch is := otherShape(key.value); {
	case is > shapeNumber:
		return is
	case key.kind == importer.KindEmail && holdsSeveral(key.value, isEmail), key.kind == importer.KindOrgName && strings.ContainsAny(key.value, ",;|\n"):
		return shapeSeveral
	case key.kind == importer.KindEmail && !isEmail(key.value) && percentEncoded.MatchString(key.value):
		return shapeEncoded
	case key.kind == importer.KindEmail && !isEmail(key.value), key.kind == kindPhone && !strings.HasPrefix(key.value, "+"):
		return is
	}
	return shapeID
}

const kindPhone = "phone_number"

// holdsSeveral reports whether a value is a list, by its brackets or quotes or by
// several parts for which is reports true.
func holdsSeveral(value string, is func(string) bool) bool {
	if strings.IndexByte(`[{("`, value[0]) >= 0 || strings.HasPrefix(value, "b'") || strings.HasPrefix(value, `b"`) {
		return true
	}
	isSeparator := func(r rune) bool { return r == ',' || r == ';' || r == '/' || unicode.IsSpace(r) }
	n := 0
	for part := range strings.FieldsFuncSeq(value, isSeparator) {
		if is(part) {
			n++
		}
	}
	return n > 1
}

// idShape returns the shape of an id by the part behind its prefix, which has n
// characters if Auth0 made it; alike says that they are those that Auth0 uses.
func idShape(own string, n int, alike bool) shape {
	switch {
	case !alike || len(own) > n:
		return shapeID
	case len(own) == n:
		return shapeAuth0
	}
	return shapeShort
}

var (
	// Spreadsheets write long numbers like this.
	scientific = regexp.MustCompile(`^[+-]?\d+([.,]\d+)?[eE][+-]?\d+$`)

	percentEncoded = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

	// Spreadsheets write these where a formula fails, in the language of the user.
	formulaErrors = regexp.MustCompile(`^#(N/A|NV|[\p{Lu}/0]+[!?])$`)

	nulls = []string{"null", "(null)", "<null>", "nil", "none", "nan", "n/a", "na", "#n/a", "#na", "undefined", "-", "?"}
)

func otherShape(id string) shape {
	switch {
	case slices.Contains(nulls, strings.ToLower(id)), id[0] == '#' && formulaErrors.MatchString(strings.ToUpper(id)):
		return shapeNull
	case isRule(id):
		return shapeRule
	case id[0] <= '9' && scientific.MatchString(id):
		return shapeScientific
	case strings.Trim(id, "0123456789") == "":
		return shapeNumber
	}
	return shapeWord
}

// odd returns the shapes that few ids have, and those that nobody makes.
func (s *shapes) odd() (odd []shape) {
	usual := s[shapeID].n + s[shapeAuth0].n + s[shapeShort].n
	most := shapeID
	for _, is := range []shape{shapeWord, shapeNumber} {
		if s[is].n > max(usual, s[most].n) {
			most = is
		}
	}
	if most != shapeID && usual > 0 {
		odd = append(odd, shapeID, shapeAuth0, shapeShort)
	}
	if most == shapeID && s[shapeShort].n <= max(1, s[shapeAuth0].n/10) && s[shapeAuth0].n > 0 {
		odd = append(odd, shapeShort)
	}
	for is := shapeWord; is < shapeCount; is++ {
		if is != most {
			odd = append(odd, is)
		}
	}
	return slices.DeleteFunc(odd, func(is shape) bool { return s[is].n == 0 })
}

// wrongShapes are those for which there is advice.
var wrongShapes = [shapeCount]struct{ one, more, advice string }{
	shapeEmail:   {"is an e-mail address", "are e-mail addresses", "rename the column to email, or add --user-by email"},
	shapeEncoded: {"is URL-encoded", "are URL-encoded", "%7C stands for |, %40 for @: decode them"},
	shapeEscaped: {"holds a backslash before a mark", "hold a backslash before a mark", `CSV has quotes for that: \| stands for |`},
	shapeSeveral: {"holds several, or brackets or quotes", "hold several, or brackets or quotes", "give each its own row"},
}

// texts describes the odd shapes; what names the ids or keys.
func (s *shapes) texts(what string) (texts []string) {
	var others []shape
	for _, is := range s.odd() {
		if w := wrongShapes[is]; w.one != "" {
			texts = append(texts, fmt.Sprintf("%s, the first on line %d `%s`: %s", count(s[is].n, what+" "+w.one, what+"s "+w.more), s[is].line, shorten(s[is].example), w.advice))
		} else {
			others = append(others, is)
		}
	}
	if len(others) > 0 {
		texts = append(texts, s.text(others, what+" has", what+"s have"))
	}
	return texts
}

// text describes those odd shapes for which there is no advice; one and more begin
// the sentence.
func (s *shapes) text(odd []shape, one, more string) string {
	const examples = 3
	slices.SortFunc(odd, func(a, b shape) int { return cmp.Compare(s[a].line, s[b].line) })
	n, such := 0, []string(nil)
	for _, is := range odd {
		n += s[is].n
		if len(such) < examples {
			such = append(such, fmt.Sprintf("line %d `%s`", s[is].line, shorten(s[is].example)))
		}
	}
	return fmt.Sprintf("%s another form than the others, such as %s", count(n, one, more), strings.Join(such, ", "))
}

// Unusual reports whether the notes call the form of a user's id unusual.
func (t *Table) Unusual(userID string) bool {
	return userID != "" && slices.Contains(t.found.users.ids.odd(), userShape(userID))
}

// Unended reports whether the last line has no line end: the file may be cut off.
// It is known once the rows were ranged over.
func (t *Table) Unended() bool { return t.lines.unended }
