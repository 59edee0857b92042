package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
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

	"orgimport/importer"
	"orgimport/importer/auth0/auth0test"
)

// TestRandomRounds imports random files into a tenant with random switches, which
// fails at random. It stops and kills the runs at random moments, damages the
// results between them, and appends rows to the input. In the end every row is
// told once and rightly, every good one is in, the failures are an input that
// adds nobody, and the import can be undone. 500 rounds, in about a minute:
//
//	PROOF=full go test -run TestRandomRounds ./cmd/orgimport
func TestRandomRounds(t *testing.T) {
	t.Parallel()
	dir := memoryDir(t)
	played := 0
	rapid.Check(t, func(rt *rapid.T) {
		played++
		r := drawRound(rt)
		r.dir = filepath.Join(dir, strconv.Itoa(played))
		if err := os.Mkdir(r.dir, 0o700); err != nil {
			rt.Fatal(err)
		}
		var err error
		synctest.Test(t, func(*testing.T) { err = r.play() })
		if err != nil {
			rt.Fatal(err)
		}
		if err := os.RemoveAll(r.dir); err != nil {
			rt.Fatal(err)
		}
	})
}

// round is an import and what happens to it.
type round struct {
	dir     string
	tenant  *auth0test.Tenant
	config  auth0test.Config
	revoked []int // requests at which all tokens end
	flags   []string

	lines []string // of the whole input
	said  string   // by the last command
	runs  []hardship
}

// hardship is what happens to one run, and after it.
type hardship struct {
	rows   int           // of the input that are there
	flags  []string      // of this run alone
	after  time.Duration // when it is stopped or killed; 0: it is not
	killed bool
	damage []damage // to the results that it leaves
}

// damage is done to the results between two runs.
type damage struct {
	kind  string
	place float64 // between 0 and 1
}

var damages = []string{
	"end torn off", "line lost", "line doubled", "binary line", "blank line", "line of another file",
}

func (d damage) do(results []byte) []byte {
	lines := bytes.SplitAfter(results, []byte("\n"))
	if len(lines) < 3 { // the header alone
		return results
	}
	at := 1 + int(d.place*float64(len(lines)-2))
	insert := func(line string) []byte {
		return bytes.Join(slices.Insert(slices.Clone(lines), at, []byte(line)), nil)
	}
	switch d.kind {
	case "end torn off":
		whole := len(lines[0])
		return results[:whole+int(d.place*float64(len(results)-whole))]
	case "line lost":
		return bytes.Join(slices.Delete(slices.Clone(lines), at, at+1), nil)
	case "line doubled":
		return insert(string(lines[at]))
	case "binary line":
		return insert("\x00\xff\x1f\x8b,\"\x00\n")
	case "blank line":
		return insert("\n")
	}
	return insert("org_0000000000000000,auth0|000000000000000000000000\n")
}

func drawRound(rt *rapid.T) *round {
	small := func(most int, label string) int { return rapid.IntRange(0, most).Draw(rt, label) }
	ms := func(most int, label string) time.Duration {
		return time.Duration(small(most, label)) * time.Millisecond
	}
	good := proofLines(1+small(60, "rows"), 1+small(4, "organizations"))
	r := &round{
		lines:   mixed(rapid.Uint64().Draw(rt, "order"), good, small(4, "unknown"), small(3, "stray"), small(3, "broken"), small(3, "repeated")),
		revoked: rapid.SliceOfN(rapid.IntRange(1, 30), 0, 2).Draw(rt, "revoked"),
		flags: []string{
			"--max-wait", "1h", // the smallest bucket needs half of that to fill again
			"--workers", rapid.SampledFrom([]string{"0", "1", "8"}).Draw(rt, "workers"),
			"--batch-size", strconv.Itoa(10 - small(9, "batch size")),
			"--request-timeout", rapid.SampledFrom([]string{"1s", "30s"}).Draw(rt, "timeout"),
		},
	}
	for _, flag := range []string{"--no-guard", "--skip-members", "--check-users"} {
		if rapid.Bool().Draw(rt, flag) {
			r.flags = append(r.flags, flag)
		}
	}
	r.config = drawTenant(rt)
	rows := len(r.lines)
	for range small(6, "runs") {
		h := hardship{rows: rows, after: ms(30_000, "after"), killed: rapid.Bool().Draw(rt, "killed")}
		if rapid.Bool().Draw(rt, "rows to come") {
			h.rows = 1 + small(rows-1, "rows before")
		}
		switch small(5, "limit of errors or time") {
		case 0:
			h.flags = []string{"--max-errors", strconv.Itoa(1 + small(3, "max errors"))}
		case 1:
			h.flags = []string{"--max-duration", (time.Millisecond + ms(20_000, "max duration")).String()}
		}
		for range small(2, "damages") {
			h.damage = append(h.damage, damage{rapid.SampledFrom(damages).Draw(rt, "damage"), rapid.Float64Range(0, 1).Draw(rt, "place")})
		}
		r.runs = append(r.runs, h)
	}
	slices.SortStableFunc(r.runs, func(a, b hardship) int { return a.rows - b.rows }) // rows are only ever appended
	return r
}

