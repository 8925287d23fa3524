package simulator

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"
)

// namespaceNode is a node that is a set of namespaces: its own network, mounts,
// processes and host name, over a copy of this machine's files that is in
// memory and goes with it. A real sshd is its first process. It may neither
// load kernels nor boot this machine, so it cannot kexec.
type namespaceNode struct {
	node *hostOf

	mu       sync.Mutex
	running  *namespace // nil while it is off
	deployed bool
}

// namespace is one boot of such a node.
type namespace struct {
	cmd   *exec.Cmd
	pid   int // of its first process, as this machine counts
	stdin io.WriteCloser
	ended chan struct{}
	said  *bytes.Buffer // on its error output, for who asks why it ended
	sayMu *sync.Mutex
}

// bootScript makes the node's file system and waits to be told that its files
// and network are there. Its arguments are the node's folder, the homes, and a
// folder with an OpenSSH server or /.
const bootScript = `set -eu
dir=$1 homes=$2 openssh=$3 name=$4
mount --make-rprivate /
mkdir -p "$dir/run"
mount -t tmpfs -o mode=755 tmpfs "$dir/run"
mkdir "$dir/run/upper" "$dir/run/work" "$dir/run/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$dir/run/upper,workdir=$dir/run/work" "$dir/run/root"
cd "$dir/run/root"
[ "$openssh" = / ] || cp -a "$openssh/usr/sbin" "$openssh/usr/lib" usr/
mount -t proc proc proc
mount --rbind /dev dev
if mountpoint -q /nix; then mount --rbind /nix nix; fi
if mountpoint -q /nix/store; then mount --rbind /nix/store nix/store; fi
mkdir -p home root
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=700 tmpfs root
mount --bind "$homes" home
mount --bind "$dir/boot_id" proc/sys/kernel/random/boot_id
hostname "$name"
mkdir run/sshd run/old
pivot_root . run/old
cd /
umount -l /run/old
echo ready
read -r go
[ "$go" = go ]
exec setpriv --bounding-set=-sys_boot,-sys_module,-sys_rawio,-sys_time,-syslog /usr/sbin/sshd -D -e -f /etc/ssh/nxc_sshd_config </dev/null
`

// sshdConfig is how the node's sshd works. Every key is looked up in the home
// of who logs in; who may is decided before a connection reaches it.
const sshdConfig = `Port 22
ListenAddress 0.0.0.0
HostKey /etc/ssh/nxc_host_key
AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/authorized_keys.d/%u
PidFile none
UsePAM no
UseDNS no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
MaxStartups 500
MaxSessions 500
AcceptEnv *
`

// newNamespaceNode makes a node that has the standard environment.
func newNamespaceNode(ctx context.Context, h *hostOf) (*namespaceNode, error) {
	n := &namespaceNode{node: h}
	return n, n.Restore(ctx)
}

// Dial opens a connection to a port of the node. With the standard environment
// only the user of a job comes to its ssh.
func (n *namespaceNode) Dial(ctx context.Context, port int) (net.Conn, error) {
	n.mu.Lock()
	up, deployed := n.running != nil, n.deployed
	n.mu.Unlock()
	if !up {
		return nil, errUnreachable
	}
	if _, owned := n.node.site.owner(n.node.name); !deployed && !owned && port == 22 {
		return nil, errRefused
	}
	return n.node.sim.wires.dial(ctx, n.address(), port)
}

func (n *namespaceNode) address() string { return n.node.cluster.Address(n.node.number) }

// Restore boots the standard environment.
func (n *namespaceNode) Restore(ctx context.Context) error {
	key, err := n.node.sim.hostPrivateKey(n.node.name)
	if err != nil {
		return err
	}
	return n.start(ctx, key, false, nil)
}

