package auth0test_test

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"orgimport/importer/auth0/auth0test"
)

// Sources of facts.
const (
	recorded   = "recorded"   // an answer of the real API, there or on a sibling endpoint
	documented = "documented" // its documentation
	reported   = "reported"   // users, in public
	inferred   = "inferred"   // inferred from sibling endpoints; not confirmed
)

const (
	org     = "/api/v2/organizations/org_Xv5L7r2fE2PVMuW9"
	members = org + "/members"
	tokens  = "/oauth/token"
)

// aTenant knows one organization and two users; ids and texts are made up.
func aTenant() auth0test.Config {
	return auth0test.Config{
		Domain:        "acme.eu.auth0.com",
		Organizations: []auth0test.Organization{{ID: "org_Xv5L7r2fE2PVMuW9", Name: "acme", DisplayName: "Acme"}},
		Users: []auth0test.User{
			{ID: "auth0|ann", Email: "ann@example.com", Name: "Ann"},
			{ID: "waad|bob", Email: "Bob@example.com", Name: "Bob"},
			{ID: "samlp|corp|ann", Email: "ann@example.com", Name: "Ann"},
			{ID: "auth0|new", Email: "new@example.com", Unverified: true, Username: "new", Phone: "+15550100", Connection: "staff",
				AppMetadata: map[string]any{"employee": "17"}},
		},
		Roles: []auth0test.Role{
			{ID: "rol_1234567890abcdef", Name: "Admin", Description: "All of it"},
			{ID: "rol_of_acme", Name: "Admin", Organization: "org_Xv5L7r2fE2PVMuW9"},
		},
		Applications: []auth0test.Application{
			{ClientID: "app", Secret: "s3cret"},
			{ClientID: "ungranted", Secret: "s3cret", NoGrant: true},
			{ClientID: "off", Secret: "s3cret", NoClientCredentials: true},
		},
		Limits: auth0test.Limits{Global: []auth0test.Limit{{Size: 100, Per: 1, Interval: time.Second}}},
	}
}

// fact is what is known of the API: a request, and the answer to it. limits says
// whether the X-RateLimit headers are there.
type fact struct {
	name, source string
	method, path string
	body         string
	headers      map[string]string // beside a good token and JSON
	config       func(*auth0test.Config)
	status       int
	contentType  string // application/json; charset=utf-8 if empty
	limits       bool
	answer       string // JSON; empty for no body; "…" matches any value
}

