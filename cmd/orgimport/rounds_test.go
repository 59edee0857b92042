package main

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"orgimport/importer"
	"orgimport/importer/auth0/auth0test"
	"orgimport/report"
)

// TestRandomRounds carries out a random operation on a random file of ids, e-mail
// addresses and names. The tenant has random switches and fails at random. The runs
// are stopped and killed at random moments, the results are damaged between them,
// and rows are appended to the input. In the end, every row has one line, which is
// right, and the tenant matches the lines. The failures of an import are an input
// that adds nobody, and an undo leaves earlier members alone. Nobody gets two
// e-mails. 2,000 rounds:
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

// round is an operation and the faults that it meets.
type round struct {
	op      roundOp
	dir     string
	tenant  *auth0test.Tenant
	config  auth0test.Config
	revoked []int // requests at which all tokens expire
	flags   []string

	lines  []string // of the whole input, with ids
	named  bool     // some rows have names and e-mail addresses instead
	before []string // lines of users who are members at the start
	said   string   // by the last command
	dead   atomic.Bool
	runs   []hardship
}

// roundOp is an operation and what its rounds are made of.
type roundOp struct {
	command       string
	flags         []string // that it always has
	mayHave       []string // that it has in some rounds
	done, already importer.Status
	check         func(r *round, in *proofInput, got *proofResults) error // compares the tenant with the results
	after         func(r *round) error                                    // what else follows
}

func roundOps() []roundOp {
	return []roundOp{
		{
			command: "import", mayHave: []string{"--skip-members", "--check-users"},
			done: importer.Added, already: importer.AlreadyMember,
			check: (*round).checkMembers, after: (*round).afterImport,
		},
		{
			command: "remove", flags: []string{"--max-removals", "1000"}, mayHave: []string{"--check-users"},
			done: importer.Removed, already: importer.Removed,
			check: (*round).checkRemoved, after: nothing,
		},
		{
			command: "roles", mayHave: []string{"--skip-assigned", "--check-users"},
			done: importer.Assigned, already: importer.AlreadyAssigned,
			check: (*round).checkRoles, after: nothing,
		},
		{
			command: "invite", flags: []string{"--max-invitations", "1000", "--application", "app", "--inviter", "Acme"},
			done: importer.Invited, already: importer.AlreadyInvited,
			check: (*round).checkMails, after: nothing,
		},
		{
			command: "organizations", flags: []string{"--max-organizations", "1000"},
			done: importer.Created, already: importer.AlreadyExists,
			check: (*round).checkOrganizations, after: nothing,
		},
	}
}

func nothing(*round) error { return nil }

