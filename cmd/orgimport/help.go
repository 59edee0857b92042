package main

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"orgimport/importer"
)

// helpCmd prints the help of a command or a topic.
type helpCmd struct {
	Topic string `arg:"" optional:"" help:"A command, or one of exit-codes, environment, results and should-i-import." placeholder:"TOPIC"`
}

// Run prints the help.
func (cmd *helpCmd) Run(c *console, app *kong.Kong) error {
	args := []string{"--help"}
	switch text, isTopic := topics[cmd.Topic]; {
	case isTopic:
		_, err := fmt.Fprint(c.stdout, text)
		return err
	case slices.Contains(commandNames(app.Model.Node), cmd.Topic):
		args = []string{cmd.Topic, "--help"}
	case cmd.Topic != "":
		return usagef("see orgimport help", "there is no command or topic %q", cmd.Topic)
	}
	s := c.surroundings
	s.args = args
	if code := run(s); code != exitDone {
		return &exitError{code: code}
	}
	return nil
}

//go:embed should-i-import.md
var shouldIImport string

var topics = map[string]string{
	"should-i-import": shouldIImport,
	"exit-codes": `Exit codes, and whether the same command is worth running again:

  0    every row is done (an empty input too)
  1    finished; some rows failed or were      fix the rows first
       rejected
  2    usage, configuration, unreadable input  fix that first
  3    stopped: credentials or permission      fix that, then --resume
       refused, disk full, results not
       writable
  4    stopped by --max-errors,                look at what failed, or at
       --max-removals or --max-invitations,    the file
       or because the first 100 answered
       rows all failed
  5    gave up on something temporary: a       yes, with --resume
       rate limit, an outage, the network
  6    another run holds the lock              yes, later
  10   --max-duration reached                  yes, with --resume
  129  SIGHUP, unless it was ignored from      yes, with --resume
       the start
  130  SIGINT  (Ctrl-C)                        yes, with --resume
  143  SIGTERM                                 yes, with --resume

After a signal, requests in flight are finished and their results written,
within 25 seconds; a second signal stops at once.
`,
	"environment": `Every flag can be set in the environment: --max-errors is
ORGIMPORT_MAX_ERRORS. A flag takes precedence. An empty variable counts as
unset.

The variables of the tenant and its credentials have Auth0's own names. Secrets
are never flags.

  AUTH0_DOMAIN         such as acme.eu.auth0.com
  AUTH0_AUDIENCE       default: https://DOMAIN/api/v2/; with a custom domain,
                       set it to that URL of the tenant's own domain
  AUTH0_CLIENT_ID      of a machine-to-machine application, with one of:
  AUTH0_CLIENT_SECRET  its secret
  AUTH0_CLIENT_ASSERTION_PRIVATE_KEY
                       its private key (PEM), with
  AUTH0_CLIENT_ASSERTION_SIGNING_ALG
                       RS256 (default), RS384 or PS256
  AUTH0_API_TOKEN      a token, instead of an application

Each of the three secrets can be read from a file: AUTH0_CLIENT_SECRET_FILE and
so on.

NO_COLOR, SSL_CERT_FILE and HTTPS_PROXY have their usual meanings.
`,
	"results": `A results file has one line for each row of the input, in the order of the
answers, with these columns:

  line            line of the row in the input of the run that wrote it
  org_id, user_id
  status          see below
  http_status, error_code, message
                  of the answer, or why the row was not sent
  attempts        requests that carried the row
  correlation_id  sent as X-Correlation-ID; in the tenant's logs it is
                  references.correlation_id
  timestamp       of the answer, in UTC

Statuses:

` + statusHelp() + `
A row without a line has not been attempted: --resume attempts it, and tries
again what failed or was rejected. The results and the file of --failures can
be used as inputs unchanged.

The results of roles have an eleventh column, roles, with the ids of the roles;
those of invite have email. If it is not known whether an invitation was made,
its line has the status failed and the code unknown_outcome, and no run sends
it again. No command can continue from the results of another.

Values are written unchanged, even those that begin with = + - or @, because
they are read back: in a spreadsheet, import the columns as text.
`,
}

// statusHelp lists the statuses with their meanings.
func statusHelp() string {
	var text strings.Builder
	for _, s := range importer.Statuses() {
		const columns = 80 - 20
		line := ""
		name := string(s.Status)
		flush := func() {
			fmt.Fprintf(&text, "  %-17s %s\n", name, line)
			name, line = "", ""
		}
		for _, word := range strings.Fields(s.Meaning) {
			if line != "" && len(line)+1+len(word) > columns {
				flush()
			}
			line = strings.TrimSpace(line + " " + word)
		}
		flush()
	}
	return text.String()
}