var facts = []fact{
	// Members, added and removed.
	{name: "members are added", source: recorded, method: "POST", path: members,
		body: `{"members":["auth0|ann","waad|bob"]}`, status: 204, limits: true},
	{name: "unknown keys are tolerated", source: documented, method: "POST", path: members,
		body: `{"members":["auth0|ann"],"x":1}`, status: 204, limits: true},
	{name: "non-members are removed", source: recorded, method: "DELETE", path: members,
		body: `{"members":["auth0|ann"]}`, status: 204, limits: true},
	{name: "an unknown organization", source: recorded, method: "GET", path: "/api/v2/organizations/org_XXXXXXXXXXXXXXXX", status: 404,
		answer: `{"statusCode":404,"error":"Not Found","message":"No organization found by that id or name"}`},
	{name: "members of an unknown organization", source: inferred, method: "POST", path: "/api/v2/organizations/org_XXXXXXXXXXXXXXXX/members",
		body: `{"members":["auth0|ann"]}`, status: 404,
		answer: `{"statusCode":404,"error":"Not Found","message":"No organization found by that id or name"}`},
	{name: "an organization id that is too long", source: inferred, method: "POST", path: "/api/v2/organizations/" + strings.Repeat("x", 51) + "/members",
		body: `{"members":["auth0|ann"]}`, status: 400,
		answer: `{"statusCode":400,"error":"Bad Request","message":"Path validation error: 'String is too long (51 chars), maximum 50' on property id (Organization identifier).","errorCode":"invalid_uri"}`},
	{name: "no members", source: inferred, method: "POST", path: members, body: `{"members":[]}`, status: 400,
		answer: `{"statusCode":400,"error":"Bad Request","message":"Payload validation error: 'Array is too short (0), minimum 1' on property members (List of user IDs to add to the organization as members).","errorCode":"invalid_body"}`},
	{name: "members misspelt", source: inferred, method: "POST", path: members, body: `{"Members":["auth0|ann"]}`, status: 400,
		answer: `{"statusCode":400,"error":"Bad Request","message":"Payload validation error: 'Missing required property: members'.","errorCode":"invalid_body"}`},
	{name: "a member that is not a string", source: inferred, method: "POST", path: members, body: `{"members":["auth0|ann",{}]}`, status: 400,
		answer: `{"statusCode":400,"error":"Bad Request","message":"Payload validation error: 'Expected type string but found type object' on property members[1].","errorCode":"invalid_body"}`},
	{name: "members that are not an array", source: inferred, method: "POST", path: members, body: `{"members":"auth0|ann"}`, status: 400,
		answer: `{"statusCode":400,"error":"Bad Request","message":"Payload validation error: 'Expected type array but found type string' on property members (List of user IDs to add to the organization as members).","errorCode":"invalid_body"}`},
	{name: "no members to remove", source: inferred, method: "DELETE", path: members, body: `{"members":[]}`, status: 400,
		answer: `{"statusCode":400,"error":"Bad Request","message":"Payload validation error: 'Array is too short (0), minimum 1' on property members (List of user IDs to remove from the organization).","errorCode":"invalid_body"}`},
	{name: "eleven members", source: inferred, method: "POST", path: members,
		body: `{"members":["a|1","a|2","a|3","a|4","a|5","a|6","a|7","a|8","a|9","a|10","a|11"]}`, status: 400,
		answer: `{"statusCode":400,"error":"Bad Request","message":"Payload validation error: 'Array is too long (11), maximum 10' on property members (List of user IDs to add to the organization as members).","errorCode":"invalid_body"}`},
	{name: "a malformed user id", source: inferred, method: "POST", path: members, body: `{"members":["foo"]}`, status: 400,
		answer: `{"statusCode":400,"error":"Bad Request","message":"Payload validation error: 'Object didn't pass validation for format user-id-with-max-length: foo' on property members[0].","errorCode":"invalid_body"}`},
	{name: "a body that is not JSON", source: inferred, method: "POST", path: members, body: `{"members":`, status: 400,
		answer: `{"statusCode":400,"error":"Bad Request","message":"Invalid request payload JSON format"}`},
	{name: "a body of two MB", source: reported, method: "POST", path: members, body: strings.Repeat(" ", 2<<20), status: 413,
		answer: `{"statusCode":413,"error":"Request Entity Too Large","message":"Payload content length greater than maximum allowed: 1048576"}`},

	// Members, read.
	{name: "nobody is in, with totals", source: recorded, method: "GET", path: members + "?include_totals=true&per_page=50", status: 200, limits: true,
		answer: `{"members":[],"start":0,"limit":50,"total":0}`},
	{name: "nobody is in, without totals", source: documented, method: "GET", path: members, status: 200, limits: true, answer: `[]`},
	{name: "nobody is in, by checkpoint", source: recorded, method: "GET", path: members + "?take=100&fields=user_id&include_fields=true&include_totals=true&per_page=50",
		status: 200, limits: true, answer: `{"members":[]}`},
	{name: "beyond a thousand by offset", source: reported, method: "GET", path: members + "?page=10&per_page=100", status: 400,
		answer: `{"statusCode":400,"error":"Bad Request","message":"Requesting page 10 exceeds the allowed maximum of 1000 records. To fetch results beyond 1000, use the checkpoint pagination method.","errorCode":"invalid_paging"}`},

	// Roles.
	{name: "roles are given to a user who is not a member yet", source: recorded, method: "POST", path: members + "/auth0%7Cann/roles",
		body: `{"roles":["rol_1234567890abcdef"]}`, status: 204, limits: true},
	{name: "roles that the member does not have are taken", source: recorded, method: "DELETE", path: members + "/auth0%7Cann/roles",
		body: `{"roles":["rol_1234567890abcdef"]}`, status: 204, limits: true},
	{name: "an unknown role", source: inferred, method: "POST", path: members + "/auth0%7Cann/roles", body: `{"roles":["rol_XXXXXXXXXXXXXXXX"]}`, status: 400,
		config: func(c *auth0test.Config) { c.Undocumented.Naming = auth0test.NameAll },
		answer: `{"statusCode":400,"error":"Bad Request","message":"One or more of the specified roles do not exist: rol_XXXXXXXXXXXXXXXX","errorCode":"invalid_body"}`},
	{name: "no roles", source: inferred, method: "POST", path: members + "/auth0%7Cann/roles", body: `{"roles":[]}`, status: 400,
		answer: `{"statusCode":400,"error":"Bad Request","message":"Payload validation error: 'Array is too short (0), minimum 1' on property roles (List of roles IDs to associated with the user).","errorCode":"invalid_body"}`},
	{name: "roles and another property", source: documented, method: "POST", path: members + "/auth0%7Cann/roles", body: `{"roles":["rol_1234567890abcdef"],"x":1}`, status: 400,
		answer: `{"statusCode":400,"error":"Bad Request","message":"Payload validation error: 'Additional properties not allowed: x'.","errorCode":"invalid_body"}`},
	{name: "roles for an unknown user", source: documented, method: "POST", path: members + "/auth0%7Cnobody/roles", body: `{"roles":["rol_1234567890abcdef"]}`, status: 404,
		answer: `{"statusCode":404,"error":"Not Found","message":"The user does not exist.","errorCode":"inexistent_user"}`},
	{name: "roles of a user who is not a member", source: reported, method: "GET", path: members + "/auth0%7Cann/roles", status: 404,
		answer: `{"statusCode":404,"error":"Not Found","message":"The user does not exist.","errorCode":"inexistent_user"}`},
	{name: "the tenant's roles", source: recorded, method: "GET", path: "/api/v2/roles?include_totals=true&per_page=100", status: 200, limits: true,
		answer: `{"roles":[{"id":"rol_1234567890abcdef","name":"Admin","description":"All of it"},{"id":"rol_of_acme","name":"Admin","description":"","type":"organization"}],"start":0,"limit":100,"total":2}`},
	{name: "the tenant's roles without those of organizations", source: reported, method: "GET", path: "/api/v2/roles?type=tenant", status: 200, limits: true,
		answer: `[{"id":"rol_1234567890abcdef","name":"Admin","description":"All of it"}]`},

	// Invitations.
	{name: "an invitation", source: recorded, method: "POST", path: org + "/invitations",
		body: `{"inviter":{"name":"Eve"},"invitee":{"email":"ann@example.com"},"client_id":"app"}`, status: 201, limits: true,
		answer: `{"id":"…","client_id":"app","inviter":{"name":"Eve"},"invitee":{"email":"ann@example.com"},"invitation_url":"…","ticket_id":"…","created_at":"…","expires_at":"…","organization_id":"org_Xv5L7r2fE2PVMuW9"}`},
	{name: "nobody is invited, with totals", source: recorded, method: "GET", path: org + "/invitations?include_totals=true&per_page=50", status: 200, limits: true,
		answer: `{"invitations":[],"start":0,"limit":0}`},
	{name: "an invitation to an unknown application", source: documented, method: "POST", path: org + "/invitations",
		config: func(c *auth0test.Config) { c.InviteTo = []string{"app"} },
		body:   `{"inviter":{"name":"Eve"},"invitee":{"email":"ann@example.com"},"client_id":"no"}`, status: 400,
		answer: `{"statusCode":400,"error":"Bad Request","message":"The specified client_id does not exist.","errorCode":"invalid_body"}`},
	{name: "an invitation by an unknown connection", source: documented, method: "POST", path: org + "/invitations",
		body: `{"inviter":{"name":"Eve"},"invitee":{"email":"ann@example.com"},"client_id":"app","connection_id":"con_XXXXXXXXXXXXXXXX"}`, status: 400,
		answer: `{"statusCode":400,"error":"Bad Request","message":"The specified connection does not exist.","errorCode":"invalid_body"}`},
	{name: "an invitation with an unknown role", source: documented, method: "POST", path: org + "/invitations",
		config: func(c *auth0test.Config) { c.Undocumented.Naming = auth0test.NameAll },
		body:   `{"inviter":{"name":"Eve"},"invitee":{"email":"ann@example.com"},"client_id":"app","roles":["rol_1","rol_2"]}`, status: 400,
		answer: `{"statusCode":400,"error":"Bad Request","message":"One or more of the specified roles do not exist: rol_1, rol_2","errorCode":"invalid_body"}`},
	{name: "an invitation to an unknown organization", source: documented, method: "POST", path: "/api/v2/organizations/org_XXXXXXXXXXXXXXXX/invitations",
		body: `{"inviter":{"name":"Eve"},"invitee":{"email":"ann@example.com"},"client_id":"app"}`, status: 404,
		answer: `{"statusCode":404,"error":"Not Found","message":"No organization found by that id."}`},
	{name: "an invitation of nobody", source: inferred, method: "POST", path: org + "/invitations",
		body: `{"inviter":{"name":"Eve"},"invitee":{},"client_id":"app"}`, status: 400,
		answer: `{"statusCode":400,"error":"Bad Request","message":"Payload validation error: 'Missing required property: email' on property invitee.","errorCode":"invalid_body"}`},
	{name: "an invitation of something that is not an address", source: inferred, method: "POST", path: org + "/invitations",
		body: `{"inviter":{"name":"Eve"},"invitee":{"email":"ann"},"client_id":"app"}`, status: 400,
		answer: `{"statusCode":400,"error":"Bad Request","message":"Payload validation error: 'Object didn't pass validation for format email: ann' on property invitee.email (The invitee's email).","errorCode":"invalid_body"}`},

	// Exports of users.
	{name: "an export of users", source: recorded, method: "POST", path: exportJob, body: `{"format":"json","limit":5,"fields":[{"name":"user_id"}]}`, status: 200, limits: true,
		answer: `{"type":"users_export","status":"pending","format":"json","limit":5,"fields":[{"name":"user_id"}],"created_at":"…","id":"…"}`},
	{name: "an unknown job", source: documented, method: "GET", path: "/api/v2/jobs/job_XXXXXXXXXXXXXXXX", status: 404,
		answer: `{"statusCode":404,"error":"Not Found","message":"Job not found.","errorCode":"…"}`},

	// Organizations and users.
	{name: "an organization by id", source: recorded, method: "GET", path: org, status: 200, limits: true,
		answer: `{"id":"org_Xv5L7r2fE2PVMuW9","name":"acme","display_name":"Acme"}`},
	{name: "an organization by name", source: recorded, method: "GET", path: "/api/v2/organizations/name/acme", status: 200, limits: true,
		answer: `{"id":"org_Xv5L7r2fE2PVMuW9","name":"acme","display_name":"Acme"}`},
	{name: "an organization by an unknown name", source: recorded, method: "GET", path: "/api/v2/organizations/name/nobody", status: 404,
		answer: `{"statusCode":404,"error":"Not Found","message":"No organization found by that id or name"}`},
	{name: "an id is not a name", source: inferred, method: "GET", path: "/api/v2/organizations/name/org_Xv5L7r2fE2PVMuW9", status: 404,
		answer: `{"statusCode":404,"error":"Not Found","message":"No organization found by that id or name"}`},
	{name: "an unknown user", source: recorded, method: "GET", path: "/api/v2/users/auth0%7C63d17c4ba030f2d4279f2c54", status: 404,
		answer: `{"statusCode":404,"error":"Not Found","message":"The user does not exist.","errorCode":"inexistent_user"}`},
	{name: "a user", source: recorded, method: "GET", path: "/api/v2/users/auth0%7Cann?fields=user_id,email", status: 200, limits: true,
		answer: `{"user_id":"auth0|ann","email":"ann@example.com"}`},
	{name: "an address of two users", source: recorded, method: "GET", path: "/api/v2/users-by-email?email=ann%40example.com&fields=user_id",
		status: 200, limits: true, answer: `[{"user_id":"auth0|ann"},{"user_id":"samlp|corp|ann"}]`},
	{name: "an address with other capitals", source: documented, method: "GET", path: "/api/v2/users-by-email?email=bob%40example.com",
		status: 200, limits: true, answer: `[]`},
	{name: "a user who is not verified", source: documented, method: "GET", path: "/api/v2/users/auth0%7Cnew?fields=email_verified,username,phone_number,identities,app_metadata",
		status: 200, limits: true, answer: `{"email_verified":false,"username":"new","phone_number":"+15550100","app_metadata":{"employee":"17"},` +
			`"identities":[{"provider":"auth0","connection":"staff","isSocial":false,"user_id":"new"}]}`},
	{name: "organizations by checkpoint", source: recorded, method: "GET", path: "/api/v2/organizations?take=1", status: 200, limits: true,
		answer: `{"organizations":[{"id":"org_Xv5L7r2fE2PVMuW9","name":"acme","display_name":"Acme"}]}`},
	{name: "organizations by offset", source: documented, method: "GET", path: "/api/v2/organizations?per_page=1&include_totals=true&fields=id,metadata&page=0", status: 200, limits: true,
		config: func(c *auth0test.Config) { c.Organizations[0].Metadata = map[string]string{"crm": "7"} },
		answer: `{"organizations":[{"id":"org_Xv5L7r2fE2PVMuW9","metadata":{"crm":"7"}}],"start":0,"limit":1,"total":1}`},
	{name: "organizations beyond a thousand by offset", source: documented, method: "GET", path: "/api/v2/organizations?page=10&per_page=100", status: 400,
		answer: `{"statusCode":400,"error":"Bad Request","message":"…","errorCode":"invalid_paging"}`},
	{name: "a connection by name", source: documented, method: "GET", path: "/api/v2/connections?name=staff&fields=name", status: 200, limits: true,
		answer: `[{"name":"staff"}]`},
	{name: "a connection that nobody has", source: documented, method: "GET", path: "/api/v2/connections?name=Staff", status: 200, limits: true, answer: `[]`},
	{name: "a path that is not served", source: inferred, method: "GET", path: "/api/v2/members", status: 404,
		answer: `{"statusCode":404,"error":"Not Found","message":"Not Found"}`},

	// Tokens.
	{name: "no token", source: recorded, method: "POST", path: members, headers: map[string]string{"Authorization": ""}, status: 401,
		answer: `{"statusCode":401,"error":"Unauthorized","message":"Missing authentication"}`},
	{name: "a token that is not a JWT", source: reported, method: "POST", path: members, headers: map[string]string{"Authorization": "Bearer abc"}, status: 400,
		answer: `{"statusCode":400,"error":"Bad Request","message":"Bad HTTP authentication header format","errorCode":"Bearer"}`},
	{name: "another scheme", source: reported, method: "POST", path: members, headers: map[string]string{"Authorization": "Basic eDp5"}, status: 400,
		answer: `{"statusCode":400,"error":"Bad Request","message":"Bad HTTP authentication header format","errorCode":"Bearer"}`},
	{name: "a token of another tenant", source: documented, method: "POST", path: members,
		headers: map[string]string{"Authorization": "Bearer e30.e30.eHg"}, status: 401,
		answer: `{"statusCode":401,"error":"Unauthorized","message":"Invalid signature received for JSON Web Token validation","attributes":{"error":"Invalid signature received for JSON Web Token validation"}}`},
	{name: "a token that has expired", source: reported, method: "POST", path: members,
		config: func(c *auth0test.Config) { c.TokenLifetime = -time.Second }, status: 401,
		answer: `{"statusCode":401,"error":"Unauthorized","message":"Expired token received for JSON Web Token validation","attributes":{"error":"Expired token received for JSON Web Token validation"}}`},
	{name: "a token is issued", source: recorded, method: "POST", path: tokens, contentType: "application/json",
		body:   `{"grant_type":"client_credentials","client_id":"app","client_secret":"s3cret","audience":"https://acme.eu.auth0.com/api/v2/"}`,
		status: 200, answer: `{"access_token":"…","expires_in":86400,"scope":"…","token_type":"Bearer"}`},
	{name: "a token for a form", source: documented, method: "POST", path: tokens, contentType: "application/json",
		body:    "grant_type=client_credentials&client_id=app&client_secret=s3cret&audience=https://acme.eu.auth0.com/api/v2/",
		headers: map[string]string{"Content-Type": "application/x-www-form-urlencoded"},
		status:  200, answer: `{"access_token":"…","expires_in":86400,"scope":"…","token_type":"Bearer"}`},
	{name: "a wrong secret", source: reported, method: "POST", path: tokens, contentType: "application/json",
		body:   `{"grant_type":"client_credentials","client_id":"app","client_secret":"no","audience":"https://acme.eu.auth0.com/api/v2/"}`,
		status: 401, answer: `{"error":"access_denied","error_description":"Unauthorized"}`},
	{name: "an audience without its slash", source: reported, method: "POST", path: tokens, contentType: "application/json",
		body:   `{"grant_type":"client_credentials","client_id":"app","client_secret":"s3cret","audience":"https://acme.eu.auth0.com/api/v2"}`,
		status: 403, answer: `{"error":"access_denied","error_description":"Client is not authorized to access \"https://acme.eu.auth0.com/api/v2\". You need to create a \"client-grant\" associated to this API. See: https://auth0.com/docs/api/v2#!/Client_Grants/post_client_grants"}`},
	{name: "an application without a grant", source: reported, method: "POST", path: tokens, contentType: "application/json",
		body:   `{"grant_type":"client_credentials","client_id":"ungranted","client_secret":"s3cret","audience":"https://acme.eu.auth0.com/api/v2/"}`,
		status: 403, answer: `{"error":"access_denied","error_description":"…"}`},
	{name: "an application without client credentials", source: reported, method: "POST", path: tokens, contentType: "application/json",
		body:   `{"grant_type":"client_credentials","client_id":"off","client_secret":"s3cret","audience":"https://acme.eu.auth0.com/api/v2/"}`,
		status: 403, answer: `{"error":"unauthorized_client","error_description":"Grant type 'client_credentials' not allowed for the client.","error_uri":"https://auth0.com/docs/clients/client-grant-types"}`},

	// Limits.
	{name: "the global limit", source: recorded, method: "POST", path: members, body: `{"members":["auth0|ann"]}`,
		config: func(c *auth0test.Config) { c.Limits = auth0test.Limits{Global: empty} }, status: 429, limits: true,
		answer: `{"statusCode":429,"error":"Too Many Requests","message":"Global limit has been reached","errorCode":"too_many_requests"}`},
	{name: "the endpoint's limit", source: recorded, method: "POST", path: members, body: `{"members":["auth0|ann"]}`,
		config: func(c *auth0test.Config) {
			c.Limits = auth0test.Limits{Endpoints: map[auth0test.Class][]auth0test.Limit{auth0test.WriteMembers: empty}}
		}, status: 429, limits: true,
		answer: `{"statusCode":429,"error":"Too Many Requests","message":"Endpoint limit has been reached","errorCode":"too_many_requests"}`},
}

