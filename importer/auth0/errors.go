package auth0

import (
	"fmt"
	"net/http"
	"time"

	"orgimport/importer"
)

// Error is a request that was refused, or that could not be brought to an
// answer.
type Error struct {
	Status int    // as answered; 0 if no answer came
	Code   string // errorCode of the envelope, such as inexistent_user; often absent
	Reason string // error of the envelope, such as Bad Request

	// Message is why, in one line: the message of the envelope, or what came in
	// its place, such as "502 with an HTML page". It has no secrets in it.
	Message string

	RetryAfter    time.Duration // what the server asked to wait; 0 if it did not
	Method        string
	Path          string // escaped, as sent
	CorrelationID string
	Err           error // why no answer came; nil if one did
}

func (e *Error) Error() string {
	at := e.Method + " " + e.Path + ": "
	if e.Status == 0 {
		return at + e.Message
	}
	if e.Reason == "" && e.Code == "" {
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

// noAnswer is the Error of a call that failed on its way.
func noAnswer(call *call, err error) *Error {
	return &Error{
		Message:       "no answer: " + oneLine(err.Error(), maxMessage),
		Method:        call.method,
		Path:          call.path,
		CorrelationID: call.correlationID,
		Err:           err,
	}
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

// ConfigError says that the tenant cannot be reached the way it is configured:
// no such host, a certificate that does not hold, or something that is not Auth0.
// It is only given before the tenant has answered for the first time, for after
// that the configuration has proved good.
type ConfigError struct {
	Err  error
	Hint string // what can be done about it
}

func (e *ConfigError) Error() string { return "the tenant cannot be reached: " + e.Err.Error() }

// Unwrap returns what went wrong.
func (e *ConfigError) Unwrap() error { return e.Err }

// Reach returns [importer.ReachRun].
func (e *ConfigError) Reach() importer.Reach { return importer.ReachRun }

// GaveUpError says that something passing has not passed in the time the client
// was given, or is known to last longer. The run can be taken up later.
type GaveUpError struct {
	What  string    // such as "the tenant has not answered", with the time that was allowed
	Since time.Time // when it began
	Err   error     // the last failure
}

func (e *GaveUpError) Error() string {
	return fmt.Sprintf("gave up: %s (since %s): %v", e.What, e.Since.UTC().Format(time.RFC3339), e.Err)
}

// Unwrap returns the last failure.
func (e *GaveUpError) Unwrap() error { return e.Err }

// Reach returns [importer.ReachRun].
func (e *GaveUpError) Reach() importer.Reach { return importer.ReachRun }
