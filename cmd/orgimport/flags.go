package main

import (
	"cmp"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/cmd/orgimport/internal/job"
	"orgimport/cmd/orgimport/internal/tenancy"
	"orgimport/importer/csvfile"
	"orgimport/ratelimit"
)

// The groups of flags that commands share. kong calls Validate when all flags are
// read.

// jobFlags are the flags of every command that carries out an operation.
type jobFlags struct {
	sourceFlags  `embed:""`
	publishFlags `embed:""`

	Lock        string        `help:"Lock file that keeps other runs out (default: RESULTS.lock)." placeholder:"FILE" group:"results" hidden:""`
	MaxErrors   *job.Share    `help:"Stop with exit code 4 when this many rows failed." placeholder:"N|N%" group:"limits"`
	Tolerate    job.Share     `help:"Exit with 0 if at most this many rows are bad." placeholder:"N|N%" group:"limits"`
	MaxDuration time.Duration `help:"Stop cleanly with exit code 10 after this time." placeholder:"DURATION" group:"limits"`
}

func (f *jobFlags) Validate() error {
	if f.MaxErrors != nil && *f.MaxErrors == (job.Share{}) {
		return errors.New("--max-errors must be more than 0")
	}
	return errors.Join(f.sourceFlags.Validate(), f.publishFlags.Validate())
}

// maxErrors returns how many rows may fail; 0: any number.
func (f *jobFlags) maxErrors() job.Share {
	if f.MaxErrors == nil {
		return job.Share{}
	}
	return *f.MaxErrors
}

// lockPath returns the path of the lock file, which is the same for all links to
// a results file.
func (f *jobFlags) lockPath() string { return cmp.Or(f.Lock, files.Target(f.Results)+".lock") }

// sourceFlags are the flags that say which rows there are, and where the rest of
// them goes. They are all that a forecast needs.
type sourceFlags struct {
	tenantFlags  `embed:""`
	dialectFlags `embed:""`
	lookupFlags  `embed:""`
	paceFlags    `embed:""`
	uiFlags      `embed:""`

	Results  string `help:"File for the outcome of each row." default:"${results}" placeholder:"FILE" group:"results"`
	Failures string `help:"File for the rows that are not done; it is a valid input." placeholder:"FILE" group:"results"`
	Resume   bool   `help:"Continue: skip rows that are done, and retry failed ones." group:"results"`
	NoGuard  bool   `help:"Do not stop when the first 100 answered rows have all failed, or the tenant has none of 100 or more keys." group:"stop" hidden:""`
}

func (f *sourceFlags) Validate() error {
	if f.Results == "" {
		return errors.New("--results must name a file")
	}
	return errors.Join(f.dialectFlags.Validate(), f.lookupFlags.Validate(), f.paceFlags.Validate())
}

// tenantFlags name the tenant and the application. The value of a secret is never
// a flag: it would show in the process list and in the shell's history.
type tenantFlags struct {
	Domain   string `help:"Domain of the tenant, such as acme.eu.auth0.com." auth0:"AUTH0_DOMAIN" placeholder:"DOMAIN"`
	ClientID string `help:"Client ID of the machine-to-machine application." auth0:"AUTH0_CLIENT_ID" placeholder:"ID"`
	Audience string `help:"Audience of the token (default: https://DOMAIN/api/v2/)." auth0:"AUTH0_AUDIENCE" placeholder:"URL" hidden:""`
}

// paceFlags limit the load on the tenant.
type paceFlags struct {
	Rate           float64           `help:"Maximum requests per second (default: automatic)." default:"0" placeholder:"N" group:"limits"`
	Reserve        ratelimit.Reserve `help:"Part of the tenant's rate limit to leave for other clients: a number of requests, or a percentage." default:"10%" placeholder:"N|N%" group:"pace" hidden:""`
	Workers        int               `help:"Maximum requests in flight; 0 means as many as the rate limit can use, up to 256." default:"0" placeholder:"N" group:"pace" hidden:""`
	MaxAttempts    int               `help:"Maximum attempts for one request before its rows fail." default:"8" placeholder:"N" group:"pace" hidden:""`
	RequestTimeout time.Duration     `help:"Time limit for one attempt." default:"30s" placeholder:"DURATION" group:"pace" hidden:""`
	MaxWait        time.Duration     `help:"Longest wait for a rate limit or an outage before giving up with exit code 5." default:"5m" placeholder:"DURATION" group:"pace" hidden:""`
}

func (p *paceFlags) Validate() error {
	switch {
	case !(p.Rate >= 0):
		return errors.New("--rate must be 0 or more requests a second")
	case p.Workers < 0 || p.Workers > ratelimit.MostInFlight:
		return errors.New("--workers must be from 0 to 256")
	case p.MaxAttempts < 1:
		return errors.New("--max-attempts must be 1 or more")
	case p.RequestTimeout <= 0:
		return errors.New("--request-timeout must be more than 0, such as 30s")
	case p.MaxWait <= 0:
		return errors.New("--max-wait must be more than 0, such as 5m")
	}
	return nil
}

func (p *paceFlags) pace() tenancy.Pace { return tenancy.Pace(*p) }

