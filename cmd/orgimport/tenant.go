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

// tenantCmd serves the simulated tenant alone, to rehearse with a CSV.
type tenantCmd struct {
	Listen        string        `help:"Address to listen on." default:"127.0.0.1:8080" placeholder:"HOST:PORT" group:"server"`
	For           time.Duration `help:"End after this time (default: on SIGINT or SIGTERM)." placeholder:"DURATION" group:"server"`
	Latency       *spread       `help:"How long answers take, such as 100ms or 100ms-250ms (default: as measured at Auth0, about 110ms)." placeholder:"TIME[-TIME]" group:"server"`
	TokenLifetime time.Duration `help:"How long a token is valid." default:"24h" placeholder:"DURATION" group:"server"`
	Scopes        []string      `help:"Scopes that a token has (default: all)." placeholder:"SCOPE" group:"server"`
	HideScopes    bool          `help:"Show the scopes neither in a token nor in the answer that carries it." group:"server"`

	Users         string   `help:"The users that exist: a users export (NDJSON), a CSV with columns named like its fields, or how many to make up, from user1@example.com on." placeholder:"FILE|N" group:"people"`
	Organizations string   `help:"The organizations that exist: NDJSON or CSV with id, name, display_name and metadata.KEY." placeholder:"FILE" group:"people"`
	Roles         []string `help:"Roles that exist (default: every id that begins with rol_)." placeholder:"NAME[=ID]" group:"people"`
	UnknownOrg    string   `help:"Without --organizations, organizations that match do not exist." placeholder:"REGEXP" default:"(?i)unknown" group:"people"`
	UnknownUser   string   `help:"Without --users, users that match do not exist." placeholder:"REGEXP" default:"(?i)unknown" group:"people"`

	Limits string        `help:"Limits of a plan: free, essentials, enterprise-prod, enterprise-nonprod, private-15x, private-60x, private-100x, single-bucket-drip, single-bucket-fixed, or none." enum:"${limits}" default:"enterprise-prod" placeholder:"PLAN" group:"limits"`
	Bucket []classBucket `help:"Limit of a class of requests (default: write-members), in place of the plan: 20/1s is 20 at once and 20 a second, jobs=50:16/1s is 50 at once and 16 a second. May be repeated; the tightest counts." placeholder:"[CLASS=][SIZE:]N/TIME" sep:"none" group:"limits"`
	Window bool          `help:"Refill the buckets at the end of each interval, not continuously." group:"limits"`

	Refuse      string `help:"Answer to a batch with an unknown user: 400, 404, or 204 and that user is left out." enum:"400,404,204" default:"400" placeholder:"STATUS" group:"answers that Auth0 does not document"`
	Name        string `help:"Users or roles that such an answer names: none, all, the first, or the index of the first." enum:"none,all,first,index" default:"none" placeholder:"WHICH" group:"answers that Auth0 does not document"`
	Partly      bool   `help:"Add the other users of such a batch nevertheless." group:"answers that Auth0 does not document"`
	Readd       string `help:"Answer to a batch with a user who is a member: 204 or 409." enum:"204,409" default:"204" placeholder:"STATUS" group:"answers that Auth0 does not document"`
	UnknownRole string `help:"Answer to a role that does not exist: 400 or 404." enum:"400,404" default:"400" placeholder:"STATUS" group:"answers that Auth0 does not document"`
	Reassign    string `help:"Answer to a role that the member has: 204 or 409." enum:"204,409" default:"204" placeholder:"STATUS" group:"answers that Auth0 does not document"`
	InviteAgain string `help:"What a second invitation does: a second one exists (twice), it replaces the first (replace), or it is refused (refuse)." enum:"twice,replace,refuse" default:"twice" placeholder:"WHAT" group:"answers that Auth0 does not document"`

	Lag        time.Duration `help:"How far lists of members and invitations lag behind." placeholder:"DURATION" group:"lists"`
	RemovalLag time.Duration `help:"How long a removed member is still listed; Auth0 says 5 to 10 seconds." placeholder:"DURATION" group:"lists"`
	Next       string        `help:"Whether the last page of a list has a next: always, never, or as recorded, for members but not for organizations." enum:"recorded,always,never" default:"recorded" placeholder:"WHEN" group:"lists"`
	Totals     string        `help:"Totals of pages: right, zero or absent." enum:"right,zero,absent" default:"right" placeholder:"WHICH" group:"lists"`

	Export exportsOfTenant `embed:"" prefix:"export-" group:"exports of users"`

	Fail      float64  `help:"Share of requests that get a 503." placeholder:"0…1" group:"faults"`
	CutBefore float64  `help:"Share of requests that are cut off before their work is done." placeholder:"0…1" group:"faults"`
	CutAfter  float64  `help:"Share of requests that are cut off after their work is done." placeholder:"0…1" group:"faults"`
	Hang      float64  `help:"Share of requests that never get an answer." placeholder:"0…1" group:"faults"`
	FaultsIn  []string `help:"Classes of requests that have these faults." default:"write-members,write-roles,write-invitations" placeholder:"CLASS" group:"faults"`
	Outage    spread   `help:"All requests get a 503 during this time after the start, such as 10s-14s." placeholder:"FROM-TO" group:"faults"`
	Seed      uint64   `help:"Seed of latencies and faults, to repeat them." default:"1" placeholder:"N" group:"faults"`
}

