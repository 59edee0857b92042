package auth0test

import (
	"crypto"
	"crypto/rsa"
	_ "crypto/sha256" // RS256, PS256
	_ "crypto/sha512" // RS384
	"encoding/json"
	"errors"
	"net/url"
	"time"
)

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
