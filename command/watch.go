package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/sys/unix"

	"github.com/nixos-compose/nxc/deploy"
	"github.com/nixos-compose/nxc/plugins"
)

// patience is how long a program that was told to end is waited for, before
// stronger means.
const patience = 3 * time.Second

// sameSignal is how soon after a signal another one is the same: timeout(1)
// signals a program, and then its group with the program in it.
const sameSignal = 200 * time.Millisecond

// watcher sees to the end of programs that run elsewhere. They get the first
// signal that nxc gets, by its name; the second kills them, and the third
// leaves them. When nobody reads their output any more, they are ended.
type watcher struct {
	starting context.Context // ends when no further program is to be started
	ctx      context.Context // ends when those that run are left
	stop     func()

	startNone, leave context.CancelFunc

	mu   sync.Mutex
	told string // the signal that all were told
	all  map[*watched]bool
}

// watched is a program that runs.
type watched struct{ signals chan string }

// tell passes a signal on. A program that has sixteen before it is told
// nothing new by one more.
func (p *watched) tell(name string) {
	select {
	case p.signals <- name:
	default:
	}
}

// watch begins to see to programs. notice is said at the first signal.
func watch(ctx context.Context, env *Env, notice string) *watcher {
	w := &watcher{all: map[*watched]bool{}}
	w.ctx, w.leave = context.WithCancel(ctx)
	w.starting, w.startNone = context.WithCancel(w.ctx)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // a write's error tells
	done := make(chan struct{})
	go func() {
		var last time.Time
		for times := 0; ; {
			select {
			case s := <-signals:
				if time.Since(last) < sameSignal {
					continue
				}
				last, times = time.Now(), times+1
				n, _ := s.(syscall.Signal)
				w.startNone()
				switch times {
				case 1:
					if notice != "" {
						fmt.Fprintln(env.Stderr, notice)
					}
					w.tell(strings.TrimPrefix(unix.SignalName(n), "SIG"))
				case 2:
					w.kill()
				default:
					w.leave()
				}
			case <-done:
				return
			}
		}
	}()
	w.stop = sync.OnceFunc(func() {
		signal.Stop(signals)
		close(done)
		w.startNone()
		w.leave()
	})
	return w
}

// tell passes a signal on to all that run, and to those that are about to.
func (w *watcher) tell(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = name
	for p := range w.all {
		p.tell(name)
	}
}

// kill ends all that run, whether they listen or not.
func (w *watcher) kill() {
	w.tell("KILL")
	time.AfterFunc(patience, w.leave)
}

// output returns an output whose programs end when nobody reads it.
func (w *watcher) output(to io.Writer) io.Writer {
	return &watchedOutput{Writer: to, broken: sync.OnceFunc(func() {
		w.startNone()
		w.tell("TERM")
		time.AfterFunc(patience, w.kill)
	})}
}

type watchedOutput struct {
	io.Writer
	broken func()
}

// Write writes, and takes what nobody reads until the program has ended: an
// error here would leave it running.
func (o *watchedOutput) Write(p []byte) (int, error) {
	if _, err := o.Writer.Write(p); err != nil {
		o.broken()
	}
	return len(p), nil
}

// end is how a program that was watched ended.
type end struct {
	exit     int
	timedOut bool
	diags    hcl.Diagnostics
}

// run runs a program on a node. One that is not ready after timeout, unless
// that is 0, is told to end, and in the end killed.
func (w *watcher) run(o opened, n *deploy.RunningNode, p plugins.Process, timeout time.Duration) (e end) {
	ctx, leave := context.WithCancel(w.ctx)
	defer leave()
	it := &watched{signals: make(chan string, 16)}
	p.Signals = it.signals
	w.mu.Lock()
	w.all[it] = true
	if w.told != "" {
		it.tell(w.told)
	}
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.all, it)
	}()
	if timeout > 0 {
		steps := []func(){func() { it.tell("TERM") }, func() { it.tell("KILL") }, leave}
		ended := make(chan struct{})
		watching := make(chan struct{})
		go func() {
			defer close(watching)
			for wait := timeout; len(steps) > 0; wait = patience {
				select {
				case <-time.After(wait):
					e.timedOut = true
					steps[0]()
					steps = steps[1:]
				case <-ended:
					return
				}
			}
		}()
		defer func() { close(ended); <-watching }()
	}
	e.exit, e.diags = o.Exec(ctx, n, p)
	return e
}

// inOneLine says what went wrong without the form of a diagnostic.
func inOneLine(diags hcl.Diagnostics) string {
	var parts []string
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		text := d.Summary
		if d.Detail != "" {
			text += ": " + d.Detail
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}