// dialectFlags say how to read the input. What they leave open is detected.
type dialectFlags struct {
	OrgColumn   string `help:"Column of organizations (default: by its name)." placeholder:"NAME" group:"input"`
	UserColumn  string `help:"Column of users (default: by its name)." placeholder:"NAME" group:"input"`
	Org         string `help:"Organization of every row, if the file has only users." placeholder:"ORG" group:"input"`
	OrgBy       string `help:"What it holds: org_id, name, display_name, metadata.KEY." placeholder:"KEY" group:"input"`
	UserBy      string `help:"What it holds: user_id, email, username, phone_number, app_metadata.PATH or user_metadata.PATH." placeholder:"KEY" group:"input"`
	Connection  string `help:"Connection of users in rows that name none." placeholder:"NAME" group:"input"`
	Delimiter   string `help:"Column separator: a comma, ; | or tab, or auto to detect it." default:"auto" placeholder:"CHAR" group:"input" hidden:""`
	Encoding    string `help:"Encoding of the file: ${encodings}, or auto to detect it." enum:"auto,${encodings}" default:"auto" placeholder:"NAME" group:"input" hidden:""`
	KeepColumns bool   `help:"Copy the other columns to the results." group:"input"`
}

func (d *dialectFlags) Validate() error {
	if _, ok := delimiters[d.Delimiter]; !ok {
		return errors.New(`--delimiter must be auto, "," ";" "|" or tab`)
	}
	if d.Org != "" && d.OrgColumn != "" {
		return errors.New("--org and --org-column can't be used together")
	}
	if !knownKey(d.OrgBy, []string{"org_id", "name", "display_name"}, "metadata.") {
		return errors.New("--org-by must be org_id, name, display_name or metadata.KEY")
	}
	if !knownKey(d.UserBy, []string{"user_id", "email", "username", "phone_number"}, "app_metadata.", "user_metadata.") {
		return errors.New("--user-by must be user_id, email, username, phone_number, app_metadata.PATH or user_metadata.PATH")
	}
	return nil
}

// knownKey reports whether key is empty, one of keys, or one of prefixes followed
// by a path.
func knownKey(key string, keys []string, prefixes ...string) bool {
	return key == "" || slices.Contains(keys, key) || slices.ContainsFunc(prefixes, func(prefix string) bool {
		return strings.HasPrefix(key, prefix) && len(key) > len(prefix)
	})
}

var delimiters = map[string]rune{"auto": 0, ",": ',', ";": ';', "|": '|', "\t": '\t', "tab": '\t', `\t`: '\t'}

func (d *dialectFlags) dialect() csvfile.Dialect {
	encoding := d.Encoding
	if encoding == "auto" {
		encoding = ""
	}
	return csvfile.Dialect{
		Delimiter:  delimiters[d.Delimiter],
		Encoding:   encoding,
		OrgColumn:  d.OrgColumn,
		UserColumn: d.UserColumn,
		OrgID:      d.Org,
		OrgBy:      d.OrgBy,
		UserBy:     d.UserBy,
		Connection: d.Connection,
		Keep:       d.KeepColumns,
	}
}

// lookupFlags say how rows without ids are looked up, and what else is read before
// anything is written.
type lookupFlags struct {
	CheckUsers      bool          `help:"Look up user ids too; unknown ones then cost no write." group:"input"`
	Lookup          string        `help:"How users are looked up: export (one job exports all users of the tenant), each (one request per user), or auto: each for up to 500 users, otherwise export." enum:"auto,export,each" default:"auto" placeholder:"HOW" group:"input" hidden:""`
	Users           string        `help:"Look users up in this export of the tenant's users." placeholder:"FILE" group:"input"`
	LookupWait      time.Duration `help:"Longest wait for the export job before giving up with exit code 5." default:"30m" placeholder:"DURATION" group:"input" hidden:""`
	AllowUnverified bool          `help:"Accept users whose e-mail address is not verified." group:"input"`
}

func (f *lookupFlags) Validate() error {
	switch {
	case f.LookupWait <= 0:
		return errors.New("--lookup-wait must be more than 0, such as 30m")
	case f.Users == "-":
		return errors.New("--users needs the name of a file: for standard input use --users /dev/stdin")
	case f.Users != "" && f.Lookup != "auto":
		return errors.New("--users and --lookup can't be used together")
	}
	return nil
}

// lookups returns what the flags have looked up.
func (f *sourceFlags) lookups() job.Lookups {
	return job.Lookups{
		CheckUsers: f.CheckUsers, AllowUnverified: f.AllowUnverified, NoGuard: f.NoGuard,
		How: f.Lookup, Users: files.Named("--users", f.Users), Wait: f.LookupWait,
		OtherWay: "--lookup export finds other spellings", SkipName: "--skip-members",
	}
}

// publishFlags say where to publish how a run went, for other programs.
type publishFlags struct {
	Summary string `help:"File for the summary, as JSON." placeholder:"FILE" group:"results"`
	Metrics string `help:"File for metrics, for the textfile collector of Prometheus's node exporter." placeholder:"FILE" group:"watch" hidden:""`
	Ping    string `help:"URL to ping: URL/start at the start, and URL/EXITCODE at the end." placeholder:"URL" group:"watch" hidden:""`
}

func (p *publishFlags) Validate() error {
	if p.Ping == "" {
		return nil
	}
	// The error does not show the address: for many services it is a secret.
	if u, err := url.Parse(p.Ping); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("--ping must be an http:// or https:// URL")
	}
	return nil
}

// uiFlags say how a run shows what it does.
type uiFlags struct {
	Quiet     bool   `help:"Print only the tenant, errors and a one-line summary."`
	Progress  string `help:"How progress is shown: bar, log (a line every 30 seconds), off, or auto: a bar on a terminal, a log elsewhere." enum:"auto,bar,log,off" default:"auto" placeholder:"HOW" group:"output" hidden:""`
	LogFormat string `help:"Format of the log: text, or json with one object per line." enum:"text,json" default:"text" placeholder:"FORMAT" group:"output" hidden:""`
}
