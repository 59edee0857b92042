package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/cmd/orgimport/internal/job"
	"orgimport/cmd/orgimport/internal/tenancy"
	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/csvfile"
	"orgimport/report"
)

// forecastFlags say how to forecast. A dry run has none of them.
type forecastFlags struct {
	json     bool
	check    bool   // ask the tenant
	resolved string // path of the file for rows with the ids that were found
}

// dryRun forecasts an operation in its own command. The flags that tell of a run are
// refused where they are typed, because there is no run to tell of; a value in the
// environment is meant for all runs, and is passed over.
func (c *console) dryRun(f *jobFlags, o operation) error {
	flags := []string{"--ping"}
	for _, out := range f.outputs().files() {
		if out.Name != "--failures" { // which a forecast writes too
			flags = append(flags, out.Name)
		}
	}
	for _, arg := range c.args {
		if name, _, _ := strings.Cut(arg, "="); slices.Contains(flags, name) {
			return usagef("leave it out", "%s can't be used with --dry-run, which is not a run", name)
		}
	}
	return c.forecast(&f.sourceFlags, o, forecastFlags{})
}

// forecast prints what an operation would do, and sends nothing. Unless it asks the
// tenant, it makes no look-ups and needs no credentials; rows without ids are then
// distinguished by their keys.
func (c *console) forecast(f *sourceFlags, o operation, how forecastFlags) error {
	failures, resolved := files.Named("--failures", f.Failures), files.Named("--resolved", how.resolved)
	results := files.Named("the results file", f.Results)
	if err := cmp.Or(c.checkFiles(o.file, f, failures, resolved), files.Check(nil, []files.File{results}, []files.File{failures, resolved}), files.CheckWritable(failures, resolved)); err != nil {
		return err
	}
	ui := c.openUI(f.uiFlags)
	defer ui.Close()
	ctx, end := c.untilSignal(nil, nil)
	defer end()
	doc, err := c.survey(ctx, f, o, how, ui)
	if err != nil {
		return stoppedOr(ctx, err)
	}
	ui.Close()
	if how.json {
		e := json.NewEncoder(c.stdout)
		e.SetIndent("", "  ")
		err = e.Encode(doc)
	} else {
		err = doc.print(c.stdout, o.headline)
	}
	if err == nil && (doc.Rejected > 0 || doc.Check != nil && len(doc.Check.Unknown) > 0) {
		err = errRows
	}
	return err
}

// survey reads the whole input, and asks the tenant if it is to be checked.
func (c *console) survey(ctx context.Context, f *sourceFlags, o operation, how forecastFlags, ui *ui) (*forecast, error) {
	host, err := hostOf(f.Domain)
	if err != nil {
		return nil, err
	}
	config := o.config(c, f, &auth0.Client{}, host, ui.log)
	before := &report.Journal{}
	if f.Resume {
		if before, err = job.ReadJournal(f.Results, host, config.Op); err != nil {
			return nil, resultsError(f.Results, err)
		}
	}
	obs, check := &observer{log: ui.log}, newCheck()
	lookUp := func(*job.Source) error { return nil }
	if how.check {
		tenant, err := c.connect(ctx, &f.tenantFlags, &f.paceFlags, obs)
		if err == nil { // refused credentials are reported before the file is read
			err = check.begin(ctx, tenant, o.scope)
		}
		if err != nil {
			return nil, err
		}
		config.Lookups.CheckOrgs = true
		lookUp = func(src *job.Source) error { return src.LookUp(ctx, tenant, before) }
	} else {
		config.Lookups, config.Assume = job.Lookups{}, true
	}
	src, err := job.Open(ctx, config)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	started := time.Now()
	ui.watch(func() progress {
		p, looking := lookUpProgress(src)
		if !looking {
			p.elapsed = time.Since(started)
			p.done, p.total, p.bytes = src.Progress()
			p.words = report.Plural(src.Passed(), "row")
		}
		p.waiting = obs.waiting()
		return p
	})
	if err := lookUp(src); err != nil {
		return nil, err
	}
	found, err := surveyAndReject(ctx, src, before, f.Failures, check)
	if err != nil {
		return nil, err
	}
	if err := writeResolved(ctx, src, how.resolved); err != nil {
		return nil, err
	}
	doc := newForecast(src, found, f, o.headline)
	if how.check {
		doc.Check = check.conclude(src.Findings(), found)
	}
	return doc, nil
}

