package csvfile

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// shape is what an id looks like.
type shape int

const (
	shapeID    shape = iota // as Auth0 makes it, or somebody who imports users
	shapeAuth0              // with as many characters as Auth0 makes
	shapeShort              // the same with fewer
	shapeWord               // without what every id has
	shapeNumber
	shapeEmail

	// Nobody makes such ids, however many there are.
	shapeNull
	shapeRule
	shapeScientific
	shapeCount
)

// shapes counts the ids of each shape.
type shapes [shapeCount]tally

// userShape returns what the id of a user looks like. Those that Auth0 makes for
// its own connections end in 24 hexadecimal digits.
func userShape(id string) shape {
	provider, own, ok := strings.Cut(id, "|")
	if !ok {
		return otherShape(id)
	}
	return idShape(own, 24, provider == "auth0" && strings.Trim(own, "0123456789abcdef") == "")
}

// orgShape returns what the id of an organization looks like. Those that Auth0
// makes have 16 letters and digits after org_.
func orgShape(id string) shape {
	own, ok := strings.CutPrefix(id, "org_")
	if !ok {
		return otherShape(id)
	}
	return idShape(own, 16, !strings.ContainsFunc(own, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }))
}

// idShape returns what an id looks like by its own part, which has n characters if
// Auth0 made it. alike reports whether these are characters that Auth0 uses.
func idShape(own string, n int, alike bool) shape {
	switch {
	case !alike || len(own) > n:
		return shapeID
	case len(own) == n:
		return shapeAuth0
	}
	return shapeShort
}

var (
	// Spreadsheets write long numbers like this.
	scientific = regexp.MustCompile(`^[+-]?\d+([.,]\d+)?[eE][+-]?\d+$`)

	nulls = []string{"null", "(null)", "<null>", "nil", "none", "nan", "n/a", "na", "#n/a", "#na", "#value!", "#ref!", "#name?", "undefined", "-", "?"}
)

func otherShape(id string) shape {
	switch {
	case slices.Contains(nulls, strings.ToLower(id)):
		return shapeNull
	case isRule(id):
		return shapeRule
	case scientific.MatchString(id):
		return shapeScientific
	case strings.Contains(id, "@"):
		return shapeEmail
	case strings.Trim(id, "0123456789") == "":
		return shapeNumber
	}
	return shapeWord
}

// odd returns the shapes that few ids have, and those that nobody makes.
func (s *shapes) odd() (odd []shape) {
	usual := s[shapeID].n + s[shapeAuth0].n + s[shapeShort].n
	most := shapeID
	for _, is := range []shape{shapeWord, shapeNumber, shapeEmail} {
		if s[is].n > max(usual, s[most].n) {
			most = is
		}
	}
	if most != shapeID && usual > 0 {
		odd = append(odd, shapeID, shapeAuth0, shapeShort)
	}
	if most == shapeID && s[shapeShort].n <= max(1, s[shapeAuth0].n/10) && s[shapeAuth0].n > 0 {
		odd = append(odd, shapeShort)
	}
	for is := shapeWord; is < shapeCount; is++ {
		if is != most {
			odd = append(odd, is)
		}
	}
	return slices.DeleteFunc(odd, func(is shape) bool { return s[is].n == 0 })
}

// text says how many ids have another shape than the others; empty if none has.
// one and more begin the sentence.
func (s *shapes) text(one, more string) string {
	const examples = 3
	odd := s.odd()
	if len(odd) == 0 {
		return ""
	}
	slices.SortFunc(odd, func(a, b shape) int { return cmp.Compare(s[a].line, s[b].line) })
	n, such := 0, []string(nil)
	for _, is := range odd {
		n += s[is].n
		if len(such) < examples {
			such = append(such, fmt.Sprintf("line %d `%s`", s[is].line, shorten(s[is].example)))
		}
	}
	return fmt.Sprintf("%s another form than the others, such as %s", count(n, one, more), strings.Join(such, ", "))
}
