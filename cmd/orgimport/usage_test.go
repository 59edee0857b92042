package main

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"orgimport/cmd/orgimport/internal/files"
)

// said is what is typed or set, the error, and the hint.
type said struct {
	typed    string // separated by spaces
	says     string
	suggests string // in the hint; empty: there is none
	env      string // NAME=VALUE, separated by spaces
}

// whatIsSaid has usage errors. All end with exit code 2 before anything is sent,
// and leave no files. The inputs are those of [TestWhatIsSaid].
var whatIsSaid = []said{
	// Commands.
	{typed: "impot a.csv", says: `there is no command "impot"`, suggests: "did you mean orgimport import a.csv?"},
	{typed: "Import a.csv", says: `there is no command "Import"`, suggests: "did you mean orgimport import a.csv?"},
	{typed: "verfy r.csv", says: `there is no command "verfy"`, suggests: "did you mean orgimport verify r.csv?"},
	{typed: "synchronize a.csv", says: `there is no command "synchronize"`, suggests: "see orgimport --help"},
	{typed: "a.csv", says: "a command is missing before a.csv", suggests: "did you mean orgimport import a.csv?"},
	{typed: "a.csv --resume", says: "a command is missing before a.csv", suggests: "did you mean orgimport import a.csv --resume?"},
	{typed: "no/such.csv", says: "a command is missing before no/such.csv", suggests: "orgimport import no/such.csv"},
	{typed: "-", says: "a command is missing before -", suggests: "orgimport import -"},
	{typed: "--resume import a.csv", says: "--resume comes before the command", suggests: "orgimport import --resume a.csv"},
	{typed: "--rate 5 plan a.csv", says: "--rate comes before the command", suggests: "orgimport plan --rate 5 a.csv"},
	{typed: "--env-file b.env", says: "a command is missing", suggests: "see orgimport --help"},
	{typed: "help imprt", says: `there is no command or topic "imprt"`, suggests: "did you mean orgimport help import?"},
	{typed: "help exitcodes", says: `no command or topic "exitcodes"`, suggests: "did you mean orgimport help exit-codes?"},
	{typed: "help everything", says: `no command or topic "everything"`, suggests: "see orgimport help"},
	{typed: "help import plan", says: `orgimport help takes one TOPIC, and "plan" is another`, suggests: "one by one"},

	// Arguments.
	{typed: "import", says: "orgimport import: <file> is missing", suggests: "name a CSV file with a header, or - for standard input"},
	{typed: "diff", says: "orgimport diff: <file> is missing", suggests: "name a CSV file"},
	{typed: "verify", says: "orgimport verify: <results> is missing", suggests: "name the results file of a run"},
	{typed: "report", says: "orgimport report: <results> is missing", suggests: "name the results file of a run"},
	{typed: "completion", says: "orgimport completion: <shell> is missing", suggests: "name the shell"},
	{typed: "completion tcsh", says: `<shell> must be bash, zsh, fish or powershell, not "tcsh"`, suggests: "see orgimport completion --help"},
	{typed: "import a.csv b.csv", says: `orgimport import takes one FILE, and "b.csv" is another`, suggests: "one by one; a name with spaces needs quotes"},
	{typed: "verify r.csv s.csv", says: `orgimport verify takes one FILE, and "s.csv" is another`, suggests: "one by one"},
	{typed: "tenant 8080", says: `orgimport tenant takes no argument, and there is "8080"`, suggests: "see orgimport tenant --help"},
	{typed: "demo now", says: `orgimport demo takes no argument, and there is "now"`, suggests: "see orgimport demo --help"},
	{typed: "import a.csv --resume true", says: "--resume takes no value", suggests: "write --resume=true"},
	{typed: "import a.csv –resume", says: "–resume begins with a typographic dash", suggests: "did you mean --resume?"},
	{typed: "invite a.csv", says: "orgimport invite needs --application ID and --inviter NAME", suggests: "see orgimport invite --help"},

	// Flags that do not exist.
	{typed: "import a.csv --resum", says: "orgimport import has no flag --resum", suggests: "did you mean --resume?"},
	{typed: "import a.csv --result=x", says: "orgimport import has no flag --result", suggests: "did you mean --results?"},
	{typed: "import a.csv --batchsize 5", says: "orgimport import has no flag --batchsize", suggests: "did you mean --batch-size?"},
	{typed: "import a.csv --max_errors 5", says: "orgimport import has no flag --max_errors", suggests: "did you mean --max-errors?"},
	{typed: "import a.csv -resume", says: "orgimport import has no flag -resume", suggests: "did you mean --resume?"},
	{typed: "import a.csv -results=r.csv", says: "orgimport import has no flag -results", suggests: "did you mean --results?"},
	{typed: "import a.csv -x", says: "orgimport import has no flag -x", suggests: "see orgimport import --help"},
	{typed: "import a.csv --no-resume", says: "orgimport import has no flag --no-resume", suggests: "leave --resume out"},
	{typed: "import a.csv --frobnicate", says: "orgimport import has no flag --frobnicate", suggests: "see orgimport import --help"},
	{typed: "import a.csv --max-removals 5", says: "orgimport import has no flag --max-removals; it is a flag of orgimport remove", suggests: "see orgimport import --help"},
	{typed: "plan a.csv --metrics m.prom", says: "orgimport plan has no flag --metrics; it is a flag of orgimport import, ", suggests: "see orgimport plan --help"},
	{typed: "--frobnicate", says: "there is no flag --frobnicate", suggests: "see orgimport --help"},
	{typed: "import a.csv --events e.ndjson", says: "--events was removed", suggests: "use --summary FILE, then orgimport report RESULTS --summary FILE"},

	// Secrets.
	{typed: "import a.csv --client-secret X", says: "there is no flag --client-secret: secrets are never flags", suggests: "set AUTH0_CLIENT_SECRET, or AUTH0_CLIENT_SECRET_FILE"},
	{typed: "import a.csv --client-secret=X", says: "secrets are never flags", suggests: "set AUTH0_CLIENT_SECRET,"},
	{typed: "--client-secret X import a.csv", says: "secrets are never flags", suggests: "set AUTH0_CLIENT_SECRET,"},
	{typed: "export --token X", says: "secrets are never flags", suggests: "set AUTH0_API_TOKEN, or AUTH0_API_TOKEN_FILE"},
	{typed: "verify r.csv --access-token X", says: "secrets are never flags", suggests: "set AUTH0_API_TOKEN,"},
	{typed: "diff a.csv --private-key X", says: "secrets are never flags", suggests: "set AUTH0_CLIENT_ASSERTION_PRIVATE_KEY,"},

	// Values of flags.
	{typed: "import a.csv --rate 5/s", says: `--rate must be a number, not "5/s"`, suggests: "maximum requests per second"},
	{typed: "import a.csv --rate 2,5", says: `--rate must be a number, not "2,5"`, suggests: "maximum requests per second"},
	{typed: "import a.csv --rate=-1", says: "--rate must be 0 or more requests a second", suggests: "see orgimport import --help"},
	{typed: "import a.csv --rate nan", says: "--rate must be 0 or more requests a second", suggests: "see orgimport import --help"},
	{typed: "import a.csv --workers many", says: `--workers must be a whole number, not "many"`, suggests: "maximum requests in flight"},
	{typed: "import a.csv --workers 1.5", says: `--workers must be a whole number, not "1.5"`, suggests: "maximum requests in flight"},
	{typed: "import a.csv --workers 1000", says: "--workers must be from 0 to 256", suggests: "see orgimport import --help"},
	{typed: "import a.csv --batch-size 11", says: "--batch-size must be from 1 to 10", suggests: "see orgimport import --help"},
	{typed: "import a.csv --reserve 1/2", says: `--reserve: "1/2" is neither a number of requests, 0 or more, nor a percentage`, suggests: "part of the tenant's rate limit"},
	{typed: "import a.csv --reserve 95%", says: `--reserve: "95%" is not a percentage between 0 and 90`, suggests: "part of the tenant's rate limit"},
	{typed: "import a.csv --max-errors none", says: `--max-errors: "none" is neither a number, 0 or more, nor a percentage`, suggests: "stop with exit code 4"},
	{typed: "import a.csv --max-errors 0", says: "--max-errors must be more than 0", suggests: "see orgimport import --help"},
	{typed: "import a.csv --tolerate 101%", says: `--tolerate: "101%" is not a percentage between 0 and 100`, suggests: "exit with 0 if at most this many rows"},
	{typed: "import a.csv --max-wait 5", says: `--max-wait must be a time such as 30s, 10m or 2h, not "5"`, suggests: "longest wait for a rate limit"},
	{typed: "import a.csv --max-duration 5min", says: `--max-duration must be a time such as 30s, 10m or 2h, not "5min"`, suggests: "stop cleanly with exit code 10"},
	{typed: "import a.csv --lookup-wait 1d", says: `--lookup-wait must be a time such as 30s, 10m or 2h, not "1d"`, suggests: "longest wait for the export job"},
	{typed: "import a.csv --max-wait 0", says: "--max-wait must be more than 0, such as 5m", suggests: "see orgimport import --help"},
	{typed: "verify r.csv --settle soon", says: `--settle must be a time such as 30s, 10m or 2h, not "soon"`, suggests: "how long to keep checking"},
	{typed: "import a.csv --progress dots", says: `--progress must be auto, bar, log or off, not "dots"`, suggests: "how progress is shown"},
	{typed: "import a.csv --encoding latin1", says: `--encoding must be auto, utf-8, utf-16, utf-16le, utf-16be or windows-1252, not "latin1"`, suggests: "encoding of the file"},
	{typed: "import a.csv --delimiter tabulator", says: `--delimiter must be auto, "," ";" "|" or tab`, suggests: "see orgimport import --help"},
	{typed: "import a.csv --user-by mail", says: "--user-by must be user_id, email,", suggests: "see orgimport import --help"},
	{typed: "import a.csv --org org_a --org-column o", says: "--org and --org-column can't be used together", suggests: "see orgimport import --help"},
	{typed: "import a.csv --resume=maybe", says: `--resume must be true or false, not "maybe"`, suggests: "skip rows that are done"},
	{typed: "import a.csv --results", says: "--results needs a value", suggests: "file for the outcome of each row"},
	{typed: "import a.csv --results --resume", says: "--results needs a value", suggests: "file for the outcome of each row"},
	{typed: "import a.csv --results=", says: "--results must name a file", suggests: "see orgimport import --help"},
	{typed: "import a.csv --ping example.com", says: "--ping must be an http:// or https:// URL", suggests: "see orgimport import --help"},
	{typed: "import a.csv --users -", says: "--users needs the name of a file", suggests: "see orgimport import --help"},
	{typed: "plan a.csv --resolved x.csv", says: "--resolved needs --check", suggests: "see orgimport plan --help"},
	{typed: "tenant --listen 8099", says: "--listen must be HOST:PORT, such as 127.0.0.1:8099", suggests: "see orgimport tenant --help"},
	{typed: "tenant --listen localhost", says: "--listen must be HOST:PORT, such as 127.0.0.1:8080", suggests: "see orgimport tenant --help"},
	{typed: "tenant --listen 192.0.2.1:80", says: "the simulated tenant can't listen on 192.0.2.1:80: cannot assign requested address", suggests: "name a free address"},
	{typed: "tenant --limits fast", says: `--limits: "fast" is not of the form 200/1m or 20:200/1m, and no plan`},

	// The tenant.
	{typed: "import a.csv", env: "AUTH0_DOMAIN=", says: "no tenant is given", suggests: "--domain acme.eu.auth0.com, or AUTH0_DOMAIN"},
	{typed: "import a.csv --domain manage.auth0.com", says: "--domain: manage.auth0.com is a site of Auth0's, not a tenant, whose domain looks like acme.eu.auth0.com"},
	{typed: "import a.csv --domain https://manage.auth0.com/dashboard/eu/acme/applications", says: "manage.auth0.com is a site of Auth0's, not a tenant"},
	{typed: "export --domain auth0.com", says: "auth0.com is a site of Auth0's, not a tenant"},
	{typed: "export --domain EU.auth0.com", says: "eu.auth0.com is a site of Auth0's, not a tenant"},
	{typed: "verify r.csv --domain us-3.auth0.com.", says: "is a site of Auth0's, not a tenant"},
	{typed: "import a.csv", env: "AUTH0_DOMAIN=manage.auth0.com", says: "AUTH0_DOMAIN: manage.auth0.com is a site of Auth0's"},
	{typed: "import a.csv --domain http://acme.eu.auth0.com", says: "http is for loopback addresses only"},
	{typed: "import a.csv --domain https://acme.eu.auth0.com/api/v2/", says: "the domain has a path (/api/v2/); give the host alone"},
	{typed: "import a.csv", env: "AUTH0_CLIENT_SECRET=", says: "there is a client id but neither a secret nor a private key", suggests: "set AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET (or …_FILE)"},
	{typed: "import a.csv", env: "AUTH0_API_TOKEN=t0ken", says: "there is a token and there are client credentials; give one of them", suggests: "or AUTH0_API_TOKEN"},
	{typed: "import a.csv", env: "AUTH0_CLIENT_SECRET_FILE=secret", says: "both AUTH0_CLIENT_SECRET and AUTH0_CLIENT_SECRET_FILE are set", suggests: "unset one of them"},

	// The environment.
	{typed: "import a.csv", env: "ORGIMPORT_RATE=5/s", says: `ORGIMPORT_RATE must be a number, not "5/s"`, suggests: "maximum requests per second"},
	{typed: "import a.csv", env: "ORGIMPORT_RESUME=on", says: `ORGIMPORT_RESUME must be true or false, not "on"`, suggests: "skip rows that are done"},
	{typed: "import a.csv", env: "ORGIMPORT_MAX_WAIT=5", says: `ORGIMPORT_MAX_WAIT must be a time such as 30s, 10m or 2h, not "5"`, suggests: "longest wait"},
	{typed: "import a.csv", env: "ORGIMPORT_MAX_ERRORS=x", says: `ORGIMPORT_MAX_ERRORS: "x" is neither a number`, suggests: "stop with exit code 4"},
	{typed: "import a.csv", env: "ORGIMPORT_BATCH_SIZE=0", says: "ORGIMPORT_BATCH_SIZE must be from 1 to 10", suggests: "see orgimport import --help"},
	{typed: "import a.csv", env: "ORGIMPORT_LOG_FORMAT=xml", says: `ORGIMPORT_LOG_FORMAT must be text or json, not "xml"`, suggests: "format of the log"},
	{typed: "import a.csv", env: "ORGIMPORT_WORKERS_FILE=word", says: `ORGIMPORT_WORKERS_FILE must be a whole number, not "many"`, suggests: "maximum requests in flight"},
	{typed: "import a.csv", env: "ORGIMPORT_RESULTS=x.csv ORGIMPORT_RESULTS_FILE=word", says: "both ORGIMPORT_RESULTS and ORGIMPORT_RESULTS_FILE are set", suggests: "unset one of them"},
	{typed: "import a.csv", env: "ORGIMPORT_RATE_FILE=absent", says: "ORGIMPORT_RATE_FILE: can't read the file it names: no such file", suggests: "set ORGIMPORT_RATE to the value itself"},
	{typed: "import a.csv --env-file b.env", says: `ORGIMPORT_RATE in b.env must be a number, not "fast"`, suggests: "maximum requests per second"},
	{typed: "import a.csv --env-file absent.env", says: "--env-file absent.env: no such file", suggests: "name a file with lines NAME=VALUE"},
	{typed: "import none.csv", env: "ORGIMPORT_MAXERRORS=1", says: "none.csv: no such file"},
	{typed: "import empty.csv", env: "ORGIMPORT_REZULTS=x", says: "ORGIMPORT_REZULTS has no meaning: did you mean ORGIMPORT_RESULTS?", suggests: "it needs a header"},
	{typed: "import a.csv", env: "HTTPS_PROXY=://", says: "HTTPS_PROXY is not the address of a proxy", suggests: "unset it"},

	// Files.
	{typed: "import absent.csv", says: "can't read the input: open absent.csv: no such file or directory"},
	{typed: "import empty.csv", says: "empty.csv: the file is empty", suggests: "it needs a header, such as org_id,user_id"},
	{typed: "plan empty.csv", says: "empty.csv: the file is empty", suggests: "it needs a header"},
	{typed: "import -", says: "standard input is empty", suggests: "the command before the | has printed nothing, or < FILE is missing"},
	{typed: "plan -", says: "standard input is empty", suggests: "the command before the |"},
	{typed: "remove - --max-removals 1", says: "standard input is empty", suggests: "the command before the |"},
	{typed: "import columns.csv", says: "columns.csv: ", suggests: "--user-column"},
	{typed: "import .", says: "can't read .: it is a folder"},
	{typed: "import a.csv --results absent/r.csv", says: "can't write absent/r.csv: its folder does not exist", suggests: "make the folder, or name another file with --results"},
	{typed: "import a.csv --summary absent/s.json", says: "can't write absent/s.json: its folder does not exist", suggests: "make the folder, or name another file with --summary"},
	{typed: "import a.csv --results absent/r.csv --summary absent/s.json", says: "its folder does not exist", suggests: "make the folder"},
	{typed: "import a.csv --failures .", says: "--failures . is a folder", suggests: "name a file in it"},
	{typed: "import a.csv --results .", says: "--results . is not a regular file", suggests: "name a file"},
	{typed: "import a.csv --results a.csv", says: "--results a.csv is the input itself", suggests: "give it another name"},
	{typed: "import a.csv --results old.csv", says: "old.csv already exists", suggests: "continue with --resume, or name another file with --results"},
	{typed: "verify a.csv", says: "a.csv: this is not a results file", suggests: "name a file that a run wrote as its --results"},
	{typed: "import a.csv --resume --results a2.csv", says: "can't resume from a2.csv", suggests: "name a file that a run wrote"},
}

