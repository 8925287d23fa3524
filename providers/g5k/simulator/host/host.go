// Package host is a machine in this process: it answers ssh, has files, runs a
// shell with a small set of commands, and reaches other machines through a
// network that its owner gives. It boots: then what ran is gone, and its
// boot_id is another.
//
// It stands for the machines of a platform where many are needed, or where a
// real system would only be in the way: a frontend, an access machine, five
// hundred nodes. Its commands are its own; nothing is run on the real machine,
// and no path leads out of its folders.
package host

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"sync"

	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"
)

// Options describe a machine.
type Options struct {
	Name   string // its full name
	Dir    string // holds its files
	Mounts map[string]string
	Key    ssh.Signer
	// Allow says who may log in, besides those whose keys the user's home has.
	Allow func(user string, key ssh.PublicKey) bool
	// Deny, when it returns a text, refuses every session with it.
	Deny func(user string) string
	// Dial is the network: it opens a connection to HOST:PORT.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Run is asked to run what the machine has no command for.
	Run Program
	// Reboot is called when somebody on the machine wants it to boot anew. It
	// must not wait for the machine's commands to end.
	Reboot func(Boot)
	// Listen lets others reach a port of it; nil makes Host.Dial the only way.
	NoLogin bool // it forwards connections, and runs nothing
}

// Boot says what a machine is to boot.
type Boot struct {
	Kernel, Initrd string // paths on the machine; without, it boots what it booted before
	CommandLine    string
	Off            bool // it is to stay off
}

// Program runs a command on a machine. It returns false when it does not know
// the command.
type Program func(ctx context.Context, p *Process) (exit int, ran bool)

// Process is a command that runs.
type Process struct {
	Host           *Host
	User           string
	Args           []string
	Env            []string
	Dir            string
	Stdin          interface{ Read([]byte) (int, error) }
	Stdout, Stderr interface{ Write([]byte) (int, error) }
}

// Host is a machine that is on.
type Host struct {
	o     Options
	files *Files

	mu        sync.Mutex
	key       ssh.Signer
	boot      Boot
	loaded    *Boot // what kexec would start
	bootID    string
	ctx       context.Context // of what runs since it booted
	cancel    context.CancelFunc
	conns     map[net.Conn]bool
	listeners map[int]*listener
	work      sync.WaitGroup
	closed    bool
}

// New makes a machine and boots it.
func New(o Options) (*Host, error) {
	h := &Host{o: o, key: o.Key, conns: map[net.Conn]bool{}, listeners: map[int]*listener{}}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	files, err := openFiles(o.Dir, o.Mounts)
	if err != nil {
		return nil, err
	}
	h.files = files
	return h, h.Boot(Boot{})
}

// Name is the machine's full name.
func (h *Host) Name() string { return h.o.Name }

// Files are the machine's files.
func (h *Host) Files() *Files { return h.files }

// Key is the machine's host key.
func (h *Host) Key() ssh.PublicKey {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.key.PublicKey()
}

// SetKey gives the machine another host key, from the next connection on.
func (h *Host) SetKey(key ssh.Signer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.key = key
}

// BootID is the name of the machine's current boot.
func (h *Host) BootID() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.bootID
}

// Boot starts the machine anew: every connection and command ends, files stay.
func (h *Host) Boot(b Boot) error {
	h.Stop()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return net.ErrClosed
	}
	h.boot, h.bootID, h.loaded = b, uuid.NewString(), nil
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h.skeleton()
}

// skeleton writes the files that a system has by itself.
func (h *Host) skeleton() error {
	line := b(h.boot.CommandLine, "BOOT_IMAGE=/vmlinuz root=/dev/sda3 ro")
	for _, dir := range []string{"/root", "/tmp", "/etc", "/boot", "/run", "/dev/shm", "/var/tmp", "/proc/sys/kernel/random", "/home"} {
		if err := h.files.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	for path, text := range map[string]string{
		"/etc/hostname": h.o.Name + "\n", "/proc/sys/kernel/random/boot_id": h.bootID + "\n", "/proc/cmdline": line + "\n",
	} {
		if err := h.files.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func b(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// Stop ends every connection and command, and leaves the machine off until it
// boots.
func (h *Host) Stop() {
	h.mu.Lock()
	if h.cancel != nil {
		h.cancel()
		h.cancel = nil
	}
	conns := slices.Collect(maps.Keys(h.conns))
	listeners := slices.Collect(maps.Values(h.listeners))
	h.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
	}
	for _, l := range listeners {
		_ = l.Close()
	}
}

// Close stops the machine for good. Its folder stays.
func (h *Host) Close() error {
	h.Stop()
	h.mu.Lock()
	closed := h.closed
	h.closed = true
	h.mu.Unlock()
	if closed {
		return nil
	}
	h.work.Wait()
	return h.files.close()
}

// running returns the context of what runs now, nil while the machine is off.
func (h *Host) running() context.Context {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cancel == nil || h.closed {
		return nil
	}
	return h.ctx
}

// track keeps a connection so that Stop can end it.
func (h *Host) track(c net.Conn) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cancel == nil || h.closed {
		return false
	}
	h.conns[c] = true
	return true
}

func (h *Host) forget(c net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, c)
}

// Load prepares a system that Start will start in place of the running one, as
// kexec does.
func (h *Host) Load(next Boot) error {
	for _, path := range []string{next.Kernel, next.Initrd} {
		if path == "" {
			continue
		}
		if info, err := h.files.Stat(path); err != nil || info.IsDir() {
			return fmt.Errorf("cannot open %s", path)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.loaded = &next
	return nil
}

// Start starts what Load prepared. It reports whether there is something.
func (h *Host) Start() bool {
	h.mu.Lock()
	next := h.loaded
	h.mu.Unlock()
	if next != nil && h.o.Reboot != nil {
		h.o.Reboot(*next)
	}
	return next != nil
}

// Dialer opens connections from the machine to others.
func (h *Host) Dialer() func(ctx context.Context, address string) (net.Conn, error) { return h.o.Dial }