// TestNobodyIsCondemnedByAnAnswerAboutNobody imports into one organization of a
// small tenant with lists that lag. Single requests fail, one of them with a 403
// that does not say what it is about, in a different order in each round.
func TestNobodyIsCondemnedByAnAnswerAboutNobody(t *testing.T) {
	rounds := uint64(30)
	if proofInFull() {
		rounds = 1000
	}
	dir := memoryDir(t)
	for seed := range rounds {
		rng := rand.New(rand.NewPCG(seed, 3))
		faults := append(make([]auth0test.Fault, rng.IntN(4)),
			auth0test.Fault{Status: 503, RetryAfter: 20 * time.Second}, auth0test.Fault{Cut: auth0test.Close}, auth0test.Fault{Cut: auth0test.Reset, Applied: true},
			auth0test.Fault{Status: 429}, auth0test.Fault{Delay: 3 * time.Second}, auth0test.Fault{Status: 401}, auth0test.Fault{Status: 403},
		)
		rng.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
		r := &round{
			op: roundOps()[0], dir: filepath.Join(dir, strconv.FormatUint(seed, 10)),
			lines: mixed(seed, proofLines(40, 1), 3, 0, 0, 0),
			flags: []string{"--skip-members", "--check-users", "--max-wait", "1h", "--workers", strconv.Itoa(rng.IntN(2))},
			config: auth0test.Config{
				KnownOrg: exists, KnownUser: exists, Seed: seed, Latency: auth0test.Uniform(0, 300*time.Millisecond),
				Limits:       proofLimit(auth0test.Limit{Size: 18, Per: 1, Interval: time.Second}),
				Undocumented: auth0test.Undocumented{UnknownUser: 204, AddDelay: 10 * time.Second},
				Fault: func(req *http.Request, n int) auth0test.Fault {
					if req.URL.Path == "/oauth/token" || n > len(faults) {
						return auth0test.Fault{}
					}
					return faults[n-1]
				},
			},
		}
		for range rng.IntN(3) {
			r.runs = append(r.runs, hardship{rows: len(r.lines), after: time.Duration(rng.Int64N(int64(10 * time.Second))), killed: rng.IntN(2) > 0})
		}
		if err := os.Mkdir(r.dir, 0o700); err != nil {
			t.Fatal(err)
		}
		var err error
		synctest.Test(t, func(*testing.T) { err = r.play() })
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

// csv returns lines of the input in the form that the operation reads.
func (r *round) csv(lines []string) []byte {
	var in strings.Builder
	in.WriteString(cmp.Or(map[string]string{
		"roles": "org,user,roles\n", "invite": "org,email\n", "organizations": "name,display_name\n",
	}[r.op.command], "org,user\n"))
	for i, line := range lines {
		orgID, userID, _ := strings.Cut(line, ",")
		if whole := strings.HasPrefix(orgID, "org_") && strings.HasPrefix(userID, "auth0|") && !strings.Contains(userID, "\x01"); !whole {
			if r.op.command == "organizations" {
				line = fmt.Sprintf("No. %d,%s", i, userID) // no organization can have such a name
			}
			in.WriteString(line + "\n")
			continue
		}
		if r.op.command == "organizations" {
			in.WriteString(newName(userID) + "," + addressOf(userID) + "\n")
			continue
		}
		org, user := orgID, userID
		if r.named && i%3 > 0 {
			org = nameOf(orgID)
		}
		if r.named && i%2 > 0 || r.op.command == "invite" {
			user = addressOf(userID)
		}
		in.WriteString(org + "," + user)
		if r.op.command == "roles" {
			in.WriteString("," + strings.Join(rolesOf(userID), "|"))
		}
		in.WriteString("\n")
	}
	return []byte(in.String())
}

func nameOf(orgID string) string { return "acme-" + strings.TrimPrefix(orgID, "org_") }

// newName returns the name of the organization that a line makes.
func newName(userID string) string { return "new-" + strings.TrimPrefix(userID, "auth0|") }

func addressOf(userID string) string { return strings.TrimPrefix(userID, "auth0|") + "@acme.com" }

// rolesOf returns the roles that the input gives a user.
func rolesOf(userID string) []string {
	roles := []string{"rol_1111111111111111", "rol_2222222222222222", "rol_3333333333333333"}
	return roles[:1+len(strings.TrimLeft(userID, "auth0|"))%3]
}

// hardship is the faults during one run, and after it.
type hardship struct {
	rows   int           // of the input that exist so far
	flags  []string      // of this run alone
	after  time.Duration // when it is stopped or killed; 0: it is not
	killed bool
	damage []damage // to the results that it leaves
}

// damage changes the results between two runs.
type damage struct {
	kind  string
	place float64 // between 0 and 1
}

var damages = []string{
	"line doubled", "binary line", "blank line", "line of another file",
	"line lost", "end torn off", "end never written",
}

// harmless is how many of the damages lose no line.
const harmless = 4

func (d damage) do(results []byte) []byte {
	switch at := int(d.place * float64(len(results))); d.kind {
	case "end torn off":
		return results[:at]
	case "end never written": // as by a disk that had the length already
		return append(slices.Clone(results[:at]), make([]byte, len(results)-at)...)
	}
	lines := bytes.SplitAfter(results, []byte("\n"))
	if len(lines) < 3 { // the header alone
		return results
	}
	at := 1 + int(d.place*float64(len(lines)-2))
	insert := func(line string) []byte {
		return bytes.Join(slices.Insert(slices.Clone(lines), at, []byte(line)), nil)
	}
	switch d.kind {
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
		op:      rapid.SampledFrom(roundOps()).Draw(rt, "operation"),
		named:   rapid.Bool().Draw(rt, "named"),
		lines:   mixed(rapid.Uint64().Draw(rt, "order"), good, small(4, "unknown"), small(3, "stray"), small(3, "broken"), small(3, "repeated")),
		revoked: rapid.SliceOfN(rapid.IntRange(1, 30), 0, 2).Draw(rt, "revoked"),
		flags: []string{
			"--max-wait", "1h", // the smallest bucket needs half of that to fill again
			"--workers", rapid.SampledFrom([]string{"0", "1", "8"}).Draw(rt, "workers"),
			"--request-timeout", rapid.SampledFrom([]string{"1s", "30s"}).Draw(rt, "timeout"),
		},
	}
	r.flags = append(r.flags, r.op.flags...)
	for _, flag := range append([]string{"--no-guard"}, r.op.mayHave...) {
		if rapid.Bool().Draw(rt, flag) {
			r.flags = append(r.flags, flag)
		}
	}
	if r.op.command == "import" {
		r.flags = append(r.flags, "--batch-size", strconv.Itoa(10-small(9, "batch size")))
	}
	r.config = drawTenant(rt)
	if r.named {
		nobody := func(string) bool { return false } // beside those who are listed
		r.config.KnownUser, r.config.KnownOrg = nobody, nobody
		for _, line := range good {
			_, id, _ := strings.Cut(line, ",")
			r.config.Users = append(r.config.Users, auth0test.User{ID: id, Email: addressOf(id)})
		}
		for i := range 5 {
			id := fmt.Sprintf("org_%016d", i)
			r.config.Organizations = append(r.config.Organizations, auth0test.Organization{ID: id, Name: nameOf(id)})
		}
	}
	if r.op.command == "organizations" {
		for i, line := range good[:small(len(good), "organizations before")] {
			_, id, _ := strings.Cut(line, ",")
			r.config.Organizations = append(r.config.Organizations, auth0test.Organization{ID: fmt.Sprintf("org_before%010d", i), Name: newName(id)})
		}
	}
	if r.op.command == "remove" || slices.Contains(r.flags, "--skip-members") && r.config.Undocumented.MemberQuota == 0 {
		r.before = append(r.before, good[:small(len(good), "members before")]...)
		for i := range small(3, "others before") {
			r.before = append(r.before, fmt.Sprintf("org_%016d,auth0|before", i))
		}
	}
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
			kinds := damages
			if r.op.command == "invite" { // the line of an invitation is on disk before it is sent
				kinds = damages[:harmless]
			}
			h.damage = append(h.damage, damage{rapid.SampledFrom(kinds).Draw(rt, "damage"), rapid.Float64Range(0, 1).Draw(rt, "place")})
		}
		r.runs = append(r.runs, h)
	}
	slices.SortStableFunc(r.runs, func(a, b hardship) int { return a.rows - b.rows }) // rows are only ever appended
	return r
}

