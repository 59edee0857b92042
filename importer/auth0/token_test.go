package auth0_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/retry"
)

var secretCredentials = auth0.Credentials{ClientID: "client", ClientSecret: "hunter2-secret"}

// tokens answers /oauth/token with tokens t1, t2, … of the given lifetime.
func tokens(lifetime time.Duration) func(int, *http.Request, string) (*http.Response, error) {
	return func(n int, _ *http.Request, _ string) (*http.Response, error) {
		return token(fmt.Sprint("t", n), lifetime), nil
	}
}

func token(value string, lifetime time.Duration) *http.Response {
	return reply(200, fmt.Sprintf(`{"access_token":%q,"expires_in":%d,"token_type":"Bearer"}`, value, int(lifetime.Seconds())), "Content-Type", "application/json")
}

func newSource(t testing.TB, cr auth0.Credentials, rt http.RoundTripper) *auth0.TokenSource {
	t.Helper()
	source, err := cr.Source(base(t), rt)
	if err != nil {
		t.Fatal(err)
	}
	return source
}

func TestClientSecretIsSentInTheForm(t *testing.T) {
	s := &sender{Answer: tokens(time.Hour)}
	got, err := newSource(t, secretCredentials, s).Token(t.Context())
	if err != nil || got != "t1" {
		t.Fatalf("token %q, error %v", got, err)
	}
	r := s.Requests[0]
	if r.Method != "POST" || r.URL.String() != "https://acme.eu.auth0.com/oauth/token" || r.Header.Get("Authorization") != "" {
		t.Errorf("sent %s %s", r.Method, r.URL)
	}
	form, _ := url.ParseQuery(r.Content)
	want := "audience=https%3A%2F%2Facme.eu.auth0.com%2Fapi%2Fv2%2F&client_id=client&client_secret=hunter2-secret&grant_type=client_credentials"
	if form.Encode() != want {
		t.Errorf("sent %s\nwant %s", form.Encode(), want)
	}
}

func TestAudienceCanBeGiven(t *testing.T) {
	s := &sender{Answer: tokens(time.Hour)}
	cr := secretCredentials
	cr.Audience = "https://canonical.auth0.com/api/v2/"
	if _, err := newSource(t, cr, s).Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	if form, _ := url.ParseQuery(s.Requests[0].Content); form.Get("audience") != cr.Audience {
		t.Errorf("audience %q, want %q", form.Get("audience"), cr.Audience)
	}
}

var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func pemOf(key *rsa.PrivateKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
}

func TestPrivateKeyJWT(t *testing.T) {
	for _, alg := range []string{"", "RS256", "RS384", "PS256"} {
		cr := auth0.Credentials{ClientID: "client", PrivateKeyPEM: pemOf(testKey()), SigningAlg: alg}
		s := &sender{Answer: tokens(time.Hour)}
		source := newSource(t, cr, s)
		seen := map[string]bool{}
		for range 2 {
			value, err := source.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			source.Refuse(value, &auth0.Error{Status: 401})
			form, _ := url.ParseQuery(s.Requests[len(s.Requests)-1].Content)
			if form.Get("client_id") != "client" || form.Has("client_secret") || form.Get("grant_type") != "client_credentials" ||
				form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
				t.Errorf("sent %v", form)
			}
			want := alg
			if want == "" {
				want = "RS256"
			}
			var claims jwt.RegisteredClaims
			_, err = jwt.ParseWithClaims(form.Get("client_assertion"), &claims,
				func(*jwt.Token) (any, error) { return &testKey().PublicKey, nil },
				jwt.WithValidMethods([]string{want}), jwt.WithAudience("https://acme.eu.auth0.com/"),
				jwt.WithIssuer("client"), jwt.WithSubject("client"), jwt.WithExpirationRequired(), jwt.WithIssuedAt())
			if err != nil {
				t.Fatalf("%s: %v", alg, err)
			}
			if life := claims.ExpiresAt.Sub(claims.IssuedAt.Time); life != time.Minute {
				t.Errorf("the assertion lives for %s, want 1m", life)
			}
			if claims.ID == "" || seen[claims.ID] || len(claims.ID) > 64 {
				t.Errorf("jti %q", claims.ID)
			}
			seen[claims.ID] = true
		}
	}
}