// drawTenant draws every switch of the simulated tenant that an import meets.
func drawTenant(rt *rapid.T) auth0test.Config {
	small := func(most int, label string) int { return rapid.IntRange(0, most).Draw(rt, label) }
	is := func(label string) bool { return rapid.Bool().Draw(rt, label) }
	ms := func(most int, label string) time.Duration {
		return time.Duration(small(most, label)) * time.Millisecond
	}
	faults := rapid.SliceOfN(rapid.SampledFrom(append(make([]auth0test.Fault, 8), // most go well
		auth0test.Fault{Status: 500}, auth0test.Fault{Status: 502, Applied: true}, auth0test.Fault{Status: 503}, auth0test.Fault{Status: 503, Body: auth0test.BodyHTML},
		auth0test.Fault{Status: 503, RetryAfter: 20 * time.Second}, auth0test.Fault{Status: 429}, auth0test.Fault{Status: 429, RetryAfter: 3 * time.Second},
		auth0test.Fault{Status: 401}, auth0test.Fault{Status: 403},
		auth0test.Fault{Cut: auth0test.Close}, auth0test.Fault{Cut: auth0test.Reset}, auth0test.Fault{Cut: auth0test.Refuse},
		auth0test.Fault{Cut: auth0test.Close, Applied: true}, auth0test.Fault{Cut: auth0test.Reset, Applied: true},
		auth0test.Fault{Hang: true}, auth0test.Fault{Hang: true, Applied: true}, auth0test.Fault{Delay: 3 * time.Second},
	)), 0, 40).Draw(rt, "faults")
	bucket := auth0test.NewLimiter("Endpoint", auth0test.Limit{
		Size: 1 + small(30, "bucket"), Per: 1 + small(300, "refill"), Interval: time.Minute,
		Mode: rapid.SampledFrom([]auth0test.Mode{auth0test.Drip, auth0test.FixedWindow, auth0test.SlidingLog}).Draw(rt, "mode"),
	})
	config := auth0test.Config{
		KnownOrg: exists, KnownUser: exists,
		Latency:       auth0test.Uniform(0, 300*time.Millisecond),
		Seed:          rapid.Uint64().Draw(rt, "seed"),
		TokenLifetime: rapid.SampledFrom([]time.Duration{0, 20 * time.Second, time.Minute}).Draw(rt, "token"),
		HideScopes:    is("hide scopes"),
		ClockOffset:   rapid.SampledFrom([]time.Duration{0, -time.Hour, 90 * time.Second, 24 * time.Hour}).Draw(rt, "clock"),
		NoDate:        is("no date"),
		Limits: auth0test.Limits{
			Endpoints:   map[auth0test.Class]*auth0test.Limiter{auth0test.WriteMembers: bucket},
			Show:        auth0test.Show(small(3, "show")),
			ShowRefuser: is("show refuser"),
			RetryAfter:  is("retry after"),
			SkipGlobal:  is("skip global"),
		},
		Fault: func(r *http.Request, n int) auth0test.Fault {
			if r.URL.Path == "/oauth/token" || n > len(faults) {
				return auth0test.Fault{}
			}
			return faults[n-1]
		},
		Undocumented: auth0test.Undocumented{
			UnknownUser:    rapid.SampledFrom([]int{400, 404, 204}).Draw(rt, "unknown user"),
			Partial:        is("partial"),
			Naming:         auth0test.Naming(small(3, "naming")),
			Duplicate:      rapid.SampledFrom([]int{204, 400}).Draw(rt, "duplicate"),
			MaxMembers:     rapid.SampledFrom([]int{0, 0, 0, 1, 3, -1}).Draw(rt, "max members"),
			Readd:          rapid.SampledFrom([]int{204, 409}).Draw(rt, "readd"),
			UnknownOrg:     auth0test.UnknownOrg(small(2, "unknown organization")),
			MemberQuota:    rapid.SampledFrom([]int{0, 0, 0, 4, 12}).Draw(rt, "quota"),
			Concurrent:     auth0test.Concurrent(small(2, "concurrent")),
			AnyContentType: is("any content type"),
			BadJSON:        rapid.SampledFrom([]auth0test.Body{auth0test.BodyJSON, auth0test.BodyHTML}).Draw(rt, "bad JSON"),
			HeadersOn403:   is("headers on 403"),
			AddDelay:       rapid.SampledFrom([]time.Duration{0, 10 * time.Second}).Draw(rt, "lag"),
		},
	}
	if is("a global limit") {
		config.Limits.Global = auth0test.NewLimiter("Global", auth0test.Limit{Size: 50, Per: 10 + small(100, "global refill"), Interval: time.Minute})
	}
	if down := ms(20_000, "outage"); down > 0 {
		from := ms(20_000, "outage begins")
		config.Incidents = []auth0test.Incident{auth0test.Outage(from, from+down)}
	}
	return config
}

