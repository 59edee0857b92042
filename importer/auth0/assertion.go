package auth0

import (
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// assertionLifetime is what Auth0 recommends at most; it refuses more than 5
// minutes.
const assertionLifetime = time.Minute

// minKeyBits is the smallest RSA key that Auth0 takes.
const minKeyBits = 2048

// asserter signs the assertions of private key JWT.
type asserter struct {
	method   jwt.SigningMethod
	key      *rsa.PrivateKey
	keyID    string
	clientID string
	audience string // https://DOMAIN/, with the slash
}

// newAsserter reads the private key. No error has any of the key in it.
func newAsserter(cr Credentials, audience string) (*asserter, error) {
	a := &asserter{keyID: cr.KeyID, clientID: cr.ClientID, audience: audience}
	switch alg := cmp.Or(cr.SigningAlg, "RS256"); alg {
	case "RS256", "RS384", "PS256":
		a.method = jwt.GetSigningMethod(alg)
	default:
		return nil, fmt.Errorf("the signing algorithm is %q; Auth0 takes RS256, RS384 and PS256", alg)
	}
	var err error
	a.key, err = jwt.ParseRSAPrivateKeyFromPEM(cr.PrivateKeyPEM)
	if err != nil {
		return nil, errors.New("the private key is not an RSA key in PEM form (PKCS #1 or PKCS #8, without a password)")
	}
	if bits := a.key.N.BitLen(); bits < minKeyBits {
		return nil, fmt.Errorf("the private key has %d bits; Auth0 takes RSA keys of %d bits or more", bits, minKeyBits)
	}
	return a, nil
}

// assertion returns a fresh assertion: each can be used once.
func (a *asserter) assertion() (string, error) {
	now := time.Now()
	token := jwt.NewWithClaims(a.method, jwt.RegisteredClaims{
		Issuer:    a.clientID,
		Subject:   a.clientID,
		Audience:  jwt.ClaimStrings{a.audience},
		IssuedAt:  jwt.NewNumericDate(now),
		ExpiresAt: jwt.NewNumericDate(now.Add(assertionLifetime)),
		ID:        rand.Text(),
	})
	if a.keyID != "" {
		token.Header["kid"] = a.keyID
	}
	return token.SignedString(a.key)
}
