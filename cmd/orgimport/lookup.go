package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/csvfile"
	"orgimport/importer/retry"
	"orgimport/report"
)

// lookupFlags say how rows without ids are looked up, and what else is looked up
// before anything is sent.
type lookupFlags struct {
	CheckUsers      bool          `help:"Look up user ids too: one that the tenant does not have costs no write." group:"look-ups"`
	Lookup          string        `help:"How users are looked up: export (one job exports all users of the tenant), each (one request a user), or auto: each for up to 500 users, otherwise export." enum:"auto,export,each" default:"auto" placeholder:"HOW" group:"look-ups"`
	Users           string        `help:"Look users up in this export of the tenant's users (NDJSON, or Auth0's CSV), and ask only for those it lacks." placeholder:"FILE" group:"look-ups"`
	LookupWait      time.Duration `help:"Longest wait for the export job; then exit code 5." default:"30m" placeholder:"DURATION" group:"look-ups"`
	AllowUnverified bool          `help:"Accept users whose e-mail address is not verified." group:"look-ups"`
}

// Validate is called by kong when all flags are read.
func (f *lookupFlags) Validate() error {
	switch {
	case f.LookupWait <= 0:
		return errors.New("--lookup-wait must be more than 0, such as 30m")
	case f.Users != "" && f.Lookup != "auto":
		return errors.New("--users and --lookup can't be used together")
	}
	return nil
}

const (
	// fewKeys is up to how many users are looked up one by one. At 500 requests a
	// minute that takes a minute, less than most exports.
	fewKeys = 500
	// mostConnections is how many connections a file may name, because each needs
	// a request.
	mostConnections = 20
)

// lookups look up, before anything is sent, what the rows of a file name, and
// which rows need no request.
type lookups struct {
	lookupFlags
	skipMembers bool // look up existing members
	checkOrgs   bool // look up ids of organizations too
	keepUsers   bool // the operation names users by their keys
	noGuard     bool

	isDone    func(importer.Row) bool // by the results of earlier runs; nil: nobody is
	dir       *importer.Directory     // nil: nothing is to be looked up
	rows      int                     // of the input, once it has been read
	keys      []string                // columns that are copied to the results: those that rows take keys from
	unchecked string                  // why the ids of organizations were not looked up, though they should have been
	sent      atomic.Int64            // requests
	jobs      atomic.Int64            // of them those past any pace
	now       atomic.Pointer[phase]
	phases    []lookedUp
}

// lookedUp says what a phase of the look-ups has cost.
type lookedUp struct {
	Phase    string  `json:"phase"`
	Requests int     `json:"requests"`
	Seconds  float64 `json:"seconds"`
}

// phase is the progress of the look-ups.
type phase struct {
	name     string
	done, of int
	began    time.Time
}

// progress returns the progress of the look-ups, and false if none is under way.
func (l *lookups) progress() (progress, bool) {
	p := l.now.Load()
	if p == nil {
		return progress{}, false
	}
	words := "looking up " + p.name
	switch {
	case p.name == auth0.PhaseExport: // its progress is in percent, if the tenant gives it
		words = "waiting for the tenant's export of users"
	case p.of > 0:
		words += ": " + report.Number(p.done) + "/" + report.Number(p.of)
	case p.done > 0:
		words += ": " + report.Number(p.done)
	}
	return progress{done: int64(p.done), total: int64(p.of), elapsed: time.Since(p.began), words: words}, true
}

// wanted reports whether anything may have to be looked up for a file.
func (l *lookups) wanted(table *csvfile.Table) bool {
	return table.Keyed() || l.CheckUsers || l.checkOrgs || l.skipMembers
}