// surveyAndReject surveys the rows, and writes those that would be rejected to the
// file of --failures, as a run would.
func surveyAndReject(ctx context.Context, src *job.Source, before *report.Journal, path string, check *checkResult) (found *job.Survey, err error) {
	survey := func(w io.Writer) error {
		buffered := bufio.NewWriter(w)
		rejects := report.NewWriter(buffered, src.Op.Args, src.Table().Kept)
		if err := rejects.WriteHeader(); err != nil {
			return err
		}
		found, err = src.Survey(ctx, before, func(row importer.Row) error {
			check.add(row)
			return rejects.Write([]importer.Outcome{importer.Unsent(row)})
		})
		return cmp.Or(err, buffered.Flush())
	}
	if path == "" {
		return found, survey(io.Discard)
	}
	return found, writeFailed(ctx, path, files.Replace(path, 0o600, survey))
}

// writeFailed returns the error of a file that is made while the input is read, which
// may have failed too.
func writeFailed(ctx context.Context, path string, err error) error {
	if input := (*csvfile.InputError)(nil); err == nil || ctx.Err() != nil || errors.As(err, &input) {
		return err
	}
	return files.CantWrite(path, err)
}

// writeResolved writes the input with the ids that were found to a file, if its path
// is not empty. A row without ids keeps the columns of its keys.
func writeResolved(ctx context.Context, src *job.Source, path string) error {
	if path == "" {
		return nil
	}
	return writeFailed(ctx, path, files.Replace(path, 0o600, func(w io.Writer) error {
		out := csv.NewWriter(w)
		all, err := src.Whole()
		if err != nil {
			return err
		}
		_ = out.Write(append([]string{"org_id", "user_id"}, all.Table().Kept...)) // Error returns the error
		for row, err := range all.Rows() {
			if err != nil || ctx.Err() != nil {
				return stoppedOr(ctx, err)
			}
			if job.IsUnreadable(row) { // it must not become one that can be sent
				row.OrgID, row.UserID = "", ""
			}
			if err := out.Write(append([]string{row.OrgID, row.UserID}, row.Kept...)); err != nil {
				return err
			}
		}
		out.Flush()
		return out.Error()
	}))
}

// forecast is what orgimport plan prints. Scripts rely on its JSON: fields may be
// added, but not renamed or removed.
type forecast struct {
	Input   string      `json:"input"`
	Dialect string      `json:"dialect"`
	Columns headerNames `json:"columns"`

	*job.Survey
	BatchSize int `json:"batch_size"`
	Requests  int `json:"requests"` // if none fails and none is repeated

	Estimates []estimate   `json:"estimates"`
	AtRate    *atRate      `json:"at_rate,omitempty"`
	Notes     []string     `json:"notes,omitempty"`
	Rejects   []reject     `json:"rejects"`
	Check     *checkResult `json:"check,omitempty"`

	failures string // path of the file with all rejects; empty: none
}

// headerNames are the names of the columns in the header.
type headerNames struct {
	OrgID  string   `json:"org_id"` // empty: every row has the organization of --org
	UserID string   `json:"user_id"`
	Kept   []string `json:"kept"`
}

// estimate is the least time that a run takes at the limits of an Auth0 plan.
type estimate struct {
	Plan    string `json:"plan"`
	Limit   string `json:"limit"` // the rate in the long run
	Seconds int    `json:"seconds"`
}

// atRate is the least time that a run takes at --rate.
type atRate struct {
	Rate    float64 `json:"rate"`
	Seconds int     `json:"seconds"`
}

// reject is a row that would be rejected.
type reject struct {
	Line   int    `json:"line"`
	OrgID  string `json:"org_id"`
	UserID string `json:"user_id"`
	Reason string `json:"reason"`
}