func (r *round) play() error {
	inner := r.config.Fault
	r.config.Fault = func(req *http.Request, n int) auth0test.Fault {
		if slices.Contains(r.revoked, n) {
			r.tenant.RevokeTokens()
		}
		return inner(req, n)
	}
	r.tenant = auth0test.New(r.config)
	for n := range 80 {
		h := hardship{rows: len(r.lines)}
		if n < len(r.runs) {
			h = r.runs[n]
		}
		done, err := r.run(h)
		if err != nil {
			return fmt.Errorf("run %d: %w", n+1, err)
		}
		if done && n >= len(r.runs) {
			return errors.Join(r.failuresAddNobody(), r.page(), r.undo())
		}
	}
	return fmt.Errorf("it never ends, and says last:\n%s", r.said)
}

// run imports once. done says that it came to the end of its input.
func (r *round) run(h hardship) (done bool, err error) {
	in := newProofInput(r.lines[:h.rows])
	if err := os.WriteFile(r.path("members.csv"), in.csv, 0o600); err != nil {
		return false, err
	}
	before, err := readLoosely(r.path("results.csv"))
	if err != nil {
		return false, err
	}
	signals := make(chan os.Signal, 1)
	var killing error
	kills := make(chan map[string][]byte, 1) // the files when it is killed
	ends := func() bool { return true }
	if h.after > 0 {
		ends = time.AfterFunc(h.after, func() {
			if !h.killed {
				signals <- syscall.SIGTERM
				return
			}
			var files map[string][]byte
			files, killing = r.files()
			kills <- files
		}).Stop
	}
	args := []string{
		"import", r.path("members.csv"), "--resume", "--results", r.path("results.csv"),
		"--failures", r.path("failures.csv"), "--summary", r.path("summary.json"),
	}
	code, _, said := r.command(signals, append(append(args, r.flags...), h.flags...)...)
	killed := !ends() && h.killed
	if killed {
		files := <-kills
		// What it did from then on has not happened, but for what reached the tenant.
		if err := errors.Join(killing, r.restore(files)); err != nil {
			return false, err
		}
	} else {
		done = code == exitDone || code == exitRows
		if err := r.check(in, code, said); err != nil {
			return false, fmt.Errorf("exit code %d: %w\n%s", code, err, said)
		}
	}
	after, err := readLoosely(r.path("results.csv"))
	if err != nil {
		return false, err
	}
	if err := keeps(before, after); err != nil {
		return false, fmt.Errorf("exit code %d, killed %t: %w\n%s", code, killed, err, said)
	}
	return done, r.damage(h)
}

// command is orgimport against the tenant, and an hour after it gave up.
func (r *round) command(signals <-chan os.Signal, args ...string) (code int, stdout, stderr string) {
	code, stdout, stderr = inMemory(r.tenant, signals, args...)
	r.said = stderr
	if code == exitTemporary {
		time.Sleep(time.Hour)
	}
	return code, stdout, stderr
}

func (r *round) path(name string) string { return filepath.Join(r.dir, name) }

func (r *round) files() (map[string][]byte, error) {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return nil, err
	}
	files := make(map[string][]byte)
	for _, e := range entries {
		content, err := os.ReadFile(r.path(e.Name()))
		if err == nil {
			files[e.Name()] = content
		} else if !errors.Is(err, os.ErrNotExist) { // it may have been renamed meanwhile
			return nil, err
		}
	}
	return files, nil
}

