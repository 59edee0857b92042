package main

import (
	_ "embed"
	"fmt"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"orgimport/cmd/orgimport/internal/doctor"
	"orgimport/importer"
)

// helpCmd prints the help of a command or a topic.
type helpCmd struct {
	Topic string `arg:"" optional:"" help:"A command, or one of environment, exit-codes, plan-json, results, should-i-import, tuning and unknowns." placeholder:"TOPIC"`
	Man   bool   `help:"Print the help of all commands as a manual page."`
}

// Run prints the help.
func (cmd *helpCmd) Run(c *console, app *kong.Kong) error {
	args := []string{"--help"}
	switch topic, isTopic := topics[cmd.Topic]; {
	case cmd.Man:
		_, err := fmt.Fprint(c.stdout, manual(app.Model))
		return err
	case isTopic:
		_, err := fmt.Fprint(c.stdout, topic(app.Model))
		return err
	case slices.Contains(commandNames(app.Model.Node), cmd.Topic):
		args = []string{cmd.Topic, "--help"}
	case cmd.Topic != "":
		hint := "see orgimport help"
		if near := nearest(cmd.Topic, slices.Concat(commandNames(app.Model.Node), slices.Collect(maps.Keys(topics)))); near != "" {
			hint = "did you mean orgimport help " + near + "?"
		}
		return usagef(hint, "there is no command or topic %q", cmd.Topic)
	}
	s := c.surroundings
	s.args = args
	if code := c.program(s); code != exitDone {
		return &exitError{code: code}
	}
	return nil
}

//go:embed should-i-import.md
var shouldIImport string

// topics are the texts that orgimport help prints, beside the help of commands.
var topics = map[string]func(*kong.Application) string{
	"tuning":          tuningHelp,
	"should-i-import": text(shouldIImport),
	"unknowns":        unknownsHelp,
	"exit-codes": text("Exit codes, and whether the same command is worth running again:\n\n" + exitCodesHelp() + `
After a signal, requests in flight are finished and their results written,
within 25 seconds; a second signal stops at once.
`),
	"plan-json": text(`orgimport plan --json prints one object:

  input, dialect
  columns       {org_id, user_id, kept}
  rows          = sendable + rejected + duplicates + settled
  organizations, batches, batch_size
  requests      at least
  estimates     [{plan, limit, seconds}]
  at_rate       {rate, seconds}, with --rate
  notes         sentences about the file
  largest       [{org_id, rows}]
  rejects       [{line, org_id, user_id, reason}], the first ten
  check         with --check: {tenant, scope, asked, skipped,
                unknown [{org_id, rows}], keys [{of, kind, keys, found}],
                unresolved [{error_code, rows, examples [{line, reason}]}],
                members, look_ups [{phase, requests, seconds}], reads,
                writes_saved}
`),
	"environment": text(`Every flag can be set in the environment: --max-errors is
ORGIMPORT_MAX_ERRORS. A flag takes precedence. An empty variable counts as
unset. orgimport warns about variables ORGIMPORT_… that no flag has.

The variables of the tenant and its credentials have Auth0's own names. Secrets
are never flags.

  AUTH0_DOMAIN         such as acme.eu.auth0.com
  AUTH0_AUDIENCE       default: https://DOMAIN/api/v2/; with a custom domain,
                       set it to that URL of the tenant's own domain
  AUTH0_CLIENT_ID      of a machine-to-machine application, with
  AUTH0_CLIENT_SECRET  its secret, or
  AUTH0_CLIENT_ASSERTION_PRIVATE_KEY
                       its private key (PEM), with
  AUTH0_CLIENT_ASSERTION_SIGNING_ALG
                       RS256 (default), RS384 or PS256
  AUTH0_API_TOKEN      a token, instead of an application

Each of these, and each ORGIMPORT_…, can be read from a file, without the
newline at its end: AUTH0_CLIENT_SECRET_FILE is the path of a file with the
secret.

--env-file FILE sets variables from a file, for several tenants on one machine.
The syntax is that of Compose's env_file: lines NAME=VALUE. Only names that
begin with AUTH0_ or ORGIMPORT_ count. It is an error if a variable is already
set to another value.

NO_COLOR, SSL_CERT_FILE and HTTPS_PROXY have their usual meanings.
`),
	"results": text(`A results file has one line for each row of the input, in the order of the
answers, with these columns:

  line            line of the row in the input of the run that wrote it
  org_id, user_id
  status          see below
  http_status, error_code, message
                  from the answer, or why the row was not sent
  attempts        requests that carried the row
  correlation_id  sent as X-Correlation-ID; in the tenant's logs it is
                  references.correlation_id
  timestamp       of the answer, in UTC

Statuses:

` + statusHelp() + `
A row without a line has not been attempted: --resume attempts it, and retries
rows that failed or were rejected. The results and the --failures file are valid
inputs.

The results of roles have another column, roles, with the ids of the roles;
those of invite have email, those of organizations name. If it is not known
whether an invitation was created, its line has the status failed and the code
unknown_outcome, and no run sends it again. A command can't continue from the
results of another command.

Values are written unchanged, even those that begin with = + - or @, because
they are read back: in a spreadsheet, import the columns as text.
`),
}

