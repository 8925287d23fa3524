package command

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/deploy"
	"github.com/nixos-compose/nxc/plugins"
)

// detachKey is Ctrl-], which leaves a console that takes every other key.
const detachKey = 0x1d

func consoleCommand(env *Env) *command {
	var f projectFlags
	tail := 10
	return &command{
		synopsis: "Sit down at a node's console",
		usage:    "[flags] [NODE]",
		help: `
Shows a node's console as it is written, and types into it. In a terminal every
key goes to the node, Ctrl-C as well; Ctrl-] detaches. Without a terminal what
is read from standard input is typed, and Ctrl-C ends the command. A console
that takes no keys, such as a container's, is watched. With a single node, its
name may be left out.

Examples:
  nxc console server
  nxc console -tail -1 server
  echo reboot | timeout 60 nxc console -flavour vm-ramdisk client1`,
		flags: func(fs *flag.FlagSet) {
			f.register(fs)
			fs.IntVar(&tail, "tail", 10, "begin with the last `LINES`; -1 is all of them")
		},
		run: func(ctx context.Context, args []string) int {
			switch {
			case tail < -1:
				fmt.Fprintln(env.Stderr, "nxc console: -tail is a number of lines, or -1 for all")
				return exitError
			case len(args) > 1:
				fmt.Fprintln(env.Stderr, "nxc console: name one node; nxc logs -f watches several, and nxc eval evaluates expressions")
				return exitError
			case len(args) == 0:
				args = []string{""}
			}
			return f.onNodes(ctx, env, "console", args, func(ctx context.Context, o opened, nodes []*deploy.RunningNode) hcl.Diagnostics {
				o.view.Flush()
				return o.console(ctx, env, nodes[0], tail)
			})
		},
	}
}

// console connects our input and output with a node's console. One that shows
// nothing and refuses input is watched instead.
func (o opened) console(ctx context.Context, env *Env, n *deploy.RunningNode, tail int) hcl.Diagnostics {
	shown := &counter{Writer: env.Stdout}
	diags, err := o.typeInto(ctx, env, n, plugins.Console{Follow: true, Tail: tail, Output: shown})
	if err != nil {
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "The terminal cannot be used", Detail: err.Error() + "."}}
	}
	if ctx.Err() != nil || !diags.HasErrors() || shown.n > 0 {
		return diags
	}
	fmt.Fprintf(env.Stderr, "%s. Watching; Ctrl-C ends it.\n", diags[0].Summary)
	return o.Console(ctx, n, plugins.Console{Follow: true, Tail: tail, Output: env.Stdout})
}

// typeInto gives a console our input, until the detach key.
func (o opened) typeInto(ctx context.Context, env *Env, n *deploy.RunningNode, c plugins.Console) (hcl.Diagnostics, error) {
	ctx, detach := context.WithCancel(ctx)
	defer detach()
	c.Input = &patientInput{ctx: ctx, from: env.Stdin}
	if env.Interactive {
		fmt.Fprintf(env.Stderr, "Console of %s. Ctrl-] detaches.\n", n)
		var p plugins.Process
		restore, err := terminal(&p)
		if err != nil {
			return nil, err
		}
		defer restore()
		c.Input = &keys{from: env.Stdin, detach: detach}
	}
	return o.Console(ctx, n, c), nil
}

// keys are those of a terminal, up to the detach key.
type keys struct {
	from   io.Reader
	detach func()
}

func (k *keys) Read(b []byte) (int, error) {
	n, err := k.from.Read(b)
	if i := bytes.IndexByte(b[:n], detachKey); i >= 0 {
		k.detach()
		return i, io.EOF
	}
	return n, err
}

// patientInput does not end when what it reads ends, but with ctx: the answer
// to the last line is still to come.
type patientInput struct {
	ctx  context.Context
	from io.Reader
}

func (p *patientInput) Read(b []byte) (int, error) {
	n, err := p.from.Read(b)
	if n > 0 || err == nil {
		return n, nil
	}
	<-p.ctx.Done()
	return 0, err
}

// counter counts what was written.
type counter struct {
	io.Writer
	n int
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.Writer.Write(b)
	c.n += n
	return n, err
}
