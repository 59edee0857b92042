// Package samples holds the files of the demo. Its folder also has samples for
// cron, systemd, Compose and Kubernetes.
package samples

import _ "embed"

// Members is a CSV file of a few hundred users of seven organizations, in random
// order. Like real files, it has users and an organization that don't exist (their
// ids contain "unknown"), repeated rows, rows that are cut short, and rows with the
// name of an organization or the e-mail address of a user.
//
//go:embed members.csv
var Members []byte

// Users are the users of Members that exist, in the form of a CSV export. Two of
// them share an address, and one address is not verified.
//
//go:embed users.csv
var Users []byte

// Organizations are the organizations of Members that exist.
//
//go:embed organizations.csv
var Organizations []byte
