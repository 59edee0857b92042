package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"orgimport/importer/auth0/auth0test"
	"orgimport/report"
)

// tenantCmd serves the simulated tenant alone, to rehearse with a CSV. What
// Auth0 does not document is what orgimport doctor finds out, and its report ends
// with these flags.
type tenantCmd struct {
	Listen string        `help:"Address to listen on." default:"127.0.0.1:8080" placeholder:"HOST:PORT" group:"server"`
	For    time.Duration `help:"End after this time (default: on SIGINT or SIGTERM)." placeholder:"DURATION" group:"server"`

	Users         string           `help:"The users that exist: a users export (NDJSON), a CSV with columns named like its fields, or how many to make up, from user1@example.com on." placeholder:"FILE|N" group:"people"`
	Organizations string           `help:"The organizations that exist: NDJSON or CSV with id, name, display_name and metadata.KEY." placeholder:"FILE" group:"people"`
	Roles         []auth0test.Role `help:"Roles that exist (default: every id that begins with rol_)." placeholder:"NAME[=ID]" group:"people"`
	UnknownOrg    *regexp.Regexp   `help:"Without --organizations, organizations that match do not exist." placeholder:"REGEXP" default:"(?i)unknown" group:"people"`
	UnknownUser   *regexp.Regexp   `help:"Without --users, users that match do not exist." placeholder:"REGEXP" default:"(?i)unknown" group:"people"`

	Limits     []string `help:"Limits of a plan: free, essentials, enterprise-prod, enterprise-nonprod, private-15x, private-60x, private-100x, single-bucket-drip, single-bucket-fixed, or none. Or the limits of classes of requests (default: write-members): 20/1s is 20 at once and 20 a second, jobs=50:16/1s is 50 at once and 16 a second, global=… is for all. The tightest counts." default:"enterprise-prod" placeholder:"PLAN|[CLASS=][SIZE:]N/TIME" group:"limits"`
	Window     bool     `help:"Limits come back at the end of each TIME, not continuously." group:"limits"`
	Reset      string   `help:"What X-RateLimit-Reset is: when the limit is full again, or when the next request can be sent." enum:"full,next" default:"full" placeholder:"WHEN" group:"limits"`
	HideLimits bool     `help:"Send no X-RateLimit headers." group:"limits"`
	Latency    *spread  `help:"How long answers take, such as 100ms or 100ms-250ms (default: as measured at Auth0, about 110ms)." placeholder:"TIME[-TIME]" group:"limits"`

	Refuse          answer `help:"Answer to a batch with an unknown user: an error such as 400 or 404, or 204, and that user is left out." default:"400" placeholder:"STATUS" group:"answers that Auth0 does not document"`
	Partly          bool   `help:"Add the other users of such a batch nevertheless." group:"answers that Auth0 does not document"`
	Name            string `help:"What such an error names: none, the id, or the index of the user." enum:"none,id,index" default:"none" placeholder:"WHAT" group:"answers that Auth0 does not document"`
	Malformed       answer `help:"Answer to a batch with a malformed user id: an error, or 204, and that user is left out." default:"400" placeholder:"STATUS" group:"answers that Auth0 does not document"`
	MalformedPartly bool   `help:"Add the other users of such a batch nevertheless." group:"answers that Auth0 does not document"`
	MalformedName   string `help:"What such an error names: none, or the id." enum:"none,id" default:"id" placeholder:"WHAT" group:"answers that Auth0 does not document"`
	Readd           answer `help:"Answer to a batch with a user who is a member: 204, or an error such as 409." default:"204" placeholder:"STATUS" group:"answers that Auth0 does not document"`
	Twice           answer `help:"Answer to a batch with a user who is in it twice: 204, or an error such as 400." default:"204" placeholder:"STATUS" group:"answers that Auth0 does not document"`
	Eleven          answer `help:"Answer to a batch of 11 users: an error such as 400, or 204." default:"400" placeholder:"STATUS" group:"answers that Auth0 does not document"`
	MissingOrg      string `help:"Answer for an organization that does not exist: 404 (which says so), gone (a 404 in other words), plain (a 404 that says nothing), or 400." enum:"404,gone,plain,400" default:"404" placeholder:"WHICH" group:"answers that Auth0 does not document"`
	MalformedOrg    string `help:"Answer for an id that no organization can have: 404, gone, plain or 400, too." enum:"404,gone,plain,400" default:"404" placeholder:"WHICH" group:"answers that Auth0 does not document"`

	Next       string        `help:"Whether the last page of a list of members has a next: always or never." enum:"always,never" default:"always" placeholder:"WHEN" group:"lists"`
	Lag        time.Duration `help:"How far lists of members and invitations lag behind." placeholder:"DURATION" group:"lists"`
	RemovalLag time.Duration `help:"How long a removed member is still listed; Auth0 says 5 to 10 seconds." placeholder:"DURATION" group:"lists"`

	Fail      float64           `help:"Share of requests that get a 503." placeholder:"0…1" group:"faults"`
	CutBefore float64           `help:"Share of requests that are cut off before their work is done." placeholder:"0…1" group:"faults"`
	CutAfter  float64           `help:"Share of requests that are cut off after their work is done." placeholder:"0…1" group:"faults"`
	Hang      float64           `help:"Share of requests that never get an answer." placeholder:"0…1" group:"faults"`
	FaultsIn  []auth0test.Class `help:"Classes of requests that have these faults." default:"write-members,write-roles,write-invitations" placeholder:"CLASS" group:"faults"`
	Outage    outage            `help:"These requests get a 503, such as the 100th to the 150th by 100-150." placeholder:"FROM-TO" group:"faults"`
}

