package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"orgimport/importer"
	"orgimport/importer/auth0"
)

// scopeAdd is what an import takes.
const scopeAdd = "create:organization_members"

// scopesReadOrganization are those of which any lets an organization be read.
func scopesReadOrganization() []string {
	return []string{"read:organizations", "read:organizations_summary"}
}

// check asks the tenant what can be known before an import: whether the token is
// good for it, and whether the organizations exist.
type check struct {
	*console
	observer
	conn  *connection
	ui    uiFlags
	rows  map[string]int // to send, by organization
	asked atomic.Int64
}

// finding is what a check found. Its JSON is promised to scripts, as that of
// [plan].
type finding struct {
	Tenant  string             `json:"tenant"`
	Scope   string             `json:"scope"`             // of adding members: granted, or unknown if the token does not tell
	Asked   int                `json:"asked"`             // organizations
	Skipped string             `json:"skipped,omitempty"` // why the organizations were not asked for, if they were not
	Unknown []importer.OrgRows `json:"unknown"`           // organizations that do not exist, the largest first
}

// openCheck gets a token, so that credentials that are refused are told before
// the file is read.
func openCheck(ctx context.Context, c *console, cmd *planCmd) (*check, error) {
	conn, err := cmd.connect(c.surroundings, cmd.paceFlags)
	if err != nil {
		return nil, err
	}
	k := &check{console: c, conn: conn, ui: cmd.uiFlags, rows: make(map[string]int)}
	return k, conn.need(ctx, []string{scopeAdd})
}

// tally counts the rows that would be sent as they pass, by organization. It
// ends with ctx.
func tally(ctx context.Context, rows rowSeq, byOrg map[string]int) rowSeq {
	return func(yield func(importer.Row, error) bool) {
		for row, err := range rows {
			if ctx.Err() != nil {
				yield(importer.Row{}, context.Cause(ctx))
				return
			}
			if err == nil && row.Err == nil {
				n := byOrg[row.OrgID]
				if n == 0 {
					row.OrgID = strings.Clone(row.OrgID) // not the record with it
				}
				byOrg[row.OrgID] = n + 1
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

// run asks for each organization.
func (k *check) run(ctx context.Context) (*finding, error) {
	f := &finding{Tenant: k.conn.base.Host, Scope: "granted", Unknown: []importer.OrgRows{}}
	scopes, known := k.conn.tokens.Scopes()
	if !known {
		f.Scope = "unknown"
	}
	mayRead := func(scope string) bool { return slices.Contains(scopes, scope) }
	if wanted := scopesReadOrganization(); known && !slices.ContainsFunc(wanted, mayRead) {
		f.Skipped = "the token lacks the scope " + wanted[0]
		return f, nil
	}
	ui := k.openUI(k.ui)
	defer ui.Close()
	k.log = ui.log
	client, _ := k.conn.class(&k.observer)
	ui.log.Info(k.announce())
	started := time.Now()
	ui.watch(func() progress {
		asked := k.asked.Load()
		return progress{
			done: asked, total: int64(len(k.rows)), elapsed: time.Since(started), waiting: k.waiting(),
			words: fmt.Sprintf("%d of %d organizations", asked, len(k.rows)),
		}
	})
	return f, k.ask(ctx, client, f)
}

// ask fills in what the tenant says of each organization.
func (k *check) ask(ctx context.Context, client *auth0.Client, f *finding) error {
	for _, org := range largestFirst(k.rows) {
		_, err := client.Organization(ctx, org.OrgID)
		var credentials *auth0.CredentialsError
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil:
		case importer.ReachOf(err) == importer.ReachOrg:
			f.Unknown = append(f.Unknown, org)
		case errors.As(err, &credentials) && credentials.Status == http.StatusForbidden:
			f.Skipped = credentials.Error()
			return nil
		case importer.ReachOf(err) == importer.ReachBatch:
			return &exitError{exitTemporary, fmt.Errorf("the organizations could not be checked: %w", err), "try again in a while"}
		default:
			return err
		}
		f.Asked++
		k.asked.Add(1)
	}
	return nil
}

// largestFirst returns organizations with their numbers of rows, in the order of
// [importer.ByRows].
func largestFirst(byOrg map[string]int) []importer.OrgRows {
	orgs := make([]importer.OrgRows, 0, len(byOrg))
	for id, rows := range byOrg {
		orgs = append(orgs, importer.OrgRows{OrgID: id, Rows: rows})
	}
	slices.SortFunc(orgs, importer.ByRows)
	return orgs
}

// announce says how much there is to ask, and how long that may take.
func (k *check) announce() string {
	longest := time.Duration(-1)
	var slowest publishedPlan
	for _, p := range publishedPlans() {
		if d := duration(len(k.rows), p.reading()); d > longest {
			longest, slowest = d, p
		}
	}
	return fmt.Sprintf("asking %s for %d organizations, a request each: up to %s at the limits that Auth0 publishes (%s: %s)",
		k.conn.base.Host, len(k.rows), longest, slowest.name, sustained(slowest.reading()))
}

// print prints the finding for people.
func (f *finding) print(w io.Writer) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "\ntenant %s: the token is good", f.Tenant)
	if f.Scope == "unknown" {
		fmt.Fprintf(out, "; whether it has the scope %s can't be told\n", scopeAdd)
	} else {
		fmt.Fprintf(out, " and has the scope %s\n", scopeAdd)
	}
	switch {
	case f.Skipped != "":
		fmt.Fprintf(out, "organizations not checked: %s\n", printable(f.Skipped))
	case len(f.Unknown) == 0:
		fmt.Fprintf(out, "%d organizations exist\n", f.Asked)
	default:
		fmt.Fprintf(out, "%d of %d organizations do not exist:\n", len(f.Unknown), f.Asked)
		printOrgs(out, f.Unknown)
	}
	return out.Flush()
}
