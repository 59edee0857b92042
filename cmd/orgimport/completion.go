package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// completionCmd prints a script that makes a shell complete commands, flags and
// their values. The script is generated from the same struct tags as the help.
type completionCmd struct {
	Shell string `arg:"" help:"The shell: bash, zsh, fish or powershell." enum:"bash,zsh,fish,powershell" placeholder:"SHELL"`
}

func (completionCmd) Help() string {
	return `Examples:

    # bash, in ~/.bashrc
    source <(orgimport completion bash)
    # zsh, in ~/.zshrc after compinit
    source <(orgimport completion zsh)
    # fish
    orgimport completion fish > ~/.config/fish/completions/orgimport.fish
    # PowerShell, in $PROFILE
    orgimport completion powershell | Out-String | Invoke-Expression`
}

// Run prints the script.
func (cmd *completionCmd) Run(c *console, ctx *kong.Context) error {
	var script bytes.Buffer
	write := map[string]func(io.Writer, *kong.Node){
		"bash": completeBash, "zsh": completeZsh, "fish": completeFish, "powershell": completePowerShell,
	}[cmd.Shell]
	write(&script, ctx.Model.Node)
	_, err := script.WriteTo(c.stdout)
	return err
}

func completeBash(w io.Writer, app *kong.Node) {
	fmt.Fprintf(w, `_orgimport() {
	local cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
	local flags=%s words=
	COMPREPLY=()
	case ${COMP_WORDS[1]} in
`, shellQuote(strings.Join(flagNames(app.Flags), " ")))
	for _, command := range app.Children {
		fmt.Fprintf(w, "\t%s)\n\t\tflags=%s\n\t\twords=%s\n\t\tcase $before in\n", command.Name,
			shellQuote(strings.Join(flagNames(flagsOf(app, command)), " ")), shellQuote(strings.Join(argValues(app, command), " ")))
		for _, f := range flagsOf(app, command) {
			if f.IsBool() {
				continue
			}
			reply := "" // any value
			switch {
			case f.Enum != "":
				reply = fmt.Sprintf("COMPREPLY=($(compgen -W %s -- \"$cur\")); ", shellQuote(strings.Join(f.EnumSlice(), " ")))
			case takesFile(f.PlaceHolder):
				reply = "COMPREPLY=($(compgen -f -- \"$cur\")); "
			}
			fmt.Fprintf(w, "\t\t--%s) %sreturn ;;\n", f.Name, reply)
		}
		fmt.Fprint(w, "\t\tesac\n")
		if argTakesFile(command) {
			fmt.Fprint(w, "\t\t[[ $cur == -?* ]] || COMPREPLY=($(compgen -f -- \"$cur\"))\n")
		}
		fmt.Fprint(w, "\t\t;;\n")
	}
	fmt.Fprintf(w, `	esac
	if [[ $COMP_CWORD == 1 ]]; then
		COMPREPLY=($(compgen -W %s -- "$cur"))
	elif [[ $cur == -* ]]; then
		COMPREPLY=($(compgen -W "$flags" -- "$cur"))
	elif [[ $words ]]; then
		COMPREPLY=($(compgen -W "$words" -- "$cur"))
	fi
}
complete -o filenames -F _orgimport orgimport
`, shellQuote(strings.Join(commandNames(app), " ")))
}

// completeZsh makes zsh use the script for bash.
func completeZsh(w io.Writer, app *kong.Node) {
	fmt.Fprintln(w, "autoload -U +X bashcompinit && bashcompinit")
	completeBash(w, app)
}

