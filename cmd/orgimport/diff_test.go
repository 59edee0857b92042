package main

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"orgimport/importer/auth0/auth0test"
)

// TestDiffRounds compares random files with random tenants, which lag, refuse
// requests and return short pages. It imports the joiners, removes the leavers, and
// compares again. 5,000 rounds take two minutes:
//
//	PROOF=full go test -run TestDiffRounds ./cmd/orgimport
func TestDiffRounds(t *testing.T) {
	t.Parallel()
	dir := memoryDir(t)
	played := 0
	round := func(rt *rapid.T) {
		played++
		r := drawDiffRound(rt)
		r.dir = filepath.Join(dir, strconv.Itoa(played))
		if err := os.Mkdir(r.dir, 0o700); err != nil {
			rt.Fatal(err)
		}
		var err error
		synctest.Test(t, func(*testing.T) { err = r.play() })
		if err != nil {
			rt.Fatalf("%v\n%s\n%s", err, r.file, r.said)
		}
		if err := os.RemoveAll(r.dir); err != nil {
			rt.Fatal(err)
		}
	}
	rapid.Check(t, round)
	for proofInFull() && played < 5000 {
		rapid.Check(t, round)
	}
}

// diffRound is a file and a tenant.
type diffRound struct {
	dir    string
	config auth0test.Config
	member map[string][]string // ids of users, by organization
	rows   []diffRow
	broken bool // the last line can't be read
	calm   bool // no request is refused
	flags  []string

	file   string
	said   string // by the last command
	tenant *auth0test.Tenant
}

// diffRow is a row of the input, org_id, org_name, user_id, email, team, or of one of
// the files that a diff writes.
type diffRow [7]string

var diffOrgs = []auth0test.Organization{
	{ID: "org_aaaaaaaaaaaaaaaa", Name: "acme"}, {ID: "org_bbbbbbbbbbbbbbbb", Name: "beta"}, {ID: "org_cccccccccccccccc", Name: "gamma"},
}

func drawDiffRound(rt *rapid.T) *diffRound {
	small := func(most int, label string) int { return rapid.IntRange(0, most).Draw(rt, label) }
	one := func(label string, of ...string) string { return rapid.SampledFrom(of).Draw(rt, label) }
	r := &diffRound{member: make(map[string][]string)}
	var ids, addresses []string
	for i := range 8 {
		u := auth0test.User{ID: fmt.Sprintf("auth0|%024d", i), Email: fmt.Sprintf("user%d@acme.com", i), Name: fmt.Sprint("User ", i)}
		switch one("kind of user", "", "", "", "unverified", "twin", "no address") {
		case "unverified":
			u.Unverified = true
		case "twin":
			u.Email = "user0@acme.com"
		case "no address":
			u.Email = ""
		}
		r.config.Users = append(r.config.Users, u)
		ids, addresses = append(ids, u.ID), append(addresses, fmt.Sprintf("user%d@acme.com", i))
	}
	r.config.Organizations = diffOrgs
	for _, o := range diffOrgs {
		r.member[o.ID] = rapid.SliceOfDistinct(rapid.SampledFrom(ids), rapid.ID).Draw(rt, "members")
	}
	for range small(14, "rows") {
		o := rapid.SampledFrom(diffOrgs).Draw(rt, "org")
		row := diffRow{4: one("team", "", "x", one("address", addresses...))}
		switch one("organization by", "id", "id", "id", "name", "name", "unknown id", "unknown name", "nothing") {
		case "id":
			row[0] = o.ID
		case "name":
			row[1] = one("case", strings.ToUpper(o.Name), o.Name)
		case "unknown id":
			row[0] = "org_zzzzzzzzzzzzzzzz"
		case "unknown name":
			row[1] = "nobody"
		}
		switch one("user by", "id", "id", "id", "address", "address", "address", "both", "unknown address", "nothing") {
		case "id":
			row[2] = one("id", ids...)
		case "address":
			row[3] = one("address", addresses...)
		case "both":
			row[2], row[3] = one("id", ids...), one("address", addresses...)
		case "unknown address":
			row[3] = "nobody@acme.com"
		}
		if rapid.Bool().Draw(rt, "capitals") {
			row[3] = " " + strings.ToUpper(row[3])
		}
		if strings.TrimSpace(strings.Join(row[:], "")) == "" {
			row[4] = "x" // a line without values is no row
		}
		r.rows = append(r.rows, row)
	}
	r.broken = small(9, "broken") == 0
	r.flags = [][]string{nil, {"--check-users"}, {"--lookup", "export"}, {"--allow-unverified"}}[small(3, "flags")]
	r.config.KeepLog = true
	r.config.Undocumented = auth0test.Undocumented{
		Next:        rapid.SampledFrom([]auth0test.Next{auth0test.NextAsRecorded, auth0test.NextAlways}).Draw(rt, "next"),
		PageSize:    rapid.SampledFrom([]int{0, 1, 3}).Draw(rt, "page"),
		AddDelay:    time.Duration(small(10, "lag")) * time.Second,
		RemoveDelay: time.Duration(small(10, "lag of removals")) * time.Second,
	}
	r.calm = rapid.Bool().Draw(rt, "calm")
	refused := rapid.SliceOfNDistinct(rapid.IntRange(1, 20), 0, 4, rapid.ID).Draw(rt, "refused")
	r.config.Fault = func(_ *http.Request, n int) auth0test.Fault {
		if !r.calm && slices.Contains(refused, n) {
			return auth0test.Fault{Status: []int{http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusBadGateway}[n%3]}
		}
		return auth0test.Fault{}
	}
	return r
}

