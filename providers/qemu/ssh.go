package qemu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/providers/qemu/lan"
)

// programs is the PATH of what is executed: the role's own programs, before
// what the shell has anyway.
const programs = "/run/wrappers/bin:/run/current-system/sw/bin:/run/current-system/sw/sbin"

// connect opens an ssh connection as root, with the deployment's own key, to
// the host key that the machine was given.
func (m machines) connect(ctx context.Context, op sdk.Operation, have *Machine) (*ssh.Client, error) {
	if have.Network == "" {
		return nil, sdk.Error(have.Name+" has no network", "nxc reaches machines by ssh. Give it a network.")
	}
	config, err := m.sshConfig(op, have)
	if err != nil {
		return nil, err
	}
	control, err := m.socket(have.Network, "c")
	if err != nil {
		return nil, err
	}
	address, err := netip.ParseAddr(have.IP)
	if err != nil {
		return nil, fmt.Errorf("address of %s: %w", have.Name, err)
	}
	conn, err := lan.Dial(ctx, control, netip.AddrPortFrom(address, 22))
	if err != nil {
		return nil, err
	}
	return handshake(ctx, conn, config)
}

// handshakeTime is limited, because a machine that dies says nothing. It is
// long, because emulated machines that share few processors take a quarter of
// a minute to agree on a key, and one that is cut short begins again.
const handshakeTime = time.Minute

// handshake opens an ssh connection over a connection.
func handshake(ctx context.Context, conn net.Conn, config *ssh.ClientConfig) (*ssh.Client, error) {
	_ = conn.SetDeadline(time.Now().Add(handshakeTime))
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	c, channels, requests, err := ssh.NewClientConn(conn, "node", config)
	if err != nil {
		conn.Close()
		return nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	return ssh.NewClient(c, channels, requests), nil
}

func (m machines) sshConfig(op sdk.Operation, have *Machine) (*ssh.ClientConfig, error) {
	file := filepath.Join(m.folders.Keys, op.UUID, "id_ed25519")
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, sdk.Error("The deployment's key is not there", fmt.Sprintf("nxc made it at %s, and reaches the machines with it. Bring it back, or create the machines anew.", file))
	}
	if err != nil {
		return nil, fmt.Errorf("read the deployment's key: %w", err)
	}
	signer, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("read the deployment's key %s: %w", file, err)
	}
	files, err := readContext(m.folderOf(kindMachine, have.ID))
	if err != nil {
		return nil, err
	}
	hostKey, _, _, _, err := ssh.ParseAuthorizedKey([]byte(contentOf(files, hostKeyFile)))
	if err != nil {
		return nil, sdk.Error(have.Name+" has no host key", fmt.Sprintf("Its context lacks %s, so nothing tells it from another machine.", hostKeyFile))
	}
	return &ssh.ClientConfig{
		User:              "root",
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback:   ssh.FixedHostKey(hostKey),
		HostKeyAlgorithms: []string{hostKey.Type()},
	}, nil
}

