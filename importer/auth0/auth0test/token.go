package auth0test

import (
	"cmp"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha256" // RS256, PS256
	_ "crypto/sha512" // RS384
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

const defaultTokenLifetime = 24 * time.Hour

// claims are the claims of an access token, as Auth0 names them.
type claims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	IssuedAt int64  `json:"iat"`
	Expires  int64  `json:"exp"`
	Client   string `json:"azp"`
	Scope    string `json:"scope,omitempty"`
	Hidden   string `json:"auth0test,omitempty"` // Scope, if the token is to hide it
	Grant    string `json:"gty"`
	ID       string `json:"jti"`
}

// RevokeTokens makes all tokens issued so far invalid.
func (t *Tenant) RevokeTokens() { t.keys.rotate() }

// Token returns a token with the given scopes, or with all if none are given,
// for the tenant's Domain. Without a Domain it is valid at every host.
func (t *Tenant) Token(scopes ...string) string {
	if len(scopes) == 0 {
		scopes = t.allScopes
	}
	return t.newToken("auth0test", t.cfg.Domain, scopes)
}

func (t *Tenant) newToken(clientID, host string, scopes []string) string {
	now := t.now()
	audience := ""
	if h := cmp.Or(t.cfg.Domain, host); h != "" {
		audience = "https://" + h + "/api/v2/"
	}
	c := claims{
		Issuer: "https://" + host + "/", Subject: clientID + "@clients", Audience: audience,
		IssuedAt: now.Unix(), Expires: now.Add(t.tokenLifetime()).Unix(),
		Client: clientID, Scope: strings.Join(scopes, " "), Grant: "client-credentials", ID: rand.Text(),
	}
	if t.cfg.HideScopes {
		c.Scope, c.Hidden = "", c.Scope
	}
	return t.keys.sign(c)
}

func (t *Tenant) tokenLifetime() time.Duration {
	return cmp.Or(t.cfg.TokenLifetime, defaultTokenLifetime)
}

// isAudience reports whether aud names the Management API of this tenant, with
// its final slash. Without a Domain the host of the request counts, over TLS or
// not, and a token from [Tenant.Token] has no audience.
func (t *Tenant) isAudience(aud, host string) bool {
	return t.cfg.Domain == "" && aud == "" || t.isOwn(aud, host, "/api/v2/")
}

func (t *Tenant) isOwn(address, host, path string) bool {
	if t.cfg.Domain != "" {
		return address == "https://"+t.cfg.Domain+path
	}
	return address == "https://"+host+path || address == "http://"+host+path
}

// authorize checks the token of a request to the Management API, in the words
// that the API's token layer is known to use. A request that is refused here
// draws on no limit; whether that is so is not known. Paths that are not served
// need no token.
func (t *Tenant) authorize(c *call) *reply {
	if !c.class.limited() || c.class == Other || t.cfg.NoAuth {
		c.granted = t.allScopes
		return nil
	}
	header := c.Header.Get("Authorization")
	if header == "" {
		rep := refuse(http.StatusUnauthorized, "", "Missing authentication")
		rep.header.Set("WWW-Authenticate", "Bearer")
		return rep
	}
	scheme, token, _ := strings.Cut(header, " ")
	claims, genuine, err := t.keys.parse(token)
	if err != nil || !strings.EqualFold(scheme, "Bearer") {
		return refuse(http.StatusBadRequest, "Bearer", "Bad HTTP authentication header format")
	}
	switch {
	case !genuine:
		return badToken("Invalid signature received for JSON Web Token validation")
	case t.now().Unix() >= claims.Expires:
		return badToken("Expired token received for JSON Web Token validation")
	case !t.isAudience(claims.Audience, c.Host):
		return badToken("Bad audience: " + claims.Audience)
	}
	c.granted = strings.Fields(cmp.Or(claims.Scope, claims.Hidden))
	return nil
}

// allowed reports whether the token has any of the scopes that the endpoint
// asks for.
func (c *call) allowed() bool {
	return c.scopes == "" || slices.ContainsFunc(strings.Fields(c.scopes), c.has)
}

func (c *call) has(scope string) bool { return slices.Contains(c.granted, scope) }

func insufficientScope(anyOf string) *reply {
	return refuse(http.StatusForbidden, "insufficient_scope", "Insufficient scope, expected any of: "+strings.ReplaceAll(anyOf, " ", ","))
}