func (cmd *tenantCmd) Validate() error {
	var errs []error
	for _, f := range []struct {
		flag  string
		share float64
	}{{"--fail", cmd.Fail}, {"--cut-before", cmd.CutBefore}, {"--cut-after", cmd.CutAfter}, {"--hang", cmd.Hang}} {
		if !(f.share >= 0 && f.share <= 1) {
			errs = append(errs, fmt.Errorf("%s must be between 0 and 1", f.flag))
		}
	}
	if _, _, err := net.SplitHostPort(cmd.Listen); err != nil {
		port := strings.TrimPrefix(cmd.Listen, ":")
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			port = "8080"
		}
		errs = append(errs, fmt.Errorf("--listen must be HOST:PORT, such as 127.0.0.1:%s, not %q", port, cmd.Listen))
	}
	return errors.Join(errs...)
}

func (cmd *tenantCmd) Run(c *console) error {
	config, err := cmd.config()
	if err != nil {
		return err
	}
	tenant := auth0test.New(config)
	address, shut, err := serve(tenant, cmd.Listen)
	if err != nil {
		return err
	}
	defer shut()
	fmt.Fprintf(c.stderr, `a simulated tenant listens on %s
in another terminal:
  export AUTH0_DOMAIN=%s AUTH0_CLIENT_ID=rehearsal AUTH0_CLIENT_SECRET=rehearsal
  orgimport import members.csv
`, address, address)
	ctx, end := c.untilSignal(nil, nil)
	defer end()
	ctx, cancel := withMaxDuration(ctx, cmd.For)
	defer cancel()
	<-ctx.Done()
	stats := tenant.Stats()
	fmt.Fprintf(c.stderr, "%s, %s answered 429, at most %d at a time, %s\n",
		report.Plural(stats.Total(), "request"), report.Number(stats.Status(http.StatusTooManyRequests)), stats.PeakInFlight, report.Plural(stats.TokensIssued, "token"))
	for _, class := range auth0test.Classes() {
		var counts []string
		for _, status := range slices.Sorted(maps.Keys(stats.Requests[class])) {
			name := strconv.Itoa(status)
			if status == 0 {
				name = "no answer"
			}
			counts = append(counts, name+" "+report.Plural(stats.Requests[class][status], "time"))
		}
		if counts != nil {
			fmt.Fprintf(c.stderr, "  %-24s %s\n", class, strings.Join(counts, ", "))
		}
	}
	if stats.Leaks > 0 {
		fmt.Fprintf(c.stderr, "%s came with a token or a cookie, which must not go there\n", report.Plural(stats.Leaks, "download"))
	}
	return nil
}

// serve serves a tenant over a socket, and its downloads over another, until
// shut is called.
func serve(tenant *auth0test.Tenant, address string) (url string, shut func(), err error) {
	url, shutTenant, err := listen(tenant, address)
	if err != nil {
		return "", nil, err
	}
	host, _, _ := net.SplitHostPort(address) // it was listened at
	downloads, shutDownloads, err := listen(tenant, net.JoinHostPort(host, "0"))
	if err == nil {
		err = tenant.SetDownloadURL(downloads)
	}
	if err != nil {
		shutTenant()
		return "", nil, err
	}
	return url, func() { shutTenant(); shutDownloads() }, nil
}

