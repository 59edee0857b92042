package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"orgimport/cmd/orgimport/internal/tenancy"
	"orgimport/importer/auth0"
	"orgimport/importer/retry"
	"orgimport/ratelimit"
	"orgimport/report"
)

// connect returns the tenant that the flags name, which reports its events to o. It
// sends nothing.
func (c *console) connect(ctx context.Context, t *tenantFlags, pace *paceFlags, o *observer) (*tenancy.Tenant, error) {
	if t.Domain == "" {
		return nil, usagef("name the tenant: --domain acme.eu.auth0.com, or AUTH0_DOMAIN", "no tenant is given")
	}
	address, err := auth0.ParseDomain(t.Domain)
	if err != nil {
		return nil, usageError(fmt.Errorf("--domain: %w", err), "")
	}
	credentials, err := t.credentials(ctx, c.env)
	if err != nil {
		return nil, err
	}
	if address.Scheme == "https" {
		if err := cmp.Or(checkProxy(c.getenv), checkRoots(ctx, c.getenv)); err != nil {
			return nil, err
		}
	}
	limits := pace.pace()
	tenant, err := tenancy.New(address, credentials, c.transport(cmp.Or(limits.Workers, ratelimit.MostInFlight)), limits, o)
	if err != nil {
		return nil, usageError(err, "")
	}
	o.tenant.Store(tenant)
	return tenant, nil
}

// hostOf returns the host of a domain, or "" if the domain is empty.
func hostOf(domain string) (string, error) {
	if domain == "" {
		return "", nil
	}
	base, err := auth0.ParseDomain(domain)
	if err != nil {
		return "", usageError(fmt.Errorf("--domain: %w", err), "")
	}
	return base.Host, nil
}

// credentials returns the credentials given by flags and the environment.
func (t *tenantFlags) credentials(ctx context.Context, env *environment) (auth0.Credentials, error) {
	c := auth0.Credentials{ClientID: withoutNewline(t.ClientID), Audience: strings.TrimSpace(t.Audience)}
	var key string
	for name, into := range map[string]*string{
		"AUTH0_CLIENT_SECRET":                &c.ClientSecret,
		"AUTH0_CLIENT_ASSERTION_PRIVATE_KEY": &key,
		"AUTH0_CLIENT_ASSERTION_SIGNING_ALG": &c.SigningAlg,
		"AUTH0_API_TOKEN":                    &c.Token,
	} {
		value, err := env.value(ctx, name)
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

// credentialsHint returns a hint on which variables to set.
func credentialsHint(err error) string {
	bad, ok := errors.AsType[*auth0.MalformedError](err)
	switch {
	case !ok:
	case bad.IsPath:
		return "set AUTH0_CLIENT_ASSERTION_PRIVATE_KEY_FILE to the name of the file"
	case bad.What == "private key":
		return "set AUTH0_CLIENT_ASSERTION_PRIVATE_KEY (or …_FILE) to the RSA private key in PEM form whose public key the application has"
	default:
		return "set the " + bad.What + " to exactly what Auth0's dashboard shows"
	}
	return "set AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET (or …_FILE) of a machine-to-machine application, or AUTH0_API_TOKEN"
}

// secretFiles returns the variables that name files with credentials.
func secretFiles() []string {
	return []string{"AUTH0_DOMAIN_FILE", "AUTH0_CLIENT_ID_FILE", "AUTH0_CLIENT_SECRET_FILE", "AUTH0_CLIENT_ASSERTION_PRIVATE_KEY_FILE", "AUTH0_API_TOKEN_FILE"}
}

// checkProxy returns an error if a variable that names a proxy holds something
// else: net/http would silently connect without a proxy. The error does not show
// the value, which may hold a password.
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
			return usagef("set it to a URL such as http://proxy.example.com:3128, or unset it", "%s is not the address of a proxy", name)
		}
	}
	return nil
}

