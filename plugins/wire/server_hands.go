package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/proto"
)

func (s *server) Exec(stream grpc.BidiStreamingServer[proto.ExecInput, proto.ExecOutput]) error {
	t, err := s.types()
	if err != nil {
		return err
	}
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	start := first.GetStart()
	n, err := nodeFrom(start.GetNode(), t)
	if err != nil {
		return malformed("node: %v", err)
	}
	var sending sync.Mutex
	send := func(m *proto.ExecOutput) error {
		sending.Lock()
		defer sending.Unlock()
		return stream.Send(m)
	}
	in := newExecInput(func(taken int64) {
		send(&proto.ExecOutput{Output: &proto.ExecOutput_StdinTaken{StdinTaken: taken}})
	})
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	go func() {
		if err := in.receive(stream.Recv); err != nil {
			cancel()
		}
	}()
	defer in.stdin.close(io.ErrClosedPipe)
	p := plugins.Process{
		Command: start.GetCommand(), Env: start.GetEnv(), Dir: start.GetDir(),
		Stdin: in.stdin, TTY: windowSizeFrom(start.GetTty()), Signals: in.signals,
		Stdout: chunkWriter(func(b []byte) error {
			return send(&proto.ExecOutput{Output: &proto.ExecOutput_Stdout{Stdout: b}})
		}),
		Stderr: chunkWriter(func(b []byte) error {
			return send(&proto.ExecOutput{Output: &proto.ExecOutput_Stderr{Stderr: b}})
		}),
	}
	if p.TTY != nil {
		p.Resize = in.resize
	}
	code, d := s.p.Exec(ctx, n, p)
	return send(&proto.ExecOutput{Output: &proto.ExecOutput_Exit{Exit: &proto.ExecExit{
		Status: int32(code), Diagnostics: diagnosticsTo(d),
	}}})
}

// execInput spreads what comes in on an Exec call. Receiving never waits for
// the program: stdin is bounded by the client's window, a newer window size
// replaces an older one.
type execInput struct {
	stdin   *window
	resize  chan plugins.WindowSize
	signals chan string
}

func newExecInput(taken func(int64)) *execInput {
	return &execInput{
		stdin:   newWindow(taken),
		resize:  make(chan plugins.WindowSize, 1),
		signals: make(chan string, 16),
	}
}

// receive ends when the client closes its side, which closes stdin as well, or
// with the error that broke the call.
func (e *execInput) receive(receive func() (*proto.ExecInput, error)) error {
	err := receiveAll(receive, func(m *proto.ExecInput) error {
		switch in := m.GetInput().(type) {
		case *proto.ExecInput_Stdin:
			return e.stdin.add(in.Stdin)
		case *proto.ExecInput_StdinClosed:
			e.stdin.close(io.EOF)
		case *proto.ExecInput_Resize:
			select {
			case <-e.resize:
			default:
			}
			e.resize <- *windowSizeFrom(in.Resize)
		case *proto.ExecInput_Signal:
			select {
			case e.signals <- in.Signal:
			default: // sixteen that nobody took: one more says nothing new
			}
		}
		return nil
	})
	if err == nil {
		e.stdin.close(io.EOF)
	} else {
		e.stdin.close(err)
	}
	return err
}

// window is a program's stdin: what has come and was not yet taken.
type window struct {
	mu      sync.Mutex
	changed *sync.Cond
	pending bytes.Buffer
	err     error // after pending
	taken   int64
	told    int64
	tell    func(taken int64)
}

func newWindow(tell func(int64)) *window {
	w := &window{tell: tell}
	w.changed = sync.NewCond(&w.mu)
	return w
}

func (w *window) add(b []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pending.Len()+len(b) > 2*stdinWindow {
		return malformed("more stdin than the window allows")
	}
	if w.err == nil {
		w.pending.Write(b)
		w.changed.Broadcast()
	}
	return nil
}

func (w *window) close(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
		w.changed.Broadcast()
	}
}

// Read waits for stdin, and tells the client when half a window was taken.
func (w *window) Read(b []byte) (int, error) {
	w.mu.Lock()
	for w.pending.Len() == 0 && w.err == nil {
		w.changed.Wait()
	}
	if w.pending.Len() == 0 {
		defer w.mu.Unlock()
		return 0, w.err
	}
	n, _ := w.pending.Read(b)
	w.taken += int64(n)
	var tell int64
	if w.taken-w.told >= stdinWindow/2 {
		w.told, tell = w.taken, w.taken
	}
	w.mu.Unlock()
	if tell > 0 {
		w.tell(tell)
	}
	return n, nil
}