// prepare reads the input for keys to look up, if it may have any, and reopens it
// with their columns. A pipe is spooled beside the results.
func (l *lookups) prepare(ctx context.Context, in *input, results string, table *csvfile.Table, open func() (*csvfile.Table, error)) (*csvfile.Table, error) {
	if !l.wanted(table) {
		in.head = nil
		return table, nil
	}
	if err := in.spool(results); err != nil {
		return nil, stoppedOr(ctx, err)
	}
	table, err := open()
	if err == nil {
		err = l.collect(ctx, table)
	}
	if err != nil {
		return nil, stoppedOr(ctx, err)
	}
	l.keys = append(l.keys, table.UsedKeys()...)
	return open()
}

// collect reads the input for keys to look up.
func (l *lookups) collect(ctx context.Context, table *csvfile.Table) error {
	d := &importer.Directory{
		CheckUsers: l.CheckUsers, CheckOrgs: l.checkOrgs, KeepUsers: l.keepUsers,
		AllowUnverified: l.AllowUnverified, NotFound: make(map[string]string),
	}
	some := l.skipMembers
	for row, err := range table.Rows() {
		if err != nil || ctx.Err() != nil {
			return stoppedOr(ctx, err)
		}
		l.rows++
		if d.Want(row) {
			some = true
		}
	}
	if !some {
		return nil
	}
	l.dir = d
	for _, kind := range d.Users.Kinds() {
		if l.Lookup == "each" && !auth0.ListedAlone(kind) {
			return usagef("leave --lookup each out", "users can't be looked up one by one by %s, only by e-mail or id", kind)
		}
	}
	if n := len(l.connections()); n > mostConnections {
		return usagef("split the file by connection", "the rows name %d connections, and at most %d can be looked up", n, mostConnections)
	}
	return nil
}

// connections returns the connections that rows name.
func (l *lookups) connections() []string {
	return slices.DeleteFunc(slices.Clone(l.dir.Users.Connections()), func(name string) bool { return name == "" })
}

