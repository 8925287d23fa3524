package command

import (
	"cmp"
	"context"
	"flag"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/posener/complete"

	"github.com/nixos-compose/nxc/config"
	"github.com/nixos-compose/nxc/state"
)

// Completion of the command line in bash, zsh and fish: the shell runs nxc with
// the line in COMP_LINE, and nxc prints what may follow. What a flag or an argument
// takes is known from the word that the help has for it.

// placeholder is such a word in a usage, as in [NODE…].
var placeholder = regexp.MustCompile(`\b[A-Z]+\b`)

// sameAs are placeholders for what another one stands for as well.
var sameAs = map[string]string{"SCRIPT": "FILE", "OLD": "FILE", "NEW": "FILE", "PATH": "FILE", "FOLDER": "DIR", "SOURCE": "DESTINATION"}

// AutocompleteFlags returns what each flag is followed by.
func (a *adapter) AutocompleteFlags() complete.Flags {
	fs := flag.NewFlagSet(a.name, flag.ContinueOnError)
	if a.command.flags != nil {
		a.command.flags(fs)
	}
	flags := complete.Flags{"-help": complete.PredictNothing}
	fs.VisitAll(func(f *flag.Flag) {
		word, _ := flag.UnquoteUsage(f)
		flags["-"+f.Name] = a.predictor(cmp.Or(sameAs[word], word))
	})
	return flags
}

// AutocompleteArgs returns what the arguments are.
func (a *adapter) AutocompleteArgs() complete.Predictor {
	words := placeholder.FindAllString(a.command.usage, -1)
	for i, word := range words {
		words[i] = cmp.Or(sameAs[word], word)
	}
	slices.Sort(words)
	all := []complete.Predictor{complete.PredictNothing}
	for _, word := range slices.Compact(words) {
		all = append(all, a.argument(word))
	}
	return complete.PredictOr(all...)
}

// argument is what an argument of that name is, where it depends on the command.
func (a *adapter) argument(word string) complete.Predictor {
	switch {
	case word == "NAME" && strings.HasPrefix(a.name, "workspace"):
		return complete.PredictFunc(func(complete.Args) []string {
			names, _ := state.Workspaces(".")
			return names
		})
	case word == "NAME" && a.name == "output":
		return a.known(func(s *state.State) []string {
			var names []string
			for _, d := range s.Deployments() {
				names = slices.AppendSeq(names, maps.Keys(d.Outputs))
			}
			return names
		})
	case a.name == "state mv" && word == "FROM":
		return a.predictor("ADDRESS")
	}
	return a.predictor(word)
}

// predictor knows what stands for a word of the help.
func (a *adapter) predictor(word string) complete.Predictor {
	switch word {
	case "": // a switch
		return complete.PredictNothing
	case "FILE":
		return complete.PredictFiles("*")
	case "DIR":
		return complete.PredictDirs("*")
	case "DESTINATION":
		return complete.PredictOr(complete.PredictFiles("*"), a.nodes(":"))
	case "NODE":
		return a.nodes("")
	case "ROLE":
		return a.known(func(s *state.State) []string { return ofNodes(s, func(n *state.Node) string { return n.Role }) })
	case "ADDRESS":
		return a.known(func(s *state.State) []string {
			var all []string
			for _, r := range s.Resources() {
				all = append(all, r.Address.String())
			}
			return all
		})
	case "FLAVOUR":
		return complete.PredictFunc(func(complete.Args) []string { return configuredFlavours() })
	}
	return complete.PredictAnything
}

func (a *adapter) nodes(end string) complete.Predictor {
	return a.known(func(s *state.State) []string { return ofNodes(s, func(n *state.Node) string { return n.Name + end }) })
}

// ofNodes collects something of each node, once.
func ofNodes(s *state.State, of func(*state.Node) string) []string {
	seen := map[string]bool{}
	for _, d := range s.Deployments() {
		for i := range d.Nodes {
			seen[of(&d.Nodes[i])] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// known predicts from the state. One that cannot be read has nothing to offer:
// this is no place for errors.
func (a *adapter) known(list func(*state.State) []string) complete.Predictor {
	return complete.PredictFunc(func(complete.Args) []string {
		store, err := openStore(context.Background(), a.env, "", a.name)
		if err != nil {
			return nil
		}
		snapshot, err := store.Load(context.Background())
		if err != nil || snapshot.State == nil {
			return nil
		}
		return list(snapshot.State)
	})
}

// configuredFlavours are the flavours of the folder's configuration, with their
// compositions where there are several.
func configuredFlavours() []string {
	cfg, _ := config.Load(".")
	if cfg == nil {
		return nil
	}
	seen := map[string]bool{}
	for _, c := range cfg.Compositions {
		for _, f := range c.Flavours {
			seen[f.Label] = true
			if len(cfg.Compositions) > 1 {
				seen[c.Name+"::"+f.Label] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}
