package auth0

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"orgimport/importer"
	"orgimport/importer/retry"
)

// Error is the error of a request that was refused or got no answer.
type Error struct {
	Status int    // as answered; 0 if no answer came
	Code   string // errorCode of the envelope, such as inexistent_user; often absent
	Reason string // error of the envelope, such as Bad Request

	// Message says why, in one line: the message of the envelope, or what came
	// instead of one, such as "502 with an HTML page". It contains no secrets.
	Message string

	// Foreign: something in front of Auth0 answered, with a page of its own. That
	// is never a verdict on a request.
	Foreign bool

	Method        string
	Path          string // escaped, as sent
	CorrelationID string
	Err           error // why no answer came; nil if one did
}

func (e *Error) Error() string {
	at := e.Method + " " + e.Path + ": "
	if e.Status == 0 || e.Reason == "" && e.Code == "" {
		return at + e.Message
	}
	text := fmt.Sprintf("%s%d %s: %s", at, e.Status, http.StatusText(e.Status), e.Message)
	if e.Code != "" {
		text += " (" + e.Code + ")"
	}
	return text
}

// Unwrap returns why no answer came.
func (e *Error) Unwrap() error { return e.Err }

// noAnswer returns the error of a call that got no answer.
func noAnswer(call *call, err error) *Error {
	e := call.error(0, "no answer: "+oneLine(err.Error(), maxMessage))
	e.Err = err
	return e
}

func (call *call) error(status int, message string) *Error {
	return &Error{Status: status, Message: message, Method: call.method, Path: call.path, CorrelationID: call.correlationID}
}

// CredentialsError says that the credentials, or the permissions that come with
// them, were refused. No other request can succeed.
type CredentialsError struct {
	Status   int
	Code     string
	Message  string
	Endpoint string // /oauth/token, or the path that refused the token
	Hint     string // what can be done about it
}

func (e *CredentialsError) Error() string {
	who := "the Management API refused the token"
	switch {
	case e.Endpoint == tokenPath:
		who = "the tenant refused the client credentials"
	case e.Status == http.StatusForbidden:
		who = "the token is not permitted to do this"
	}
	text := fmt.Sprintf("%s: %d %s: %s", who, e.Status, http.StatusText(e.Status), e.Message)
	if e.Code != "" {
		text += " (" + e.Code + ")"
	}
	return text
}

// Reach returns [importer.ReachRun].
func (e *CredentialsError) Reach() importer.Reach { return importer.ReachRun }

// Permanent reports that to try again is of no use.
func (e *CredentialsError) Permanent() bool { return true }

// ConfigError says that what answers is not an Auth0 tenant.
type ConfigError struct {
	Err  error
	Hint string // what can be done about it
}

func (e *ConfigError) Error() string { return e.Err.Error() }

// Unwrap returns what went wrong.
func (e *ConfigError) Unwrap() error { return e.Err }

// Reach returns [importer.ReachRun].
func (e *ConfigError) Reach() importer.Reach { return importer.ReachRun }

// Permanent reports that to try again is of no use.
func (e *ConfigError) Permanent() bool { return true }

// reachError is an error whose reach is decided outside the table of meanings.
type reachError struct {
	err   error
	reach importer.Reach
	is    error // what errors.Is finds besides; may be nil
}

// reaching returns an error with a reach and a text. It wraps nothing, so that
// errors.Is does not find what the table says about the refusal.
func reaching(reach importer.Reach, text string) error {
	return &reachError{err: errors.New(text), reach: reach}
}

// errNoPath is what errors.Is finds in the errors of badID.
var errNoPath = errors.New("no path can hold the id")

// badID returns the error of an id that no path can hold. what says, with an
// article, what it is the id of.
func badID(reach importer.Reach, id, what string) error {
	return &reachError{fmt.Errorf("%q cannot be the id of %s", id, what), reach, errNoPath}
}

func (e *reachError) Error() string { return e.err.Error() }

// Unwrap returns what went wrong.
func (e *reachError) Unwrap() error { return e.err }

// Is reports whether target is what e is besides.
func (e *reachError) Is(target error) bool { return e.is == target }

// Reach says how far the error reaches.
func (e *reachError) Reach() importer.Reach { return e.reach }

// Permanent reports whether trying again is of no use.
func (e *reachError) Permanent() bool { return e.reach == importer.ReachRun }

const (
	// maxMessage is how much of a message is kept, in bytes: room for ten user
	// ids of the 255 characters that Auth0 allows and the sentence around them.
	maxMessage = 4096
	maxCode    = 100
)

// envelope is the body of a refusal of the Management API. In one of the
// Authentication API, error is a code and error_description its text.
type envelope struct {
	Status      int  `json:"statusCode"`
	Error       text `json:"error"`
	Message     text `json:"message"`
	Code        text `json:"errorCode"`
	Description text `json:"error_description"`
}

// otherWords is what refusals in other forms may have instead of a message, such
// as those of RFC 9457.
type otherWords struct {
	Detail text `json:"detail"`
	Title  text `json:"title"`
	Errors []struct {
		Message text `json:"message"`
		Detail  text `json:"detail"`
	} `json:"errors"`
}

// first returns the words that say most.
func (w otherWords) first() text {
	words := cmp.Or(w.Detail, w.Title)
	for _, e := range w.Errors {
		words = cmp.Or(words, e.Message, e.Detail)
	}
	return words
}

// text is a JSON string, or the text of any other JSON value.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) != nil {
		s = string(b)
	}
	*t = text(s)
	return nil
}

