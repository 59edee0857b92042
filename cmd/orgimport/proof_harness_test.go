package main

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"orgimport/importer"
	"orgimport/importer/auth0/auth0test"
)

// The tests in proof_*_test.go check what the program promises for every row: one
// line, and a member if the row is good, whatever happened meanwhile. They run the
// program as a process against a simulated tenant over a socket, or its parts on a
// fake clock if time matters. They check the state of the tenant, not what the
// client believes.
//
// PROOF=full go test ./cmd/orgimport runs the slow ones at full length, which takes
// some minutes.
func proofInFull() bool { return os.Getenv("PROOF") == "full" }

// proofTenant is a simulated tenant that remembers the tokens it issued, so that
// tests can search for them in outputs. It is in memory unless it is served, and so
// are the programs that import into it.
type proofTenant struct {
	*auth0test.Tenant
	address string
	served  bool

	mu     sync.Mutex
	tokens []string
}

// newProofTenant returns a tenant in memory. It has the users and organizations for
// which [exists] is true, and a limit that its headers show and that is never
// reached.
func newProofTenant(cfg auth0test.Config) *proofTenant {
	cfg.KnownOrg, cfg.KnownUser = exists, exists
	if cfg.Limits.Global == nil {
		limits := proofLimit(auth0test.Limit{Size: 500, Per: 500, Interval: time.Second}).Endpoints
		limits[auth0test.Other] = []auth0test.Limit{{Size: 500, Per: 500, Interval: time.Second}}
		maps.Copy(limits, cfg.Limits.Endpoints)
		cfg.Limits.Endpoints = limits
	}
	return &proofTenant{Tenant: auth0test.New(cfg), address: "https://acme.eu.auth0.com"}
}

// newServedTenant serves a tenant over a socket until the end of the test.
func newServedTenant(t *testing.T, cfg auth0test.Config) *proofTenant {
	t.Helper()
	p := newProofTenant(cfg)
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.address, p.served = server.URL, true
	return p
}

// onFakeClock runs a test in a synctest bubble, as a subtest of that name if the
// name is not empty. Its programs and tenants must be in memory.
func onFakeClock(t *testing.T, name string, test func(t *testing.T)) {
	bubble := func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, test)
	}
	if name == "" {
		bubble(t)
		return
	}
	t.Run(name, bubble)
}

func proofLimit(limit auth0test.Limit) auth0test.Limits {
	return auth0test.Limits{Endpoints: map[auth0test.Class][]auth0test.Limit{
		auth0test.WriteMembers: {limit},
	}}
}

func (p *proofTenant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/oauth/token" {
		w = &tokenTap{w, p}
	}
	p.Tenant.ServeHTTP(w, r)
}

func (p *proofTenant) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := p.Tenant.RoundTrip(r)
	if err != nil || r.URL.Path != "/oauth/token" {
		return resp, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	p.remember(body)
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// remember keeps the token in an answer, if there is one.
func (p *proofTenant) remember(answer []byte) {
	var body struct {
		AccessToken string `json:"access_token"`
	}
	if json.Unmarshal(answer, &body) == nil && body.AccessToken != "" {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.tokens = append(p.tokens, body.AccessToken)
	}
}

// writes returns how many requests to add members there were.
func (p *proofTenant) writes() int {
	n := 0
	for _, k := range p.Stats().Requests[auth0test.WriteMembers] {
		n += k
	}
	return n
}

func (p *proofTenant) issued() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.tokens)
}

