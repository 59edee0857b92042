package job

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/cmd/orgimport/internal/tenancy"
	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/csvfile"
	"orgimport/report"
)

const (
	// maxSingleUsers is the largest number of users that are looked up one by
	// one. At 500 requests a minute that takes a minute, less than most exports.
	maxSingleUsers = 500
	// maxConnections is the largest number of connections that rows may name,
	// because each takes a request.
	maxConnections = 20
)

const scopeReadUsers = "read:users"

// ScopesReadOrganization returns the scopes that allow reading an organization. Any
// one of them is enough.
func ScopesReadOrganization() []string {
	return []string{"read:organizations", "read:organizations_summary"}
}

// lookups resolves the keys in a file's rows before anything is sent, and finds
// the rows that need no request.
type lookups struct {
	*Config
	Findings
	checked bool // every user is looked up
	mixed   bool // some rows have ids where others have keys
	reads   tenancy.Reads
	now     atomic.Pointer[Phase] // nil: no look-up is under way
	resumed bool                  // an earlier run may have added members that have no line
}

// Phase is the progress of the look-ups of one kind.
type Phase struct {
	Name     string
	Done, Of int // Of is 0 if it is not known
	Began    time.Time
	At       time.Time // when so many were done

	Tenant *tenancy.Tenant // that is asked
}

// PhaseCost is the cost of a phase that has ended.
type PhaseCost struct {
	Phase    string  `json:"phase"`
	Requests int     `json:"requests"`
	Seconds  float64 `json:"seconds"`
}

// Findings are what the look-ups of a source found, and what they cost.
type Findings struct {
	Directory *importer.Directory // nil: nothing has to be looked up
	Unchecked string              // why the organizations were not checked; empty: they were
	Phases    []PhaseCost
	Reads     int // requests
	Unlimited int // of them, those that bypassed the rate limit
}

// newDirectory returns a directory of no keys.
func newDirectory(c *Config) *importer.Directory {
	return &importer.Directory{
		CheckUsers: c.Lookups.CheckUsers, CheckOrgs: c.Lookups.CheckOrgs, KeepUsers: c.ByAddress,
		AllowUnverified: c.Lookups.AllowUnverified, NotFound: make(map[string]string),
	}
}

// prepare reads an input to its end for the keys to look up, if there may be any, and
// reopens it with their columns.
func (l *lookups) prepare(ctx context.Context, in *input) error {
	if !in.table.Keyed() && !l.Lookups.CheckUsers && !l.Lookups.CheckOrgs && !l.Lookups.SkipMembers {
		in.file.Forget()
		return nil
	}
	if err := in.file.Spool(l.Results); err != nil {
		return err
	}
	if err := in.reopen(); err != nil {
		return err
	}
	if err := l.collect(ctx, in); err != nil {
		return err
	}
	in.rows = int(in.passed.Load())
	used := in.table.UsedKeys()
	if l.Resume && l.Directory != nil {
		if err := l.reuse(ctx, in); err != nil {
			return err
		}
	}
	in.keys = append(in.keys, used...)
	return in.reopen()
}

// found reports whether the rows have the ids that the tenant returned.
func (l *lookups) found() bool { return l.Directory != nil && !l.Assume }

// collect reads an input to its end and collects the keys to look up.
func (l *lookups) collect(ctx context.Context, in *input) error {
	d := l.Directory
	if d == nil {
		d = newDirectory(l.Config)
	}
	needed, userIDs, orgIDs := l.Lookups.SkipMembers, false, false
	for row, err := range in.read() {
		if err != nil || ctx.Err() != nil {
			return stoppedOr(ctx, err)
		}
		if d.Want(row) {
			needed = true
		}
		userIDs = userIDs || row.UserID != ""
		orgIDs = orgIDs || row.OrgID != ""
	}
	if !needed {
		return nil
	}
	l.Directory, l.checked = d, l.Lookups.CheckUsers || !userIDs
	l.mixed = userIDs && d.Users.Len() > 0 || orgIDs && d.Orgs.Len() > 0
	for _, kind := range d.Users.Kinds() {
		if l.Lookups.How == "each" && !auth0.AskedSingly(kind) {
			return failed(NotSingly, "users can't be looked up one by one by their %s, only by e-mail or id", kind)
		}
	}
	if n := len(l.connections()); n > maxConnections {
		return failed(ManyConnections, "the rows name %d connections, and at most %d can be looked up", n, maxConnections)
	}
	return nil
}

// connections returns the connections that rows name.
func (l *lookups) connections() []string {
	return slices.DeleteFunc(slices.Clone(l.Directory.Users.Connections()), func(name string) bool { return name == "" })
}

