package auth0test_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"orgimport/importer/auth0/auth0test"
)

// tokenFor asks for a token with a secret.
func tokenFor(t *testing.T, tenant *auth0test.Tenant, clientID, audience string) (token string, status int) {
	t.Helper()
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {"s3cret"}, "audience": {audience},
	}
	return ask(t, tenant, form)
}

func ask(t *testing.T, tenant *auth0test.Tenant, form url.Values) (token string, status int) {
	t.Helper()
	resp, body := send(t, tenant, "POST", tokens, form.Encode(), map[string]string{"Content-Type": "application/x-www-form-urlencoded"})
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err)
	}
	return answer.AccessToken, resp.StatusCode
}

const audience = "https://acme.eu.auth0.com/api/v2/"

func add(t *testing.T, tenant *auth0test.Tenant, token string) (status int, body string) {
	t.Helper()
	resp, body := send(t, tenant, "POST", members, bodyOf("auth0|ann"), map[string]string{"Authorization": "Bearer " + token})
	return resp.StatusCode, body
}

func TestTokensExpireOnTheTenantsClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := aTenant()
		cfg.TokenLifetime, cfg.ClockOffset = time.Minute, -time.Hour
		tenant := auth0test.New(cfg)
		token, _ := tokenFor(t, tenant, "app", audience)
		time.Sleep(59 * time.Second)
		if status, body := add(t, tenant, token); status != 204 {
			t.Errorf("before it expires: %d %s", status, body)
		}
		time.Sleep(time.Second)
		if status, body := add(t, tenant, token); status != 401 || !strings.Contains(body, "Expired token received") {
			t.Errorf("after it has expired: %d %s", status, body)
		}
	})
}

func TestRevokedTokensAreRefusedAndNewOnesAreNot(t *testing.T) {
	tenant := auth0test.New(aTenant())
	token, _ := tokenFor(t, tenant, "app", audience)
	tenant.RevokeTokens()
	if status, _ := add(t, tenant, token); status != 401 {
		t.Errorf("status %d", status)
	}
	token, _ = tokenFor(t, tenant, "app", audience)
	if status, body := add(t, tenant, token); status != 204 {
		t.Errorf("%d %s", status, body)
	}
	if got := tenant.Stats().TokensIssued; got != 2 {
		t.Errorf("%d tokens issued", got)
	}
}

func TestTokenCarriesTheGrantedScopes(t *testing.T) {
	cfg := aTenant()
	cfg.Applications = []auth0test.Application{{ClientID: "reader", Secret: "s3cret", Scopes: []string{"read:users", "read:organizations"}}}
	tenant := auth0test.New(cfg)
	token, _ := tokenFor(t, tenant, "reader", audience)
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(payload), `"scope":"read:users read:organizations"`) {
		t.Errorf("claims %s", payload)
	}
	if status, body := add(t, tenant, token); status != 403 {
		t.Errorf("%d %s", status, body)
	}
}