// reach connects to a machine that should be up, with what stands in the way
// repaired or explained.
func (m machines) reach(ctx context.Context, op sdk.Operation, have *Machine) (*ssh.Client, error) {
	if have.Network != "" {
		if _, err := m.ensureSwitch(ctx, have.Network); err != nil {
			return nil, err
		}
	}
	var last error
	// A switch that has just been started is not connected to anything yet.
	for deadline := time.Now().Add(15 * time.Second); ; {
		c, err := m.connect(ctx, op, have)
		if err == nil {
			return c, nil
		}
		last = err
		var d plugins.Diagnostics
		if errors.As(err, &d) {
			return nil, err
		}
		if !m.runs(ctx, have) {
			return nil, sdk.Error(have.Name+" does not run", "Start it with nxc apply, or nxc start.")
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
	return nil, sdk.Error(have.Name+" does not answer by ssh", fmt.Sprintf("%v. See what it says with: nxc logs %s", last, have.Name))
}

// Exec runs a program by ssh.
func (m machines) Exec(ctx context.Context, op sdk.Operation, have *Machine, p plugins.Process) (int, error) {
	c, err := m.session(ctx, op, have)
	if err != nil {
		return 0, err
	}
	ctx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	go m.watch(ctx, have, c, lost)
	return run(ctx, c, p)
}

// watch ends a program whose machine is gone. The network between us does not
// tell: to it, a machine without power is one that says nothing. One that was
// started anew says that it knows nothing of the connection, when it is asked.
func (m machines) watch(ctx context.Context, have *Machine, c *ssh.Client, lost context.CancelCauseFunc) {
	ticker := time.NewTicker(2 * time.Second)
	defer ticker.Stop()
	asked := make(chan struct{}, 1)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if findProcess("-uuid", have.UUID) == 0 {
			lost(sdk.Error(have.Name+" went down while the program ran", "Start it with nxc start."))
			c.Close()
			return
		}
		select {
		case asked <- struct{}{}:
			go func() { // a machine that is paused answers when it goes on
				_, _, _ = c.SendRequest("keepalive@openssh.com", true, nil)
				<-asked
			}()
		default:
		}
	}
}

// session returns a connection that is kept for the next call, because making
// one is dear where a processor is emulated. One that does not answer at once
// is replaced: its machine may have been started anew.
func (m machines) session(ctx context.Context, op sdk.Operation, have *Machine) (*ssh.Client, error) {
	m.mu.Lock()
	kept := m.sessions[have.ID]
	m.mu.Unlock()
	if kept != nil && answers(kept) {
		return kept, nil
	}
	c, err := m.reach(ctx, op, have)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sessions == nil {
		m.sessions = map[string]*ssh.Client{}
	}
	m.sessions[have.ID] = c
	return c, nil
}

// answers reports whether the other end of a connection is still there.
func answers(c *ssh.Client) bool {
	answered := make(chan error, 1)
	go func() {
		_, _, err := c.SendRequest("keepalive@openssh.com", true, nil)
		answered <- err
	}()
	select {
	case err := <-answered:
		return err == nil
	case <-time.After(3 * time.Second):
		c.Close()
		return false
	}
}

// run runs a program over a connection and returns its exit status. When ctx
// ends first, the program is killed.
func run(ctx context.Context, c *ssh.Client, p plugins.Process) (int, error) {
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
		modes := ssh.TerminalModes{ssh.ECHO: 1}
		if err := session.RequestPty("xterm-256color", int(p.TTY.Rows), int(p.TTY.Columns), modes); err != nil {
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

// plainWord needs no quotes in a shell.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

func quote(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// shellCommand is the line that root's shell runs.
func shellCommand(p plugins.Process) string {
	var b strings.Builder
	b.WriteString("PATH=" + programs + ":$PATH; export PATH; ")
	if p.Dir != "" {
		b.WriteString("cd " + quote(p.Dir) + " || exit 1; ")
	}
	b.WriteString("exec")
	if len(p.Env) > 0 {
		b.WriteString(" env")
		for _, e := range p.Env {
			b.WriteString(" " + quote(e))
		}
	}
	for _, word := range p.Command {
		b.WriteString(" " + quote(word))
	}
	return b.String()
}

// Copy moves files by the machine's own tar.
func (m machines) Copy(ctx context.Context, op sdk.Operation, have *Machine, c plugins.Copy) error {
	var complaint bytes.Buffer
	p := plugins.Process{Stdout: c.Out, Stderr: &complaint}
	var source *watched
	if c.In != nil {
		source = &watched{Reader: c.In}
		p.Command = []string{"tar", "-x", "-f", "-", "-C", c.Path}
		p.Stdin, p.Stdout = source, &complaint
	} else {
		clean := path.Clean("/" + c.Path)
		p.Command = []string{"tar", "-c", "-f", "-", "-C", path.Dir(clean), path.Base(clean)}
	}
	exit, err := m.Exec(ctx, op, have, p)
	if err != nil {
		return err
	}
	if source != nil && source.err != nil {
		return fmt.Errorf("read what is to be copied: %w", source.err)
	}
	if exit != 0 {
		return sdk.Error(fmt.Sprintf("Copying %s of %s failed", c.Path, have.Name),
			fmt.Sprintf("The node's tar ended with status %d: %s", exit, strings.TrimSpace(complaint.String())))
	}
	return nil
}

// watched remembers why reading failed.
type watched struct {
	io.Reader
	err error
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.Reader.Read(b)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}
