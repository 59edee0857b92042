package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"orgimport/cmd/orgimport/internal/files"
	"orgimport/cmd/orgimport/internal/job"
	"orgimport/cmd/orgimport/internal/tenancy"
	"orgimport/importer"
	"orgimport/importer/auth0"
	"orgimport/importer/csvfile"
	"orgimport/importer/retry"
	"orgimport/ratelimit"
	"orgimport/report"
)

// The exit codes. Users' crontabs depend on them; see [exitCodes].
const (
	exitDone      = 0
	exitRows      = 1
	exitUsage     = 2
	exitStopped   = 3
	exitErrors    = 4
	exitTemporary = 5
	exitLocked    = 6
	exitDuration  = 10
	exitSignal    = 128 // and the number of the signal
)

// exitCodes says what the exit codes mean, and whether the same command is worth
// running again. The help is made from it; a test holds the README and the samples
// to it.
var exitCodes = []struct {
	code           int
	meaning, again string
}{
	{exitDone, "every row is done (an empty input too)", ""},
	{exitRows, "finished; some rows failed or were rejected", "fix the rows first"},
	{exitUsage, "usage, configuration, unreadable input, an output that can't be written", "fix that first"},
	{exitStopped, "stopped: credentials or permission refused, disk full, results not writable", "fix that, then --resume"},
	{exitErrors, "stopped by --max-errors, --max-leavers, --max-removals, --max-invitations or --max-organizations, or by a guard: the first 100 answered rows all failed, or none of 100 keys was found", "look at the failed lines first; --no-guard"},
	{exitTemporary, "gave up on something temporary: a rate limit, an outage, the network", "yes, with --resume"},
	{exitLocked, "another run holds the lock", "yes, later"},
	{exitDuration, "--max-duration reached", "yes, with --resume"},
	{exitSignal + int(syscall.SIGHUP), "SIGHUP, unless it was ignored from the start", "yes, with --resume"},
	{exitSignal + int(syscall.SIGINT), "SIGINT (Ctrl-C)", "yes, with --resume"},
	{exitSignal + int(syscall.SIGTERM), "SIGTERM", "yes, with --resume"},
}

// exitError says how a command ends: its exit code, why, and what to do next.
// Commands return it as their error; [exitOf] makes one from the errors of other
// packages.
type exitError struct {
	code int
	err  error  // nil if there is nothing to print
	hint string // may be empty
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usageError returns an error with the exit code [exitUsage].
func usageError(err error, hint string) error { return &exitError{exitUsage, err, hint} }

func usagef(hint, format string, args ...any) error {
	return usageError(fmt.Errorf(format, args...), hint)
}

// errRows ends a run that has finished and reported that rows failed.
var errRows = &exitError{code: exitRows}

// errMaxDuration stops a run when --max-duration has passed.
var errMaxDuration = &exitError{code: exitDuration, err: errors.New("--max-duration is reached")}

// stoppedBy returns the error of a command that a signal stopped.
func stoppedBy(signal syscall.Signal) error {
	names := map[syscall.Signal]string{syscall.SIGHUP: "SIGHUP", syscall.SIGINT: "SIGINT", syscall.SIGTERM: "SIGTERM"}
	return &exitError{code: exitSignal + int(signal), err: fmt.Errorf("stopped by %s", names[signal])}
}

// exitOf returns how err ends a command. A nil err is success.
func exitOf(err error) *exitError {
	if err == nil {
		return &exitError{code: exitDone}
	}
	if several, ok := err.(interface{ Unwrap() []error }); ok { // the first decides
		first := exitOf(several.Unwrap()[0])
		if first.err != nil {
			first.err = err
		}
		return first
	}
	if exit, ok := errors.AsType[*exitError](err); ok {
		if exit.err == nil {
			return exit
		}
		return &exitError{exit.code, err, exit.hint} // err, not exit.err: keep what wraps it
	}
	exit := &exitError{code: exitStopped, err: err}
	if file, ok := errors.AsType[*files.Error](err); ok {
		ends := fileProblems[file.Problem]
		if file.Problem == files.WriteFailed && !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
			ends.hint = "make sure that this user may write the file and its folder"
		}
		exit.code, exit.hint = ends.code, strings.NewReplacer("NAME", file.File.Name, "PATH", file.File.Path).Replace(ends.hint)
		return exit
	}
	if why, ok := errors.AsType[*job.Error](err); ok && why.Reason == job.LookUpFailed {
		return exitOf(lookUpError(why.Err))
	} else if ok {
		return exitOfJob(err, why)
	}
	var (
		input       *csvfile.InputError
		credentials *auth0.CredentialsError
		scope       *tenancy.ScopeError
		config      *auth0.ConfigError
		lost        *retry.UnreachableError
		gaveUp      *retry.GaveUpError
		limit       *ratelimit.WaitError
		refusal     *auth0.Error
	)
	switch {
	case errors.As(err, &input):
		exit.code, exit.hint = exitUsage, input.Hint
	case errors.As(err, &lost):
		exit.code, exit.hint = exitUsage, hintFor(lost.Obstacle)
	case errors.As(err, &config):
		exit.code, exit.hint = exitUsage, config.Hint
	case errors.As(err, &scope):
		exit.hint = "grant the application that scope for the Auth0 Management API"
	case errors.As(err, &credentials):
		exit.hint = credentials.Hint
	case errors.As(err, &gaveUp), errors.As(err, &limit):
		exit.code = exitTemporary
	case errors.As(err, &refusal) && refusal.Reach() == importer.ReachRun:
		exit.code = exitUsage // the server at this address is not the Management API
	}
	return exit
}

