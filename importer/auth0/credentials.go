package auth0

import (
	"bytes"
	"cmp"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Credentials are how a program proves itself to the tenant: a client secret, a
// private key, or a ready token. Printed or logged they show their kind and no
// secret.
type Credentials struct {
	ClientID      string
	ClientSecret  string `json:"-"`
	PrivateKeyPEM []byte `json:"-"` // RSA, PKCS #1 or PKCS #8, for private key JWT
	SigningAlg    string // RS256, RS384 or PS256; empty means RS256
	Token         string `json:"-"` // a ready access token, which can't be renewed
	Audience      string // empty means https://DOMAIN/api/v2/
}

// Validate reports what is missing or does not go together.
func (cr Credentials) Validate() error {
	switch {
	case cr.Token != "" && (cr.ClientSecret != "" || len(cr.PrivateKeyPEM) > 0):
		return errors.New("there is a token and there are client credentials; give one of them")
	case cr.Token != "":
		return validToken(cr.Token)
	case cr.ClientID == "" && cr.ClientSecret == "" && len(cr.PrivateKeyPEM) == 0:
		return errors.New("there are no credentials; give a client id with a secret or a private key, or a token")
	case cr.ClientID == "":
		return errors.New("there is a secret or a private key but no client id")
	case cr.ClientSecret != "" && len(cr.PrivateKeyPEM) > 0:
		return errors.New("there is a client secret and a private key; give one of them")
	case cr.ClientSecret == "" && len(cr.PrivateKeyPEM) == 0:
		return errors.New("there is a client id but neither a secret nor a private key")
	}
	if err := errors.Join(wellFormed("client id", cr.ClientID), wellFormed("audience", cr.Audience)); err != nil {
		return err
	}
	if cr.ClientSecret != "" {
		return wellFormed("client secret", cr.ClientSecret)
	}
	_, err := newAsserter(cr, "")
	return err
}

func validToken(token string) error {
	if _, found := strings.CutPrefix(token, "Bearer "); found {
		return &MalformedError{What: "token", Why: "begins with the word Bearer; give it without the word Bearer"}
	}
	return wellFormed("token", token)
}

// wellFormed returns a *MalformedError if s has a form that no value has.
func wellFormed(what, s string) error {
	var why string
	switch {
	case isUTF16([]byte(s)):
		why = "is in UTF-16; save it as UTF-8"
	case strings.HasPrefix(s, string(utf8BOM)):
		why = "begins with a byte order mark; save it without"
	case quoted(s):
		why = "is in quotes; give it without"
	case strings.ContainsAny(s, "\r\n"):
		why = "holds a line break that does not belong to it"
	case strings.TrimSpace(s) != s:
		why = "begins or ends with a space"
	case strings.Contains(s, "-----BEGIN"):
		why = "is a key in PEM form"
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }):
		why = "holds a space or another character that none has"
	default:
		return nil
	}
	return &MalformedError{What: what, Why: why}
}

// MalformedError says why a client id, a secret, a token, an audience or a private key
// can't be used. It does not show the value.
type MalformedError struct {
	What, Why string
	IsPath    bool // the name of a file was given
}

func (e *MalformedError) Error() string { return "the " + e.What + " " + e.Why }

// String returns the kind of the credentials and the client, and no secret.
func (cr Credentials) String() string {
	kind := "no credentials"
	switch {
	case cr.Token != "":
		kind = "a ready token"
	case len(cr.PrivateKeyPEM) > 0:
		kind = "private key JWT"
	case cr.ClientSecret != "":
		kind = "client secret"
	}
	if cr.ClientID != "" {
		kind += " of " + cr.ClientID
	}
	return kind
}

// Format writes String, whatever the verb.
func (cr Credentials) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, cr.String()) }

// LogValue returns String.
func (cr Credentials) LogValue() slog.Value { return slog.StringValue(cr.String()) }

// assertionLifetime is the most that Auth0 recommends; it refuses more than 5
// minutes.
const assertionLifetime = time.Minute

