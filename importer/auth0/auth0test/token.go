package auth0test

import (
	"cmp"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // RS256, PS256
	_ "crypto/sha512" // RS384
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const defaultTokenLifetime = 24 * time.Hour

// access is what a token gives.
type access struct {
	audience string
	expires  time.Time
	scopes   []string
}

// RevokeTokens makes all tokens issued so far invalid.
func (t *Tenant) RevokeTokens() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.tokens)
}

// Token returns a token with the given scopes, or with all if none are given,
// for the tenant's Domain. Without a Domain it is valid at every host.
func (t *Tenant) Token(scopes ...string) string {
	if len(scopes) == 0 {
		scopes = t.allScopes
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.newToken("auth0test", t.cfg.Domain, scopes)
}

// newToken makes a token. Its signature is random, because the tenant remembers its
// tokens, and a client can read no more than the claims.
func (t *Tenant) newToken(clientID, host string, scopes []string) string {
	a := access{expires: t.now().Add(t.tokenLifetime()), scopes: scopes}
	if h := cmp.Or(t.cfg.Domain, host); h != "" {
		a.audience = "https://" + h + "/api/v2/"
	}
	claims := present(map[string]any{
		"iss": "https://" + host + "/", "sub": clientID + "@clients", "aud": a.audience,
		"iat": t.now().Unix(), "exp": a.expires.Unix(), "azp": clientID, "scope": t.shown(scopes),
		"gty": "client-credentials", "jti": rand.Text(),
	})
	token := encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(marshal(claims)) + "." + rand.Text()
	t.tokens[token] = a
	return token
}

// shown returns the scopes as a token and the answer with it show them.
func (t *Tenant) shown(scopes []string) string {
	if t.cfg.HideScopes {
		return ""
	}
	return strings.Join(scopes, " ")
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
	if !strings.EqualFold(scheme, "Bearer") || strings.Count(token, ".") != 2 {
		return refuse(http.StatusBadRequest, "Bearer", "Bad HTTP authentication header format")
	}
	t.mu.Lock()
	a, genuine := t.tokens[token]
	t.mu.Unlock()
	switch {
	case !genuine:
		return badToken("Invalid signature received for JSON Web Token validation")
	case !t.now().Before(a.expires):
		return badToken("Expired token received for JSON Web Token validation")
	case !t.isAudience(a.audience, c.Host):
		return badToken("Bad audience: " + a.audience)
	}
	c.granted = a.scopes
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
	app, refused := t.authenticate(p, c.Host)
	switch {
	case refused != nil:
		return refused
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
	t.stats.TokensIssued++
	return oauth(http.StatusOK, present(map[string]any{
		"access_token": t.newToken(app.ClientID, c.Host, scopes), "expires_in": int(t.tokenLifetime().Seconds()),
		"scope": t.shown(scopes), "token_type": "Bearer",
	}))
}

// parameters reads a form or a JSON object of strings.
func parameters(c *call) (url.Values, bool) {
	if c.mediaType() != "application/json" {
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

// authenticate finds the application that asks. A tenant without applications
// accepts every id that comes with a secret.
func (t *Tenant) authenticate(p url.Values, host string) (app Application, refused *reply) {
	id, secret := p.Get("client_id"), p.Get("client_secret")
	if i := slices.IndexFunc(t.cfg.Applications, func(a Application) bool { return a.ClientID == id }); i >= 0 {
		app = t.cfg.Applications[i]
	}
	switch {
	case p.Get("client_assertion") != "":
		if problem := t.wrongAssertion(app, p, host); problem != "" {
			return app, oauthError(http.StatusUnauthorized, "invalid_client", problem)
		}
	case t.cfg.Applications == nil && id != "" && secret != "":
		app = Application{ClientID: id, Scopes: t.cfg.Scopes}
	case app.Secret == "" || app.Secret != secret:
		return app, oauthError(http.StatusUnauthorized, "access_denied", "Unauthorized")
	}
	return app, nil
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

// wrongAssertion returns what is wrong with the assertion of an application's
// identity, or "". How Auth0 words it is not recorded.
func (t *Tenant) wrongAssertion(app Application, p url.Values, host string) string {
	token, now := p.Get("client_assertion"), t.now()
	var header struct{ Alg string }
	var claims struct {
		Issuer    string  `json:"iss"`
		Subject   string  `json:"sub"`
		Audience  any     `json:"aud"` // a string or, as RFC 7519 allows, an array of them
		ID        string  `json:"jti"`
		Expires   seconds `json:"exp"`
		IssuedAt  seconds `json:"iat"`
		NotBefore seconds `json:"nbf"`
	}
	payload, signature, err := splitJWT(token, &header, &claims)
	if several, _ := claims.Audience.([]any); len(several) == 1 {
		claims.Audience = several[0]
	}
	audience, _ := claims.Audience.(string)
	switch {
	case len(token) > maxAssertion:
		return "client_assertion is too long"
	case p.Get("client_assertion_type") != assertionType:
		return "unknown client_assertion_type"
	case err != nil:
		return "client_assertion is not a JSON Web Token"
	case !verified(app.Keys, header.Alg, payload, signature):
		return "client_assertion has an invalid signature"
	case claims.Issuer != app.ClientID || claims.Subject != app.ClientID:
		return "client_assertion has a wrong iss or sub"
	case claims.ID == "" || max(len(claims.ID), len(claims.Issuer)) > maxAssertionClaim:
		return "client_assertion has no jti, or too long a claim"
	case !claims.Expires.time().After(now):
		return "client_assertion has expired"
	case claims.Expires.time().Sub(now) > maxAssertionLife+assertionSkew:
		return "client_assertion lives too long"
	case max(claims.IssuedAt, claims.NotBefore).time().After(now.Add(assertionSkew)):
		return "client_assertion is not valid yet"
	case !t.isOwn(audience, host, "/"):
		return "client_assertion has a wrong aud"
	case !t.firstUse(claims.ID, claims.Expires.time()):
		return "client_assertion was used before"
	}
	return ""
}

// seconds is a time in a JSON Web Token, since 1970. An absent one is 0 and so in the
// past.
type seconds float64

func (s seconds) time() time.Time { return time.UnixMilli(int64(s * 1000)) }

// verified reports whether any of the keys made the signature.
func verified(keys []*rsa.PublicKey, alg, payload string, signature []byte) bool {
	hash, verify := crypto.SHA256, rsa.VerifyPKCS1v15
	switch alg {
	case "RS256":
	case "RS384":
		hash = crypto.SHA384
	case "PS256":
		verify = func(key *rsa.PublicKey, hash crypto.Hash, digest, signature []byte) error {
			return rsa.VerifyPSS(key, hash, digest, signature, nil)
		}
	default:
		return false
	}
	h := hash.New()
	h.Write([]byte(payload))
	digest := h.Sum(nil)
	return slices.ContainsFunc(keys, func(key *rsa.PublicKey) bool { return verify(key, hash, digest, signature) == nil })
}

// firstUse notes the id of an assertion and reports whether it is new. It forgets
// those that have expired.
func (t *Tenant) firstUse(id string, expires time.Time) bool {
	maps.DeleteFunc(t.assertions, func(_ string, until time.Time) bool { return !until.After(t.now()) })
	_, used := t.assertions[id]
	t.assertions[id] = expires
	return !used
}
