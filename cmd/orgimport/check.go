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

	"orgimport/importer"
	"orgimport/report"
)

// scopeAdd is the scope that an import requires.
const scopeAdd = "create:organization_members"

// scopesReadOrganization returns the scopes that allow reading an organization.
// Any one of them is enough.
func scopesReadOrganization() []string {
	return []string{"read:organizations", "read:organizations_summary"}
}

// finding is the result of plan --check: whether the token allows the import,
// what the look-ups found, and whether the organizations exist. Scripts rely on
// its JSON, as on that of [plan].
type finding struct {
	Tenant  string             `json:"tenant"`
	Scope   string             `json:"scope"`             // scopeAdd: granted, or unknown if the token does not list its scopes
	Asked   int                `json:"asked"`             // organizations that were checked
	Skipped string             `json:"skipped,omitempty"` // why the organizations were not checked; empty if they were
	Unknown []importer.OrgRows `json:"unknown"`           // organizations that do not exist, largest first

	Keys        []keysFound  `json:"keys"`       // keys looked up, ids included, by kind
	Unresolved  []unresolved `json:"unresolved"` // rows whose user or organization is unknown or ambiguous, by error code
	Members     int          `json:"members"`    // pairs of the file that are members already
	LookUps     []phaseCost  `json:"look_ups"`   // requests and time, by phase
	Reads       int          `json:"reads"`
	WritesSaved int          `json:"writes_saved"`
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

// openCheck gets a token, so that refused credentials are reported before the
// file is read.
func (j *job) openCheck(ctx context.Context) (f *finding, err error) {
	if j.conn, err = j.connect(j.surroundings, j.paceFlags, &j.observer); err != nil {
		return nil, err
	}
	f = &finding{
		Tenant: j.conn.base.Host, Scope: "granted",
		Unknown: []importer.OrgRows{}, Keys: []keysFound{}, Unresolved: []unresolved{}, LookUps: []phaseCost{},
	}
	if err := j.conn.requireScopes(ctx, []string{scopeAdd}); err != nil {
		return nil, err
	}
	if _, known := j.conn.tokens.Scopes(); !known {
		f.Scope = "unknown"
	}
	return f, nil
}

// findForCheck makes the look-ups that an import would make, and also looks up
// whether the organizations that the file names by id exist.
func (j *job) findForCheck(ctx context.Context) error {
	look := &j.look
	if look.dir == nil { // an empty file
		return nil
	}
	wanted := scopesReadOrganization()
	if scopes, known := j.conn.tokens.Scopes(); known && look.onlyCheckOrgs() &&
		!slices.ContainsFunc(wanted, func(scope string) bool { return slices.Contains(scopes, scope) }) {
		look.unchecked = "the token lacks the scope " + wanted[0]
		look.dir.Orgs = importer.Index{}
	}
	err := look.find(ctx, j.conn, &j.observer, j.reopenTable)
	look.dir.CheckOrgs = false // an import sends these rows whether or not the organization exists
	return err
}

// checked yields rows unchanged. As they pass, it adds the unresolved ones to f
// and counts in j.saved the requests that are not needed.
func (j *job) checked(rows rowSeq, f *finding) rowSeq {
	j.saved = newSaved(j.batchSize())
	return importer.Each(j.saved.count(rows), func(row *importer.Row) error {
		if unresolved, ok := errors.AsType[*importer.Rejection](row.Err); ok && unresolved.Unresolved() {
			f.add(unresolved.Code, row.Line, unresolved.Error())
		}
		return nil
	})
}

func (f *finding) add(code string, line int, reason string) {
	i := slices.IndexFunc(f.Unresolved, func(u unresolved) bool { return u.Code == code })
	if i < 0 {
		i = len(f.Unresolved)
		f.Unresolved = append(f.Unresolved, unresolved{Code: code})
	}
	u := &f.Unresolved[i]
	u.Rows++
	if len(u.Examples) < mostExamples {
		u.Examples = append(u.Examples, example{line, reason})
	}
}

// conclude completes f once all rows have passed.
func (j *job) conclude(f *finding, rows *importer.Plan) *finding {
	look := &j.look
	f.Skipped = look.unchecked
	f.Reads, f.WritesSaved = int(look.sent.Load()), j.saved.requests()
	f.LookUps = append(f.LookUps, look.phases...)
	slices.SortFunc(f.Unresolved, func(a, b unresolved) int { return cmp.Or(b.Rows-a.Rows, strings.Compare(a.Code, b.Code)) })
	if look.dir == nil {
		return f
	}
	f.Members = look.dir.Members()
	for _, side := range []struct {
		of string
		*importer.Index
	}{{"organizations", &look.dir.Orgs}, {"users", &look.dir.Users}} {
		for _, kind := range side.Kinds() {
			keys, found := side.Count(kind)
			f.Keys = append(f.Keys, keysFound{side.of, kind, keys, found})
		}
	}
	if f.Skipped != "" {
		return f
	}
	f.Asked, _ = look.dir.Orgs.Count(importer.KindOrgID)
	for org := range look.dir.Orgs.Missing() {
		if n := rows.RowsOf(org.Value); org.Kind == importer.KindOrgID && n > 0 {
			f.Unknown = append(f.Unknown, importer.OrgRows{OrgID: org.Value, Rows: n})
		}
	}
	slices.SortFunc(f.Unknown, importer.ByRows)
	return f
}

// print prints f for people.
func (f *finding) print(out io.Writer) {
	fmt.Fprintf(out, "\ntenant %s: the token is good", f.Tenant)
	if f.Scope == "unknown" {
		fmt.Fprintf(out, "; it does not show whether it has the scope %s\n", scopeAdd)
	} else {
		fmt.Fprintf(out, " and has the scope %s\n", scopeAdd)
	}
	switch {
	case f.Skipped != "":
		fmt.Fprintf(out, "organizations not checked: %s\n", printable(f.Skipped))
	case f.Asked == 0 && len(f.Keys) > 0:
	case len(f.Unknown) == 0:
		fmt.Fprintf(out, "%s %s\n", report.Plural(f.Asked, "organization"), report.Verb(f.Asked, "exists", "exist"))
	default:
		fmt.Fprintf(out, "%s of %s %s not exist:\n", report.Number(len(f.Unknown)), report.Plural(f.Asked, "organization"), report.Verb(len(f.Unknown), "does", "do"))
		printOrgs(out, f.Unknown)
	}
	f.printLookUps(out)
}

// printLookUps prints what was looked up, and the requests and time that took.
func (f *finding) printLookUps(w io.Writer) {
	if len(f.Keys) == 0 && f.Reads == 0 {
		return
	}
	for _, k := range f.Keys {
		if k.Of == "users" || k.Kind != importer.KindOrgID {
			fmt.Fprintf(w, "%s by %s: %s of %s found\n", k.Of, k.Kind, report.Number(k.Found), report.Number(k.Keys))
		}
	}
	if f.Members > 0 {
		fmt.Fprintf(w, "%s %s already\n", report.Plural(f.Members, "membership"), report.Verb(f.Members, "exists", "exist"))
	}
	for _, u := range f.Unresolved {
		fmt.Fprintf(w, "%s: %s, for example:\n", u.Code, report.Plural(u.Rows, "row"))
		for _, e := range u.Examples {
			fmt.Fprintf(w, "  line %d: %s\n", e.Line, printable(e.Reason))
		}
	}
	var parts []string
	for _, l := range f.LookUps {
		parts = append(parts, fmt.Sprintf("%s %s in %s", l.Phase, report.Number(l.Requests), brief(time.Duration(l.Seconds*float64(time.Second)))))
	}
	if f.Reads > 0 {
		fmt.Fprintf(w, "looked up with %s: %s\n", report.Plural(f.Reads, "request"), strings.Join(parts, ", "))
	}
	if f.WritesSaved > 0 {
		fmt.Fprintf(w, "%s saved by %s\n", report.Plural(f.WritesSaved, "write"), report.Plural(f.Reads, "read"))
	}
}
