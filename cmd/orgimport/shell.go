package main

import (
	"slices"
	"strings"
)

// resumeCommand returns the command that continues where this run stopped.
func (c *console) resumeCommand() string {
	args := withoutSecrets(c.args)
	if !slices.Contains(args, "--resume") {
		args = append(args, "--resume")
	}
	return commandLine(args)
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
