package g5k

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/nixos-compose/nxc/nix/standin"
	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/sshnode"
	"github.com/nixos-compose/nxc/providers/g5k/api"
	"github.com/nixos-compose/nxc/providers/g5k/simulator"
	"github.com/nixos-compose/nxc/providers/g5k/simulator/host"
)

// buildMetal builds the light image of testdata/metal.nix, whose nodes find the store as said.
func buildMetal(t *testing.T, store string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("machines take too long for -short")
	}
	for _, program := range []string{"qemu-system-x86_64", "nix-build"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s", program)
		}
	}
	index, err := standin.Ensure(t.Context(), standin.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "nix-build", "--no-out-link", "--option", "substitute", "false",
		"--option", "build-users-group", "", "--argstr", "index", index, "--argstr", "store", store, "testdata/metal.nix")
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("nix-build: %v: %s", err, complaint.String())
	}
	return strings.TrimSpace(string(output))
}

// key is a key pair, as core makes them.
type key struct {
	signer          ssh.Signer
	private, public []byte
}

func makeKey(t *testing.T) key {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "test")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return key{signer, pem.EncodeToMemory(block), ssh.MarshalAuthorizedKey(signer.PublicKey())}
}

// identity is a context: who a node is, and who may log in.
func identity(node string, host, login key, token string) []plugins.ContextFile {
	return []plugins.ContextFile{
		{Path: "/etc/nxc/authorized_keys", Content: login.public},
		{Path: "/etc/nxc/node", Content: []byte(node + "\n")},
		{Path: sshnode.TokenFile, Private: true, Content: []byte(token + "\n")},
		{Path: sshnode.HostKeyFile, Private: true, Content: host.private},
		{Path: sshnode.HostPublicKeyFile, Private: true, Content: host.public},
		{Path: "/etc/nxc/role", Content: []byte("node\n")},
	}
}

// metal is a machine that really boots, reached as a node of a site.
type metal struct {
	*testbed
	op     sdk.Operation
	user   key
	own    key // the deployment's
	host   key // the node's, in the deployment
	serial string
	name   string
}