// reuse takes the ids of rows that are done from the results of earlier runs, which
// have their keys beside their ids. It ignores lines that were written with other
// flags, because those give the keys another meaning, and ids that stand beside the
// key in the input where other rows have the key alone: those were not looked up,
// and the tenant may know somebody else by the key.
func (l *lookups) reuse(ctx context.Context, in *input) error {
	f, lines := openEarlier(l.Results)
	if f == nil {
		return nil
	}
	defer f.Close()
	d := in.dialect()
	alike, err := readAlike(lines, d.By())
	if err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	var given importer.Set
	if l.mixed {
		if given, err = givenIDs(ctx, in.with(func(d *csvfile.Dialect) { d.Keys = true }).read()); err != nil {
			return err
		}
	}
	d.Keys, d.Plain = true, false
	d.Earlier = func(csvfile.Result) error { return nil }
	d.Only = func(r csvfile.Result) bool {
		return r.Status.Settled() && (report.ReadBy(r.CorrelationID, d.By()) || r.CorrelationID == "" && alike)
	}
	results, err := csvfile.Open(f, d)
	if err != nil {
		return nil //nolint:nilerr // then no line has an id to reuse
	}
	l.Directory = newDirectory(l.Config)
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
			l.Directory.Reuse(row)
		}
	}
	// What has to be looked up is known only now.
	return l.collect(ctx, in)
}

// readAlike reports whether all lines with a correlation id, and at least one, are of
// runs that read keys by the same flags. A line without one does not show which run
// wrote it, and counts only then.
func readAlike(lines *report.Reader, by string) (alike bool, err error) {
	for o, err := range lines.Outcomes() {
		if err != nil {
			return false, err
		}
		if o.CorrelationID == "" {
			continue
		}
		if alike = report.ReadBy(o.CorrelationID, by); !alike {
			return false, nil
		}
	}
	return alike, nil
}

// givenIDs returns the pairs of a key and an id that rows have.
func givenIDs(ctx context.Context, rows rowSeq) (given importer.Set, err error) {
	for row, err := range rows {
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
	users := l.Directory.Users.Len() > l.Directory.Users.Hits()
	if users && l.Lookups.Users.Path == "" {
		groups = append(groups, []string{scopeReadUsers})
	}
	if l.Directory.Orgs.Len() > l.Directory.Orgs.Hits() {
		groups = append(groups, ScopesReadOrganization())
	}
	if users && len(l.connections()) > 0 {
		groups = append(groups, []string{"read:connections"})
	}
	if l.Lookups.SkipMembers {
		groups = append(groups, []string{"read:organization_members"})
	}
	return groups
}

// missing returns what has to be looked up, as text.
func (l *lookups) missing() string {
	var what []string
	if n := l.Directory.Orgs.Len() - l.Directory.Orgs.Hits(); n > 0 {
		what = append(what, report.Plural(n, "organization"))
	}
	if n := l.Directory.Users.Len() - l.Directory.Users.Hits(); n > 0 {
		what = append(what, report.Plural(n, "user"))
	}
	if l.Lookups.SkipMembers {
		what = append(what, "members")
	}
	return strings.Join(what, ", ")
}

// lookUp looks up what rows name: see [Source.LookUp].
func (l *lookups) lookUp(ctx context.Context, t *tenancy.Tenant, rows rowSeq, before *report.Journal, scopes [][]string) error {
	if l.Directory == nil {
		return nil
	}
	if read := ScopesReadOrganization(); l.onlyCheckOrgs() && t.Lacks(read...) {
		l.Unchecked = "the token lacks the scope " + read[0]
		l.Directory.Orgs = importer.Index{}
	}
	if err := t.RequireScopes(ctx, append(l.scopes(), scopes...)...); err != nil {
		return err
	}
	defer l.now.Store(nil)
	if what := l.missing(); what != "" {
		l.Log.Info("looking up " + what)
	}
	look := t.Lookup(&l.reads)
	look.JobWait, look.NoGuard = l.Lookups.Wait, l.Lookups.NoGuard
	look.Members.RunID = report.RunID(l.Op.Prefix, t.Host(), l.Dialect.By()) // they decide rows of the operation
	look.OnCostly = func(org string, pages, rows int) {
		l.Log.Warn(fmt.Sprintf("reading the members of %s costs more than it saves: %s so far for %s; leave %s out for such organizations",
			org, report.Plural(pages, "page"), report.Plural(rows, "row"), l.Lookups.SkipName))
	}
	for _, step := range []struct {
		name string
		find func() error
	}{
		{auth0.PhaseOrganizations, func() error { return l.findOrganizations(ctx, look) }},
		{auth0.PhaseUsers, func() error { return l.findUsers(ctx, look, t) }},
		{auth0.PhaseMembers, func() error { return l.findMembers(ctx, look, rows, before) }},
	} {
		began, sent := time.Now(), l.reads.Sent.Load()
		l.now.Store(&Phase{Name: step.name, Began: began, Tenant: t})
		look.OnProgress = func(name string, done, of int) { l.now.Store(&Phase{name, done, of, began, time.Now(), t}) }
		if err := step.find(); err != nil {
			if _, known := errors.AsType[*Error](err); !known {
				err = &Error{Reason: LookUpFailed, Err: err}
			}
			return stoppedOr(ctx, err)
		}
		requests, took := int(l.reads.Sent.Load()-sent), time.Since(began)
		if requests == 0 {
			continue
		}
		l.Phases = append(l.Phases, PhaseCost{step.name, requests, took.Seconds()})
		l.Log.Info(fmt.Sprintf("looked up %s with %s in %s", step.name, report.Plural(requests, "request"), took.Round(time.Second)))
	}
	l.Directory.CheckOrgs = false // these rows are sent whether or not the organization exists
	return nil
}

func (l *lookups) findOrganizations(ctx context.Context, look *auth0.Lookup) error {
	err := look.FindOrganizations(ctx, l.Directory)
	if refused, ok := errors.AsType[*auth0.CredentialsError](err); ok && refused.Status == http.StatusForbidden && l.onlyCheckOrgs() {
		l.Unchecked = refused.Error()
		return nil
	}
	return err
}

// onlyCheckOrgs reports whether organizations are looked up only to check that
// they exist, so that an import can do without.
func (l *lookups) onlyCheckOrgs() bool {
	return l.Lookups.CheckOrgs && !slices.ContainsFunc(l.Directory.Orgs.Kinds(), func(kind string) bool { return kind != importer.KindOrgID })
}

func (l *lookups) findUsers(ctx context.Context, look *auth0.Lookup, t *tenancy.Tenant) error {
	d := l.Directory
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
	case l.Lookups.Users.Path != "":
		return l.readUsers(ctx, look, t)
	case l.singly():
		d.NotFound[importer.KindEmail] = ", searched for as written and in lower case (" + l.Lookups.OtherWay + ")"
		return look.FindUsersSingly(ctx, d)
	}
	return look.FindUsersByExport(ctx, d, ids)
}

