package auth0

import (
	"errors"
	"fmt"
	"net/http"

	"orgimport/importer"
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
