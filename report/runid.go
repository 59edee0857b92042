package report

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// A run id is the prefix of its operation, a fingerprint of the tenant, and what
// tells this run from all others, behind a fingerprint of how keys were read; with
// dashes between them: 24 characters, so that a sequence number fits behind it in
// the 64 that Auth0 keeps of an X-Correlation-ID.
const (
	fingerprintLength = 8 // hex digits: two tenants meet once in 4 billion
	byLength          = 4 // hex digits: there are few ways to read keys
	runRandomLength   = 8 // base 32: 40 bits
)

// RunID returns a new id for a run of an operation (Op.Prefix) against tenant,
// which is the host the API is called at. by says how the run takes rows to name
// users and organizations; see [ReadBy]. Correlation ids are to be the run id,
// "-", and a number: so every line of a results file says which tenant it was
// written against.
func RunID(prefix, tenant, by string) string {
	return prefix + "-" + fingerprint(tenant) + "-" + digits(by, byLength) + strings.ToLower(rand.Text()[:runRandomLength])
}

// ReadBy reports whether a correlation id is of a run that took rows to name
// users and organizations in the way of by.
func ReadBy(correlationID, by string) bool {
	if _, ours := fingerprintOf(correlationID); !ours {
		return false
	}
	run := strings.SplitN(correlationID, "-", 4)[2]
	return len(run) == byLength+runRandomLength && run[:byLength] == digits(by, byLength)
}

// Origin returns the prefix of the operation that a correlation id is of, and
// whether it was made by a run against that tenant; an empty tenant is any. The
// prefix is empty if the id does not have our form.
func Origin(correlationID, tenant string) (prefix string, ours bool) {
	theirs, ok := fingerprintOf(correlationID)
	if !ok {
		return "", false
	}
	prefix, _, _ = strings.Cut(correlationID, "-")
	return prefix, tenant == "" || theirs == fingerprint(tenant)
}

// digits returns so many digits of a hash of a text.
func digits(text string, n int) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])[:n]
}

// fingerprint tells tenants apart without naming them. That of none is empty.
func fingerprint(tenant string) string {
	if tenant == "" {
		return ""
	}
	return digits(strings.ToLower(tenant), fingerprintLength)
}

// fingerprintOf returns the fingerprint in a correlation id of ours, and false
// if the id does not have our form.
func fingerprintOf(correlationID string) (string, bool) {
	prefix, rest, _ := strings.Cut(correlationID, "-")
	theirs, run, dashed := strings.Cut(rest, "-")
	if !knownPrefix(prefix) || !dashed || run == "" || len(theirs) != fingerprintLength {
		return "", false
	}
	if strings.Trim(theirs, "0123456789abcdef") != "" {
		return "", false
	}
	return theirs, true
}

// knownPrefix reports whether a correlation id with this prefix is of a run of
// ours: they are an o and the letter of an operation.
func knownPrefix(prefix string) bool { return len(prefix) == 2 && prefix[0] == 'o' }