// exportsOfTenant says how the simulated tenant exports users.
type exportsOfTenant struct {
	Time      time.Duration `help:"How long a job takes." placeholder:"DURATION"`
	TimeLeft  bool          `help:"A job says how long it still takes."`
	Fail      int           `help:"How many jobs fail first." placeholder:"N"`
	Busy      int           `help:"How many jobs are refused first, because another is under way." placeholder:"N"`
	Max       int           `help:"How many jobs can run at a time; 0: any number." placeholder:"N"`
	Shape     string        `help:"How a field such as app_metadata.nr looks: flat, nested, or omitted (flat, without identities[0].connection)." enum:"flat,nested,omitted" default:"flat" placeholder:"SHAPE"`
	Nulls     bool          `help:"What a user does not have is null, not absent."`
	Plain     bool          `help:"Do not compress exports."`
	Fold      bool          `help:"E-mail addresses come in lower case."`
	LinkLife  time.Duration `help:"How long a link works." default:"1m" placeholder:"DURATION"`
	Cut       int           `help:"How many downloads end in the middle first." placeholder:"N"`
	Redirects int           `help:"How often a link leads to another." placeholder:"N"`
	Youngest  int           `help:"How many of the newest users are missing." placeholder:"N"`
}

func (e exportsOfTenant) config() auth0test.Exports {
	return auth0test.Exports{
		Duration: e.Time, TimeLeft: e.TimeLeft, Fail: e.Fail, Busy: e.Busy, Max: e.Max,
		Shape: map[string]auth0test.Shape{"nested": auth0test.Nested, "omitted": auth0test.Omitted}[e.Shape],
		Nulls: e.Nulls, Plain: e.Plain, Fold: e.Fold, LinkLife: e.LinkLife,
		Cut: e.Cut, Redirects: e.Redirects, Youngest: e.Youngest,
	}
}

// Validate is called by kong when all flags are read.
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
	classes := cmd.FaultsIn
	for _, b := range cmd.Bucket {
		classes = append(classes, string(b.class))
	}
	for _, class := range classes {
		if !slices.Contains(auth0test.Classes(), auth0test.Class(class)) {
			errs = append(errs, fmt.Errorf("there is no class of requests %q, only %s", class, joined(auth0test.Classes())))
		}
	}
	return errors.Join(errs...)
}