// text returns a topic that is the same whatever the commands are.
func text(s string) func(*kong.Application) string {
	return func(*kong.Application) string { return s }
}

// tuningHelp lists the flags that only tune, which --help leaves out, and the
// commands that have them.
func tuningHelp(app *kong.Application) string {
	commands := make(map[string][]string)
	flags := make(map[string]*kong.Flag)
	for _, command := range app.Children {
		for _, f := range command.Flags {
			if f.Hidden {
				flags[f.Name] = f
				commands[f.Name] = append(commands[f.Name], command.Name)
			}
		}
	}
	var text strings.Builder
	text.WriteString("Flags that tune a command. They work like all others, but --help does not list\nthem.\n")
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		fmt.Fprintf(&text, "\n  --%s%s\n", name, valueOf(flags[name]))
		for _, line := range wrapped(helpOf(flags[name].Value)+" ("+strings.Join(commands[name], ", ")+")", 72) {
			fmt.Fprintf(&text, "      %s\n", line)
		}
	}
	return text.String()
}

// valueOf returns what follows a flag that takes a value.
func valueOf(f *kong.Flag) string {
	if f.IsBool() {
		return ""
	}
	return "=" + f.FormatPlaceHolder()
}

// helpOf returns the help of a flag. It does not name the flag's environment
// variable, because the help states the rule for all flags once.
func helpOf(v *kong.Value) string {
	if v.Default == "" || v.Default == "0" || v.IsBool() {
		return v.Help
	}
	return strings.TrimSuffix(v.Help, ".") + " (default: " + v.Default + ")."
}

// unknownsHelp is the help on what Auth0 does not document.
func unknownsHelp(*kong.Application) string {
	var text strings.Builder
	text.WriteString("What Auth0 does not document, the possible answers, and what an import\ndoes about each. orgimport doctor asks your tenant:\n")
	list := func(questions []*doctor.Question) {
		for _, q := range questions {
			fmt.Fprintf(&text, "\n  %s\n", q.Name)
			for _, k := range q.Known {
				indent := "    "
				for _, line := range wrapped(k.Answer+": "+k.Import, 74) {
					text.WriteString(indent + line + "\n")
					indent = "      "
				}
			}
		}
	}
	list(doctor.Questions())
	text.WriteString("\nIt can't ask these without harm:\n")
	list(doctor.Unasked())
	return text.String()
}

// exitCodesHelp lists the exit codes.
func exitCodesHelp() string {
	var text strings.Builder
	for _, e := range exitCodes {
		again := wrapped(e.again, 26)
		for i, line := range wrapped(e.meaning, 38) {
			code, advice := "", ""
			if i == 0 {
				code = strconv.Itoa(e.code)
			}
			if i < len(again) {
				advice = again[i]
			}
			text.WriteString(strings.TrimRight(fmt.Sprintf("  %-4s %-39s %s", code, line, advice), " ") + "\n")
		}
	}
	return text.String()
}