// drawTenant draws every setting of the simulated tenant that matters to an
// operation.
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
	forbidden := func(f auth0test.Fault) bool { return f.Status == 403 }
	if first := slices.IndexFunc(faults, forbidden); first >= 0 {
		rest := faults[first+1:] // a second one is believed
		for i := range rest {
			if forbidden(rest[i]) {
				rest[i] = auth0test.Fault{}
			}
		}
	}
	limit := auth0test.Limit{
		Size: 1 + small(30, "bucket"), Per: 1 + small(300, "refill"), Interval: time.Minute,
		Mode: rapid.SampledFrom([]auth0test.Mode{auth0test.Drip, auth0test.FixedWindow, auth0test.SlidingLog}).Draw(rt, "mode"),
	}
	buckets := make(map[auth0test.Class][]auth0test.Limit)
	for _, class := range []auth0test.Class{auth0test.WriteMembers, auth0test.WriteRoles, auth0test.WriteInvitations, auth0test.WriteOrganizations} {
		buckets[class] = []auth0test.Limit{limit}
	}
	config := auth0test.Config{
		KnownOrg: exists, KnownUser: exists,
		Latency:       auth0test.Uniform(0, 300*time.Millisecond),
		Seed:          rapid.Uint64().Draw(rt, "seed"),
		TokenLifetime: rapid.SampledFrom([]time.Duration{0, 20 * time.Second, time.Minute}).Draw(rt, "token"),
		HideScopes:    is("hide scopes"),
		ClockOffset:   rapid.SampledFrom([]time.Duration{0, -time.Hour, 90 * time.Second, 24 * time.Hour}).Draw(rt, "clock"),
		NoDate:        is("no date"),
		Limits: auth0test.Limits{
			Endpoints:   buckets,
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
			Reassign:       rapid.SampledFrom([]int{204, 409}).Draw(rt, "reassign"),
			InviteAgain:    auth0test.InviteAgain(small(2, "invite again")),
			AddDelay:       rapid.SampledFrom([]time.Duration{0, 10 * time.Second}).Draw(rt, "lag"),
		},
	}
	if is("a global limit") {
		config.Limits.Global = []auth0test.Limit{{Size: 50, Per: 10 + small(100, "global refill"), Interval: time.Minute}}
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
	for _, line := range r.before {
		orgID, userID, _ := strings.Cut(line, ",")
		r.tenant.AddMembers(orgID, userID)
	}
	time.Sleep(time.Minute) // until the lists have them
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
			return errors.Join(r.page(), r.op.after(r))
		}
	}
	return fmt.Errorf("it never ends, and says last:\n%s", r.said)
}