func TestCredentialsValidate(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	key := pemOf(testKey())
	for _, test := range []struct {
		cr   auth0.Credentials
		want string // empty: valid
	}{
		{secretCredentials, ""},
		{auth0.Credentials{ClientID: "c", PrivateKeyPEM: key}, ""},
		{auth0.Credentials{Token: "t"}, ""},
		{auth0.Credentials{Token: "t", ClientID: "c"}, ""},
		{auth0.Credentials{}, "there are no credentials"},
		{auth0.Credentials{ClientID: "c"}, "neither a secret nor a private key"},
		{auth0.Credentials{ClientSecret: "s"}, "no client id"},
		{auth0.Credentials{PrivateKeyPEM: key}, "no client id"},
		{auth0.Credentials{ClientID: "c", ClientSecret: "s", PrivateKeyPEM: key}, "give one of them"},
		{auth0.Credentials{Token: "t", ClientSecret: "s"}, "give one of them"},
		{auth0.Credentials{Token: "t", PrivateKeyPEM: key}, "give one of them"},
		{auth0.Credentials{Token: "Bearer t"}, "without the word Bearer"},
		{auth0.Credentials{Token: "t\n"}, "the token holds a line break"},
		{auth0.Credentials{Token: "t t"}, "the token holds a space"},
		{auth0.Credentials{ClientID: "c", PrivateKeyPEM: key, SigningAlg: "HS256"}, `"HS256"; Auth0 takes RS256, RS384 and PS256`},
		{auth0.Credentials{ClientID: "c", PrivateKeyPEM: []byte("hunter2-key")}, "not an RSA key in PEM form"},
		{auth0.Credentials{ClientID: "c", PrivateKeyPEM: pemOf(small)}, "1024 bits"},
	} {
		err := test.cr.Validate()
		if test.want == "" {
			if err != nil {
				t.Errorf("%v: %v", test.cr, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: error %v, want %q", test.cr, err, test.want)
		}
		if _, err := test.cr.Source(base(t), http.DefaultTransport); err == nil {
			t.Errorf("%v: a source all the same", test.cr)
		}
	}
}

func TestTokenIsKeptUntilShortlyBeforeItsEnd(t *testing.T) {
	for lifetime, usable := range map[time.Duration]time.Duration{
		24 * time.Hour:   24*time.Hour - time.Minute,
		10 * time.Minute: 9 * time.Minute,
		4 * time.Second:  3600 * time.Millisecond,
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &sender{Answer: tokens(lifetime)}
			source := newSource(t, secretCredentials, s)
			for _, step := range []struct {
				sleep time.Duration
				want  string
			}{{0, "t1"}, {usable - time.Millisecond, "t1"}, {time.Millisecond, "t2"}, {usable - time.Millisecond, "t2"}, {time.Millisecond, "t3"}} {
				time.Sleep(step.sleep)
				if got, err := source.Token(t.Context()); err != nil || got != step.want {
					t.Errorf("lifetime %s: token %q, error %v, want %q", lifetime, got, err, step.want)
				}
			}
		})
	}
}

func TestTokenThatDoesNotSayWhenItEndsIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sender{Answer: always(200, `{"access_token":"t1"}`, "Content-Type", "application/json")}
		source := newSource(t, secretCredentials, s)
		for range 3 {
			if _, err := source.Token(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		}
		if s.Count() != 1 {
			t.Errorf("%d fetches, want 1", s.Count())
		}
	})
}

func TestManyCallersFetchOneToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sender{Answer: func(n int, _ *http.Request, _ string) (*http.Response, error) {
			time.Sleep(time.Second)
			return token(fmt.Sprint("t", n), time.Hour), nil
		}}
		source := newSource(t, secretCredentials, s)
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				if got, err := source.Token(t.Context()); err != nil || got != "t1" {
					t.Errorf("token %q, error %v", got, err)
				}
			})
		}
		all.Wait()
		if s.Count() != 1 {
			t.Errorf("%d fetches, want 1", s.Count())
		}
	})
}

func TestFailedFetchIsSharedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sender{Answer: func(int, *http.Request, string) (*http.Response, error) {
			time.Sleep(time.Second)
			return reply(403, `{"error":"access_denied"}`), nil
		}}
		source := newSource(t, secretCredentials, s)
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				if _, err := source.Token(t.Context()); err == nil {
					t.Error("no error")
				}
			})
		}
		all.Wait()
		if s.Count() != 1 {
			t.Errorf("%d fetches, want 1", s.Count())
		}
	})
}

// TestFetchOutlivesTheCallerThatBeganIt cancels the first of two callers: the second
// still gets its token.
func TestFetchOutlivesTheCallerThatBeganIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sender{Answer: func(n int, r *http.Request, _ string) (*http.Response, error) {
			if !retry.Sleep(r.Context(), 2*time.Second, nil) {
				return nil, r.Context().Err()
			}
			return token(fmt.Sprint("t", n), time.Hour), nil
		}}
		source := newSource(t, secretCredentials, s)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := source.Token(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("first caller: %v", err)
			}
		})
		synctest.Wait()
		if got, err := source.Token(t.Context()); err != nil || got != "t2" {
			t.Errorf("second caller: token %q, error %v", got, err)
		}
		all.Wait()
	})
}

func TestFetchEndsAtOnceWhenItIsCalledOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		never := &sender{Answer: func(_ int, r *http.Request, _ string) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}}
		source := newSource(t, secretCredentials, &retry.Attempt{Base: never, Timeout: time.Minute})
		if _, err := source.Token(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("it took %s, want 1s", took)
		}
	})
}

// tenant is a transport that issues tokens and accepts only the newest.
type tenant struct {
	fetches atomic.Int64
	valid   atomic.Pointer[string]
}

func (tn *tenant) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(50 * time.Millisecond)
	if r.URL.Path == "/oauth/token" {
		n := tn.fetches.Add(1)
		value := fmt.Sprint("t", n)
		tn.valid.Store(&value)
		return token(value, time.Hour), nil
	}
	if r.Header.Get("Authorization") != "Bearer "+*tn.valid.Load() {
		return reply(401, `{"statusCode":401,"error":"Unauthorized","message":"Invalid token","attributes":{"error":"Invalid token"}}`), nil
	}
	return reply(204, ""), nil
}

func TestRefusedTokenIsRenewedOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := &tenant{}
		source := newSource(t, secretCredentials, tn)
		c := newClient(t, &auth0.Bearer{Source: source, Base: tn})
		told := 0
		source.OnRefused = func(error) { told++ }
		for round := range 3 {
			var all sync.WaitGroup
			for range 16 {
				all.Go(func() {
					receipt, err := c.Import().Send(t.Context(), batch("org_1", "auth0|a"))
					if err != nil {
						t.Error(err)
					}
					if want := min(round, 1) + 1; receipt.Attempts != want {
						t.Errorf("round %d: %d attempts, want %d", round, receipt.Attempts, want)
					}
				})
			}
			all.Wait()
			if got := tn.fetches.Load(); got != int64(round+1) {
				t.Errorf("round %d: %d fetches, want %d", round, got, round+1)
			}
			other := "revoked"
			tn.valid.Store(&other)
		}
		if told != 2 {
			t.Errorf("told of %d refused tokens, want 2", told)
		}
	})
}

