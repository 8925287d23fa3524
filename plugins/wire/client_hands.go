package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/proto"
)

var errNoEnd = status.Error(codes.Internal, "the provider ended the call without a result")

// Exec runs a program on a node. It returns when the program has ended; a read
// from p.Stdin that is then under way ends on its own, and its data is lost.
func (c *Client) Exec(ctx context.Context, n plugins.Node, p plugins.Process) (int, plugins.Diagnostics) {
	node, d := c.node(ctx, n)
	if d.HasErrors() {
		return 0, d
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.rpc.Exec(ctx)
	if err != nil {
		return 0, c.explain("Exec", err)
	}
	e := &execution{ctx: ctx, window: newCredit(stdinWindow)}
	e.send = func(in *proto.ExecInput) error {
		e.sending.Lock()
		defer e.sending.Unlock()
		return stream.Send(in)
	}
	e.send(&proto.ExecInput{Input: &proto.ExecInput_Start{Start: &proto.ExecStart{
		Node: node, Command: p.Command, Env: p.Env, Dir: p.Dir, Tty: windowSizeTo(p.TTY),
	}}})
	go e.pumpStdin(p.Stdin)
	go e.pumpControl(p.Resize, p.Signals)
	exit, err := e.receive(stream.Recv, &p)
	if err != nil {
		return 0, c.explain("Exec", err)
	}
	return int(exit.GetStatus()), diagnosticsFrom(exit.GetDiagnostics())
}

// execution is the client's side of one Exec call.
type execution struct {
	ctx     context.Context
	sending sync.Mutex
	send    func(*proto.ExecInput) error
	window  *credit
}

func (e *execution) pumpStdin(r io.Reader) {
	if r != nil {
		b := make([]byte, chunkSize)
		for {
			n, err := r.Read(b)
			if n > 0 {
				if e.window.take(e.ctx, n) != nil {
					return
				}
				chunk := append([]byte(nil), b[:n]...)
				if e.send(&proto.ExecInput{Input: &proto.ExecInput_Stdin{Stdin: chunk}}) != nil {
					return
				}
			}
			if err != nil {
				break
			}
		}
	}
	e.send(&proto.ExecInput{Input: &proto.ExecInput_StdinClosed{StdinClosed: true}})
}

func (e *execution) pumpControl(resize <-chan plugins.WindowSize, signals <-chan string) {
	for {
		select {
		case <-e.ctx.Done():
			return
		case w, ok := <-resize:
			if !ok {
				resize = nil
				continue
			}
			e.send(&proto.ExecInput{Input: &proto.ExecInput_Resize{Resize: windowSizeTo(&w)}})
		case s, ok := <-signals:
			if !ok {
				signals = nil
				continue
			}
			e.send(&proto.ExecInput{Input: &proto.ExecInput_Signal{Signal: s}})
		}
	}
}

// receive writes the program's output until its exit comes.
func (e *execution) receive(receive func() (*proto.ExecOutput, error), p *plugins.Process) (*proto.ExecExit, error) {
	for {
		m, err := receive()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = errNoEnd
			}
			return nil, err
		}
		switch out := m.GetOutput().(type) {
		case *proto.ExecOutput_Stdout:
			err = write(p.Stdout, out.Stdout)
		case *proto.ExecOutput_Stderr:
			err = write(p.Stderr, out.Stderr)
		case *proto.ExecOutput_StdinTaken:
			e.window.taken(out.StdinTaken)
		case *proto.ExecOutput_Exit:
			return out.Exit, nil
		}
		if err != nil {
			return nil, fmt.Errorf("writing the program's output: %w", err)
		}
	}
}

func write(w io.Writer, b []byte) error {
	if w == nil {
		return nil
	}
	_, err := w.Write(b)
	return err
}

// credit bounds how much is sent ahead of what the other side has taken.
type credit struct {
	mu      sync.Mutex
	limit   int64
	sent    int64
	done    int64
	changed chan struct{}
}

func newCredit(limit int64) *credit {
	return &credit{limit: limit, changed: make(chan struct{}, 1)}
}

