package simulator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nixos-compose/nxc/providers/g5k/simulator/platform"
)

// wires are the network of nodes that are namespaces. It is a bridge in a
// network namespace of its own, so that nothing of it is seen on this machine,
// and that ends with the process that holds it, however the simulator ends.
type wires struct {
	holder  *exec.Cmd
	own     *os.File // this process's network namespace
	theirs  *os.File // that of the nodes
	openssh string   // a folder with an OpenSSH server, / when this machine has one
	public  *http.Server

	mu sync.Mutex // held while links are made
}

// The addresses of all sites are in one network, in which this process has the
// last one and serves the public folders.
const (
	wiresMask    = 12
	wiresAddress = "172.31.255.254"
)

// needs are the programs that nodes that are namespaces need.
func needs() []string {
	return []string{"ip", "unshare", "nsenter", "mount", "umount", "mountpoint", "pivot_root", "setpriv", "hostname", "zstd"}
}

// Available says why there cannot be nodes of a kind on this machine.
func Available(kind Kind) error {
	switch kind {
	case Namespace:
		if os.Getuid() != 0 {
			return errors.New("nodes that are namespaces need root")
		}
		for _, name := range needs() {
			if _, err := exec.LookPath(name); err != nil {
				return fmt.Errorf("nodes that are namespaces need the program %s", name)
			}
		}
		_, err := findOpenSSH()
		return err
	case Process:
		return nil
	}
	return fmt.Errorf("there is no kind of node %q; there are %v", kind, Kinds())
}

// findOpenSSH finds an OpenSSH server: this machine's, or one that was unpacked
// below bin/tools of the repository that the working folder is in.
func findOpenSSH() (string, error) {
	if _, err := os.Stat("/usr/sbin/sshd"); err == nil {
		return "/", nil
	}
	dir, err := os.Getwd()
	for err == nil {
		tree := filepath.Join(dir, "bin", "tools", "openssh")
		if _, err := os.Stat(filepath.Join(tree, "usr", "sbin", "sshd")); err == nil {
			return tree, nil
		}
		if dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	return "", errors.New("nodes that are namespaces need an OpenSSH server, /usr/sbin/sshd; make deps unpacks one for tests")
}

// lay makes the network.
func (s *Simulator) lay() (*wires, error) {
	if err := Available(Namespace); err != nil {
		return nil, err
	}
	w := &wires{}
	var err error
	if w.openssh, err = findOpenSSH(); err != nil {
		return nil, err
	}
	w.holder = exec.Command("unshare", "--net", "--fork", "--kill-child=KILL", "sleep", "infinity")
	w.holder.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if err := w.holder.Start(); err != nil {
		return nil, err
	}
	if err := w.enter(s.ctx); err != nil {
		return nil, errors.Join(err, w.close())
	}
	var l net.Listener
	if err := w.inside(func() (err error) {
		l, err = net.Listen("tcp", net.JoinHostPort(wiresAddress, "80"))
		return err
	}); err != nil {
		return nil, errors.Join(err, w.close())
	}
	w.public = &http.Server{Handler: s.publicHandler(), ReadHeaderTimeout: time.Minute}
	s.work.Go(func() { _ = w.public.Serve(l) })
	return w, nil
}

// enter waits for the namespace, and makes the bridge.
func (w *wires) enter(ctx context.Context) error {
	var err error
	if w.own, err = os.Open("/proc/self/ns/net"); err != nil {
		return err
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		theirs, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", w.holder.Process.Pid))
		if err == nil && different(w.own, theirs) {
			w.theirs = theirs
			break
		}
		if err == nil {
			_ = theirs.Close()
		}
		if time.Now().After(deadline) {
			return errors.New("the network namespace of the nodes does not begin")
		}
	}
	return w.ip(ctx, "link set lo up\nlink add name nodes type bridge stp_state 0 forward_delay 0\nlink set nodes up\n"+
		fmt.Sprintf("address add %s/%d dev nodes\n", wiresAddress, wiresMask))
}

func different(a, b *os.File) bool {
	x, errX := a.Stat()
	y, errY := b.Stat()
	return errX == nil && errY == nil && !os.SameFile(x, y)
}

// ip runs commands of ip in the nodes' network.
func (w *wires) ip(ctx context.Context, batch string) error {
	return ipIn(ctx, w.holder.Process.Pid, batch)
}

func ipIn(ctx context.Context, pid int, batch string) error {
	cmd := exec.CommandContext(ctx, "nsenter", "-t", strconv.Itoa(pid), "-n", "ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(batch)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip: %w: %s", err, out)
	}
	return nil
}

// plug connects the network namespace of a process: one end of a cable is its
// eth0, the other is at the bridge. A cable of that name goes first: the
// kernel takes its time with namespaces that have ended.
func (w *wires) plug(ctx context.Context, pid int, name, address, mac string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.ip(ctx, "link delete "+name+"\n") // most often there is none
	if err := w.ip(ctx, fmt.Sprintf("link add name %s type veth peer name eth0 netns %d\nlink set %s master nodes up\n", name, pid, name)); err != nil {
		return err
	}
	return ipIn(ctx, pid, fmt.Sprintf("link set lo up\nlink set eth0 address %s up\naddress add %s/%d dev eth0\n", mac, address, wiresMask))
}

// inside runs a function on a thread that is in the nodes' network.
func (w *wires) inside(do func() error) error {
	runtime.LockOSThread()
	if err := unix.Setns(int(w.theirs.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter the nodes' network: %w", err)
	}
	err := do()
	if back := unix.Setns(int(w.own.Fd()), unix.CLONE_NEWNET); back != nil {
		return errors.Join(err, back) // and the thread is never used for anything else
	}
	runtime.UnlockOSThread()
	return err
}

// dial opens a connection to a node.
func (w *wires) dial(ctx context.Context, address string, port int) (c net.Conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	err = w.inside(func() error {
		// A name or two addresses would be dialled by other threads.
		c, err = (&net.Dialer{}).DialContext(ctx, "tcp4", net.JoinHostPort(address, strconv.Itoa(port)))
		return err
	})
	return c, err
}

func (w *wires) close() error {
	var errs []error
	if w.public != nil {
		errs = append(errs, w.public.Close())
	}
	if w.holder != nil && w.holder.Process != nil {
		_ = w.holder.Process.Kill()
		_ = w.holder.Wait() // it says that it was killed
	}
	for _, f := range []*os.File{w.own, w.theirs} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// wire is the name of the node's cable, of at most 15 letters.
func (h *hostOf) wire() string { return fmt.Sprintf("%.8s-%d", h.cluster.Name, h.number) }

// hostsFile knows all nodes and public folders.
func (s *Simulator) hostsFile() string {
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n")
	for _, name := range s.names {
		for _, c := range s.sites[name].Clusters {
			for i := 1; i <= c.Nodes; i++ {
				fmt.Fprintf(&b, "%s %s %s-%d\n", c.Address(i), c.Node(i), c.Name, i)
			}
		}
		fmt.Fprintf(&b, "%s public.%s.%s public.%s\n", wiresAddress, name, platform.Domain, name)
	}
	return b.String()
}