// newForecast makes a forecast from what a survey of the input found.
func newForecast(src *job.Source, found *job.Survey, f *sourceFlags, h headline) *forecast {
	table := src.Table()
	doc := &forecast{
		Input: src.Name(), Dialect: table.String(), Columns: headerNames{Kept: append([]string{}, table.Kept...)},
		Survey: found, BatchSize: src.Op.Size, Requests: found.Batches,
		Rejects: []reject{}, failures: f.Failures,
	}
	doc.Columns.OrgID, doc.Columns.UserID = table.Columns()
	for _, plan := range publishedPlans() {
		if limits := h.limits(plan); limits != nil {
			doc.Estimates = append(doc.Estimates, estimate{plan.name, sustained(limits), int(duration(float64(doc.Requests), limits...).Seconds())})
		}
	}
	if f.Rate > 0 {
		doc.AtRate = &atRate{f.Rate, int(duration(float64(doc.Requests), steadily(f.Rate)).Seconds())}
	}
	for _, note := range table.Notes() {
		doc.Notes = append(doc.Notes, note.Text)
	}
	if h.verb == "" {
		doc.Notes = append(doc.Notes, doc.otherWays()...)
	}
	for _, row := range found.Rejects {
		doc.Rejects = append(doc.Rejects, reject{row.Line, row.OrgID, row.UserID, row.Err.Error()})
	}
	return doc
}

// print prints the forecast for people. With a headline, the requests and the time
// come first, and all organizations are listed.
func (p *forecast) print(w io.Writer, h headline) error {
	out := bufio.NewWriter(w)
	if h.verb != "" {
		usual := usualLimit(h.limits)
		fmt.Fprintf(out, "at least %s to %s %s: %s at %s\n", report.Plural(p.Requests, "request"), h.verb, report.Plural(p.Sendable, h.noun),
			atLeast(duration(float64(p.Requests), usual...)), sustained(usual))
	}
	if h.otherWay != "" {
		fmt.Fprintln(out, h.otherWay)
	}
	fmt.Fprintf(out, "%s: %s\n", p.Input, p.Dialect)
	if len(p.Columns.Kept) > 0 {
		fmt.Fprintf(out, "copied to the results: %s\n", strings.Join(p.Columns.Kept, ", "))
	}
	fmt.Fprintln(out, p.totals())
	if h.verb == "" {
		fmt.Fprintf(out, "%s, %s of up to %s: at least %s\n", report.Plural(p.Organizations, "organization"),
			report.Number(p.Batches)+" "+report.Verb(p.Batches, "batch", "batches"), report.Plural(p.BatchSize, "user"), report.Plural(p.Requests, "request"))
	}
	p.printTimes(out)
	switch {
	case p.Organizations == 0:
	case h.verb == "":
		fmt.Fprintln(out, "\nlargest organizations:")
		printOrgs(out, p.Largest)
	default:
		fmt.Fprintf(out, "\n%s:\n", report.Plural(p.Organizations, "organization"))
		printOrgs(out, p.Orgs())
	}
	if len(p.Notes) > 0 {
		fmt.Fprintln(out, "\nnotes on the file:")
	}
	for _, note := range p.Notes {
		fmt.Fprintf(out, "  %s\n", report.Printable(note))
	}
	p.printRejects(out)
	if p.Check != nil {
		p.Check.print(out)
	}
	return out.Flush()
}

// manyOrgs is how many organizations there are at least if it is worth a thought that
// most of them are small.
const manyOrgs = 10

// otherWays says what in the file speaks for another way than to import it.
func (p *forecast) otherWays() (notes []string) {
	if p.OwnConnections {
		notes = append(notes, "the rows of each organization name one connection of its own: if all who can log in there belong to it, no import is needed (orgimport help should-i-import)")
	}
	if p.Organizations >= manyOrgs && 2*p.Small > p.Organizations {
		notes = append(notes, fmt.Sprintf("%s of %s do not fill a request: if each has a connection of its own, there may be a better way (orgimport help should-i-import)",
			report.Number(p.Small), report.Plural(p.Organizations, "organization")))
	}
	return notes
}

// totals returns the line that adds up the rows.
func (p *forecast) totals() string {
	var terms []string
	for _, t := range []struct {
		n    int
		name string
	}{
		{p.Sendable, "to send"}, {p.Settled, "done already"}, {p.Duplicates, "duplicate"}, {p.Rejected, "rejected"},
	} {
		if t.n > 0 {
			terms = append(terms, report.Number(t.n)+" "+t.name)
		}
	}
	if len(terms) == 0 {
		return "0 rows"
	}
	return report.Plural(p.Rows, "row") + " = " + strings.Join(terms, " + ")
}