// fileProblems says how a problem with a file ends a command, and what to do about
// it: NAME and PATH are those of the file.
var fileProblems = map[files.Problem]struct {
	code int
	hint string
}{
	files.IsFolder:    {exitUsage, "name a file in it"},
	files.IsInput:     {exitUsage, "give it another name"},
	files.IsOutput:    {exitUsage, "give each its own file"},
	files.NotRegular:  {exitUsage, "name a file that does not exist yet"},
	files.NoFolder:    {exitUsage, "make the folder, or name another file with NAME"},
	files.NotWritable: {exitUsage, "make sure that the folder is writable, or name another file with NAME"},
	files.NoReader:    {exitUsage, "start the program that reads it first"},
	files.WriteFailed: {exitStopped, "make room, and make sure that the folder is writable"},
	files.Disturbed:   {exitStopped, "leave the file alone during a run; run again with --resume"},
	files.NotReadable: {exitUsage, ""},
	files.NotSpooled:  {exitStopped, "make room NAME PATH"},
	files.Exists:      {exitUsage, "continue with --resume, or name another file with --results"},
	files.LockHeld:    {exitLocked, "wait for it to end, or give this run its own --results"},
	files.LockFailed:  {exitStopped, "make the folder writable, or name another file with NAME"},
}

// jobReasons says how a job ends a command, what to add to its reason, and what to do
// about it.
var jobReasons = map[job.Reason]struct {
	code      int
	add, hint string
}{
	job.Unusable:        {exitUsage, "", ""},
	job.NothingPiped:    {exitUsage, "", "the command before the | has printed nothing, or < FILE is missing"},
	job.WrongResults:    {exitUsage, "", "give this run another --results"},
	job.CutUsers:        {exitUsage, "", "get the file again"},
	job.WrongUsers:      {exitUsage, "", "give a users export made by Auth0, NDJSON or CSV, with every field that the rows name users by (jq -c '.[]' FILE makes NDJSON of an array, jq -c . FILE of other JSON)"},
	job.NotSingly:       {exitUsage, "", "leave --lookup each out"},
	job.ManyConnections: {exitUsage, "", "split the file by connection"},
	job.AllFailed:       {exitErrors, " (--no-guard continues anyway)", hintFailed},
	job.TooManyFailed:   {exitErrors, ", and --max-errors is MOST", hintFailed},
	job.TooManyRows:     {exitErrors, "", "look at the file, then continue with --resume"},
	job.InputChanged:    {exitTemporary, "", "run again with --resume once nothing writes to it any more"},
	job.NoAnswer:        {exitTemporary, "", "they count as failed: try them again with --resume"},
}