// settle takes the ids of keys from the results of earlier runs: a line of a row
// that is done has both the ids and the columns of the keys. Lines that were
// written with other flags for the keys do not count.
func (l *lookups) settle(ctx context.Context, path string, d csvfile.Dialect) error {
	if l.dir == nil {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil //nolint:nilerr // there are none yet
	}
	defer f.Close()
	// A line without a correlation id may be of any run in the file. It counts if
	// the file has lines with one, and all of those were written with these flags.
	alike, some := true, false
	d.Keys = true
	d.Settled = func(csvfile.Result) error { return nil }
	d.Only = func(r csvfile.Result) bool {
		return r.Status.Settled() && (report.ReadBy(r.CorrelationID, d.By()) || r.CorrelationID == "" && alike && some)
	}
	lines, err := report.NewReader(f)
	if err != nil {
		return resultsError(path, err)
	}
	for o, err := range lines.Outcomes() {
		if err != nil {
			return err
		}
		if o.CorrelationID != "" {
			some = true
			alike = alike && report.ReadBy(o.CorrelationID, d.By())
		}
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	results, err := csvfile.Open(f, d)
	if err != nil {
		return nil //nolint:nilerr // then no line has an id to take
	}
	for row, err := range results.Rows() {
		switch {
		case err != nil || ctx.Err() != nil:
			return stoppedOr(ctx, err)
		case row.Err == nil && row.Keys != nil:
			l.dir.Orgs.Settle(row.Keys.Org, "", row.OrgID)
			l.dir.Users.Settle(row.Keys.User, row.Keys.Connection, row.UserID)
		}
	}
	return nil
}

// scopes returns the scopes that the look-ups need: one of each group.
func (l *lookups) scopes() (groups [][]string) {
	users := l.dir.Users.Len() > l.dir.Users.Hits()
	if users && l.Users == "" {
		groups = append(groups, []string{scopeReadUsers})
	}
	if l.dir.Orgs.Len() > l.dir.Orgs.Hits() {
		groups = append(groups, scopesReadOrganization())
	}
	if users && len(l.connections()) > 0 {
		groups = append(groups, []string{"read:connections"})
	}
	if l.skipMembers {
		groups = append(groups, []string{"read:organization_members"})
	}
	return groups
}

// missing returns what is to be looked up, as text.
func (l *lookups) missing() string {
	var what []string
	if n := l.dir.Orgs.Len() - l.dir.Orgs.Hits(); n > 0 {
		what = append(what, report.Plural(n, "organization"))
	}
	if n := l.dir.Users.Len() - l.dir.Users.Hits(); n > 0 {
		what = append(what, report.Plural(n, "user"))
	}
	if l.skipMembers {
		what = append(what, "members")
	}
	return strings.Join(what, ", ")
}

const scopeReadUsers = "read:users"

// find looks everything up. Before that, it makes sure that the token has one
// scope of each group that the look-ups need, and of each of the given groups.
// open opens the input from its start.
func (l *lookups) find(ctx context.Context, conn *connection, o *observer, open func() (*csvfile.Table, error), scopes ...[]string) error {
	if err := conn.requireScopes(ctx, append(l.scopes(), scopes...)...); err != nil {
		return err
	}
	defer l.now.Store(nil)
	if what := l.missing(); what != "" {
		o.log.Info("looking up " + what)
	}
	look := l.lookup(conn)
	for _, step := range []struct {
		name string
		run  func() error
	}{
		{auth0.PhaseOrganizations, func() error { return l.findOrganizations(ctx, look) }},
		{auth0.PhaseUsers, func() error { return l.findUsers(ctx, look, conn.tokens) }},
		{auth0.PhaseMembers, func() error { return l.findMembers(ctx, look, open) }},
	} {
		began, before := time.Now(), l.sent.Load()
		l.now.Store(&phase{name: step.name, began: began})
		look.OnProgress = func(name string, done, of int) { l.now.Store(&phase{name, done, of, began}) }
		if err := step.run(); err != nil {
			return stoppedOr(ctx, lookupError(err))
		}
		requests, took := int(l.sent.Load()-before), time.Since(began)
		if requests == 0 {
			continue
		}
		l.phases = append(l.phases, lookedUp{step.name, requests, took.Seconds()})
		o.log.Info(fmt.Sprintf("looked up %s with %s in %s", step.name, report.Plural(requests, "request"), took.Round(time.Second)))
		o.eventLog.write(report.Event{Kind: report.EventLookup, Message: step.name, Reads: requests, Seconds: took.Seconds()})
	}
	return nil
}

// lookup returns the client of the look-ups, each class of endpoints with its own
// pace.
func (l *lookups) lookup(conn *connection) *auth0.Lookup {
	class := func() *auth0.Client {
		client, pace := conn.class()
		pace.Base = &counted{pace.Base, &l.sent}
		return client
	}
	jobs, pace := conn.class()
	jobs.HTTP = retry.NewHTTPClient(&counted{&jobsPace{pace, &counted{pace.Base, &l.jobs}}, &l.sent})
	return &auth0.Lookup{
		Connections: class(), Jobs: jobs, Users: class(),
		OrgByID: class(), OrgByName: class(), OrgList: class(), Members: class(),
		Download: auth0.NewDownload(&retry.Attempt{Base: conn.attempt.Base, Timeout: conn.pace.RequestTimeout, Stall: true}),
		JobWait:  l.LookupWait,
		Workers:  conn.pace.workers(),
		NoGuard:  l.noGuard,
	}
}

func (l *lookups) findOrganizations(ctx context.Context, look *auth0.Lookup) error {
	err := look.FindOrganizations(ctx, l.dir)
	if refused, ok := errors.AsType[*auth0.CredentialsError](err); ok && refused.Status == http.StatusForbidden && l.onlyCheckOrgs() {
		l.unchecked = refused.Error()
		return nil
	}
	return err
}

// onlyCheckOrgs reports whether organizations are looked up only to check that
// they exist. No import depends on that.
func (l *lookups) onlyCheckOrgs() bool {
	return l.checkOrgs && !slices.ContainsFunc(l.dir.Orgs.Kinds(), func(kind string) bool { return kind != importer.KindOrgID })
}

func (l *lookups) findUsers(ctx context.Context, look *auth0.Lookup, tokens *auth0.TokenSource) error {
	d := l.dir
	if d.Users.Len() == d.Users.Hits() {
		return nil
	}
	names := l.connections()
	ids, err := look.FindConnections(ctx, names)
	if err != nil {
		return err
	}
	d.NoConnection = make(map[string]bool)
	for _, name := range names {
		if ids[name] == "" {
			d.NoConnection[name] = true
		}
	}
	switch {
	case l.Users != "":
		return l.readUsers(ctx, look, tokens)
	case l.each():
		d.NotFound[importer.KindEmail] = ", asked as written and in lower case (--lookup export finds other spellings)"
		return look.FindUsersAlone(ctx, d)
	}
	return look.FindUsersByExport(ctx, d, ids)
}

// each reports whether users are looked up one by one.
func (l *lookups) each() bool {
	if l.Lookup != "auto" {
		return l.Lookup == "each"
	}
	users := &l.dir.Users
	return users.Len()-users.Hits() <= fewKeys && !slices.ContainsFunc(users.Kinds(), func(kind string) bool { return !auth0.ListedAlone(kind) })
}

// readUsers takes the users from a file. It looks up the users that the file
// lacks, unless the token is known not to permit that.
func (l *lookups) readUsers(ctx context.Context, look *auth0.Lookup, tokens *auth0.TokenSource) error {
	f, err := os.Open(l.Users)
	if err != nil {
		return usagef("", "can't read --users: %w", err)
	}
	defer f.Close()
	if err := look.ReadUsers(f, l.dir); err != nil {
		return usagef("give an export of users as Auth0 makes it, NDJSON or CSV, with the fields that the rows are looked up by", "--users %s: %w", l.Users, err)
	}
	scopes, known := tokens.Scopes()
	final := known && !slices.Contains(scopes, scopeReadUsers)
	for _, kind := range l.dir.Users.Kinds() {
		if final || !auth0.ListedAlone(kind) {
			l.dir.NotFound[kind] = ", not in " + l.Users
		}
	}
	if final {
		return look.Guard(&l.dir.Users)
	}
	return look.FindUsersAlone(ctx, l.dir)
}

// findMembers looks up the members of the organizations in the file.
func (l *lookups) findMembers(ctx context.Context, look *auth0.Lookup, open func() (*csvfile.Table, error)) error {
	if !l.skipMembers {
		return nil
	}
	table, err := open()
	if err != nil {
		return err
	}
	var pairs importer.Set
	rows := make(map[string]int)
	for row, err := range importer.Resolve(table.Rows(), l.dir) {
		if err != nil || ctx.Err() != nil {
			return stoppedOr(ctx, err)
		}
		if row.Err != nil || row.OrgID == "" || row.UserID == "" || l.isDone != nil && l.isDone(row) {
			continue // nothing is to be sent for it
		}
		if _, found := pairs.Add(importer.PairKey(row), row.Line); !found {
			rows[strings.Clone(row.OrgID)]++
		}
	}
	return look.FindMembers(ctx, l.dir, &pairs, rows)
}

// jobsPace sends a request that starts a job without a pace. If it is refused
// because another export is under way, the pace would take that for the limit.
type jobsPace struct{ paced, unpaced http.RoundTripper }

// RoundTrip sends req.
func (j *jobsPace) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodPost {
		return j.unpaced.RoundTrip(req)
	}
	return j.paced.RoundTrip(req)
}

// counted counts the requests that it sends.
type counted struct {
	http.RoundTripper
	n *atomic.Int64
}

// RoundTrip sends req.
func (c *counted) RoundTrip(req *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return c.RoundTripper.RoundTrip(req)
}