func TestOnlyTheTokenThatWasRefusedIsDropped(t *testing.T) {
	source := newSource(t, secretCredentials, &sender{Answer: tokens(time.Hour)})
	for _, step := range []struct{ refused, want string }{{"", "t1"}, {"t0", "t1"}, {"t1", "t2"}, {"t1", "t2"}} {
		source.Refuse(step.refused, &auth0.Error{Status: 401})
		if got, err := source.Token(t.Context()); err != nil || got != step.want {
			t.Errorf("after %q: token %q, error %v, want %q", step.refused, got, err, step.want)
		}
	}
}

// TestAllTokensAreRefused: the API accepts no token, as with another audience. In
// node-auth0#787, a client fetches one after the other; two are enough, for all
// callers.
func TestAllTokensAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fetches := &sender{Answer: tokens(time.Hour)}
		api := &sender{Answer: func(int, *http.Request, string) (*http.Response, error) {
			time.Sleep(50 * time.Millisecond)
			return reply(401, `{"statusCode":401,"error":"Unauthorized","message":"Bad audience: https://acme/"}`), nil
		}}
		source := newSource(t, secretCredentials, fetches)
		told := 0
		source.OnRefused = func(error) { told++ }
		c := newClient(t, &auth0.Bearer{Source: source, Base: api})
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				_, err := c.Import().Send(t.Context(), batch("org_1", "auth0|a"))
				if _, ok := errors.AsType[*auth0.CredentialsError](err); !ok || !strings.Contains(err.Error(), "Bad audience") {
					t.Errorf("error %v, want a CredentialsError", err)
				}
			})
		}
		all.Wait()
		if fetches.Count() != 2 || told != 1 {
			t.Errorf("%d fetches, told of %d, want 2 and 1", fetches.Count(), told)
		}
		sent := api.Count()
		if _, err := c.Import().Send(t.Context(), batch("org_1", "auth0|a")); err == nil || fetches.Count() != 2 || api.Count() != sent {
			t.Errorf("a later call: error %v, %d fetches, %d requests", err, fetches.Count(), api.Count()-sent)
		}
	})
}

// TestOwnAnswersAreNoneToOthers: a call's token is refused, and then it gets no
// answer. Nothing proves that the request is to blame.
func TestOwnAnswersAreNoneToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sender{Answer: func(n int, _ *http.Request, _ string) (*http.Response, error) {
			if n == 1 {
				return reply(401, ""), nil
			}
			return reply(503, ""), nil
		}}
		c := newClient(t, &auth0.Bearer{Source: newSource(t, secretCredentials, &sender{Answer: tokens(time.Hour)}), Base: s})
		c.Retry.MaxAttempts = 2
		if _, err := c.Import().Send(t.Context(), batch("org_1", "auth0|a")); importer.ReachOf(err) != importer.ReachRun {
			t.Errorf("error %v, want a GaveUpError", err)
		}
	})
}

func TestSecondRefusalOfTheTokenEndsTheRun(t *testing.T) {
	for _, test := range []struct {
		name   string
		cr     auth0.Credentials
		status int
		body   string
		sent   int
		want   string
		hint   string
	}{
		{"fetched", secretCredentials, 401, `{"message":"Invalid token"}`, 2, "the Management API refused the token: 401 Unauthorized: Invalid token", "domain and audience"},
		{"not recognised", secretCredentials, 400, `{"message":"Bad HTTP authentication header format","errorCode":"Bearer"}`, 2, "refused the token: 400 Bad Request: Bad HTTP", "domain"},
		{"ready", auth0.Credentials{Token: "ready"}, 401, `{"message":"Expired token received for JSON Web Token validation"}`, 1, "Expired token", "get a new token"},
		{"scope", secretCredentials, 403, `{"message":"Insufficient scope, expected any of: create:organization_members","errorCode":"insufficient_scope"}`, 1, "not permitted to do this: 403 Forbidden: Insufficient scope", "scope create:organization_members for"},
		{"plan", secretCredentials, 403, `{"statusCode":403,"error":"Forbidden","message":"Your plan has no organizations"}`, 1, "403 Forbidden: Your plan has no organizations", "permitted"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &sender{Answer: always(test.status, test.body)}
			c := newClient(t, &auth0.Bearer{Source: newSource(t, test.cr, &sender{Answer: tokens(time.Hour)}), Base: s})
			receipt, err := c.Import().Send(t.Context(), batch("org_1", "auth0|a"))
			e, ok := errors.AsType[*auth0.CredentialsError](err)
			if !ok || importer.ReachOf(err) != importer.ReachRun {
				t.Fatalf("error %v, want a CredentialsError", err)
			}
			if !strings.Contains(err.Error(), test.want) || !strings.Contains(e.Hint, test.hint) {
				t.Errorf("error %q, hint %q, want %q, %q", err, e.Hint, test.want, test.hint)
			}
			if s.Count() != test.sent || receipt.Attempts != test.sent || receipt.HTTPStatus != test.status {
				t.Errorf("%d requests, receipt %+v, want %d", s.Count(), receipt, test.sent)
			}
		})
	}
}