func listen(tenant *auth0test.Tenant, address string) (url string, shut func(), err error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	if err != nil {
		if system, ok := errors.AsType[*os.SyscallError](err); ok {
			err = system.Err
		}
		return "", nil, usagef("name a free address of this machine with --listen", "the simulated tenant can't listen on %s: %w", address, err)
	}
	server := &http.Server{Handler: tenant, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // ends by Close
	}()
	return "http://" + reachable(listener.Addr().String()), func() {
		_ = server.Close()
		<-done
	}, nil
}

// reachable returns the address at which this machine reaches a server, also one
// that listens on all addresses.
func reachable(address string) string {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !at.Addr().IsUnspecified() {
		return address
	}
	return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), at.Port()).String()
}

func (cmd *tenantCmd) config() (auth0test.Config, error) {
	limits, err := cmd.limits()
	if err != nil {
		return auth0test.Config{}, usageError(err, "")
	}
	config := auth0test.Config{
		Limits:  limits,
		Latency: cmd.Latency.draw(),
		Undocumented: auth0test.Undocumented{
			UnknownUser:      int(cmd.Refuse),
			Partial:          cmd.Partly,
			Naming:           map[string]auth0test.Naming{"id": auth0test.NameAll, "index": auth0test.NameIndex}[cmd.Name],
			MalformedUser:    int(cmd.Malformed),
			MalformedPartial: cmd.MalformedPartly,
			MalformedUnnamed: cmd.MalformedName == "none",
			Readd:            int(cmd.Readd),
			Duplicate:        int(cmd.Twice),
			TooMany:          int(cmd.Eleven),
			UnknownOrg:       missing[cmd.MissingOrg],
			MalformedOrg:     missing[cmd.MalformedOrg],
			AddDelay:         cmd.Lag,
			RemoveDelay:      cmd.RemovalLag,
		},
	}
	if cmd.Eleven == http.StatusNoContent {
		config.Undocumented.MaxMembers = -1
	}
	if cmd.Next == "never" {
		config.Undocumented.Next = auth0test.NextWhenMore
	}
	if cmd.Outage != (outage{}) {
		down := auth0test.Fault{Status: http.StatusServiceUnavailable, Body: auth0test.BodyEmpty}
		config.Incidents = append(config.Incidents, auth0test.Incident{First: cmd.Outage.first, Last: cmd.Outage.last, Fault: down})
	}
	for _, class := range cmd.FaultsIn {
		for _, incident := range []auth0test.Incident{
			{Share: cmd.Fail, Fault: auth0test.Fault{Status: http.StatusServiceUnavailable}},
			{Share: cmd.CutBefore, Fault: auth0test.Fault{Cut: auth0test.Reset}},
			{Share: cmd.CutAfter, Fault: auth0test.Fault{Cut: auth0test.Reset, Applied: true}},
			{Share: cmd.Hang, Fault: auth0test.Fault{Hang: true}},
		} {
			if incident.Share > 0 {
				incident.Class = class
				config.Incidents = append(config.Incidents, incident)
			}
		}
	}
	return config, cmd.inhabit(&config)
}

// missing are the ways to say that an organization does not exist.
var missing = map[string]auth0test.UnknownOrg{
	"404": auth0test.NoSuchOrganization, "gone": auth0test.GoneOrganization,
	"plain": auth0test.PlainNotFound, "400": auth0test.BadOrganization,
}

// answer is the status of an answer: 204 or an error.
type answer int

// UnmarshalText reads a status.
func (a *answer) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	if err != nil || n != http.StatusNoContent && (n < 400 || n > 499) {
		return fmt.Errorf("%q is neither 204 nor an error from 400 to 499", text)
	}
	*a = answer(n)
	return nil
}

// outage are requests, counted from 1.
type outage struct{ first, last int }

// UnmarshalText reads "100-150".
func (o *outage) UnmarshalText(text []byte) error {
	first, last, isSpan := strings.Cut(string(text), "-")
	from, err1 := strconv.Atoi(first)
	to, err2 := strconv.Atoi(last)
	if !isSpan || err1 != nil || err2 != nil || from < 1 || to < from {
		return fmt.Errorf("%q does not number requests as 100-150 does", text)
	}
	*o = outage{from, to}
	return nil
}

