package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"orgimport/cmd/orgimport/internal/tenancy"
	"orgimport/importer/auth0/auth0test"
	"orgimport/ratelimit"
)

// scale is how many rows [TestHowLongRowsTake] imports.
func scale() int {
	if proofInFull() {
		return 1_000_000
	}
	return 2_000
}

// longImport is a large file, and how it is imported.
type longImport struct {
	name    string
	header  string
	row     func(c *crowd, i int) string
	members float64 // share of the rows who are members before
	unknown float64 // share of the rows whose user does not exist
	args    []string
	reads   func(rows int) int // at most
	writes  func(rows int) int // at most; nil: not limited
	asked   bool               // the row-by-row client also looks up users and organizations
}

// crowd has the users and organizations of a tenant, and the bad rows of the file.
type crowd struct {
	users []auth0test.User
	orgs  []auth0test.Organization
	bad   []bool
}

func byIDs(c *crowd, i int) string {
	user := c.users[i].ID
	if c.bad[i] {
		user = fmt.Sprintf("auth0|unknown%017d", i)
	}
	return c.org(i).ID + "," + user
}

func byNames(c *crowd, i int) string { return c.org(i).Name + "," + c.users[i].Email }

// org returns the organization of a row: there are a thousand rows of each.
func (c *crowd) org(i int) auth0test.Organization { return c.orgs[i%len(c.orgs)] }

// longImports are the files with times in importer/README.md. Their limits are what
// look-ups promise: all batches are full, except the last of each organization.
func longImports() []longImport {
	exactly := func(n int) func(int) int { return func(int) int { return n } }
	orgs := func(rows int) int { return (rows + 999) / 1000 }
	full := func(share float64) func(int) int {
		return func(rows int) int { return int(float64(rows)*share)/10 + orgs(rows) }
	}
	const ids, names = "org_id,user_id\n", "organization,email\n"
	return []longImport{
		{name: "ids", header: ids, row: byIDs, reads: exactly(0), writes: full(1)},
		{name: "ids, 2 % of the users unknown", header: ids, row: byIDs, unknown: 0.02, reads: exactly(0)},
		{
			name: "ids, 2 % of the users unknown, --check-users", header: ids, row: byIDs, unknown: 0.02,
			args: []string{"--check-users"}, reads: func(rows int) int { return 75 + rows*3/100 }, writes: full(0.983),
		},
		{name: "ids, 99 % are members", header: ids, row: byIDs, members: 0.99, reads: exactly(0), writes: full(1)},
		{
			name: "ids, 99 % are members, --skip-members", header: ids, row: byIDs, members: 0.99,
			args: []string{"--skip-members"}, reads: func(rows int) int { return rows/100 + orgs(rows) }, writes: func(rows int) int { return 2 * orgs(rows) },
		},
		{
			name: "e-mails and names", header: names, row: byNames, asked: true,
			args: []string{"--lookup", "export"}, reads: func(rows int) int { return 75 + orgs(rows)/100 + 1 + 20 }, writes: full(1),
		},
	}
}

// TestHowLongRowsTake imports files against a tenant with the limits that Auth0
// publishes for production, on a fake clock, and counts the requests. The times in
// importer/README.md, for a million rows, are those that it logs when run by
//
//	PROOF=full go test -run TestHowLongRowsTake -v -timeout 1h ./cmd/orgimport
//
// with those of a client that sends a request for each row, with as many requests
// in flight as the limits allow. Its times are measured for a fiftieth of the rows.
func TestHowLongRowsTake(t *testing.T) {
	t.Parallel()
	var table strings.Builder
	fmt.Fprintf(&table, "%d rows of 1,000 an organization\n| file | orgimport | reads | writes | row by row |\n|---|---|---|---|---|\n", scale())
	for _, job := range longImports() {
		took, reads, writes := job.run(t)
		rowByRow := job.rowByRow(t)
		fmt.Fprintf(&table, "| %s | %s | %d | %d | %s |\n", job.name, brief(took), reads, writes, brief(rowByRow))
		if most := job.reads(scale()); reads > most {
			t.Errorf("%s: %d reads, at most %d are due", job.name, reads, most)
		}
		if job.writes != nil && writes > job.writes(scale()) {
			t.Errorf("%s: %d writes, at most %d are due", job.name, writes, job.writes(scale()))
		}
	}
	t.Log(table.String())
}

