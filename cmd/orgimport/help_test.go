package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/alecthomas/kong"
)

// printed runs a command that needs no tenant and returns what it prints.
func printed(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(surroundings{
		args: args, getenv: func(string) string { return "" },
		stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr,
		transport: func(int) http.RoundTripper { t.Error("a request"); return nil },
		signals:   func() <-chan os.Signal { return nil },
		exit:      func(int) { t.Error("an exit") },
	})
	if code != exitDone || stderr.Len() > 0 {
		t.Fatalf("%v: exit code %d, %s", args, code, stderr.String())
	}
	return stdout.String()
}

// parserOf returns a parser of all commands and flags.
func parserOf(t *testing.T) *kong.Kong {
	t.Helper()
	parser, err := newParser(&console{surroundings: surroundings{stdout: io.Discard, stderr: io.Discard, getenv: func(string) string { return "" }}}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	return parser
}

// TestHelp reads the help of every command and topic, in a wide window.
func TestHelp(t *testing.T) {
	t.Setenv("COLUMNS", "300")
	texts := map[string]string{"orgimport --help": printed(t, "--help"), "orgimport": printed(t), "orgimport help": printed(t, "help")}
	for topic := range topics {
		texts["orgimport help "+topic] = printed(t, "help", topic)
	}
	example := regexp.MustCompile(`(?m)^( *)orgimport \S+ .*\.csv`)
	for _, command := range parserOf(t).Model.Children {
		help := printed(t, command.Name, "--help")
		texts["orgimport "+command.Name+" --help"] = help
		if other := printed(t, "help", command.Name); other != help {
			t.Errorf("orgimport help %s prints something else than --help", command.Name)
		}
		for _, line := range example.FindAllStringSubmatch(help, -1) {
			if line[1] != "    " || !strings.Contains(help, "\nExamples:\n\n    ") {
				t.Errorf("orgimport %s --help has the example %q without a heading", command.Name, line[0])
			}
		}
		for _, f := range command.Flags {
			if f.Help == "" || !strings.HasSuffix(f.Help, ".") {
				t.Errorf("orgimport %s --help says %q of --%s", command.Name, f.Help, f.Name)
			}
			if f.Enum == "" {
				continue
			}
			for _, value := range f.EnumSlice() {
				if !regexp.MustCompile(`\b` + regexp.QuoteMeta(value) + `\b`).MatchString(f.Help) {
					t.Errorf("orgimport %s --help does not say that --%s can be %s", command.Name, f.Name, value)
				}
			}
		}
	}
	for name, text := range texts {
		if strings.TrimSpace(text) == "" {
			t.Errorf("%s prints nothing", name)
		}
		for line := range strings.Lines(text) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
				t.Errorf("%s has a line of %d columns: %s", name, n, line)
			}
		}
	}
}

// TestHelpIsOneScreen: flags that only tune are in a topic of their own.
func TestHelpIsOneScreen(t *testing.T) {
	if lines := strings.Count(printed(t, "import", "--help"), "\n"); lines > 50 {
		t.Errorf("orgimport import --help has %d lines", lines)
	}
}

// TestEveryFlagIsInTheManual, and in the completions, whether --help shows it or
// not.
func TestEveryFlagIsInTheManual(t *testing.T) {
	manual, tuning := printed(t, "help", "--man"), printed(t, "help", "tuning")
	shells := map[string]string{}
	for _, shell := range []string{"bash", "fish", "powershell"} {
		shells[shell] = printed(t, "completion", shell)
	}
	for _, command := range parserOf(t).Model.Children {
		help := printed(t, command.Name, "--help")
		for _, f := range command.Flags {
			shown := strings.Contains(help, "--"+f.Name)
			if tunes := strings.Contains(tuning, "  --"+f.Name+valueOf(f)+"\n"); tunes != f.Hidden || shown == f.Hidden {
				t.Errorf("orgimport %s --%s is shown %v, and in the topic %v", command.Name, f.Name, shown, tunes)
			}
			if !strings.Contains(manual, "\n"+`.BR "`+roff("--"+f.Name+valueOf(f))+`"`) {
				t.Errorf("--%s is not in the manual", f.Name)
			}
			for shell, script := range shells {
				if !strings.Contains(script, f.Name) {
					t.Errorf("%s does not complete --%s", shell, f.Name)
				}
			}
		}
	}
}
