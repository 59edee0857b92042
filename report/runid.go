package report

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"orgimport/importer"
)

// A run id is, for example, oi-52bf02e9-a2c2eldxmo3z: the prefix of the operation,
// the tenant (8), how keys are read (4), and what is random (8). It has 24
// characters, which leaves room for a number in the 64 that Auth0 keeps of an
// X-Correlation-ID.
const (
	fingerprintLength = 8 // hex digits: two tenants have the same once in 4 billion
	byLength          = 4 // hex digits: there are few ways to read keys
	runRandomLength   = 8 // base 32: 40 bits

	// skipsMark ends the id of a run that skips members. Base 32 has no 1.
	skipsMark = "1"
)

// RunID returns a new id for a run of the operation with that prefix (Op.Prefix)
// against tenant, which is the host of the API. by stands for the way in which the run
// reads the keys of users and organizations; see [ReadBy]. A correlation id is the
// run id, "-", and a number, so every line of a results file says which tenant it
// was written against.
func RunID(prefix, tenant, by string) string {
	return prefix + "-" + fingerprint(tenant) + "-" + digits(by, byLength) + strings.ToLower(rand.Text()[:runRandomLength])
}

// ReadBy reports whether a correlation id is that of a run that read keys in the way
// that by stands for.
func ReadBy(correlationID, by string) bool {
	run := RunOf(correlationID)
	i := len(run) - byLength - runRandomLength
	return i > 0 && run[i-1] == '-' && run[i:i+byLength] == digits(by, byLength)
}

// Skipping returns the id of a run that looks up who is a member already, and skips
// them. Its results say so, because who was added is to be taken out by an undo, and
// who was there before is not.
func Skipping(runID string) string { return runID[:len(runID)-1] + skipsMark }

// SkippedMembers reports whether a correlation id is that of a run that skipped
// members.
func SkippedMembers(correlationID string) bool {
	return strings.HasSuffix(RunOf(correlationID), skipsMark)
}

// RunOf returns the id of the run that a correlation id belongs to; "" if it is not
// one of ours.
func RunOf(correlationID string) string {
	if prefix, _ := parseRunID(correlationID); prefix == "" {
		return ""
	}
	return correlationID[:strings.LastIndexByte(correlationID, '-')]
}

// Origin returns the prefix of the operation that a correlation id belongs to, and
// whether a run against that tenant made it; an empty tenant is any. The prefix
// is empty if the id does not have our form.
func Origin(correlationID, tenant string) (prefix string, ours bool) {
	prefix, theirs := parseRunID(correlationID)
	return prefix, prefix != "" && (tenant == "" || theirs == fingerprint(tenant))
}

// parseRunID returns the parts of a correlation id of ours: the prefix of the
// operation and the fingerprint of the tenant. If the id does not have our form, they
// are empty.
func parseRunID(correlationID string) (prefix, tenant string) {
	prefix, rest, _ := strings.Cut(correlationID, "-")
	tenant, run, _ := strings.Cut(rest, "-")
	if !importer.IsPrefix(prefix) || run == "" || len(tenant) != fingerprintLength || strings.Trim(tenant, "0123456789abcdef") != "" {
		return "", ""
	}
	return prefix, tenant
}

// digits returns the first n hex digits of a hash of text.
func digits(text string, n int) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])[:n]
}

// fingerprint tells tenants apart without naming them.
func fingerprint(tenant string) string {
	return digits(strings.ToLower(tenant), fingerprintLength)
}
