package sdk

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"syscall"
	"time"

	"github.com/nixos-compose/nxc/plugins"
)

// RunCommand runs a local program on behalf of an Exec: a client such as ssh,
// or, for nodes that are folders, the program itself. Streams, signals and the
// end of ctx are p's; the program's exit status is no error. A terminal is not
// made.
func RunCommand(ctx context.Context, cmd *exec.Cmd, p plugins.Process) (exit int, err error) {
	cmd.Stdout, cmd.Stderr = p.Stdout, p.Stderr
	if p.TTY != nil {
		cmd.Stderr = p.Stdout
	}
	// Not cmd.Stdin: Wait would then wait for input that may never come.
	var stdin io.WriteCloser
	if p.Stdin != nil {
		if stdin, err = cmd.StdinPipe(); err != nil {
			return 0, err
		}
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid = true // so that a signal reaches what it starts, too
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	group := -cmd.Process.Pid
	defer context.AfterFunc(ctx, func() { syscall.Kill(group, syscall.SIGKILL) })()
	if stdin != nil {
		go func() {
			io.Copy(stdin, p.Stdin)
			stdin.Close()
		}()
	}
	ended := make(chan struct{})
	defer close(ended)
	go forwardSignals(p.Signals, group, ended)
	err = cmd.Wait()
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	var status *exec.ExitError
	switch {
	case errors.As(err, &status):
		if ws, ok := status.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			return 128 + int(ws.Signal()), nil
		}
		return status.ExitCode(), nil
	case errors.Is(err, exec.ErrWaitDelay): // something it left behind holds its output
		return cmd.ProcessState.ExitCode(), nil
	default:
		return 0, err
	}
}

// signalNames are the signals that one sends to a program by name.
var signalNames = map[string]syscall.Signal{
	"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT, "KILL": syscall.SIGKILL,
	"TERM": syscall.SIGTERM, "USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2,
	"STOP": syscall.SIGSTOP, "CONT": syscall.SIGCONT, "WINCH": syscall.SIGWINCH,
}

func forwardSignals(names <-chan string, group int, ended <-chan struct{}) {
	for {
		select {
		case <-ended:
			return
		case name, ok := <-names:
			if !ok {
				return
			}
			if s, known := signalNames[name]; known {
				syscall.Kill(group, s)
			}
		}
	}
}
