package report

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"orgimport/importer"
)

// Cause is why some rows are not done: they have the same status, the same answer,
// and the same message but for ids and numbers.
type Cause struct {
	Rows       int             `json:"rows"`
	Status     importer.Status `json:"status"`
	HTTPStatus int             `json:"http_status,omitempty"`
	Code       string          `json:"error_code,omitempty"`
	Message    string          `json:"message"` // with … in place of each id and number

	Example           // the first of the rows
	More    []Example `json:"-"` // the next few
}

// Example is one row of a [Cause].
type Example struct {
	Line    int    `json:"example_line"`
	OrgID   string `json:"example_org_id"`
	UserID  string `json:"example_user_id"`
	Message string `json:"example_message"` // with … in place of each e-mail address
}

// Said returns the message; that of a single row with its ids and numbers.
func (c Cause) Said() string {
	if c.Rows == 1 {
		return c.Example.Message
	}
	return c.Message
}

// String returns the cause on one line, with the input line of an example.
func (c Cause) String() string {
	answer := ""
	if c.HTTPStatus != 0 {
		answer = fmt.Sprintf(" %d", c.HTTPStatus)
	}
	if c.Code != "" {
		answer += " " + c.Code
	}
	return fmt.Sprintf("%d %s%s: %s (%s %d)", c.Rows, c.Status, answer,
		cmp.Or(c.Said(), "no reason given"), Verb(c.Rows, "line", "such as line"), c.Line)
}

const (
	// maxCauses bounds the memory for messages that generalize can't make equal.
	// Rows of further causes are only counted.
	maxCauses = 500
	// maxExamples is how many rows of a cause are remembered.
	maxExamples = 3
)

// Causes groups rows that are not done by cause. The zero value is ready for use.
type Causes struct {
	Others int // rows of causes after the first 500, which are only counted

	causes map[causeKey]*Cause
}

type causeKey struct {
	status     importer.Status
	httpStatus int
	code       string
	message    string
}

// Add adds the outcome of a row that is not done.
func (c *Causes) Add(o *importer.Outcome) {
	text := o.Message
	if o.Code == importer.CodeRowUnreadable {
		text, _, _ = strings.Cut(text, ": ") // the row itself follows
	}
	message := generalize(text, strconv.Itoa(o.HTTPStatus), o.Row.OrgID, o.Row.UserID)
	key := causeKey{o.Status, o.HTTPStatus, Excerpt(o.Code), Excerpt(message)}
	cause, ok := c.causes[key]
	switch {
	case ok && cause.Rows < maxExamples:
		cause.More = append(cause.More, exampleOf(o))
	case !ok && len(c.causes) == maxCauses:
		c.Others++
		return
	case !ok:
		if c.causes == nil {
			c.causes = make(map[causeKey]*Cause)
		}
		cause = &Cause{Status: key.status, HTTPStatus: key.httpStatus, Code: key.code, Message: key.message, Example: exampleOf(o)}
		c.causes[key] = cause
	}
	cause.Rows++
}

func exampleOf(o *importer.Outcome) Example {
	return Example{o.Row.Line, Excerpt(o.Row.OrgID), Excerpt(o.Row.UserID), Excerpt(withoutAddresses(o.Message))}
}

// Sorted returns the causes, the largest first, and of equal ones the one with
// the earliest line.
func (c *Causes) Sorted() []Cause {
	all := make([]Cause, 0, len(c.causes))
	for _, cause := range c.causes {
		all = append(all, *cause)
	}
	slices.SortFunc(all, func(a, b Cause) int {
		return cmp.Or(cmp.Compare(b.Rows, a.Rows), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Status, b.Status), cmp.Compare(a.HTTPStatus, b.HTTPStatus),
			cmp.Compare(a.Code, b.Code), cmp.Compare(a.Message, b.Message))
	})
	return all
}

// separators end a word of a message.
const separators = " ,;\"'`()[]{}<>="

// generalize takes ids and numbers out of a message, so that the messages of
// one cause are equal. A list of ids becomes one …, however long it is. The word
// stay is kept: it is the HTTP status, which a cause has only one of.
func generalize(message, stay, orgID, userID string) string {
	// The words below find every id but one with a separator in it.
	for _, id := range []string{userID, orgID} {
		if len(id) >= 4 && strings.ContainsAny(id, separators) {
			message = strings.ReplaceAll(message, id, "…")
		}
	}
	var out strings.Builder
	out.Grow(len(message))
	afterID := false // the word before was taken out
	for gap, word := range words(message) {
		isID := word != "" && word != stay && (word == orgID || word == userID || isVariable(word))
		switch {
		case !isID:
			out.WriteString(gap + word)
		case !afterID || strings.Trim(gap, " ,;\"'`") != "":
			out.WriteString(gap + "…")
		}
		afterID = isID
	}
	return out.String()
}

// withoutAddresses takes e-mail addresses out of a message: a summary and a log
// go to more places than the results, which have them.
func withoutAddresses(message string) string {
	if !strings.Contains(message, "@") {
		return message
	}
	var out strings.Builder
	for gap, word := range words(message) {
		if strings.Contains(word, "@") {
			word = "…"
		}
		out.WriteString(gap + word)
	}
	return out.String()
}

// words yields the words of s, each after the separators before it. Separators
// at the end of s come with an empty word.
func words(s string) iter.Seq2[string, string] {
	return func(yield func(gap, word string) bool) {
		for s != "" {
			rest := strings.TrimLeft(s, separators)
			gap, word := s[:len(s)-len(rest)], rest[:wordEnd(rest)]
			s = rest[len(word):]
			if !yield(gap, word) {
				return
			}
		}
	}
}

// wordEnd returns where the word that s begins with ends. A final full stop or
// colon is not part of it.
func wordEnd(s string) int {
	end := strings.IndexAny(s, separators)
	if end < 0 {
		end = len(s)
	}
	if trimmed := strings.TrimRight(s[:end], ".:!?"); trimmed != "" {
		return len(trimmed)
	}
	return end
}

// isVariable reports whether a word of a message is an id or a number. A short
// word that does not begin with its digits, such as Auth0 or UTF-8, is neither.
func isVariable(word string) bool {
	first := strings.TrimLeft(word, "-+#")
	return word == "…" || strings.ContainsAny(word, "|@") || strings.HasPrefix(word, "org_") ||
		first != "" && first[0] >= '0' && first[0] <= '9' ||
		len(word) >= 16 && strings.ContainsAny(word, "0123456789")
}
