package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"
	"github.com/alecthomas/kong"
	"github.com/compose-spec/compose-go/v2/dotenv"

	"orgimport/cmd/orgimport/internal/files"
)

// environment holds the variables that give flags that were not typed their values:
// those of the process and, where these say nothing, those of the file of
// --env-file. Any of them may be given by a file, which the variable with the suffix
// _FILE names.
type environment struct {
	process func(name string) string
	file    map[string]string // nil until it is read
	path    string            // of that file
	files   []files.File      // those that were read
	given   map[string]string // the variables that gave flags their values, by --flag
}

// get returns a variable, or "" if it is not set. An empty variable counts as not
// set, because that is what a value left out in a Compose file becomes.
func (e *environment) get(name string) string {
	if value := e.process(name); value != "" {
		return value
	}
	return e.file[name]
}

// ours reports whether orgimport takes a variable from a file.
func ours(name string) bool {
	return strings.HasPrefix(name, "AUTH0_") || strings.HasPrefix(name, "ORGIMPORT_")
}

// read reads the file of --env-file, whose lines are those of an env_file of
// Compose. It is an error if a variable has another value there than in the process:
// nobody could tell which of two tenants is meant.
func (e *environment) read(path string) error {
	e.files = append(e.files, files.Named("--env-file", path))
	content, err := readSmall(context.Background(), path)
	if err != nil {
		return usagef("name a file with lines NAME=VALUE", "--env-file %s: %w", path, err)
	}
	missing := ""
	file, err := dotenv.ParseWithLookup(strings.NewReader(string(content)), func(name string) (string, bool) {
		value := e.process(name)
		if value == "" {
			missing = name
		}
		return value, true
	})
	if err != nil { // which may show a secret
		line := regexp.MustCompile(`line \d+`).FindString(err.Error())
		return usagef("write NAME=VALUE, as in a Compose file's env_file", "--env-file %s can't be read%s", path, strings.TrimSuffix(", "+line, ", "))
	}
	if missing != "" {
		return usagef("put a value that contains $ in single quotes", "--env-file %s refers to the variable %s, which is not set", path, missing)
	}
	maps.DeleteFunc(file, func(name, value string) bool { return !ours(name) || value == "" })
	for _, name := range slices.Sorted(maps.Keys(file)) {
		base := strings.TrimSuffix(name, "_FILE")
		for _, other := range []string{base, base + "_FILE"} {
			if value := e.process(other); value != "" && (other != name || value != file[name]) {
				return usagef("unset "+other+", or take "+name+" out of the file", "%s is set, and %s in %s has another value", other, name, path)
			}
		}
	}
	e.file, e.path = file, path
	return nil
}

// value returns the value of a variable, or the content of the file that the
// variable with the suffix _FILE names, without one newline at its end. Errors never
// show the values of variables, because people mix them up.
func (e *environment) value(ctx context.Context, name string) (string, error) {
	value, path := e.get(name), e.get(name+"_FILE")
	if path == "" {
		return withoutNewline(value), nil
	}
	if value != "" {
		return "", usagef("unset one of them", "both %s and %s_FILE are set", name, name)
	}
	e.files = append(e.files, files.Named(name+"_FILE", path))
	content, err := readSmall(ctx, path)
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err != nil {
		return "", usagef("name a file that this user can read, or set "+name+" to the value itself", "%s_FILE: can't read the file it names: %w", name, err)
	}
	if value = withoutNewline(string(content)); value == "" {
		return "", usagef("", "%s_FILE: the file it names is empty", name)
	}
	if !utf8.Valid(content) {
		return string(content), nil // a key in DER, whose last byte may be a newline
	}
	return value, nil
}

// smallFile is far more than a variable can hold, in bytes.
const smallFile = 1 << 20

