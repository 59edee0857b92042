// Command orgimport adds the users of a CSV file to Auth0 organizations.
//
// The README and orgimport --help document its contract with people and scripts:
// commands, flags, exit codes, and the columns of the results.
package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"unicode"

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

// usageOf returns the usage error for arguments or variables that can't be parsed:
// what was typed, what is wrong with it, and what to type instead. kong finds the
// errors, and words them as a parser does.
func (c *console) usageOf(err error) error {
	parse, ok := errors.AsType[*kong.ParseError](err)
	if !ok {
		return err
	}
	u := &usage{console: c, args: withoutSecrets(c.args)}
	u.command, _, _ = strings.Cut(parse.Context.Command(), " ") // without its arguments
	u.node, u.all = parse.Context.Selected(), parse.Context.Model.Node
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	for _, p := range phrases {
		if parts := p.text.FindStringSubmatch(text); parts != nil {
			return p.say(u, parts)
		}
	}
	return usagef(u.seeHelp(), "%s", strings.TrimPrefix(text, u.command+": "))
}

// usage is what was typed that can't be parsed.
type usage struct {
	*console
	args    []string
	command string     // "" if none was recognized
	node    *kong.Node // its model; nil if none was recognized
	all     *kong.Node // of the program
}

// phrases are kong's errors, and what people are told instead.
var phrases = []struct {
	text *regexp.Regexp
	say  func(u *usage, parts []string) error
}{
	{regexp.MustCompile(`^unknown flag (\S+?)(?:, did you mean .*)?$`), (*usage).unknownFlag},
	{regexp.MustCompile(`(?s)^unexpected argument (.*?)(?:, did you mean .*)?$`), (*usage).unexpectedArgument},
	{regexp.MustCompile(`^expected "<`), func(u *usage, _ []string) error {
		arg := u.node.Positional[0]
		return usagef("name "+lowerFirst(strings.TrimSuffix(arg.Help, ".")), "orgimport %s: <%s> is missing", u.command, arg.Name)
	}},
	{regexp.MustCompile(`^expected one of `), func(u *usage, _ []string) error {
		return usagef("see orgimport --help", "a command is missing")
	}},
	{regexp.MustCompile(`^missing flags: (.*)$`), func(u *usage, parts []string) error {
		flags := strings.Split(strings.ReplaceAll(parts[1], "=", " "), ", ")
		return usagef(u.seeHelp(), "orgimport %s needs %s", u.command, enumerated(flags, "and"))
	}},
	{regexp.MustCompile(`^(\S+) must be one of (.*) but got "(.*)"$`), func(u *usage, parts []string) error {
		values := strings.Split(strings.ReplaceAll(parts[2], `"`, ""), ",")
		return usagef(u.meaning(parts[1]), "%s must be %s, not %q", parts[1], enumerated(values, "or"), parts[3])
	}},
	{regexp.MustCompile(`^(--\S+?)(?:=\S+)?: expected \S+ value but got `), func(u *usage, parts []string) error {
		return usagef(u.meaning(parts[1]), "%s needs a value", parts[1])
	}},
	{regexp.MustCompile(`^(--\S+?)(?:=\S+)?: expected a (valid \d+ bit int|float) but got "(.*?)"`), func(u *usage, parts []string) error {
		number := "a whole number"
		if parts[2] == "float" {
			number = "a number"
		}
		return usagef(u.meaning(parts[1]), "%s must be %s, not %q", parts[1], number, parts[3])
	}},
	{regexp.MustCompile(`^(--\S+?)(?:=\S+)?: expected duration but got "(.*?)"`), func(u *usage, parts []string) error {
		return usagef(u.meaning(parts[1]), "%s must be a time such as 30s, 10m or 2h, not %q", parts[1], parts[2])
	}},
	{regexp.MustCompile(`^(--\S+?)(?:=\S+)?: bool value must be .* but got "(.*)"$`), func(u *usage, parts []string) error {
		return usagef(u.meaning(parts[1]), "%s must be true or false, not %q", parts[1], parts[2])
	}},
	{regexp.MustCompile(`^(--\S+?)(?:=\S+)?: (".*)$`), func(u *usage, parts []string) error {
		return usagef(u.meaning(parts[1]), "%s: %s", parts[1], parts[2])
	}},
}

// seeHelp is the hint if nothing better is known.
func (u *usage) seeHelp() string { return "see orgimport " + strings.TrimSpace(u.command+" --help") }

// meaning returns what a flag is for, as a hint.
func (u *usage) meaning(flag string) string {
	if u.node != nil {
		for _, f := range u.node.Flags {
			if "--"+f.Name == flag {
				return flag + valueOf(f) + ": " + lowerFirst(strings.TrimSuffix(helpOf(f.Value), "."))
			}
		}
	}
	return u.seeHelp()
}

