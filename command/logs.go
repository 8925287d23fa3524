package command

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"strings"
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
	one := func(n *deploy.RunningNode) {
		lines := &lineWriter{out: out, mu: &mu}
		if len(nodes) > 1 {
			lines.prefix = fmt.Sprintf("%-*s | ", width, n.Name)
		}
		mine := c
		mine.Output = lines
		more := o.Console(ctx, n, mine)
		lines.end()
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

// lineWriter writes whole lines, each after a prefix, so that several may
// share an output. Carriage returns of a console are dropped.
type lineWriter struct {
	out    io.Writer
	mu     *sync.Mutex // of the output
	prefix string
	rest   []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	end := bytes.LastIndexByte(w.rest, '\n')
	if end < 0 {
		return len(p), nil
	}
	text := string(w.rest[:end+1])
	w.rest = append(w.rest[:0], w.rest[end+1:]...)
	return len(p), w.print(text)
}

func (w *lineWriter) print(text string) error {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(w.prefix + strings.TrimRight(line, "\r\n") + "\n")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err := io.WriteString(w.out, b.String())
	return err
}

// end writes a last line that was not ended.
func (w *lineWriter) end() {
	if len(w.rest) > 0 {
		_ = w.print(string(w.rest))
	}
}
