package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// manual returns the manual page orgimport(1): the help of all commands, with the
// flags that --help leaves out, and the topics.
func manual(app *kong.Application) string {
	var page strings.Builder
	// Neither hyphenated nor justified, so that what people type stays whole.
	fmt.Fprintf(&page, ".TH ORGIMPORT 1 \"\" %s\n.nr HY 0\n.ad l\n", roffQuote("orgimport "+version()))
	fmt.Fprintf(&page, ".SH NAME\norgimport \\- add users to Auth0 organizations from a CSV file\n")
	fmt.Fprintf(&page, ".SH SYNOPSIS\n.B orgimport\n.I command\n.RI [ flags ]\n")
	fmt.Fprintf(&page, ".SH DESCRIPTION\n%s", roffText(app.Help))
	for _, command := range app.Children {
		fmt.Fprintf(&page, ".SH %s\n", roffQuote(strings.ToUpper(app.Name+" "+command.Name)))
		fmt.Fprintf(&page, ".SY %s\n%s\n.YS\n", roffQuote(app.Name+" "+command.Name), roff(strings.TrimPrefix(command.Summary(), command.Name+" ")))
		fmt.Fprintf(&page, "%s%s", roffText(command.Help), roffText(command.Detail))
		for _, f := range command.Flags {
			fmt.Fprintf(&page, ".TP\n.BR %s\n%s\n", roffQuote("--"+f.Name+valueOf(f)), roff(helpOf(f.Value)))
		}
	}
	for _, topic := range []struct{ heading, name string }{
		{"EXIT STATUS", "exit-codes"}, {"ENVIRONMENT", "environment"}, {"RESULTS", "results"},
	} {
		fmt.Fprintf(&page, ".SH %s\n.nf\n%s.fi\n", topic.heading, roffLines(topics[topic.name](app)))
	}
	return page.String()
}

// roffText returns paragraphs of plain text in the language of manual pages. Lines
// that begin with a space stay as they are.
func roffText(text string) string {
	var page strings.Builder
	for _, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		switch {
		case paragraph == "":
		case strings.HasPrefix(paragraph, " "):
			fmt.Fprintf(&page, ".PP\n.nf\n%s.fi\n", roffLines(paragraph+"\n"))
		default:
			fmt.Fprintf(&page, ".PP\n%s", roffLines(paragraph+"\n"))
		}
	}
	return page.String()
}

func roffLines(text string) string {
	var lines strings.Builder
	for line := range strings.Lines(text) {
		lines.WriteString(roff(line))
	}
	return lines.String()
}

// roff returns a line of text in which nothing is a request or an escape.
func roff(line string) string {
	line = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(line)
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		return `\&` + line
	}
	return line
}

// roffQuote returns a text as one argument of a request.
func roffQuote(text string) string {
	return `"` + strings.ReplaceAll(roff(text), `"`, `\(dq`) + `"`
}
