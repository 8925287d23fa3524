package sshnode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/nixos-compose/nxc/plugins"
)

// Programs is the PATH of what is executed: the role's own programs, before
// what the shell has anyway.
const Programs = "/run/wrappers/bin:/run/current-system/sw/bin:/run/current-system/sw/sbin"

// ErrNotBegun says that a connection was lost before a program began on it, so
// that it may be tried again on another.
var ErrNotBegun = errors.New("the connection was lost before the program began")

// Run runs a program over a connection and returns its exit status. When ctx
// ends first, the program is killed.
func Run(ctx context.Context, c *ssh.Client, p plugins.Process) (int, error) {
	return RunLine(ctx, c, Command(p), p)
}

// RunLine is Run with a line for the shell in the place of p's command,
// environment and folder.
func RunLine(ctx context.Context, c *ssh.Client, line string, p plugins.Process) (int, error) {
	session, err := c.NewSession()
	if err != nil {
		return 0, fmt.Errorf("open an ssh session: %w: %w", ErrNotBegun, err)
	}
	defer session.Close()
	var one sync.Mutex // both may be one writer
	if p.Stdout != nil {
		session.Stdout = lockedWriter{&one, p.Stdout}
	}
	if p.Stderr != nil {
		session.Stderr = lockedWriter{&one, p.Stderr}
	}
	if p.TTY != nil {
		modes := ssh.TerminalModes{ssh.ECHO: 1}
		if err := session.RequestPty("xterm-256color", int(p.TTY.Rows), int(p.TTY.Columns), modes); err != nil {
			return 0, fmt.Errorf("ask for a terminal: %w", err)
		}
	}
	stdin, err := session.StdinPipe()
	if err != nil {
		return 0, err
	}
	if err := session.Start(line); err != nil {
		return 0, fmt.Errorf("start the program: %w", err)
	}
	go func() {
		if p.Stdin != nil {
			_, _ = io.Copy(stdin, p.Stdin)
		}
		stdin.Close()
	}()
	ended := make(chan error, 1)
	go func() { ended <- session.Wait() }()
	for {
		select {
		case size := <-p.Resize:
			_ = session.WindowChange(int(size.Rows), int(size.Columns))
		case signal, ok := <-p.Signals:
			if !ok {
				p.Signals = nil
				continue
			}
			_ = session.Signal(ssh.Signal(strings.TrimPrefix(signal, "SIG")))
		case <-ctx.Done():
			_ = session.Signal(ssh.SIGKILL)
			return 0, context.Cause(ctx)
		case err := <-ended:
			return exitStatus(err)
		}
	}
}

// lockedWriter takes turns with another.
type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// exitStatus tells a program's own failure from the connection's.
func exitStatus(err error) (int, error) {
	var exit *ssh.ExitError
	var missing *ssh.ExitMissingError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &exit):
		if exit.Signal() != "" && exit.ExitStatus() == 0 {
			return 128, nil
		}
		return exit.ExitStatus(), nil
	case errors.As(err, &missing):
		return 0, errors.New("the connection ended before the program did")
	}
	return 0, err
}

// plainWord needs no quotes in a shell.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// Quote writes a word as a shell reads it.
func Quote(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// Command is the line that root's shell runs.
func Command(p plugins.Process) string {
	var b strings.Builder
	b.WriteString("PATH=" + Programs + ":$PATH; export PATH; ")
	if p.Dir != "" {
		b.WriteString("cd " + Quote(p.Dir) + " || exit 1; ")
	}
	b.WriteString("exec")
	if len(p.Env) > 0 {
		b.WriteString(" env")
		for _, e := range p.Env {
			b.WriteString(" " + Quote(e))
		}
	}
	for _, word := range p.Command {
		b.WriteString(" " + Quote(word))
	}
	return b.String()
}