// Deploy boots an environment: the image's files over this machine's, then
// what its post-installation does.
func (n *namespaceNode) Deploy(ctx context.Context, d *deployment) error {
	key, err := newPrivateKey()
	if err != nil {
		return err
	}
	return n.start(ctx, key, true, func(ns *namespace, root *os.Root) error {
		sim := n.node.sim
		if !d.image.standard && d.image.kind == "tar" {
			if err := sim.unpack(ctx, d.image.url, d.image.compression, root, "."); err != nil {
				return fmt.Errorf("image: %w", err)
			}
		}
		for _, p := range d.image.post {
			if strings.HasPrefix(p.Archive, "server://") {
				continue // the platform's own, whose work is done here anyway
			}
			if err := ns.postinstall(ctx, sim, root, p, n.node.name); err != nil {
				return fmt.Errorf("post-installation: %w", err)
			}
		}
		var keys []byte
		for _, k := range d.image.keys {
			keys = append(keys, ssh.MarshalAuthorizedKey(k)...)
		}
		return appendInto(root, "root/.ssh/authorized_keys", keys, 0o600)
	})
}

// Off ends everything on the node.
func (n *namespaceNode) Off() {
	n.mu.Lock()
	ns := n.running
	n.running = nil
	n.mu.Unlock()
	if ns != nil {
		ns.kill()
	}
}

// Close ends the node.
func (n *namespaceNode) Close() error {
	n.Off()
	return nil
}

// start boots the node, with files that a function adds before it is reached.
func (n *namespaceNode) start(ctx context.Context, key []byte, deployed bool, fill func(*namespace, *os.Root) error) error {
	n.Off()
	ns, err := n.boot(ctx)
	if err != nil {
		return err
	}
	if err := n.prepare(ns, key, fill); err != nil {
		ns.kill()
		return errors.Join(err, ns.reason())
	}
	if err := n.node.sim.wires.plug(ctx, ns.pid, n.node.wire(), n.address(), n.node.cluster.MAC(n.node.number)); err != nil {
		ns.kill()
		return err
	}
	if _, err := io.WriteString(ns.stdin, "go\n"); err != nil {
		ns.kill()
		return errors.Join(err, ns.reason())
	}
	if err := n.answers(ctx, ns); err != nil {
		ns.kill()
		return errors.Join(err, ns.reason())
	}
	n.mu.Lock()
	n.running, n.deployed = ns, deployed
	n.mu.Unlock()
	n.node.sim.work.Go(func() { n.watch(ns) })
	return nil
}

// watch boots the node again when its first process ends by itself: somebody
// on it wanted that.
func (n *namespaceNode) watch(ns *namespace) {
	<-ns.ended
	n.mu.Lock()
	mine := n.running == ns
	if mine {
		n.running = nil
	}
	n.mu.Unlock()
	if mine && n.node.sim.ctx.Err() == nil {
		n.node.sim.restore(n.node.name)
	}
}

// boot starts the node's first process, and waits until it wants its files.
func (n *namespaceNode) boot(ctx context.Context) (*namespace, error) {
	sim := n.node.sim
	dir := filepath.Join(sim.dir, "nodes", n.node.name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "boot_id"), []byte(uuid.NewString()+"\n"), 0o644); err != nil { //nolint:gosec // everybody reads it
		return nil, err
	}
	cmd := exec.Command("unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child=KILL",
		"sh", "-c", bootScript, "node", dir, filepath.Join(sim.dir, "home", n.node.site.Name), sim.wires.openssh, n.node.name)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	ns := &namespace{cmd: cmd, ended: make(chan struct{}), said: &bytes.Buffer{}, sayMu: &sync.Mutex{}}
	cmd.Stderr = ns
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ns.stdin = in
	line := make(chan string, 1)
	sim.work.Go(func() {
		said, _ := bufio.NewReader(out).ReadString('\n')
		line <- said
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
		close(ns.ended)
	})
	select {
	case said := <-line:
		if said == "ready\n" {
			if ns.pid, err = childOf(cmd.Process.Pid); err == nil {
				return ns, nil
			}
		}
	case <-ctx.Done():
		err = ctx.Err()
	}
	ns.kill()
	return nil, errors.Join(fmt.Errorf("boot: %w", errors.Join(err, ns.reason())))
}

// childOf is the only child of a process.
func childOf(pid int) (int, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(raw)))
}

