package auth0test

import (
	"crypto/rsa"
	"math/rand/v2"
	"net/http"
	"time"
)

// Config says what a tenant is like. Its zero value is a tenant that knows
// everybody and never refuses, delays or fails.
type Config struct {
	// Domain is the tenant's canonical domain, such as acme.eu.auth0.com,
	// which audiences must name. Empty means the host that a request names.
	Domain string

	// Organizations are those that exist. KnownOrg decides for ids that are
	// not listed. Without either every organization exists.
	Organizations []Organization
	KnownOrg      func(id string) bool

	// Users are those that exist. KnownUser decides for ids that are not
	// listed, so that a million of them need no memory. Without either every
	// user exists.
	Users     []User
	KnownUser func(id string) bool

	// Roles are those that exist. Nil means every id that begins with rol_.
	Roles []Role

	// Connections are those that exist. Nil means those that Users have, and
	// without Users all.
	Connections []Connection

	// Applications are those that may ask for a token. Without any, every
	// client id with a secret gets one, with these Scopes; nil means all.
	Applications []Application
	Scopes       []string

	// TokenLifetime is how long a token is good. 0 means 24 hours, Auth0's
	// default for the Management API.
	TokenLifetime time.Duration

	// HideScopes keeps the scopes of tokens secret: neither the token nor the
	// answer that it came with tells them.
	HideScopes bool

	// InviteTo are the client ids of the applications that users can be invited
	// to. Nil means any.
	InviteTo []string

	// NoAuth serves the Management API without a token.
	NoAuth bool

	// ClockOffset is how far the tenant's clock is ahead of time.Now. Date,
	// X-RateLimit-Reset and the life of tokens follow the tenant's clock.
	ClockOffset time.Duration

	// NoDate leaves out the Date header.
	NoDate bool

	// Latency draws the time that one request takes. Nil means none. See
	// [Fixed], [Uniform] and [Recorded].
	Latency func(*rand.Rand) time.Duration

	Limits       Limits
	Undocumented Undocumented
	Exports      Exports

	// Incidents are faults that befall requests. The first that befalls one
	// counts.
	Incidents []Incident

	// Fault says what goes wrong with a request that no incident befalls. n is
	// the request's number within its class, from 1, and its body can be read.
	// Fault is called concurrently. Nil means that nothing goes wrong.
	Fault func(r *http.Request, n int) Fault

	// Seed makes latencies and shares of requests repeatable, as far as the
	// order of concurrent requests is.
	Seed uint64

	// KeepLog keeps an [Entry] for every request.
	KeepLog bool
}

// Organization is an organization of the tenant.
type Organization struct {
	ID          string // org_ and 16 letters or digits
	Name        string // lower case, unique in the tenant; may be empty
	DisplayName string
	Metadata    map[string]string
}

// User is a user of the tenant. What is empty the user has not.
type User struct {
	ID         string // provider|id
	Email      string
	Unverified bool // the address
	Name       string
	Username   string
	Phone      string
	Nickname   string

	// Connection is the name of that of the first identity. Empty means one
	// that is made of the id's provider.
	Connection string

	// OtherEmails are addresses of identities that are linked to the user.
	OtherEmails []string

	AppMetadata, UserMetadata map[string]any
}

// Role is a role of the tenant, or of one of its organizations.
type Role struct {
	ID           string // rol_ and 16 letters or digits
	Name         string
	Description  string
	Organization string // the id of the one that has it; empty: the tenant
}

// Connection is a way to log in to the tenant.
type Connection struct {
	ID   string // con_ and 16 letters or digits
	Name string
}

// Application is a client that may ask for tokens with the client-credentials
// grant.
type Application struct {
	ClientID string

	// Secret is what it may identify itself with; empty if it may not.
	Secret string

	// Keys are the public keys that its private_key_jwt assertions are
	// verified with. Auth0 allows two.
	Keys []*rsa.PublicKey

	// Scopes are those granted. Nil means all that the tenant knows.
	Scopes []string

	// NoGrant says that it is not authorized for the Management API.
	NoGrant bool

	// NoClientCredentials says that the grant type is switched off for it.
	NoClientCredentials bool
}
