package command

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"github.com/nixos-compose/nxc/plugins"
)

func execCommand(env *Env) *command {
	var f projectFlags
	var tty bool
	return &command{
		synopsis: "Run a program on a node",
		usage:    "[flags] NODE -- PROGRAM [arguments]",
		help: `
Runs a program on a node, with this command's standard input and output, and
ends with the program's exit status. A NODE is the name of a node of the only
deployment that runs, or of the one chosen with -flavour, or
COMPOSITION::FLAVOUR/NAME.

Examples:
  nxc exec client1 -- curl -s http://server/
  nxc exec -flavour docker server -- journalctl -n 20
  nxc exec webserver::docker/server -- systemctl status nginx`,
		program: true,
		flags: func(fs *flag.FlagSet) {
			f.register(fs)
			fs.BoolVar(&tty, "t", false, "give the program a terminal")
		},
		run: func(ctx context.Context, args []string) int {
			if len(args) < 2 {
				fmt.Fprintln(env.Stderr, "nxc exec: name a node and a program, such as: nxc exec server -- uname -a")
				return exitError
			}
			return f.onNode(ctx, env, "exec", args[0], plugins.Process{Command: args[1:]}, tty)
		},
	}
}

func connectCommand(env *Env) *command {
	var f projectFlags
	return &command{
		synopsis: "Open a shell on a node",
		usage:    "[flags] [NODE]",
		help: `
Opens a login shell on a node. With a single node, its name may be left out.

Examples:
  nxc connect server
  nxc connect -flavour docker client1`,
		flags: f.register,
		run: func(ctx context.Context, args []string) int {
			if len(args) > 1 {
				fmt.Fprintln(env.Stderr, "nxc connect: name one node; to run a program there, use nxc exec NODE -- PROGRAM")
				return exitError
			}
			node := ""
			if len(args) == 1 {
				node = args[0]
			}
			return f.onNode(ctx, env, "connect", node, plugins.Process{Command: []string{"bash", "-l"}}, env.Interactive)
		},
	}
}

// onNode runs a program on a node with our own input and output.
func (f *projectFlags) onNode(ctx context.Context, env *Env, name, target string, p plugins.Process, tty bool) int {
	f.all = true
	return f.open(ctx, env, name, func(o opened) int {
		node, diags := o.RunningNode(ctx, target)
		o.view.Diagnostics(diags)
		if diags.HasErrors() {
			return exitError
		}
		o.view.Flush()
		p.Stdin, p.Stdout, p.Stderr = env.Stdin, env.Stdout, env.Stderr
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
		running, signals, stop := forwarded(ctx)
		defer stop()
		p.Signals = signals
		status, diags := o.Exec(running, node, p)
		restore()
		if running.Err() != nil {
			return exitInterrupted
		}
		o.view.Diagnostics(diags)
		if diags.HasErrors() {
			return exitError
		}
		return status
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
