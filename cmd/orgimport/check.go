package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"orgimport/cmd/orgimport/internal/job"
	"orgimport/cmd/orgimport/internal/tenancy"
	"orgimport/importer"
	"orgimport/report"
)

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