func TestTokenEndpointThatRefuses(t *testing.T) {
	for _, test := range []struct {
		reply func() (*http.Response, error)
		want  string
	}{
		{func() (*http.Response, error) {
			return reply(401, `{"error":"access_denied","error_description":"Unauthorized"}`), nil
		}, "the tenant refused the client credentials: 401 Unauthorized: Unauthorized (access_denied)"},
		{func() (*http.Response, error) {
			return reply(403, `{"error":"access_denied","error_description":"Client is not authorized to access \"https://T/api/v2/\"."}`), nil
		}, `403 Forbidden: Client is not authorized to access "https://T/api/v2/". (access_denied)`},
		{func() (*http.Response, error) { return reply(404, `<html>`), nil }, "404 with an HTML page"},
		{func() (*http.Response, error) {
			return reply(400, `{"error":"invalid_request","error_description":"hunter2-secret is wrong"}`), nil
		}, "[secret] is wrong"},
		{func() (*http.Response, error) { return reply(200, `<html>sign in`), nil }, "not that of an Auth0 tenant: its answer holds no token"},
		{func() (*http.Response, error) { return reply(200, `{"access_token":"a b"}`), nil }, "characters that no token has"},
		{func() (*http.Response, error) { return reply(302, "", "Location", "https://example.com/"), nil }, "it answers with a redirect"},
		{func() (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "acme.eu.auth0.com", IsNotFound: true}}
		}, "lookup acme.eu.auth0.com: no such host"},
	} {
		s := &sender{Answer: func(int, *http.Request, string) (*http.Response, error) { return test.reply() }}
		api := &sender{Answer: always(204, "")}
		c := newClient(t, &auth0.Bearer{Source: newSource(t, secretCredentials, s), Base: api})
		receipt, err := c.Import().Send(t.Context(), batch("org_1", "auth0|a"))
		if err == nil || !strings.Contains(err.Error(), test.want) || importer.ReachOf(err) != importer.ReachRun {
			t.Errorf("error %v, want %q, reaching the run", err, test.want)
		}
		if s.Count() != 1 || api.Count() != 0 || receipt.Attempts != 0 {
			t.Errorf("%q: %d fetches, %d requests, receipt %+v", test.want, s.Count(), api.Count(), receipt)
		}
	}
}