// readSmall reads a file that holds values of variables. It stops when ctx ends, even
// if the file is a pipe that nobody writes to. Its errors don't name the file: a secret
// may stand where its name should.
func readSmall(ctx context.Context, path string) ([]byte, error) {
	f, err := files.Open(ctx, path, nil)
	if err == nil {
		defer f.Close()
		var content []byte
		if content, err = io.ReadAll(io.LimitReader(f, smallFile+1)); err == nil && len(content) <= smallFile {
			return content, nil
		}
	}
	if file, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, file.Err
	}
	if _, ok := errors.AsType[*files.Error](err); ok {
		return nil, errors.New("it is a folder")
	}
	if err == nil {
		err = errors.New("it is larger than 1 MiB")
	}
	return nil, err
}

func withoutNewline(s string) string { return strings.TrimSuffix(strings.TrimSuffix(s, "\n"), "\r") }

// variablesOf returns the variables of a flag, the first of which takes precedence:
// Auth0's own if there is one, and ORGIMPORT_MAX_ERRORS of --max-errors.
func variablesOf(flag *kong.Flag) []string {
	own := "ORGIMPORT_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
	if auth0Name := flag.Tag.Get("auth0"); auth0Name != "" {
		return []string{auth0Name, own}
	}
	return []string{own}
}

// resolve gives a flag that was not typed its value. kong calls it.
func (e *environment) resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if flag.Name == "help" || flag.Name == "version" || flag.Name == "env-file" {
		return nil, nil
	}
	if path := e.process("ORGIMPORT_ENV_FILE"); path != "" && e.file == nil { // and --env-file is not typed
		if err := e.read(path); err != nil {
			return nil, err
		}
	}
	for _, name := range variablesOf(flag) {
		if value, err := e.value(context.Background(), name); err != nil || value != "" {
			if e.get(name) == "" {
				name += "_FILE"
			}
			if e.process(name) == "" {
				name += " in " + e.path
			}
			e.given["--"+flag.Name] = name
			return value, err
		}
	}
	return nil, nil
}

// asGiven names a flag in a text for people by the variable that gave it its value.
func (e *environment) asGiven(text string) string {
	return regexp.MustCompile(`--[a-z][a-z-]*`).ReplaceAllStringFunc(text, func(flag string) string {
		if name, ok := e.given[flag]; ok {
			return name
		}
		return flag
	})
}

// envFileFlag is the flag --env-file.
type envFileFlag string

// BeforeResolve is called by kong when the flag is typed, before it asks for the
// values of other flags.
func (envFileFlag) BeforeResolve(ctx *kong.Context, trace *kong.Path, e *environment) error {
	return e.read(string(ctx.FlagValue(trace.Flag).(envFileFlag)))
}

// unknown returns a warning for each variable that looks like one of ours and is
// not. The model is of all commands: a variable may be for another one.
func (e *environment) unknown(names []string, model *kong.Application) (warnings []string) {
	var known []string
	for _, node := range append(model.Children, model.Node) {
		for _, flag := range node.Flags {
			for _, name := range variablesOf(flag) {
				known = append(known, name, name+"_FILE")
			}
		}
	}
	names = slices.Concat(names, slices.Collect(maps.Keys(e.file)))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if strings.HasPrefix(name, "ORGIMPORT_") && e.get(name) != "" && !slices.Contains(known, name) {
			hint := "see orgimport help environment"
			if near := nearest(name, known); near != "" {
				hint = "did you mean " + near + "?"
			}
			warnings = append(warnings, fmt.Sprintf("%s has no meaning: %s", name, hint))
		}
	}
	return warnings
}

// nearest returns the name that a misspelt word most likely means, or "" if none is
// near. A third of its letters may be wrong.
func nearest(word string, names []string) string {
	near, least := "", len(word)/3+2
	for _, name := range names {
		if d := levenshtein.ComputeDistance(strings.ToLower(word), strings.ToLower(name)); d < least {
			near, least = name, d
		}
	}
	return near
}
