package auth0

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"orgimport/importer"
)

// Blame returns the users of the refused batch that the refusal names, in their
// order: by their id, or by their place in the request, as in "on property
// members[3]". A refusal that names all of them, or none, blames nobody.
func (e *Error) Blame(userIDs []string) []string {
	if e.Reach() != importer.ReachRow {
		return nil
	}
	blamed := namedIn(e.Message, memberPlace, userIDs)
	if len(blamed) == len(userIDs) {
		return nil
	}
	return blamed
}

// How the validator of the Management API names an item of the request.
var (
	memberPlace = regexp.MustCompile(`(?:^|[\s'"(])members\[(\d{1,6})\]`)
	rolePlace   = regexp.MustCompile(`(?:^|[\s'"(])roles\[(\d{1,6})\]`)
)

// namedIn returns the ids that a message names, by themselves or by their place in
// the request.
func namedIn(message string, place *regexp.Regexp, ids []string) (found []string) {
	named := make([]bool, len(ids))
	for _, m := range place.FindAllStringSubmatch(message, -1) {
		if i, err := strconv.Atoi(m[1]); err == nil && i < len(named) {
			named[i] = true
		}
	}
	markIDs(message, ids, named)
	for i, id := range ids {
		if named[i] {
			found = append(found, id)
		}
	}
	return found
}

// markIDs marks the ids that message contains as whole words. An id may contain
// anything but white space, even other ids, so it looks for the longest first, and
// the text of one does not name another.
func markIDs(message string, ids []string, named []bool) {
	order := make([]int, len(ids))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return len(ids[b]) - len(ids[a]) })

	taken := make([]bool, len(message))
	for _, i := range order {
		id := ids[i]
		if id == "" {
			continue
		}
		for from := 0; ; {
			at := strings.Index(message[from:], id)
			if at < 0 {
				break
			}
			start, end := from+at, from+at+len(id)
			from = start + 1
			if slices.Contains(taken[start:end], true) || !opens(message[:start]) || !closes(message[end:]) {
				continue
			}
			named[i] = true
			for k := start; k < end; k++ {
				taken[k] = true
			}
		}
	}
}

// opens reports whether an id may begin after this text.
func opens(before string) bool {
	r, _ := utf8.DecodeLastRuneInString(before)
	return before == "" || separates(r)
}

// closes reports whether an id may end before this text: where a separator
// follows, or the punctuation that ends a sentence and then a separator.
func closes(after string) bool {
	after = strings.TrimLeft(after, `.:!?\`)
	r, _ := utf8.DecodeRuneInString(after)
	return after == "" || separates(r)
}

func separates(r rune) bool {
	return unicode.IsSpace(r) || strings.ContainsRune(`'"`+"`"+`,;()[]{}<>‘’“”«»`, r)
}