func TestTokenEndpointThatIsDownIsWaitedFor(t *testing.T) {
	for name, answer := range map[string]func() (*http.Response, error){
		"503": func() (*http.Response, error) { return reply(503, "<html>"), nil },
		"429": func() (*http.Response, error) {
			return reply(429, `{"error":"too_many_requests"}`, "Retry-After", "7"), nil
		},
		"refused": func() (*http.Response, error) { return nil, syscall.ECONNREFUSED },
		"half": func() (*http.Response, error) {
			r := reply(200, "")
			r.Body = http.MaxBytesReader(nil, reply(200, "{}").Body, 1)
			return r, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &sender{Answer: func(n int, _ *http.Request, _ string) (*http.Response, error) {
					if n <= 6 {
						return answer()
					}
					return token("t", time.Hour), nil
				}}
				api := &sender{Answer: always(204, "")}
				c := newClient(t, &auth0.Bearer{Source: newSource(t, secretCredentials, paced(s)), Base: api})
				receipt, err := c.Import().Send(t.Context(), batch("org_1", "auth0|a"))
				if err != nil || receipt.Attempts != 1 {
					t.Errorf("receipt %+v, error %v", receipt, err)
				}
				if name == "429" && s.Requests[1].At.Sub(s.Requests[0].At) < 7*time.Second {
					t.Error("Retry-After was not heeded")
				}
			})
		})
	}
}

// TestScopesAreReadFromTheAnswer if the token does not list them.
func TestScopesAreReadFromTheAnswer(t *testing.T) {
	s := &sender{Answer: func(int, *http.Request, string) (*http.Response, error) {
		return reply(200, `{"access_token":"opaque","token_type":"Bearer","expires_in":3600,"scope":"read:users read:roles"}`, "Content-Type", "application/json"), nil
	}}
	source := newSource(t, secretCredentials, s)
	if _, err := source.Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, known := source.Scopes(); !known || !slices.Equal(got, []string{"read:users", "read:roles"}) {
		t.Errorf("scopes %q, %v", got, known)
	}
}

func TestScopesAreReadFromTheToken(t *testing.T) {
	sign := func(claims jwt.MapClaims) string {
		signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte("k"))
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	for _, test := range []struct {
		token string
		want  []string
	}{
		{sign(jwt.MapClaims{"scope": "create:organization_members read:organizations"}), []string{"create:organization_members", "read:organizations"}},
		{sign(jwt.MapClaims{"aud": "x"}), nil},
		{sign(jwt.MapClaims{"scope": 7}), nil},
		{"opaque", nil},
	} {
		s := &sender{Answer: func(int, *http.Request, string) (*http.Response, error) { return token(test.token, time.Hour), nil }}
		fetched := newSource(t, secretCredentials, s)
		if _, known := fetched.Scopes(); known {
			t.Error("scopes are known before there is a token")
		}
		if _, err := fetched.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, source := range []*auth0.TokenSource{fetched, newSource(t, auth0.Credentials{Token: test.token}, s)} {
			got, known := source.Scopes()
			if !slices.Equal(got, test.want) || known != (test.want != nil) {
				t.Errorf("scopes %q, %v, want %q", got, known, test.want)
			}
		}
	}
}

func TestTokenGoesNowhereElse(t *testing.T) {
	for _, target := range []string{"https://example.com/", "http://acme.eu.auth0.com/", "https://acme.eu.auth0.com:8443/"} {
		s := &sender{Answer: always(204, "")}
		b := &auth0.Bearer{Source: newSource(t, auth0.Credentials{Token: "ready"}, nil), Base: s}
		req, _ := http.NewRequest("GET", target, nil)
		if _, err := b.RoundTrip(req); err == nil || s.Count() != 0 {
			t.Errorf("%s: error %v, %d requests", target, err, s.Count())
		}
	}
}

func TestBearerLeavesTheRequestAlone(t *testing.T) {
	s := &sender{Answer: always(204, "")}
	b := &auth0.Bearer{Source: newSource(t, auth0.Credentials{Token: "ready"}, nil), Base: s}
	req, _ := http.NewRequest("GET", "https://acme.eu.auth0.com/", nil)
	if _, err := b.RoundTrip(req); err != nil {
		t.Fatal(err)
	}
	if req.Header.Get("Authorization") != "" || s.Requests[0].Header.Get("Authorization") != "Bearer ready" {
		t.Errorf("headers %v, sent %v", req.Header, s.Requests[0].Header)
	}
}