// run runs the operation once. done says that it read its input to the end.
func (r *round) run(h hardship) (done bool, err error) {
	in := newProofInput(r.lines[:h.rows])
	for line, status := range in.want {
		orgID, _, _ := strings.Cut(r.lines[line-2], ",")
		if status == importer.Failed && (r.op.command == "invite" && exists(orgID) || r.op.command == "organizations") {
			in.want[line] = importer.Added // users who do not exist yet
		}
	}
	if err := os.WriteFile(r.path("members.csv"), r.csv(r.lines[:h.rows]), 0o600); err != nil {
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
			r.dead.Store(true)
			var files map[string][]byte
			files, killing = r.files()
			kills <- files
			signals <- syscall.SIGTERM // so that the rest of it ends soon
		}).Stop
	}
	args := []string{
		r.op.command, r.path("members.csv"), "--resume", "--results", r.path("results.csv"),
		"--failures", r.path("failures.csv"), "--summary", r.path("summary.json"),
	}
	code, _, said := r.command(signals, append(append(args, r.flags...), h.flags...)...)
	killed := !ends() && h.killed
	if killed {
		files := <-kills
		// What it did after that is undone, except what reached the tenant.
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
	r.dead.Store(false)
	code, stdout, stderr = inMemory(r, signals, args...)
	r.said = stderr
	if code == exitTemporary {
		time.Sleep(time.Hour)
	}
	return code, stdout, stderr
}

// RoundTrip lets a request reach the tenant, unless the run that sends it has been
// killed.
func (r *round) RoundTrip(req *http.Request) (*http.Response, error) {
	if r.dead.Load() {
		return nil, syscall.ECONNREFUSED
	}
	return r.tenant.RoundTrip(req)
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

// check checks a run that was not killed.
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
	return errors.Join(checkSummary(said, string(content)), r.checkRows(in, got, code), r.checkFailures(string(content)), r.op.check(r, in, got))
}

