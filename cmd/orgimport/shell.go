package main

import (
	"slices"
	"strings"
)

// goOn is the command that goes on where this run stopped.
func (c *console) resumeCommand() string {
	args := withoutSecrets(c.args)
	if !slices.Contains(args, "--resume") {
		args = append(args, "--resume")
	}
	return commandLine(args)
}

// withoutSecrets returns a copy of args with … in the place of the address of a
// ping, which is a secret for many services.
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

// commandLine is what to type to run orgimport with these arguments.
func commandLine(args []string) string {
	words := []string{"orgimport"}
	for _, arg := range args {
		words = append(words, shellQuote(arg))
	}
	return strings.Join(words, " ")
}

// shellQuote writes a word so that a shell reads it back.
func shellQuote(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,@%+…", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