// run runs a command, which must end with one of the exit codes, and returns its last
// line on stdout.
func (r *diffRound) run(codes []int, args ...string) (last string, err error) {
	code, stdout, stderr := inMemory(r.tenant, nil, args...)
	r.said = strings.Join(args, " ") + "\n" + stdout + stderr
	if !slices.Contains(codes, code) {
		return "", fmt.Errorf("exit code %d", code)
	}
	lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
	return lines[len(lines)-1], nil
}

func (r *diffRound) path(name string) string { return filepath.Join(r.dir, name) }

// diff runs orgimport diff and returns the pairs in its files, which are the lines
// that it counts.
func (r *diffRound) diff() (joiners, leavers, kept map[[2]string]diffRow, err error) {
	args := append([]string{"diff", r.path("members.csv"), "--joiners", r.path("in.csv"), "--leavers", r.path("out.csv"), "--kept", r.path("kept.csv")}, r.flags...)
	before := len(r.tenant.Log())
	last, err := r.run([]int{exitDone, exitRows}, args...)
	if err != nil {
		return nil, nil, nil, err
	}
	all, counts := make([]map[[2]string]diffRow, 3), make([]int, 3)
	for i, name := range []string{"in.csv", "out.csv", "kept.csv"} {
		content, err := os.ReadFile(r.path(name))
		if err != nil {
			return nil, nil, nil, err
		}
		records, err := csv.NewReader(bytes.NewReader(content)).ReadAll()
		if err != nil {
			return nil, nil, nil, err
		}
		if lines := strings.SplitAfter(string(content), "\n"); !slices.IsSorted(lines[1 : len(lines)-1]) {
			return nil, nil, nil, fmt.Errorf("%s is not sorted:\n%s", name, content)
		}
		user := slices.Index(records[0], "user_id")
		all[i], counts[i] = make(map[[2]string]diffRow), len(records)-1
		for _, record := range records[1:] {
			var row diffRow
			copy(row[:], record)
			all[i][[2]string{record[0], record[user]}] = row
		}
		if len(all[i]) != counts[i] {
			return nil, nil, nil, fmt.Errorf("a pair stands twice in %s", name)
		}
	}
	if want := fmt.Sprintf(": %d to add, %d to remove, %d kept", counts[0], counts[1], counts[2]); !strings.HasSuffix(last, want) {
		return nil, nil, nil, fmt.Errorf("the last line is %q, and not …%s", last, want)
	}
	lists := make(map[string]int) // requests, by organization
	for _, e := range r.tenant.Log()[before:] {
		if strings.HasSuffix(e.Path, "/members") {
			lists[e.OrgID]++
		}
		if e.Method != http.MethodGet && !strings.HasSuffix(e.Path, "/oauth/token") && !strings.HasSuffix(e.Path, "/jobs/users-exports") {
			return nil, nil, nil, fmt.Errorf("%s %s", e.Method, e.Path)
		}
	}
	page := cmp.Or(r.config.Undocumented.PageSize, 100)
	for org, n := range lists {
		if most := (len(r.tenant.Members(org))+page-1)/page + 1; r.calm && n > most {
			return nil, nil, nil, fmt.Errorf("%d requests for the members of %s, not at most %d", n, org, most)
		}
	}
	return all[0], all[1], all[2], nil
}

