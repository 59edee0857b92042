package auth0

import (
	"net/http"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"orgimport/importer"
	"orgimport/importer/retry"
)

func TestRefusalIsWorded(t *testing.T) {
	for _, test := range []struct {
		status      int
		contentType string
		body        string
		want        string // code | reason | message
	}{
		{400, "", `{"statusCode":400,"error":"Bad Request","message":"no","errorCode":"invalid_body"}`, "invalid_body|Bad Request|no"},
		{429, "", `{"statusCode":429,"error":"Too Many Requests"}`, "|Too Many Requests|Too Many Requests"},
		{400, "", `{"error":"invalid_request","error_description":"no"}`, "|invalid_request|no"},
		{400, "", `{"message":{"a":["b"]},"errorCode":7}`, `7||{"a":["b"]}`},
		{400, "", `{"message":null}`, "||400 with JSON that gives no reason"},
		{400, "", `{"statusCode":400,"message":" two\r\n lines\t\u001b[31m\u2028red \u202e"}`, "||two lines [31m red"},
		{400, "", `{"statusCode":400,"message":"the token sesameopen is bad"}`, "||the token [secret] is bad"},
		{500, "", `{"message":"no mail for https://acme.eu.auth0.com/login?invitation=aZ9-_&organization=org_a"}`, "||no mail for https://acme.eu.auth0.com/login?invitation=[secret]&organization=org_a"},
		{500, "", `{}`, "||500 with JSON that gives no reason"},
		{500, "", `[1]`, "||500 with JSON that gives no reason"},
		{500, "", `"oops"`, "||500 with JSON that gives no reason"},
		{502, "text/html", `<!DOCTYPE html>`, "||502 with an HTML page"},
		{502, "text/html; charset=UTF-8", `oops`, "||502 with an HTML page"},
		{502, "", "\n <html>", "||502 with an HTML page"},
		{503, "", "", "||503 with an empty body"},
		{503, "", " \n", "||503 with an empty body"},
		{503, "text/plain", "upstream connect error", "||503 with a body that is not JSON"},
		{503, "", `{"message":"cut`, "||503 with a body that is not JSON"},
	} {
		a := &retry.Answer{Status: test.status, Header: http.Header{"Content-Type": {test.contentType}}, Body: []byte(test.body), Request: withToken()}
		e := refusal(a, Error{})
		if got := e.Code + "|" + e.Reason + "|" + e.Message; got != test.want {
			t.Errorf("%s: %s, want %s", test.body, got, test.want)
		}
	}
}

// withToken returns a request as Bearer sends it.
func withToken() *http.Request {
	return &http.Request{Header: http.Header{"Authorization": {bearerPrefix + "sesameopen"}}}
}

func TestOneLineIsCutBetweenCharacters(t *testing.T) {
	for limit := 3; limit < 12; limit++ {
		got := oneLine("ü–ü–ü–", limit)
		if len(got) > limit || !utf8.ValidString(got) || limit < 15 && !strings.HasSuffix(got, "…") {
			t.Errorf("limit %d: %q", limit, got)
		}
	}
}

func FuzzRefusal(f *testing.F) {
	f.Add(400, `{"statusCode":400,"error":"Bad Request","message":"no","errorCode":"invalid_body"}`)
	f.Add(400, `{"message":["a"],"error":{},"errorCode":1e9}`)
	f.Add(502, "<html>")
	f.Add(404, "{\"message\":\"a\\u0000\\u2028\\ud800 sesameopen\"}")
	f.Fuzz(func(t *testing.T, status int, body string) {
		a := &retry.Answer{Status: status, Header: http.Header{}, Body: []byte(body), Request: withToken()}
		e := refusal(a, Error{Method: "POST", Path: "/p"})
		for _, s := range []string{e.Message, e.Code, e.Reason, e.Error()} {
			if strings.ContainsFunc(s, unicode.IsControl) || !utf8.ValidString(s) || strings.Contains(s, "sesameopen") {
				t.Errorf("%q is not fit for a line", s)
			}
		}
		if e.Message == "" || len(e.Message) > maxMessage || len(e.Code) > maxCode {
			t.Errorf("message %q, code %q", e.Message, e.Code)
		}
		e.Reach()
		_ = e.Is(importer.ErrMember)
	})
}

// TestVerdictWithoutEnvelope distinguishes refusals without Auth0's error body from
// those of a gateway.
func TestVerdictWithoutEnvelope(t *testing.T) {
	for _, test := range []struct {
		status  int
		body    string
		message string
		foreign bool
	}{
		{400, "", "400 with an empty body", false},
		{422, `{}`, "422 with JSON that gives no reason", false},
		{409, `{"message":"The user is a member already"}`, "The user is a member already", false},
		{400, `{"type":"about:blank","title":"Bad Request","detail":"users not found: auth0|1"}`, "users not found: auth0|1", false},
		{422, `{"errors":[{"message":"members[0] does not exist"}]}`, "members[0] does not exist", false},
		{400, "The user does not exist: auth0|1", "The user does not exist: auth0|1", false},
		{400, `{"statusCode":400,"error":"Bad Request","message":"no","errors":"many","title":1}`, "no", false},
		{403, `{"statusCode":403,"error":"Forbidden","message":"no","errors":{"a":["b"]}}`, "no", false},
		{422, `{"detail":"users not found","errors":["a"]}`, "users not found", false},
		{404, "No organization found by that id or name", "No organization found by that id or name", false},
		{404, `{"message":"The user does not exist."}`, "The user does not exist.", false},
		{404, `{"message":"no Route matched with those values"}`, "no Route matched with those values: a gateway answered, not Auth0", true},
		{404, "", "404 with an empty body: a gateway answered, not Auth0", true},
		{400, "Request blocked. Your support ID is: 77", "400 with a body that is not JSON: a gateway answered, not Auth0", true},
		{400, "<html>The user does not exist", "400 with an HTML page: a gateway answered, not Auth0", true},
		{403, `{"message":"Forbidden"}`, "Forbidden: a gateway answered, not Auth0", true},
	} {
		e := refusal(&retry.Answer{Status: test.status, Header: http.Header{}, Body: []byte(test.body), Request: withToken()}, Error{})
		if e.Foreign != test.foreign || e.Message != test.message {
			t.Errorf("%d %s: %q, foreign: %t", test.status, test.body, e.Message, e.Foreign)
		}
	}
}