// empty is a limit with no permission for a minute.
var empty = []auth0test.Limit{{Size: 20, Per: 1, Interval: time.Minute, StartEmpty: true}}

// The answers are the same over a socket and without one.
func TestAnswersAreThoseOfTheAPI(t *testing.T) {
	for _, f := range facts {
		t.Run(f.name, func(t *testing.T) {
			tenant := f.tenant()
			f.check(t, tenant, tenant, "https://acme.eu.auth0.com")
		})
		t.Run(f.name+", over a socket", func(t *testing.T) {
			tenant := f.tenant()
			server := httptest.NewServer(tenant)
			defer server.Close()
			f.check(t, tenant, server.Client().Transport, server.URL)
		})
	}
}

func (f fact) tenant() *auth0test.Tenant {
	cfg := aTenant()
	if f.config != nil {
		f.config(&cfg)
	}
	return auth0test.New(cfg)
}

// check makes the request and compares the answer.
func (f fact) check(t *testing.T, tenant *auth0test.Tenant, transport http.RoundTripper, address string) {
	t.Helper()
	req := request(t, f.method, address+f.path, f.body)
	authorize(req, tenant, f.headers)
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != f.status {
		t.Fatalf("%s fact: status %d, want %d: %s", f.source, resp.StatusCode, f.status, body)
	}
	if got, want := resp.Header.Get("Content-Type"), cmp.Or(f.contentType, "application/json; charset=utf-8"); got != want {
		t.Errorf("%s fact: content type %q, want %q", f.source, got, want)
	}
	for _, h := range []string{"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"} {
		if got := resp.Header.Get(h) != ""; got != f.limits {
			t.Errorf("%s fact: %s there is %t, want %t", f.source, h, got, f.limits)
		}
	}
	if resp.Header.Get("Date") == "" {
		t.Error("no Date")
	}
	if !matches(t, string(body), f.answer) {
		t.Errorf("%s fact: body\n%s, want\n%s", f.source, body, f.answer)
	}
}

