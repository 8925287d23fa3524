package command

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/mitchellh/cli"
	"github.com/posener/complete"
)

// Main runs nxc with the arguments that follow the program's name, and
// returns its exit status.
func Main(env *Env, args []string) int {
	out := &noted{Writer: env.Stdout}
	env.Stdout = out
	return out.checked(env, run(env, args))
}

func run(env *Env, args []string) int {
	args, err := globalFlags(env, args)
	if err != nil {
		fmt.Fprintln(env.Stderr, "nxc:", err)
		return exitError
	}
	if len(args) > 0 && args[0] == "help" { // nxc help COMMAND
		args = append(args[1:len(args):len(args)], "-help")
	}
	table, ran := commands(env), false
	c := cli.NewCLI("nxc", Version())
	c.Args = args
	c.HelpWriter = env.Stdout
	c.ErrorWriter = env.Stderr
	c.Autocomplete = true
	c.AutocompleteInstall, c.AutocompleteUninstall = "install-autocomplete", "uninstall-autocomplete"
	c.AutocompleteGlobalFlags = complete.Flags{"-chdir": complete.PredictDirs("*"), "-no-color": complete.PredictNothing}
	c.HelpFunc = helpOf(table)
	c.Commands = map[string]cli.CommandFactory{}
	for name, cmd := range table {
		c.Commands[name] = func() (cli.Command, error) { return &adapter{env: env, name: name, command: cmd, ran: &ran}, nil }
		if cmd.hidden {
			c.HiddenCommands = append(c.HiddenCommands, name)
		}
	}
	if len(args) == 1 && (args[0] == "-v" || args[0] == "-version" || args[0] == "--version") {
		c.Args = []string{"version"}
	}
	if name := unknownCommand(table, args); name != "" {
		var known []string
		for k, cmd := range table {
			if !cmd.hidden {
				known = append(known, k)
			}
		}
		hint := suggest(name, known)
		if instead := terraformCommands[name]; instead != "" {
			hint = ". Coming from Terraform: " + instead
		}
		fmt.Fprintf(env.Stderr, "nxc: there is no command %q%s\nRun \"nxc -help\" for the list.\n", name, hint)
		return exitError
	}
	status, err := c.Run()
	if err != nil {
		fmt.Fprintln(env.Stderr, "nxc:", err)
		return exitError
	}
	if status == exitOK && len(args) == 1 && args[0] == "-install-autocomplete" {
		fmt.Fprintln(env.Stdout, "The shells of this user complete nxc's command line from their next start on.")
	}
	if !ran && status != exitOK { // no command, or only the first half of one: the library has a status of its own
		return exitError
	}
	return status
}

// globalFlags takes -chdir and -no-color, which may stand before the command
// or after it.
func globalFlags(env *Env, args []string) ([]string, error) {
	var rest []string
	for i := 0; i < len(args); i++ {
		a := args[i]
		if a == "--" {
			return append(rest, args[i:]...), nil
		}
		name, value, has := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(a, "-"), "-"), "=")
		switch {
		case !strings.HasPrefix(a, "-"):
			rest = append(rest, a)
		case name == "no-color" && !has:
			env.NoColor = true
		case name == "chdir":
			if !has {
				if i+1 >= len(args) {
					return nil, errors.New("-chdir needs a folder")
				}
				i++
				value = args[i]
			}
			if err := os.Chdir(value); err != nil {
				return nil, fmt.Errorf("-chdir: %w", err)
			}
		default:
			rest = append(rest, a)
		}
	}
	return rest, nil
}

func unknownCommand(table map[string]*command, args []string) string {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return ""
	}
	for name := range table {
		if first, _, _ := strings.Cut(name, " "); first == args[0] {
			return ""
		}
	}
	return args[0]
}

// adapter makes a command of ours one of the library's.
type adapter struct {
	env     *Env
	name    string
	command *command
	ran     *bool
}

func (a *adapter) Synopsis() string { return a.command.synopsis }

func (a *adapter) Help() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: nxc %s %s\n\n%s\n", a.name, a.command.usage, strings.TrimSpace(a.command.help))
	if flags := a.command.flagHelp(); flags != "" {
		b.WriteString("\nFlags (before or after arguments, up to \"--\"):\n\n" + flags)
	}
	return strings.TrimRight(b.String(), "\n")
}

func (a *adapter) Run(args []string) int {
	*a.ran = true
	rest, err := a.command.parse(a.name, args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(a.env.Stdout, a.Help())
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(a.env.Stderr, "nxc %s: %v\nRun \"nxc %s -help\" for its flags.\n", a.name, err, a.name)
		return exitError
	}
	return a.command.run(context.Background(), rest)
}

// helpOf renders the list of commands.
func helpOf(table map[string]*command) cli.HelpFunc {
	return func(map[string]cli.CommandFactory) string {
		var names []string
		for name, c := range table {
			if !c.hidden {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		var b bytes.Buffer
		b.WriteString(`Usage: nxc [-chdir DIR] [-no-color] COMMAND [flags] [arguments]

nxc runs a NixOS composition anywhere: it plans, applies and destroys
reproducible environments, as containers or as machines.

Start here:
  nxc init -template webserver    write an example
  nxc plan                        show what would change
  nxc apply                       make it so
  nxc destroy                     remove everything again

Commands:
`)
		for _, name := range names {
			fmt.Fprintf(&b, "  %-22s %s\n", name, table[name].synopsis)
		}
		b.WriteString("\n\"nxc COMMAND -help\" explains each, and \"nxc -install-autocomplete\" lets bash, zsh and\nfish complete them. Exit status: 0 done, 1 failed,\n2 changes (plan -detailed-exitcode), 3 a test failed, 130 interrupted.\n")
		return b.String()
	}
}
