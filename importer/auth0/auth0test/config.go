package auth0test

import (
	"crypto/rsa"
	"math/rand/v2"
	"net/http"
	"time"
)

// Config describes a tenant. Its zero value is a tenant that knows everybody and
// never refuses, delays or fails.
type Config struct {
	// Domain is the tenant's canonical domain, such as acme.eu.auth0.com, which
	// audiences must name. Empty means the host of the request.
	Domain string

	// Organizations lists those that exist. KnownOrg decides about ids that are
	// not listed. If neither is set, every organization exists.
	Organizations []Organization
	KnownOrg      func(id string) bool

	// Users lists those that exist. KnownUser decides about ids that are not
	// listed, so that a million of them need no memory. If neither is set,
	// every user exists.
	Users     []User
	KnownUser func(id string) bool

	// Roles lists those that exist. Nil means every id that begins with rol_.
	Roles []Role

	// Connections lists those that exist. Nil means those of Users, and all if
	// there are no Users either.
	Connections []Connection

	// Applications lists those that may ask for tokens. If there are none, every client id with
	// a secret gets one, with these Scopes; nil means all.
	Applications []Application
	Scopes       []string

	// TokenLifetime is how long a token is valid. 0 means 24 hours, Auth0's
	// default for the Management API.
	TokenLifetime time.Duration

	// HideScopes keeps the scopes of tokens secret: neither a token nor the
	// answer that carries it has them.
	HideScopes bool

	// InviteTo holds the client ids of the applications that users can be
	// invited to. Nil means any.
	InviteTo []string

	// NoAuth serves the Management API without a token.
	NoAuth bool

	// ClockOffset is how far the tenant's clock is ahead of time.Now. Date,
	// X-RateLimit-Reset and the lifetime of tokens follow the tenant's clock.
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

	// Seed makes latencies and the shares of Incidents repeatable, as far as
	// the order of concurrent requests is.
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

// User is a user of the tenant. Empty fields are absent.
type User struct {
	ID         string // provider|id
	Email      string
	Unverified bool // the address
	Name       string
	Username   string
	Phone      string
	Nickname   string

	// Connection is the name of the first identity's connection. Empty means
	// that of the id's provider.
	Connection string

	// OtherEmails are the addresses of further identities linked to the user.
	OtherEmails []string

	AppMetadata, UserMetadata map[string]any
}

// Role is a role of the tenant, or of one of its organizations.
type Role struct {
	ID           string // rol_ and 16 letters or digits
	Name         string
	Description  string
	Organization string // id of the only one that has it; empty: the tenant
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

	// Secret is its client secret. Empty means that it can't use one.
	Secret string

	// Keys verify its private_key_jwt assertions. Auth0 allows two.
	Keys []*rsa.PublicKey

	// Scopes are granted to it. Nil means all that the tenant knows.
	Scopes []string

	// NoGrant means that it is not authorized for the Management API.
	NoGrant bool

	// NoClientCredentials means that the grant type is switched off for it.
	NoClientCredentials bool
}
