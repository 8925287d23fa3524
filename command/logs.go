package command

import (
	"context"
	"flag"
	"fmt"
	"io"
	"sync"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/deploy"
	"github.com/nixos-compose/nxc/plugins"
)

func logsCommand(env *Env) *command {
	var f projectFlags
	var follow bool
	tail := -1
	return &command{
		synopsis: "Print what nodes wrote to their consoles",
		usage:    "[flags] [NODE…]",
		help: `
Prints the consoles of nodes: the boot, and what services write there. Without
a NODE, of all nodes of the deployment. With several, each line begins with its
node's name.

Examples:
  nxc logs server
  nxc logs -f
  nxc logs -tail 20 client1 client2`,
		flags: func(fs *flag.FlagSet) {
			f.register(fs)
			fs.BoolVar(&follow, "f", false, "go on until Ctrl-C")
			fs.IntVar(&tail, "tail", -1, "begin with the last `LINES`; -1 is all of them")
		},
		run: func(ctx context.Context, args []string) int {
			if tail < -1 {
				fmt.Fprintln(env.Stderr, "nxc logs: -tail is a number of lines, or -1 for all")
				return exitError
			}
			return f.onNodes(ctx, env, "logs", args, func(ctx context.Context, o opened, nodes []*deploy.RunningNode) hcl.Diagnostics {
				return o.logs(ctx, env.Stdout, nodes, plugins.Console{Follow: follow, Tail: tail})
			})
		},
	}
}

// logs streams the consoles of nodes into one output. Those that end are
// written one after the other, those that go on as their lines come.
func (o opened) logs(ctx context.Context, out io.Writer, nodes []*deploy.RunningNode, c plugins.Console) hcl.Diagnostics {
	width := 0
	for _, n := range nodes {
		width = max(width, len(n.Name))
	}
	var mu sync.Mutex
	var diags hcl.Diagnostics
	shared := &sharedOutput{out: out}
	one := func(n *deploy.RunningNode) {
		prefix := ""
		if len(nodes) > 1 {
			prefix = fmt.Sprintf("%-*s | ", width, n.Name)
		}
		lines := prefixed(shared, prefix, "\r") // consoles end lines as terminals do
		mine := c
		mine.Output = lines
		more := o.Console(ctx, n, mine)
		_ = lines.end()
		mu.Lock()
		diags = append(diags, more...)
		mu.Unlock()
	}
	if !c.Follow {
		for _, n := range nodes {
			one(n)
		}
		return diags
	}
	var all sync.WaitGroup
	for _, n := range nodes {
		all.Go(func() { one(n) })
	}
	all.Wait()
	return diags
}
