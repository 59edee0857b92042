package main

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/alecthomas/kong"
)

// usageOf returns the usage error for arguments that can't be parsed.
func usageOf(err error) error {
	var parse *kong.ParseError
	if !errors.As(err, &parse) {
		return err
	}
	command, _, _ := strings.Cut(parse.Context.Command(), " ") // without its arguments
	hint := "see orgimport " + strings.TrimSpace(command+" --help")
	switch text := err.Error(); {
	case strings.HasPrefix(text, `expected "<`):
		arg := parse.Context.Selected().Positional[0]
		return usagef("name "+lowerFirst(strings.TrimSuffix(arg.Help, ".")), "orgimport %s: <%s> is missing", command, arg.Name)
	case strings.HasPrefix(text, "unknown flag --events"):
		return usagef("use --summary FILE, then orgimport report RESULTS --summary FILE", "--events is gone: the page is made from the results and the summary of the run")
	case strings.HasPrefix(text, "expected one of "):
		return usagef(hint, "a command is missing")
	case oneOf.MatchString(text):
		parts := oneOf.FindStringSubmatch(text)
		values := strings.Split(strings.ReplaceAll(parts[2], `"`, ""), ",")
		return usagef(hint, "%s must be %s, not %q", parts[1], alternatives(values), parts[3])
	}
	return usageError(err, hint)
}

var oneOf = regexp.MustCompile(`^(\S+) must be one of (.*) but got "(.*)"$`)

// alternatives lists values: "a, b or c".
func alternatives(values []string) string {
	last := len(values) - 1
	if last < 1 {
		return strings.Join(values, "")
	}
	return strings.Join(values[:last], ", ") + " or " + values[last]
}

func lowerFirst(s string) string {
	runes := []rune(s)
	if len(runes) > 0 {
		runes[0] = unicode.ToLower(runes[0])
	}
	return string(runes)
}

// durations returns a mapper for flags that are durations, with a better error
// than kong's own.
func durations() kong.Option {
	return kong.TypeMapper(reflect.TypeFor[time.Duration](), kong.MapperFunc(func(ctx *kong.DecodeContext, target reflect.Value) error {
		var text string
		if err := ctx.Scan.PopValueInto("duration", &text); err != nil {
			return err
		}
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is not a duration: write 30s, 10m or 2h, for example", text)
		}
		target.SetInt(int64(d))
		return nil
	}))
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

// regroup moves flags of a command to another heading of its help.
func regroup(app *kong.Kong, command, heading string, names ...string) {
	for _, node := range app.Model.Children {
		for _, f := range node.Flags {
			if node.Name == command && slices.Contains(names, f.Name) {
				f.Group = &kong.Group{Key: heading, Title: heading}
			}
		}
	}
}