func completeFish(w io.Writer, app *kong.Node) {
	fmt.Fprintln(w, "complete -c orgimport -f")
	for _, command := range app.Children {
		fmt.Fprintf(w, "complete -c orgimport -n __fish_use_subcommand -a %s -d %s\n", command.Name, shellQuote(command.Help))
		seen := "complete -c orgimport -n '__fish_seen_subcommand_from " + command.Name + "'"
		if values := argValues(app, command); values != nil {
			fmt.Fprintf(w, "%s -a %s\n", seen, shellQuote(strings.Join(values, " ")))
		}
		if argTakesFile(command) {
			fmt.Fprintf(w, "%s -F\n", seen)
		}
		for _, f := range flagsOf(app, command) {
			value := ""
			switch {
			case f.Enum != "":
				value = " -x -a " + shellQuote(strings.Join(f.EnumSlice(), " "))
			case takesFile(f.PlaceHolder):
				value = " -r -F"
			case !f.IsBool():
				value = " -x"
			}
			fmt.Fprintf(w, "%s -l %s%s -d %s\n", seen, f.Name, value, shellQuote(f.Help))
		}
	}
}

// completePowerShell leaves names of files to PowerShell, which completes them where
// a script has nothing to offer.
func completePowerShell(w io.Writer, app *kong.Node) {
	list := func(values []string) string {
		quoted := make([]string, len(values))
		for i, value := range values {
			quoted[i] = powerShellQuote(value)
		}
		return "@(" + strings.Join(quoted, ", ") + ")"
	}
	fmt.Fprintf(w, `Register-ArgumentCompleter -Native -CommandName orgimport -ScriptBlock {
	param($word, $line, $cursor)
	$typed = @($line.CommandElements | ForEach-Object { $_.ToString() })
	$before = if ($word) { $typed[-2] } else { $typed[-1] }
	$position = $typed.Count - [int][bool]$word
	$flags, $words, $values = %s, @(), @{}
	switch ($typed[1]) {
`, list(flagNames(app.Flags)))
	for _, command := range app.Children {
		fmt.Fprintf(w, "\t\t%s {\n\t\t\t$flags = %s\n", powerShellQuote(command.Name), list(flagNames(flagsOf(app, command))))
		if values := argValues(app, command); values != nil {
			fmt.Fprintf(w, "\t\t\t$words = %s\n", list(values))
		}
		for _, f := range flagsOf(app, command) {
			switch {
			case f.Enum != "":
				fmt.Fprintf(w, "\t\t\t$values['--%s'] = %s\n", f.Name, list(f.EnumSlice()))
			case !f.IsBool():
				fmt.Fprintf(w, "\t\t\t$values['--%s'] = @()\n", f.Name)
			}
		}
		fmt.Fprint(w, "\t\t}\n")
	}
	fmt.Fprintf(w, `	}
	$offered = if ($position -eq 1) { %s }
	elseif ($values.ContainsKey($before)) { $values[$before] }
	elseif ($word -like '-*') { $flags }
	else { $words }
	$offered | Where-Object { $_ -like "$word*" } | ForEach-Object {
		[System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
	}
}
`, list(commandNames(app)))
}

func powerShellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// takesFile reports whether a flag or argument with this placeholder in the help
// takes a file or a directory.
func takesFile(placeholder string) bool {
	return strings.Contains(placeholder, "FILE") || placeholder == "DIR"
}

func argTakesFile(command *kong.Node) bool {
	return len(command.Positional) > 0 && takesFile(command.Positional[0].Tag.PlaceHolder)
}

// argValues returns the values that the argument of a command can have, or nil if
// any value is possible.
func argValues(app, command *kong.Node) []string {
	switch {
	case len(command.Positional) == 0:
		return nil
	case command.Name == "help":
		return slices.Concat(commandNames(app), slices.Sorted(maps.Keys(topics)))
	case command.Positional[0].Enum != "":
		return command.Positional[0].EnumSlice()
	}
	return nil
}

// flagsOf returns the flags that can be typed after a command.
func flagsOf(app, command *kong.Node) []*kong.Flag { return slices.Concat(app.Flags, command.Flags) }

func flagNames(flags []*kong.Flag) (names []string) {
	for _, f := range flags {
		names = append(names, "--"+f.Name)
	}
	return names
}