// issueToken is POST /oauth/token with the client-credentials grant.
func (t *Tenant) issueToken(c *call) *reply {
	p, ok := parameters(c)
	if !ok {
		return oauthError(http.StatusBadRequest, "invalid_request", "the body must be a form or a JSON object")
	}
	if p.Get("grant_type") != "client_credentials" {
		return oauthError(http.StatusBadRequest, "unsupported_grant_type", "Unsupported grant type: "+p.Get("grant_type"))
	}
	app, err := t.authenticate(p, c.Host)
	switch {
	case errors.Is(err, errWrongSecret):
		return oauthError(http.StatusUnauthorized, "access_denied", "Unauthorized")
	case err != nil:
		return oauthError(http.StatusUnauthorized, "invalid_client", err.Error())
	case app.NoClientCredentials:
		return oauth(http.StatusForbidden, map[string]string{
			"error":             "unauthorized_client",
			"error_description": "Grant type 'client_credentials' not allowed for the client.",
			"error_uri":         "https://auth0.com/docs/clients/client-grant-types",
		})
	case app.NoGrant || !t.isOwn(p.Get("audience"), c.Host, "/api/v2/"):
		return oauthError(http.StatusForbidden, "access_denied", `Client is not authorized to access "`+p.Get("audience")+
			`". You need to create a "client-grant" associated to this API. See: https://auth0.com/docs/api/v2#!/Client_Grants/post_client_grants`)
	}
	scopes := app.Scopes
	if scopes == nil {
		scopes = t.allScopes
	}
	shown := strings.Join(scopes, " ")
	if t.cfg.HideScopes {
		shown = ""
	}
	t.mu.Lock()
	t.watch.stats.TokensIssued++
	t.mu.Unlock()
	return oauth(http.StatusOK, struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
		Scope       string `json:"scope,omitempty"`
		TokenType   string `json:"token_type"`
	}{t.newToken(app.ClientID, c.Host, scopes), int(t.tokenLifetime().Seconds()), shown, "Bearer"})
}

// parameters reads a form or a JSON object of strings.
func parameters(c *call) (url.Values, bool) {
	if mediaType(c) != "application/json" {
		p, err := url.ParseQuery(string(c.body))
		return p, err == nil
	}
	var object map[string]string
	if json.Unmarshal(c.body, &object) != nil {
		return nil, false
	}
	p := make(url.Values, len(object))
	for k, v := range object {
		p.Set(k, v)
	}
	return p, true
}

// mediaType returns the content type without its parameters, or "".
func mediaType(c *call) string {
	m, _, _ := mime.ParseMediaType(c.Header.Get("Content-Type"))
	return m
}

var errWrongSecret = errors.New("unauthorized")

// authenticate finds the application that asks. A tenant without applications
// accepts every id that comes with a secret.
func (t *Tenant) authenticate(p url.Values, host string) (Application, error) {
	id, secret := p.Get("client_id"), p.Get("client_secret")
	app, known := t.apps[id]
	if p.Get("client_assertion") != "" {
		return app, t.verifyAssertion(app, p, host)
	}
	if len(t.apps) == 0 && id != "" && secret != "" {
		return Application{ClientID: id, Scopes: t.cfg.Scopes}, nil
	}
	if !known || app.Secret == "" || subtle.ConstantTimeCompare([]byte(app.Secret), []byte(secret)) == 0 {
		return app, errWrongSecret
	}
	return app, nil
}

// tokenKeys signs tokens and recognizes its own. It uses HMAC where Auth0 uses
// RSA: to a client a token is opaque except for its claims.
type tokenKeys struct {
	mu     sync.RWMutex
	secret []byte
	used   map[string]time.Time // ids of assertions and when they expire
}

func newTokenKeys() *tokenKeys {
	k := &tokenKeys{used: make(map[string]time.Time)}
	k.rotate()
	return k
}

func (k *tokenKeys) rotate() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.secret = []byte(rand.Text())
}

// sign makes a token of claims.
func (k *tokenKeys) sign(c claims) string {
	payload := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(marshal(c))
	return payload + "." + encode(k.mac(payload))
}

func (k *tokenKeys) mac(payload string) []byte {
	k.mu.RLock()
	defer k.mu.RUnlock()
	h := hmac.New(sha256.New, k.secret)
	h.Write([]byte(payload))
	return h.Sum(nil)
}

// parse reads a token. An error means that it is not a token, !genuine that
// these keys have not signed it.
func (k *tokenKeys) parse(token string) (c claims, genuine bool, err error) {
	payload, signature, err := splitJWT(token, &map[string]any{}, &c)
	if err != nil {
		return c, false, err
	}
	return c, hmac.Equal(signature, k.mac(payload)), nil
}

