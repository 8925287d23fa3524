package driver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nixos-compose/nxc/plugins"
)

// outputLimit is how much a command may print for the script to read.
const outputLimit = 64 << 20

var errTooMuch = errors.New("too much output")

// notPossible is what a flavour cannot do.
type notPossible struct{ text string }

func (e notPossible) Error() string { return e.text }

// completed is a program that ended.
type completed struct {
	Status int    `json:"status"`
	Stdout []byte `json:"stdout,omitempty"`
	Stderr []byte `json:"stderr,omitempty"`
}

// answer does what a call asks for.
func (s *session) answer(ctx context.Context, r *request) answer {
	result, err := s.do(ctx, r)
	a := answer{ID: r.ID, OK: result}
	var cannot notPossible
	switch {
	case err == nil:
		if a.OK == nil {
			a.OK = struct{}{}
		}
		return a
	case ctx.Err() != nil:
		a.Kind = Interrupted
	case errors.As(err, &cannot):
		a.Kind = "not_possible"
	}
	a.OK, a.Error = nil, err.Error()
	return a
}

func (s *session) do(ctx context.Context, r *request) (any, error) {
	if r.Call == "serial" {
		s.mu.Lock()
		s.serial = r.Up
		s.mu.Unlock()
		return nil, nil
	}
	n := s.nodes[r.Node]
	if n == nil {
		return nil, fmt.Errorf("there is no machine %q", r.Node)
	}
	if hand, verb := handOf(r.Call); hand != "" && !n.Offers(hand) {
		return nil, notPossible{fmt.Sprintf("%s cannot %s: its provider does not offer %s for this type of node", s.o.Flavour, verb, hand)}
	}
	switch r.Call {
	case "execute":
		return n.execute(ctx, r)
	case "is_up":
		return map[string]bool{"up": n.up(ctx)}, nil
	case "copy_in":
		return nil, n.named(n.Put(ctx, r.Source, r.Target))
	case "copy_out":
		return nil, n.named(n.Get(ctx, r.Source, r.Target))
	case "power":
		return nil, n.named(n.Power(ctx, plugins.PowerAction(r.Action)))
	case "link":
		return nil, n.named(n.Link(ctx, plugins.Link{Block: !r.Up}))
	case "console":
		text, err := n.console.since(ctx, r.Offset)
		return map[string][]byte{"text": text}, err
	case "type":
		return nil, n.named(n.typeOn(ctx, r.Stdin))
	case "forward":
		return nil, s.forward(n, r.HostPort, r.GuestPort)
	case "monitor":
		said, err := n.Monitor(ctx, r.Command)
		return map[string]string{"said": said}, n.named(err)
	case "interact":
		if s.o.Interact == nil {
			return nil, notPossible{"a test has no terminal: use nxc driver for an interactive session"}
		}
		return nil, s.o.Interact(ctx, n.Node, r.What)
	}
	return nil, fmt.Errorf("the driver knows no call %q", r.Call)
}

// handOf is what a call needs, and how to say that it is not there.
func handOf(call string) (hand plugins.Hand, verb string) {
	switch call {
	case "execute", "is_up", "forward":
		return plugins.HandExec, "run programs"
	case "copy_in", "copy_out":
		return plugins.HandCopy, "copy files"
	case "power":
		return plugins.HandPower, "switch machines"
	case "console", "type":
		return plugins.HandConsole, "show consoles"
	case "link":
		return plugins.HandLink, "unplug networks"
	case "monitor":
		return plugins.HandMonitor, "press keys, show screens or speak to a monitor"
	}
	return "", ""
}

// execute runs a program, for as long as it may take.
func (n *node) execute(ctx context.Context, r *request) (*completed, error) {
	began := time.Now()
	running, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var over bool
	if r.Timeout != nil {
		var stop context.CancelFunc
		running, stop = context.WithTimeout(running, time.Duration(*r.Timeout*float64(time.Second)))
		defer stop()
	}
	stdout, stderr := &output{full: cancel}, &output{full: cancel}
	p := plugins.Process{Command: r.Argv, Stdout: stdout, Stderr: stderr}
	if len(r.Stdin) > 0 {
		p.Stdin = bytes.NewReader(r.Stdin)
	}
	status, err := n.Exec(running, p)
	if running.Err() != nil && ctx.Err() == nil {
		over = errors.Is(context.Cause(running), context.DeadlineExceeded)
		err = context.Cause(running)
	}
	done := &completed{Status: status, Stdout: stdout.taken(), Stderr: stderr.taken()}
	switch {
	case over:
		done.Status = 124 // as timeout(1) has it
	case errors.Is(err, errTooMuch):
		return nil, fmt.Errorf("a command on %s printed more than %d MiB: write it to a file, and fetch that with copy_from_machine", n.Name(), outputLimit>>20)
	case err != nil:
		n.log.failed(r.Argv, err)
		return nil, n.named(err)
	}
	n.log.ran(r.Argv, done, time.Since(began))
	return done, nil
}

// up reports whether the node takes commands, soon.
func (n *node) up(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	status, err := n.Exec(ctx, plugins.Process{Command: []string{"true"}})
	return err == nil && status == 0
}

// typeOn types on the console, and gives the keys a moment to arrive.
func (n *node) typeOn(ctx context.Context, keys []byte) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = w.Write(keys)
		time.Sleep(300 * time.Millisecond)
		cancel()
		w.Close()
	}()
	err = n.Console(ctx, plugins.Console{Follow: true, Tail: 0, Input: r, Output: &output{}})
	if ctx.Err() != nil {
		return nil
	}
	return err
}
