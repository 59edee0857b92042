package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// BenchmarkLookUps imports a million rows whose users are named by address, from
// a tenant of two million users, and whose organizations are named by name:
//
//	go test ./cmd/orgimport -run '^$' -bench LookUps -benchtime 1x
//
// It reports the peak memory of the process, the seconds until the first write
// without those of the job itself, and CPU seconds, which are more reliable on a
// busy machine. They include making the export.
func BenchmarkLookUps(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent)) // as main does
	const rows, users, orgs = 1_000_000, 2_000_000, 1000
	dir := b.TempDir()
	input := filepath.Join(dir, "members.csv")
	f, err := os.Create(input)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriter(f)
	fmt.Fprintln(w, "organization,email")
	for i := range rows {
		fmt.Fprintf(w, "customer-%d,employee.%07d@customer.com\n", i%orgs, i)
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		tenant := &largeTenant{users: users, orgs: orgs}
		results := filepath.Join(dir, "results.csv")
		_ = os.Remove(results)
		var stderr bytes.Buffer
		env := map[string]string{"AUTH0_DOMAIN": "acme.eu.auth0.com", "AUTH0_CLIENT_ID": "client", "AUTH0_CLIENT_SECRET": "s3cret"}
		began, cpu := time.Now(), cpuSeconds(b)
		tenant.first = func() { tenant.wrote, tenant.cpu = time.Now(), cpuSeconds(b) }
		code := run(surroundings{
			args:   []string{"import", input, "--results", results, "--quiet"},
			getenv: func(name string) string { return env[name] },
			stdin:  strings.NewReader(""), stdout: io.Discard, stderr: &stderr,
			transport: func(int) http.RoundTripper { return tenant },
			signals:   func() <-chan os.Signal { return nil },
			exit:      func(int) {},
		})
		if terms, err := readSummary(stderr.String()); code != exitDone || err != nil || terms["added"] != rows {
			b.Fatalf("exit code %d, %v, %v: %s", code, terms, err, stderr.String())
		}
		const job = 2 * time.Second // until it is looked after for the first time
		b.ReportMetric((tenant.wrote.Sub(began) - job).Seconds(), "s-looking-up")
		b.ReportMetric(tenant.cpu-cpu, "cpu-s-looking-up")
	}
	b.ReportMetric(float64(peakResident(b)), "MB-resident")
}

// cpuSeconds returns the CPU time of this process.
func cpuSeconds(b *testing.B) float64 {
	b.Helper()
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		b.Skip("no /proc/self/stat here")
	}
	_, fields, _ := strings.Cut(string(stat), ") ")
	const user, system, ticks = 11, 12, 100 // behind the name; and ticks a second
	sum := 0.0
	for i, field := range strings.Fields(fields) {
		if i == user || i == system {
			n, err := strconv.ParseFloat(field, 64)
			if err != nil {
				b.Fatal(err)
			}
			sum += n / ticks
		}
	}
	return sum
}

// largeTenant is a tenant that needs no memory: its users are generated during the
// download.
type largeTenant struct {
	users, orgs int

	once  sync.Once
	first func() // is called at the first write
	wrote time.Time
	cpu   float64
}

// RoundTrip answers as the API does.
func (l *largeTenant) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
	}
	switch path := strings.TrimPrefix(r.URL.Path, "/api/v2/"); {
	case r.URL.Host == "exports.example":
		out, in := io.Pipe()
		go func() { in.CloseWithError(l.export(in)) }()
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: out, Request: r}, nil
	case r.URL.Path == "/oauth/token":
		return l.answer(r, http.StatusOK, `{"access_token":"opaque","token_type":"Bearer","expires_in":86400}`)
	case path == "jobs/users-exports":
		return l.answer(r, http.StatusOK, `{"id":"job_1","status":"pending"}`)
	case path == "jobs/job_1":
		return l.answer(r, http.StatusOK, `{"id":"job_1","status":"completed","location":"https://exports.example/job_1"}`)
	case path == "organizations":
		return l.answer(r, http.StatusOK, l.page(r.URL.Query().Get("from")))
	case strings.HasSuffix(path, "/members"):
		l.once.Do(l.first)
		return l.answer(r, http.StatusNoContent, "")
	}
	return l.answer(r, http.StatusNotFound, `{"statusCode":404,"error":"Not Found","message":"Not Found"}`)
}

func (l *largeTenant) answer(r *http.Request, status int, body string) (*http.Response, error) {
	header := http.Header{}
	header.Set("Content-Type", "application/json")
	header.Set("X-RateLimit-Limit", "1000000")
	header.Set("X-RateLimit-Remaining", "999999")
	header.Set("X-RateLimit-Reset", strconv.FormatInt(time.Now().Unix()+1, 10))
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// page is a page of the list of organizations.
func (l *largeTenant) page(from string) string {
	first, _ := strconv.Atoi(from) // the first page has no from
	var orgs []string
	for i := first; i < min(first+100, l.orgs); i++ {
		orgs = append(orgs, fmt.Sprintf(`{"id":"org_%016d","name":"customer-%d"}`, i, i))
	}
	next := ""
	if first+100 < l.orgs {
		next = fmt.Sprintf(`,"next":"%d"`, first+100)
	}
	return `{"organizations":[` + strings.Join(orgs, ",") + `]` + next + `}`
}

// export writes the users.
func (l *largeTenant) export(w io.Writer) error {
	zip, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(zip, 1<<16)
	for i := range l.users {
		fmt.Fprintf(out, `{"user_id":"auth0|%024x","email":"employee.%07d@customer.com","email_verified":true}`+"\n", i, i)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return zip.Close()
}
