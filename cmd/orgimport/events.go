package main

import (
	"fmt"
	"time"

	"orgimport/importer/auth0"
	"orgimport/ratelimit"
)

// event tells what happened between the run and the tenant.
func (r *importRun) event(e auth0.Event) {
	switch e.Kind {
	case auth0.FirstFailure:
		r.ui.log.Warn(fmt.Sprintf("a request failed and is sent again: %v", e.Err))
	case auth0.OutageBegan:
		r.outage.Store(&e.Since)
		r.ui.log.Warn(fmt.Sprintf("the tenant does not answer: all requests wait, one at a time is tried: %v", e.Err))
	case auth0.OutageEnded:
		r.outage.Store(nil)
		r.ui.log.Info(fmt.Sprintf("the tenant answers again after %s", e.Time.Sub(e.Since).Round(time.Second)))
	case auth0.TokenRefused:
		r.ui.log.Info(fmt.Sprintf("the token was refused, a fresh one is fetched: %v", e.Err))
	}
}

// pause tells of waits that are long enough to wonder about.
func (r *importRun) pause(p ratelimit.Pause) {
	if wait := p.Until.Sub(p.Since); !p.Ended && wait >= pauseWorthLog {
		r.ui.log.Info(fmt.Sprintf("waiting %s for %s", wait.Round(time.Second), p.Why))
	}
}
