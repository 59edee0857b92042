package csvfile

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"orgimport/importer"
)

// The longest ids, in characters. 50 is the maxLength of an organization's id
// in the path, by the OpenAPI description of the Management API. For a user's
// id that description gives no number; 1024 is the longest that the My
// Organization API of the same tenants admits.
const (
	maxOrgID  = 50
	maxUserID = 1024
)

// checkOrg is stricter than checkText about ids, because an id becomes a segment of a
// path, where "." and ".." name other paths.
func checkOrg(kind, id string) error {
	if kind != importer.KindOrgID {
		return checkText(id, maxUserID, kind)
	}
	switch err := checkText(id, maxOrgID, kind); {
	case id == "." || id == "..":
		return fmt.Errorf("is %q, which no path can hold", id)
	case err != nil:
		return err
	case strings.ContainsFunc(id, unicode.IsSpace):
		return errors.New("holds white space")
	}
	return checkQuotes(id, isOrgShaped)
}

func checkUser(kind, id string) error {
	if err := checkText(id, maxUserID, kind); err != nil {
		return err
	}
	return checkQuotes(id, func(v string) bool { return isUserShaped(v) || kind == importer.KindEmail })
}

// checkQuotes returns an error if a value is in quotes or begins with an apostrophe,
// and isValue holds for the rest.
func checkQuotes(value string, isValue func(string) bool) error {
	switch inner := otherQuotes(value); {
	case inner != value && isValue(inner):
		return errors.New("is in quotes that are none in CSV, but others in the column are not")
	case value[0] == '\'' && isValue(value[1:]):
		return errors.New("begins with an apostrophe, as in Auth0's own export, but others in the column don't")
	}
	return nil
}

func checkText(id string, longest int, kind string) error {
	switch {
	case id[0] == '=' && !isFreeText(kind):
		return errors.New("is a formula of a spreadsheet")
	case id == `\N`:
		return errors.New(`is \N, which is how databases write that there is none`)
	case isPlain(id) && len(id) <= longest:
		return nil
	case !utf8.ValidString(id):
		return errors.New("is not UTF-8 (if the file is in Windows-1252, add --encoding windows-1252)")
	case strings.ContainsRune(id, utf8.RuneError):
		return errors.New("holds U+FFFD, the mark of a character that was lost in a conversion")
	case strings.ContainsAny(id, "\n\r\u0085\u2028\u2029"):
		return errors.New("holds a line break")
	case strings.ContainsFunc(id, unicode.IsControl):
		return errors.New("holds a control character")
	case strings.ContainsFunc(id, isPicture):
		return errors.New("holds the picture of a control character, as a results file has them")
	case utf8.RuneCountInString(id) > longest:
		return fmt.Errorf("is longer than %d characters", longest)
	}
	if i := strings.IndexFunc(id, isInvisible); i >= 0 && !isFreeText(kind) {
		r, _ := utf8.DecodeRuneInString(id[i:])
		return fmt.Errorf("holds the invisible character %U", r)
	}
	return nil
}

// isFreeText reports whether keys of this kind may hold characters of no width,
// such as those that join emoji.
func isFreeText(kind string) bool {
	return kind == "display_name" || strings.Contains(kind, "metadata.")
}

// isPicture reports whether r is one that a results file has in place of a character
// that would end a line or control a terminal.
func isPicture(r rune) bool { return r >= '\u2400' && r <= '\u2426' }

// roundTrips reports whether a value comes back unchanged from a results file that a
// spreadsheet has saved, in another encoding or with the results of formulas.
func roundTrips(value string) bool {
	return !strings.HasPrefix(value, "=") && !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' })
}

// clean returns a value without white space and invisible characters around it, and
// without the formula ="…" that keeps a spreadsheet from taking it for a number.
func clean(value string) string { return trim(unwrapFormula(trim(value))) }

// trim returns s without white space and invisible characters around it.
func trim(s string) string { return strings.TrimFunc(s, isUnseen) }

func isUnseen(r rune) bool { return unicode.IsSpace(r) || isInvisible(r) }

// isInvisible reports whether r has no width and no ink: byte order marks, soft
// hyphens, joiners, marks of direction. They come along when text is pasted.
func isInvisible(r rune) bool {
	return r >= '\u00AD' && unicode.In(r, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) &&
		!unicode.Is(unicode.Prepended_Concatenation_Mark, r) // visible signs, such as that of Arabic numbers
}

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

// isPlain reports whether id consists of visible ASCII characters, as nearly all do.
func isPlain(id string) bool {
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return true
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

func isOrgShaped(id string) bool { return strings.HasPrefix(id, "org_") }

func isUserShaped(id string) bool {
	i := strings.IndexByte(id, '|')
	return i > 0 && i < len(id)-1
}

// looksLikeRow reports whether there are ids where the names should be. The ids
// that Auth0 makes for organizations are "org_" and 16 characters.
func looksLikeRow(names []string) bool {
	return slices.ContainsFunc(names, func(s string) bool {
		return isUserShaped(s) || isOrgShaped(s) && len(s) == len("org_")+16
	})
}

// isRule reports whether s consists of dashes, as a line under a header does.
func isRule(s string) bool { return len(s) > 1 && strings.Trim(s, "-=") == "" }

// fold makes equal names of those that differ only in case, white space, hyphens and
// underscores.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		if isUnseen(r) || r == '_' || r == '-' {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
}

func folded(names []string) []string {
	names = slices.Clone(names)
	for i, name := range names {
		names[i] = fold(name)
	}
	return names
}

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

// shorten returns an id for a message: truncated, and quoted if something in it can't
// be seen.
func shorten(id string) string {
	id = truncate(id, 40)
	if !utf8.ValidString(id) || strings.ContainsFunc(id, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(id)
	}
	return id
}

// quoted returns names for a message, shortened if they are many or long.
func quoted(names []string) string {
	const most = 20
	var list []string
	for _, name := range names[:min(len(names), most)] {
		list = append(list, strconv.Quote(truncate(name, 40)))
	}
	text := strings.Join(list, ", ")
	if len(names) > most {
		text += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return text
}

// shellWord quotes a header so that it can be pasted into a shell.
func shellWord(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
