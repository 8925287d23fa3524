package simulator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/nixos-compose/nxc/providers/g5k/simulator/host"
)

// Machine is what nodes of the kind Machines boot before anything is deployed:
// a kernel and an initial file system of the caller's, in which an ssh server
// takes the files that the simulator adds.
type Machine struct {
	Kernel, Initrd string
	CommandLine    string
	Memory         string // 512M by default, as QEMU takes it
	Accelerator    string // kvm where this machine has it and tcg elsewhere, by default
	// Files are what is added to the initial file system of a node. By default
	// they are the host key, root's authorized_keys and /etc/hostname.
	Files func(Standard) map[string][]byte
}

// Standard is what a node's standard environment has to know.
type Standard struct {
	Name, Address          string
	HostKey, HostPublicKey []byte // as OpenSSH has them in files
	AuthorizedKeys         []byte
}

func plainFiles(s Standard) map[string][]byte {
	return map[string][]byte{
		"etc/hostname": []byte(s.Name + "\n"), "etc/ssh/ssh_host_ed25519_key": s.HostKey, "etc/ssh/ssh_host_ed25519_key.pub": s.HostPublicKey,
		"root/.ssh/authorized_keys": s.AuthorizedKeys,
	}
}

// machineNode is a node that is a QEMU machine. What it is told to boot by
// kexec it boots, and when it reboots it boots what it was started with.
type machineNode struct {
	node *hostOf

	mu       sync.Mutex
	running  *virtual
	deployed bool
}

// virtual is a QEMU that runs.
type virtual struct {
	cmd   *exec.Cmd
	cable net.Conn
	ended chan struct{}
}

// newMachineNode makes a node that boots the standard environment.
func newMachineNode(ctx context.Context, h *hostOf) (*machineNode, error) {
	n := &machineNode{node: h}
	return n, n.Restore(ctx)
}

func (n *machineNode) dir() string {
	return filepath.Join(n.node.sim.dir, "nodes", n.node.name)
}

func (n *machineNode) address() string { return n.node.cluster.Address(n.node.number) }