// inhabit says who and what exists.
func (cmd *tenantCmd) inhabit(config *auth0test.Config) (err error) {
	config.KnownOrg, config.KnownUser, config.Roles = unless(cmd.UnknownOrg), unless(cmd.UnknownUser), cmd.Roles
	if cmd.Users != "" {
		config.KnownUser = nil
		if config.Users, err = simulatedUsers(cmd.Users); err != nil {
			return usagef("", "--users %s: %w", cmd.Users, err)
		}
	}
	if cmd.Organizations != "" {
		config.KnownOrg = nil
		if config.Organizations, err = fromFile(cmd.Organizations, auth0test.ParseOrganizations); err != nil {
			return usagef("", "--organizations %s: %w", cmd.Organizations, err)
		}
	}
	return nil
}

// unless returns a function that is true of names that the expression does not
// match. An empty one matches none.
func unless(expression *regexp.Regexp) func(string) bool {
	return func(name string) bool { return expression.String() == "" || !expression.MatchString(name) }
}

func simulatedUsers(fileOrCount string) ([]auth0test.User, error) {
	n, err := strconv.Atoi(fileOrCount)
	switch {
	case err != nil:
		return fromFile(fileOrCount, auth0test.ParseUsers)
	case n < 1:
		return nil, errors.New("there must be at least one user")
	}
	return auth0test.MakeUsers(n), nil
}

func fromFile[T any](name string, parse func(io.Reader) (T, error)) (none T, err error) {
	f, err := os.Open(name)
	if err != nil {
		if file, ok := errors.AsType[*fs.PathError](err); ok {
			err = file.Err // the flag names the file
		}
		return none, err
	}
	defer f.Close()
	return parse(f)
}

func (cmd *tenantCmd) limits() (limits auth0test.Limits, err error) {
	limits, isPlan := auth0test.Preset(strings.Join(cmd.Limits, ","))
	if !isPlan {
		limits, err = cmd.ownLimits()
	}
	if cmd.HideLimits {
		limits.Show = auth0test.ShowNone
	}
	return limits, err
}

// ownLimits returns limits that are not those of a plan.
func (cmd *tenantCmd) ownLimits() (limits auth0test.Limits, err error) {
	const global = "global" // beside the classes
	limits.Endpoints = make(map[auth0test.Class][]auth0test.Limit)
	for _, text := range cmd.Limits {
		name, size, named := strings.Cut(text, "=")
		if !named {
			name, size = string(auth0test.WriteMembers), text
		}
		limit, err := parseLimit(size)
		if err != nil {
			return limits, fmt.Errorf("--limits: %w, and no plan", err)
		}
		if cmd.Window {
			limit.Mode = auth0test.FixedWindow
		}
		if cmd.Reset == "next" {
			limit.Reset = auth0test.ResetNext
		}
		if name == global {
			limits.Global = append(limits.Global, limit)
			continue
		}
		var class auth0test.Class
		if err := class.UnmarshalText([]byte(name)); err != nil {
			return limits, fmt.Errorf("--limits: %w, and %s", err, global)
		}
		limits.Endpoints[class] = append(limits.Endpoints[class], limit)
	}
	return limits, nil
}

// parseLimit reads "200/1m", or "20:200/1m" for a bucket that holds 20.
func parseLimit(text string) (limit auth0test.Limit, err error) {
	counts, interval, ok := strings.Cut(text, "/")
	size, per, sized := strings.Cut(counts, ":")
	if !sized {
		per = size
	}
	var errs [3]error
	limit.Size, errs[0] = strconv.Atoi(size)
	limit.Per, errs[1] = strconv.Atoi(per)
	limit.Interval, errs[2] = time.ParseDuration(interval)
	if !ok || errors.Join(errs[:]...) != nil || limit.Size < 1 || limit.Per < 1 || limit.Interval <= 0 {
		return limit, fmt.Errorf("%q is not of the form 200/1m or 20:200/1m", text)
	}
	return limit, nil
}

// spread is a time, or a span between two.
type spread struct{ from, to time.Duration }

// UnmarshalText reads "100ms" or "100ms-250ms".
func (s *spread) UnmarshalText(text []byte) error {
	low, high, isSpan := strings.Cut(string(text), "-")
	if !isSpan {
		high = low
	}
	from, err1 := time.ParseDuration(low)
	to, err2 := time.ParseDuration(high)
	if err1 != nil || err2 != nil || from < 0 || to < from {
		return fmt.Errorf("%q is not a time such as 100ms, or a span such as 100ms-250ms", text)
	}
	*s = spread{from, to}
	return nil
}

// draw returns a function that draws times from the span. A nil span is as
// measured at Auth0.
func (s *spread) draw() func(*rand.Rand) time.Duration {
	if s == nil {
		return auth0test.Recorded()
	}
	return auth0test.Uniform(s.from, s.to)
}
