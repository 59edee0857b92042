package auth0

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

func pemBytes(t *testing.T, label string, der []byte, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}))
}

func utf16LE(s string) string {
	b := []byte("\xFF\xFE")
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return string(b)
}

// TestPrivateKeysAsPeopleHaveThem reads keys in the forms of
// airbyte-python-cdk#855 (\n in letters) and octokit/app.js#40 (others than RSA),
// and what copying them through a variable makes of them.
func TestPrivateKeysAsPeopleHaveThem(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8DER, err := x509.MarshalPKCS8PrivateKey(key)
	pkcs8 := pemBytes(t, "PRIVATE KEY", pkcs8DER, err)
	pkcs1 := pemBytes(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key), nil)
	curve8, err := x509.MarshalPKCS8PrivateKey(curve)
	ec8 := pemBytes(t, "PRIVATE KEY", curve8, err)
	curve1, err := x509.MarshalECPrivateKey(curve)
	ec1 := pemBytes(t, "EC PRIVATE KEY", curve1, err)
	edwards8, err := x509.MarshalPKCS8PrivateKey(edwards)
	ed8 := pemBytes(t, "PRIVATE KEY", edwards8, err)
	publicDER, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	public := pemBytes(t, "PUBLIC KEY", publicDER, err)
	certificate := pemBytes(t, "CERTIFICATE", []byte("anything"), nil)
	oldPassword := "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"

	for _, form := range []string{pkcs1, pkcs8} {
		for name, given := range map[string]string{
			"as it is":                            form,
			"CRLF":                                strings.ReplaceAll(form, "\n", "\r\n"),
			"two newlines":                        form + "\n\n",
			"no newline":                          strings.TrimSpace(form),
			"byte order mark":                     "\uFEFF" + form,
			"indented":                            strings.ReplaceAll(form, "\n", "\n  "),
			"in quotes":                           `"` + form + `"`,
			"in single quotes":                    `'` + form + `'`,
			`\n in letters`:                       strings.ReplaceAll(form, "\n", `\n`),
			`\n in letters and quotes`:            `"` + strings.ReplaceAll(form, "\n", `\n`) + `"`,
			`\r\n in letters`:                     strings.ReplaceAll(form, "\n", `\r\n`),
			`\\n in letters`:                      strings.ReplaceAll(form, "\n", `\\n`),
			"spaces in the place of lines":        strings.ReplaceAll(form, "\n", " "),
			"one line":                            strings.ReplaceAll(form, "\n", ""),
			"base64 of PEM":                       base64.StdEncoding.EncodeToString([]byte(form)),
			"base64 of PEM, without the =":        base64.RawStdEncoding.EncodeToString([]byte(form)),
			"base64 of PEM, in lines":             strings.Join(strings.SplitAfter(base64.StdEncoding.EncodeToString([]byte(form)), "A"), "\n"),
			"behind its certificate":              certificate + form,
			"before its certificate":              form + certificate,
			"behind the text that openssl writes": "Bag Attributes\n    friendlyName: x\n" + form,
		} {
			if got, err := parsePrivateKey([]byte(given)); err != nil || !got.Equal(key) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	// The last byte of DER may look like white space.
	blank := append(slices.Clone(pkcs8DER), 0xA0, 3, 0x0C, 1, ' ') // with an attribute, RFC 5208
	binary.BigEndian.PutUint16(blank[2:], uint16(len(blank)-4))
	for name, given := range map[string]string{
		"DER": string(pkcs8DER), "DER and a newline": string(pkcs8DER) + "\n", "DER that ends in a space": string(blank),
		"base64 of DER": base64.StdEncoding.EncodeToString(pkcs8DER),
	} {
		if got, err := parsePrivateKey([]byte(given)); err != nil || !got.Equal(key) {
			t.Errorf("%s: %v", name, err)
		}
	}

	for name, test := range map[string]struct{ given, want string }{
		"UTF-16":               {utf16LE(pkcs8), "is in UTF-16"},
		"EC":                   {ec1, "is an EC key; Auth0 takes RSA keys"},
		"EC, PKCS #8":          {ec8, "is an EC key; Auth0 takes RSA keys"},
		"Ed25519":              {ed8, "Auth0 takes RSA keys"},
		"too small":            {pemBytes(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(small), nil), "has 1024 bits"},
		"public":               {public, "is a public key"},
		"certificate":          {certificate, "is a certificate"},
		"password, PKCS #1":    {oldPassword, "is encrypted with a password"},
		"password, PKCS #8":    {strings.ReplaceAll(pkcs8, "PRIVATE", "ENCRYPTED PRIVATE"), "is encrypted with a password"},
		"OpenSSH":              {"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----", "is in the form of OpenSSH"},
		"ssh public":           {"ssh-rsa AAAAB3NzaC1yc2E me@host", "is a public key of ssh"},
		"JWK":                  {`{"kty":"RSA","n":"x"}`, "is JSON"},
		"path":                 {"/run/secrets/auth0.pem", "is the name of a file"},
		"relative path":        {"keys/auth0", "is the name of a file"},
		"file name":            {"auth0.pem", "is the name of a file"},
		"Windows path":         {`C:\keys\auth0.pem`, "is the name of a file"},
		"cut off":              {pkcs8[:len(pkcs8)/2], "is cut off"},
		"cut in the middle":    {pkcs8[:200] + pkcs8[len(pkcs8)-200:], "is damaged"},
		"a letter is lost":     {strings.Replace(pkcs8, "MII", "M*I", 1), "is damaged"},
		"nothing":              {" \n", "is empty"},
		"a secret":             {"hunter2-key", "is not an RSA key in PEM form"},
		"base64 of a password": {base64.StdEncoding.EncodeToString([]byte("hunter2-key")), "is not an RSA key in PEM form"},
	} {
		_, err := parsePrivateKey([]byte(test.given))
		e, ok := errors.AsType[*MalformedError](err)
		if !ok || !strings.Contains(err.Error(), test.want) || e.IsPath != strings.Contains(test.want, "name of a file") {
			t.Errorf("%s: error %v, want %q", name, err, test.want)
		}
		if text := strings.TrimSpace(test.given); ok && len(text) > 20 && strings.Contains(err.Error(), text[len(text)/2:]) {
			t.Errorf("%s: the error shows the key", name)
		}
	}
}

// TestWhatNoSecretCanHoldIsNamed tests secrets as in
// aws-load-balancer-controller#3936 and kubernetes#23404.
func TestWhatNoSecretCanHoldIsNamed(t *testing.T) {
	const secret = "Xk7-Gz_q0"
	for given, want := range map[string]string{
		secret:                    "",
		secret + "\n":             "holds a line break",
		secret + "\r\n\r\n":       "holds a line break",
		"\uFEFF" + secret:         "byte order mark",
		`"` + secret + `"`:        "is in quotes",
		"'" + secret + "'":        "is in quotes",
		" " + secret:              "begins or ends with a space",
		secret[:4] + " " + secret: "holds a space",
		"“" + secret + "”":        "another character",
		utf16LE(secret):           "is in UTF-16",
		secret + "\x00":           "another character",
	} {
		for _, cr := range []Credentials{{ClientID: "c", ClientSecret: given}, {ClientID: given, ClientSecret: "s"}, {Token: given}} {
			err := cr.Validate()
			_, ok := errors.AsType[*MalformedError](err)
			if ok != (want != "") || ok && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret)) {
				t.Errorf("%s: error %v, want %q", hex.EncodeToString([]byte(given)), err, want)
			}
		}
	}
}

func FuzzPrivateKey(f *testing.F) {
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----"))
	f.Add([]byte(`"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n`))
	f.Add([]byte("MIIE"))
	f.Fuzz(func(t *testing.T, given []byte) {
		key, err := parsePrivateKey(given)
		if _, ok := errors.AsType[*MalformedError](err); !ok && key == nil {
			t.Errorf("error %v, and no key", err)
		}
	})
}
