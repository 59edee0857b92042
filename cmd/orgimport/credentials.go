package main

import (
	"crypto/x509"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"orgimport/importer/auth0"
)

// credentials gathers what the environment holds.
func (t *tenantFlags) credentials(getenv func(string) string) (auth0.Credentials, error) {
	c := auth0.Credentials{ClientID: withoutNewline(t.ClientID), Audience: strings.TrimSpace(t.Audience)}
	c.SigningAlg = getenv("AUTH0_CLIENT_ASSERTION_SIGNING_ALG")
	var key string
	for name, into := range map[string]*string{
		"AUTH0_CLIENT_SECRET":                &c.ClientSecret,
		"AUTH0_CLIENT_ASSERTION_PRIVATE_KEY": &key,
		"AUTH0_API_TOKEN":                    &c.Token,
	} {
		value, err := secret(getenv, name)
		if err != nil {
			return c, err
		}
		*into = value
	}
	c.PrivateKeyPEM = []byte(key)
	if err := c.Validate(); err != nil {
		return c, usageError(err, credentialsHint(err))
	}
	return c, nil
}

// credentialsHint says what to set so that credentials can be used.
func credentialsHint(err error) string {
	if key, ok := errors.AsType[*auth0.KeyError](err); ok {
		if key.IsPath {
			return "set AUTH0_CLIENT_ASSERTION_PRIVATE_KEY_FILE to the name of the file"
		}
		return "set AUTH0_CLIENT_ASSERTION_PRIVATE_KEY (or …_FILE) to the RSA private key in PEM form whose public key the application has"
	}
	if bad, ok := errors.AsType[*auth0.MalformedError](err); ok {
		return "set the " + bad.What + " to what Auth0's dashboard shows, and nothing else"
	}
	return "set AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET (or …_FILE) of a machine-to-machine application, or AUTH0_API_TOKEN"
}

// secretFiles are the variables that name a file with a secret.
func secretFiles() []string {
	return []string{"AUTH0_CLIENT_SECRET_FILE", "AUTH0_CLIENT_ASSERTION_PRIVATE_KEY_FILE", "AUTH0_API_TOKEN_FILE"}
}

// secret reads a secret from the variable of that name, or from the file that
// the variable with _FILE names, without the newline at its end. No error shows
// what the variables hold: people mix them up.
func secret(getenv func(string) string, name string) (string, error) {
	value, path := getenv(name), getenv(name+"_FILE")
	if path == "" {
		return withoutNewline(value), nil
	}
	if value != "" {
		return "", usagef("unset one of them", "both %s and %s_FILE are set", name, name)
	}
	content, err := os.ReadFile(path)
	if file, ok := errors.AsType[*fs.PathError](err); ok {
		return "", usagef("name a file that this user can read, or set "+name+" to the value itself", "%s_FILE: the file that it names can't be read: %w", name, file.Err)
	}
	if err != nil {
		return "", usagef("", "%s_FILE: the file that it names can't be read", name)
	}
	if value = withoutNewline(string(content)); value == "" {
		return "", usagef("", "%s_FILE: the file that it names is empty", name)
	}
	if !utf8.Valid(content) {
		return string(content), nil // a key in DER, which may end in any byte
	}
	return value, nil
}

func withoutNewline(s string) string { return strings.TrimSuffix(strings.TrimSuffix(s, "\n"), "\r") }

// checkProxy returns an error if a variable names a proxy in a way that net/http
// does not understand, and so would silently do without. The value is not shown:
// it may hold a password.
func checkProxy(getenv func(string) string) error {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} {
		value := getenv(name)
		if value == "" {
			continue
		}
		if !strings.Contains(value, "://") {
			value = "http://" + value
		}
		u, err := url.Parse(value)
		if err != nil || u.Hostname() == "" || !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) {
			return usagef("set it to such as http://proxy.example.com:3128, or unset it", "%s is not the address of a proxy", name)
		}
	}
	return nil
}

// checkRoots returns an error if a variable names root certificates that can't be
// used, which crypto/x509 silently does without.
func checkRoots(getenv func(string) string) error {
	const name = "SSL_CERT_FILE"
	path := getenv(name)
	if path == "" {
		return nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return usagef("name a file that this user can read, or unset it", "%s: %w", name, err)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(content) {
		return usagef("name a file with root certificates, each between -----BEGIN CERTIFICATE----- and -----END CERTIFICATE-----", "%s: %s holds no certificate in PEM form", name, path)
	}
	return nil
}