// asserter signs the assertions of private key JWT.
type asserter struct {
	method   jwt.SigningMethod
	key      *rsa.PrivateKey
	clientID string
	audience string // https://DOMAIN/, with the slash
}

// newAsserter reads the private key. No error shows anything of the key.
func newAsserter(cr Credentials, audience string) (*asserter, error) {
	a := &asserter{clientID: cr.ClientID, audience: audience}
	switch alg := cmp.Or(cr.SigningAlg, "RS256"); alg {
	case "RS256", "RS384", "PS256":
		a.method = jwt.GetSigningMethod(alg)
	default:
		return nil, keyError(fmt.Sprintf("can't be used with the algorithm %q; Auth0 takes RS256, RS384 and PS256", alg))
	}
	var err error
	a.key, err = parsePrivateKey(cr.PrivateKeyPEM)
	return a, err
}

// assertion returns a fresh assertion: each can be used once.
func (a *asserter) assertion() (string, error) {
	now := time.Now()
	return jwt.NewWithClaims(a.method, jwt.RegisteredClaims{
		Issuer:    a.clientID,
		Subject:   a.clientID,
		Audience:  jwt.ClaimStrings{a.audience},
		IssuedAt:  jwt.NewNumericDate(now),
		ExpiresAt: jwt.NewNumericDate(now.Add(assertionLifetime)),
		ID:        rand.Text(),
	}).SignedString(a.key)
}

// keyError returns the error of a private key that can't be used.
func keyError(why string) *MalformedError { return &MalformedError{What: whatKey, Why: why} }

// whatKey is What of a [MalformedError] about a private key.
const whatKey = "private key"

// minKeyBits is the smallest RSA key that Auth0 takes.
const minKeyBits = 2048

var (
	utf8BOM = []byte("\uFEFF")

	// pemBlock matches a block of PEM, its label and its body. Line ends may be
	// lost: some forms for secrets turn them into spaces.
	pemBlock = regexp.MustCompile(`(?s)-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END ([A-Z0-9 ]+)-----`)

	// fileName matches what looks like the name of a file.
	fileName = regexp.MustCompile(`(?i)^(\.{0,2}/|~|[a-z]:\\|\\\\)?[^\n\x00]{1,250}$`)
)

// parsePrivateKey reads an RSA key in PEM, PKCS #1 or PKCS #8, in the forms that
// people have: with line ends as a literal \n, CRLF or none at all, in quotes, after
// a byte order mark, or all of it in base64. Its error names any other form.
func parsePrivateKey(given []byte) (*rsa.PrivateKey, error) {
	switch der := bytes.TrimLeft(given, " \t\r\n"); {
	case isUTF16(given):
		return nil, keyError("is in UTF-16; save it as UTF-8")
	case bytes.HasPrefix(der, []byte{0x30, 0x82}):
		// What follows it is cut off, but not a last byte that looks like space.
		var key asn1.RawValue
		if _, err := asn1.Unmarshal(der, &key); err == nil {
			der = key.FullBytes
		}
		return parseDER("", der)
	}
	text := string(bytes.TrimPrefix(bytes.TrimSpace(given), utf8BOM))
	if text = strings.TrimSpace(text); quoted(text) {
		text = strings.TrimSpace(text[1 : len(text)-1])
	}
	text = strings.NewReplacer(`\r`, "", `\\n`, "\n", `\n`, "\n").Replace(text)
	if !strings.Contains(text, "-----BEGIN") {
		inner, ok := fromBase64(text)
		switch {
		case ok && bytes.Contains(inner, []byte("-----BEGIN")):
			text = string(inner)
		case ok && bytes.HasPrefix(inner, []byte{0x30, 0x82}):
			return parseDER("", inner)
		default:
			return nil, notAKey(text)
		}
	}
	var err error
	for _, block := range pemBlock.FindAllStringSubmatch(text, -1) {
		var key *rsa.PrivateKey
		if key, err = parseBlock(block[1], block[2]); err == nil {
			return key, nil
		}
		if strings.Contains(block[1], "PRIVATE") {
			break
		}
	}
	if err == nil {
		err = keyError("is cut off: it has no line -----END …-----")
	}
	return nil, err
}