// Dial opens a connection to a port of the node. With the standard environment
// only the user of a job comes to its ssh.
func (n *machineNode) Dial(ctx context.Context, port int) (net.Conn, error) {
	n.mu.Lock()
	up, deployed := n.running != nil, n.deployed
	n.mu.Unlock()
	if !up {
		return nil, errUnreachable
	}
	if _, owned := n.node.site.owner(n.node.name); !deployed && !owned && port == 22 {
		return nil, errRefused
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return n.node.sim.lan.DialContextTCP(ctx, net.JoinHostPort(n.address(), strconv.Itoa(port)))
}

// Restore boots the standard environment.
func (n *machineNode) Restore(context.Context) error {
	n.Off()
	sim := n.node.sim
	m := sim.options.Machine
	if err := os.MkdirAll(n.dir(), 0o700); err != nil {
		return err
	}
	initrd := filepath.Join(n.dir(), "initrd")
	if err := n.standardInitrd(initrd); err != nil {
		return err
	}
	line := "console=ttyS0 net.ifnames=0 " + m.CommandLine
	return n.launch(false, "-kernel", m.Kernel, "-initrd", initrd, "-append", strings.TrimSpace(line))
}

// standardInitrd writes the initial file system with what is the node's own.
func (n *machineNode) standardInitrd(to string) error {
	sim := n.node.sim
	key, err := sim.hostPrivateKey(n.node.name)
	if err != nil {
		return err
	}
	signer, err := sim.hostKey(n.node.name)
	if err != nil {
		return err
	}
	keys, err := os.ReadFile(filepath.Join(sim.Home(n.node.site.Name), ".ssh", "authorized_keys"))
	if err != nil {
		return err
	}
	files := plainFiles
	if f := sim.options.Machine.Files; f != nil {
		files = f
	}
	base, err := os.ReadFile(sim.options.Machine.Initrd)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	b.Write(base)
	b.Write(make([]byte, (4-b.Len()%4)%4)) // the kernel reads a second archive only at a multiple of four
	writeCpio(&b, files(Standard{
		Name: n.node.name, Address: n.address(), HostKey: key, HostPublicKey: ssh.MarshalAuthorizedKey(signer.PublicKey()), AuthorizedKeys: keys,
	}))
	return os.WriteFile(to, b.Bytes(), 0o600)
}

// writeCpio writes an archive of cpio's newc format: files for root alone,
// with the folders above them.
func writeCpio(b *bytes.Buffer, files map[string][]byte) {
	number, known := 0, map[string]bool{}
	entry := func(name string, mode int, content []byte) {
		number++
		fmt.Fprintf(b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0)
		b.WriteString(name + "\x00")
		b.Write(make([]byte, (4-b.Len()%4)%4))
		b.Write(content)
		b.Write(make([]byte, (4-b.Len()%4)%4))
	}
	for _, name := range sortedKeys(files) {
		path := strings.Trim(name, "/")
		parts := strings.Split(path, "/")
		for i := 1; i < len(parts); i++ {
			if folder := strings.Join(parts[:i], "/"); !known[folder] {
				known[folder] = true
				entry(folder, 0o040755, nil)
			}
		}
		entry(path, 0o100600, files[name])
	}
	entry("TRAILER!!!", 0, nil)
}

// Deploy boots an environment from a disk that holds the image, with the
// kernel and the initial file system that its description names in it.
func (n *machineNode) Deploy(ctx context.Context, d *deployment) error {
	if d.image.standard {
		if err := n.Restore(ctx); err != nil {
			return err
		}
		n.mu.Lock()
		n.deployed = true
		n.mu.Unlock()
		return n.answers(ctx)
	}
	n.Off()
	system := filepath.Join(n.dir(), "system")
	defer func() { _ = os.RemoveAll(system) }()
	if err := n.unpack(ctx, d, system); err != nil {
		return err
	}
	root, err := os.OpenRoot(system)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	boot := []string{}
	for name, inside := range map[string]string{"kernel": d.image.kernel, "ramdisk": d.image.initrd} {
		if inside == "" {
			continue
		}
		if err := copyOut(root, inside, filepath.Join(n.dir(), name)); err != nil {
			return fmt.Errorf("%s: %w", inside, err)
		}
		boot = append(boot, map[string]string{"kernel": "-kernel", "ramdisk": "-initrd"}[name], filepath.Join(n.dir(), name))
	}
	disk := filepath.Join(n.dir(), "disk")
	if err := makeDisk(ctx, system, disk); err != nil {
		return err
	}
	boot = append(boot, "-append", strings.TrimSpace("root=/dev/vda console=ttyS0 net.ifnames=0 "+d.image.params),
		"-drive", "file="+disk+",format=raw,if=none,id=d,cache=unsafe", "-device", "virtio-blk-pci,drive=d")
	if err := n.launch(true, boot...); err != nil {
		return err
	}
	return n.answers(ctx)
}

// unpack puts the image into a folder, and does what comes after.
func (n *machineNode) unpack(ctx context.Context, d *deployment, system string) error {
	if d.image.kind != "tar" {
		return fmt.Errorf("images of the kind %s are not simulated", d.image.kind)
	}
	if err := os.RemoveAll(system); err != nil {
		return err
	}
	if err := os.MkdirAll(system, 0o755); err != nil { //nolint:gosec // the root of a system
		return err
	}
	root, err := os.OpenRoot(system)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	sim := n.node.sim
	if err := sim.unpack(ctx, d.image.url, d.image.compression, root, "."); err != nil {
		return fmt.Errorf("image: %w", err)
	}
	for _, p := range d.image.post {
		if err := n.postinstall(ctx, p, system); err != nil {
			return fmt.Errorf("post-installation: %w", err)
		}
	}
	var keys []byte
	for _, k := range d.image.keys {
		keys = append(keys, ssh.MarshalAuthorizedKey(k)...)
	}
	return appendInto(root, "root/.ssh/authorized_keys", keys, 0o600)
}

// postinstall runs the script of an archive in a machine of this process, in
// which the system is mounted.
func (n *machineNode) postinstall(ctx context.Context, p postinstall, system string) error {
	if strings.HasPrefix(p.Archive, "server://") {
		return nil // the platform's own, whose work is done here anyway
	}
	dir := filepath.Join(n.dir(), "installer")
	defer func() { _ = os.RemoveAll(dir) }()
	key, err := newHostKey()
	if err != nil {
		return err
	}
	installer, err := host.New(host.Options{Name: n.node.name, Dir: dir, Key: key, Mounts: map[string]string{"/mnt/dest": system}})
	if err != nil {
		return err
	}
	defer func() { _ = installer.Close() }()
	return runPostinstall(ctx, n.node.sim, installer, p, n.node.name, "/mnt/dest")
}

// copyOut copies a file of a system, following its links within that.
func copyOut(root *os.Root, name, to string) error {
	name = strings.TrimPrefix(filepath.Clean("/"+name), "/")
	for range 10 {
		target, err := root.Readlink(name)
		if err != nil {
			break // it is a file
		}
		if !strings.HasPrefix(target, "/") {
			target = filepath.Join("/", filepath.Dir(name), target)
		}
		name = strings.TrimPrefix(filepath.Clean(target), "/")
	}
	from, err := root.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close())
}

