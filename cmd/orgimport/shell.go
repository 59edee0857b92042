package main

import (
	"slices"
	"strings"
)

// goOn is the command that goes on where this run stopped.
func (c *console) goOn() string {
	args := c.args
	if !slices.Contains(args, "--resume") {
		args = append(slices.Clone(args), "--resume")
	}
	return commandLine(args)
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
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,@%+", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
