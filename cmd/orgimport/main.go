// Command orgimport adds the users of a CSV file to Auth0 organizations.
//
// The README and orgimport --help document its contract with people and scripts:
// commands, flags, exit codes, and the columns of the results.
package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"orgimport/importer/csvfile"
	"orgimport/importer/retry"
)

// gcPercent keeps the heap close to what is in use. A run holds the keys of all
// its rows to the end, so with Go's default of 100 a million rows would take
// twice the memory that they need. Collecting more often costs nothing, because
// a run mostly waits for the tenant.
//
// Until the first collection it is gcPercentAtStart, which puts that one off until
// the heap holds 16 MiB. Most commands end before: collecting the little that a
// program allocates while it starts took 40 % of their CPU time.
const (
	gcPercent        = 50
	gcPercentAtStart = 400
)

func main() {
	log.SetOutput(io.Discard) // net/http logs there, which would break up our lines
	debug.SetGCPercent(gcPercentAtStart)
	firstCollection := new([16]byte) // not tiny: those may never be cleaned up
	runtime.AddCleanup(firstCollection, func(percent int) { debug.SetGCPercent(percent) }, gcPercent)
	os.Exit(run(surroundings{
		args: os.Args[1:], getenv: os.Getenv, environ: os.Environ,
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		transport: func(requests int) http.RoundTripper { return retry.NewTransport(requests) },
		signals:   stopSignals, exit: os.Exit, setGCPercent: debug.SetGCPercent,
	}))
}

// entry is a command of orgimport.
type entry struct {
	name, help string
	cmd        any
	results    string // default of --results
}

func commands() []entry {
	return []entry{
		{"import", "Add the users of a CSV file to organizations.", &importCmd{}, "results.csv"},
		{"plan", "Show what an import would do, and how long it would take.", &planCmd{}, "results.csv"},
		{"remove", "Remove members from organizations, or undo an import.", &removeCmd{}, "removed.csv"},
		{"diff", "Compare a CSV file with the members: who joins, who leaves.", &diffCmd{}, ""},
		{"roles", "Assign roles to the members of organizations.", &rolesCmd{}, "assigned.csv"},
		{"invite", "Invite people to organizations by their e-mail addresses.", &inviteCmd{}, "invited.csv"},
		{"organizations", "Create the organizations of a CSV file.", &organizationsCmd{}, "organizations.csv"},
		{"export", "Write the members of organizations to a CSV file.", &exportCmd{}, ""},
		{"verify", "Check the results of a run against the tenant.", &verifyCmd{}, ""},
		{"doctor", "Find out what Auth0 does not document about your tenant.", &doctorCmd{}, ""},
		{"report", "Make an HTML page about a run.", &reportCmd{}, ""},
		{"demo", "Run a whole import against a simulated tenant.", &demoCmd{}, ""},
		{"tenant", "Serve a simulated tenant to rehearse against.", &tenantCmd{}, ""},
		{"version", "Print the version.", &versionCmd{}, ""},
		{"completion", "Print a completion script for bash, zsh, fish or PowerShell.", &completionCmd{}, ""},
		{"help", "Show the help of a command or a topic.", &helpCmd{}, ""},
	}
}

// run runs the program and returns its exit code.
func run(s surroundings) (code int) {
	s.transport = withUserAgent(s.transport)
	s.stdout, s.stderr = ttyOf(s.stdout), ttyOf(s.stderr)
	c := &console{surroundings: s, program: run, env: &environment{process: s.getenv, given: make(map[string]string)}}
	c.getenv = c.env.get
	c.model = func() (*kong.Application, error) {
		parser, err := newParser(c, "", nil)
		if err != nil {
			return nil, err
		}
		return parser.Model, nil
	}
	exited := -1 // kong calls exit while it parses --help
	args := s.args
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parser, err := newParser(c, args[0], func(code int) { exited = code })
	if err != nil {
		return c.fail(err)
	}
	ctx, err := parser.Parse(args)
	if exited >= 0 {
		return exited
	}
	if exit, ok := errors.AsType[*exitError](err); ok { // of the environment
		return c.fail(exit)
	}
	if err != nil {
		return c.fail(c.usageOf(err))
	}
	if err := c.lookForUnknown(parser); err != nil {
		return c.fail(err)
	}
	err = ctx.Run()
	for _, warning := range c.warnings { // of a command without a log
		fmt.Fprintln(c.stderr, "orgimport: warning: "+warning)
	}
	return c.fail(err)
}

// lookForUnknown warns of variables that have no meaning.
func (c *console) lookForUnknown(parser *kong.Kong) error {
	if c.environ == nil {
		return nil
	}
	var names []string
	for _, pair := range c.environ() {
		name, _, _ := strings.Cut(pair, "=")
		names = append(names, name)
	}
	if len(c.env.unknown(names, parser.Model)) == 0 {
		return nil
	}
	all, err := c.model() // they may be of other commands
	if err == nil {
		c.warnings = c.env.unknown(names, all)
	}
	return err
}

// newParser returns the parser of the arguments, which begin with the given one. If
// that is a command, the parser knows only that one, because building all of them
// takes most of the start-up time. It calls exit after --help and --version.
func newParser(c *console, first string, exit func(code int)) (*kong.Kong, error) {
	all := commands()
	i := slices.IndexFunc(all, func(c entry) bool { return c.name == first && first != "completion" && first != "help" })
	if i >= 0 {
		all = all[i : i+1]
	}
	options := []kong.Option{
		kong.Name("orgimport"),
		kong.Description("Add users to Auth0 organizations from a CSV file, account for every row, and\nstay below the tenant's rate limit."),
		kong.Writers(c.stdout, c.stderr),
		kong.Exit(exit),
		kong.Resolvers(kong.ResolverFunc(c.env.resolve)),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoAppDescFormat: true, WrapUpperBound: 80}),
		kong.ValueFormatter(helpOf),
		kong.Vars{"encodings": strings.Join(csvfile.Encodings(), ", ")},
		kong.Bind(c, c.env),
	}
	for _, c := range all {
		options = append(options, kong.DynamicCommand(c.name, c.help, "", c.cmd, fmt.Sprintf(`set:"results=%s"`, c.results)))
	}
	var flags struct {
		Version versionFlag `short:"v" help:"Print the version."`
		EnvFile envFileFlag `help:"File with variables, as for Compose." placeholder:"FILE"`
	}
	parser, err := kong.New(&flags, options...)
	if err != nil {
		return nil, err
	}
	parser.Model.HelpFlag.Help = "Show this help."
	return parser, nil
}

// withUserAgent returns transports that send the program's name as User-Agent.
func withUserAgent(transport func(int) http.RoundTripper) func(int) http.RoundTripper {
	return func(requests int) http.RoundTripper {
		return &userAgent{transport(requests), "orgimport/" + version()}
	}
}

type userAgent struct {
	base http.RoundTripper
	name string
}

// RoundTrip sends a clone of req with the User-Agent header.
func (u *userAgent) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("User-Agent", u.name)
	return u.base.RoundTrip(req)
}
