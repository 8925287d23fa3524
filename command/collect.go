package command

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"path/filepath"

	"github.com/nixos-compose/nxc/command/view"
	"github.com/nixos-compose/nxc/deploy"
)

func collectCommand(env *Env) *command {
	f := &collectFlags{}
	return &command{
		synopsis: "Bring results of all nodes into one folder",
		usage:    "[flags] PATH…",
		help: `
Copies files and folders of all nodes of a deployment, or of those that -node
and -role choose, into one folder: PATH of a node becomes DIR/NODE/PATH. Beside
them manifest.json says what ran where: the deployment, its systems with their
packages, nixpkgs, params, the state, and each file's size and SHA-256.

The folder appears when everything is in it. One that is there already is left
alone, unless -replace is given. A node that lacks a PATH, or is down, is named
and in the manifest, the others are collected, and the exit status is 1.

Examples:
  nxc collect /srv/results
  nxc collect -role client -out results/run-3 /tmp/out.csv /var/log/load
  nxc collect -flavour docker -node 'client[1-3]' -replace /srv/results`,
		flags: f.register,
		run:   func(ctx context.Context, args []string) int { return f.run(ctx, env, args) },
	}
}

// collectFlags are what can be said to nxc collect.
type collectFlags struct {
	projectFlags
	nodes   nodeFlags
	named   stringList
	out     string
	replace bool
}

func (f *collectFlags) register(fs *flag.FlagSet) {
	f.projectFlags.register(fs)
	f.nodes.register(fs, 16)
	fs.Var(&f.named, "node", "take this `NODE`, or those of a pattern such as 'client*';\nmay be given several times")
	fs.StringVar(&f.out, "out", "results", "write to `DIR`")
	fs.BoolVar(&f.replace, "replace", false, "replace results that are in the folder")
}

func (f *collectFlags) run(ctx context.Context, env *Env, paths []string) int {
	complaint := ""
	switch {
	case len(paths) == 0:
		complaint = "name what to collect, such as: nxc collect /srv/results"
	case f.nodes.all && (len(f.named) > 0 || len(f.nodes.roles) > 0):
		complaint = "-all takes every node; leave out -node and -role, or -all"
	case f.nodes.parallel < 0:
		complaint = "-parallel is not below zero"
	case f.out == "":
		complaint = "-out is the name of a folder"
	}
	if complaint != "" {
		fmt.Fprintln(env.Stderr, "nxc collect:", complaint)
		return exitError
	}
	f.projectFlags.all = true
	soft, _, stop := interruptible(ctx, func(int) {})
	defer stop()
	return f.open(soft, env, "collect", func(o opened) int {
		nodes, diags := o.ChooseNodes(soft, deploy.Choice{Targets: f.named, Roles: f.nodes.roles})
		o.view.Diagnostics(diags)
		if diags.HasErrors() {
			return exitError
		}
		shown := &transport{opened: o, of: len(nodes), what: "results"}
		end := shown.show()
		m, diags := o.Collect(soft, nodes, deploy.CollectOptions{
			Paths: paths, Out: f.out, Replace: f.replace,
			Each: func(ctx context.Context, n int, do func(int)) {
				each(ctx, n, f.nodes.parallel, func(i int) { do(i); shown.oneDone() })
			},
			Moved: func(n int) { shown.moved.Add(int64(n)) },
		})
		end()
		if soft.Err() != nil {
			return o.interrupted()
		}
		o.view.Diagnostics(diags)
		if diags.HasErrors() {
			return exitError
		}
		return f.show(env, o, m)
	})
}

// collectEvent is one line of nxc collect -json. It is part of the interface.
type collectEvent struct {
	Type   string              `json:"type"` // node, summary
	Node   string              `json:"node,omitempty"`
	Files  int                 `json:"files"`
	Bytes  int64               `json:"bytes"`
	Failed []deploy.FailedPath `json:"failed,omitempty"`
	Out    string              `json:"out,omitempty"`
}

// show tells what came, and returns the exit status.
func (f *collectFlags) show(env *Env, o opened, m *deploy.Manifest) int {
	status, from := exitOK, 0
	all := collectEvent{Type: "summary", Out: m.Out}
	emit := func(e collectEvent) {
		if f.json {
			if line, err := json.Marshal(e); err == nil {
				_, _ = env.Stdout.Write(append(line, '\n'))
			}
		}
	}
	for i := range m.Nodes {
		n := &m.Nodes[i]
		one := collectEvent{Type: "node", Node: n.Name, Files: len(n.Files), Failed: n.Failed}
		for _, file := range n.Files {
			one.Bytes += file.Size
		}
		emit(one)
		all.Files, all.Bytes = all.Files+one.Files, all.Bytes+one.Bytes
		if one.Files > 0 {
			from++
		}
		for _, missing := range n.Failed {
			status = exitError
			if !f.json {
				o.view.Flush()
				fmt.Fprintf(env.Stderr, "%s: %s was not collected: %s\n", n.Name, missing.Path, missing.Reason)
			}
		}
	}
	emit(all)
	switch {
	case m.Out == "":
		o.view.Note("Nothing was collected.")
	default:
		o.view.Note(fmt.Sprintf("%s of %s from %s in %s.", count(all.Files, "file"), view.Bytes(all.Bytes), count(from, "node"), filepath.Clean(m.Out)))
	}
	return status
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
