package report

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// A run id is "oi-", a fingerprint of the tenant, "-", and what tells this run
// from all others: 20 characters, so that a sequence number fits behind it in
// the 64 that Auth0 keeps of an X-Correlation-ID.
const (
	runPrefix         = "oi-"
	fingerprintLength = 8 // hex digits: two tenants meet once in 4 billion
	runRandomLength   = 8 // base 32: 40 bits
)

// RunID returns a new id for a run against tenant, which is the host the API is
// called at. Correlation ids are to be the run id, "-", and a number: so every
// line of a results file says which tenant it was written against.
func RunID(tenant string) string {
	return runPrefix + fingerprint(tenant) + "-" + strings.ToLower(rand.Text()[:runRandomLength])
}

// fingerprint tells tenants apart without naming them. That of none is empty.
func fingerprint(tenant string) string {
	if tenant == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(strings.ToLower(tenant)))
	return hex.EncodeToString(sum[:])[:fingerprintLength]
}

// fingerprintOf returns the fingerprint in a correlation id of ours, and false
// if the id does not have our form.
func fingerprintOf(correlationID string) (string, bool) {
	rest, ours := strings.CutPrefix(correlationID, runPrefix)
	theirs, run, dashed := strings.Cut(rest, "-")
	if !ours || !dashed || run == "" || len(theirs) != fingerprintLength {
		return "", false
	}
	if strings.Trim(theirs, "0123456789abcdef") != "" {
		return "", false
	}
	return theirs, true
}