func TestTokenForAnotherTenantIsABadAudience(t *testing.T) {
	tenant := auth0test.New(auth0test.Config{})
	token, _ := tokenFor(t, tenant, "app", audience)
	req := request(t, "GET", "https://other.eu.auth0.com"+org, "")
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := tenant.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 401 || !strings.Contains(string(body), `"message":"Bad audience: https://acme.eu.auth0.com/api/v2/"`) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

func TestZeroConfigGivesATokenForAnySecret(t *testing.T) {
	tenant := auth0test.New(auth0test.Config{})
	token, status := tokenFor(t, tenant, "anything", audience)
	if status != 200 {
		t.Fatalf("status %d", status)
	}
	if status, body := add(t, tenant, token); status != 204 {
		t.Errorf("%d %s", status, body)
	}
	if _, status := tokenFor(t, tenant, "anything", "https://other.auth0.com/api/v2/"); status != 403 {
		t.Errorf("status %d for another tenant's audience", status)
	}
	if _, status := ask(t, tenant, url.Values{"grant_type": {"password"}}); status != 400 {
		t.Errorf("status %d for another grant", status)
	}
	if _, status := ask(t, tenant, url.Values{"grant_type": {"client_credentials"}, "client_id": {"x"}, "audience": {audience}}); status != 401 {
		t.Errorf("status %d without a secret", status)
	}
}

func TestPrivateKeyJWT(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		alg    string
		key    *rsa.PrivateKey
		change func(claims map[string]any, form url.Values)
		status int
	}{
		{"RS256", "RS256", key, nil, 200},
		{"RS384", "RS384", key, nil, 200},
		{"PS256", "PS256", key, nil, 200},
		{"times with fractions", "RS256", key, func(c map[string]any, _ url.Values) { c["exp"] = float64(time.Now().Unix()) + 30.5 }, 200},
		{"an array with one audience", "RS256", key, func(c map[string]any, _ url.Values) { c["aud"] = []string{"https://acme.eu.auth0.com/"} }, 200},
		{"an unknown algorithm", "none", key, nil, 401},
		{"another key", "RS256", other, nil, 401},
		{"no slash after the audience", "RS256", key, func(c map[string]any, _ url.Values) { c["aud"] = "https://acme.eu.auth0.com" }, 401},
		{"another issuer", "RS256", key, func(c map[string]any, _ url.Values) { c["iss"] = "other" }, 401},
		{"expired", "RS256", key, func(c map[string]any, _ url.Values) { c["exp"] = time.Now().Unix() }, 401},
		{"without an end", "RS256", key, func(c map[string]any, _ url.Values) { delete(c, "exp") }, 401},
		{"a life of an hour", "RS256", key, func(c map[string]any, _ url.Values) { c["exp"] = time.Now().Unix() + 3600 }, 401},
		{"from the future", "RS256", key, func(c map[string]any, _ url.Values) { c["iat"] = time.Now().Unix() + 30 }, 401},
		{"a little from the future", "RS256", key, func(c map[string]any, _ url.Values) { c["nbf"] = time.Now().Unix() + 5 }, 200},
		{"without an id", "RS256", key, func(c map[string]any, _ url.Values) { delete(c, "jti") }, 401},
		{"too long an id", "RS256", key, func(c map[string]any, _ url.Values) { c["jti"] = strings.Repeat("x", 65) }, 401},
		{"too long", "RS256", key, func(c map[string]any, _ url.Values) { c["x"] = strings.Repeat("x", 2048) }, 401},
		{"another type", "RS256", key, func(_ map[string]any, f url.Values) { f.Set("client_assertion_type", "jwt") }, 401},
		{"no JWT", "RS256", key, func(_ map[string]any, f url.Values) { f.Set("client_assertion", "a.b.c") }, 401},
		{"an unknown client", "RS256", key, func(_ map[string]any, f url.Values) { f.Set("client_id", "nobody") }, 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := aTenant()
			cfg.Applications = []auth0test.Application{{ClientID: "app", Keys: []*rsa.PublicKey{&key.PublicKey}}}
			tenant := auth0test.New(cfg)
			claims := map[string]any{
				"iss": "app", "sub": "app", "aud": "https://acme.eu.auth0.com/", "jti": c.name,
				"iat": time.Now().Unix(), "exp": time.Now().Unix() + 60,
			}
			form := url.Values{
				"grant_type": {"client_credentials"}, "client_id": {"app"}, "audience": {audience},
				"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
			}
			if c.change != nil {
				c.change(claims, form)
			}
			if !form.Has("client_assertion") {
				form.Set("client_assertion", signed(t, c.alg, c.key, claims))
			}
			token, status := ask(t, tenant, form)
			if status != c.status {
				t.Fatalf("status %d, want %d", status, c.status)
			}
			if status != 200 {
				return
			}
			if status, body := add(t, tenant, token); status != 204 {
				t.Errorf("the token is not good: %d %s", status, body)
			}
			if _, status := ask(t, tenant, form); status != 401 {
				t.Errorf("the same assertion again: status %d", status)
			}
		})
	}
}

func signed(t *testing.T, alg string, key *rsa.PrivateKey, claims map[string]any) string {
	t.Helper()
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	payload := part(map[string]string{"alg": alg, "typ": "JWT"}) + "." + part(claims)
	hash := crypto.SHA256
	if alg == "RS384" {
		hash = crypto.SHA384
	}
	var opts crypto.SignerOpts = hash
	if alg == "PS256" {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
	}
	h := hash.New()
	h.Write([]byte(payload))
	signature, err := key.Sign(rand.Reader, h.Sum(nil), opts)
	if err != nil {
		t.Fatal(err)
	}
	return payload + "." + base64.RawURLEncoding.EncodeToString(signature)
}