// newEcho serves a tenant that issues tokens, except to the client echo, and
// answers everything else with a refusal that contains the request.
func newEcho(t *testing.T, tenant *proofTenant) (address string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		sent := fmt.Sprintf("you sent %s with %s", body, r.Header.Get("Authorization"))
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path != "/oauth/token":
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(map[string]any{"statusCode": 400, "error": "Bad Request", "message": sent, "errorCode": r.Header.Get("Authorization")})
		case strings.Contains(string(body), "client_id=echo"):
			w.WriteHeader(http.StatusUnauthorized)
			_ = json.NewEncoder(w).Encode(map[string]any{"error": "access_denied", "error_description": sent})
		default:
			tenant.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// tokenTap remembers the tokens that pass through it.
type tokenTap struct {
	http.ResponseWriter
	tenant *proofTenant
}

func (tap *tokenTap) Write(p []byte) (int, error) {
	tap.tenant.remember(p)
	return tap.ResponseWriter.Write(p)
}

func (tap *tokenTap) Unwrap() http.ResponseWriter { return tap.ResponseWriter }

// program runs orgimport in a folder of its own.
type program struct {
	t      *testing.T
	dir    string
	tenant *proofTenant
	secret string
	env    []string // beside the credentials
}

// newProgram puts the input into the folder. At the end of the test it makes
// sure that no file there holds the secret or a token.
func newProgram(t *testing.T, tenant *proofTenant, input []byte) *program {
	t.Helper()
	p := &program{t: t, dir: t.TempDir(), tenant: tenant, secret: fmt.Sprintf("s3cret-%016x", rand.Uint64())}
	p.write("members.csv", input)
	t.Cleanup(func() {
		for _, name := range p.files() {
			p.holdsNoSecret(name, p.read(name))
		}
	})
	return p
}

func (p *program) path(name string) string { return filepath.Join(p.dir, name) }

func (p *program) write(name string, content []byte) {
	p.t.Helper()
	if err := os.WriteFile(p.path(name), content, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *program) read(name string) string {
	p.t.Helper()
	content, err := os.ReadFile(p.path(name))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(content)
}

// results returns the results so far, if there are any.
func (p *program) results() string {
	content, err := os.ReadFile(p.path("results.csv"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		p.t.Fatal(err)
	}
	return string(content)
}

func (p *program) files() []string {
	p.t.Helper()
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		p.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names
}

func (p *program) holdsNoSecret(where, text string) {
	p.t.Helper()
	for _, secret := range append(p.tenant.issued(), p.secret) {
		if strings.Contains(text, secret) {
			p.t.Errorf("%s holds the secret or a token", where)
		}
	}
}

// stream is what a program prints. Like a file, it takes writes from several
// goroutines: a signal may be answered while the command ends.
type stream struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *stream) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(text)
}

func (p *stream) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// inMemory runs a command to its end against a tenant in memory.
func inMemory(tenant http.RoundTripper, signals <-chan os.Signal, args ...string) (code int, stdout, stderr string) {
	env := map[string]string{"AUTH0_DOMAIN": "acme.eu.auth0.com", "AUTH0_CLIENT_ID": "client", "AUTH0_CLIENT_SECRET": "s3cret"}
	var out, errs stream
	code = run(surroundings{
		args: args, getenv: func(name string) string { return env[name] },
		stdin: strings.NewReader(""), stdout: &out, stderr: &errs,
		transport: func(int) http.RoundTripper { return tenant },
		signals:   func() <-chan os.Signal { return signals },
		exit:      func(code int) { panic(fmt.Sprint("a second signal: ", code)) },
	})
	return code, out.String(), errs.String()
}

// memoryDir is a folder in memory, if the system has one. A run syncs its results
// every second, which is often on a fake clock.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "orgimport")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// ended is a finished run.
type ended struct {
	code           int // -1: killed
	stdout, stderr string
	took           time.Duration
}

// running is a run: a process or, for a tenant in memory, a goroutine.
type running struct {
	*exec.Cmd
	program        *program
	stdout, stderr stream
	began          time.Time

	signals   chan os.Signal // of a goroutine
	ended     chan int
	stdin     io.Reader
	transport http.RoundTripper
}

// start starts orgimport import members.csv with more arguments.
func (p *program) start(args ...string) *running {
	p.t.Helper()
	args = append([]string{"import", "members.csv"}, args...)
	if !p.tenant.served {
		return p.begin(p.prepare(args...))
	}
	return p.begin(p.command(args...))
}

// prepare returns a run in this process.
func (p *program) prepare(args ...string) *running {
	return &running{
		program: p, Cmd: &exec.Cmd{Args: args}, stdin: strings.NewReader(""), transport: p.tenant,
		signals: make(chan os.Signal, 2), ended: make(chan int, 1),
	}
}

func (p *program) command(args ...string) *running {
	r := &running{Cmd: exec.Command("orgimport", args...), program: p}
	r.Dir = p.dir
	r.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.dir, "TMPDIR=" + os.TempDir()}, p.environ()...)
	r.Stdout, r.Stderr = &r.stdout, &r.stderr
	return r
}

