package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// completionCmd prints a script that makes a shell complete commands, flags and
// their values. It is made of the same tags as the help.
type completionCmd struct {
	Shell string `arg:"" help:"bash, zsh or fish." enum:"bash,zsh,fish" placeholder:"SHELL"`
}

// Help is what orgimport completion --help says beside the flags.
func (completionCmd) Help() string {
	return `bash: source <(orgimport completion bash), in ~/.bashrc.

zsh: source <(orgimport completion zsh), in ~/.zshrc after compinit.

fish: orgimport completion fish > ~/.config/fish/completions/orgimport.fish`
}

// Run prints the script.
func (cmd *completionCmd) Run(c *console, ctx *kong.Context) error {
	var script bytes.Buffer
	write := map[string]func(io.Writer, *kong.Node){"bash": completeBash, "zsh": completeZsh, "fish": completeFish}[cmd.Shell]
	write(&script, ctx.Model.Node)
	_, err := script.WriteTo(c.stdout)
	return err
}

func completeBash(w io.Writer, app *kong.Node) {
	fmt.Fprint(w, `_orgimport() {
	local cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
	local flags='--help'
	case ${COMP_WORDS[1]} in
`)
	for _, command := range app.Children {
		fmt.Fprintf(w, "\t%s)\n\t\tflags=%s\n\t\tcase $before in\n", command.Name, shellQuote(strings.Join(flagNames(command), " ")))
		for _, f := range command.Flags {
			if values := f.EnumSlice(); f.Enum != "" {
				fmt.Fprintf(w, "\t\t--%s) COMPREPLY=($(compgen -W %s -- \"$cur\")); return ;;\n", f.Name, shellQuote(strings.Join(values, " ")))
			} else if !f.IsBool() {
				fmt.Fprintf(w, "\t\t--%s) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n", f.Name)
			}
		}
		fmt.Fprint(w, "\t\tesac ;;\n")
	}
	fmt.Fprintf(w, `	esac
	if [[ $COMP_CWORD == 1 ]]; then
		COMPREPLY=($(compgen -W %s -- "$cur"))
	elif [[ $cur == -* ]]; then
		COMPREPLY=($(compgen -W "$flags" -- "$cur"))
	else
		COMPREPLY=($(compgen -f -- "$cur"))
	fi
}
complete -o filenames -F _orgimport orgimport
`, shellQuote(strings.Join(commandNames(app), " ")))
}

// completeZsh lets zsh read what bash reads.
func completeZsh(w io.Writer, app *kong.Node) {
	fmt.Fprintln(w, "autoload -U +X bashcompinit && bashcompinit")
	completeBash(w, app)
}

func completeFish(w io.Writer, app *kong.Node) {
	for _, command := range app.Children {
		fmt.Fprintf(w, "complete -c orgimport -n __fish_use_subcommand -f -a %s -d %s\n", command.Name, shellQuote(command.Help))
		for _, f := range command.Flags {
			value := ""
			switch {
			case f.Enum != "":
				value = " -x -a " + shellQuote(strings.Join(f.EnumSlice(), " "))
			case !f.IsBool():
				value = " -r"
			}
			fmt.Fprintf(w, "complete -c orgimport -n '__fish_seen_subcommand_from %s' -l %s%s -d %s\n", command.Name, f.Name, value, shellQuote(f.Help))
		}
	}
}

func commandNames(app *kong.Node) (names []string) {
	for _, command := range app.Children {
		names = append(names, command.Name)
	}
	return names
}

func flagNames(command *kong.Node) []string {
	names := []string{"--help"}
	for _, f := range command.Flags {
		names = append(names, "--"+f.Name)
	}
	return names
}