// TestRefusedCredentialsAreToldWithWhatToDo tests reported answers of the token
// endpoint. A custom domain has no audience of its own (node-auth0#292), and the
// audience ends with a slash (terraform-provider-auth0#951).
func TestRefusedCredentialsAreToldWithWhatToDo(t *testing.T) {
	key := auth0.Credentials{ClientID: "client", PrivateKeyPEM: pemOf(testKey())}
	audience := secretCredentials
	audience.Audience = "https://acme.eu.auth0.com/api/v2"
	for _, test := range []struct {
		domain            string
		cr                auth0.Credentials
		status            int
		code, description string
		want              string
	}{
		{"acme.eu.auth0.com", secretCredentials, 401, "access_denied", "Unauthorized", "check the client id and its secret"},
		{"acme.eu.auth0.com", secretCredentials, 401, "invalid_client", "Client authentication failed", "check the client id and its secret"},
		{"acme.eu.auth0.com", secretCredentials, 403, "access_denied", "Client is not authorized to access \"https://T/api/v2/\".", "authorize the application for the Auth0 Management API"},
		{"acme.eu.auth0.com", secretCredentials, 403, "unauthorized_client", "Grant type 'client_credentials' not allowed for the client.", "machine-to-machine"},
		{"login.acme.com", secretCredentials, 403, "access_denied", "Service not enabled within domain: https://login.acme.com/api/v2/", "AUTH0_AUDIENCE=https://TENANT.REGION.auth0.com/api/v2/"},
		{"acme.eu.auth0.com", audience, 403, "access_denied", "Service not found: https://acme.eu.auth0.com/api/v2", "AUTH0_AUDIENCE=https://acme.eu.auth0.com/api/v2/"},
		{"acme.eu.auth0.com", auth0.Credentials{ClientID: "c", ClientSecret: "s3cret-s3cret", Audience: "https://x/"}, 403, "access_denied", "Service not found: https://x/", "AUTH0_AUDIENCE=https://acme.eu.auth0.com/api/v2/"},
		{"acme.eu.auth0.com", key, 401, "invalid_client", "Invalid signature", "check the private key: its public key"},
	} {
		u, err := auth0.ParseDomain(test.domain)
		if err != nil {
			t.Fatal(err)
		}
		s := &sender{Answer: always(test.status, fmt.Sprintf(`{"error":%q,"error_description":%q}`, test.code, test.description), "Content-Type", "application/json", "Date", time.Now().UTC().Format(http.TimeFormat))}
		source, err := test.cr.Source(u, s)
		if err != nil {
			t.Fatal(err)
		}
		_, err = source.Token(t.Context())
		if e, ok := errors.AsType[*auth0.CredentialsError](err); !ok || !strings.Contains(e.Hint, test.want) {
			t.Errorf("%s: error %v, want the hint %q", test.description, err, test.want)
		} else if s.Count() != 1 {
			t.Errorf("%s: %d requests, want 1", test.description, s.Count())
		}
	}
}

// TestClockThatIsWrongIsTold: a tenant with another clock refuses an assertion.
func TestClockThatIsWrongIsTold(t *testing.T) {
	for off, want := range map[time.Duration]string{7 * time.Minute: "it is 7m0s off", -2 * time.Hour: "it is 2h0m0s off", 5 * time.Second: "check the private key"} {
		synctest.Test(t, func(t *testing.T) {
			s := &sender{Answer: always(401, `{"error":"invalid_client","error_description":"Invalid iat"}`, "Content-Type", "application/json", "Date", time.Now().Add(off).UTC().Format(http.TimeFormat))}
			_, err := newSource(t, auth0.Credentials{ClientID: "client", PrivateKeyPEM: pemOf(testKey())}, s).Token(t.Context())
			if e, ok := errors.AsType[*auth0.CredentialsError](err); !ok || !strings.Contains(e.Hint, want) {
				t.Errorf("error %v with a clock that is %s off, want the hint %q", err, off, want)
			}
		})
	}
}
