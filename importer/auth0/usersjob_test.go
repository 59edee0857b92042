package auth0_test

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/auth0/auth0test"
)

const signedLink = "https://exports.example/job_1/acme.json.gz?Signature=s3cret"

// aJob is a tenant that exports one user, and the requests that it got.
type aJob struct {
	exports   auth0test.Exports
	link      string                                        // the host of the downloads; empty: the tenant's
	downloads []func(*http.Request) (*http.Response, error) // in place of the tenant's, by turn; the last again and again

	accepted int // the status of the answer that takes the job; 0: the tenant's

	created, polled []time.Time
	bodies          []string
	fetched         []*http.Request
}

// find looks up addresses in an export.
func (j *aJob) find(t *testing.T, d *importer.Directory, connections map[string]string) error {
	t.Helper()
	tenant := newTenant(auth0test.Config{
		Exports:     j.exports,
		Users:       []auth0test.User{{ID: "auth0|1", Email: "ann@acme.com", Connection: "db"}},
		Connections: []auth0test.Connection{{ID: "con_1234567890abcdef", Name: "db"}},
	})
	if j.link != "" {
		if err := tenant.SetDownloadURL(j.link); err != nil {
			t.Fatal(err)
		}
	}
	network := &sender{Answer: func(_ int, r *http.Request, body string) (*http.Response, error) { return j.answer(tenant, r, body) }}
	client := newClient(t, network)
	l := &auth0.Lookup{Jobs: client, Users: client, Download: auth0.NewDownload(network), JobWait: 30 * time.Minute, Workers: 1}
	err := l.FindUsersByExport(t.Context(), d, connections)
	if n := tenant.Stats().Leaks; n > 0 {
		t.Errorf("%d downloads carried a token", n)
	}
	return err
}

func (j *aJob) answer(tenant http.RoundTripper, r *http.Request, body string) (*http.Response, error) {
	switch {
	case r.URL.Host != "acme.eu.auth0.com":
		j.fetched = append(j.fetched, r)
		if len(j.downloads) == 0 {
			break
		}
		next := j.downloads[0]
		if len(j.downloads) > 1 {
			j.downloads = j.downloads[1:]
		}
		return next(r)
	case r.Method == http.MethodPost:
		r.Body = io.NopCloser(strings.NewReader(body))
		resp, err := tenant.RoundTrip(r)
		if err == nil && resp.StatusCode == 200 {
			j.bodies, j.created = append(j.bodies, body), append(j.created, time.Now())
			resp.StatusCode = cmp.Or(j.accepted, resp.StatusCode)
		}
		return resp, err
	case strings.HasPrefix(r.URL.Path, "/api/v2/jobs/"):
		j.polled = append(j.polled, time.Now())
	}
	return tenant.RoundTrip(r)
}

func (j *aJob) requests() int { return len(j.created) + len(j.polled) }

// asking returns a directory with addresses of a connection, or of any.
func asking(connection string, addresses ...string) *importer.Directory {
	d := &importer.Directory{}
	for _, a := range addresses {
		d.Want(importer.Row{OrgID: "org_a", Keys: &importer.Keys{
			User: importer.Key{Kind: importer.KindEmail, Value: a}, Connection: connection,
		}})
	}
	return d
}

const annExported = `{"user_id":"auth0|1","email":"ann@acme.com","email_verified":true}` + "\n"

func TestAnExportIsAskedForWithCare(t *testing.T) {
	for _, tt := range []struct {
		took time.Duration
		left bool
		most int
	}{{0, false, 12}, {20 * time.Second, false, 12}, {20 * time.Second, true, 12}, {29 * time.Minute, false, 75}, {29 * time.Minute, true, 75}} {
		t.Run(fmt.Sprint(tt.took, tt.left), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := &aJob{exports: auth0test.Exports{Duration: tt.took, TimeLeft: tt.left}}
				d := asking("", "Ann@acme.com")
				if err := j.find(t, d, nil); err != nil {
					t.Fatal(err)
				}
				if j.requests() > tt.most || d.Users.Hits() != 1 || len(j.fetched) != 1 {
					t.Errorf("%d requests, at most %d are due; %d found by %d downloads", j.requests(), tt.most, d.Users.Hits(), len(j.fetched))
				}
				if wait := j.polled[0].Sub(j.created[0]); wait != 2*time.Second {
					t.Errorf("the first look came after %s", wait)
				}
				for i := range len(j.polled) - 1 {
					if wait := j.polled[i+1].Sub(j.polled[i]); wait < 3*time.Second || wait > 30*time.Second {
						t.Errorf("look %d came after %s", i+2, wait)
					}
				}
				if want := `{"format":"json","fields":[{"name":"user_id"},{"name":"email"},{"name":"email_verified"}]}`; j.bodies[0] != want {
					t.Errorf("asked for %s, want %s", j.bodies[0], want)
				}
			})
		})
	}
}

