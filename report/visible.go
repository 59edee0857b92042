package report

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// visible returns s as it may stand on one physical line. Each control
// character becomes its picture (␊ for a line feed, ␀ for a zero byte), each
// line break of Unicode becomes ␤, and each byte that is no UTF-8 becomes �.
// Nothing is taken away, so that a reader sees that something was there.
func visible(s string) string {
	if isVisible(s) {
		return s
	}
	return strings.Map(picture, s)
}

// isVisible reports whether visible leaves s as it is.
func isVisible(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f {
			return utf8.ValidString(s) && strings.IndexFunc(s, isHidden) < 0
		}
	}
	return true
}

// isHidden reports whether r ends a line somewhere, or steers a terminal.
func isHidden(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
}

// picture returns what stands for r on a line. strings.Map hands it U+FFFD for
// a byte that is no UTF-8, which stays.
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
