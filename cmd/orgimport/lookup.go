package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/csvfile"
	"orgimport/importer/retry"
	"orgimport/report"
)

// lookupFlags say how rows without ids are looked up, and what else is read before
// anything is written.
type lookupFlags struct {
	CheckUsers      bool          `help:"Look up user ids too, so that unknown users cost no write." group:"look-ups"`
	Lookup          string        `help:"How users are looked up: export (one job exports all users of the tenant), each (one request per user), or auto: each for up to 500 users, otherwise export." enum:"auto,export,each" default:"auto" placeholder:"HOW" group:"look-ups"`
	Users           string        `help:"Look users up in this export of the tenant's users (NDJSON, or Auth0's CSV), and request only those it lacks." placeholder:"FILE" group:"look-ups"`
	LookupWait      time.Duration `help:"Longest wait for the export job before giving up with exit code 5." default:"30m" placeholder:"DURATION" group:"look-ups"`
	AllowUnverified bool          `help:"Accept users whose e-mail address is not verified." group:"look-ups"`
}

// Validate is called by kong when all flags are read.
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

const (
	// maxSingleUsers is the largest number of users that are looked up one by
	// one. At 500 requests a minute that takes a minute, less than most exports.
	maxSingleUsers = 500
	// maxConnections is the largest number of connections that rows may name,
	// because each takes a request.
	maxConnections = 20
)

// lookups resolves the keys in a file's rows before anything is sent, and finds
// the rows that need no request.
type lookups struct {
	lookupFlags
	skipMembers bool // look up existing members
	checkOrgs   bool // look up the ids of organizations too
	keepUsers   bool // the operation takes users by their keys
	noGuard     bool

	isDone    func(importer.Row) bool // whether earlier runs have done the row; nil: none is done
	dir       *importer.Directory     // nil: nothing has to be looked up
	rows      int                     // rows in the input, once it has been read
	keys      []string                // columns with keys, which are copied to the results
	mixed     bool                    // some rows have ids where others have keys
	unchecked string                  // why the ids of organizations could not be checked; empty: they were
	sent      atomic.Int64            // requests
	jobs      atomic.Int64            // requests that bypassed the rate limit; sent includes them
	now       atomic.Pointer[phase]   // nil: no look-up is under way
	phases    []phaseCost
	runID     string // of the requests for members, which decide rows of the operation
	resumed   bool   // an earlier run may have added members of whom no line tells
}

// phaseCost is the cost of a phase that has ended.
type phaseCost struct {
	Phase    string  `json:"phase"`
	Requests int     `json:"requests"`
	Seconds  float64 `json:"seconds"`
}

// phase is the progress of the look-ups of one kind.
type phase struct {
	name     string
	done, of int
	began    time.Time
}

// progress returns the progress of the look-ups for the ui, and false if none is
// under way.
func (l *lookups) progress() (progress, bool) {
	p := l.now.Load()
	if p == nil {
		return progress{}, false
	}
	words := "looking up " + p.name
	switch {
	case p.name == auth0.PhaseExport: // its progress, if known, is a percentage
		words = "waiting for the tenant's export of users"
	case p.of > 0:
		words += ": " + report.Number(p.done) + "/" + report.Number(p.of)
	case p.done > 0:
		words += ": " + report.Number(p.done)
	}
	return progress{done: int64(p.done), total: int64(p.of), elapsed: time.Since(p.began), words: words}, true
}

// wanted reports whether a file may need look-ups.
func (l *lookups) wanted(table *csvfile.Table) bool {
	return table.Keyed() || l.CheckUsers || l.checkOrgs || l.skipMembers
}

