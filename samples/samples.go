// Package samples holds the file that the demo imports. The folder has the
// files to start from, too: for cron, systemd, Compose and Kubernetes.
package samples

import _ "embed"

// Members is a CSV of a few hundred users of seven organizations, in no order.
// It has what real files have: users and an organization that do not exist
// (their ids have "unknown" in them), repeated rows, rows that are cut short, and
// rows that name the organization by its name or the user by an e-mail address.
//
//go:embed members.csv
var Members []byte