func (p *forecast) printTimes(w io.Writer) {
	if p.Requests == 0 {
		return
	}
	fmt.Fprintln(w, "\nshortest time, by the limits that Auth0 publishes for its plans:")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, e := range p.Estimates {
		fmt.Fprintf(t, "  %s\t%s\t%s\n", e.Plan, atLeast(wholeSeconds(e.Seconds)), e.Limit)
	}
	if p.AtRate != nil {
		fmt.Fprintf(t, "  --rate %g\t%s\t\n", p.AtRate.Rate, atLeast(wholeSeconds(p.AtRate.Seconds)))
	}
	_ = t.Flush() // w is buffered; its error is checked at the end
}

// atLeast formats the least time that a run takes.
func atLeast(d time.Duration) string {
	if d < time.Second {
		return "under 1s"
	}
	return brief(d)
}

func wholeSeconds(n int) time.Duration { return time.Duration(n) * time.Second }

func (p *forecast) printRejects(w io.Writer) {
	if p.Rejected == 0 {
		return
	}
	fmt.Fprintln(w, "\nrows that would be rejected:")
	for _, r := range p.Rejects {
		fmt.Fprintf(w, "  line %d: %s\n", r.Line, report.Printable(r.Reason))
	}
	switch more := p.Rejected - len(p.Rejects); {
	case p.failures != "":
		fmt.Fprintf(w, "all of them are in %s\n", p.failures)
	case more > 0:
		fmt.Fprintf(w, "  and %s more: --failures FILE writes all of them\n", report.Number(more))
	}
}

// checkResult is the result of plan --check: whether the token allows the import,
// what the look-ups found, and whether the organizations exist. Scripts rely on
// its JSON, as on that of [forecast].
type checkResult struct {
	Tenant  string        `json:"tenant"`
	Scope   string        `json:"scope"`             // granted, or unknown if the token does not list its scopes
	Asked   int           `json:"asked"`             // organizations that were checked
	Skipped string        `json:"skipped,omitempty"` // why the organizations were not checked; empty if they were
	Unknown []job.OrgRows `json:"unknown"`           // organizations that do not exist, largest first

	Keys        []keysFound     `json:"keys"`       // keys looked up, ids included, by kind
	Unresolved  []unresolved    `json:"unresolved"` // rows whose user or organization is unknown or ambiguous, by error code
	Members     int             `json:"members"`    // pairs of the file that are members already
	LookUps     []job.PhaseCost `json:"look_ups"`   // requests and time, by phase
	Reads       int             `json:"reads"`
	WritesSaved int             `json:"writes_saved"`

	needs string // the scope of the operation
}

// keysFound says how many keys of one kind exist in the tenant.
type keysFound struct {
	Of    string `json:"of"`   // users or organizations
	Kind  string `json:"kind"` // for example, email
	Keys  int    `json:"keys"`
	Found int    `json:"found"`
}

// unresolved counts the rows that would be rejected with one error code.
type unresolved struct {
	Code     string    `json:"error_code"`
	Rows     int       `json:"rows"`
	Examples []example `json:"examples"` // at most mostExamples
}

type example struct {
	Line   int    `json:"line"`
	Reason string `json:"reason"`
}

const mostExamples = 3

func newCheck() *checkResult {
	return &checkResult{Scope: "granted", Unknown: []job.OrgRows{}, Keys: []keysFound{}, Unresolved: []unresolved{}, LookUps: []job.PhaseCost{}}
}

// begin gets a token, and checks that it has the scope that the operation needs.
func (r *checkResult) begin(ctx context.Context, tenant *tenancy.Tenant, scope string) error {
	r.Tenant, r.needs = tenant.Host(), scope
	err := tenant.RequireScopes(ctx, []string{scope})
	if _, known := tenant.Tokens.Scopes(); !known {
		r.Scope = "unknown"
	}
	return err
}