const (
	hintFailed  = "look at the failed lines in the results: is it the right tenant (--domain), and are these its organizations and users?"
	hintSwapped = "the columns look swapped (the organizations contain a |): name them with --org-column and --user-column"
)

// exitOfJob returns how err, which wraps why, ends a command.
func exitOfJob(err error, why *job.Error) *exitError {
	ends := jobReasons[why.Reason]
	if ends.add != "" {
		err = fmt.Errorf("%w%s", err, strings.ReplaceAll(ends.add, "MOST", why.Most))
	}
	hint := ends.hint
	if why.Unpack != "" {
		hint = fmt.Sprintf("unpack it and continue with the unpacked file: %s < %s > FILE, then --results FILE", why.Unpack, shellQuote(why.Path))
	}
	if why.Swapped {
		hint = hintSwapped
	}
	return &exitError{ends.code, err, hint}
}

// lookUpError gives the error of a look-up its exit code and a hint.
func lookUpError(err error) error {
	if none, ok := errors.AsType[*auth0.NoneFoundError](err); ok {
		return &exitError{exitErrors, none, "is it the right tenant, connection and column? --no-guard continues anyway"}
	}
	if export, ok := errors.AsType[*auth0.JobError](err); ok {
		return &exitError{exitTemporary, export, "nothing was written: try again later"}
	}
	if importer.ReachOf(err) == importer.ReachBatch {
		return &exitError{exitTemporary, err, "try again later"}
	}
	return err
}

// resultsError returns the error of a command that can't read a results file
// because of err.
func resultsError(name string, err error) error {
	if wrong, ok := errors.AsType[*report.WrongFileError](err); ok {
		hint := ""
		if wrong.Line == 0 {
			hint = "name a file that a run wrote as its --results"
		}
		return usagef(hint, "%s: %w", name, err)
	}
	if _, ok := errors.AsType[*csvfile.InputError](err); ok {
		return fmt.Errorf("%s: %w", name, err)
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return &exitError{exitStopped, err, "make sure that the files can be read, and that there is room to write"}
	}
	return err
}

// silent returns e without its error, for a command that has printed it already.
func (e *exitError) silent() error { return &exitError{code: e.code} }

// hintFor returns what to do about an obstacle on the way to the tenant.
func hintFor(o retry.Obstacle) string {
	switch o {
	case retry.NoSuchHost:
		return "check the spelling of the domain, which looks like acme.eu.auth0.com, and this machine's network connection"
	case retry.NoSuchProxy:
		return "check the spelling of the proxy in HTTPS_PROXY"
	case retry.ProxyLogin:
		return "give the proxy its user name and password: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"
	case retry.ProxyRefusal:
		return "ask the proxy's administrator to allow connections to the tenant, or bypass the proxy: NO_PROXY=DOMAIN"
	case retry.Untrusted:
		return "if a proxy in your network inspects TLS, make this machine trust its root certificate: SSL_CERT_FILE=FILE"
	case retry.OtherName:
		return "check the domain: the server's certificate is for another name"
	case retry.NotValid:
		return "check this machine's clock, and the server's certificate"
	case retry.NoTLS:
		return "check the domain and the port: the server there does not speak TLS"
	case retry.Handshake:
		return "check the domain, and whether there is a proxy in between: TLS 1.2 or later is required"
	}
	return ""
}

// withoutSecrets returns a copy of args with … instead of the value of --ping,
// which is a secret for many services.
func withoutSecrets(args []string) []string {
	args = slices.Clone(args)
	for i, arg := range args {
		switch {
		case strings.HasPrefix(arg, "--ping="):
			args[i] = "--ping=…"
		case arg == "--ping" && i+1 < len(args):
			args[i+1] = "…"
		}
	}
	return args
}

// commandLine returns the shell command that runs orgimport with these arguments.
func commandLine(args []string) string {
	words := []string{"orgimport"}
	for _, arg := range args {
		words = append(words, shellQuote(arg))
	}
	return strings.Join(words, " ")
}

// shellQuote quotes a word for a shell, if necessary.
func shellQuote(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,@%+…", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