// checkRoots returns an error if SSL_CERT_FILE names a file without usable root
// certificates, which crypto/x509 would silently ignore.
func checkRoots(ctx context.Context, getenv func(string) string) error {
	const name = "SSL_CERT_FILE"
	path := getenv(name)
	if path == "" {
		return nil
	}
	content, err := readSmall(ctx, path)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return usagef("name a file that this user can read, or unset it", "%s: open %s: %w", name, path, err)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(content) {
		return usagef("name a file with root certificates, each between -----BEGIN CERTIFICATE----- and -----END CERTIFICATE-----", "%s: %s contains no certificate in PEM form", name, path)
	}
	return nil
}

// observer logs what happens between a command and its tenant. The fields that
// the progress reads are atomic.
type observer struct {
	log      *slog.Logger
	tenant   atomic.Pointer[tenancy.Tenant] // nil before it is connected
	outage   atomic.Pointer[time.Time]      // start of the outage; nil: none
	outages  atomic.Int64                   // nanoseconds that outages have lasted
	stopping atomic.Bool
}

// signalled logs at once that a signal was received, and what is still finished.
func (o *observer) signalled(signal syscall.Signal) {
	o.stopping.Store(true)
	again := "a second signal stops at once"
	if signal == syscall.SIGINT {
		again = "Ctrl-C again stops at once"
	}
	what := "stopping"
	if tenant := o.tenant.Load(); tenant != nil {
		if n := tenant.State().InFlight; n > 0 {
			what = fmt.Sprintf("stopping: %s in flight %s finished, up to %s", report.Plural(n, "request"), report.Verb(n, "is", "are"), tenancy.DrainTime)
		}
	}
	o.log.Info(what + "; " + again)
}

// Event logs an event of the retry client.
func (o *observer) Event(e retry.Event) {
	switch e.Kind {
	case retry.FirstFailure:
		again := " and will be sent again"
		if e.Once {
			again = ""
		}
		o.log.Warn(fmt.Sprintf("a request failed%s: %v", again, e.Err))
	case retry.OutageBegan:
		o.outage.Store(&e.Since)
		o.log.Warn(fmt.Sprintf("the tenant does not answer; all requests wait while one at a time is tried: %v", e.Err))
	case retry.OutageEnded:
		o.outage.Store(nil)
		lasted := e.Time.Sub(e.Since)
		o.outages.Add(int64(lasted))
		o.log.Info(fmt.Sprintf("the tenant answers again after %s", lasted.Round(time.Second)))
	}
}

// TokenRefused logs that a new token is fetched.
func (o *observer) TokenRefused(why error) {
	o.log.Info(fmt.Sprintf("the token was refused; fetching a new one: %v", why))
}

// minLoggedPause is the shortest wait that is logged.
const minLoggedPause = 5 * time.Second

// Wait logs waits that are long enough for people to wonder about.
func (o *observer) Wait(w ratelimit.Wait) {
	if lasts := w.Until.Sub(w.Since); !w.Ended && lasts >= minLoggedPause {
		o.log.Info(fmt.Sprintf("waiting %s for %s", lasts.Round(time.Second), w.Why+inParens(w.Detail)))
	}
}

func inParens(detail string) string {
	if detail == "" {
		return ""
	}
	return " (" + detail + ")"
}

// waiting returns what is waited for now, and for how long at most from now on.
func (o *observer) waiting() waiting {
	if o.stopping.Load() {
		return waiting{text: "stopping", halted: true}
	}
	tenant := o.tenant.Load()
	if tenant == nil {
		return waiting{}
	}
	if since := o.outage.Load(); since != nil {
		return waiting{text: "no answer, gives up in " + brief(max(0, time.Until(since.Add(tenant.Pace.MaxWait)))), halted: true}
	}
	w := tenant.State().Waiting
	if left := time.Until(w.Until); left >= time.Second {
		return waiting{text: "waiting " + brief(left), why: " for " + w.Why, detail: inParens(w.Detail)}
	}
	return waiting{}
}
