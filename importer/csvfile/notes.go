package csvfile

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"orgimport/importer"
)

// Note is something to know about a file whose rows could be read.
type Note struct {
	Text string
	Loud bool // the file may not be what it seems
}

// findings are what is known about the rows that were ranged over.
type findings struct {
	spans, swallowed, misread, stay tally

	users, orgs shapes // of their ids

	keys [fieldCount]bool // fields that a row took a key from
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

// noteRecord notes what is remarkable about a record, whatever becomes of it.
func (t *Table) noteRecord(r raw) {
	if r.err != nil {
		return
	}
	if r.swallowed > 0 {
		t.found.swallowed.add(r.swallowed, r.line, "")
	} else if r.lines > 1 {
		t.found.spans.add(1, r.line, "")
	}
	for i, value := range r.kept {
		if !utf8.ValidString(value) {
			t.found.misread.add(1, r.line, t.Kept[i])
		}
	}
}

// noteRow notes what is remarkable about a row that is to be sent.
func (t *Table) noteRow(row importer.Row, org, user ref) {
	keys := &t.found.keys
	for _, r := range []ref{org, user} {
		keys[r.from] = keys[r.from] || r.kind != importer.KindOrgID && r.kind != importer.KindUserID
	}
	keys[fieldConnection] = keys[fieldConnection] || row.Keys != nil && row.Keys.Connection != t.dialect.Connection
	if row.UserID != "" {
		t.found.users[userShape(row.UserID)].add(1, row.Line, row.UserID)
	}
	if row.OrgID != "" {
		t.found.orgs[orgShape(row.OrgID)].add(1, row.Line, row.OrgID)
	}
}

// Notes returns what there is to know about the rows that were ranged over. It is
// complete once the range has ended.
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
		say(false, "%s not UTF-8, the first on line %d, column %q: give the encoding of the file, such as --encoding windows-1252", count(s.n, "value to be carried is", "values to be carried are"), s.line, s.example)
	}
	if s := f.stay; s.n > 0 {
		say(false, "%s as by the earlier run, the first on line %d: give them their ids, or empty their status", count(s.n, "row is rejected", "rows are rejected"), s.line)
	}
	if t.lines.unended {
		say(false, "line %d, the last, has no line end: the file may be cut off", t.lines.last())
	}
	for _, text := range []string{f.users.text("user id has", "user ids have"), f.orgs.text("organization id has", "organization ids have")} {
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
