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
	statuses []importer.Status // what lines say
}

// currentLine is what is kept of a line.
type currentLine struct {
	status   uint8 // its index in statuses
	settles  bool
	replaced bool
}

// NewCurrent returns a Current of rows that are the same if their keys are.
func NewCurrent(key func(importer.Row) string) *Current {
	return &Current{key: key, unsent: make(map[int]int), statuses: []importer.Status{""}}
}

// Settles reports whether a line with that status and error code says that nothing
// is left to do for its row.
func Settles(status importer.Status, code string) bool {
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
	c.lines[number] = currentLine{status: uint8(status), settles: Settles(o.Status, o.Code)}
	if earlier, ok := c.unsent[o.Row.Line]; ok {
		c.lines[earlier].replaced = true
		delete(c.unsent, o.Row.Line)
	}
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

// Replaced reports whether another line counts for the row of the line with that
// number.
func (c *Current) Replaced(number int) bool { return c.line(number).replaced }

// of returns the number of the line that counts for a row that was sent; 0 if there
// is none.
func (c *Current) of(r importer.Row) int {
	if c.sent.Len() == 0 {
		return 0
	}
	number, _ := c.sent.Line(c.key(r))
	return number
}

// line returns what is kept of a line; the zero value if it was not added.
func (c *Current) line(number int) currentLine {
	if number >= len(c.lines) {
		return currentLine{}
	}
	return c.lines[number]
}

// status returns what a line says; "" if it was not added.
func (c *Current) status(number int) importer.Status { return c.statuses[c.line(number).status] }