// named returns the pairs of the file, and the rows without a certain pair. It
// reads the state of the tenant directly.
func (r *diffRound) named() (pairs map[[2]string]bool, doubtful []diffRow, orgOf map[diffRow]string) {
	pairs, orgOf = make(map[[2]string]bool), make(map[diffRow]string)
	for _, row := range r.rows {
		org, user := row[0], row[2]
		for _, o := range diffOrgs {
			if org == "" && strings.EqualFold(row[1], o.Name) {
				org = o.ID
			}
		}
		if r.member[org] == nil {
			org = ""
		}
		if user == "" && strings.TrimSpace(row[3]) != "" {
			var found []auth0test.User
			for _, u := range r.config.Users {
				if strings.EqualFold(strings.TrimSpace(row[3]), u.Email) {
					found = append(found, u)
				}
			}
			if len(found) == 1 && (!found[0].Unverified || slices.Contains(r.flags, "--allow-unverified")) {
				user = found[0].ID
			}
		}
		orgOf[row] = org
		if org == "" || user == "" {
			doubtful = append(doubtful, row)
		} else {
			pairs[[2]string{org, user}] = true
		}
	}
	return pairs, doubtful, orgOf
}

func (r *diffRound) play() error {
	text := bytes.NewBufferString("org_id,org_name,user_id,email,team\n")
	w := csv.NewWriter(text)
	for _, row := range r.rows {
		_ = w.Write(row[:5])
	}
	w.Flush()
	if r.broken {
		text.WriteString("org_a,acme,\"auth0|1\n")
	}
	r.file = text.String()
	if err := os.WriteFile(r.path("members.csv"), text.Bytes(), 0o600); err != nil {
		return err
	}
	r.tenant = auth0test.New(r.config)
	for org, users := range r.member {
		if r.member[org] == nil {
			r.member[org] = []string{}
		}
		r.tenant.AddMembers(org, users...)
	}
	time.Sleep(time.Minute) // until the lists show it
	joiners, leavers, kept, err := r.diff()
	if err != nil {
		return err
	}
	emptied, err := r.check(joiners, leavers, kept)
	if err != nil {
		return err
	}

	if _, err := r.run([]int{exitDone}, "import", r.path("in.csv"), "--results", r.path("in.results.csv")); err != nil {
		return err
	}
	if _, err := r.run([]int{exitDone}, "remove", r.path("out.csv"), "--results", r.path("out.results.csv"), "--max-removals", "100"); err != nil {
		return err
	}
	for p := range kept {
		if !slices.Contains(r.tenant.Members(p[0]), p[1]) {
			return fmt.Errorf("%v is gone, although kept", p)
		}
	}
	time.Sleep(time.Minute)
	joiners, leavers, again, err := r.diff()
	if err != nil {
		return err
	}
	if len(joiners) > 0 || !emptied && (len(leavers) > 0 || !maps.Equal(again, kept)) {
		return fmt.Errorf("the second time, %v join, %v leave, %v are kept", joiners, leavers, again)
	}
	return nil
}

