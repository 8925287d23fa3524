package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/deploy"
	"github.com/nixos-compose/nxc/plugins"
)

func connectCommand(env *Env) *command {
	f := &connectFlags{}
	return &command{
		synopsis: "Open a shell on a node, or on several",
		usage:    "[flags] [NODE…]",
		help: `
Opens a login shell on a node. For several nodes, which may be patterns such as
'client*', it opens tmux with a pane for each; without a name, for all nodes.
Inside tmux the panes are a window of their own.

Examples:
  nxc connect server
  nxc connect -flavour docker client1
  nxc connect -user ann 'client[1-4]'`,
		flags: f.register,
		run:   func(ctx context.Context, args []string) int { return f.run(ctx, env, args) },
	}
}

// connectFlags are what can be said to nxc connect.
type connectFlags struct {
	projectFlags
	user string
}

func (f *connectFlags) register(fs *flag.FlagSet) {
	f.projectFlags.register(fs)
	fs.StringVar(&f.user, "user", "root", "be this user, by `NAME`, on the nodes")
}

func (f *connectFlags) run(ctx context.Context, env *Env, args []string) int {
	if choice := (deploy.Choice{Targets: args}); !choice.IsMany() {
		return f.shell(ctx, env, args[0])
	}
	var names []string
	f.all = true
	status := f.open(ctx, env, "connect", func(o opened) int {
		nodes, diags := o.RunningNodes(ctx, args)
		o.view.Diagnostics(diags)
		o.view.Flush()
		if diags.HasErrors() {
			return exitError
		}
		for _, n := range nodes {
			names = append(names, n.String())
		}
		return exitOK
	})
	switch {
	case status != exitOK:
		return status
	case len(names) == 1:
		return f.shell(ctx, env, names[0])
	}
	if err := f.panes(ctx, env, names); err != nil {
		fmt.Fprintln(env.Stderr, "nxc connect:", err)
		return exitError
	}
	return exitOK
}

// shell opens a login shell on one node.
func (f *connectFlags) shell(ctx context.Context, env *Env, node string) int {
	command := []string{"bash", "-l"}
	if f.user != "root" {
		command = []string{"su", "-", f.user}
	}
	return f.onNode(ctx, env, "connect", node, plugins.Process{Command: command}, env.Interactive, 0)
}

// panes opens tmux with a pane for each node, and ends with it. Inside tmux it
// opens a window there, and returns.
func (f *connectFlags) panes(ctx context.Context, env *Env, nodes []string) error {
	if !env.Interactive {
		return fmt.Errorf("there is no terminal here for %d nodes: name one, or run a program on all with nxc exec -all -- PROGRAM", len(nodes))
	}
	tmux, err := exec.LookPath("tmux")
	if err != nil {
		return errors.New("shells on several nodes need tmux, which is not here: install it, or name one node")
	}
	shell, err := f.another(env, "connect")
	if err != nil {
		return err
	}
	shell = append(shell, "-user", f.user)
	inside := env.Getenv("TMUX") != ""
	args := paneCommands(shell, nodes, inside)
	if !inside {
		// A server of our own, so that panes have the environment that we have.
		args = append([]string{"-L", fmt.Sprintf("nxc-%d", os.Getpid())}, append(args, ";", "attach-session")...)
	}
	cmd := exec.CommandContext(ctx, tmux, args...)
	cmd.Env = env.Environ
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("tmux: %w", err)
	}
	return nil
}

// panesPerWindow is how many shells can still be read side by side.
const panesPerWindow = 16

// paneCommands tell tmux to run the shell of each node in a pane that shows the
// node's name, in as few windows as that takes.
func paneCommands(shell, nodes []string, inside bool) []string {
	var args []string
	for i, node := range nodes {
		_, name, _ := strings.Cut(node, "/")
		begin := []string{"split-window"}
		switch {
		case i == 0 && !inside:
			begin = []string{"new-session", "-d", "-x", "-", "-y", "-", "-n", "nxc"}
		case i%panesPerWindow == 0:
			begin = []string{"new-window", "-n", "nxc"}
		}
		if i > 0 {
			args = append(args, ";")
		}
		args = slices.Concat(args, begin, shell, []string{
			node, ";", "set-option", "-p", "@nxc-node", name,
			";", "set-option", "-w", "pane-border-status", "top",
			";", "set-option", "-w", "pane-border-format", " #{@nxc-node} ",
			";", "select-layout", "tiled",
		})
	}
	return args
}
