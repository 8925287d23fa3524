package command

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/deploy"
	"github.com/nixos-compose/nxc/driver"
	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plugins"
)

func driverCommand(env *Env) *command {
	var f projectFlags
	var wait time.Duration
	return &command{
		synopsis: "Drive nodes from a Python prompt",
		usage:    "[flags] [SCRIPT]",
		help: `
Opens a Python session in which each node is a variable, as in a test:
server.succeed("systemctl status nginx"), client1.shell_interact(). With a
SCRIPT, that is run first. test_script() runs it again, or the composition's
testScript. Ctrl-C ends a wait, Ctrl-D the session.

A NixOS test's own driver (the flavour nixos-test-driver) has a session that
goes on without you: nxc attaches you to it, and Ctrl-] detaches.

The session is ptpython's or IPython's where python3 has one of them, and
Python's own otherwise; NXC_DRIVER_SHELL=plain, ptpython or ipython chooses.

Examples:
  nxc driver
  nxc driver -flavour vm-ramdisk
  nxc driver load.py`,
		flags: func(fs *flag.FlagSet) {
			f.register(fs)
			fs.DurationVar(&wait, "wait-timeout", 0, "no single wait or command takes longer than this `TIME`,\nwhatever the script says; 0: as it says")
		},
		run: func(ctx context.Context, args []string) int {
			if len(args) > 1 || wait < 0 || f.json {
				fmt.Fprintln(env.Stderr, "nxc driver: takes one script at most, a -wait-timeout that is not below zero, and no -json")
				return exitError
			}
			return f.drive(ctx, env, args, wait)
		},
	}
}

// drive gives the user a session with the nodes of a deployment.
func (f *projectFlags) drive(ctx context.Context, env *Env, args []string, wait time.Duration) int {
	f.all = len(f.flavours) == 0
	t := &trial{testFlags: &testFlags{projectFlags: *f, repeat: 1}, env: env, soft: ctx, hard: ctx, files: map[string]*hcl.File{}}
	t.view = f.view(env, t.sources)
	defer t.view.Flush()
	if !t.prepare(args) {
		return exitError
	}
	return f.openIn(ctx, env, "driver", t.view, t.addSources, func(o opened) int {
		targets, diags := o.TestTargets(false)
		if !diags.HasErrors() && len(targets) > 1 {
			diags = hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Which deployment?", Detail: "A session drives one: name one -flavour."}}
		}
		o.view.Diagnostics(diags)
		if diags.HasErrors() {
			return exitError
		}
		d := targets[0]
		if n, ok := o.ownSession(ctx); ok {
			return o.attach(ctx, env, n)
		}
		script, ok := t.sessionScript(o, d)
		if !ok {
			return exitError
		}
		options, err := testOptions(ctx, env, o, d, script, t.python)
		if err != nil {
			return o.fail("The session cannot begin", err)
		}
		options.WaitLimit, options.RunFirst = wait, len(args) > 0
		if env.NoColor {
			options.Environ = append(options.Environ, "NO_COLOR=1")
		}
		options.Interact = func(ctx context.Context, n driver.Node, what string) error {
			return o.sitDown(ctx, n, what)
		}
		options.History = filepath.Join(xdg(env, "XDG_STATE_HOME", ".local/state"), "driver-history")
		if err := os.MkdirAll(filepath.Dir(options.History), 0o700); err != nil {
			options.History = ""
		}
		o.view.Flush()
		return session(ctx, o, options)
	})
}

// ownSession finds the node of a deployment that brings a session of its own,
// such as the driver of a NixOS test: it has no role, for it is no machine.
func (o opened) ownSession(ctx context.Context) (*deploy.RunningNode, bool) {
	nodes, diags := o.RunningNodes(ctx, nil)
	if diags.HasErrors() || len(nodes) != 1 || nodes[0].Role != "" {
		return nil, false
	}
	return nodes[0], true
}

// attach connects our terminal, or what is piped to us, with a session.
func (o opened) attach(ctx context.Context, env *Env, n *deploy.RunningNode) int {
	var p plugins.Process
	restore := func() {}
	o.view.Flush() // the screen is the session's
	if env.Interactive {
		var err error
		if restore, err = terminal(&p); err != nil {
			return o.fail("The terminal cannot be used", err)
		}
		fmt.Fprintf(env.Stderr, "Session of %s. Ctrl-] detaches.\r\n", n)
	}
	defer restore()
	p.Stdin, p.Stdout, p.Stderr = env.Stdin, env.Stdout, env.Stderr
	_, diags := o.Exec(ctx, n, p)
	restore()
	o.view.Diagnostics(diags)
	if diags.HasErrors() {
		return exitError
	}
	return exitOK
}

// session lets Python have the terminal, and Ctrl-C, which is for what it
// waits for.
func session(ctx context.Context, o opened, options driver.Options) int {
	ignored := make(chan os.Signal, 8)
	signal.Notify(ignored, os.Interrupt, syscall.SIGQUIT)
	defer signal.Stop(ignored)
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := driver.Interact(ctx, options); err != nil && ctx.Err() == nil {
		return o.fail("The session ended", err)
	}
	if ctx.Err() != nil {
		return exitInterrupted
	}
	return exitOK
}

// sessionScript is what test_script() will run: the file, or, where the
// composition can be evaluated and has one, its testScript.
func (t *trial) sessionScript(o opened, d addr.Deployment) (driver.Script, bool) {
	if len(t.scripts) > 0 {
		scripts, ok := t.scriptsOf(o, d, nil)
		if !ok {
			return driver.Script{}, false
		}
		return scripts[0], true
	}
	planned, diags := o.Plan(t.soft, deploy.PlanOptions{})
	if diags.HasErrors() {
		return driver.Script{}, true // the nodes can be driven all the same
	}
	own, diags := t.ownScript(o.Project, d, planned)
	if diags.HasErrors() {
		return driver.Script{}, true
	}
	return own, true
}

// sitDown connects our terminal with a shell on a node, or with its console.
func (o opened) sitDown(ctx context.Context, n driver.Node, what string) error {
	node := n.(testNode).node //nolint:errcheck // all nodes here are
	keyboard, err := os.OpenFile("/dev/tty", os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("there is no terminal here: %w", err)
	}
	// Closed, it takes no key that is meant for Python.
	defer keyboard.Close()
	var p plugins.Process
	restore, err := terminal(&p)
	if err != nil {
		return fmt.Errorf("the terminal cannot be used: %w", err)
	}
	defer restore()
	if what == "console" {
		ctx, detach := context.WithCancel(ctx)
		defer detach()
		fmt.Fprintf(os.Stderr, "Console of %s. Ctrl-] detaches.\r\n", node)
		err = told(o.Console(ctx, node, plugins.Console{Follow: true, Tail: 10, Output: os.Stdout, Input: &keys{from: keyboard, detach: detach}}))
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	p.Command, p.Stdin, p.Stdout, p.Stderr = []string{"bash", "-l"}, keyboard, os.Stdout, os.Stderr
	_, err = n.Exec(ctx, p)
	return err
}