func (p *program) environ() []string {
	return append([]string{"AUTH0_DOMAIN=" + p.tenant.address, "AUTH0_CLIENT_ID=client", "AUTH0_CLIENT_SECRET=" + p.secret}, p.env...)
}

func (p *program) begin(r *running) *running {
	p.t.Helper()
	r.began = time.Now()
	if r.ended == nil {
		if err := r.Start(); err != nil {
			p.t.Fatal(err)
		}
		return r
	}
	go func() { r.ended <- run(r.surroundings()) }()
	return r
}

// fileFlags are the flags of all commands that name a file.
var fileFlags = sync.OnceValue(func() (flags []string) {
	parser, err := newParser(&console{surroundings: surroundings{getenv: func(string) string { return "" }}}, "", nil)
	if err != nil {
		panic(err)
	}
	for _, command := range parser.Model.Children {
		for _, flag := range command.Flags {
			if flag.PlaceHolder == "FILE" {
				flags = append(flags, "--"+flag.Name)
			}
		}
	}
	return flags
})

// surroundings are those of a run in this process.
func (r *running) surroundings() surroundings {
	p := r.program
	env := make(map[string]string)
	for _, pair := range p.environ() {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	args := slices.Clone(r.Args)
	if args[1] != "-" {
		args[1] = p.path(args[1])
	}
	if args[0] == "import" && !slices.Contains(args, "--results") {
		args = append(args, "--results", "results.csv")
	}
	for i, arg := range args[:len(args)-1] {
		if slices.Contains(fileFlags(), arg) && !filepath.IsAbs(args[i+1]) {
			args[i+1] = p.dir + "/" + args[i+1]
		}
	}
	return surroundings{
		args: args, getenv: func(name string) string { return env[name] },
		stdin: r.stdin, stdout: &r.stdout, stderr: &r.stderr,
		transport: func(int) http.RoundTripper { return r.transport },
		signals:   func() <-chan os.Signal { return r.signals },
		exit:      func(code int) { panic(fmt.Sprintf("a second signal: exit code %d", code)) },
	}
}

// end waits for the run. A process that does not end is killed, and fails the
// test.
func (r *running) end() ended {
	r.program.t.Helper()
	var code int
	if r.ended != nil {
		code = <-r.ended
	} else {
		code = r.wait()
	}
	e := ended{code: code, stdout: r.stdout.String(), stderr: r.stderr.String(), took: time.Since(r.began)}
	r.program.holdsNoSecret("stdout", e.stdout)
	r.program.holdsNoSecret("stderr", e.stderr)
	if e.stdout != "" {
		r.program.t.Errorf("stdout has %q, which nobody asked for", e.stdout)
	}
	return e
}

func (r *running) wait() (code int) {
	r.program.t.Helper()
	most := time.Minute
	if proofInFull() {
		most *= 5
	}
	tooLong := time.AfterFunc(most, func() {
		r.program.t.Error("the program does not end")
		_ = r.Process.Kill()
	})
	defer tooLong.Stop()
	err := r.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.program.t.Fatal(err)
	}
	return r.ProcessState.ExitCode()
}

// run runs orgimport import members.csv to its end, which must have the exit
// code want.
func (p *program) run(want int, args ...string) ended {
	p.t.Helper()
	e := p.start(args...).end()
	if e.code != want {
		p.t.Fatalf("exit code %d, want %d:\n%s", e.code, want, e.stderr)
	}
	return e
}

// says fails the test unless stderr has the text.
func (e ended) says(t *testing.T, text string) {
	t.Helper()
	if !strings.Contains(e.stderr, text) {
		t.Errorf("stderr does not say %q:\n%s", text, e.stderr)
	}
}

// proofInput is an input and its expected outcome.
type proofInput struct {
	csv     []byte
	want    map[int]importer.Status // by line
	members map[string][]string     // by organization, ascending
	batches int                     // that carry all rows worth sending
	bad     int                     // of these rows, those that are refused
}

const (
	proofHeader        = "org_id,user_id\n"
	proofResultsHeader = "line,org_id,user_id,status,http_status,error_code,message,attempts,correlation_id,timestamp\n"
)

