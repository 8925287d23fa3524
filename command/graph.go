package command

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/nixos-compose/nxc/deploy"
	"github.com/nixos-compose/nxc/internal/addr"
)

func graphCommand(env *Env) *command {
	var f projectFlags
	var destroy bool
	return &command{
		synopsis: "Print which objects need which, for Graphviz",
		usage:    "[flags]",
		help: `
Plans, and prints every object of the plan, with what becomes of it, and what
it directly depends on: in the language of Graphviz, or as JSON. It changes
nothing.

Examples:
  nxc graph | dot -Tsvg > graph.svg
  nxc graph -flavour docker -json | jq '.objects[] | select(.action == "replace")'`,
		flags: func(fs *flag.FlagSet) {
			f.register(fs)
			fs.BoolVar(&destroy, "destroy", false, "of what a destroy would do")
		},
		run: func(ctx context.Context, args []string) int {
			if status, bad := noArguments(env, "graph", args); bad {
				return status
			}
			soft, _, stop := interruptible(ctx, func(int) {})
			defer stop()
			asJSON := f.json
			f.json, f.all = false, destroy // -json is of the graph, not of what nxc has to tell
			told := *env
			told.Stdout = env.Stderr
			return f.open(soft, &told, "graph", func(p opened) int {
				planned, diags := p.Plan(soft, deploy.PlanOptions{Destroy: destroy, Look: true})
				if soft.Err() != nil {
					return p.interrupted()
				}
				p.view.Diagnostics(diags)
				p.view.Flush()
				if diags.HasErrors() {
					return exitError
				}
				objects := graphOf(planned)
				if asJSON {
					return printJSON(env, map[string]any{"objects": objects})
				}
				if err := writeDOT(env.Stdout, objects); err != nil {
					return p.fail("The graph cannot be written", err)
				}
				return exitOK
			})
		},
	}
}

// graphObject is an object of a plan and what it needs.
type graphObject struct {
	Address    string   `json:"address"`
	Deployment string   `json:"deployment,omitempty"`
	Type       string   `json:"type"`
	Action     string   `json:"action"`
	Needs      []string `json:"needs"` // addresses

	name string // for people
}

// graphOf lists a plan's objects, in the order of addresses.
func graphOf(planned *deploy.Planned) []graphObject {
	objects := []graphObject{}
	for i, needs := range planned.Plan.Needs() {
		c := &planned.Plan.Changes[i]
		if c.Deposed != 0 {
			continue // an old object, whose address the new one has
		}
		o := graphObject{Address: c.Addr.String(), Type: c.Type, Action: c.Action.String(), Needs: []string{}, name: planned.Display(c.Addr)}
		if c.Addr.Deployment != (addr.Deployment{}) {
			o.Deployment = c.Addr.Deployment.String()
		}
		for _, n := range needs {
			o.Needs = append(o.Needs, planned.Plan.Changes[n].Addr.String())
		}
		objects = append(objects, o)
	}
	return objects
}

// writeDOT writes the objects for Graphviz, each deployment in a box. An arrow
// leads to what is needed.
func writeDOT(w io.Writer, objects []graphObject) error {
	var b strings.Builder
	b.WriteString("digraph nxc {\n  rankdir = RL\n  node [shape = box]\n")
	box := ""
	for _, o := range objects {
		if o.Deployment != box {
			if box != "" {
				b.WriteString("  }\n")
			}
			if box = o.Deployment; box != "" {
				fmt.Fprintf(&b, "  subgraph %s {\n    label = %s\n", dotQuote("cluster "+box), dotQuote(box))
			}
		}
		indent := "  "
		if box != "" {
			indent = "    "
		}
		label := o.name
		if o.Action != "no-op" {
			label += "\n" + o.Action
		}
		fmt.Fprintf(&b, "%s%s [label = %s]\n", indent, dotQuote(o.Address), dotQuote(label))
	}
	if box != "" {
		b.WriteString("  }\n")
	}
	for _, o := range objects {
		for _, need := range o.Needs {
			fmt.Fprintf(&b, "  %s -> %s\n", dotQuote(o.Address), dotQuote(need))
		}
	}
	b.WriteString("}\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// dotQuote spells a string of Graphviz's language.
func dotQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}
