package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Exec runs a program, found by the container's own PATH.
func (c containers) Exec(ctx context.Context, op sdk.Operation, have *Container, p plugins.Process) (int, error) {
	exit, err := c.exec(ctx, have.ID, p)
	if err == nil && exit == 128+int(syscall.SIGKILL) && c.wentDown(ctx, have.ID) {
		return 0, sdk.Error(fmt.Sprintf("%s went down while the program ran", have.Name), "Its container was stopped or removed.")
	}
	switch {
	case errdefs.IsNotFound(err):
		return 0, sdk.Error(fmt.Sprintf("%s is gone", have.Name), "Its container was removed outside nxc. Create it again with nxc apply.")
	case errdefs.IsConflict(err):
		return 0, sdk.Error(fmt.Sprintf("%s does not run", have.Name), fmt.Sprintf("%s. Start it with nxc apply.", err))
	}
	return exit, err
}

// wentDown reports whether a container is going down. The engine says so a
// moment after the programs in it were killed.
func (e *engine) wentDown(ctx context.Context, id string) bool {
	for range 6 {
		seen, err := e.client.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
		if errdefs.IsNotFound(err) || err == nil && seen.Container.State != nil && !seen.Container.State.Running {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(50 * time.Millisecond):
		}
	}
	return false
}

// exec runs a program in a container and returns its exit status. When ctx
// ends first, the program is asked to end too, which the engine would not do.
func (e *engine) exec(ctx context.Context, id string, p plugins.Process) (int, error) {
	o := client.ExecCreateOptions{
		Cmd: p.Command, Env: p.Env, WorkingDir: p.Dir, TTY: p.TTY != nil,
		AttachStdin: p.Stdin != nil || p.TTY != nil, AttachStdout: true, AttachStderr: true,
	}
	if p.TTY != nil {
		o.ConsoleSize = client.ConsoleSize{Height: uint(p.TTY.Rows), Width: uint(p.TTY.Columns)}
	}
	made, err := e.client.ExecCreate(ctx, id, o)
	if err != nil {
		return 0, err
	}
	stream, err := e.client.ExecAttach(ctx, made.ID, client.ExecAttachOptions{TTY: o.TTY, ConsoleSize: o.ConsoleSize})
	if err != nil {
		return 0, fmt.Errorf("execute %s: %w", p.Command[0], err)
	}
	defer stream.Close()
	ctx, done := context.WithCancelCause(ctx)
	defer done(nil)
	stop := context.AfterFunc(ctx, func() {
		e.signalExec(context.WithoutCancel(ctx), id, made.ID, "TERM")
		stream.Close()
	})
	defer stop()
	go e.control(ctx, id, made.ID, p)
	if p.Stdin != nil {
		go func() {
			if err := send(stream.Conn, p.Stdin); err != nil {
				done(fmt.Errorf("read the input of %s: %w", p.Command[0], err))
			}
			_ = stream.CloseWrite() // a program that ended reads no more
		}()
	}
	err = receive(stream.Reader, p)
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if err != nil {
		return 0, fmt.Errorf("receive the output of %s: %w", p.Command[0], err)
	}
	return e.exitStatus(ctx, made.ID)
}

// send copies the input until it ends or the program takes no more. The error
// is the input's own: half of it must not pass for all of it.
func send(to io.Writer, from io.Reader) error {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if _, writeErr := to.Write(buffer[:n]); writeErr != nil {
				return nil
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// receive copies the output until the program ends.
func receive(from io.Reader, p plugins.Process) error {
	stdout, stderr := p.Stdout, p.Stderr
	if stdout == nil {
		stdout = io.Discard
	}
	if stderr == nil {
		stderr = io.Discard
	}
	var err error
	if p.TTY != nil {
		_, err = io.Copy(stdout, from)
	} else {
		_, err = stdcopy.StdCopy(stdout, stderr, from)
	}
	return err
}

// exitStatus asks for a program's status, which the engine knows a moment
// after its output has ended.
func (e *engine) exitStatus(ctx context.Context, execID string) (int, error) {
	for {
		seen, err := e.client.ExecInspect(ctx, execID, client.ExecInspectOptions{})
		if err != nil {
			return 0, fmt.Errorf("ask for the exit status: %w", err)
		}
		if !seen.Running {
			return seen.ExitCode, nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// control passes window sizes and signals on until ctx ends.
func (e *engine) control(ctx context.Context, id, execID string, p plugins.Process) {
	resize := func(size plugins.WindowSize) {
		// A program that ended has no window.
		_, _ = e.client.ExecResize(ctx, execID, client.ExecResizeOptions{Height: uint(size.Rows), Width: uint(size.Columns)})
	}
	if p.TTY != nil && p.TTY.Rows > 0 {
		resize(*p.TTY) // engines before 23 ignore the size at the start
	}
	sizes, signals := p.Resize, p.Signals
	for {
		select {
		case <-ctx.Done():
			return
		case size, ok := <-sizes:
			if !ok {
				sizes = nil
				continue
			}
			resize(size)
		case name, ok := <-signals:
			if !ok {
				signals = nil
				continue
			}
			e.signalExec(ctx, id, execID, name)
		}
	}
}

// signalExec sends a signal to an executed program. The engine has no call for
// it: as root we signal the process itself, else a kill inside does.
func (e *engine) signalExec(ctx context.Context, id, execID, name string) {
	signal := unix.SignalNum("SIG" + strings.TrimPrefix(name, "SIG"))
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	pid := e.processOf(ctx, execID)
	if pid == 0 || signal == 0 || !e.sameHost() {
		return
	}
	inside := pidInside(pid)
	// It leads a session of its own: what it started ends with it, as at a terminal.
	if inside == "" || syscall.Kill(-pid, signal) == nil || syscall.Kill(pid, signal) == nil {
		return
	}
	_, _, _ = e.run(ctx, id, "kill", "-"+strconv.Itoa(int(signal)), inside) // nobody waits to be told
}

// processOf is the executed program's process on the engine's host, which the
// engine knows a moment after the program started; 0 when it is gone.
func (e *engine) processOf(ctx context.Context, execID string) int {
	for {
		seen, err := e.client.ExecInspect(ctx, execID, client.ExecInspectOptions{})
		if err != nil || !seen.Running || seen.PID != 0 {
			return seen.PID
		}
		select {
		case <-ctx.Done():
			return 0
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// pidInside is a process's id in its innermost namespace, "" when it is gone.
func pidInside(pid int) string {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(status)) {
		if ids, ok := strings.CutPrefix(line, "NSpid:"); ok {
			fields := strings.Fields(ids)
			return fields[len(fields)-1]
		}
	}
	return ""
}