// splitJWT decodes the three parts of a JWT.
func splitJWT(token string, header, body any) (payload string, signature []byte, err error) {
	part := strings.Split(token, ".")
	if len(part) != 3 {
		return "", nil, errors.New("not a JSON Web Token")
	}
	for i, into := range []any{header, body} {
		raw, err := base64.RawURLEncoding.DecodeString(part[i])
		if err != nil {
			return "", nil, err
		}
		if err := json.Unmarshal(raw, into); err != nil {
			return "", nil, err
		}
	}
	signature, err = base64.RawURLEncoding.DecodeString(part[2])
	return part[0] + "." + part[1], signature, err
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// What Auth0 documents of private_key_jwt.
const (
	assertionType     = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	maxAssertion      = 2048 // bytes
	maxAssertionClaim = 64   // bytes of iss, sub and jti
	maxAssertionLife  = 5 * time.Minute
	assertionSkew     = 10 * time.Second // of iat and nbf
)

// assertionClaims are the claims of an application's assertion. Times are
// pointers because an absent time is not 1970.
type assertionClaims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  audience `json:"aud"`
	ID        string   `json:"jti"`
	Expires   *float64 `json:"exp"`
	IssuedAt  *float64 `json:"iat"`
	NotBefore *float64 `json:"nbf"`
}

// audience is one string or an array of them, as RFC 7519 allows.
type audience []string

func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}

// verifyAssertion checks the assertion of an application's identity. How Auth0
// words its refusals is not recorded.
func (t *Tenant) verifyAssertion(app Application, p url.Values, host string) error {
	token := p.Get("client_assertion")
	if len(token) > maxAssertion {
		return errors.New("client_assertion is too long")
	}
	if p.Get("client_assertion_type") != assertionType {
		return errors.New("unknown client_assertion_type")
	}
	var header struct {
		Alg string `json:"alg"`
	}
	var c assertionClaims
	payload, signature, err := splitJWT(token, &header, &c)
	if err != nil {
		return errors.New("client_assertion is not a JSON Web Token")
	}
	if !verified(app.Keys, header.Alg, payload, signature) {
		return errors.New("client_assertion has an invalid signature")
	}
	if err := c.check(app.ClientID, t.now()); err != nil {
		return err
	}
	if len(c.Audience) != 1 || !t.isOwn(c.Audience[0], host, "/") {
		return errors.New("client_assertion has a wrong aud")
	}
	if !t.keys.use(c.ID, t.now(), unix(*c.Expires)) {
		return errors.New("client_assertion was used before")
	}
	return nil
}

// check checks the claims that need neither a key nor an address.
func (c assertionClaims) check(clientID string, now time.Time) error {
	switch {
	case c.Issuer != clientID || c.Subject != clientID:
		return errors.New("client_assertion has a wrong iss or sub")
	case c.ID == "" || max(len(c.ID), len(c.Issuer)) > maxAssertionClaim:
		return errors.New("client_assertion has no jti, or too long a claim")
	case c.Expires == nil || !unix(*c.Expires).After(now):
		return errors.New("client_assertion has expired")
	case unix(*c.Expires).Sub(now) > maxAssertionLife+assertionSkew:
		return errors.New("client_assertion lives too long")
	case c.IssuedAt != nil && unix(*c.IssuedAt).After(now.Add(assertionSkew)),
		c.NotBefore != nil && unix(*c.NotBefore).After(now.Add(assertionSkew)):
		return errors.New("client_assertion is not valid yet")
	}
	return nil
}

func unix(seconds float64) time.Time { return time.UnixMilli(int64(seconds * 1000)) }

// verified reports whether any of the keys made the signature.
func verified(keys []*rsa.PublicKey, alg, payload string, signature []byte) bool {
	hash := crypto.SHA256
	if alg == "RS384" {
		hash = crypto.SHA384
	}
	h := hash.New()
	h.Write([]byte(payload))
	digest := h.Sum(nil)
	for _, key := range keys {
		var err error
		switch alg {
		case "RS256", "RS384":
			err = rsa.VerifyPKCS1v15(key, hash, digest, signature)
		case "PS256":
			err = rsa.VerifyPSS(key, hash, digest, signature, nil)
		default:
			return false
		}
		if err == nil {
			return true
		}
	}
	return false
}

// use notes the id of an assertion and reports whether it is new. It forgets
// those that have expired.
func (k *tokenKeys) use(id string, now, expires time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for used, until := range k.used {
		if !until.After(now) {
			delete(k.used, used)
		}
	}
	if _, found := k.used[id]; found {
		return false
	}
	k.used[id] = expires
	return true
}