// newProofInput returns the expected outcome of the lines. A line that is sent has
// two fields and no quotes.
func newProofInput(lines []string) *proofInput {
	in := &proofInput{want: map[int]importer.Status{}, members: map[string][]string{}}
	seen, rows := map[string]bool{}, map[string]int{}
	for i, line := range lines {
		orgID, userID, whole := strings.Cut(line, ",")
		status := importer.Added
		switch {
		case !whole || orgID == "" || userID == "" || strings.ContainsAny(line, "\"\x01"):
			status = importer.Rejected
		case seen[line]:
			status = importer.Duplicate
		case !exists(orgID) || !exists(userID) || !strings.Contains(userID, "|"):
			status = importer.Failed
		}
		if status == importer.Added || status == importer.Failed {
			seen[line] = true
			rows[orgID]++
		}
		switch status {
		case importer.Added:
			in.members[orgID] = append(in.members[orgID], userID)
		case importer.Failed:
			in.bad++
		}
		in.want[i+2] = status
	}
	for _, n := range rows {
		in.batches += (n + 9) / 10
	}
	for _, users := range in.members {
		slices.Sort(users)
	}
	in.csv = []byte(proofHeader + strings.Join(lines, "\n") + "\n")
	return in
}

// proofLines returns n good lines in that many organizations, in the order of the
// organizations.
func proofLines(n, orgs int) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf("org_%016d,auth0|%024x", i%orgs, i)
	}
	return lines
}

// mixed adds bad lines to good ones: users and an organization that do not exist,
// broken lines, and repeated ones.
func mixed(seed uint64, good []string, unknownUsers, unknownOrg, broken, repeated int) []string {
	rng := rand.New(rand.NewPCG(seed, 0))
	lines := slices.Clone(good)
	for i := range unknownUsers {
		orgID, _, _ := strings.Cut(good[rng.IntN(len(good))], ",")
		lines = append(lines, fmt.Sprintf("%s,auth0|unknown%d", orgID, i))
	}
	for i := range unknownOrg {
		lines = append(lines, fmt.Sprintf("org_unknown,auth0|stray%d", i))
	}
	ways := []string{"org_0000000000000000,", ",auth0|nowhere", "lonely", "org_0000000000000000,auth0|bell\x01"}
	for i := range broken {
		lines = append(lines, ways[i%len(ways)])
	}
	for range repeated {
		lines = append(lines, good[rng.IntN(len(good))])
	}
	rng.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	return lines
}

// proofResults is a results file as an independent CSV reader reads it.
type proofResults struct {
	status map[int]importer.Status // by line of the input
	record map[int][]string
	counts map[importer.Status]int
}

// code returns the error code of a line of the input; empty if it has no line.
func (r *proofResults) code(line int) string {
	if r.record[line] == nil {
		return ""
	}
	return r.record[line][5]
}

// readProofResults reads a results file in which every line is whole, and no
// row of the input has two.
func readProofResults(content string) (*proofResults, error) {
	records, err := csv.NewReader(strings.NewReader(content)).ReadAll()
	if err != nil {
		return nil, err
	}
	if n := strings.Count(content, "\n"); n != len(records) {
		return nil, fmt.Errorf("%d records on %d lines", len(records), n)
	}
	if len(records) == 0 || !strings.HasPrefix(strings.Join(records[0], ",")+",", strings.TrimSuffix(proofResultsHeader, "\n")+",") {
		return nil, errors.New("the header is not that of a results file")
	}
	r := &proofResults{status: map[int]importer.Status{}, record: map[int][]string{}, counts: map[importer.Status]int{}}
	for _, record := range records[1:] {
		line, err := strconv.Atoi(record[0])
		if err != nil {
			return nil, err
		}
		if _, twice := r.status[line]; twice {
			return nil, fmt.Errorf("line %d is told twice", line)
		}
		status := importer.Status(record[3])
		r.status[line], r.record[line] = status, record
		r.counts[status]++
	}
	return r, nil
}

