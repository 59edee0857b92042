// Package auth0 works on the organizations of a tenant through Auth0's Management
// API.
//
//	base, err := auth0.ParseDomain("acme.eu.auth0.com")
//	source, err := credentials.Source(base, &retry.Attempt{…})
//	client := &auth0.Client{
//		BaseURL: base,
//		HTTP:    retry.NewHTTPClient(&auth0.Bearer{Source: source, Base: &retry.Attempt{…}}),
//	}
//	outcomes := importer.Run(ctx, batches, client.Import(), workers)
//
// The client says what answers mean, [retry] whether a request is sent again, and
// the client's transport when it may leave. The transports have this order: one that
// waits for the tenant's rate limit; [Bearer], so that the token is taken after the
// wait; [retry.Attempt], whose time limit must not include the wait; and
// [retry.NewTransport].
package auth0

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"orgimport/importer"
	"orgimport/importer/retry"
)

// maxCorrelationID is how much of an X-Correlation-ID Auth0 keeps.
const maxCorrelationID = 64

// Client talks to one tenant. Its methods may be called concurrently; it must
// not be copied after the first call.
//
// After a 429 it sends the request again at once: the transport knows when there is
// room.
type Client struct {
	BaseURL *url.URL     // https://acme.eu.auth0.com, as from ParseDomain
	HTTP    *http.Client // carries the waits, the token and the time limits; see retry.NewHTTPClient
	Retry   retry.Client // how often a request is sent, and how long an outage may last

	// RunID marks the requests of this run in the tenant's logs: X-Correlation-ID
	// begins with it. It is cut if the whole would exceed 64 characters.
	RunID string

	// Known is set once the API has answered. A gateway's answer may pass after
	// that; before, it means that the API is not at this address. The clients of
	// one tenant may share it; nil means that the client has its own.
	Known *atomic.Bool

	known    atomic.Bool
	sequence atomic.Uint64
}

// nextCorrelationID returns the mark of one call; its repeats carry the same.
func (c *Client) nextCorrelationID() string {
	suffix := "-" + strconv.FormatUint(c.sequence.Add(1), 10)
	return c.RunID[:min(len(c.RunID), maxCorrelationID-len(suffix))] + suffix
}

// call is one call of the API with its repeats.
type call struct {
	retry.Call
	method        string
	path          string // escaped
	query         string
	body          []byte
	into          any // what a success other than a 204 is decoded into
	correlationID string
	limitIsFinal  bool // a 429 is an answer: it is not about the rate
}

func (c *Client) newCall(method, path string, query url.Values) *call {
	return &call{method: method, path: path, query: query.Encode(), correlationID: c.nextCorrelationID()}
}

// sent returns the request for an error.
func (call *call) sent() Error {
	return Error{Method: call.method, Path: call.path, CorrelationID: call.correlationID}
}

// do sends a call until an answer settles it. It returns the answer if its status is
// in want, and otherwise an error.
func (c *Client) do(ctx context.Context, call *call, want ...int) (a *retry.Answer, _ error) {
	var again []int // statuses of the last answers, each reason enough to send it once more
	call.Part = organizationOf(call.path)
	call.Lost = func(err error) error { return noAnswer(call.sent(), err) }
	call.Try = func(ctx context.Context) retry.Result {
		req, err := c.request(ctx, call)
		if err != nil {
			return retry.Result{Err: &ConfigError{Err: err, Hint: "check the domain"}}
		}
		if a, err = retry.Send(c.HTTP, req); err != nil {
			return retry.Result{Meaning: retry.Lost, Err: err}
		}
		r := retry.Result{Status: a.Status}
		r.Meaning, r.Err = c.meaningOf(a, call, want, again)
		switch {
		case r.Meaning != retry.Again:
			again = nil
		case a.Status != http.StatusTooManyRequests:
			again = append(again, a.Status)
		}
		return r
	}
	if err := c.Retry.Do(ctx, &call.Call); err != nil {
		return nil, err
	}
	return a, nil
}

// meaningOf says what an answer means for a call that answers with the statuses
// again have had sent once more.
func (c *Client) meaningOf(a *retry.Answer, call *call, want, again []int) (retry.Meaning, error) {
	known := cmp.Or(c.Known, &c.known)
	var e *Error
	before := slices.Contains(again, a.Status)
	switch {
	case slices.Contains(want, a.Status):
		err := call.decode(a)
		if err == nil {
			known.Store(true)
			return retry.Done, nil
		}
		e = foreign(a, call.sent(), err)
	case a.Status < 400:
		e = foreign(a, call.sent(), nil)
	default:
		e = refusal(a, call.sent())
	}
	switch {
	case e.Foreign && !known.Load():
		return retry.Done, notTheAPI(e)
	case e.Status == http.StatusTooManyRequests && !call.limitIsFinal:
		return retry.Again, e
	case e.transient() && e.Status != http.StatusTooManyRequests:
		return retry.Transient, e
	case e.aboutNobody() && !before && call.MaxAttempts != 1:
		return retry.Again, e // believed the second time
	case e.refusesToken() && !before:
		return retry.Again, e // Bearer has a fresh token, or says that there is none
	case e.refusesToken(), e.Status == http.StatusForbidden && e.Reach() == importer.ReachRun:
		return retry.Done, e.credentialsError()
	}
	known.Store(true)
	return retry.Done, e
}

// decode decodes the body of a success.
func (call *call) decode(a *retry.Answer) error {
	switch {
	case a.Status == http.StatusNoContent:
		return nil
	case string(bytes.TrimSpace(a.Body)) == "null":
		return errors.New("null")
	}
	return json.Unmarshal(a.Body, call.into)
}