func (r *round) restore(files map[string][]byte) error {
	now, err := r.files()
	if err != nil {
		return err
	}
	for name := range now {
		if err := os.Remove(r.path(name)); err != nil {
			return err
		}
	}
	for name, content := range files {
		if err := os.WriteFile(r.path(name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (r *round) damage(h hardship) error {
	content, err := os.ReadFile(r.path("results.csv"))
	if errors.Is(err, os.ErrNotExist) || len(h.damage) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	for _, d := range h.damage {
		content = d.do(content)
	}
	return os.WriteFile(r.path("results.csv"), content, 0o600)
}

// check checks what a run left that was not killed.
func (r *round) check(in *proofInput, code int, said string) error {
	switch code {
	case exitDone, exitRows, exitStopped, exitErrors, exitTemporary, exitDuration, exitSignal + int(syscall.SIGTERM):
	default:
		return errors.New("this is no way to end")
	}
	terms, err := readSummary(said)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(r.path("results.csv"))
	if errors.Is(err, os.ErrNotExist) {
		content, err = []byte(proofResultsHeader), nil // no request was answered
	}
	if err != nil {
		return err
	}
	if code != exitDone && code != exitRows {
		if strings.Contains(said, "\nwritten: ") { // or the run changed nothing
			return checkSummary(said, string(content))
		}
		return nil
	}
	if terms["not attempted"] > 0 {
		return errors.New("rows are not attempted")
	}
	got, err := readProofResults(string(content))
	if err != nil {
		return err
	}
	return errors.Join(checkSummary(said, string(content)), r.checkRows(in, got, code), r.checkFailures(string(content)), r.checkMembers(in, got))
}

// checkRows compares what is told of each row with what must become of it.
func (r *round) checkRows(in *proofInput, got *proofResults, code int) error {
	var wrong []error
	wantCode := exitDone
	u := r.config.Undocumented
	for line, want := range in.want {
		status := got.status[line]
		ok := status == want
		switch {
		case want == importer.Added && (u.Readd == 409 || slices.Contains(r.flags, "--skip-members")):
			ok = ok || status == importer.AlreadyMember // by a request that seemed to fail
		case want == importer.Failed && slices.Contains(r.flags, "--check-users"):
			ok = status == importer.Rejected || status == importer.Failed
		case want == importer.Failed && u.UnknownUser == 204:
			ok = ok || status == importer.Added // as the tenant said
		}
		if want == importer.Added && u.MemberQuota > 0 {
			ok = ok || status == importer.Failed
		}
		if !ok {
			wrong = append(wrong, fmt.Errorf("line %d (%s) is told as %q, not as %s", line, r.lines[line-2], status, want))
		}
		if status.Failure() {
			wantCode = exitRows
		}
	}
	if len(got.status) != len(in.want) {
		wrong = append(wrong, fmt.Errorf("%d lines for %d rows", len(got.status), len(in.want)))
	}
	if code != wantCode {
		wrong = append(wrong, fmt.Errorf("exit code %d, want %d", code, wantCode))
	}
	return errors.Join(wrong...)
}

// checkFailures holds the failures against the results.
func (r *round) checkFailures(results string) error {
	failures, err := os.ReadFile(r.path("failures.csv"))
	if err != nil {
		return err
	}
	got, err := readProofResults(string(failures))
	if err != nil {
		return fmt.Errorf("failures: %w", err)
	}
	all, err := readProofResults(results)
	if err != nil {
		return err
	}
	for line, status := range all.status {
		if status.Failure() != (got.status[line] != "") || status.Failure() && got.status[line] != status {
			return fmt.Errorf("line %d is %s in the results and %q in the failures", line, status, got.status[line])
		}
	}
	return nil
}

// checkMembers compares what the tenant holds with the good rows.
func (r *round) checkMembers(in *proofInput, got *proofResults) error {
	quota := r.config.Undocumented.MemberQuota
	var wrong []error
	for orgID, users := range in.members {
		members := r.tenant.Members(orgID)
		switch {
		case quota > 0 && len(users) > quota:
			if len(members) != quota {
				wrong = append(wrong, fmt.Errorf("%s has %d members, not the %d that it may have", orgID, len(members), quota))
			}
		case !slices.Equal(members, users):
			wrong = append(wrong, fmt.Errorf("%s has %d members, not the %d good ones", orgID, len(members), len(users)))
		}
	}
	if members := r.tenant.Members("org_unknown"); len(members) > 0 {
		wrong = append(wrong, errors.New("an unknown organization has members"))
	}
	for line, status := range got.status {
		orgID, userID, _ := strings.Cut(r.lines[line-2], ",")
		_, member := slices.BinarySearch(r.tenant.Members(orgID), userID)
		// A full organization is not asked about its other rows, of which some
		// may be members from a run whose results were lost.
		unasked := quota > 0 && len(in.members[orgID]) > quota && status == importer.Failed
		if in.want[line] == importer.Added && status.Settled() != member && !unasked {
			wrong = append(wrong, fmt.Errorf("line %d is %s, and member: %t", line, status, member))
		}
	}
	return errors.Join(wrong...)
}

func (r *round) members() (all []string) {
	for i := range 5 {
		orgID := fmt.Sprintf("org_%016d", i)
		for _, userID := range r.tenant.Members(orgID) {
			all = append(all, orgID+","+userID)
		}
	}
	return all
}

// failuresAddNobody imports the failures as they are.
func (r *round) failuresAddNobody() error {
	before := r.members()
	code, _, said := r.untilDone("import", r.path("failures.csv"), "--results", r.path("again.csv"), "--no-guard")
	if code != exitDone && code != exitRows {
		return fmt.Errorf("import of the failures: exit code %d\n%s", code, said)
	}
	if after := r.members(); !slices.Equal(before, after) {
		return fmt.Errorf("import of the failures made %d members of %d\n%s", len(after), len(before), said)
	}
	return nil
}

// untilDone goes on with a command while what stops it may pass.
func (r *round) untilDone(args ...string) (code int, stdout, stderr string) {
	for range 80 {
		code, stdout, stderr = r.command(nil, append(slices.Clone(args), "--resume", "--max-wait", "1h")...)
		if code != exitTemporary && code != exitStopped {
			break
		}
	}
	return code, stdout, stderr
}

func (r *round) page() error {
	if code, _, said := r.command(nil, "report", r.path("results.csv"), "--summary", r.path("summary.json"), "--output", r.path("page.html")); code != exitDone {
		return fmt.Errorf("report: exit code %d\n%s", code, said)
	}
	return nil
}

// undo removes whom the import added.
func (r *round) undo() error {
	results, err := os.ReadFile(r.path("results.csv"))
	if err != nil || !bytes.Contains(results, []byte(",added,")) {
		return err // there is nothing to undo
	}
	code, _, said := r.untilDone("remove", r.path("results.csv"), "--max-removals", "1000", "--results", r.path("removed.csv"))
	left := len(r.members())
	if r.config.Undocumented.Readd == 409 || slices.Contains(r.flags, "--skip-members") {
		left = 0 // who was added by a request that seemed to fail counts as a member before
	}
	if code != exitDone || left > 0 {
		return fmt.Errorf("remove: exit code %d, %d members are left\n%s", code, left, said)
	}
	return nil
}

// rowTold is what the lines of a results file say of a row.
type rowTold struct{ settled, failed bool }

// readLoosely reads what a results file says of each row, whatever is wrong with
// the file. Rows that were never sent are known by their line.
func readLoosely(path string) (map[string]rowTold, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all := make(map[string]rowTold)
	for line := range bytes.Lines(content) {
		record, err := csv.NewReader(bytes.NewReader(line)).Read()
		if err != nil && !errors.Is(err, io.EOF) || len(record) != strings.Count(proofResultsHeader, ",")+1 || !bytes.HasSuffix(line, []byte("\n")) {
			continue
		}
		status := importer.Status(record[3])
		key := record[1] + "," + record[2]
		if status == importer.Rejected || status == importer.Duplicate {
			key = "line " + record[0]
		}
		if status.Known() {
			told := all[key]
			all[key] = rowTold{told.settled || status.Settled(), told.failed || status.Failure() || status == importer.Duplicate}
		}
	}
	return all, nil
}

// keeps makes sure that a run lost nothing that the results said before: what is
// in stays in, and what failed is told until it is.
func keeps(before, after map[string]rowTold) error {
	for key, was := range before {
		is := after[key]
		if was.settled && !is.settled || was.failed && !is.failed && !is.settled {
			return fmt.Errorf("the results no longer say of %s what they said before", key)
		}
	}
	return nil
}
