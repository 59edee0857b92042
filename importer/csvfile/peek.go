package csvfile

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
)

// peekRows is how many rows are read to judge a file by.
const peekRows = 100

// peek reads the first rows and judges the file by them.
func (t *Table) peek() error {
	var peeked []raw
	for len(peeked) < peekRows {
		r, err := t.nextRow()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		peeked = append(peeked, r)
	}
	t.peeked = peeked
	if t.columns.results() { // its ids are written as they were sent
		return nil
	}
	if err := t.checkOtherQuotes(); err != nil {
		return err
	}
	t.findExports()
	return t.checkSwapped()
}

// all reports whether the values of a field that are not empty all match, and
// returns the first of them.
func (t *Table) all(f field, match func(value string) bool) (first string, all bool) {
	for _, r := range t.peeked {
		if v := r.values[f]; v != "" {
			if !match(v) {
				return "", false
			}
			first = cmp.Or(first, v)
		}
	}
	return first, first != ""
}

// checkOtherQuotes returns an error if every value of a column is in quotes that
// CSV does not have.
func (t *Table) checkOtherQuotes() error {
	for f := fieldOrgID; f <= fieldEmail; f++ {
		if first, all := t.all(f, func(v string) bool { return otherQuotes(v) != v }); all {
			return otherQuotesError(t.columns.name(f), first)
		}
	}
	return nil
}

func otherQuotesError(column, value string) *InputError {
	kind := "typographic"
	if value[0] == '\'' {
		kind = "single"
	}
	return inputError(`replace them by ", or take them out: only " is a quote in CSV`,
		"the values of column %q are in %s quotes: %s", otherQuotes(column), kind, shorten(value))
}

// findExports finds the columns that Auth0's own export has written: those in
// which every value begins with an apostrophe, and none ends with one.
func (t *Table) findExports() {
	for f := fieldOrgID; f <= fieldConnection; f++ {
		_, t.exported[f] = t.all(f, func(v string) bool { return len(v) > 1 && v[0] == '\'' && v[len(v)-1] != '\'' })
	}
}

// checkSwapped returns an error if most rows have a user's id in the column of the
// organization and the other way round. Every request of such an import would
// fail. If the header comes again in the other order, these are the rows of
// another file, which was joined.
func (t *Table) checkSwapped() error {
	swapped := 0
	var org, user ref
	for i := range t.peeked {
		values := &t.peeked[i].values
		if t.columns.isHeader(values, &t.columns.user, &t.columns.org) {
			return nil
		}
		o, u := values.find(&t.columns.org), values.find(&t.columns.user)
		if isUserShaped(o.value) && isOrgShaped(u.value) {
			org, user = o, u
			swapped++
		}
	}
	if 2*swapped <= len(t.peeked) {
		return nil
	}
	orgColumn, userColumn := t.columns.name(org.from), t.columns.name(user.from)
	return inputError(fmt.Sprintf("--org-column %s --user-column %s", shellWord(userColumn), shellWord(orgColumn)),
		"the columns look swapped: %q has users, %q has organizations", orgColumn, userColumn)
}

// shellWord quotes a header so that it can be pasted into a shell.
func shellWord(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