// unmarshalItem decodes an object into v. If it has no id, nothing says what the object
// is: then the error has the text without.
func unmarshalItem(data []byte, v any, id *string, without string) error {
	err := json.Unmarshal(data, v)
	if err == nil && *id == "" {
		err = errors.New(without)
	}
	return err
}

func (c *Client) request(ctx context.Context, call *call) (*http.Request, error) {
	target := c.BaseURL.String() + call.path
	if call.query != "" {
		target += "?" + call.query
	}
	// With a *bytes.Reader the request has a GetBody, so that net/http can repeat
	// it by itself after it met a closed connection, or an HTTP/2 server has reset
	// the stream. The server may have done its work by then.
	req, err := http.NewRequestWithContext(ctx, call.method, target, bytes.NewReader(call.body))
	if err != nil {
		return nil, err
	}
	if call.MaxAttempts == 1 {
		req.GetBody = nil
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("X-Correlation-ID", call.correlationID)
	if call.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// write sends a request whose success is a 204. It sends nothing if err, which is
// that of the path, is not nil.
func (c *Client) write(ctx context.Context, method, path string, err error, content any) (importer.Receipt, error) {
	call := c.newCall(method, path, nil)
	if err == nil {
		call.body, err = json.Marshal(content)
	}
	if err == nil {
		_, err = c.do(ctx, call, http.StatusNoContent)
	}
	return call.receipt(err), err
}

// receipt returns what the results file keeps of a finished call.
func (call *call) receipt(err error) importer.Receipt {
	r := importer.Receipt{
		HTTPStatus:    call.Status,
		Attempts:      call.Sent,
		CorrelationID: call.correlationID,
		Time:          time.Now(),
	}
	if err != nil {
		r.Code, r.Message = reason(err)
	}
	return r
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

const organizationsPath = "/api/v2/organizations"

// organizationPath returns the path of an organization, or of something below it. An
// id may contain anything: the API's schema has no pattern for it.
func organizationPath(orgID string, below ...string) (string, error) {
	element, ok := pathElement(orgID)
	if !ok {
		return "", badID(importer.ReachOrg, orgID, "an organization")
	}
	return strings.Join(append([]string{organizationsPath, element}, below...), "/"), nil
}

// pathElement returns s escaped for a path, and whether it can be part of one: no
// escape keeps a dot segment from being resolved on the way.
func pathElement(s string) (string, bool) {
	return url.PathEscape(s), s != "" && s != "." && s != ".."
}

// organizationOf returns the part of a path that names the organization, or "".
func organizationOf(path string) string {
	rest, ok := strings.CutPrefix(path, organizationsPath+"/")
	if !ok {
		return ""
	}
	id, _, _ := strings.Cut(rest, "/")
	return id
}

// ParseDomain returns the base URL of a tenant from what people write:
// acme.eu.auth0.com, or https://acme.eu.auth0.com. A port is allowed. http is
// allowed for loopback addresses only, because each request carries a token.
func ParseDomain(s string) (*url.URL, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return nil, errors.New("the domain is empty; it looks like acme.eu.auth0.com")
	}
	if !strings.Contains(s, "://") {
		s = "https://" + s
	}
	u, err := url.Parse(s)
	if err != nil {
		// Without the URL itself: somebody may have put a password into it.
		return nil, fmt.Errorf("the domain is not valid: %w; it looks like acme.eu.auth0.com", retry.WithoutURL(err))
	}
	switch {
	case notATenant.MatchString(u.Hostname()):
		return nil, fmt.Errorf("%s is a site of Auth0's, not a tenant, whose domain looks like acme.eu.auth0.com; the dashboard shows it in the settings of the application", strings.ToLower(u.Hostname()))
	case u.User != nil:
		return nil, errors.New("the domain holds a user name or a password; give the host alone")
	case u.Hostname() == "":
		return nil, errors.New("the domain has no host name; it looks like acme.eu.auth0.com")
	case strings.Trim(u.Path, "/") != "":
		return nil, fmt.Errorf("the domain has a path (%s); give the host alone", u.Path)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("the domain has a query or a fragment; give the host alone")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, fmt.Errorf("http is for loopback addresses only, because the token would not be encrypted; use https://%s", u.Host)
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("the scheme of the domain is %s; it can only be https", u.Scheme)
	}
	if i := strings.IndexFunc(u.Hostname(), func(r rune) bool { return r < 0x80 && !hostRune(r) }); i >= 0 {
		return nil, fmt.Errorf("the domain holds the character %q; give the host alone, such as acme.eu.auth0.com", u.Hostname()[i])
	}
	host, err := canonicalHost(u)
	if err != nil {
		return nil, err
	}
	return &url.URL{Scheme: u.Scheme, Host: host}, nil
}

// notATenant matches hosts of Auth0's own that people take for their tenant's: that of
// the dashboard, of its other sites, and of regions without a tenant's name. Other names
// before auth0.com may be those of tenants.
var notATenant = regexp.MustCompile(`(?i)^((manage|www|accounts|community|support|status|docs|marketplace|cdn|login|(us|eu|au|jp|uk|ca)(-\d+)?)\.)?auth0\.com\.?$`)

// hostRune reports whether r may be part of the name or address of a host.
func hostRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(".-_:%", r)
}

// canonicalHost returns the host in lower case and without the default port: it
// becomes part of the audience, which is compared as text.
func canonicalHost(u *url.URL) (string, error) {
	host, port := strings.ToLower(u.Host), u.Port()
	if port == "" {
		return strings.TrimSuffix(host, ":"), nil
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", fmt.Errorf("the domain has the port %s; a port is a number from 1 to 65535", port)
	}
	if u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		return strings.TrimSuffix(host, ":"+port), nil
	}
	return host, nil
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