func (s *server) Copy(stream grpc.BidiStreamingServer[proto.CopyInput, proto.CopyOutput]) error {
	t, err := s.types()
	if err != nil {
		return err
	}
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	start := first.GetStart()
	n, err := nodeFrom(start.GetNode(), t)
	if err != nil {
		return malformed("node: %v", err)
	}
	c := plugins.Copy{Path: start.GetPath()}
	if start.GetFromNode() {
		c.Out = chunkWriter(func(b []byte) error {
			return stream.Send(&proto.CopyOutput{Output: &proto.CopyOutput_Data{Data: b}})
		})
	} else {
		c.In = &chunkReader{receive: func() ([]byte, error) {
			m, err := stream.Recv()
			return m.GetData(), err
		}}
	}
	d := s.p.Copy(stream.Context(), n, c)
	return stream.Send(&proto.CopyOutput{Output: &proto.CopyOutput_Done{Done: &proto.CopyDone{Diagnostics: diagnosticsTo(d)}}})
}

func (s *server) Console(stream grpc.BidiStreamingServer[proto.ConsoleInput, proto.ConsoleOutput]) error {
	t, err := s.types()
	if err != nil {
		return err
	}
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	start := first.GetStart()
	n, err := nodeFrom(start.GetNode(), t)
	if err != nil {
		return malformed("node: %v", err)
	}
	c := plugins.Console{
		Follow: start.GetFollow(), Tail: int(start.GetTail()),
		Output: chunkWriter(func(b []byte) error {
			return stream.Send(&proto.ConsoleOutput{Output: &proto.ConsoleOutput_Data{Data: b}})
		}),
	}
	if start.GetInteractive() {
		c.Input = &chunkReader{receive: func() ([]byte, error) {
			m, err := stream.Recv()
			return m.GetKeys(), err
		}}
	}
	d := s.p.Console(stream.Context(), n, c)
	return stream.Send(&proto.ConsoleOutput{Output: &proto.ConsoleOutput_Done{Done: &proto.ConsoleDone{Diagnostics: diagnosticsTo(d)}}})
}

func (s *server) Link(ctx context.Context, r *proto.LinkRequest) (*proto.LinkResponse, error) {
	t, err := s.types()
	if err != nil {
		return nil, err
	}
	n, err := nodeFrom(r.GetNode(), t)
	if err != nil {
		return nil, malformed("node: %v", err)
	}
	d := s.p.Link(ctx, n, plugins.Link{
		Block: r.GetBlock(), Delay: time.Duration(r.GetDelayUs()) * time.Microsecond,
		Loss: r.GetLoss(), Rate: r.GetRateBits(),
	})
	return &proto.LinkResponse{Diagnostics: diagnosticsTo(d)}, nil
}

func (s *server) Monitor(ctx context.Context, r *proto.MonitorRequest) (*proto.MonitorResponse, error) {
	t, err := s.types()
	if err != nil {
		return nil, err
	}
	n, err := nodeFrom(r.GetNode(), t)
	if err != nil {
		return nil, malformed("node: %v", err)
	}
	answer, d := s.p.Monitor(ctx, n, r.GetCommand())
	return &proto.MonitorResponse{Answer: strings.ToValidUTF8(answer, "\ufffd"), Diagnostics: diagnosticsTo(d)}, nil
}

// chunkWriter sends what is written in chunks. The other side's slowness is
// the writer's: that is the backpressure.
type chunkWriter func(b []byte) error

func (w chunkWriter) Write(b []byte) (int, error) {
	written := 0
	for len(b) > 0 {
		n := min(len(b), chunkSize)
		if err := w(bytes.Clone(b[:n])); err != nil {
			return written, err
		}
		written, b = written+n, b[n:]
	}
	return written, nil
}

// chunkReader reads the chunks that come in. It asks for the next one only
// when the last was read.
type chunkReader struct {
	receive func() ([]byte, error)
	rest    []byte
	err     error
}

func (r *chunkReader) Read(b []byte) (int, error) {
	for len(r.rest) == 0 && r.err == nil {
		r.rest, r.err = r.receive()
	}
	if len(r.rest) == 0 {
		if errors.Is(r.err, io.EOF) {
			return 0, io.EOF
		}
		return 0, r.err
	}
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