// parserWords are words of a parser, which must not appear in messages.
var parserWords = regexp.MustCompile(`(?i)\b(float|int|bool|string|EOL|parse|unexpected|decode|strconv|dial tcp|listen tcp)\b|<EOL>|bit int`)

// TestWhatIsSaid: an error is in the words of the person who typed.
func TestWhatIsSaid(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, content := range map[string]string{
		"a.csv": "org_id,user_id\norg_a,auth0|1\n", "a2.csv": "org_id,user_id\n", "r.csv": "", "empty.csv": "", "columns.csv": "org_id,member\norg_a,ann@example.com\n",
		"old.csv": proofResultsHeader, "secret": "s3cret", "word": "many", "b.env": "ORGIMPORT_RATE=fast\n",
	} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if len(whatIsSaid) < 80 {
		t.Errorf("there are only %d", len(whatIsSaid))
	}
	before, _ := os.ReadDir(".")
	for _, test := range whatIsSaid {
		env := map[string]string{"AUTH0_DOMAIN": "acme.eu.auth0.com", "AUTH0_CLIENT_ID": "client", "AUTH0_CLIENT_SECRET": "s3cret"}
		for _, pair := range strings.Fields(test.env) {
			name, value, _ := strings.Cut(pair, "=")
			env[name] = value
		}
		var environ []string
		for name, value := range env {
			environ = append(environ, name+"="+value)
		}
		var stdout, stderr bytes.Buffer
		code := run(surroundings{
			args: strings.Fields(test.typed), getenv: func(name string) string { return env[name] }, environ: func() []string { return environ },
			stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr,
			transport: func(int) http.RoundTripper {
				return roundTrip(func(r *http.Request) (*http.Response, error) {
					t.Errorf("%s sends %s", test.typed, r.URL)
					return nil, errors.New("nothing is to be sent")
				})
			},
			signals: func() <-chan os.Signal { return nil },
		})
		text := stderr.String()
		_, hint, hinted := strings.Cut(text, "orgimport: hint: ")
		what := strings.TrimSpace(test.env + " orgimport " + test.typed)
		if code != exitUsage || stdout.Len() > 0 || !strings.Contains(text, test.says) {
			t.Errorf("%s: exit code %d, and not %q:\n%s%s", what, code, test.says, stdout.String(), text)
		}
		if hinted && test.suggests == "" || !strings.Contains(hint, test.suggests) {
			t.Errorf("%s suggests %q, not %q", what, hint, test.suggests)
		}
		if word := parserWords.FindString(text); word != "" || strings.Contains(text, "s3cret") || strings.Contains(text, "t0ken") {
			t.Errorf("%s is told with the word %q:\n%s", what, word, text)
		}
		if after, _ := os.ReadDir("."); len(after) != len(before) {
			t.Fatalf("%s leaves %v", what, after)
		}
	}
}

// TestNearestName is one name or none, for flags, commands and variables.
func TestNearestName(t *testing.T) {
	names := []string{"import", "plan", "remove", "roles", "demo"}
	for word, want := range map[string]string{
		"import": "import", "imprt": "import", "IMPORT": "import", "plann": "plan", "rolse": "roles", "delete": "", "x": "", "": "",
	} {
		if got := nearest(word, names); got != want {
			t.Errorf("%q is taken for %q, not %q", word, got, want)
		}
	}
}

// TestPermissionDeniedIsNotAFullDisk: its hint is not to free space.
func TestPermissionDeniedIsNotAFullDisk(t *testing.T) {
	for err, want := range map[error]string{
		syscall.ENOSPC: "make room",
		syscall.EACCES: "make sure that this user may write",
		syscall.EPERM:  "make sure that this user may write",
	} {
		if e := exitOf(files.CantWrite("results.csv", err)); !strings.HasPrefix(e.hint, want) {
			t.Errorf("%v: the hint is %q", err, e.hint)
		}
	}
}
