package main

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"orgimport/importer/auth0/auth0test"
)

// TestEveryRowIsToldOnceAndEveryGoodOneIsIn imports a large, shuffled file with bad
// rows of every kind.
func TestEveryRowIsToldOnceAndEveryGoodOneIsIn(t *testing.T) {
	onFakeClock(t, "", func(t *testing.T) {
		tenant := newProofTenant(auth0test.Config{
			Latency: auth0test.Uniform(0, 2*time.Millisecond),
		})
		in := newProofInput(mixed(1, proofLines(2970, 40), 10, 5, 5, 10))
		if len(in.want) != 3000 {
			t.Fatalf("the input has %d rows", len(in.want))
		}
		p := newProgram(t, tenant, in.csv)
		p.complete(in, p.run(exitRows, "--failures", "failures.csv", "--summary", "summary.json", "--metrics", "metrics.prom"))
		for _, name := range []string{"failures.csv", "summary.json", "metrics.prom"} { // which hold no secret, as no file may
			if p.read(name) == "" {
				t.Errorf("%s is empty", name)
			}
		}
		var told map[string]any
		if err := json.Unmarshal([]byte(p.read("summary.json")), &told); err != nil || told["rows"] != 3000.0 || told["failed"] != float64(in.bad) {
			t.Errorf("the summary has %v rows and %v failed: %v", told["rows"], told["failed"], err)
		}

		// There must be at least one request for each batch; the rest is the search
		// for the unknown users. TestCostOfBadRows checks that one of them in a
		// batch costs at most 6 more requests, two cost 10, and any number 14: at
		// most 6 for each.
		requests := tenant.writes()
		if most := in.batches + 6*in.bad; requests < in.batches || requests > most {
			t.Errorf("%d requests, want %d to %d", requests, in.batches, most)
		}
		if n := tenant.Stats().TokensIssued; n != 1 {
			t.Errorf("%d tokens were fetched", n)
		}
		if info, err := os.Stat(p.path("results.csv")); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the results have the mode %v: %v", info.Mode(), err)
		}
	})
}