// prepare collects the keys in the input, if it may have any, and reopens the
// input with their columns. An input that can be read only once is spooled to a
// file beside the results.
func (l *lookups) prepare(ctx context.Context, in *files.Input, results string, table *csvfile.Table, open func() (*csvfile.Table, error)) (*csvfile.Table, error) {
	if !l.wanted(table) {
		in.Forget()
		return table, nil
	}
	if in.Name() == "standard input" && slices.Contains([]string{"/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"}, filepath.Clean(l.Users)) {
		return nil, usagef("name a file", "standard input is both the input and --users")
	}
	if err := in.Spool(results); err != nil {
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

// newDirectory returns a directory of no keys.
func (l *lookups) newDirectory() *importer.Directory {
	return &importer.Directory{
		CheckUsers: l.CheckUsers, CheckOrgs: l.checkOrgs, KeepUsers: l.keepUsers,
		AllowUnverified: l.AllowUnverified, NotFound: make(map[string]string),
	}
}

// collect reads the input to its end and collects the keys to look up.
func (l *lookups) collect(ctx context.Context, table *csvfile.Table) error {
	d := l.dir
	if d == nil {
		d = l.newDirectory()
	}
	l.rows = 0
	needed, userIDs, orgIDs := l.skipMembers, false, false
	for row, err := range table.Rows() {
		if err != nil || ctx.Err() != nil {
			return stoppedOr(ctx, err)
		}
		l.rows++
		if d.Want(row) {
			needed = true
		}
		userIDs = userIDs || row.UserID != ""
		orgIDs = orgIDs || row.OrgID != ""
	}
	if !needed {
		return nil
	}
	l.dir, l.mixed = d, userIDs && d.Users.Len() > 0 || orgIDs && d.Orgs.Len() > 0
	for _, kind := range d.Users.Kinds() {
		if l.Lookup == "each" && !auth0.ListedAlone(kind) {
			return usagef("leave --lookup each out", "users can't be looked up one by one by their %s, only by e-mail or id", kind)
		}
	}
	if n := len(l.connections()); n > maxConnections {
		return usagef("split the file by connection", "the rows name %d connections, and at most %d can be looked up", n, maxConnections)
	}
	return nil
}

// connections returns the connections that rows name.
func (l *lookups) connections() []string {
	return slices.DeleteFunc(slices.Clone(l.dir.Users.Connections()), func(name string) bool { return name == "" })
}

// reuseIDs takes the ids of rows that are done from the results of earlier runs, which
// have their keys beside their ids. It ignores lines that were
// written with other flags, because those give the keys another meaning, and ids
// that stand beside the key in the input: those were not looked up, and the tenant
// may know somebody else by the key.
func (l *lookups) reuseIDs(ctx context.Context, in *files.Input, path string, d csvfile.Dialect) error {
	if l.dir == nil {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil //nolint:nilerr // there are none yet
	}
	defer f.Close()
	given, err := l.givenIDs(ctx, in, d)
	if err != nil {
		return err
	}
	// A line without a correlation id does not show which run wrote it. It counts
	// only if some lines have one and all of those read keys as this run does.
	sameKeys, anyID := true, false
	plain := d
	d.Keys, d.Plain = true, false
	d.Earlier = func(csvfile.Result) error { return nil }
	d.Only = func(r csvfile.Result) bool {
		return r.Status.Settled() && (report.ReadBy(r.CorrelationID, d.By()) || r.CorrelationID == "" && sameKeys && anyID)
	}
	text, err := openToContinue(f)
	if err != nil {
		return err
	}
	lines, err := report.NewReader(text)
	if err != nil {
		return resultsError(path, err)
	}
	for o, err := range lines.Outcomes() {
		if err != nil {
			return err
		}
		if o.CorrelationID != "" {
			anyID = true
			sameKeys = sameKeys && report.ReadBy(o.CorrelationID, d.By())
		}
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	results, err := csvfile.Open(f, d)
	if err != nil {
		return nil //nolint:nilerr // then no line has an id to reuse
	}
	l.dir = l.newDirectory()
	for row, err := range results.Rows() {
		switch {
		case err != nil || ctx.Err() != nil:
			return stoppedOr(ctx, err)
		case row.Err == nil && row.Keys != nil:
			if given.Has(givenID(row.Keys.Org, row.OrgID)) {
				row.Keys.Org = importer.Key{}
			}
			if given.Has(givenID(row.Keys.User, row.UserID)) {
				row.Keys.User = importer.Key{}
			}
			l.dir.Reuse(row)
		}
	}
	// What has to be looked up is known only now.
	table, err := csvfile.Open(in.Again(), plain)
	if err != nil {
		return err
	}
	return l.collect(ctx, table)
}

// givenIDs returns the pairs of a key and an id that rows of the input have, if
// others have the key alone.
func (l *lookups) givenIDs(ctx context.Context, in *files.Input, d csvfile.Dialect) (given importer.Set, err error) {
	if !l.mixed {
		return given, nil
	}
	d.Keys = true
	table, err := csvfile.Open(in.Again(), d)
	if err != nil {
		return given, err
	}
	for row, err := range table.Rows() {
		if err != nil || ctx.Err() != nil {
			return given, stoppedOr(ctx, err)
		}
		if row.Keys == nil {
			continue
		}
		if row.OrgID != "" && row.Keys.Org.Value != "" {
			given.Add(givenID(row.Keys.Org, row.OrgID), row.Line)
		}
		if row.UserID != "" && row.Keys.User.Value != "" {
			given.Add(givenID(row.Keys.User, row.UserID), row.Line)
		}
	}
	return given, nil
}

func givenID(k importer.Key, id string) string { return k.Kind + "\n" + k.Value + "\n" + id }

// scopes returns the scopes that the look-ups need. The token must have one of
// each group.
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

// missing returns what has to be looked up, as text.
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

// find looks everything up. First it checks that the token has one scope of each
// group: of the given groups and of those that the look-ups need. open opens the
// input from its start.
func (l *lookups) find(ctx context.Context, conn *connection, o *observer, open func() (*csvfile.Table, error), scopes ...[]string) error {
	if err := conn.requireScopes(ctx, append(l.scopes(), scopes...)...); err != nil {
		return err
	}
	defer l.now.Store(nil)
	if what := l.missing(); what != "" {
		o.log.Info("looking up " + what)
	}
	look := l.lookup(conn)
	look.OnCostly = func(org string, pages, rows int) {
		o.log.Warn(fmt.Sprintf("reading the members of %s costs more than it saves: %s so far for %s; leave --skip-members out for such organizations",
			org, report.Plural(pages, "page"), report.Plural(rows, "row")))
	}
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
		l.phases = append(l.phases, phaseCost{step.name, requests, took.Seconds()})
		o.log.Info(fmt.Sprintf("looked up %s with %s in %s", step.name, report.Plural(requests, "request"), took.Round(time.Second)))
	}
	return nil
}

// lookup returns a Lookup with a client for each class of endpoints, because each
// has a rate limit of its own.
func (l *lookups) lookup(conn *connection) *auth0.Lookup {
	class := func() *auth0.Client {
		client, pace := conn.class()
		pace.Base = &counted{pace.Base, &l.sent}
		return client
	}
	jobs, pace := conn.class()
	jobs.HTTP = retry.NewHTTPClient(&counted{&jobsTransport{pace, &counted{pace.Base, &l.jobs}}, &l.sent})
	members := class()
	members.RunID = cmp.Or(l.runID, members.RunID)
	return &auth0.Lookup{
		Connections: class(), Jobs: jobs, Users: class(),
		OrgByID: class(), OrgByName: class(), OrgList: class(), Members: members,
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
// they exist, so that an import can do without.
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
	case l.singly():
		d.NotFound[importer.KindEmail] = ", searched for as written and in lower case (--lookup export finds other spellings)"
		return look.FindUsersAlone(ctx, d)
	}
	return look.FindUsersByExport(ctx, d, ids)
}

// singly reports whether users are looked up one by one.
func (l *lookups) singly() bool {
	if l.Lookup != "auto" {
		return l.Lookup == "each"
	}
	users := &l.dir.Users
	return users.Len()-users.Hits() <= maxSingleUsers && !slices.ContainsFunc(users.Kinds(), func(kind string) bool { return !auth0.ListedAlone(kind) })
}

// readUsers looks the users up in a file. It requests those that the file lacks,
// unless the token is known to lack the scope for that.
func (l *lookups) readUsers(ctx context.Context, look *auth0.Lookup, tokens *auth0.TokenSource) error {
	f, err := os.Open(l.Users)
	if err != nil {
		return usagef("", "can't read --users: %w", err)
	}
	defer f.Close()
	text, err := csvfile.Text(f)
	if err == nil {
		err = look.ReadUsers(text, l.dir)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return usagef("get the file again", "--users %s: the file is cut off", l.Users)
	}
	if unreadable, ok := errors.AsType[*csvfile.InputError](err); ok {
		return usagef(unreadable.Hint(), "--users %s: %w", l.Users, err)
	}
	if err != nil {
		return usagef("give a users export made by Auth0, NDJSON or CSV, with every field that the rows name users by (jq -c '.[]' FILE makes NDJSON of an array, jq -c . FILE of other JSON)", "--users %s: %w", l.Users, err)
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
			continue // it will not be sent
		}
		if _, found := pairs.Add(importer.PairKey(row), row.Line); !found {
			rows[strings.Clone(row.OrgID)]++
		}
	}
	l.dir.Resumed = l.resumed
	return look.FindMembers(ctx, l.dir, &pairs, rows)
}

// jobsTransport sends requests that create a job without the rate limit, and all
// others with it. The tenant refuses a job with 429 while another export is under
// way, which would look like the rate limit.
type jobsTransport struct{ limited, unlimited http.RoundTripper }

// RoundTrip sends req.
func (t *jobsTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodPost {
		return t.unlimited.RoundTrip(req)
	}
	return t.limited.RoundTrip(req)
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
