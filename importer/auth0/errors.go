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
	what := e.Message
	if e.Status != 0 && (e.Reason != "" || e.Code != "") {
		what = answered(e.Status, e.Message, e.Code)
	}
	return e.Method + " " + e.Path + ": " + what
}

// answered returns the text of a refusal.
func answered(status int, message, code string) string {
	text := fmt.Sprintf("%d %s: %s", status, http.StatusText(status), message)
	if code != "" {
		text += " (" + code + ")"
	}
	return text
}

// Unwrap returns why no answer came.
func (e *Error) Unwrap() error { return e.Err }

const tokenPath = "/oauth/token"

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
	return who + ": " + answered(e.Status, e.Message, e.Code)
}

// Reach returns [importer.ReachRun].
func (e *CredentialsError) Reach() importer.Reach { return importer.ReachRun }

// Permanent reports that trying again is of no use.
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

// Permanent reports that trying again is of no use.
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

// already returns the error of a row that was done before.
func already(text string) error {
	return &reachError{errors.New(text), importer.ReachRow, importer.ErrMember}
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

// bearerPrefix precedes the token in the Authorization header.
const bearerPrefix = "Bearer "

// refusal returns an answer as an error, without the token: proxies and simulators
// often echo what they were sent. e has the request.
func refusal(a *retry.Answer, e Error) *Error {
	e.Status = a.Status
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
		return &e // it is about the request, whoever says so
	case http.StatusUnauthorized:
		known = known || !isPage(a) // only a token can be lost
	case http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity:
		// A gateway seldom answers with these.
		known = known || len(bytes.TrimSpace(a.Body)) == 0 || json.Valid(a.Body) || e.aboutRows()
	case http.StatusNotFound:
		known = known || e.aboutRows()
	}
	if e.Foreign = !known && !temporary(a.Status); e.Foreign {
		e.Message += gatewayAnswered(a.Header)
	}
	return &e
}

// noAnswer returns e, which has the request, as the error of one that got no answer.
func noAnswer(e Error, err error) *Error {
	e.Err, e.Message = err, "no answer: "+oneLine(err.Error(), maxMessage)
	return &e
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
// of the API's. e has the request.
func foreign(a *retry.Answer, e Error, why error) *Error {
	what := "with " + contents(a)
	if a.Status >= 300 {
		what = "with a redirect"
		if to, err := url.Parse(a.Header.Get("Location")); err == nil && to.Host != "" {
			what += " to " + oneLine(to.Host, maxCode)
		}
	}
	e.Status, e.Foreign = a.Status, true
	e.Message = fmt.Sprintf("%d %s is not an answer of the Management API", a.Status, what) + gatewayAnswered(a.Header)
	if why != nil && json.Valid(a.Body) {
		e.Message += ": " + oneLine(why.Error(), maxMessage)
	}
	return &e
}

// gatewayAnswered says who answered instead of Auth0.
func gatewayAnswered(h http.Header) string {
	said := ": a gateway answered, not Auth0"
	if server := oneLine(h.Get("Server"), maxCode); server != "" {
		said += " (server: " + server + ")"
	}
	return said
}

// notTheAPI returns the error for a foreign answer that comes before any answer of the
// API: something else is at this address.
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

// ticket matches the part of an invitation's link that lets its holder in.
var ticket = regexp.MustCompile(`\b(invitation|ticket)=[^\s&"'<>]+`)

// redact removes secrets from s, both as they are and form-encoded, and the tickets in
// links.
func redact(s string, secrets ...string) string {
	s = ticket.ReplaceAllString(s, "$1=[secret]")
	for _, secret := range secrets {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, "[secret]")
			s = strings.ReplaceAll(s, url.QueryEscape(secret), "[secret]")
		}
	}
	return s
}
