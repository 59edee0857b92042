package main

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"syscall"
	"time"

	"orgimport/cmd/orgimport/internal/tenancy"
	"orgimport/importer/retry"
	"orgimport/ratelimit"
	"orgimport/report"
)

// observer logs what happens between a command and its tenant. The fields that
// the progress reads are atomic.
type observer struct {
	log      *slog.Logger
	tenant   atomic.Pointer[tenancy.Tenant] // nil before it is connected
	outage   atomic.Pointer[time.Time]      // start of the outage; nil: none
	outages  atomic.Int64                   // nanoseconds that outages have lasted
	stopping atomic.Bool
}

// signalled logs at once that a signal was received, and what is still finished.
func (o *observer) signalled(signal syscall.Signal) {
	o.stopping.Store(true)
	again := "a second signal stops at once"
	if signal == syscall.SIGINT {
		again = "Ctrl-C again stops at once"
	}
	what := "stopping"
	if tenant := o.tenant.Load(); tenant != nil {
		if n := tenant.State().InFlight; n > 0 {
			what = fmt.Sprintf("stopping: %s in flight %s finished, up to %s", report.Plural(n, "request"), report.Verb(n, "is", "are"), tenancy.DrainTime)
		}
	}
	o.log.Info(what + "; " + again)
}

// Event logs an event of the retry client.
func (o *observer) Event(e retry.Event) {
	switch e.Kind {
	case retry.FirstFailure:
		again := " and will be sent again"
		if e.Once {
			again = ""
		}
		o.log.Warn(fmt.Sprintf("a request failed%s: %v", again, e.Err))
	case retry.OutageBegan:
		o.outage.Store(&e.Since)
		o.log.Warn(fmt.Sprintf("the tenant does not answer; all requests wait while one at a time is tried: %v", e.Err))
	case retry.OutageEnded:
		o.outage.Store(nil)
		lasted := e.Time.Sub(e.Since)
		o.outages.Add(int64(lasted))
		o.log.Info(fmt.Sprintf("the tenant answers again after %s", lasted.Round(time.Second)))
	}
}

// TokenRefused logs that a new token is fetched.
func (o *observer) TokenRefused(why error) {
	o.log.Info(fmt.Sprintf("the token was refused; fetching a new one: %v", why))
}

// minLoggedPause is the shortest wait that is logged.
const minLoggedPause = 5 * time.Second

// Wait logs waits that are long enough for people to wonder about.
func (o *observer) Wait(w ratelimit.Wait) {
	if lasts := w.Until.Sub(w.Since); !w.Ended && lasts >= minLoggedPause {
		o.log.Info(fmt.Sprintf("waiting %s for %s", lasts.Round(time.Second), w.Why+inParens(w.Detail)))
	}
}

func inParens(detail string) string {
	if detail == "" {
		return ""
	}
	return " (" + detail + ")"
}

// waiting returns what is waited for now, and for how long at most from now on.
func (o *observer) waiting() waiting {
	if o.stopping.Load() {
		return waiting{text: "stopping", halted: true}
	}
	tenant := o.tenant.Load()
	if tenant == nil {
		return waiting{}
	}
	if since := o.outage.Load(); since != nil {
		return waiting{text: "no answer, gives up in " + brief(max(0, time.Until(since.Add(tenant.MaxWait())))), halted: true}
	}
	w := tenant.State().Waiting
	if left := time.Until(w.Until); left >= time.Second {
		return waiting{text: "waiting " + brief(left), why: " for " + w.Why, detail: inParens(w.Detail)}
	}
	return waiting{}
}
