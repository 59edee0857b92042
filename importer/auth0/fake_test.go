package auth0_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"go.uber.org/goleak"

	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/internal/fakehttp"
	"orgimport/importer/retry"
	"orgimport/ratelimit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type sender = fakehttp.Sender

var (
	reply  = fakehttp.Reply
	always = fakehttp.Always
)

// base is where the tests' tenant is.
func base(t testing.TB) *url.URL {
	t.Helper()
	u, err := auth0.ParseDomain("acme.eu.auth0.com")
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func newClient(t testing.TB, rt http.RoundTripper) *auth0.Client {
	return &auth0.Client{BaseURL: base(t), HTTP: retry.NewHTTPClient(rt), RunID: "run"}
}

// paced returns a transport that waits as the tenant's limit asks for.
func paced(base http.RoundTripper) http.RoundTripper {
	return &ratelimit.Transport{Base: base, MaxWait: 5 * time.Minute}
}

func batch(org string, users ...string) importer.Batch {
	b := importer.Batch{OrgID: org}
	for i, u := range users {
		b.Rows = append(b.Rows, importer.Row{OrgID: org, UserID: u, Line: i + 2})
	}
	return b
}