// take waits until n more may be sent.
func (c *credit) take(ctx context.Context, n int) error {
	for {
		c.mu.Lock()
		if c.sent+int64(n)-c.done <= c.limit {
			c.sent += int64(n)
			c.mu.Unlock()
			return nil
		}
		c.mu.Unlock()
		select {
		case <-c.changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (c *credit) taken(total int64) {
	c.mu.Lock()
	c.done = max(c.done, min(total, c.sent))
	c.mu.Unlock()
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// Power starts, stops, crashes or resets a node.
func (c *Client) Power(ctx context.Context, n plugins.Node, a plugins.PowerAction, progress func(plugins.Progress)) plugins.Diagnostics {
	node, d := c.node(ctx, n)
	if d.HasErrors() {
		return d
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.rpc.Power(ctx, &proto.PowerRequest{Node: node, Action: string(a)})
	if err != nil {
		return c.explain("Power", err)
	}
	for {
		m, err := stream.Recv()
		if err != nil {
			return c.explainStream(ctx, "Power", err)
		}
		switch e := m.GetEvent().(type) {
		case *proto.PowerEvent_Progress:
			if progress != nil {
				progress(progressFrom(e.Progress))
			}
		case *proto.PowerEvent_Done:
			return diagnosticsFrom(e.Done.GetDiagnostics())
		}
	}
}

// Console streams a node's console. That ctx ended is not a failure.
func (c *Client) Console(ctx context.Context, n plugins.Node, co plugins.Console) plugins.Diagnostics {
	node, d := c.node(ctx, n)
	if d.HasErrors() {
		return d
	}
	call, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.rpc.Console(call)
	if err != nil {
		return c.explain("Console", err)
	}
	stream.Send(&proto.ConsoleInput{Input: &proto.ConsoleInput_Start{Start: &proto.ConsoleStart{
		Node: node, Follow: co.Follow, Tail: int64(co.Tail), Interactive: co.Input != nil,
	}}})
	if co.Input != nil {
		go func() {
			pump(co.Input, func(b []byte) error {
				return stream.Send(&proto.ConsoleInput{Input: &proto.ConsoleInput_Keys{Keys: b}})
			})
			stream.CloseSend()
		}()
	}
	for {
		m, err := stream.Recv()
		if err != nil {
			// The other end may notice the deadline an instant before us.
			if ctx.Err() != nil || status.Code(err) == codes.DeadlineExceeded {
				return nil
			}
			return c.explainStream(call, "Console", err)
		}
		switch out := m.GetOutput().(type) {
		case *proto.ConsoleOutput_Data:
			if err := write(co.Output, out.Data); err != nil {
				return plugins.NewError("Console: the output cannot be written", err.Error())
			}
		case *proto.ConsoleOutput_Done:
			return diagnosticsFrom(out.Done.GetDiagnostics())
		}
	}
}

// Link changes the quality of a node's network.
func (c *Client) Link(ctx context.Context, n plugins.Node, l plugins.Link) plugins.Diagnostics {
	node, d := c.node(ctx, n)
	if d.HasErrors() {
		return d
	}
	response, err := c.rpc.Link(ctx, &proto.LinkRequest{
		Node: node, Block: l.Block, DelayUs: l.Delay.Microseconds(), Loss: l.Loss, RateBits: l.Rate,
	})
	if err != nil {
		return c.explain("Link", err)
	}
	return diagnosticsFrom(response.GetDiagnostics())
}

// Monitor tells what runs a node a command.
func (c *Client) Monitor(ctx context.Context, n plugins.Node, command string) (string, plugins.Diagnostics) {
	node, d := c.node(ctx, n)
	if d.HasErrors() {
		return "", d
	}
	response, err := c.rpc.Monitor(ctx, &proto.MonitorRequest{Node: node, Command: command})
	if err != nil {
		return "", c.explain("Monitor", err)
	}
	return response.GetAnswer(), diagnosticsFrom(response.GetDiagnostics())
}
