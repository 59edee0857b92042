package auth0test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// reply is an answer before it goes out.
type reply struct {
	status int
	header http.Header
	body   []byte
	stream func(io.Writer) error // in place of body, where that would be too long to hold
}

// write sends the body.
func (rep reply) write(w io.Writer) error {
	if rep.stream != nil {
		return rep.stream(w)
	}
	_, err := w.Write(rep.body)
	return err
}

// read returns the body to read from, and its size; -1: not known.
func (rep reply) read() (io.ReadCloser, int64) {
	if rep.stream == nil {
		return io.NopCloser(bytes.NewReader(rep.body)), int64(len(rep.body))
	}
	r, w := io.Pipe()
	go func() {
		err := rep.stream(w)
		if errors.Is(err, errCut) {
			err = io.ErrUnexpectedEOF
		}
		_ = w.CloseWithError(err) // never fails
	}()
	return r, -1
}

const jsonUTF8 = "application/json; charset=utf-8"

// ok is an answer with a JSON body, or with none if v is nil. A 204 has a
// content type all the same, as recorded.
func ok(status int, v any) reply {
	rep := reply{status: status, header: http.Header{"Content-Type": {jsonUTF8}}}
	if v != nil {
		rep.body = marshal(v)
	}
	return rep
}

// marshal leaves <, > and & as they are, which the API does too.
func marshal(v any) []byte {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return []byte(`{}`)
	}
	return []byte(strings.TrimSuffix(b.String(), "\n"))
}

// apiError is the Management API's error body, in its order of fields.
type apiError struct {
	StatusCode int            `json:"statusCode"`
	Error      string         `json:"error"`
	Message    string         `json:"message"`
	ErrorCode  string         `json:"errorCode,omitempty"`
	Attributes *jwtAttributes `json:"attributes,omitempty"`
}

// jwtAttributes repeats the message in errors of the layer that checks tokens.
type jwtAttributes struct {
	Error string `json:"error"`
}

// refuse is an error of the Management API. Many of them have no code.
func refuse(status int, code, message string) reply {
	return ok(status, apiError{StatusCode: status, Error: reason(status), Message: message, ErrorCode: code})
}

// reason is the name of a status. hapi, which Auth0's messages come from, has
// its own for one of them.
func reason(status int) string {
	if status == http.StatusRequestEntityTooLarge {
		return "Request Entity Too Large"
	}
	return http.StatusText(status)
}

func badToken(message string) reply {
	return ok(http.StatusUnauthorized, apiError{
		StatusCode: http.StatusUnauthorized, Error: reason(http.StatusUnauthorized),
		Message: message, Attributes: &jwtAttributes{message},
	})
}

// oauthError is the Authentication API's error, which has a shape of its own.
func oauthError(status int, code, description string) reply {
	return oauth(status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{code, description})
}

func oauth(status int, v any) reply {
	return reply{
		status: status,
		header: http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}},
		body:   marshal(v),
	}
}

// Body is the kind of body an error has that does not come from the API's own
// code, such as a 502 of the network in front of it.
type Body int

const (
	BodyJSON  Body = iota // shaped like every error of the API
	BodyHTML              // a page for people
	BodyEmpty             // none
)

// bare is an answer by something that knows nothing of the request.
func bare(status int, body Body, message string) reply {
	switch body {
	case BodyHTML:
		title := fmt.Sprintf("%d %s", status, statusName(status))
		page := "<!DOCTYPE html>\n<html><head><title>" + title + "</title></head><body><h1>" + title + "</h1></body></html>\n"
		return reply{status: status, header: http.Header{"Content-Type": {"text/html; charset=UTF-8"}}, body: []byte(page)}
	case BodyEmpty:
		return reply{status: status, header: http.Header{}}
	}
	return ok(status, apiError{StatusCode: status, Error: statusName(status), Message: message})
}

// statusName is like http.StatusText and knows Cloudflare's 524 too.
func statusName(status int) string {
	if status == 524 {
		return "A Timeout Occurred"
	}
	return http.StatusText(status)
}

// invalidBody, invalidQuery and invalidURI decorate a text of the schema
// validator as recorded: what is wrong, where, and the description of the
// property if the schema has one for it.
func invalidBody(text, property, description string) reply {
	return refuse(http.StatusBadRequest, "invalid_body", decorate("Payload", text, property, description))
}

func invalidQuery(text, property, description string) reply {
	return refuse(http.StatusBadRequest, "invalid_query_string", decorate("Query", text, property, description))
}

func invalidURI(text, property, description string) reply {
	return refuse(http.StatusBadRequest, "invalid_uri", decorate("Path", text, property, description))
}

func decorate(part, text, property, description string) string {
	msg := part + " validation error: '" + text + "'"
	if property != "" {
		msg += " on property " + property
	}
	if description != "" {
		msg += " (" + description + ")"
	}
	return msg + "."
}

func notFound() reply { return refuse(http.StatusNotFound, "", "Not Found") }