// checkRows compares the line of each row with the expected one.
func (r *round) checkRows(in *proofInput, got *proofResults, code int) error {
	var wrong []error
	wantCode := exitDone
	u := r.config.Undocumented
	for line, want := range in.want {
		status, lookedUp := got.status[line], r.named || slices.Contains(r.flags, "--check-users")
		ok := status == want
		switch want {
		case importer.Added:
			ok = status == r.op.done || status == r.op.already && r.mayBeAlready() ||
				r.op.command == "import" && u.MemberQuota > 0 && status == importer.Failed ||
				r.op.command == "invite" && (got.code(line) == importer.CodeUnknownOutcome || got.record[line] != nil && got.record[line][4] == "403") // which is not sent again
		case importer.Failed:
			orgID, _, _ := strings.Cut(r.lines[line-2], ",")
			ok = ok || lookedUp && status == importer.Rejected ||
				exists(orgID) && (r.op.command == "import" && u.UnknownUser == 204 || r.op.command == "remove") && status == r.op.done // as the tenant said
		}
		if !ok {
			wrong = append(wrong, fmt.Errorf("line %d (%s) is told as %q %s, not as %s", line, r.lines[line-2], status, got.code(line), want))
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

// checkFailures compares the failures with the results.
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

// checkMembers compares the tenant's members with the good rows.
func (r *round) checkMembers(in *proofInput, got *proofResults) error {
	quota := r.config.Undocumented.MemberQuota
	var wrong []error
	for orgID, users := range in.members {
		members := r.tenant.Members(orgID)
		users := withBefore(orgID, users, r.before)
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
		// Other rows of a full organization are not sent; some of their users may
		// be members by a run with lost results.
		unasked := quota > 0 && len(in.members[orgID]) > quota && status == importer.Failed
		if in.want[line] == importer.Added && status.Settled() != member && !unasked {
			wrong = append(wrong, fmt.Errorf("line %d is %s, and member: %t", line, status, member))
		}
	}
	return errors.Join(wrong...)
}

// mayBeAlready reports whether a good row may have been done before: by a request
// that seemed to fail, or because the run looked it up.
func (r *round) mayBeAlready() bool {
	u := r.config.Undocumented
	return r.op.command == "invite" || r.op.command == "organizations" || slices.Contains(r.flags, "--skip-members") || slices.Contains(r.flags, "--skip-assigned") ||
		r.op.command == "import" && u.Readd == 409 || r.op.command == "roles" && u.Reassign == 409
}

// withBefore returns the users and the earlier members of the organization,
// ascending.
func withBefore(orgID string, users, before []string) []string {
	users = slices.Clone(users)
	for _, line := range before {
		if id, of := strings.CutPrefix(line, orgID+","); of {
			users = append(users, id)
		}
	}
	slices.Sort(users)
	return slices.Compact(users)
}

// checkRemoved checks that all users of the file are removed, and nobody else.
func (r *round) checkRemoved(in *proofInput, _ *proofResults) error {
	var stay []string
	for _, line := range r.before {
		orgID, userID, _ := strings.Cut(line, ",")
		if _, named := slices.BinarySearch(in.members[orgID], userID); !named {
			stay = append(stay, line)
		}
	}
	slices.Sort(stay)
	if left := r.members(); !slices.Equal(left, stay) {
		return fmt.Errorf("%d members are left, want %d", len(left), len(stay))
	}
	return nil
}

// checkRoles compares the roles of users with the lines.
func (r *round) checkRoles(in *proofInput, got *proofResults) error {
	var wrong []error
	for line, status := range got.status {
		orgID, userID, _ := strings.Cut(r.lines[line-2], ",")
		roles, want := r.tenant.Roles(orgID, userID), []string(nil)
		if status.Settled() {
			want = rolesOf(userID)
		}
		if slices.Sort(roles); in.want[line] != importer.Duplicate && !slices.Equal(roles, want) {
			wrong = append(wrong, fmt.Errorf("line %d is %s, and has the roles %q", line, status, roles))
		}
	}
	return errors.Join(wrong...)
}

// checkOrganizations checks that the tenant has each organization of the file once,
// with the id in its line.
func (r *round) checkOrganizations(in *proofInput, got *proofResults) error {
	ids, wrong := make(map[string]string), []error(nil)
	for _, o := range r.tenant.Organizations() {
		if ids[o.Name] != "" {
			wrong = append(wrong, fmt.Errorf("there are two organizations called %s", o.Name))
		}
		ids[o.Name] = o.ID
	}
	for line, status := range got.status {
		_, userID, _ := strings.Cut(r.lines[line-2], ",")
		if id := ids[newName(userID)]; status.Settled() && id != got.record[line][1] || in.want[line] == importer.Rejected && id != "" {
			wrong = append(wrong, fmt.Errorf("line %d is %s with the id %q, and the tenant's is %q", line, status, got.record[line][1], id))
		}
	}
	return errors.Join(wrong...)
}

// checkMails checks that nobody got two e-mails, and that everybody with the status
// invited got one.
func (r *round) checkMails(in *proofInput, got *proofResults) error {
	mails := make(map[string]int)
	for i := range 5 {
		for _, v := range r.tenant.Invitations(fmt.Sprintf("org_%016d", i)) {
			mails[v.OrgID+","+v.Email]++
		}
	}
	var wrong []error
	for line, status := range got.status {
		orgID, userID, _ := strings.Cut(r.lines[line-2], ",")
		n := mails[orgID+","+addressOf(userID)]
		lost := got.code(line) == importer.CodeUnknownOutcome
		if in.want[line] != importer.Duplicate && (n > 1 || status.Settled() != (n == 1) && !lost) {
			wrong = append(wrong, fmt.Errorf("line %d is %s %s, after %d mails", line, status, got.code(line), n))
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

// untilDone resumes a command until it is done, or stops for a reason that is not
// temporary.
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

// afterImport imports the failures, and undoes the import.
func (r *round) afterImport() error { return errors.Join(r.failuresAddNobody(), r.undo()) }

// undo removes the users whom the import added, and keeps earlier members. It
// returns how many others may have been members.
func (r *round) undo() error {
	results, err := os.ReadFile(r.path("results.csv"))
	if err != nil || !bytes.Contains(results, []byte(",added,")) {
		return err // there is nothing to undo
	}
	got, err := readProofResults(string(results))
	if err != nil {
		return err
	}
	stay, certain, unknown := slices.Clone(r.before), []string(nil), 0
	for line, status := range got.status {
		switch {
		case status != importer.AlreadyMember:
			continue
		case got.code(line) == importer.CodeUnknownOrigin:
			unknown++
		default:
			certain = append(certain, r.lines[line-2])
		}
		stay = append(stay, r.lines[line-2])
	}
	joined := func(line string) bool { return !slices.Contains(r.before, line) }
	if i := slices.IndexFunc(certain, joined); i >= 0 && r.config.Undocumented.Readd == 204 {
		return fmt.Errorf("%s is told as a member before, and was none", certain[i])
	}
	slices.Sort(stay)
	stay = slices.Compact(stay)
	code, _, said := r.untilDone("remove", r.path("results.csv"), "--max-removals", "1000", "--results", r.path("removed.csv"))
	left := r.members()
	if code != exitDone || r.config.Undocumented.MemberQuota == 0 && !slices.Equal(left, stay) {
		return fmt.Errorf("remove: exit code %d, %d members are left, want %d\n%s", code, len(left), len(stay), said)
	}
	if unknown > 0 && !strings.Contains(said, fmt.Sprintf("%s left: members when the import was resumed", report.Plural(unknown, "user")+report.Verb(unknown, " is", " are"))) {
		return fmt.Errorf("remove does not say that it leaves %d\n%s", unknown, said)
	}
	return nil
}

// rowTold is what the lines of a results file say about a row.
type rowTold struct{ settled, failed bool }

// readLoosely reads what a results file says about each line of the input, even if
// the file is damaged.
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
		if err != nil && !errors.Is(err, io.EOF) || len(record) <= strings.Count(proofResultsHeader, ",") || !bytes.HasSuffix(line, []byte("\n")) {
			continue
		}
		key, status := "line "+record[0], importer.Status(record[3])
		if status.Known() {
			told := all[key]
			all[key] = rowTold{told.settled || status.Settled(), told.failed || status.Failure() || status == importer.Duplicate}
		}
	}
	return all, nil
}

// keeps checks that a run lost nothing that the results said before: rows that were
// done stay done, and rows that failed stay until they are done.
func keeps(before, after map[string]rowTold) error {
	for key, was := range before {
		is := after[key]
		if was.settled && !is.settled || was.failed && !is.failed && !is.settled {
			return fmt.Errorf("the results no longer say of %s what they said before", key)
		}
	}
	return nil
}
