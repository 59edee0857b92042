package csvfile

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"orgimport/importer"
)

// Note is something to know about a file in which the rows could be read.
type Note struct {
	Text string
	// Loud: the file may not be what it seems.
	Loud bool
}

// findings are what Table.Notes is made of.
type findings struct {
	spans, swallowed, misread, stay tally

	misreadIn   string // column of the first
	users, orgs shapes
}

// tally counts something, and knows where it was first.
type tally struct{ n, line int }

func (c *tally) add(n, line int) {
	if c.n == 0 {
		c.line = line
	}
	c.n += n
}

// noteRecord notes what is to be said of a record, whatever becomes of it.
func (t *Table) noteRecord(r raw) {
	if r.err != nil {
		return
	}
	if r.swallowed > 0 {
		t.found.swallowed.add(r.swallowed, r.line)
	} else if r.lines > 1 {
		t.found.spans.add(1, r.line)
	}
	for i, value := range r.kept {
		if !utf8.ValidString(value) {
			if t.found.misread.n == 0 {
				t.found.misreadIn = t.Kept[i]
			}
			t.found.misread.add(1, r.line)
		}
	}
}

// noteRow notes what is to be said of a row that is to be sent.
func (t *Table) noteRow(row importer.Row, org, user ref) {
	for _, r := range []ref{org, user} {
		t.used[r.from] = t.used[r.from] || r.kind != importer.KindOrgID && r.kind != importer.KindUserID
	}
	t.used[fieldConnection] = t.used[fieldConnection] || row.Keys != nil && row.Keys.Connection != t.connection
	if row.UserID != "" {
		t.found.users.add(userShape(row.UserID), row.UserID, row.Line)
	}
	if row.OrgID != "" {
		t.found.orgs.add(orgShape(row.OrgID), row.OrgID, row.Line)
	}
}

// Notes returns what there is to know about the rows that were ranged over: all
// of it once the range has ended.
func (t *Table) Notes() []Note {
	var notes []Note
	say := func(loud bool, format string, args ...any) {
		notes = append(notes, Note{fmt.Sprintf(format, args...), loud})
	}
	f := &t.found
	if t.headerLine > 0 {
		say(false, "the header is line %d: what stands above it is not read", t.headerLine)
	}
	if s := f.swallowed; s.n > 0 {
		say(true, "line %d: a value in quotes goes over several lines, of which %s: is a quote missing?", s.line, count(s.n, "looks like a row of its own", "look like rows of their own"))
	}
	if s := f.spans; s.n > 0 {
		say(false, "%s over several lines, the first on line %d", count(s.n, "row goes", "rows go"), s.line)
	}
	if s := f.misread; s.n > 0 {
		say(false, "%s not UTF-8, the first on line %d, column %q: give the encoding of the file, such as --encoding windows-1252", count(s.n, "value to be carried is", "values to be carried are"), s.line, f.misreadIn)
	}
	if s := f.stay; s.n > 0 {
		say(false, "%s as by the earlier run, the first on line %d: give them their ids, or empty their status", count(s.n, "row is rejected", "rows are rejected"), s.line)
	}
	if t.ended && t.lines.unended {
		say(false, "line %d, the last, has no line end: the file may be cut off", t.lines.start-1)
	}
	for _, text := range []string{f.users.text("user id", "user ids"), f.orgs.text("organization id", "organization ids")} {
		if text != "" {
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
	shapeID     shape = iota // as Auth0 makes it, or somebody who imports users
	shapeAuth0               // with as many characters as those that Auth0 makes
	shapeShort               // the same with fewer
	shapeWord                // without what is in every id
	shapeNumber              //
	shapeEmail

	// Nobody makes such ids, however many there are.
	shapeNull
	shapeRule
	shapeScientific
	shapeCount
)

// shapes counts the shapes of ids, and knows where each was first.
type shapes [shapeCount]struct {
	tally
	example string
}

func (s *shapes) add(is shape, id string, line int) {
	if s[is].n == 0 {
		s[is].example = strings.Clone(id)
	}
	s[is].tally.add(1, line)
}

// userShape returns what the id of a user looks like. Those that Auth0 makes for
// its own connections end in 24 hexadecimal digits.
func userShape(id string) shape {
	if _, own, ok := strings.Cut(id, "|"); ok {
		switch {
		case !strings.HasPrefix(id, "auth0|") || len(own) > 24 || strings.Trim(own, "0123456789abcdef") != "":
			return shapeID
		case len(own) == 24:
			return shapeAuth0
		}
		return shapeShort
	}
	return otherShape(id)
}

// orgShape returns what the id of an organization looks like. Those that Auth0
// makes have 16 letters and digits behind org_.
func orgShape(id string) shape {
	if own, ok := strings.CutPrefix(id, "org_"); ok {
		switch {
		case len(own) > 16 || strings.ContainsFunc(own, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }):
			return shapeID
		case len(own) == 16:
			return shapeAuth0
		}
		return shapeShort
	}
	return otherShape(id)
}

var (
	// Spreadsheets write long numbers so.
	scientific = regexp.MustCompile(`^[+-]?\d+([.,]\d+)?[eE][+-]?\d+$`)

	nulls = []string{"null", "(null)", "<null>", "nil", "none", "nan", "n/a", "na", "#n/a", "#na", "#value!", "#ref!", "#name?", "undefined", "-", "?"}
)

func otherShape(id string) shape {
	switch {
	case slices.Contains(nulls, strings.ToLower(id)):
		return shapeNull
	case isRule(id):
		return shapeRule
	case scientific.MatchString(id):
		return shapeScientific
	case strings.Contains(id, "@"):
		return shapeEmail
	case strings.Trim(id, "0123456789") == "":
		return shapeNumber
	}
	return shapeWord
}

// odd returns the shapes that few ids have, beside those that nobody makes.
func (s *shapes) odd() (odd []shape) {
	usual := s[shapeID].n + s[shapeAuth0].n + s[shapeShort].n
	most := shapeID
	for _, is := range []shape{shapeWord, shapeNumber, shapeEmail} {
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

// text says how many ids have another shape than the others; empty if none has.
func (s *shapes) text(one, more string) string {
	const examples = 3
	odd := s.odd()
	if len(odd) == 0 {
		return ""
	}
	slices.SortFunc(odd, func(a, b shape) int { return cmp.Compare(s[a].line, s[b].line) })
	n, such := 0, make([]string, 0, examples)
	for _, is := range odd {
		n += s[is].n
		if len(such) < examples {
			such = append(such, fmt.Sprintf("line %d `%s`", s[is].line, shorten(s[is].example)))
		}
	}
	verb := "have"
	if n == 1 {
		verb = "has"
	}
	return fmt.Sprintf("%s %s another form than the others, such as %s", count(n, one, more), verb, strings.Join(such, ", "))
}

// shorten returns an id for a message.
func shorten(id string) string {
	const most = 40
	if r := []rune(id); len(r) > most {
		id = string(r[:most]) + "…"
	}
	if !utf8.ValidString(id) || strings.ContainsFunc(id, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(id)
	}
	return id
}