// prepare writes what makes the system the node's own.
func (n *namespaceNode) prepare(ns *namespace, key []byte, fill func(*namespace, *os.Root) error) error {
	root, err := os.OpenRoot(fmt.Sprintf("/proc/%d/root", ns.pid))
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	user := n.node.sim.options.User
	// The user is root by another name: nothing on a node of one's own is
	// forbidden after sudo-g5k, which then has nothing to do.
	passwd := "root:x:0:0:root:/root:/bin/bash\n" + user + ":x:0:0::/home/" + user + ":/bin/bash\nsshd:x:105:65534::/run/sshd:/usr/sbin/nologin\nnobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n"
	for name, f := range map[string]struct {
		text string
		perm os.FileMode
	}{
		"etc/hostname": {n.node.name + "\n", 0o644}, "etc/hosts": {n.node.sim.hostsFile(), 0o644}, "etc/passwd": {passwd, 0o644},
		"etc/nsswitch.conf":         {"passwd: files\ngroup: files\nhosts: files\n", 0o644},
		"etc/ssh/nxc_host_key":      {string(key), 0o600},
		"etc/ssh/nxc_sshd_config":   {sshdConfig, 0o644},
		"usr/local/bin/sudo-g5k":    {"#!/bin/sh\nexport HOME=/root USER=root\n[ $# -eq 0 ] || exec \"$@\"\n", 0o755},
		"usr/local/bin/sudo":        {"#!/bin/sh\nwhile :; do case ${1:-} in -*) shift ;; *) break ;; esac; done\nexport HOME=/root USER=root\n[ $# -eq 0 ] || exec \"$@\"\n", 0o755},
		"root/.ssh/authorized_keys": {"", 0o600},
	} {
		if err := writeInto(root, name, f.perm, strings.NewReader(f.text)); err != nil {
			return err
		}
	}
	if fill == nil {
		return nil
	}
	return fill(ns, root)
}

// postinstall unpacks an archive on the node and runs its script there.
func (ns *namespace) postinstall(ctx context.Context, sim *Simulator, root *os.Root, p postinstall, node string) error {
	const at = "rambin/postinstall"
	if err := root.MkdirAll(at, 0o755); err != nil {
		return err
	}
	if err := sim.unpack(ctx, p.Archive, p.Compression, root, at); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "nsenter", "-t", strconv.Itoa(ns.pid), "-m", "-u", "-i", "-n", "-p", "sh", "-c", "cd /"+at+" && PATH=/"+at+":$PATH && "+p.Script)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "KADEPLOY_MNT=/", "KADEPLOY_DESTDIR=/", "KADEPLOY_NODE=" + node}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", p.Script, err, out)
	}
	return root.RemoveAll("rambin")
}

// appendInto adds to a file of a root.
func appendInto(root *os.Root, name string, content []byte, perm os.FileMode) error {
	if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

// answers waits until the node's sshd takes connections.
func (n *namespaceNode) answers(ctx context.Context, ns *namespace) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		c, err := n.node.sim.wires.dial(ctx, n.address(), 22)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("its sshd does not answer: %w", err)
		case <-ns.ended:
			return errors.New("its sshd ended")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Write keeps what the node's first process says, as far as there is room.
func (ns *namespace) Write(p []byte) (int, error) {
	ns.sayMu.Lock()
	defer ns.sayMu.Unlock()
	if ns.said.Len() < 1<<16 {
		ns.said.Write(p)
	}
	return len(p), nil
}

// reason is what the node's first process said, as an error.
func (ns *namespace) reason() error {
	ns.sayMu.Lock()
	defer ns.sayMu.Unlock()
	if text := strings.TrimSpace(ns.said.String()); text != "" {
		return errors.New(text)
	}
	return nil
}

// kill ends the namespace, and waits until it is gone.
func (ns *namespace) kill() {
	_ = ns.cmd.Process.Kill() // and --kill-child ends the first process, and with it all others
	_ = ns.stdin.Close()
	<-ns.ended
}

var _ machine = (*namespaceNode)(nil)