// notAKey returns the error for a text that contains no PEM.
func notAKey(text string) error {
	switch {
	case text == "":
		return keyError("is empty")
	case strings.HasPrefix(text, "{"):
		return keyError("is JSON; give it in PEM form, which begins with -----BEGIN PRIVATE KEY-----")
	case strings.HasPrefix(text, "ssh-"):
		return keyError("is a public key of ssh; give the private RSA key in PEM form")
	case fileName.MatchString(text) && (strings.ContainsAny(text, `/\`) || strings.Contains(text, ".")) && len(text) < 250:
		return &MalformedError{What: whatKey, Why: "is the name of a file, not a key", IsPath: true}
	}
	return keyError(noKey)
}

func parseBlock(label, body string) (*rsa.PrivateKey, error) {
	switch {
	case strings.Contains(body, "ENCRYPTED"), strings.HasPrefix(label, "ENCRYPTED"):
		return nil, keyError("is encrypted with a password; decrypt it: openssl pkey -in KEY -out DECRYPTED")
	case strings.HasPrefix(label, "OPENSSH"):
		return nil, keyError("is in the form of OpenSSH; convert it: ssh-keygen -p -m PEM -f KEY")
	case strings.HasPrefix(label, "EC "), strings.HasPrefix(label, "DSA"):
		return nil, keyError("is an " + strings.TrimSuffix(label, " PRIVATE KEY") + " key; Auth0 takes RSA keys")
	case strings.Contains(label, "PUBLIC KEY"):
		return nil, keyError("is a public key; give the private key that belongs to it")
	case strings.Contains(label, "CERTIFICATE"):
		return nil, keyError("is a certificate; give the private key that belongs to it")
	}
	der, ok := fromBase64(body)
	if !ok {
		return nil, keyError("is damaged: it is not base64 between its first and its last line")
	}
	return parseDER(label, der)
}

func parseDER(label string, der []byte) (*rsa.PrivateKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		parsed = key
	} else if key, err := x509.ParseECPrivateKey(der); err == nil {
		parsed = key
	}
	switch key := parsed.(type) {
	case *rsa.PrivateKey:
		if bits := key.N.BitLen(); bits < minKeyBits {
			return nil, keyError(fmt.Sprintf("has %d bits; Auth0 takes RSA keys of %d bits or more", bits, minKeyBits))
		}
		return key, nil
	case *ecdsa.PrivateKey:
		return nil, keyError("is an EC key; Auth0 takes RSA keys")
	case nil:
		if label == "" {
			return nil, keyError(noKey)
		}
		return nil, keyError("is damaged or cut off: " + err.Error())
	}
	return nil, keyError("is not an RSA key; Auth0 takes RSA keys")
}

// noKey says why something can't be used that does not look like a key at all.
const noKey = "is not an RSA key in PEM form, which begins with -----BEGIN PRIVATE KEY-----"

func fromBase64(s string) ([]byte, bool) {
	s = strings.TrimRight(strings.Join(strings.Fields(s), ""), "=")
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if b, err := encoding.DecodeString(s); err == nil && len(b) > 0 {
			return b, true
		}
	}
	return nil, false
}

// quoted reports whether s is in quotes.
func quoted(s string) bool {
	return len(s) > 1 && s[0] == s[len(s)-1] && strings.ContainsRune("\"'`", rune(s[0]))
}

func isUTF16(b []byte) bool {
	return bytes.HasPrefix(b, []byte("\xFF\xFE")) || bytes.HasPrefix(b, []byte("\xFE\xFF")) || bytes.IndexByte(b, 0) == 1 || bytes.IndexByte(b, 0) == 0
}
