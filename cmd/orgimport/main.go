// Command orgimport puts the users of a CSV file into Auth0 organizations.
//
// Its contract with people and scripts (commands, flags, exit codes, the
// columns of the results) is told in the README and by orgimport --help.
package main

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"orgimport/importer/auth0/auth0test"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// cli is all that can be typed. Every flag has an environment twin: kong makes
// ORGIMPORT_MAX_ERRORS of --max-errors, and what is typed wins.
type cli struct {
	Import  importCmd  `cmd:"" help:"Add the users of a CSV file to organizations."`
	Plan    planCmd    `cmd:"" help:"Say what an import would do, and how long it would take."`
	Verify  verifyCmd  `cmd:"" help:"Read the members back, and say of every row that is in whether it is."`
	Report  reportCmd  `cmd:"" help:"Make a page for people of a results file."`
	Demo    demoCmd    `cmd:"" help:"Run the whole job against a simulated tenant on this machine."`
	Tenant  tenantCmd  `cmd:"" help:"Serve a simulated tenant, to rehearse an import with one's own CSV."`
	Version versionCmd `cmd:"" help:"Print the version."`

	Completion completionCmd `cmd:"" help:"Print a script for the completion of a shell."`
	Help       helpCmd       `cmd:"" help:"Tell of exit codes, the environment, or the results."`
}

// console is where a command reads from and writes to. stdout carries only
// what was asked for; everything else goes to stderr.
type console struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	args           []string     // as typed, for the command to go on with
	errors         *slog.Logger // where errors go if the log is for machines; otherwise nil
}

// run is the program with its edges handed in, so that tests call it too.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) (code int) {
	unsetEmpty()
	c := &console{stdin: stdin, stdout: stdout, stderr: stderr, args: args}
	exited := -1 // --help ends the parsing by an exit
	parser, err := kong.New(&cli{},
		kong.Name("orgimport"),
		kong.Description("Put users into Auth0 organizations, from a CSV file, without losing one\nand without disturbing the tenant."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited = code }),
		kong.DefaultEnvars("ORGIMPORT"),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoAppDescFormat: true, WrapUpperBound: 100}),
		kong.ValueFormatter(helpOf),
		kong.Vars{"limits": strings.Join(auth0test.PresetNames(), ",")},
		kong.Bind(c),
	)
	if err != nil {
		return c.fail(err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	ctx, err := parser.Parse(args)
	if exited >= 0 {
		return exited
	}
	if err != nil {
		var parse *kong.ParseError
		if errors.As(err, &parse) {
			command, _, _ := strings.Cut(parse.Context.Command(), " ") // without its arguments
			err = usageError(err, "see orgimport "+strings.TrimSpace(command+" --help"))
		}
		return c.fail(err)
	}
	return c.fail(ctx.Run())
}

// helpOf is the help of a flag. The variables that are its twins are not named:
// the rule for them is said once.
func helpOf(v *kong.Value) string {
	if v.Default == "" || v.Default == "0" || v.Default == "auto" || v.IsBool() {
		return v.Help
	}
	return strings.TrimSuffix(v.Help, ".") + " (default: " + v.Default + ")."
}

// unsetEmpty makes a variable that is set to nothing count as not set, as
// people mean it who leave a value out in a Compose file.
func unsetEmpty() {
	for _, pair := range os.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		if value == "" && (strings.HasPrefix(name, "ORGIMPORT_") || strings.HasPrefix(name, "AUTH0_")) {
			os.Unsetenv(name)
		}
	}
}
