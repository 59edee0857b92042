package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable returns a value in a form that a terminal and a page show and do not
// obey: control characters as their pictures, and those without one, and characters
// that change the direction of the text or are not seen, as <U+202E>.
func Printable(s string) string {
	if isVisible(s) && !strings.ContainsFunc(s, isFormat) {
		return s
	}
	var out strings.Builder
	for _, r := range s {
		if isFormat(r) || isHidden(r) && r > 0x7f {
			fmt.Fprintf(&out, "<U+%04X>", r)
		} else {
			out.WriteRune(picture(r))
		}
	}
	return out.String()
}

// maxExcerpt bounds what is remembered of a value, in bytes. The results file has all
// of it.
const maxExcerpt = 400

// Excerpt returns the beginning of a value in the form of [Printable]. It is a copy,
// because a substring would keep the server's whole answer in memory.
func Excerpt(s string) string {
	s = Printable(s)
	if len(s) <= maxExcerpt {
		return strings.Clone(s)
	}
	end := maxExcerpt
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// isFormat reports whether r changes how others are shown and is not seen itself.
// Those that join the parts of an emoji or of a word in Persian stay.
func isFormat(r rune) bool {
	return unicode.Is(unicode.Cf, r) && r != '\u200c' && r != '\u200d'
}

// visibleAll returns the names in the form of [Visible].
func visibleAll(names []string) []string {
	names = slices.Clone(names)
	for i, n := range names {
		names[i] = Visible(n)
	}
	return names
}

// Visible returns s in a form that fits on one physical line. Each control
// character becomes its picture (␊ for a line feed, ␀ for a zero byte), each line
// break of Unicode becomes ␤, and each byte that is not UTF-8 becomes �. Nothing
// is removed, so that a reader sees that something was there.
func Visible(s string) string {
	if isVisible(s) {
		return s
	}
	return strings.Map(picture, s)
}

// isVisible reports whether Visible leaves s as it is.
func isVisible(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f {
			return utf8.ValidString(s) && strings.IndexFunc(s, isHidden) < 0
		}
	}
	return true
}

// isHidden reports whether r ends a line in some program, or controls a terminal.
func isHidden(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
}

// picture returns what r becomes on a line. strings.Map passes U+FFFD for a byte
// that is not UTF-8, and it stays.
func picture(r rune) rune {
	switch {
	case r < ' ':
		return '\u2400' + r
	case r == 0x7f:
		return '\u2421'
	case r == '\u0085', r == '\u2028', r == '\u2029':
		return '\u2424'
	case isHidden(r):
		return utf8.RuneError
	}
	return r
}

// Number returns n with commas between its thousands, such as "2,000".
func Number(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// Plural returns a number of things, such as "1 row" or "2,000 rows".
func Plural(n int, noun string) string { return Number(n) + " " + Verb(n, noun, noun+"s") }

// Verb returns the form of a word that goes with n things: one or many.
func Verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