// unknownFlag says what to use instead of a flag that the command does not have.
func (u *usage) unknownFlag(parts []string) error {
	flag := parts[1]
	typed := slices.IndexFunc(u.args, func(arg string) bool { return strings.HasPrefix(arg, flag) })
	if typed >= 0 && !strings.HasPrefix(flag, "--") { // kong takes -resume for -r -e -s …
		flag, _, _ = strings.Cut(u.args[typed], "=")
	}
	name := strings.Trim(flag, "-")
	if variable := secretVariable(name); variable != "" {
		return usagef("set "+variable+", or "+variable+"_FILE to the name of a file that holds it",
			"there is no flag %s: secrets are never flags, because the process list and the shell's history show flags", flag)
	}
	if name == "events" {
		return usagef("use --summary FILE, then orgimport report RESULTS --summary FILE", "--events was removed: the page is made from the results and the summary of the run")
	}
	all, err := u.model()
	if err != nil {
		return err
	}
	if u.node == nil {
		names := commandNames(all.Node)
		if i := slices.IndexFunc(u.args, func(arg string) bool { return slices.Contains(names, arg) }); i > 0 {
			command := slices.Concat(u.args[i:i+1], u.args[:i], u.args[i+1:])
			return usagef(commandLine(command), "%s comes before the command", flag)
		}
	}
	var flags, others []string
	for _, node := range append(all.Children, all.Node) {
		for _, f := range node.Flags {
			if node.Name == u.command || node == all.Node {
				flags = append(flags, "--"+f.Name)
			} else if f.Name == name {
				others = append(others, "orgimport "+node.Name)
			}
		}
	}
	has := "there is no flag " + flag
	if u.command != "" {
		has = "orgimport " + u.command + " has no flag " + flag
	}
	positive := "--" + strings.TrimPrefix(name, "no-")
	switch near := nearest("--"+name, flags); {
	case positive != "--"+name && slices.Contains(flags, positive):
		return usagef("leave "+positive+" out", "%s", has)
	case len(name) == 1, near == "" && others == nil:
		return usagef(u.seeHelp(), "%s", has)
	case near == "":
		return usagef(u.seeHelp(), "%s; it is a flag of %s", has, enumerated(others, "and"))
	default:
		return usagef("did you mean "+near+"?", "%s", has)
	}
}

// secretVariable returns the variable that holds what a flag of that name would, if
// that is a secret.
func secretVariable(flag string) string {
	switch flag = strings.ToLower(flag); {
	case strings.Contains(flag, "token"):
		return "AUTH0_API_TOKEN"
	case strings.Contains(flag, "private") && strings.Contains(flag, "key"):
		return "AUTH0_CLIENT_ASSERTION_PRIVATE_KEY"
	case strings.Contains(flag, "secret"), strings.Contains(flag, "password"):
		return "AUTH0_CLIENT_SECRET"
	}
	return ""
}

// unexpectedArgument says what to do about a word that is no command, or that the
// command has no use for.
func (u *usage) unexpectedArgument(parts []string) error {
	word := parts[1]
	i := slices.Index(u.args, word)
	if i < 0 {
		return usagef(u.seeHelp(), "there is no use for %q here", word)
	}
	if strings.HasPrefix(word, "–") || strings.HasPrefix(word, "—") {
		flag := "--" + strings.TrimLeft(word, "–—-")
		return usagef("did you mean "+flag+"?", "%s begins with a typographic dash, as word processors type it", word)
	}
	if u.command == "" {
		return u.unknownCommand(i)
	}
	switch {
	case slices.Contains([]string{"true", "false", "yes", "no"}, word) && strings.HasPrefix(u.args[i-1], "--"):
		return usagef("write "+u.args[i-1]+"="+word, "%s takes no value", u.args[i-1])
	case len(u.node.Positional) == 0:
		return usagef(u.seeHelp(), "orgimport %s takes no argument, and there is %q", u.command, word)
	default:
		return usagef("give them one by one; a name with spaces needs quotes", "orgimport %s takes one %s, and %q is another", u.command, cmp.Or(u.node.Positional[0].Tag.PlaceHolder, "argument"), word)
	}
}

// unknownCommand says what to type instead of an argument that is no command.
func (u *usage) unknownCommand(i int) error {
	word := u.args[i]
	instead := func(words ...string) string {
		return "did you mean " + commandLine(slices.Concat(u.args[:i], words, u.args[i+1:])) + "?"
	}
	if info, err := os.Stat(word); err == nil && !info.IsDir() || strings.Contains(word, ".") || word == "-" {
		return usagef(instead("import", word), "a command is missing before %s", word)
	}
	if near := nearest(word, commandNames(u.all)); near != "" {
		return usagef(instead(near), "there is no command %q", word)
	}
	return usagef("see orgimport --help", "there is no command %q", word)
}

// enumerated lists values: "a, b or c".
func enumerated(values []string, conjunction string) string {
	last := len(values) - 1
	if last < 1 {
		return strings.Join(values, "")
	}
	return strings.Join(values[:last], ", ") + " " + conjunction + " " + values[last]
}

func lowerFirst(s string) string {
	runes := []rune(s)
	if len(runes) > 1 && !unicode.IsUpper(runes[1]) { // no abbreviation
		runes[0] = unicode.ToLower(runes[0])
	}
	return string(runes)
}
