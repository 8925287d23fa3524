package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// An engine over ssh is reached as the docker command reaches it: ssh runs
// "docker system dial-stdio" on the engine's host for each connection, and the
// user's own ssh settings say how it gets there.

// sshArguments are ssh's, for an address ssh://[USER@]HOST[:PORT].
func sshArguments(host string) ([]string, error) {
	u, err := url.Parse(host)
	switch {
	case err != nil:
	case u.Hostname() == "" || strings.HasPrefix(u.Hostname(), "-"):
		err = errors.New("it names no host")
	case u.Path != "" && u.Path != "/":
		err = errors.New("a path means nothing there")
	}
	if err != nil {
		return nil, err
	}
	args := []string{"-o", "ConnectTimeout=30", "-o", "BatchMode=yes", "-T"}
	if _, ok := u.User.Password(); ok {
		return nil, errors.New("a password cannot be passed on; use a key")
	}
	if name := u.User.Username(); name != "" {
		args = append(args, "-l", name)
	}
	if port := u.Port(); port != "" {
		args = append(args, "-p", port)
	}
	return append(args, "--", u.Hostname(), "docker", "system", "dial-stdio"), nil
}

// dialSSH returns how to connect to an engine over ssh.
func dialSSH(e endpoint) (func(ctx context.Context, network, address string) (net.Conn, error), error) {
	args, err := sshArguments(e.host)
	if err != nil {
		return nil, sdk.Error("The engine's address is not understood", fmt.Sprintf("%s says %q: %s. Write ssh://user@host:port.", e.source, e.host, err))
	}
	program, err := exec.LookPath("ssh")
	if err != nil {
		return nil, sdk.Error("There is no ssh here", fmt.Sprintf("%s says %s. On Debian and Ubuntu: apt-get install openssh-client.", e.source, e.host))
	}
	return func(context.Context, string, string) (net.Conn, error) { // the connection outlives the call
		return startConn(exec.Command(program, args...))
	}, nil
}

// commandConn is a connection that is a program's input and output.
type commandConn struct {
	cmd      *exec.Cmd
	in       io.WriteCloser
	out      io.ReadCloser
	complain bytes.Buffer // what ssh said; read once it ended
	ended    chan struct{}
	once     sync.Once
}

func startConn(cmd *exec.Cmd) (net.Conn, error) {
	c := &commandConn{cmd: cmd, ended: make(chan struct{})}
	cmd.Stderr = &c.complain
	var err error
	if c.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, theirs := io.Pipe()
	c.out, cmd.Stdout = out, theirs
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start ssh: %w", err)
	}
	go func() {
		err := cmd.Wait()
		if text := strings.TrimSpace(c.complain.String()); err != nil && text != "" {
			err = fmt.Errorf("ssh: %s", text)
		} else {
			err = io.EOF
		}
		theirs.CloseWithError(err)
		close(c.ended)
	}()
	return c, nil
}

func (c *commandConn) Read(p []byte) (int, error)  { return c.out.Read(p) }
func (c *commandConn) Write(p []byte) (int, error) { return c.in.Write(p) }

// CloseWrite tells the other side that nothing more comes.
func (c *commandConn) CloseWrite() error { return c.in.Close() }

// Close ends the program, which ends by itself when its input does.
func (c *commandConn) Close() error {
	c.once.Do(func() {
		c.in.Close()
		c.out.Close()
		go func() {
			select {
			case <-c.ended:
			case <-time.After(2 * time.Second):
				_ = c.cmd.Process.Kill()
			}
		}()
	})
	return nil
}

type commandAddress struct{}

func (commandAddress) Network() string { return "ssh" }
func (commandAddress) String() string  { return "ssh" }

// LocalAddr has no meaning here.
func (c *commandConn) LocalAddr() net.Addr { return commandAddress{} }

// RemoteAddr has no meaning here.
func (c *commandConn) RemoteAddr() net.Addr { return commandAddress{} }

// SetDeadline is not offered: requests end with their contexts.
func (c *commandConn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline is not offered.
func (c *commandConn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline is not offered.
func (c *commandConn) SetWriteDeadline(time.Time) error { return nil }

// sshComplaint is what ssh says when it does not reach an engine; "" for
// another kind of endpoint, or when ssh has nothing to say.
func sshComplaint(ctx context.Context, e endpoint) string {
	if !strings.HasPrefix(e.host, "ssh://") {
		return ""
	}
	args, err := sshArguments(e.host)
	if err != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, 35*time.Second)
	defer cancel()
	var told bytes.Buffer
	cmd := exec.CommandContext(ctx, "ssh", args...)
	cmd.Stderr = &told
	if cmd.Run() == nil {
		return ""
	}
	return strings.TrimRight(strings.TrimSpace(told.String()), ".")
}