// check compares the files with the contract. It reports whether the file has no
// member at all of some organization.
func (r *diffRound) check(joiners, leavers, kept map[[2]string]diffRow) (emptied bool, err error) {
	pairs, doubtful, orgOf := r.named()
	compared := make(map[string]bool)
	for _, org := range orgOf {
		compared[org] = true
	}
	for org, users := range r.member {
		if !compared[org] {
			continue
		}
		anybody := slices.ContainsFunc(users, func(user string) bool { return pairs[[2]string{org, user}] })
		emptied = emptied || !anybody && len(users) > 0
		for _, user := range users {
			p := [2]string{org, user}
			_, leaves := leavers[p]
			_, stays := kept[p]
			i := slices.IndexFunc(r.config.Users, func(u auth0test.User) bool { return u.ID == user })
			inDoubt := !anybody || r.broken || slices.ContainsFunc(doubtful, func(row diffRow) bool {
				if orgOf[row] != "" && orgOf[row] != org {
					return false
				}
				nobody := strings.TrimSpace(row[2]+row[3]) == ""
				return nobody || slices.ContainsFunc(row[:], func(cell string) bool {
					cell = strings.TrimSpace(cell)
					return cell != "" && (strings.EqualFold(cell, user) || strings.EqualFold(cell, r.config.Users[i].Email))
				}) || r.ambiguous(row, user)
			})
			if leaves != (!pairs[p] && !inDoubt) || stays != (!pairs[p] && inDoubt) {
				return false, fmt.Errorf("%v: named %v, in doubt %v, leaves %v, kept %v: %q", p, pairs[p], inDoubt, leaves, stays, kept[p])
			}
			delete(pairs, p)
		}
	}
	if !maps.EqualFunc(pairs, joiners, func(bool, diffRow) bool { return true }) {
		return false, fmt.Errorf("%v join, not %v", joiners, pairs)
	}
	return emptied, nil
}

// ambiguous reports whether the user is one of those who have the address of a row.
func (r *diffRound) ambiguous(row diffRow, user string) bool {
	return slices.ContainsFunc(r.config.Users, func(u auth0test.User) bool {
		return u.ID == user && u.Email != "" && row[2] == "" && strings.EqualFold(strings.TrimSpace(row[3]), u.Email)
	})
}

// TestDiffStoppedAnywhere: no file is left, whenever a signal comes.
func TestDiffStoppedAnywhere(t *testing.T) {
	t.Parallel()
	dir := memoryDir(t)
	for n := 1; ; n++ {
		var code int
		var stderr string
		var left []string
		synctest.Test(t, func(t *testing.T) {
			stopped := diffCase{signals: make(chan os.Signal, 1)}
			stopped.before = func(request int, _ string) {
				if request == n {
					stopped.signals <- syscall.SIGTERM
					synctest.Wait()
				}
			}
			code, _, stderr, left = stopped.run(t, dir)
		})
		switch {
		case code == exitDone && n > 8:
			return
		case code != exitSignal+int(syscall.SIGTERM):
			t.Fatalf("stopped at request %d: exit code %d: %s", n, code, stderr)
		case !slices.Equal(left, []string{"members.csv"}):
			t.Fatalf("stopped at request %d, it leaves %q", n, left)
		}
	}
}