// checkResults compares a results file with the expected outcome of the input.
// After a run that ended early, lines may be missing.
func (in *proofInput) checkResults(content string, complete bool) error {
	got, err := readProofResults(content)
	if err != nil {
		return err
	}
	var wrong []error
	for line, status := range got.status {
		if in.want[line] != status {
			wrong = append(wrong, fmt.Errorf("line %d is told as %s, not as %s", line, status, in.want[line]))
		}
	}
	if complete && len(got.status) != len(in.want) {
		wrong = append(wrong, fmt.Errorf("%d lines for %d rows", len(got.status), len(in.want)))
	}
	return errors.Join(wrong...)
}

// checkMembers compares the tenant's members with the good pairs.
func (in *proofInput) checkMembers(tenant *auth0test.Tenant) error {
	var wrong []error
	for orgID, users := range in.members {
		if got := tenant.Members(orgID); !slices.Equal(got, users) {
			wrong = append(wrong, fmt.Errorf("%s has %d members, not the %d good ones", orgID, len(got), len(users)))
		}
	}
	if got := tenant.Members("org_unknown"); len(got) > 0 {
		wrong = append(wrong, errors.New("an unknown organization has members"))
	}
	return errors.Join(wrong...)
}

var (
	summaryLine = regexp.MustCompile(`(?m)^(?:\{.*"msg":")?(\d+) rows?(?: = (.*))?$`)
	summaryTerm = regexp.MustCompile(`^(\d+) (.+)$`)
)

// readSummary returns the terms of the summary, which must add up.
func readSummary(text string) (map[string]int, error) {
	match := summaryLine.FindStringSubmatch(text)
	if match == nil {
		return nil, fmt.Errorf("there is no summary in:\n%s", text)
	}
	terms, sum := map[string]int{}, 0
	if match[2] != "" {
		for term := range strings.SplitSeq(match[2], " + ") {
			m := summaryTerm.FindStringSubmatch(term)
			if m == nil {
				return nil, fmt.Errorf("%q is no term of a summary", term)
			}
			n, _ := strconv.Atoi(m[1])
			terms[m[2]] = n
			sum += n
		}
	}
	if rows, _ := strconv.Atoi(match[1]); rows != sum {
		return nil, fmt.Errorf("the summary does not add up: %s", match[0])
	}
	return terms, nil
}

// checkSummary compares the summary of a run with its results. Rows that were not
// attempted have no line.
func checkSummary(text, results string) error {
	terms, err := readSummary(text)
	if err != nil {
		return err
	}
	got, err := readProofResults(results)
	if err != nil {
		return err
	}
	delete(terms, "not attempted")
	// What became of a request in flight is not known, so its row counts with the
	// failed line of an earlier run, if it had one.
	inFlight := got.counts[importer.Sending]
	delete(got.counts, importer.Sending)
	delete(terms, string(importer.Sending))
	for _, s := range importer.Statuses() {
		n, counted := got.counts[s.Status], terms[string(s.Status)]
		more := counted - n
		if more < 0 || more > 0 && (more > inFlight || !s.Failure) {
			return fmt.Errorf("the results have %d %s, the summary has %d", n, s.Status, counted)
		}
		inFlight -= more
		delete(terms, string(s.Status))
	}
	if len(terms) > 0 {
		return fmt.Errorf("the summary has %v, the results have not", terms)
	}
	return nil
}

// complete makes all checks of a run that read its input to the end and exited with
// 0 or 1.
func (p *program) complete(in *proofInput, e ended) {
	p.t.Helper()
	results := p.read("results.csv")
	err := errors.Join(
		in.checkResults(results, true),
		in.checkMembers(p.tenant.Tenant),
		checkSummary(e.stderr, results))
	if err != nil {
		p.t.Errorf("%v\nstderr:\n%s", err, e.stderr)
	}
}

// partly checks a run that ended early and said so: the summary adds up, no line is
// wrong, and there is a command to continue. A run that got no answer leaves no
// results.
func (p *program) partly(in *proofInput, e ended) {
	p.t.Helper()
	results := cmp.Or(p.results(), proofResultsHeader)
	err := errors.Join(in.checkResults(results, false), checkSummary(e.stderr, results))
	if err != nil {
		p.t.Errorf("%v\nstderr:\n%s", err, e.stderr)
	}
	e.says(p.t, "continue with: orgimport import ")
}

// exists reports whether the simulated tenants of these tests know an id.
func exists(id string) bool { return !strings.Contains(strings.ToLower(id), "unknown") }