func joined(classes []auth0test.Class) string {
	names := make([]string, len(classes))
	for i, c := range classes {
		names[i] = string(c)
	}
	return strings.Join(names, ", ")
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
		return "", nil, usagef("name a free address with --listen", "the simulated tenant can't listen: %w", err)
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
		TokenLifetime: cmd.TokenLifetime,
		Scopes:        cmd.Scopes,
		HideScopes:    cmd.HideScopes,
		Exports:       cmd.Export.config(),
		Limits:        limits,
		Latency:       cmd.Latency.draw(),
		Undocumented: auth0test.Undocumented{
			UnknownUser: status(cmd.Refuse),
			Partial:     cmd.Partly,
			Naming:      map[string]auth0test.Naming{"all": auth0test.NameAll, "first": auth0test.NameFirst, "index": auth0test.NameIndex}[cmd.Name],
			Readd:       status(cmd.Readd),
			UnknownRole: status(cmd.UnknownRole),
			Reassign:    status(cmd.Reassign),
			InviteAgain: map[string]auth0test.InviteAgain{"replace": auth0test.InviteReplaces, "refuse": auth0test.InviteRefused}[cmd.InviteAgain],
			Next:        map[string]auth0test.Next{"always": auth0test.NextAlways, "never": auth0test.NextWhenMore}[cmd.Next],
			Totals:      map[string]auth0test.Totals{"zero": auth0test.TotalsZero, "absent": auth0test.TotalsAbsent}[cmd.Totals],
			AddDelay:    cmd.Lag,
			RemoveDelay: cmd.RemovalLag,
		},
		Seed: cmd.Seed,
	}
	if cmd.Outage != (spread{}) {
		config.Incidents = append(config.Incidents, auth0test.Outage(cmd.Outage.from, cmd.Outage.to))
	}
	for _, class := range cmd.FaultsIn {
		for _, incident := range []auth0test.Incident{
			{Share: cmd.Fail, Fault: auth0test.Fault{Status: http.StatusServiceUnavailable}},
			{Share: cmd.CutBefore, Fault: auth0test.Fault{Cut: auth0test.Reset}},
			{Share: cmd.CutAfter, Fault: auth0test.Fault{Cut: auth0test.Reset, Applied: true}},
			{Share: cmd.Hang, Fault: auth0test.Fault{Hang: true}},
		} {
			if incident.Share > 0 {
				incident.Class = auth0test.Class(class)
				config.Incidents = append(config.Incidents, incident)
			}
		}
	}
	return config, cmd.inhabit(&config)
}

// status returns the number of a status that kong has found in the flag's enum.
func status(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}

// inhabit says who and what exists.
func (cmd *tenantCmd) inhabit(config *auth0test.Config) (err error) {
	if config.KnownOrg, err = unless(cmd.UnknownOrg); err != nil {
		return usagef("", "--unknown-org: %w", err)
	}
	if config.KnownUser, err = unless(cmd.UnknownUser); err != nil {
		return usagef("", "--unknown-user: %w", err)
	}
	if len(cmd.Roles) > 0 {
		if config.Roles, err = auth0test.ParseRoles(cmd.Roles...); err != nil {
			return usagef("", "--roles: %w", err)
		}
	}
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
// match.
func unless(expression string) (func(string) bool, error) {
	if expression == "" {
		return func(string) bool { return true }, nil
	}
	re, err := regexp.Compile(expression)
	if err != nil {
		return nil, err
	}
	return func(name string) bool { return !re.MatchString(name) }, nil
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

func (cmd *tenantCmd) limits() (auth0test.Limits, error) {
	if len(cmd.Bucket) == 0 {
		return auth0test.Preset(cmd.Limits)
	}
	mode := auth0test.Drip
	if cmd.Window {
		mode = auth0test.FixedWindow
	}
	buckets := make(map[auth0test.Class][]auth0test.Limit)
	for _, b := range cmd.Bucket {
		buckets[b.class] = append(buckets[b.class], auth0test.Limit{Size: b.size, Per: b.per, Interval: b.interval, Mode: mode})
	}
	limits := auth0test.Limits{Endpoints: make(map[auth0test.Class]*auth0test.Limiter)}
	for class, limit := range buckets {
		limits.Endpoints[class] = auth0test.NewLimiter("Endpoint", limit...)
	}
	return limits, nil
}

// bucket is a limit: size requests at once, and per more in each interval.
type bucket struct {
	size, per int
	interval  time.Duration
}

// UnmarshalText reads "200/1m", or "20:200/1m" for a bucket that holds 20.
func (b *bucket) UnmarshalText(text []byte) error {
	counts, interval, ok := strings.Cut(string(text), "/")
	size, per, sized := strings.Cut(counts, ":")
	if !sized {
		per = size
	}
	var errs [3]error
	b.size, errs[0] = strconv.Atoi(size)
	b.per, errs[1] = strconv.Atoi(per)
	b.interval, errs[2] = time.ParseDuration(interval)
	if !ok || errors.Join(errs[:]...) != nil || b.size < 1 || b.per < 1 || b.interval <= 0 {
		return fmt.Errorf("%q is not of the form 200/1m or 20:200/1m", text)
	}
	return nil
}

// classBucket is the value of --bucket: the limit of a class of requests.
type classBucket struct {
	class auth0test.Class
	bucket
}

// UnmarshalText reads a limit, which the class may precede.
func (b *classBucket) UnmarshalText(text []byte) error {
	class, limit, named := strings.Cut(string(text), "=")
	if !named {
		class, limit = string(auth0test.WriteMembers), class
	}
	b.class = auth0test.Class(class)
	return b.bucket.UnmarshalText([]byte(limit))
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
