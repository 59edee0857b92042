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

// reply is an answer before it goes out. A check that has no objection returns
// nil.
type reply struct {
	status int
	header http.Header
	body   []byte
	stream func(io.Writer) error // instead of body, where that would be too long to hold
}

// write sends the body.
func (rep *reply) write(w io.Writer) error {
	if rep.stream != nil {
		return rep.stream(w)
	}
	_, err := w.Write(rep.body)
	return err
}

// read returns the body to read from, and its size, which is -1 if not known.
func (rep *reply) read() (io.ReadCloser, int64) {
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

// respond is an answer with a JSON body, or without one if v is nil. A 204 has
// a content type all the same, as recorded.
func respond(status int, v any) *reply {
	rep := &reply{status: status, header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}}
	if v != nil {
		rep.body = marshal(v)
	}
	return rep
}

func noContent() *reply { return respond(http.StatusNoContent, nil) }

// marshal leaves <, > and & unescaped, as the API does.
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
func refuse(status int, code, message string) *reply {
	return respond(status, apiError{StatusCode: status, Error: statusName(status), Message: message, ErrorCode: code})
}

func notFound() *reply { return refuse(http.StatusNotFound, "", "Not Found") }

func badToken(message string) *reply {
	return respond(http.StatusUnauthorized, apiError{
		StatusCode: http.StatusUnauthorized, Error: statusName(http.StatusUnauthorized),
		Message: message, Attributes: &jwtAttributes{message},
	})
}

// statusName is http.StatusText, except for two names that others gave.
func statusName(status int) string {
	switch status {
	case http.StatusRequestEntityTooLarge:
		return "Request Entity Too Large" // by hapi, which Auth0's messages come from
	case 524:
		return "A Timeout Occurred" // by Cloudflare
	}
	return http.StatusText(status)
}

// oauthError is the Authentication API's error, which has a shape of its own.
func oauthError(status int, code, description string) *reply {
	return oauth(status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{code, description})
}

func oauth(status int, v any) *reply {
	return &reply{
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
func bare(status int, body Body, message string) *reply {
	switch body {
	case BodyHTML:
		title := fmt.Sprintf("%d %s", status, statusName(status))
		page := "<!DOCTYPE html>\n<html><head><title>" + title + "</title></head><body><h1>" + title + "</h1></body></html>\n"
		return &reply{status: status, header: http.Header{"Content-Type": {"text/html; charset=UTF-8"}}, body: []byte(page)}
	case BodyEmpty:
		return &reply{status: status, header: http.Header{}}
	}
	return refuse(status, "", message)
}
