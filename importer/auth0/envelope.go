package auth0

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// maxMessage is how much of a message is kept, in bytes: room for ten user
	// ids of the 255 characters that Auth0 allows and the sentence around them.
	maxMessage = 4096
	maxCode    = 100
)

// envelope is how the Management API words a refusal. The error field of the
// Authentication API is a code, and its text is in error_description.
type envelope struct {
	Error       text `json:"error"`
	Message     text `json:"message"`
	Code        text `json:"errorCode"`
	Description text `json:"error_description"`
}

// text is a string, or whatever else stands in its place, as it stands.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) != nil {
		s = string(b)
	}
	*t = text(s)
	return nil
}

// refusal returns a as an error.
func (a *answer) refusal(call *call) *Error {
	e := &Error{
		Status:        a.status,
		RetryAfter:    retryAfter(a.header, time.Now()),
		Method:        call.method,
		Path:          call.path,
		CorrelationID: call.correlationID,
	}
	if !a.used.explain(e, a) {
		e.Message = fmt.Sprintf("%d with %s", a.status, a.contents())
	}
	return e
}

// explain fills e from the envelope in a and reports whether it holds any. The
// token is taken out: a server that echoes what it was sent is no rarity among
// proxies and simulators.
func (u usage) explain(e *Error, a *answer) bool {
	var env envelope
	if json.Unmarshal(a.body, &env) != nil {
		return false
	}
	secret := u.token
	if len(secret) < leastSecret {
		secret = ""
	}
	clean := func(t text, limit int) string { return oneLine(redact(string(t), secret), limit) }
	e.Reason, e.Code, e.Message = clean(env.Error, maxCode), clean(env.Code, maxCode), clean(env.Message, maxMessage)
	if e.Message == "" {
		e.Message = clean(env.Description, maxMessage)
	}
	if e.Message == "" {
		e.Message = e.Reason
	}
	return e.Message != ""
}

// contents says what the body is, for it is no envelope.
func (a *answer) contents() string {
	start := bytes.TrimSpace(a.body)
	switch {
	case len(start) == 0:
		return "an empty body"
	case start[0] == '<' || strings.Contains(a.header.Get("Content-Type"), "html"):
		return "an HTML page"
	case json.Valid(start):
		return "JSON that gives no reason"
	}
	return "a body that is not JSON"
}

// notTheAPI is the error for an answer that the Management API does not give:
// something else sits at this address, and would take the rows for nothing.
func (a *answer) notTheAPI(call *call) *Error {
	e := &Error{Status: a.status, Method: call.method, Path: call.path, CorrelationID: call.correlationID}
	what := "with " + a.contents()
	if a.status >= 300 {
		what = "with a redirect"
		if to, err := url.Parse(a.header.Get("Location")); err == nil && to.Host != "" {
			what += " to " + oneLine(to.Host, maxCode)
		}
	}
	e.Message = fmt.Sprintf("%d %s is no answer of the Management API; check the domain, and whether a proxy or a login page stands in between", a.status, what)
	return e
}

// reason returns the code and the message that the results file keeps of err.
func reason(err error) (code, message string) {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code, e.Message
	}
	if e, ok := errors.AsType[*CredentialsError](err); ok {
		return e.Code, e.Message
	}
	return "", oneLine(err.Error(), maxMessage)
}

// scopeWanted finds the scopes in "Insufficient scope, expected any of:
// create:organization_members".
var scopeWanted = regexp.MustCompile(`expected any of: ?([a-z_:,; ]+)`)

// credentialsError makes of a refused token an error that says what to do.
func (e *Error) credentialsError() *CredentialsError {
	c := &CredentialsError{Status: e.Status, Code: e.Code, Message: e.Message, Endpoint: e.Path}
	switch m := scopeWanted.FindStringSubmatch(e.Message); {
	case m != nil:
		c.Hint = "grant the application the scope " + strings.TrimSpace(m[1]) + " for the Auth0 Management API"
	case e.Status == http.StatusForbidden:
		c.Hint = "check what the application is permitted to do, and whether the tenant's plan has organizations"
	default:
		c.Hint = "check that the token is valid still, and that domain and audience are those of one tenant: a token got from a custom domain is refused on the canonical one"
	}
	return c
}

// retryAfter reads the header in either of its forms, seconds and a date. The
// date is held against that of the server if it gives one, for the clocks differ.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		const longest = 1 << 32 // seconds; more does not fit a Duration with ease
		return time.Duration(min(max(seconds, 0), longest)) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if server, err := http.ParseTime(h.Get("Date")); err == nil {
		now = server
	}
	return max(at.Sub(now), 0)
}

// oneLine makes of s a line of at most limit bytes: what would break a line or
// command a terminal becomes a space.
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

// leastSecret is how long a token must be to be taken out of a message: shorter
// ones are those of tests, and words.
const leastSecret = 8

// redact takes secrets out of what others wrote, as they are and as they stand in
// a form.
func redact(s string, secrets ...string) string {
	for _, secret := range secrets {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, "[secret]")
			s = strings.ReplaceAll(s, url.QueryEscape(secret), "[secret]")
		}
	}
	return s
}
