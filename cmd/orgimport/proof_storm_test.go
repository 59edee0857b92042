package main

import (
	"net/http"
	"testing"
	"time"

	"orgimport/importer/auth0/auth0test"
)

// TestStormLosesNothing combines all faults: answers of 503, connections that break
// before and after the work is done, requests that are never answered, an outage,
// and short-lived tokens. PROOF=full has 4000 rows, and 4 seconds for the last two.
func TestStormLosesNothing(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		rows, outage, lifetime := 600, time.Second, 2*time.Second
		if proofInFull() {
			rows, outage, lifetime = 4000, 4*time.Second, 4*time.Second
		}
		tenant := newProofTenant(auth0test.Config{
			Latency:       auth0test.Uniform(10*time.Millisecond, 60*time.Millisecond),
			Limits:        proofLimit(auth0test.Limit{Size: 60, Per: 60, Interval: time.Second}),
			TokenLifetime: lifetime,
			Incidents: []auth0test.Incident{
				auth0test.Outage(time.Second, time.Second+outage),
				{Share: 0.05, Class: auth0test.WriteMembers, Fault: auth0test.Fault{Status: http.StatusServiceUnavailable}},
				{Share: 0.03, Class: auth0test.WriteMembers, Fault: auth0test.Fault{Cut: auth0test.Reset}},
				{Share: 0.03, Class: auth0test.WriteMembers, Fault: auth0test.Fault{Cut: auth0test.Reset, Applied: true}},
				{Share: 0.004, Class: auth0test.WriteMembers, Fault: auth0test.Fault{Hang: true}},
			},
		})
		in := newProofInput(proofLines(rows, 50))
		p := newProgram(t, tenant, in.csv)
		e := p.run(exitDone, "--request-timeout", "1s")
		p.complete(in, e)
		stats := tenant.Stats()
		if stats.Count(auth0test.WriteMembers, http.StatusServiceUnavailable) == 0 || stats.Count(auth0test.WriteMembers, 0) == 0 || stats.TokensIssued < 2 {
			t.Errorf("it was no storm: %v, %d tokens", stats.Requests, stats.TokensIssued)
		}
		t.Logf("%d rows in %s: %d requests for %d batches, %d tokens, by status %v",
			rows, e.took.Round(time.Millisecond), tenant.writes(), in.batches, stats.TokensIssued, stats.Requests[auth0test.WriteMembers])
	})
}
