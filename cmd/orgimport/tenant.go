package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"orgimport/importer/auth0/auth0test"
)

// tenantCmd is the simulated tenant alone: a rehearsal for one's own CSV.
type tenantCmd struct {
	Listen  string   `help:"Address to listen on." default:"127.0.0.1:8080" placeholder:"HOST:PORT" group:"server"`
	Limits  string   `help:"Limits of a plan: ${limits}." enum:"${limits}" default:"enterprise-prod" placeholder:"PLAN" group:"limits"`
	Bucket  []bucket `help:"Limit of adding members instead: 20/1s is 20 at once and 20 a second, 50:16/1s is 50 at once and 16 a second. May be repeated; the tightest counts." placeholder:"[SIZE:]N/TIME" group:"limits"`
	Window  bool     `help:"Refill the buckets at the end of each interval, not drop by drop." group:"limits"`
	Latency spread   `help:"How long answers take, such as 100ms or 100ms-250ms; default: as recorded of Auth0, about 110ms." placeholder:"TIME[-TIME]" group:"behaviour"`

	UnknownOrg  string `help:"Organizations that match do not exist." placeholder:"REGEXP" default:"(?i)unknown" group:"behaviour"`
	UnknownUser string `help:"Users that match do not exist." placeholder:"REGEXP" default:"(?i)unknown" group:"behaviour"`
	Refuse      string `help:"What a batch with an unknown user gets, which Auth0 does not document: 400, 404, or 204 to leave that user out." enum:"400,404,204" default:"400" placeholder:"STATUS" group:"behaviour"`
	Name        string `help:"Whom that refusal names: none, all, first or index." enum:"none,all,first,index" default:"none" placeholder:"WHOM" group:"behaviour"`
	Partly      bool   `help:"Add the others of such a batch all the same." group:"behaviour"`
	Readd       string `help:"What a batch with a member gets: 204 or 409." enum:"204,409" default:"204" placeholder:"STATUS" group:"behaviour"`

	Lag           time.Duration `help:"How long the list of members lags behind." placeholder:"DURATION" group:"behaviour"`
	TokenLifetime time.Duration `help:"How long a token is good." default:"24h" placeholder:"DURATION" group:"behaviour"`

	Fail      float64       `help:"Share of requests that get a 503." placeholder:"0…1" group:"faults"`
	CutBefore float64       `help:"Share of requests that are cut off before their work is done." placeholder:"0…1" group:"faults"`
	CutAfter  float64       `help:"Share of requests that are cut off after it is done." placeholder:"0…1" group:"faults"`
	Hang      float64       `help:"Share of requests that never get an answer." placeholder:"0…1" group:"faults"`
	Outage    spread        `help:"All requests get a 503 in this time after the start, such as 10s-14s." placeholder:"FROM-TO" group:"faults"`
	Seed      uint64        `help:"Makes latencies and faults repeatable." default:"1" placeholder:"N" group:"faults"`
	For       time.Duration `help:"End after that time; default: on SIGINT or SIGTERM." placeholder:"DURATION" group:"server"`
}

// Validate is called by kong when all flags are read.
func (cmd *tenantCmd) Validate() error {
	var errs []error
	for flag, share := range map[string]float64{"--fail": cmd.Fail, "--cut-before": cmd.CutBefore, "--cut-after": cmd.CutAfter, "--hang": cmd.Hang} {
		if !(share >= 0 && share <= 1) {
			errs = append(errs, fmt.Errorf("%s must be between 0 and 1", flag))
		}
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
	fmt.Fprintf(c.stderr, "%d requests, %d answered 429, at most %d at a time, %d tokens\n",
		stats.Total(), stats.Status(http.StatusTooManyRequests), stats.PeakInFlight, stats.TokensIssued)
	return nil
}

func (cmd *tenantCmd) config() (auth0test.Config, error) {
	unknownOrg, err := regexp.Compile(cmd.UnknownOrg)
	if err != nil {
		return auth0test.Config{}, usagef("", "--unknown-org: %w", err)
	}
	unknownUser, err := regexp.Compile(cmd.UnknownUser)
	if err != nil {
		return auth0test.Config{}, usagef("", "--unknown-user: %w", err)
	}
	limits, err := cmd.limits()
	if err != nil {
		return auth0test.Config{}, usageError(err, "")
	}
	config := auth0test.Config{
		KnownOrg:      func(id string) bool { return cmd.UnknownOrg == "" || !unknownOrg.MatchString(id) },
		KnownUser:     func(id string) bool { return cmd.UnknownUser == "" || !unknownUser.MatchString(id) },
		TokenLifetime: cmd.TokenLifetime,
		Limits:        limits,
		Latency:       auth0test.Latency{RoundTrip: cmd.Latency.draw()},
		Undocumented: auth0test.Undocumented{
			UnknownUser: map[string]int{"400": 400, "404": 404, "204": 204}[cmd.Refuse],
			Partial:     cmd.Partly,
			Naming:      map[string]auth0test.Naming{"all": auth0test.NameAll, "first": auth0test.NameFirst, "index": auth0test.NameIndex}[cmd.Name],
			Readd:       map[string]int{"409": 409}[cmd.Readd],
			AddDelay:    cmd.Lag,
		},
		Chances: []auth0test.Chance{
			{Probability: cmd.Fail, Class: auth0test.WriteMembers, Fault: auth0test.Fault{Status: http.StatusServiceUnavailable}},
			{Probability: cmd.CutBefore, Class: auth0test.WriteMembers, Fault: auth0test.Fault{Cut: auth0test.Reset}},
			{Probability: cmd.CutAfter, Class: auth0test.WriteMembers, Fault: auth0test.Fault{Cut: auth0test.Reset, Applied: true}},
			{Probability: cmd.Hang, Class: auth0test.WriteMembers, Fault: auth0test.Fault{Hang: true}},
		},
		Seed: cmd.Seed,
	}
	if cmd.Outage != (spread{}) {
		config.Outages = []auth0test.Outage{{From: cmd.Outage.from, Until: cmd.Outage.to}}
	}
	return config, nil
}

func (cmd *tenantCmd) limits() (auth0test.Limits, error) {
	if len(cmd.Bucket) == 0 {
		return auth0test.Preset(cmd.Limits)
	}
	mode := auth0test.Drip
	if cmd.Window {
		mode = auth0test.FixedWindow
	}
	var buckets []auth0test.Limit
	for _, b := range cmd.Bucket {
		buckets = append(buckets, auth0test.Limit{Size: b.size, Per: b.per, Interval: b.interval, Mode: mode})
	}
	return auth0test.Limits{Endpoints: map[auth0test.Class]*auth0test.Limiter{
		auth0test.WriteMembers: auth0test.NewLimiter("Endpoint", buckets...),
	}}, nil
}

// bucket is the value of --bucket.
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

func (s spread) draw() func(*rand.Rand) time.Duration {
	if s == (spread{}) {
		return auth0test.Recorded()
	}
	return auth0test.Uniform(s.from, s.to)
}
