package command

import (
	"context"
	"flag"
	"fmt"
	"sync"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/deploy"
	"github.com/nixos-compose/nxc/plugins"
)

// powerVerb is a command that switches nodes.
type powerVerb struct {
	name, synopsis, help string
	actions              []plugins.PowerAction // one after the other
	done                 string                // "stopped"
	hard                 []plugins.PowerAction // with -hard; nil: no such flag
	hardHelp             string
}

// powerVerbs are the commands that switch nodes.
func powerVerbs() []powerVerb {
	return []powerVerb{
		{
			name: "stop", synopsis: "Shut nodes down", done: "stopped",
			help:    "Asks the systems of nodes to shut down. Nothing is removed: nxc start brings them\nback, and so does the next apply.",
			actions: []plugins.PowerAction{plugins.PowerStop},
			hard:    []plugins.PowerAction{plugins.PowerCrash}, hardHelp: "at once, without a word to the system, as when the power goes",
		},
		{
			name: "start", synopsis: "Start nodes that were stopped", done: "started",
			help:    "Starts nodes that were stopped, and waits until they are up.",
			actions: []plugins.PowerAction{plugins.PowerStart},
		},
		{
			name: "restart", synopsis: "Shut nodes down and start them again", done: "restarted",
			help:    "Shuts nodes down, starts them again, and waits until they are up.",
			actions: []plugins.PowerAction{plugins.PowerStop, plugins.PowerStart},
			hard:    []plugins.PowerAction{plugins.PowerReset}, hardHelp: "at once, without a word to the system, as the reset button does",
		},
		{
			name: "pause", synopsis: "Freeze nodes", done: "paused",
			help:    "Freezes all that runs on nodes, until nxc unpause. To the others they seem dead.",
			actions: []plugins.PowerAction{plugins.PowerPause},
		},
		{
			name: "unpause", synopsis: "Let frozen nodes go on", done: "unpaused",
			help:    "Lets nodes go on that nxc pause froze.",
			actions: []plugins.PowerAction{plugins.PowerUnpause},
		},
	}
}

func powerCommand(env *Env, v powerVerb) *command {
	var f projectFlags
	var hard, all bool
	return &command{
		synopsis: v.synopsis,
		usage:    "[flags] NODE…",
		help:     fmt.Sprintf("\n%s\n\nExamples:\n  nxc %s client1 client2\n  nxc %s -flavour docker -all", v.help, v.name, v.name),
		flags: func(fs *flag.FlagSet) {
			f.register(fs)
			fs.BoolVar(&all, "all", false, "all nodes of the deployment")
			if v.hard != nil {
				fs.BoolVar(&hard, "hard", false, v.hardHelp)
			}
		},
		run: func(ctx context.Context, args []string) int {
			if len(args) == 0 && !all || len(args) > 0 && all {
				fmt.Fprintf(env.Stderr, "nxc %s: name nodes, such as: nxc %s client1; or all of them with -all\n", v.name, v.name)
				return exitError
			}
			actions := v.actions
			if hard {
				actions = v.hard
			}
			return f.onNodes(ctx, env, v.name, args, func(ctx context.Context, o opened, nodes []*deploy.RunningNode) hcl.Diagnostics {
				return o.power(ctx, nodes, actions, v.done, f.verbose)
			})
		},
	}
}

// power switches nodes, all at one time.
func (o opened) power(ctx context.Context, nodes []*deploy.RunningNode, actions []plugins.PowerAction, done string, verbose bool) hcl.Diagnostics {
	var mu sync.Mutex
	var diags hcl.Diagnostics
	var all sync.WaitGroup
	for _, n := range nodes {
		all.Go(func() {
			var more hcl.Diagnostics
			for _, a := range actions {
				more = append(more, o.Power(ctx, n, a, func(p plugins.Progress) {
					if p.Log != "" && verbose {
						o.view.Note(n.Name + ": " + p.Log)
					} else if p.Phase != "" {
						o.view.Step(n.Name + ": " + p.Phase)
					}
				})...)
				if more.HasErrors() {
					break
				}
			}
			if !more.HasErrors() {
				o.view.Note(n.Name + ": " + done)
			}
			mu.Lock()
			defer mu.Unlock()
			diags = append(diags, more...)
		})
	}
	all.Wait()
	return diags
}
