package csvfile

import (
	"cmp"
	"fmt"
	"strings"
	"unicode"
)

// clean returns a value as it is meant: without white space and invisible
// characters around it, and without the formula ="…" that keeps a spreadsheet
// from taking it for a number.
func clean(value string) string {
	v := trim(value)
	if inner := unwrapFormula(v); len(inner) < len(v) {
		return trim(inner)
	}
	return v
}

// withoutApostrophe returns a clean value of the field without the apostrophe
// that stands before every text in Auth0's own export, if the column is one.
func (t *Table) withoutApostrophe(f field, value string) string {
	if t.exported[f] {
		return clean(strings.TrimPrefix(value, "'"))
	}
	return value
}

func trim(s string) string {
	s = strings.TrimSpace(s)
	if isPlain(s) {
		return s
	}
	return strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || isInvisible(r) })
}

// unwrapFormula returns the text in a formula such as ="auth0|1", and any other
// value as it is.
func unwrapFormula(s string) string {
	if len(s) < len(`=""`) || !strings.HasPrefix(s, `="`) || s[len(s)-1] != '"' {
		return s
	}
	inner := s[len(`="`) : len(s)-1]
	if strings.Contains(inner, `"`) {
		return s
	}
	return inner
}

// isInvisible reports whether r has no width and no ink: byte order marks, soft
// hyphens, joiners, marks of direction. They are pasted along with a text.
func isInvisible(r rune) bool {
	switch {
	case r < '\u00AD':
		return false
	case r >= '\u0600' && r <= '\u0605', r == '\u06DD', r == '\u070F', r == '\u08E2':
		return false // signs of Arabic and Syriac, which are seen
	case r == '\u034F', r == '\u115F', r == '\u1160', r == '\u3164', r == '\uFFA0':
		return true
	}
	return unicode.Is(unicode.Cf, r) || r >= '\uFE00' && r <= '\uFE0F'
}

// findExports finds the columns that Auth0's own export has written: those in
// which every value begins with an apostrophe, and none ends with one.
//
// A file of ours is none: its ids are as they were sent, or as they could not be.
func (t *Table) findExports(peeked []raw) {
	if t.columns.results() {
		return
	}
	for f := fieldOrgID; f <= fieldConnection; f++ {
		all, values := true, 0
		for i := range peeked {
			if v := *peeked[i].value(f); v != "" {
				values++
				all = all && len(v) > 1 && v[0] == '\'' && v[len(v)-1] != '\''
			}
		}
		t.exported[f] = all && values > 0
	}
}

// checkSingleQuotes returns an error if every value of a column is between
// quotes that are none in CSV.
func (t *Table) checkSingleQuotes(peeked []raw) error {
	for f := fieldOrgID; f <= fieldEmail; f++ {
		all, first := true, ""
		for i := range peeked {
			if v := *peeked[i].value(f); v != "" {
				all = all && v != otherQuotes(v)
				first = cmp.Or(first, v)
			}
		}
		if all && first != "" {
			return otherQuotesError(t.columns.name(f), first)
		}
	}
	return nil
}

// otherQuotes returns a value without the single or typographic quotes around
// it, and any other as it is.
func otherQuotes(s string) string {
	for _, pair := range []string{"''", "‘’", "‚‘", "“”", "„“", "””", "’’", "«»", "»«", "´´", "``"} {
		quotes := []rune(pair)
		left, right := string(quotes[0]), string(quotes[1])
		if len(s) > len(left)+len(right) && strings.HasPrefix(s, left) && strings.HasSuffix(s, right) {
			return s[len(left) : len(s)-len(right)]
		}
	}
	return s
}

func otherQuotesError(column, value string) *InputError {
	kind := "typographic"
	if value[0] == '\'' {
		kind = "single"
	}
	return &InputError{
		text: fmt.Sprintf("the values of column %q are in %s quotes: %s", otherQuotes(column), kind, shorten(value)),
		hint: `replace them by ", or take them out: only " is a quote in CSV`,
	}
}
