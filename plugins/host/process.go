package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-plugin/runner"

	"github.com/nixos-compose/nxc/plugins/wire"
)

// drainTime is how long we listen to an ended plugin's output. Something that
// it left behind may hold the descriptors open for ever.
const drainTime = 250 * time.Millisecond

// process is a plugin's process, as go-plugin wants to see it: with its own
// process group, an empty stdin, and a pipe that tells it when we are gone.
type process struct {
	cmd    *exec.Cmd
	stdout *tee
	stderr *os.File

	hostPipe *os.File // we hold the end that is never written to

	mu   sync.Mutex
	pid  int  // 0: not started
	dead bool // killed, perhaps before it was started

	exited  chan struct{} // closed when the process has ended
	drained chan struct{} // closed when, after that, all it said has been read
	err     error         // how it ended
}

var _ runner.Runner = (*process)(nil)

func newProcess(cmd *exec.Cmd) *process {
	return &process{cmd: cmd, exited: make(chan struct{}), drained: make(chan struct{})}
}

// Start starts the process. Only the ends that are ours stay open here.
func (p *process) Start(context.Context) error {
	var files []*os.File
	fail := func(err error) error {
		for _, f := range files {
			f.Close()
		}
		return err
	}
	pipe := func() (r, w *os.File, err error) {
		if r, w, err = os.Pipe(); err == nil {
			files = append(files, r, w)
		}
		return r, w, err
	}
	stdout, stdoutChild, err := pipe()
	if err != nil {
		return fail(err)
	}
	stderr, stderrChild, err := pipe()
	if err != nil {
		return fail(err)
	}
	hostChild, host, err := pipe()
	if err != nil {
		return fail(err)
	}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = nil, stdoutChild, stderrChild
	p.cmd.ExtraFiles = []*os.File{hostChild}
	p.cmd.Env = append(p.cmd.Env, wire.HostPipe+"=3")
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return fail(context.Canceled)
	}
	if err := p.cmd.Start(); err != nil {
		return fail(err)
	}
	for _, f := range []*os.File{stdoutChild, stderrChild, hostChild} {
		f.Close()
	}
	p.stdout, p.stderr, p.hostPipe, p.pid = &tee{File: stdout}, stderr, host, p.cmd.Process.Pid
	go p.reap(p.pid)
	return nil
}

// reap waits for the end, and ends what the plugin started and did not detach.
func (p *process) reap(pid int) {
	p.err = p.cmd.Wait()
	syscall.Kill(-pid, syscall.SIGKILL)
	deadline := time.Now().Add(drainTime)
	p.stdout.SetReadDeadline(deadline)
	p.stderr.SetReadDeadline(deadline)
	close(p.exited)
}

// Wait returns when the process has ended. go-plugin calls it, once, when it
// has read both streams to their end.
func (p *process) Wait(context.Context) error {
	<-p.exited
	close(p.drained)
	p.release()
	p.stdout.Close()
	p.stderr.Close()
	return p.err
}

// Kill ends the process and its process group at once.
func (p *process) Kill(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = true
	if p.pid == 0 {
		return nil
	}
	select {
	case <-p.exited:
		return nil
	default:
	}
	if err := syscall.Kill(-p.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// release closes the pipe that keeps the plugin alive.
func (p *process) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hostPipe != nil {
		p.hostPipe.Close()
		p.hostPipe = nil
	}
}

// id returns the process id, 0 when the process was not started.
func (p *process) id() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pid
}

// ending describes how the process ended, once it has.
func (p *process) ending() string {
	var exit *exec.ExitError
	if !errors.As(p.err, &exit) {
		return "exit status 0"
	}
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return fmt.Sprintf("signal %d (%s)", int(ws.Signal()), ws.Signal())
	}
	return exit.String()
}

func (p *process) Stdout() io.ReadCloser { return p.stdout }
func (p *process) Stderr() io.ReadCloser { return p.stderr }
func (p *process) Name() string          { return p.cmd.Path }

// ID is never empty, so that go-plugin tidies up after a process that could
// not be started, too.
func (p *process) ID() string {
	if pid := p.id(); pid != 0 {
		return strconv.Itoa(pid)
	}
	return "not started"
}

// Diagnose has nothing to add: Launch explains failures itself.
func (p *process) Diagnose(context.Context) string { return "" }

// PluginToHost and HostToPlugin: the plugin sees the same file system.
func (p *process) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

func (p *process) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

// tee keeps the beginning of what is read, for the explanation of rubbish.
type tee struct {
	*os.File
	mu    sync.Mutex
	start []byte
}

func (t *tee) Read(b []byte) (int, error) {
	n, err := t.File.Read(b)
	t.mu.Lock()
	t.start = append(t.start, b[:min(n, max(0, 400-len(t.start)))]...)
	t.mu.Unlock()
	return n, err
}

// said returns what the plugin printed first.
func (t *tee) said() string {
	if t == nil {
		return ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.start)
}
