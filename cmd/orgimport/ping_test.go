package main

import (
	"errors"
	"log/slog"
	"net/http"
	"path"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"orgimport/importer/auth0/auth0test"
)

// silent never answers.
type silent struct{}

func (silent) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestPingThatHangsIsNotWaitedForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		start := time.Now()
		(&publishFlags{Ping: "https://ping.test/t0ken"}).ping(t.Context(), silent{}, "0", slog.New(slog.NewTextHandler(&log, nil)))
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("it took %s, want 10s", took)
		}
		if !strings.Contains(log.String(), "can't ping URL/0") || strings.Contains(log.String(), "t0ken") {
			t.Errorf("it warns of %q", log.String())
		}
	})
}

// TestPingOfTheStartComesBeforeThatOfTheEnd, however long it takes, and its error
// is printed before the summary.
func TestPingOfTheStartComesBeforeThatOfTheEnd(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		tenant := newProofTenant(auth0test.Config{})
		p := newProgram(t, tenant, newProofInput(proofLines(20, 2)).csv)
		run := p.prepare("import", "members.csv", "--ping", "https://hc.example/secret")
		var pings []string
		run.transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host != "hc.example" {
				return tenant.RoundTrip(r)
			}
			ping := path.Base(r.URL.Path)
			if ping == "start" {
				time.Sleep(5 * time.Second)
			}
			pings = append(pings, ping)
			return nil, errors.New("no such host")
		})
		e := p.begin(run).end()
		if e.code != exitDone || !slices.Equal(pings, []string{"start", "0"}) {
			t.Errorf("exit code %d, pings %q", e.code, pings)
		}
		_, summary, _ := strings.Cut(e.stderr, "20 rows = ")
		if strings.Count(e.stderr, "no such host") != 2 || strings.Contains(summary, "no such host") {
			t.Errorf("stderr is\n%s", e.stderr)
		}
	})
}

// TestSignalEndsAPing, and a run that was stopped still pings at its end.
func TestSignalEndsAPing(t *testing.T) {
	for _, hangs := range []string{"start", "0"} {
		onFakeClock(t, hangs, func(t *testing.T) {
			tenant := newProofTenant(auth0test.Config{})
			p := newProgram(t, tenant, newProofInput(proofLines(20, 2)).csv)
			run := p.prepare("import", "members.csv", "--ping", "https://hc.example/secret")
			var hung time.Time
			var last string
			run.transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.URL.Host != "hc.example" {
					return tenant.RoundTrip(r)
				}
				if last = path.Base(r.URL.Path); last == hangs {
					hung = time.Now()
					run.signals <- syscall.SIGTERM
					return silent{}.RoundTrip(r)
				}
				return nil, errors.New("no such host")
			})
			if e := p.begin(run).end(); time.Since(hung) > time.Second || last == "start" || strings.Contains(e.stderr, "can't ping URL/"+hangs) {
				t.Errorf("it ends %s after the signal, and the last ping was %s:\n%s", time.Since(hung), last, e.stderr)
			}
		})
	}
}
