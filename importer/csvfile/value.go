package csvfile

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// clean returns a value as it was meant: without white space and invisible
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
// that Auth0's own export writes before every text, if it wrote the column.
func (t *Table) withoutApostrophe(f field, value string) string {
	if t.exported[f] {
		return clean(strings.TrimPrefix(value, "'"))
	}
	return value
}

// trim returns s as people see it, without white space and invisible characters
// around it.
func trim(s string) string {
	s = strings.TrimSpace(s)
	if isPlain(s) {
		return s
	}
	return strings.TrimFunc(s, isUnseen)
}

func isUnseen(r rune) bool { return unicode.IsSpace(r) || isInvisible(r) }

// unwrapFormula returns the text in a formula such as ="auth0|1", and any other
// value unchanged.
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
// hyphens, joiners, marks of direction. They come along when text is pasted.
func isInvisible(r rune) bool {
	switch {
	case r < '\u00AD':
		return false
	case r >= '\u0600' && r <= '\u0605', r == '\u06DD', r == '\u070F', r == '\u08E2':
		return false // visible signs of Arabic and Syriac
	case r == '\u034F', r == '\u115F', r == '\u1160', r == '\u3164', r == '\uFFA0':
		return true
	}
	return unicode.Is(unicode.Cf, r) || r >= '\uFE00' && r <= '\uFE0F'
}

// otherQuotes returns a value without the single or typographic quotes around it,
// and any other value unchanged.
func otherQuotes(s string) string {
	if s == "" || s[0] < utf8.RuneSelf && s[0] != '\'' && s[0] != '`' {
		return s
	}
	for _, pair := range []string{"''", "‘’", "‚‘", "“”", "„“", "””", "’’", "«»", "»«", "´´", "``"} {
		quotes := []rune(pair)
		left, right := string(quotes[0]), string(quotes[1])
		if len(s) > len(left)+len(right) && strings.HasPrefix(s, left) && strings.HasSuffix(s, right) {
			return s[len(left) : len(s)-len(right)]
		}
	}
	return s
}

// isPlain reports whether id consists of visible ASCII characters, as nearly all
// do.
func isPlain(id string) bool {
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return true
}

func isOrgShaped(id string) bool { return strings.HasPrefix(id, "org_") }

func isUserShaped(id string) bool {
	i := strings.IndexByte(id, '|')
	return i > 0 && i < len(id)-1
}

// isRule reports whether s consists of dashes, as a line under a header does.
func isRule(s string) bool { return len(s) > 1 && strings.Trim(s, "-=") == "" }

// truncate returns at most the first n characters of s.
func truncate(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i] + "…"
		}
		n--
	}
	return s
}

// shorten returns an id for a message: truncated, and quoted if it holds anything
// that can't be seen.
func shorten(id string) string {
	id = truncate(id, 40)
	if !utf8.ValidString(id) || strings.ContainsFunc(id, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(id)
	}
	return id
}