// run compares a file with a tenant that has three members in each organization.
// All outputs exist from the day before; left is the files that exist in the end.
func (c diffCase) run(t *testing.T, dir string) (code int, stdout, stderr string, left []string) {
	t.Helper()
	config := auth0test.Config{
		Users: []auth0test.User{{ID: "auth0|ann", Email: "ann@acme.com"}}, Organizations: diffOrgs,
		Undocumented: auth0test.Undocumented{PageSize: 1}, Fault: c.fault,
	}
	tenant := auth0test.New(config)
	for _, o := range diffOrgs {
		tenant.AddMembers(o.ID, "auth0|ann", "auth0|bob", "auth0|cid")
	}
	file := filepath.Join(dir, "members.csv")
	if err := os.WriteFile(file, []byte(cmp.Or(c.text, "org,email\nacme,ann@acme.com\nbeta,ann@acme.com\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"diff", file, "--workers", "1"}, c.args...)
	for _, flag := range []string{"joiners", "leavers", "kept", "failures", "summary"} {
		path := filepath.Join(dir, flag)
		if err := os.WriteFile(path, []byte("of yesterday\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--"+flag, path)
	}
	requests := 0
	transport := roundTripper(func(req *http.Request) (*http.Response, error) {
		requests++
		if c.before != nil {
			c.before(requests, file)
		}
		return tenant.RoundTrip(req)
	})
	code, stdout, stderr = inMemory(transport, c.signals, args...)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		left = append(left, e.Name())
	}
	return code, stdout, stderr, left
}

// diffCase is what is special about a diff. Before each request, before is called with
// its number and the path of the input.
type diffCase struct {
	text    string
	args    []string
	fault   func(*http.Request, int) auth0test.Fault
	before  func(n int, file string)
	signals chan os.Signal
}

// TestDiffIsWholeOrNotThere: if a list can't be read to its end, or the input
// changes, no file is written.
func TestDiffIsWholeOrNotThere(t *testing.T) {
	t.Parallel()
	// fails makes the second page of the members of beta fail.
	fails := func(fault auth0test.Fault) func(*http.Request, int) auth0test.Fault {
		return func(r *http.Request, _ int) auth0test.Fault {
			if strings.HasSuffix(r.URL.Path, diffOrgs[1].ID+"/members") && r.URL.Query().Has("from") {
				return fault
			}
			return auth0test.Fault{}
		}
	}
	for name, test := range map[string]struct {
		diffCase
		code int
		says string
	}{
		"refused":             {diffCase{fault: fails(auth0test.Fault{Status: http.StatusForbidden})}, exitStopped, diffOrgs[1].ID},
		"a page of a gateway": {diffCase{fault: fails(auth0test.Fault{Status: http.StatusNotFound, Body: auth0test.BodyHTML})}, exitTemporary, diffOrgs[1].ID},
		"no answer":           {diffCase{fault: fails(auth0test.Fault{Status: http.StatusServiceUnavailable})}, exitTemporary, diffOrgs[1].ID},
		"cut off":             {diffCase{fault: fails(auth0test.Fault{Cut: auth0test.Reset})}, exitTemporary, ""},
		"no time":             {diffCase{args: []string{"--max-duration", "1ns"}}, exitDuration, "--max-duration is reached"},
		"the input grows": {diffCase{before: func(n int, file string) {
			if n == 5 {
				f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
				if err == nil {
					_, _ = f.WriteString("beta,bob@acme.com\n")
					err = f.Close()
				}
				if err != nil {
					panic(err)
				}
			}
		}}, exitTemporary, "changed while it was being read"},
		"the input is replaced": {diffCase{before: func(n int, file string) {
			if n == 5 {
				if err := errors.Join(os.WriteFile(file+".new", []byte("org,email\nacme,bob@acme.com\n"), 0o600), os.Rename(file+".new", file)); err != nil {
					panic(err)
				}
			}
		}}, exitTemporary, "changed while it was being read"},
		"one address gets no answer": {diffCase{fault: func(r *http.Request, _ int) auth0test.Fault {
			if strings.HasSuffix(r.URL.Path, "/users-by-email") {
				return auth0test.Fault{Status: http.StatusServiceUnavailable}
			}
			return auth0test.Fault{}
		}}, exitTemporary, ""},
		"too many leave": {diffCase{args: []string{"--max-leavers", "3"}}, exitErrors, "4 of 6 members would leave"},
		"no such column": {diffCase{args: []string{"--user-column", "nobody"}}, exitUsage, "nobody"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := memoryDir(t)
			synctest.Test(t, func(t *testing.T) {
				code, _, stderr, left := test.run(t, dir)
				if code != test.code || !strings.Contains(stderr, test.says) {
					t.Errorf("exit code %d, want %d and %q:\n%s", code, test.code, test.says, stderr)
				}
				if !slices.Equal(left, []string{"members.csv"}) {
					t.Errorf("it leaves %q", left)
				}
			})
		})
	}
	dir := memoryDir(t)
	synctest.Test(t, func(t *testing.T) {
		unended := diffCase{text: "org,email\nacme,ann@acme.com\nbeta,ann@acme.com"}
		if code, stdout, stderr, left := unended.run(t, dir); code != exitDone || len(left) != 6 || stdout != "6 members of 2 organizations: 0 to add, 4 to remove, 0 kept\n" {
			t.Errorf("a last line without a line end, which did not change: exit code %d, %q, %s", code, left, stderr)
		}
	})
}

// TestDiffOnATerminal: it shows its progress, the largest organizations, and
// numbers that add up.
func TestDiffOnATerminal(t *testing.T) {
	t.Parallel()
	term := newTerminal(t, 100)
	config := auth0test.Config{Organizations: diffOrgs, Undocumented: auth0test.Undocumented{PageSize: 1}, Latency: auth0test.Fixed(40 * time.Millisecond)}
	config.Limits.Endpoints = map[auth0test.Class][]auth0test.Limit{auth0test.Other: {{Size: 500, Per: 500, Interval: time.Second}}}
	p := newProgram(t, &proofTenant{Tenant: auth0test.New(config), address: "https://acme.eu.auth0.com"}, []byte("org_id,user_id\n"+diffOrgs[0].ID+",auth0|0\n"+diffOrgs[1].ID+",auth0|0\n"+diffOrgs[1].ID+",auth0|new\n"))
	for i := range 20 {
		p.tenant.AddMembers(diffOrgs[0].ID, fmt.Sprint("auth0|", i))
	}
	p.tenant.AddMembers(diffOrgs[1].ID, "auth0|0", "auth0|1")
	surroundings := p.prepare("diff", "members.csv").surroundings()
	surroundings.stdout, surroundings.stderr = term.tty, term.tty
	done := make(chan int)
	go func() { done <- run(surroundings) }()
	for code := -1; code < 0; {
		select {
		case code = <-done:
		case <-time.After(100 * time.Millisecond):
		}
		term.look() // a terminal that nobody reads is full in the end
	}
	rows := term.look()
	if !strings.Contains(term.written.String(), " of 2 organizations, ") {
		t.Errorf("no progress:\n%s", strings.Join(rows, "\n"))
	}
	want := []string{
		"org_aaaaaaaaaaaaaaaa  20 members:  0 to add,  19 to remove,  0 kept",
		"org_bbbbbbbbbbbbbbbb  2 members:   1 to add,  1 to remove,   0 kept",
		"22 members of 2 organizations: 1 to add, 20 to remove, 0 kept",
		"",
	}
	if len(rows) < len(want) || !slices.Equal(rows[len(rows)-len(want):], want) {
		t.Errorf("at the end it shows\n%s", strings.Join(rows, "\n"))
	}
}

// TestDiffNights runs the nightly job for seven nights: new users of the file join,
// missing ones leave, one row is bad, and one list is refused. The flags about
// columns may be in the environment.
func TestDiffNights(t *testing.T) {
	t.Parallel()
	for name, env := range map[string][]string{
		"":                     nil,
		"with the environment": {"ORGIMPORT_ORG_COLUMN=firm", "ORGIMPORT_USER_COLUMN=mail", "ORGIMPORT_ORG_BY=name", "ORGIMPORT_USER_BY=email", "ORGIMPORT_KEEP_COLUMNS=true", "ORGIMPORT_CONNECTION=Users"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := memoryDir(t)
			synctest.Test(t, func(t *testing.T) { (&diffNights{t: t, dir: dir, env: env}).pass() })
		})
	}
}

type diffNights struct {
	t      *testing.T
	dir    string
	env    []string
	tenant *auth0test.Tenant
	refuse bool
	said   string
}

func (n *diffNights) pass() {
	config := auth0test.Config{Organizations: diffOrgs, Connections: []auth0test.Connection{{ID: "con_aaaaaaaaaaaaaaaa", Name: "Users"}}}
	for i := range 100 {
		config.Users = append(config.Users, auth0test.User{ID: fmt.Sprintf("auth0|%024d", i), Email: fmt.Sprintf("user%d@acme.com", i), Connection: "Users"})
	}
	config.Undocumented.RemoveDelay = 10 * time.Second
	config.Fault = func(r *http.Request, _ int) auth0test.Fault {
		if n.refuse && r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, diffOrgs[1].ID+"/members") {
			return auth0test.Fault{Status: http.StatusForbidden}
		}
		return auth0test.Fault{}
	}
	n.tenant = auth0test.New(config)
	belong := make(map[int]bool) // numbers of users, of whom the even ones are in acme, the others in beta
	for i := range 60 {
		belong[i] = true
	}
	for night := range 7 {
		if night > 0 {
			delete(belong, 2*night)
			belong[60+night] = true
		}
		bad := night >= 3
		n.refuse = night == 4
		code := n.night(night, belong, bad)
		want := exitDone
		if n.refuse {
			want = exitStopped
		}
		if code != want {
			n.t.Fatalf("night %d ends with %d, not %d:\n%s", night, code, want, n.said)
		}
		if n.refuse {
			for _, name := range []string{"in", "out", "in.results", "out.results"} {
				if _, err := os.Stat(n.file(night, name)); err == nil {
					n.t.Errorf("the night that was refused leaves %s", name)
				}
			}
			continue
		}
		if got := n.members(); !maps.Equal(got, belong) {
			n.t.Errorf("after night %d, %v are members, and not %v", night, got, belong)
		}
	}
}