func TestNoTokenGoesToTheDownload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &aJob{exports: auth0test.Exports{Redirects: 3}}
		if err := j.find(t, asking("", "ann@acme.com"), nil); err != nil {
			t.Fatal(err)
		}
		if len(j.fetched) != 4 {
			t.Errorf("%d requests", len(j.fetched))
		}
		for _, r := range j.fetched {
			for name, value := range r.Header {
				if name == "Authorization" || name == "Cookie" || name == "Referer" || strings.Contains(strings.Join(value, ""), "Signature") {
					t.Errorf("%s %s", name, value)
				}
			}
		}
	})
}

func TestAConnectionHasAJobOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &aJob{}
		d := asking("db", "ann@acme.com")
		if err := j.find(t, d, map[string]string{"db": "con_1234567890abcdef"}); err != nil {
			t.Fatal(err)
		}
		want := `{"connection_id":"con_1234567890abcdef","format":"json","fields":[{"name":"user_id"},{"name":"email"},{"name":"email_verified"},{"name":"identities[0].connection"}]}`
		if len(j.bodies) != 1 || j.bodies[0] != want || d.Users.Hits() != 1 {
			t.Errorf("asked for %s, want %s; %d found", j.bodies, want, d.Users.Hits())
		}
	})
}

// A link that has expired, or a download that ends in the middle, costs another
// request for the job.
func TestALinkThatDoesNotWorkIsAskedForAgain(t *testing.T) {
	status := func(code int) func(*http.Request) (*http.Response, error) {
		return func(*http.Request) (*http.Response, error) { return reply(code, "<Error>s3cret</Error>"), nil }
	}
	cut := func(*http.Request) (*http.Response, error) {
		r := reply(200, "")
		r.Body = io.NopCloser(io.MultiReader(strings.NewReader(annExported), iotest.ErrReader(errors.New("read "+signedLink))))
		return r, nil
	}
	empty := func(*http.Request) (*http.Response, error) { return reply(200, ""), nil }
	page := func(*http.Request) (*http.Response, error) { return reply(200, "<html>s3cret</html>"), nil }
	half := func(*http.Request) (*http.Response, error) { return reply(200, annExported[:30]), nil }
	lost := func(*http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	}
	done := func(*http.Request) (*http.Response, error) { return reply(200, annExported), nil }
	synctest.Test(t, func(t *testing.T) {
		j := &aJob{downloads: []func(*http.Request) (*http.Response, error){status(403), empty, page, half, lost, done}}
		d := asking("", "ann@acme.com")
		began := time.Now()
		if err := j.find(t, d, nil); err != nil || d.Users.Hits() != 1 || len(j.created) != 1 {
			t.Errorf("%v, %d found, %d jobs", err, d.Users.Hits(), len(j.created))
		}
		if took := time.Since(began); took < 30*time.Second || took > 40*time.Second {
			t.Errorf("the downloads took %s, want pauses of 2, 4, 8 and 16 s between them", took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		j := &aJob{exports: auth0test.Exports{Cut: 5}}
		d := asking("", "ann@acme.com")
		if err := j.find(t, d, nil); err != nil || d.Users.Hits() != 1 || len(j.created) != 1 || len(j.fetched) != 6 {
			t.Errorf("%v, %d found, %d jobs, %d downloads", err, d.Users.Hits(), len(j.created), len(j.fetched))
		}
	})
	for name, never := range map[string]func(*http.Request) (*http.Response, error){"expired": status(403), "not found": status(404), "cut off": cut, "half": half, "empty": empty, "a page": page, "refused": lost} {
		synctest.Test(t, func(t *testing.T) {
			j := &aJob{downloads: []func(*http.Request) (*http.Response, error){never}}
			err := j.find(t, asking("", "ann@acme.com"), nil)
			if e, ok := errors.AsType[*auth0.JobError](err); !ok || strings.Contains(e.Error(), "s3cret") || len(j.fetched) != 6 {
				t.Errorf("%s: %v after %d downloads", name, err, len(j.fetched))
			}
		})
	}
}

func TestALinkToAnythingElseIsNotFollowed(t *testing.T) {
	to := func(location string) []func(*http.Request) (*http.Response, error) {
		return []func(*http.Request) (*http.Response, error){func(*http.Request) (*http.Response, error) { return reply(302, "", "Location", location), nil }}
	}
	for name, j := range map[string]*aJob{
		"http":                {link: "http://exports.example"},
		"a file":              {link: "file:///etc"},
		"nothing":             {link: "nowhere"},
		"redirect to http":    {downloads: to("http://exports.example/s3cret")},
		"redirect home":       {downloads: to("http://127.0.0.1/s3cret")},
		"redirect for ever":   {downloads: to(signedLink)},
		"redirect to nowhere": {downloads: to("::s3cret")},
	} {
		synctest.Test(t, func(t *testing.T) {
			err := j.find(t, asking("", "ann@acme.com"), nil)
			if e, ok := errors.AsType[*auth0.JobError](err); !ok || strings.Contains(e.Error(), "s3cret") || strings.Contains(e.Error(), "Signature") {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

func TestAJobThatFailsIsTriedOnceMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &aJob{exports: auth0test.Exports{Fail: 1}}
		if err := j.find(t, asking("", "ann@acme.com"), nil); err != nil || len(j.created) != 2 {
			t.Errorf("%v after %d jobs", err, len(j.created))
		}
		j = &aJob{exports: auth0test.Exports{Fail: 9}}
		err := j.find(t, asking("", "ann@acme.com"), nil)
		if _, ok := errors.AsType[*auth0.JobError](err); !ok || len(j.created) != 2 {
			t.Errorf("%v after %d jobs", err, len(j.created))
		}
	})
}

// TestAJobMayBeAccepted: the API documents 200, which is seldom of a new job.
func TestAJobMayBeAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, status := range []int{http.StatusCreated, http.StatusAccepted} {
			j, d := &aJob{accepted: status}, asking("", "ann@acme.com")
			if err := j.find(t, d, nil); err != nil || d.Users.Hits() != 1 || len(j.created) != 1 {
				t.Errorf("%d: %v, %d found by %d jobs", status, err, d.Users.Hits(), len(j.created))
			}
		}
	})
}

func TestAnotherExportIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &aJob{exports: auth0test.Exports{Busy: 20}}
		if err := j.find(t, asking("", "ann@acme.com"), nil); err != nil {
			t.Fatal(err)
		}
		j, began := &aJob{exports: auth0test.Exports{Busy: 1 << 20}}, time.Now()
		err := j.find(t, asking("", "ann@acme.com"), nil)
		if e, ok := errors.AsType[*auth0.JobError](err); !ok || !strings.Contains(e.Error(), "another export") {
			t.Error(err)
		}
		if waited := time.Since(began); waited < 29*time.Minute || waited > 30*time.Minute {
			t.Errorf("gave up after %s", waited)
		}
	})
}

func TestAnExportThatTakesTooLongIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &aJob{exports: auth0test.Exports{Duration: time.Hour}}
		err := j.find(t, asking("", "ann@acme.com"), nil)
		if _, ok := errors.AsType[*auth0.JobError](err); !ok || j.requests() > 75 {
			t.Errorf("%v after %d requests", err, j.requests())
		}
	})
}

// The wait is as long as allowed, whatever time the tenant gives.
func TestAnExportIsWaitedForToTheEnd(t *testing.T) {
	for took, allowed := range map[time.Duration]time.Duration{5 * time.Second: 30 * time.Second, 28 * time.Second: 30 * time.Second, 40 * time.Second: 30 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			tenant := newTenant(auth0test.Config{Exports: auth0test.Exports{Duration: took}})
			s := &sender{Answer: func(_ int, r *http.Request, _ string) (*http.Response, error) {
				resp, err := tenant.RoundTrip(r)
				if r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/api/v2/jobs/") && time.Since(epoch) < took {
					return reply(200, `{"id":"job_1","status":"processing","time_left_seconds":2000}`), nil
				}
				return resp, err
			}}
			l := lookup(t, s)
			l.JobWait = allowed
			err := l.FindUsersByExport(t.Context(), asking("", "ann@acme.com"), nil)
			late, ok := errors.AsType[*auth0.JobError](err)
			if took < allowed && err != nil || took > allowed && (!ok || !strings.Contains(late.Error(), "not done after 30s") || time.Since(epoch) != allowed) {
				t.Errorf("a job of %s: %v after %s", took, err, time.Since(epoch))
			}
		})
	}
}

// epoch is when a clock of synctest begins.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func TestAnExportMadeByHandMustHoldWhatIsNeeded(t *testing.T) {
	l := &auth0.Lookup{}
	read := func(d *importer.Directory, export string) error { return l.ReadUsers(strings.NewReader(export), d) }
	d := asking("", "ann@acme.com")
	if err := read(d, annExported); err != nil || d.Users.Hits() != 1 {
		t.Errorf("%v, %d found", err, d.Users.Hits())
	}
	for export, lacks := range map[string]string{
		"": "user_id", `{"user_id":"auth0|1"}`: "email", `{"user_id":"auth0|1","email":"ann@acme.com"}`: "email_verified",
		"user_id,email\n": "email_verified",
	} {
		err := read(asking("", "ann@acme.com"), export)
		if err == nil || !strings.HasSuffix(err.Error(), "no user has the field "+lacks) {
			t.Errorf("%q: %v", export, err)
		}
	}
	if err := read(asking("db", "ann@acme.com"), annExported); err == nil || !strings.Contains(err.Error(), "identities[0].connection") {
		t.Error(err)
	}
	d = asking("", "ann@acme.com")
	d.AllowUnverified = true
	if err := read(d, `{"user_id":"auth0|1","email":"ann@acme.com"}`); err != nil || !slices.Contains(d.Users.Kinds(), "email") {
		t.Error(err)
	}
}
