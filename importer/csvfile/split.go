package csvfile

import "strings"

// split returns the values of a record that encoding/csv has refused, as far as
// they can be told apart: a quote that makes no sense where it stands is not
// taken for one. Of a record without such quotes it makes what encoding/csv
// makes of it.
func split(record string, comma rune) []string {
	record = strings.TrimSuffix(strings.TrimSuffix(record, "\n"), "\r")
	trim := trimsSpace(comma)
	var values []string
	for {
		if trim {
			record = strings.TrimSpace(record)
		}
		value, rest, more := cutQuoted(record, string(comma), trim)
		values = append(values, value)
		if !more {
			return values
		}
		record = rest
	}
}

// cutQuoted returns the first value of s and what is behind its delimiter.
func cutQuoted(s, comma string, trim bool) (value, rest string, more bool) {
	if end := closingQuote(s); end > 0 {
		behind := s[end+1:]
		if trim {
			behind = strings.TrimSpace(behind)
		}
		if rest, more = strings.CutPrefix(behind, comma); more || behind == "" {
			value = strings.ReplaceAll(s[1:end], `""`, `"`)
			return strings.ReplaceAll(value, "\r\n", "\n"), rest, more
		}
	}
	value, rest, more = strings.Cut(s, comma)
	return strings.Trim(value, `"`), rest, more
}

// closingQuote returns the place of the quote that closes the one that s begins
// with; -1 if there is none.
func closingQuote(s string) int {
	if !strings.HasPrefix(s, `"`) {
		return -1
	}
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] != '"':
		case i+1 < len(s) && s[i+1] == '"':
			i++
		default:
			return i
		}
	}
	return -1
}

// trimsSpace reports whether white space around a value can be told from the
// delimiter.
func trimsSpace(comma rune) bool { return strings.TrimSpace(string(comma)) != "" }