// makeDisk makes a disk with a file system that holds a folder, and some room.
func makeDisk(ctx context.Context, folder, disk string) error {
	var size int64 = 256 << 20
	err := filepath.WalkDir(folder, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		size += 8192 + info.Size() + info.Size()/8
		return nil
	})
	if err != nil {
		return err
	}
	_ = os.Remove(disk)
	cmd := exec.CommandContext(ctx, "mke2fs", "-q", "-F", "-t", "ext4", "-E", "root_owner=0:0", "-d", folder, disk, fmt.Sprintf("%dk", size>>10))
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mke2fs: %w: %s", err, out)
	}
	return nil
}

// launch starts QEMU, and connects it.
func (n *machineNode) launch(deployed bool, boot ...string) error {
	sim := n.node.sim
	near, far, err := socketPair()
	if err != nil {
		return err
	}
	defer func() { _ = far.Close() }()
	m := sim.options.Machine
	memory := m.Memory
	if memory == "" {
		memory = "512M"
	}
	log, err := os.OpenFile(filepath.Join(n.dir(), "qemu.log"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return errors.Join(err, near.Close())
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(emulator(), append([]string{
		"-machine", "q35", "-accel", accelerator(m.Accelerator), "-cpu", "max,la57=off,erms=off", "-m", memory, "-nodefaults", "-no-user-config", "-display", "none",
		"-serial", "file:" + n.console(), "-device", "virtio-rng-pci",
		"-netdev", "stream,id=n,server=off,addr.type=fd,addr.str=3", "-device", "virtio-net-pci,netdev=n,romfile=,mac=" + n.node.cluster.MAC(n.node.number),
	}, boot...)...)
	cmd.ExtraFiles = []*os.File{far}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return errors.Join(err, near.Close())
	}
	v := &virtual{cmd: cmd, cable: near, ended: make(chan struct{})}
	sim.work.Go(func() { _ = sim.lan.AcceptQemu(sim.ctx, near) })
	sim.work.Go(func() {
		_ = cmd.Wait()
		_ = near.Close()
		close(v.ended)
	})
	n.mu.Lock()
	defer n.mu.Unlock()
	n.running, n.deployed = v, deployed
	return nil
}

func (n *machineNode) console() string { return filepath.Join(n.dir(), "console") }

// answers waits until the node's ssh server says something.
func (n *machineNode) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 8*time.Minute)
	defer cancel()
	n.mu.Lock()
	v := n.running
	n.mu.Unlock()
	for {
		c, err := n.Dial(ctx, 22)
		if err == nil {
			_ = c.SetDeadline(time.Now().Add(5 * time.Second))
			_, err = c.Read(make([]byte, 1))
			_ = c.Close()
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("its ssh does not answer: %w", err)
		case <-v.ended:
			text, _ := os.ReadFile(filepath.Join(n.dir(), "qemu.log"))
			return fmt.Errorf("QEMU ended: %s", bytes.TrimSpace(text))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Off ends the machine.
func (n *machineNode) Off() {
	n.mu.Lock()
	v := n.running
	n.running = nil
	n.mu.Unlock()
	if v != nil {
		_ = v.cmd.Process.Kill()
		<-v.ended
	}
}

// Close ends the machine.
func (n *machineNode) Close() error {
	n.Off()
	return nil
}

var _ machine = (*machineNode)(nil)

func emulator() string { return "qemu-system-x86_64" }

// accelerator is kvm where that can work: the device alone says nothing.
func accelerator(wanted string) string {
	if wanted != "" {
		return wanted
	}
	cpus, _ := os.ReadFile("/proc/cpuinfo")
	words := strings.Fields(string(cpus))
	if !slices.Contains(words, "vmx") && !slices.Contains(words, "svm") {
		return "tcg"
	}
	if f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0); err == nil {
		_ = f.Close()
		return "kvm"
	}
	return "tcg"
}

// socketPair makes two connected sockets, one for this process and one to be
// inherited.
func socketPair() (net.Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	near, far := os.NewFile(uintptr(fds[0]), "near"), os.NewFile(uintptr(fds[1]), "far")
	conn, err := net.FileConn(near)
	if err := errors.Join(err, near.Close()); err != nil {
		return nil, nil, errors.Join(err, far.Close())
	}
	return conn, far, nil
}
