package main

import (
	"fmt"
	"slices"

	"github.com/alecthomas/kong"
)

// helpCmd shows the help of a command, or of what no single flag is about.
type helpCmd struct {
	Topic string `arg:"" optional:"" help:"A command, or one of exit-codes, environment and results." placeholder:"TOPIC"`
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
		return usagef("see orgimport help", "there is no command and no topic %q", cmd.Topic)
	}
	s := c.surroundings
	s.args = args
	if code := run(s); code != exitDone {
		return &exitError{code: code}
	}
	return nil
}

var topics = map[string]string{
	"exit-codes": `Exit codes, and whether the same command is worth running again:

  0    every row is in (an empty input too)
  1    finished; some rows failed or were rejected        fix the rows first
  2    usage, configuration, unreadable input             fix that first
  3    stopped: credentials or permission refused,        fix that, then --resume
       disk full, results not writable
  4    stopped by --max-errors, --max-removals or         look at the failed lines,
       --max-invitations, or because the first 100        or at the file
       answered rows all failed
  5    gave up on something temporary: limit, outage,     yes, with --resume
       network
  6    another run holds the lock                         yes, later
  10   --max-duration reached                             yes, with --resume
  129  SIGHUP, unless it was ignored from the start       yes, with --resume
  130  SIGINT; what was in flight is finished and         yes, with --resume
  143  SIGTERM; written within 25 s, and a second
       signal ends at once
`,
	"environment": `Every flag has a twin in the environment: --max-errors is ORGIMPORT_MAX_ERRORS.
What is typed wins. A variable set to nothing counts as not set.

Whose tenant it is, in Auth0's own names (secrets are never flags):

  AUTH0_DOMAIN                 acme.eu.auth0.com
  AUTH0_AUDIENCE               default https://DOMAIN/api/v2/; behind a custom domain,
                               the tenant's own
  AUTH0_CLIENT_ID              of a machine-to-machine application, and one of:
  AUTH0_CLIENT_SECRET          its secret
  AUTH0_CLIENT_ASSERTION_PRIVATE_KEY
                               its private key (PEM), with
  AUTH0_CLIENT_ASSERTION_SIGNING_ALG
                               RS256 (default), RS384 or PS256
  AUTH0_API_TOKEN              or, instead of an application, a ready token

Each of the three secrets can be read from a file: AUTH0_CLIENT_SECRET_FILE and so on.

NO_COLOR is honoured; SSL_CERT_FILE and HTTPS_PROXY are, as by every Go program.
`,
	"results": `results.csv has one line for each row of the input, in the order of the answers:

  line,org_id,user_id,status,http_status,error_code,message,attempts,correlation_id,timestamp

  added           the server took the batch it was in
  already_member  known to have been a member before
  duplicate       the same pair stands on an earlier line; the message names it
  failed          the server refused this row; http_status, error_code, message say why
  rejected        never sent: the row itself is unusable

Of other commands: removed (orgimport remove), assigned and already_assigned (orgimport
roles, with the ids of the roles in a column roles behind these), invited and
already_invited (orgimport invite, with the address in a column email), and sending, which
an invitation has while it is under way. Where it is not known what became of one, the line
is failed with the code unknown_outcome, and no run sends it again. A results file is no
journal of another command.

line is the row's line in the input of the run that wrote the line: once an input has
changed, a row that was in already may stand elsewhere in it.

A row without a line has not been attempted: --resume attempts it, and what failed or
was rejected again. The file and the one of --failures are inputs as they are.
Values are written as they are, such as an id that begins with = + - or @, for they
must be read back: in a spreadsheet, import the columns as text.
correlation_id is what the request carried as X-Correlation-ID: the tenant's logs have
it as references.correlation_id.
`,
}
