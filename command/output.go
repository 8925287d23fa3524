package command

import (
	"context"
	"flag"
	"fmt"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/state"
)

func outputCommand(env *Env) *command {
	var f stateFlags
	var raw bool
	var flavours stringList
	return &command{
		synopsis: "Print outputs of the last apply",
		usage:    "[flags] [NAME]",
		help: `
Prints all outputs, or the one called NAME. Outputs that speak of a deployment
are kept for each; -flavour chooses one.

Examples:
  nxc output
  curl $(nxc output -raw url)
  nxc output -flavour docker -json`,
		flags: func(fs *flag.FlagSet) {
			f.register(fs)
			fs.BoolVar(&raw, "raw", false, "print the value of one output as plain text")
			fs.Var(&flavours, "flavour", "of this `FLAVOUR`, or COMPOSITION::FLAVOUR")
		},
		run: func(ctx context.Context, args []string) int {
			if len(args) > 1 {
				fmt.Fprintln(env.Stderr, "nxc output: name one output")
				return exitError
			}
			s, ok := f.read(ctx, env, "output")
			if !ok {
				return exitError
			}
			list := outputsOf(s, flavours)
			if len(args) == 1 {
				return printOutput(env, &f, raw, args[0], list)
			}
			if raw {
				fmt.Fprintln(env.Stderr, "nxc output: -raw needs the name of an output")
				return exitError
			}
			return printOutputs(env, f.json, list)
		},
	}
}

type namedOutput struct {
	deployment addr.Deployment
	name       string
	state.Output
}

func (o namedOutput) key() string {
	if o.deployment.IsTop() {
		return o.name
	}
	return o.deployment.String() + "." + o.name
}

// outputsOf lists the recorded outputs of the chosen deployments.
func outputsOf(s *state.State, flavours []string) []namedOutput {
	var list []namedOutput
	for _, d := range s.Deployments() {
		if len(flavours) > 0 && !d.Name.IsTop() && !matches(d.Name, flavours) {
			continue
		}
		for _, name := range sortedOutputs(d) {
			list = append(list, namedOutput{d.Name, name, d.Outputs[name]})
		}
	}
	return list
}

func matches(d addr.Deployment, flavours []string) bool {
	for _, f := range flavours {
		if f == d.Flavour || f == d.String() {
			return true
		}
	}
	return false
}

func printOutputs(env *Env, asJSON bool, list []namedOutput) int {
	if asJSON {
		all := map[string]any{}
		for _, o := range list {
			all[o.key()] = outputDocument(o.Output)
		}
		return printJSON(env, struct {
			FormatVersion string         `json:"format_version"`
			Outputs       map[string]any `json:"outputs"`
		}{"1.0", all})
	}
	if len(list) == 0 {
		fmt.Fprintln(env.Stderr, "There are no outputs. They are recorded by nxc apply.")
		return exitOK
	}
	for _, o := range list {
		fmt.Fprintf(env.Stdout, "%s = %s\n", o.key(), outputText(o.Output))
	}
	return exitOK
}

func printOutput(env *Env, f *stateFlags, raw bool, name string, list []namedOutput) int {
	var found []namedOutput
	var known []string
	for _, o := range list {
		known = append(known, o.name)
		if o.name == name || o.key() == name {
			found = append(found, o)
		}
	}
	switch {
	case len(found) == 0:
		fmt.Fprintf(env.Stderr, "nxc output: there is no output %q%s\n", name, suggest(name, known))
		return exitError
	case len(found) > 1:
		fmt.Fprintf(env.Stderr, "nxc output: several deployments have %q; choose one with -flavour:\n", name)
		for _, o := range found {
			fmt.Fprintln(env.Stderr, " ", o.key())
		}
		return exitError
	}
	o := found[0].Output
	if o.Sensitive {
		fmt.Fprintf(env.Stderr, "nxc output: %s is sensitive, and is not kept in the state\n", name)
		return exitError
	}
	if f.json {
		fmt.Fprintln(env.Stdout, string(o.Value))
		return exitOK
	}
	if !raw {
		fmt.Fprintln(env.Stdout, outputText(o))
		return exitOK
	}
	v, err := o.Cty()
	if err == nil {
		v, err = convert.Convert(v, cty.String)
	}
	if err != nil || v.IsNull() {
		fmt.Fprintf(env.Stderr, "nxc output: %s is not a single text; use -json\n", name)
		return exitError
	}
	fmt.Fprint(env.Stdout, v.AsString())
	return exitOK
}
