package report

import (
	"slices"

	"orgimport/importer"
)

// Current finds the one line of a results file that counts for each row: the
// first that settles it, otherwise the last. A row that was sent is known by its
// key; any other row by its line of the input.
//
// It needs some 30 bytes of memory for each line.
type Current struct {
	key      func(importer.Row) string
	sent     importer.Set      // the line that counts for each key
	unsent   map[int]int       // that of each other row, by its line of the input
	lines    []currentLine     // by number
	statuses []importer.Status // that lines have
}

// currentLine is what is kept of a line.
type currentLine struct {
	status   uint8 // its index in statuses
	settles  bool
	replaced bool
}

// NewCurrent returns a Current of rows that are the same if their keys are.
func NewCurrent(key func(importer.Row) string) *Current {
	return &Current{key: key, unsent: make(map[int]int)}
}

// settles reports whether a line with that status and error code says that nothing
// is left to do for its row.
func settles(status importer.Status, code string) bool {
	return status.Settled() || status == importer.Failed && code == importer.CodeUnknownOutcome
}

// Add adds the line with that number, which is about the row of o. Lines are added
// in the order of the file.
func (c *Current) Add(number int, o *importer.Outcome) {
	status := slices.Index(c.statuses, o.Status)
	if status < 0 {
		status = len(c.statuses)
		c.statuses = append(c.statuses, o.Status)
	}
	for len(c.lines) <= number {
		c.lines = append(c.lines, currentLine{})
	}
	c.lines[number] = currentLine{status: uint8(status), settles: settles(o.Status, o.Code)}
	c.replaceUnsent(o.Row.Line)
	if o.Status.Unsent() {
		c.unsent[o.Row.Line] = number
		return
	}
	key := c.key(o.Row)
	earlier, found := c.sent.Line(key)
	if found && c.lines[earlier].settles {
		c.lines[number].replaced = true
		return
	}
	if found {
		c.lines[earlier].replaced = true
	}
	c.sent.Put(key, number)
}

// replaceUnsent notes that another line counts for the row on that line of the input
// if it was not sent, and returns what the line for it said; "" if there was none.
func (c *Current) replaceUnsent(line int) importer.Status {
	number, ok := c.unsent[line]
	if !ok {
		return ""
	}
	delete(c.unsent, line)
	c.lines[number].replaced = true
	return c.statuses[c.lines[number].status]
}

// Replaced reports whether another line counts for the row of the line with that
// number.
func (c *Current) Replaced(number int) bool {
	return number < len(c.lines) && c.lines[number].replaced
}

// of returns what the line that counts for a row that was sent says, and whether that
// settles the row; "" if there is none.
func (c *Current) of(r importer.Row) (status importer.Status, settled bool) {
	if c.sent.Len() == 0 {
		return "", false
	}
	number, found := c.sent.Line(c.key(r))
	if !found {
		return "", false
	}
	l := c.lines[number]
	return c.statuses[l.status], l.settles
}
