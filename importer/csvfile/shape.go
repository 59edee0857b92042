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
	shapeID     shape = iota // as Auth0 makes it, or somebody who imports users
	shapeAuth0               // with as many characters as those that Auth0 makes
	shapeShort               // the same with fewer
	shapeWord                // without what is in every id
	shapeNumber              //
	shapeEmail

	// Nobody makes such ids, however many there are.
	shapeNull
	shapeRule
	shapeScientific
	shapeCount
)

// shapes counts the shapes of ids, and knows where each was first.
type shapes [shapeCount]struct {
	tally
	example string
}

func (s *shapes) add(is shape, id string, line int) {
	if s[is].n == 0 {
		s[is].example = strings.Clone(id)
	}
	s[is].tally.add(1, line)
}

// userShape returns what the id of a user looks like. Those that Auth0 makes for
// its own connections end in 24 hexadecimal digits.
func userShape(id string) shape {
	if _, own, ok := strings.Cut(id, "|"); ok {
		switch {
		case !strings.HasPrefix(id, "auth0|") || len(own) > 24 || strings.Trim(own, "0123456789abcdef") != "":
			return shapeID
		case len(own) == 24:
			return shapeAuth0
		}
		return shapeShort
	}
	return otherShape(id)
}

// orgShape returns what the id of an organization looks like. Those that Auth0
// makes have 16 letters and digits behind org_.
func orgShape(id string) shape {
	if own, ok := strings.CutPrefix(id, "org_"); ok {
		switch {
		case len(own) > 16 || strings.ContainsFunc(own, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }):
			return shapeID
		case len(own) == 16:
			return shapeAuth0
		}
		return shapeShort
	}
	return otherShape(id)
}

var (
	// Spreadsheets write long numbers so.
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

// odd returns the shapes that few ids have, beside those that nobody makes.
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
func (s *shapes) text(one, more string) string {
	const examples = 3
	odd := s.odd()
	if len(odd) == 0 {
		return ""
	}
	slices.SortFunc(odd, func(a, b shape) int { return cmp.Compare(s[a].line, s[b].line) })
	n, such := 0, make([]string, 0, examples)
	for _, is := range odd {
		n += s[is].n
		if len(such) < examples {
			such = append(such, fmt.Sprintf("line %d `%s`", s[is].line, shorten(s[is].example)))
		}
	}
	verb := "have"
	if n == 1 {
		verb = "has"
	}
	return fmt.Sprintf("%s %s another form than the others, such as %s", count(n, one, more), verb, strings.Join(such, ", "))
}
