package nixostest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// programs is the PATH of what is executed: the role's own programs, before
// what the shell has anyway.
const programs = "/run/wrappers/bin:/run/current-system/sw/bin:/run/current-system/sw/sbin"

// hostKeyFile is where a context has a node's host key.
const hostKeyFile = "/etc/nxc/private/ssh_host_ed25519_key.pub"

// handshakeTime is long, because emulated machines take a while to agree on a
// key.
const handshakeTime = time.Minute

func addressOf(have *Machine) string { return fmt.Sprintf("127.0.0.1:%d", have.Port) }

// connect opens an ssh connection as root, with the deployment's own key, to
// the host key that the machine was given.
func (m machines) connect(ctx context.Context, op sdk.Operation, have *Machine) (*ssh.Client, error) {
	text, err := os.ReadFile(filepath.Join(m.folders.Keys, op.UUID, "id_ed25519"))
	if err != nil {
		return nil, sdk.Error("The deployment's key cannot be read", err.Error()+".")
	}
	signer, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("read the deployment's key: %w", err)
	}
	files, err := readContext(m.folderOf(kindMachine, have.ID))
	if err != nil {
		return nil, err
	}
	var known []byte
	for _, f := range files {
		if f.Path == hostKeyFile {
			known = f.Content
		}
	}
	hostKey, _, _, _, err := ssh.ParseAuthorizedKey(known)
	if err != nil {
		return nil, sdk.Error(have.Name+" has no host key", fmt.Sprintf("Its context lacks %s, so nothing tells it from another machine.", hostKeyFile))
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addressOf(have))
	if err != nil {
		return nil, sdk.Error(have.Name+" cannot be reached", fmt.Sprintf("%v. Does the test's driver run? nxc apply starts it anew.", err))
	}
	_ = conn.SetDeadline(time.Now().Add(handshakeTime))
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	c, channels, requests, err := ssh.NewClientConn(conn, "node", &ssh.ClientConfig{
		User:              "root",
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback:   ssh.FixedHostKey(hostKey),
		HostKeyAlgorithms: []string{hostKey.Type()},
	})
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("reach %s by ssh: %w", have.Name, err)
	}
	_ = conn.SetDeadline(time.Time{})
	return ssh.NewClient(c, channels, requests), nil
}

// awaitSSH waits until a machine lets nxc in. Whoever leads its port accepts a
// connection before that.
func (m machines) awaitSSH(ctx context.Context, op sdk.Operation, id string) error {
	r, err := readRecord[Machine](m.folderOf(kindMachine, id))
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(5 * time.Minute); ; {
		c, err := m.connect(ctx, op, &r.Object)
		if err == nil {
			return c.Close()
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// Exec runs a program on a machine.
func (m machines) Exec(ctx context.Context, op sdk.Operation, have *Machine, p plugins.Process) (int, error) {
	c, err := m.connect(ctx, op, have)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	session, err := c.NewSession()
	if err != nil {
		return 0, fmt.Errorf("open an ssh session: %w", err)
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
		if err := session.RequestPty("xterm-256color", int(p.TTY.Rows), int(p.TTY.Columns), ssh.TerminalModes{ssh.ECHO: 1}); err != nil {
			return 0, fmt.Errorf("ask for a terminal: %w", err)
		}
	}
	stdin, err := session.StdinPipe()
	if err != nil {
		return 0, err
	}
	if err := session.Start(shellCommand(p)); err != nil {
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

func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// shellCommand is the line that root's shell runs.
func shellCommand(p plugins.Process) string {
	var b strings.Builder
	b.WriteString("PATH=" + programs + ":$PATH; export PATH; ")
	if p.Dir != "" {
		b.WriteString("cd " + quote(p.Dir) + " || exit 1; ")
	}
	b.WriteString("exec env")
	for _, word := range append(append([]string{}, p.Env...), p.Command...) {
		b.WriteString(" " + quote(word))
	}
	return b.String()
}

// Copy moves files by the machine's own tar.
func (m machines) Copy(ctx context.Context, op sdk.Operation, have *Machine, c plugins.Copy) error {
	var complaint bytes.Buffer
	p := plugins.Process{Stdout: c.Out, Stderr: &complaint}
	if c.In != nil {
		p.Command = []string{"tar", "-x", "-f", "-", "-C", c.Path}
		p.Stdin, p.Stdout = c.In, &complaint
	} else {
		p.Command = []string{"tar", "-c", "-f", "-", "-C", path.Dir(c.Path), path.Base(c.Path)}
	}
	status, err := m.Exec(ctx, op, have, p)
	if err != nil {
		return err
	}
	if status != 0 {
		return sdk.Error("Files cannot be copied", fmt.Sprintf("tar on %s: %s", have.Name, strings.TrimSpace(complaint.String())))
	}
	return nil
}