// singly reports whether users are looked up one by one.
func (l *lookups) singly() bool {
	if l.Lookups.How != "auto" {
		return l.Lookups.How == "each"
	}
	users := &l.Directory.Users
	return users.Len()-users.Hits() <= maxSingleUsers && !slices.ContainsFunc(users.Kinds(), func(kind string) bool { return !auth0.AskedSingly(kind) })
}

// readUsers looks the users up in a file. It requests those that the file lacks,
// unless the token is known to lack the scope for that.
func (l *lookups) readUsers(ctx context.Context, look *auth0.Lookup, t *tenancy.Tenant) error {
	f, err := files.Open(ctx, l.Lookups.Users.Path, nil)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		if file, ok := errors.AsType[*fs.PathError](err); ok {
			err = file // files calls it the input
		}
		return failed(Unusable, "can't read %s: %w", l.Lookups.Users.Name, err)
	}
	defer f.Close()
	text, err := csvfile.Text(f)
	if err == nil {
		err = look.ReadUsers(text, l.Directory)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return failed(CutUsers, "%s %s: the file is cut off", l.Lookups.Users.Name, l.Lookups.Users.Path)
	}
	if _, ok := errors.AsType[*csvfile.InputError](err); ok {
		return fmt.Errorf("%s %s: %w", l.Lookups.Users.Name, l.Lookups.Users.Path, err)
	}
	if err != nil {
		return failed(WrongUsers, "%s %s: %w", l.Lookups.Users.Name, l.Lookups.Users.Path, err)
	}
	final := t.Lacks(scopeReadUsers)
	for _, kind := range l.Directory.Users.Kinds() {
		if final || !auth0.AskedSingly(kind) {
			l.Directory.NotFound[kind] = ", not in " + l.Lookups.Users.Path
		}
	}
	if final {
		return look.Guard(&l.Directory.Users)
	}
	return look.FindUsersSingly(ctx, l.Directory)
}

// findMembers looks up the members of the organizations that rows name.
func (l *lookups) findMembers(ctx context.Context, look *auth0.Lookup, rows rowSeq, before *report.Journal) error {
	if !l.Lookups.SkipMembers {
		return nil
	}
	var pairs importer.Set
	perOrg := make(map[string]int)
	for row, err := range rows {
		if err != nil || ctx.Err() != nil {
			return stoppedOr(ctx, err)
		}
		if row.Err != nil || row.OrgID == "" || row.UserID == "" || before.Done(row) {
			continue // it will not be sent
		}
		if _, found := pairs.Add(importer.PairKey(row), row.Line); !found {
			perOrg[strings.Clone(row.OrgID)]++
		}
	}
	l.Directory.Resumed = l.resumed
	return look.FindMembers(ctx, l.Directory, &pairs, perOrg)
}