// add counts a row that would be rejected, if its user or its organization is unknown
// or ambiguous.
func (r *checkResult) add(row importer.Row) {
	why, ok := errors.AsType[*importer.Rejection](row.Err)
	if !ok || !why.Unresolved() {
		return
	}
	i := slices.IndexFunc(r.Unresolved, func(u unresolved) bool { return u.Code == why.Code })
	if i < 0 {
		i = len(r.Unresolved)
		r.Unresolved = append(r.Unresolved, unresolved{Code: why.Code})
	}
	u := &r.Unresolved[i]
	u.Rows++
	if len(u.Examples) < mostExamples {
		u.Examples = append(u.Examples, example{row.Line, why.Error()})
	}
}

// conclude completes r by what the look-ups found, once all rows have passed.
func (r *checkResult) conclude(found job.Findings, rows *job.Survey) *checkResult {
	r.Skipped, r.Reads, r.WritesSaved = found.Unchecked, found.Reads, rows.WritesSaved
	r.LookUps = append(r.LookUps, found.Phases...)
	slices.SortFunc(r.Unresolved, func(a, b unresolved) int { return cmp.Or(b.Rows-a.Rows, strings.Compare(a.Code, b.Code)) })
	dir := found.Directory
	if dir == nil {
		return r
	}
	r.Members = dir.Members()
	for _, side := range []struct {
		of string
		*importer.Index
	}{{"organizations", &dir.Orgs}, {"users", &dir.Users}} {
		for _, kind := range side.Kinds() {
			keys, hits := side.Count(kind)
			r.Keys = append(r.Keys, keysFound{side.of, kind, keys, hits})
		}
	}
	if r.Skipped != "" {
		return r
	}
	r.Asked, _ = dir.Orgs.Count(importer.KindOrgID)
	for org := range dir.Orgs.Missing() {
		if n := rows.RowsOf(org.Value); org.Kind == importer.KindOrgID && n > 0 {
			r.Unknown = append(r.Unknown, job.OrgRows{OrgID: org.Value, Rows: n})
		}
	}
	slices.SortFunc(r.Unknown, job.ByRows)
	return r
}

// print prints r for people.
func (r *checkResult) print(out io.Writer) {
	fmt.Fprintf(out, "\ntenant %s: the token is good", r.Tenant)
	if r.Scope == "unknown" {
		fmt.Fprintf(out, "; it does not show whether it has the scope %s\n", r.needs)
	} else {
		fmt.Fprintf(out, " and has the scope %s\n", r.needs)
	}
	if r.Skipped != "" {
		fmt.Fprintf(out, "organizations not checked: %s\n", report.Printable(r.Skipped))
	}
	r.printLookUps(out)
}

// printLookUps prints what was looked up, and the requests and time that took.
func (r *checkResult) printLookUps(w io.Writer) {
	if len(r.Keys) == 0 && r.Reads == 0 {
		return
	}
	for _, k := range r.Keys {
		if k.Of == "organizations" && k.Kind == importer.KindOrgID && r.Skipped != "" {
			continue
		}
		fmt.Fprintf(w, "%s by %s: %s of %s found\n", k.Of, k.Kind, report.Number(k.Found), report.Number(k.Keys))
	}
	if len(r.Unknown) > 0 {
		fmt.Fprintf(w, "%s %s not exist:\n", report.Plural(len(r.Unknown), "organization"), report.Verb(len(r.Unknown), "does", "do"))
		printOrgs(w, r.Unknown)
	}
	if r.Members > 0 {
		fmt.Fprintf(w, "%s %s already\n", report.Plural(r.Members, "membership"), report.Verb(r.Members, "exists", "exist"))
	}
	for _, u := range r.Unresolved {
		fmt.Fprintf(w, "%s: %s, for example:\n", u.Code, report.Plural(u.Rows, "row"))
		for _, e := range u.Examples {
			fmt.Fprintf(w, "  line %d: %s\n", e.Line, report.Printable(e.Reason))
		}
	}
	var parts []string
	for _, l := range r.LookUps {
		parts = append(parts, fmt.Sprintf("%s %s in %s", l.Phase, report.Number(l.Requests), brief(time.Duration(l.Seconds*float64(time.Second)))))
	}
	if r.Reads > 0 {
		fmt.Fprintf(w, "looked up with %s: %s\n", report.Plural(r.Reads, "request"), strings.Join(parts, ", "))
	}
	if r.WritesSaved > 0 {
		fmt.Fprintf(w, "%s saved by %s\n", report.Plural(r.WritesSaved, "write"), report.Plural(r.Reads, "read"))
	}
}