// newMetal starts a machine with QEMU's arguments for what it boots, and a
// testbed that leads to it.
func newMetal(t *testing.T, boot func(m *metal) []string) *metal {
	t.Helper()
	dir := t.TempDir()
	m := &metal{
		user: makeKey(t), own: makeKey(t), host: makeKey(t), serial: filepath.Join(dir, "serial"), name: "dahu-1.grenoble.grid5000.fr",
		op: sdk.Operation{Operation: plugins.Operation{UUID: strings.Repeat("a", 32), Address: `composition.web.metal.g5k_node["server"]`, Attempt: "1"}},
	}
	keys := filepath.Join(dir, "keys", m.op.UUID)
	for name, content := range map[string][]byte{"id_ed25519": m.own.private, "host_" + hex.EncodeToString([]byte("server")): m.host.private} {
		if err := os.MkdirAll(keys, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(keys, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	port := freePort(t)
	m.qemu(t, port, boot(m))
	sim, err := simulator.Start(simulator.Options{User: "root", Clusters: map[string]int{"dahu": 4}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sim.Close() })
	gateway, known := m.gateway(t, dir, port)
	userKey := filepath.Join(dir, "user")
	if err := os.WriteFile(userKey, m.user.private, 0o600); err != nil {
		t.Fatal(err)
	}
	m.testbed = &testbed{
		config:  Config{User: "root", SSHKey: userKey, KnownHosts: known, Gateway: &gateway, NodeWait: "4m"},
		getenv:  func(string) string { return "" },
		folders: plugins.Folders{State: filepath.Join(dir, "state"), Keys: filepath.Dir(keys)},
	}
	if m.client, err = api.New(api.Options{Base: sim.API(), User: "root", Pace: api.Pace{First: 10 * time.Millisecond}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.network().Close() })
	return m
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// qemu starts the machine.
func (m *metal) qemu(t *testing.T, port int, boot []string) {
	t.Helper()
	cmd := exec.Command("qemu-system-x86_64", append([]string{
		"-machine", "q35", "-accel", "tcg", "-cpu", "max,la57=off,erms=off", "-m", "1024M", "-nodefaults", "-display", "none", "-no-user-config",
		"-serial", "file:" + m.serial, "-device", "virtio-rng-pci",
		"-netdev", fmt.Sprintf("user,id=n,hostfwd=tcp:127.0.0.1:%d-:22", port), "-device", "virtio-net-pci,netdev=n,romfile=",
	}, boot...)...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			text, _ := os.ReadFile(m.serial)
			t.Logf("QEMU said %s\nits console:\n%s", said.String(), text[max(0, len(text)-4000):])
		}
	})
}

// gateway is an access machine behind which all nodes are the machine.
func (m *metal) gateway(t *testing.T, dir string, port int) (address, known string) {
	t.Helper()
	own := makeKey(t)
	gate, err := host.New(host.Options{
		Name: "access", Dir: filepath.Join(dir, "access"), Key: own.signer, NoLogin: true,
		Allow: func(string, ssh.PublicKey) bool { return true },
		Dial: func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() { gate.Serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		_ = gate.Close()
		open.Wait()
	})
	known = filepath.Join(dir, "known_hosts")
	line := knownhosts.Line([]string{l.Addr().String()}, own.signer.PublicKey())
	if err := os.WriteFile(known, []byte(line+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String(), known
}

// run runs a command on a node and returns what it printed.
func (m *metal) run(t *testing.T, have *Node, script string) string {
	t.Helper()
	var out bytes.Buffer
	exit, err := nodes{m.testbed}.Exec(t.Context(), m.op, have, plugins.Process{Command: []string{"sh", "-c", script}, Stdout: &out, Stderr: &out})
	if err != nil || exit != 0 {
		t.Fatalf("%s: status %d, %v: %s", script, exit, err, out.String())
	}
	return strings.TrimSpace(out.String())
}

// TestKexec gives a machine that runs a standard environment a system of ours,
// which it really boots, with its own context.
func TestKexec(t *testing.T) {
	image := buildMetal(t, "ramdisk")
	t.Parallel()
	m := newMetal(t, func(m *metal) []string {
		var archive bytes.Buffer
		if err := sshnode.AppendContext(&archive, identity("standard", makeKey(t), m.user, "none")); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(image + "/initrd")
		if err != nil {
			t.Fatal(err)
		}
		initrd := filepath.Join(t.TempDir(), "initrd")
		text = append(append(text, make([]byte, sshnode.Padding(int64(len(text))))...), archive.Bytes()...)
		if err := os.WriteFile(initrd, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return []string{"-kernel", image + "/kernel", "-initrd", initrd, "-append", "console=ttyS0 net.ifnames=0 mitigations=off tsc=reliable no_timer_check loglevel=4"}
	})
	op := m.op
	op.Context = &plugins.Context{Files: identity("server", m.host, m.own, "token-of-server")}
	want := &Node{
		Name: "server", Site: "grenoble", Job: 1, Hosts: []string{m.name}, Of: 1, Method: byKexec,
		Kernel: image + "/kernel", Initrd: image + "/initrd", KernelParams: []string{"mitigations=off", "tsc=reliable", "no_timer_check", "loglevel=4"},
	}
	n := nodes{m.testbed}
	began := time.Now()
	if err := n.Create(t.Context(), op, want); err != nil {
		t.Fatal(err)
	}
	t.Logf("created after %.1f s", time.Since(began).Seconds())
	if want.Host != m.name || want.Address != "10.0.2.15" {
		t.Errorf("got host %q, address %q", want.Host, want.Address)
	}
	if got := m.run(t, want, "cat /etc/nxc/node /etc/hostname; hostname"); got != "server\nserver\nserver" {
		t.Errorf("it says it is %q", got)
	}
	if err := n.SetContext(t.Context(), op, want, plugins.Context{Files: []plugins.ContextFile{
		{Path: "/etc/nxc/deployment.json", Content: []byte(`{"roles":{"server":["server"],"client":["client1"]},"nodes":["client1","server"],"deployment":{"10.0.2.15":{"host":"server","role":"server"},"10.0.2.16":{"host":"client1","role":"client"}}}`)},
	}}); err != nil {
		t.Fatal(err)
	}
	if got := m.run(t, want, "getent hosts client client1 | sort -u"); !strings.Contains(got, "10.0.2.16") {
		t.Errorf("it does not know client: %q", got)
	}
}

// TestImage boots the partition that Kadeploy would have made of an image: the
// machine waits to be told who it is, is believed at first contact, and goes on
// as that node.
func TestImage(t *testing.T) {
	for _, program := range []string{"tar", "zstd", "mke2fs"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s", program)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can make a partition whose files are root's")
	}
	image := buildMetal(t, "partition")
	dir := t.TempDir()
	m := newMetal(t, func(m *metal) []string {
		script := `set -e; mkdir root; tar -C root -I zstd -xf "$1/image.tar.zst"; mkdir -m 700 root/root/.ssh; cp key root/root/.ssh/authorized_keys
truncate -s 900M disk; mke2fs -q -t ext4 -d root disk; cp root/boot/bzImage root/boot/initrd .; rm -rf root`
		if err := os.WriteFile(filepath.Join(dir, "key"), m.own.public, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("sh", "-c", script, "sh", image)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("make a partition: %v: %s", err, out)
		}
		return []string{
			"-drive", "file=" + dir + "/disk,format=raw,if=virtio,cache=unsafe", "-kernel", dir + "/bzImage", "-initrd", dir + "/initrd",
			"-append", "root=/dev/vda console=ttyS0 net.ifnames=0 mitigations=off tsc=reliable no_timer_check loglevel=4 panic=1",
		}
	})
	op := m.op
	op.Context = &plugins.Context{Files: identity("server", m.host, m.own, "token-of-server")}
	want := &Node{Name: "server", Site: "grenoble", Job: 1, Hosts: []string{m.name}, Of: 1, Method: deployed}
	n := nodes{m.testbed}
	if err := n.Create(t.Context(), op, want); err != nil {
		t.Fatal(err)
	}
	if want.HostKey != "" {
		t.Error("it is known by the key that it made, and not by the deployment's")
	}
	if got := m.run(t, want, "cat /etc/nxc/node /etc/hostname; hostname; ls -d /nxc-waiting 2>/dev/null || echo none"); got != "server\nserver\nserver\nnone" {
		t.Errorf("it says it is %q", got)
	}
}
