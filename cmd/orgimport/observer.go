package main

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"orgimport/importer/auth0"
	"orgimport/ratelimit"
	"orgimport/report"
)

// observer tells what happens between a command and its tenant. What the
// progress looks at is atomic.
type observer struct {
	log      *slog.Logger
	eventLog eventLog
	outage   atomic.Pointer[time.Time] // since when; nil: none
}

// event tells what happened between the run and the tenant.
func (r *observer) event(e auth0.Event) {
	switch e.Kind {
	case auth0.FirstFailure:
		r.log.Warn(fmt.Sprintf("a request failed and is sent again: %v", e.Err))
	case auth0.OutageBegan:
		r.outage.Store(&e.Since)
		r.eventLog.write(report.Event{Kind: report.EventOutageBegin, Message: e.Err.Error()})
		r.log.Warn(fmt.Sprintf("the tenant does not answer: all requests wait, one at a time is tried: %v", e.Err))
	case auth0.OutageEnded:
		r.outage.Store(nil)
		lasted := e.Time.Sub(e.Since)
		r.eventLog.write(report.Event{Kind: report.EventOutageEnd, Seconds: lasted.Seconds()})
		r.log.Info(fmt.Sprintf("the tenant answers again after %s", lasted.Round(time.Second)))
	case auth0.TokenRefused:
		r.eventLog.write(report.Event{Kind: report.EventToken, Message: e.Err.Error()})
		r.log.Info(fmt.Sprintf("the token was refused, a fresh one is fetched: %v", e.Err))
	}
}

// wait tells of waits that are long enough to wonder about.
func (r *observer) wait(w ratelimit.Wait) {
	switch lasts := w.Until.Sub(w.Since); {
	case w.Ended:
		r.eventLog.write(report.Event{Kind: report.EventPause, Time: w.Since, Seconds: time.Since(w.Since).Seconds(), Message: inFull(w)})
	case lasts >= pauseWorthLog:
		r.log.Info(fmt.Sprintf("waiting %s for %s", lasts.Round(time.Second), inFull(w)))
	}
}

// inFull is what is waited for.
func inFull(w ratelimit.Wait) string {
	if w.Detail == "" {
		return w.Why
	}
	return w.Why + " (" + w.Detail + ")"
}

// waiting is what is waited for now, and for how long; empty: for nothing.
func (r *observer) waiting(pace *ratelimit.Transport) string {
	if since := r.outage.Load(); since != nil {
		return fmt.Sprintf("no answer for %s", time.Since(*since).Round(time.Second))
	}
	if head := pace.State().Waiting; !head.Since.IsZero() && time.Since(head.Since) > time.Second {
		return fmt.Sprintf("waiting %s for %s", time.Since(head.Since).Round(time.Second), inFull(head))
	}
	return ""
}
