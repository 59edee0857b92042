// Package samples holds the files of the demo. The folder has the files to start
// from, too: for cron, systemd, Compose and Kubernetes.
package samples

import _ "embed"

// Members is a CSV of a few hundred users of seven organizations, in no order.
// It has what real files have: users and an organization that do not exist
// (their ids have "unknown" in them), repeated rows, rows that are cut short, and
// rows that name the organization by its name or the user by an e-mail address.
//
//go:embed members.csv
var Members []byte

// Users are the users of Members that exist, as a CSV export has them. Two of them
// share an address, and one address is not verified.
//
//go:embed users.csv
var Users []byte

// Organizations are the organizations of Members that exist.
//
//go:embed organizations.csv
var Organizations []byte
