package command

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/nixos-compose/nxc/deploy"
	"github.com/nixos-compose/nxc/plugins"
)

func execCommand(env *Env) *command {
	f := &execFlags{}
	return &command{
		synopsis: "Run a program on nodes",
		usage:    "[flags] NODE… -- PROGRAM [arguments]",
		help: `
Runs a program on a node, with this command's standard input and output, and
ends with the program's exit status. A NODE is the name of a node of the only
deployment that runs, or of the one chosen with -flavour, or
COMPOSITION::FLAVOUR/NAME.

Several nodes are named one after the other, by patterns such as client[1-3,7]
and 'client*', by -role, or by -all. The program then runs on all of them at
one time, each line of output begins with its node's name, and standard input
is empty unless -stdin is given. The exit status is the highest of all; a node
that cannot run the program, or is lost while it runs, counts as 255, and a
program that -timeout ended as 124. One node's failure ends no other.

Examples:
  nxc exec client1 -- curl -s http://server/
  nxc exec -flavour docker server -- journalctl -n 20
  nxc exec -all -- systemctl is-system-running
  nxc exec -role client -timeout 1m -- ./load --seconds 30
  nxc exec -json 'client[1-2]' server -- uname -r`,
		program: true,
		flags:   f.register,
		run:     func(ctx context.Context, args []string) int { return f.run(ctx, env, args) },
	}
}

// execFlags are what can be said to nxc exec.
type execFlags struct {
	projectFlags
	nodes             nodeFlags
	tty, stdin, quiet bool
	timeout           time.Duration
	out               string
}

func (f *execFlags) register(fs *flag.FlagSet) {
	f.projectFlags.register(fs)
	f.nodes.register(fs, 0)
	fs.BoolVar(&f.tty, "t", false, "give the program a terminal")
	fs.BoolVar(&f.stdin, "stdin", false, "give standard input to each of several nodes")
	fs.BoolVar(&f.quiet, "quiet", false, "show how it ended on each node, and no output")
	fs.DurationVar(&f.timeout, "timeout", 0, "end the program after this `TIME`, on each node, such as 90s; 0: never")
	fs.StringVar(&f.out, "out", "", "write the output to `DIR`/NODE.stdout and DIR/NODE.stderr as it is,\nand show how it ended")
}

func (f *execFlags) run(ctx context.Context, env *Env, args []string) int {
	choice, program := f.split(args)
	complaint := ""
	switch {
	case len(choice.Targets) == 0 && !f.nodes.given():
		complaint = "name a node and a program, such as: nxc exec server -- uname -a"
	case len(program) == 0:
		complaint = "name a program after --, such as: nxc exec server -- uname -a"
	case f.nodes.all && (len(choice.Targets) > 0 || len(f.nodes.roles) > 0):
		complaint = "-all takes every node; leave out the names and roles, or -all"
	case f.nodes.parallel < 0 || f.timeout < 0:
		complaint = "-parallel and -timeout are not below zero"
	case f.tty && (choice.IsMany() || f.json || f.quiet || f.out != ""):
		complaint = "-t gives one node the terminal, as it is; leave out -t, or name one node alone"
	case f.quiet && f.json:
		complaint = "-quiet and -json exclude each other"
	}
	if complaint != "" {
		fmt.Fprintln(env.Stderr, "nxc exec:", complaint)
		return exitError
	}
	if choice.IsMany() || f.json || f.quiet || f.out != "" {
		return f.many(ctx, env, choice, program)
	}
	return f.onNode(ctx, env, "exec", choice.Targets[0], plugins.Process{Command: program}, f.tty, f.timeout)
}

// split tells nodes from the program. Without "--" there is one node, or none
// where flags choose.
func (f *execFlags) split(args []string) (deploy.Choice, []string) {
	nodes := slices.Index(args, "--")
	program := nodes + 1
	if nodes < 0 {
		nodes = min(1, len(args))
		if f.nodes.given() {
			nodes = 0
		}
		program = nodes
	}
	return deploy.Choice{Targets: args[:nodes], Roles: f.nodes.roles}, args[program:]
}

// onNode runs a program on a node with our own input and output.
func (f *projectFlags) onNode(ctx context.Context, env *Env, name, target string, p plugins.Process, tty bool, timeout time.Duration) int {
	f.all = true
	return f.open(ctx, env, name, func(o opened) int {
		node, diags := o.RunningNode(ctx, target)
		o.view.Diagnostics(diags)
		if diags.HasErrors() {
			return exitError
		}
		o.view.Flush()
		restore := func() {}
		if tty {
			if !env.Interactive {
				return o.fail("There is no terminal here", fmt.Errorf("leave out -t, or run nxc in a terminal"))
			}
			var err error
			if restore, err = terminal(&p); err != nil {
				return o.fail("The terminal cannot be used", err)
			}
		}
		defer restore()
		w := watch(ctx, env, "")
		defer w.stop()
		p.Stdin, p.Stdout, p.Stderr = env.Stdin, w.output(env.Stdout), w.output(env.Stderr)
		e := w.run(o, node, p, timeout)
		restore()
		switch {
		case e.timedOut:
			fmt.Fprintf(env.Stderr, "nxc %s: ended after %s\n", name, timeout)
			return exitTimeout
		case w.ctx.Err() != nil:
			return exitInterrupted
		}
		o.view.Diagnostics(e.diags)
		if e.diags.HasErrors() {
			return exitLost
		}
		return e.exit
	})
}

// terminal puts our terminal into raw mode and passes on its size. The
// returned function puts it back, and may be called twice.
func terminal(p *plugins.Process) (restore func(), err error) {
	fd := int(os.Stdin.Fd())
	was, err := term.MakeRaw(fd)
	if err != nil {
		return nil, err
	}
	size := func() plugins.WindowSize {
		w, h, _ := term.GetSize(fd)
		return plugins.WindowSize{Columns: uint16(max(w, 1)), Rows: uint16(max(h, 1))}
	}
	now := size()
	p.TTY = &now
	resize := make(chan plugins.WindowSize, 1)
	p.Resize = resize
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-changed:
				select {
				case resize <- size():
				default:
				}
			case <-done:
				return
			}
		}
	}()
	restored := false
	return func() {
		if restored {
			return
		}
		restored = true
		signal.Stop(changed)
		close(done)
		_ = term.Restore(fd, was)
	}, nil
}