// send makes a request with a good token and a JSON content type, unless the
// headers say otherwise.
func send(t *testing.T, tenant *auth0test.Tenant, method, path, body string, headers map[string]string) (*http.Response, string) {
	t.Helper()
	resp, err := try(t, tenant, method, path, body, headers)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(answer)
}

func try(t *testing.T, tenant *auth0test.Tenant, method, path, body string, headers map[string]string) (*http.Response, error) {
	t.Helper()
	req := request(t, method, "https://acme.eu.auth0.com"+path, body)
	authorize(req, tenant, headers)
	return tenant.RoundTrip(req)
}

func authorize(req *http.Request, tenant *auth0test.Tenant, headers map[string]string) {
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+tenant.Token())
	for k, v := range headers {
		req.Header.Set(k, v)
	}
}

// matches compares JSON; "…" in want stands for any string.
func matches(t *testing.T, got, want string) bool {
	t.Helper()
	if want == "" || got == "" {
		return got == want
	}
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("%s: %v", got, err)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("%s: %v", want, err)
	}
	object, isObject := w.(map[string]any)
	other, isOther := g.(map[string]any)
	if isObject && isOther {
		for k, v := range object {
			if s, isString := other[k].(string); v == "…" && isString {
				object[k] = s
			}
		}
	}
	return reflect.DeepEqual(g, w)
}
