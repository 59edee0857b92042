package report

import (
	"iter"
	"strconv"

	"orgimport/importer"
)

// Counts are numbers of rows by status.
type Counts map[importer.Status]int

// Sum returns the number of rows.
func (c Counts) Sum() (n int) {
	for _, rows := range c {
		n += rows
	}
	return n
}

// Failures returns the number of rows that are not done.
func (c Counts) Failures() (n int) {
	for status, rows := range c {
		if status.Failure() {
			n += rows
		}
	}
	return n
}

// All yields each status that some row has, and the number of these rows, in the
// order of [importer.Statuses].
func (c Counts) All() iter.Seq2[importer.StatusInfo, int] {
	return func(yield func(importer.StatusInfo, int) bool) {
		for _, s := range importer.Statuses() {
			if n := c[s.Status]; n > 0 && !yield(s, n) {
				return
			}
		}
	}
}

// Number returns n with its thousands apart, such as "2,000".
func Number(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// Plural returns n things in words, such as "1 row" or "2,000 rows".
func Plural(n int, noun string) string { return Number(n) + " " + Verb(n, noun, noun+"s") }

// Verb returns the form of a word that goes with n things: one or many.
func Verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