func (n *diffNights) file(night int, name string) string {
	return filepath.Join(n.dir, fmt.Sprintf("%s-%d.csv", name, night))
}

// members returns the numbers of the members of both organizations.
func (n *diffNights) members() map[int]bool {
	numbers := make(map[int]bool)
	for i, o := range diffOrgs[:2] {
		for _, id := range n.tenant.Members(o.ID) {
			number, err := strconv.Atoi(strings.TrimPrefix(id, "auth0|"))
			if err != nil || number%2 != i {
				n.t.Errorf("%s is a member of %s", id, o.Name)
			}
			numbers[number] = true
		}
	}
	return numbers
}

// night writes the file and runs the three steps, each if the one before it ended
// with 0.
func (n *diffNights) night(night int, belong map[int]bool, bad bool) (code int) {
	text := "firm;mail;team\n"
	for _, i := range slices.Sorted(maps.Keys(belong)) {
		text += fmt.Sprintf("%s;User%d@acme.com;%d\n", diffOrgs[i%2].Name, i, night)
	}
	if bad {
		text += "acme;nobody@acme.com;\n"
	}
	hr, in, out := n.file(night, "hr"), n.file(night, "in"), n.file(night, "out")
	if err := os.WriteFile(hr, []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
	columns := []string{"--org-column", "firm", "--user-column", "mail", "--org-by", "name"}
	if n.env != nil {
		columns = nil
	}
	diff := append([]string{"diff", hr, "--joiners", in, "--leavers", out, "--max-leavers", "4%", "--tolerate", "2"}, columns...)
	for _, step := range [][]string{
		diff,
		{"import", in, "--results", n.file(night, "in.results"), "--tolerate", "2"},
		{"remove", out, "--results", n.file(night, "out.results"), "--max-removals", "5"},
	} {
		r := (&program{t: n.t, dir: n.dir, env: n.env, tenant: &proofTenant{Tenant: n.tenant, address: "https://acme.eu.auth0.com"}, secret: "s3cret"}).prepare(step...)
		s := r.surroundings()
		s.args = step
		code = run(s)
		n.said += strings.Join(step, " ") + "\n" + r.stdout.String() + r.stderr.String()
		if code != exitDone {
			break
		}
	}
	time.Sleep(24 * time.Hour)
	return code
}
