package simulator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/nixos-compose/nxc/providers/g5k/simulator/host"
)

// processNode is a node in this process.
type processNode struct {
	node *hostOf
	host *host.Host

	mu       sync.Mutex
	deployed bool            // by a deployment, or by kexec: not the standard environment
	keys     []ssh.PublicKey // of root, when it is deployed
}

// newProcessNode makes a node that has the standard environment.
func newProcessNode(h *hostOf) (*processNode, error) {
	n := &processNode{node: h}
	key, err := h.sim.hostKey(h.name)
	if err != nil {
		return nil, err
	}
	n.host, err = host.New(host.Options{
		Name: h.name, Dir: filepath.Join(h.sim.dir, "nodes", h.name), Key: key,
		Mounts: map[string]string{"/home": filepath.Join(h.sim.dir, "home", h.site.Name)},
		Allow:  n.allows, Dial: h.sim.dialNetwork, Run: h.sim.options.Run, Reboot: n.reboot,
	})
	return n, err
}

// allows says who may log in: the job's user in the standard environment, and
// root with the deployment's keys in any other.
func (n *processNode) allows(user string, key ssh.PublicKey) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.deployed {
		return user == "root" && slices.ContainsFunc(n.keys, func(k ssh.PublicKey) bool { return bytes.Equal(k.Marshal(), key.Marshal()) })
	}
	return user != "root" && n.node.lets(user, key)
}

func (n *processNode) Dial(ctx context.Context, port int) (net.Conn, error) {
	return n.host.Dial(ctx, port)
}

func (n *processNode) Off() { n.host.Stop() }

func (n *processNode) Close() error { return n.host.Close() }

// Restore empties the node and boots it.
func (n *processNode) Restore(context.Context) error {
	key, err := n.node.sim.hostKey(n.node.name)
	if err != nil {
		return err
	}
	return n.become(key, false, nil, nil)
}

// become empties the node, fills it, and boots it.
func (n *processNode) become(key ssh.Signer, deployed bool, keys []ssh.PublicKey, fill func() error) error {
	n.host.Stop()
	if err := n.empty(); err != nil {
		return err
	}
	if fill != nil {
		if err := fill(); err != nil {
			return err
		}
	}
	n.mu.Lock()
	n.deployed, n.keys = deployed, keys
	n.mu.Unlock()
	n.host.SetKey(key)
	return n.host.Boot(host.Boot{})
}

// empty removes the node's files, and leaves the homes, which are the site's.
func (n *processNode) empty() error {
	entries, err := n.host.Files().ReadDir("/")
	for _, e := range entries {
		if e.Name() != "home" {
			err = errors.Join(err, n.host.Files().RemoveAll("/"+e.Name()))
		}
	}
	return err
}

// Deploy puts an environment on the node: its files, when it has some, then
// what its post-installation brings. The keys are those of the deployment.
func (n *processNode) Deploy(ctx context.Context, d *deployment) error {
	key, err := newHostKey()
	if err != nil {
		return err
	}
	return n.become(key, true, d.image.keys, func() error {
		sim := n.node.sim
		if !d.image.standard && d.image.kind == "tar" {
			if err := sim.unpack(ctx, d.image.url, d.image.compression, n.host.Files().Root(), "."); err != nil {
				return fmt.Errorf("image: %w", err)
			}
		}
		for _, p := range d.image.post {
			if err := n.postinstall(ctx, p); err != nil {
				return fmt.Errorf("post-installation: %w", err)
			}
		}
		return nil
	})
}

// postinstall runs the script of an archive: here the system that is installed
// and the one that installs it are the node itself.
func (n *processNode) postinstall(ctx context.Context, p postinstall) error {
	if strings.HasPrefix(p.Archive, "server://") {
		return nil // the platform's own, whose work is done here anyway
	}
	if err := runPostinstall(ctx, n.node.sim, n.host, p, n.node.name, "/"); err != nil {
		return err
	}
	return n.host.Files().RemoveAll("/rambin")
}

// runPostinstall does what kadeploy does with an archive: it is unpacked on the
// machine that installs, and its script runs there with the new system at
// $KADEPLOY_MNT.
func runPostinstall(ctx context.Context, sim *Simulator, installer *host.Host, p postinstall, node, system string) error {
	const at = "rambin/postinstall"
	if err := installer.Files().MkdirAll("/"+at, 0o755); err != nil {
		return err
	}
	if err := sim.unpack(ctx, p.Archive, p.Compression, installer.Files().Root(), at); err != nil {
		return err
	}
	var said bytes.Buffer
	env := []string{"KADEPLOY_MNT=" + system, "KADEPLOY_DESTDIR=" + system, "KADEPLOY_NODE=" + node}
	code := installer.Shell(ctx, "root", "cd /"+at+" && PATH=/"+at+":$PATH && "+p.Script, env, bytes.NewReader(nil), &said, &said)
	if code != 0 {
		return fmt.Errorf("%s exited with %d: %s", p.Script, code, said.String())
	}
	return nil
}

// reboot boots the node as somebody on it wants: again, or by kexec into a
// system whose initial file system is then all that it has.
func (n *processNode) reboot(b host.Boot) {
	n.node.sim.work.Go(func() {
		n.node.work.Lock()
		defer n.node.work.Unlock()
		var err error
		switch {
		case b.Off:
			n.node.mu.Lock()
			n.node.powered = false
			n.node.mu.Unlock()
			n.host.Stop()
		case b.Kernel == "":
			err = n.host.Boot(b)
		default:
			err = n.kexec(b)
		}
		if err != nil {
			n.node.sim.log.Warn("a node did not boot", "node", n.node.name, "error", err)
		}
	})
}

// kexec boots what was loaded. Who may log in then is what that system says.
func (n *processNode) kexec(b host.Boot) error {
	var initrd []byte
	if b.Initrd != "" {
		var err error
		if initrd, err = n.host.Files().ReadFile(b.Initrd); err != nil {
			return err
		}
	}
	key, err := newHostKey()
	if err != nil {
		return err
	}
	n.host.Stop()
	if err := n.empty(); err != nil {
		return err
	}
	if err := unpackInitrd(initrd, n.host.Files().Root()); err != nil {
		return fmt.Errorf("initrd: %w", err)
	}
	if own, err := n.host.Files().ReadFile("/etc/ssh/ssh_host_ed25519_key"); err == nil {
		if signer, err := ssh.ParsePrivateKey(own); err == nil {
			key = signer
		}
	}
	n.mu.Lock()
	n.deployed, n.keys = true, nil
	for _, p := range []string{"/etc/ssh/authorized_keys.d/root", "/root/.ssh/authorized_keys"} {
		raw, _ := n.host.Files().ReadFile(p)
		n.keys = append(n.keys, parseKeys(raw)...)
	}
	n.mu.Unlock()
	n.host.SetKey(key)
	return n.host.Boot(b)
}

// open asks for a file of an environment.
func (s *Simulator) open(ctx context.Context, at string) (io.ReadCloser, error) {
	resp, err := s.get(ctx, http.MethodGet, at)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("%s: %s", at, resp.Status)
	}
	return resp.Body, nil
}

// inside makes a path of an archive one below a folder of a root.
func inside(folder, name string) string {
	return path.Join(folder, path.Clean("/" + name)[1:])
}

var _ machine = (*processNode)(nil)

// unlinkFirst removes what is in the way of a new file.
func unlinkFirst(root *os.Root, name string) {
	if info, err := root.Lstat(name); err == nil && !info.IsDir() {
		_ = root.Remove(name)
	}
}