// refusal returns an answer as an error, without the token: proxies and simulators
// often echo what they were sent.
func refusal(a *retry.Answer, call *call) *Error {
	e := call.error(a.Status, "")
	var token string
	if a.Request != nil {
		token = strings.TrimPrefix(a.Request.Header.Get("Authorization"), bearerPrefix)
	}
	known := e.explain(a, token)
	if e.Message == "" {
		e.Message = fmt.Sprintf("%d with %s", a.Status, contents(a))
	}
	switch a.Status {
	case http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong, http.StatusRequestHeaderFieldsTooLarge:
		return e // it is about the request, no matter who says so
	case http.StatusUnauthorized:
		known = known || !isPage(a) // only a token can be lost
	case http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity:
		// What is in front of Auth0 seldom answers so.
		known = known || len(bytes.TrimSpace(a.Body)) == 0 || json.Valid(a.Body) || e.aboutRows()
	case http.StatusNotFound:
		known = known || e.aboutRows()
	}
	if e.Foreign = !known && !temporary(a.Status); e.Foreign {
		e.Message += gatewayAnswered(a.Header)
	}
	return e
}

// gatewayAnswered says who answered instead of Auth0.
func gatewayAnswered(h http.Header) string {
	said := ": a gateway answered, not Auth0"
	if server := oneLine(h.Get("Server"), maxCode); server != "" {
		said += " (server: " + server + ")"
	}
	return said
}

// explain fills e from the envelope in a and reports whether it is Auth0's: that of
// others, such as API gateways, has only a message.
func (e *Error) explain(a *retry.Answer, token string) bool {
	if len(token) < leastSecret {
		token = ""
	}
	clean := func(t text, limit int) string { return oneLine(redact(string(t), token), limit) }
	var env envelope
	if err := json.Unmarshal(a.Body, &env); err != nil {
		if e.Message = clean(text(a.Body), maxMessage); isPage(a) || !e.aboutRows() {
			e.Message = ""
		}
		return false
	}
	if env.Message == "" {
		var other otherWords
		_ = json.Unmarshal(a.Body, &other) // what has another type says nothing
		env.Message = other.first()
	}
	e.Reason, e.Code, e.Message = clean(env.Error, maxCode), clean(env.Code, maxCode), clean(env.Message, maxMessage)
	if e.Message == "" {
		e.Message = clean(env.Description, maxMessage)
	}
	if e.Message == "" {
		e.Message = e.Reason
	}
	return e.Message != "" && (env.Status != 0 || e.Reason != "" || e.Code != "")
}

// contents describes a body that is not an envelope.
func contents(a *retry.Answer) string {
	start := bytes.TrimSpace(a.Body)
	switch {
	case len(start) == 0:
		return "an empty body"
	case isPage(a):
		return "an HTML page"
	case json.Valid(start):
		return "JSON that gives no reason"
	}
	return "a body that is not JSON"
}

func isPage(a *retry.Answer) bool {
	return bytes.HasPrefix(bytes.TrimSpace(a.Body), []byte("<")) || strings.Contains(a.Header.Get("Content-Type"), "html")
}

// foreign returns the error for an answer that looks like a success but is not one
// of the API's.
func foreign(a *retry.Answer, call *call, why error) *Error {
	what := "with " + contents(a)
	if a.Status >= 300 {
		what = "with a redirect"
		if to, err := url.Parse(a.Header.Get("Location")); err == nil && to.Host != "" {
			what += " to " + oneLine(to.Host, maxCode)
		}
	}
	e := call.error(a.Status, fmt.Sprintf("%d %s is not an answer of the Management API", a.Status, what)+gatewayAnswered(a.Header))
	if why != nil && json.Valid(a.Body) {
		e.Message += ": " + oneLine(why.Error(), maxMessage)
	}
	e.Foreign = true
	return e
}

// notTheAPI returns the error for a foreign answer before any of the API: something
// else is at this address, and would swallow the rows.
func notTheAPI(err error) *ConfigError {
	return &ConfigError{Err: err, Hint: "check the domain, and whether a proxy, a firewall or a login page stands in between"}
}

// scopeWanted matches the scopes in "Insufficient scope, expected any of:
// create:organization_members".
var scopeWanted = regexp.MustCompile(`expected any of: ?([a-z_:,; ]+)`)

// credentialsError turns the refusal of a token into an error that says what to do.
func (e *Error) credentialsError() *CredentialsError {
	c := &CredentialsError{Status: e.Status, Code: e.Code, Message: e.Message, Endpoint: e.Path}
	words := e.words()
	switch m := scopeWanted.FindStringSubmatch(e.Message); {
	case m != nil:
		c.Hint = "grant the application the scope " + strings.TrimSpace(m[1]) + " for the Auth0 Management API"
	case e.Status == http.StatusForbidden:
		c.Hint = "check what the application is permitted to do, and whether the tenant's plan has organizations"
	case strings.Contains(words, "audience"):
		c.Hint = "the token is for something else than the Management API; name the tenant's own domain: AUTH0_AUDIENCE=https://TENANT.REGION.auth0.com/api/v2/"
	case strings.Contains(words, "expired"):
		c.Hint = "get a new token; if it is a new one, check this machine's clock"
	default:
		c.Hint = "check that the token is still valid, and that domain and audience belong to one tenant: a token from a custom domain is refused on the canonical one"
	}
	return c
}

// oneLine returns s as a line of at most limit bytes: what would break the line or
// control a terminal becomes a space.
func oneLine(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' }), " ")
	if len(s) <= limit {
		return s
	}
	end := limit - len("…")
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// leastSecret is how long a token must be to be removed from a message: shorter
// ones may be words.
const leastSecret = 8

// redact removes secrets from s, both as they are and form-encoded.
func redact(s string, secrets ...string) string {
	for _, secret := range secrets {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, "[secret]")
			s = strings.ReplaceAll(s, url.QueryEscape(secret), "[secret]")
		}
	}
	return s
}

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
