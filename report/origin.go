package report

import "strings"

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