// crowd makes the users and organizations of n rows.
func (l *longImport) crowd(n int) *crowd {
	c := &crowd{users: auth0test.MakeUsers(n), bad: make([]bool, n)}
	for i := range max(1, n/1000) {
		c.orgs = append(c.orgs, auth0test.Organization{ID: fmt.Sprintf("org_%016d", i), Name: fmt.Sprint("customer-", i)})
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range c.bad {
		c.bad[i] = random.Float64() < l.unknown
	}
	return c
}

// tenant returns a tenant with these users and members.
func (l *longImport) tenant(t *testing.T, c *crowd) *auth0test.Tenant {
	t.Helper()
	tenant := auth0test.New(auth0test.Config{
		Users: c.users, Organizations: c.orgs, Limits: preset("enterprise-prod"),
		Latency: auth0test.Recorded(),
		Exports: auth0test.Exports{Duration: 5 * time.Minute, TimeLeft: true},
	})
	random := rand.New(rand.NewPCG(3, 4))
	for i, u := range c.users {
		if random.Float64() < l.members {
			tenant.AddMembers(c.org(i).ID, u.ID)
		}
	}
	return tenant
}

// run imports the file, and returns how long that takes and the requests that the
// tenant counted.
func (l *longImport) run(t *testing.T) (took time.Duration, reads, writes int) {
	t.Helper()
	n := scale()
	c := l.crowd(n)
	dir := memoryDir(t)
	input := filepath.Join(dir, "members.csv")
	var file bytes.Buffer
	file.WriteString(l.header)
	for i := range n {
		file.WriteString(l.row(c, i) + "\n")
	}
	if err := os.WriteFile(input, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		tenant := l.tenant(t, c)
		began := time.Now()
		var stdout, stderr bytes.Buffer
		env := map[string]string{"AUTH0_DOMAIN": "acme.eu.auth0.com", "AUTH0_CLIENT_ID": "client", "AUTH0_CLIENT_SECRET": "s3cret"}
		code := run(surroundings{
			args:   append([]string{"import", input, "--results", filepath.Join(dir, "results.csv"), "--quiet"}, l.args...),
			getenv: func(name string) string { return env[name] },
			stdin:  strings.NewReader(""), stdout: &stdout, stderr: &stderr,
			transport: func(int) http.RoundTripper { return tenant },
			signals:   func() <-chan os.Signal { return nil },
			exit:      func(int) {},
		})
		took = time.Since(began)
		if want := map[bool]int{false: exitDone, true: exitRows}[l.unknown > 0]; code != want {
			t.Fatalf("%s: exit code %d, want %d: %s", l.name, code, want, stderr.String())
		}
		if terms, err := readSummary(stderr.String()); err != nil || terms["failed"]+terms["rejected"] > int(1.2*l.unknown*float64(n)) {
			t.Errorf("%s: %v, %v", l.name, terms, err)
		}
		reads, writes = readsAndWrites(tenant.Stats())
	})
	return took, reads, writes
}

// readsAndWrites returns how many requests of the API were accepted.
func readsAndWrites(s auth0test.Stats) (reads, writes int) {
	for class, byStatus := range s.Requests {
		for status, n := range byStatus {
			switch {
			case status == http.StatusTooManyRequests, class == auth0test.Tokens, class == auth0test.Downloads:
			case class == auth0test.WriteMembers:
				writes += n
			default:
				reads += n
			}
		}
	}
	return reads, writes
}

// rowByRow returns the time of a client that sends a request for each row and, if
// the file has no ids, one for its user and one for its organization before. It
// keeps to the limits like orgimport.
func (l *longImport) rowByRow(t *testing.T) (took time.Duration) {
	t.Helper()
	n := scale() / 50
	c := l.crowd(n)
	synctest.Test(t, func(t *testing.T) {
		tenant := l.tenant(t, c)
		token := "Bearer " + tenant.Token()
		ask := func(pace *ratelimit.Transport, method, path, body string) {
			for {
				req, err := http.NewRequestWithContext(t.Context(), method, "https://acme.eu.auth0.com/api/v2/"+path, strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Authorization", token)
				req.Header.Set("Content-Type", "application/json")
				resp, err := pace.RoundTrip(req)
				if err != nil {
					t.Error(err)
					return
				}
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusTooManyRequests {
					return
				}
			}
		}
		writes, users, orgs := &ratelimit.Transport{Base: tenant}, &ratelimit.Transport{Base: tenant}, &ratelimit.Transport{Base: tenant}
		began := time.Now()
		next := make(chan int)
		var working sync.WaitGroup
		for range tenancy.DefaultWorkers {
			working.Go(func() {
				for i := range next {
					org, user, _ := strings.Cut(l.row(c, i), ",")
					if l.asked {
						ask(orgs, http.MethodGet, "organizations/name/"+org, "")
						ask(users, http.MethodGet, "users-by-email?email="+url.QueryEscape(user), "")
						org, user = c.org(i).ID, c.users[i].ID
					}
					ask(writes, http.MethodPost, "organizations/"+org+"/members", fmt.Sprintf(`{"members":[%q]}`, user))
				}
			})
		}
		for i := range n {
			next <- i
		}
		close(next)
		working.Wait()
		took = time.Since(began)
	})
	return took * time.Duration(scale()/n)
}