// statusHelp lists the statuses with their meanings.
func statusHelp() string {
	var text strings.Builder
	for _, s := range importer.Statuses() {
		name := string(s.Status)
		for _, line := range wrapped(s.Meaning, 60) {
			fmt.Fprintf(&text, "  %-17s %s\n", name, line)
			name = ""
		}
	}
	return text.String()
}

// wrapped returns the lines of a text of that many columns.
func wrapped(text string, columns int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > columns {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	return append(lines, line)
}

// versionFlag prints the version, as orgimport version does.
type versionFlag bool

// BeforeReset is called by kong when the flag is typed.
func (versionFlag) BeforeReset(app *kong.Kong, c *console) error {
	if err := (versionCmd{}).Run(c); err != nil {
		return err
	}
	app.Exit(exitDone)
	return nil
}

type versionCmd struct{}

func (versionCmd) Run(c *console) error {
	_, err := fmt.Fprintf(c.stdout, "orgimport %s %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// release is set by the build of an image, where the toolchain has no repository
// to read a version from.
var release string

// version returns the release, or what the Go toolchain stamped into the binary:
// the module's version, or the commit of the checkout.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}

func commandNames(app *kong.Node) (names []string) {
	for _, command := range app.Children {
		names = append(names, command.Name)
	}
	return names
}

// manual returns the manual page orgimport(1): the help of all commands, with the
// flags that --help leaves out, and the topics.
func manual(app *kong.Application) string {
	var page strings.Builder
	// Neither hyphenated nor justified, so that what people type stays whole.
	fmt.Fprintf(&page, ".TH ORGIMPORT 1 \"\" %s\n.nr HY 0\n.ad l\n", roffQuote("orgimport "+version()))
	fmt.Fprintf(&page, ".SH NAME\norgimport \\- add users to Auth0 organizations from a CSV file\n")
	fmt.Fprintf(&page, ".SH SYNOPSIS\n.B orgimport\n.I command\n.RI [ flags ]\n")
	fmt.Fprintf(&page, ".SH DESCRIPTION\n%s", roffText(app.Help))
	for _, command := range app.Children {
		fmt.Fprintf(&page, ".SH %s\n", roffQuote(strings.ToUpper(app.Name+" "+command.Name)))
		fmt.Fprintf(&page, ".SY %s\n%s\n.YS\n", roffQuote(app.Name+" "+command.Name), roff(strings.TrimPrefix(command.Summary(), command.Name+" ")))
		fmt.Fprintf(&page, "%s%s", roffText(command.Help), roffText(command.Detail))
		for _, f := range command.Flags {
			fmt.Fprintf(&page, ".TP\n.BR %s\n%s\n", roffQuote("--"+f.Name+valueOf(f)), roff(helpOf(f.Value)))
		}
	}
	for _, topic := range []struct{ heading, name string }{
		{"EXIT STATUS", "exit-codes"}, {"ENVIRONMENT", "environment"}, {"RESULTS", "results"},
	} {
		fmt.Fprintf(&page, ".SH %s\n.nf\n%s.fi\n", topic.heading, roffLines(topics[topic.name](app)))
	}
	return page.String()
}

// roffText returns paragraphs of plain text in the language of manual pages. Lines
// that begin with a space stay as they are.
func roffText(text string) string {
	var page strings.Builder
	for _, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		switch {
		case paragraph == "":
		case strings.HasPrefix(paragraph, " "):
			fmt.Fprintf(&page, ".PP\n.nf\n%s.fi\n", roffLines(paragraph+"\n"))
		default:
			fmt.Fprintf(&page, ".PP\n%s", roffLines(paragraph+"\n"))
		}
	}
	return page.String()
}

func roffLines(text string) string {
	var lines strings.Builder
	for line := range strings.Lines(text) {
		lines.WriteString(roff(line))
	}
	return lines.String()
}

// roff returns a line of text in which nothing is a request or an escape.
func roff(line string) string {
	line = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(line)
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		return `\&` + line
	}
	return line
}

// roffQuote returns a text as one argument of a request.
func roffQuote(text string) string {
	return `"` + strings.ReplaceAll(roff(text), `"`, `\(dq`) + `"`
}
